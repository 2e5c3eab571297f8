#include "daemon/submitter.h"

#include "acl/expand/regex.h"
#include "core/base/ascii.h"
#include "core/io/fiber.h"
#include "daemon/services.h"

#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

namespace godwit::daemon {
namespace {

std::vector<gid_t> groups_here() {
  std::vector<gid_t> groups(static_cast<size_t>(std::max(0, getgroups(0, nullptr))));
  const int count = getgroups(static_cast<int>(groups.size()), groups.data());
  groups.resize(static_cast<size_t>(std::max(0, count)));
  groups.push_back(getgid());
  return groups;
}

bool is_in_group(const std::string& name) {
  const std::vector<gid_t> groups = groups_here();
  const group* found = getgrnam(name.c_str());
  const std::optional<uint64_t> number = parse_decimal(name);
  return std::any_of(groups.begin(), groups.end(), [&](gid_t id) {
    return (found != nullptr && found->gr_gid == id) || (number && *number == id);
  });
}

// Root, the user of the daemon, and who trusted_users and trusted_groups name.
bool is_trusted(const config::MainOptions& options, const std::string& login) {
  if (getuid() == 0) return true;
  if (!options.exim_user.empty() && options.exim_user == login) return true;
  const auto& users = options.trusted_users;
  return std::find(users.begin(), users.end(), login) != users.end() ||
         std::any_of(options.trusted_groups.begin(), options.trusted_groups.end(), is_in_group);
}

// "&" stands for the login, with a capital.
std::string with_login(std::string_view gecos, const std::string& login) {
  std::string out;
  for (const char c : gecos) {
    if (c != '&') {
      out += c;
      continue;
    }
    const size_t at = out.size();
    out += login;
    if (at < out.size()) out[at] = to_upper(out[at]);
  }
  return out;
}

// gecos_pattern and gecos_name make a name of the field; without them it ends at the first comma.
std::string full_name_of(const std::string& gecos, const ServerConfig& config,
                         acl::EvalContext& context) {
  if (!config.gecos_pattern || !config.options().gecos_name.is_set)
    return gecos.substr(0, gecos.find(','));
  context.captures.clear();
  const Result<bool> found = config.gecos_pattern->search(gecos, &context.captures);
  if (!found || !*found) return gecos;
  const acl::EvalResult name = config.policy->expansion("gecos_name").evaluate(context);
  return name.ok() ? name.text : gecos;
}

// The names of the user; one that the system does not know is called as unknown_login says.
void find_names(Submitter& who, const ServerConfig& config, acl::EvalContext& context) {
  const passwd* user = getpwuid(getuid());
  if (user != nullptr) {
    who.login = user->pw_name;
    const std::string gecos =
        with_login(user->pw_gecos == nullptr ? "" : user->pw_gecos, who.login);
    who.full_name = full_name_of(gecos, config, context);
    return;
  }
  const acl::EvalResult login = config.policy->expansion("unknown_login").evaluate(context);
  const bool is_named = login.ok() && !login.text.empty();
  who.login = is_named ? login.text : "uid" + std::to_string(getuid());
  if (is_named) who.full_name = config.options().unknown_username;
}

Submitter ask(const CommandLine& line, const ServerConfig& config, acl::EvalContext& context,
              acl::ConnectionFacts& connection) {
  Submitter who;
  find_names(who, config, context);
  who.is_trusted = is_trusted(config.options(), who.login);
  connection.sender_ident = who.login;
  if (line.sender_given && !who.is_trusted) {
    const acl::ListMatch found =
        config.policy->list("untrusted_set_sender").match({line.sender, std::nullopt, {}}, context);
    who.may_set_sender = found.match == acl::Match::yes;
  }
  who.message_id = acl::message_id_words(*config.policy, context);
  return who;
}

Task<Submitter> ask_on_fiber(const CommandLine& line, const ServerConfig& config,
                             acl::EvalContext& context, acl::ConnectionFacts& connection) {
  auto asking = [&] { return ask(line, config, context, connection); };
  co_return co_await on_fiber(asking);
}

}  // namespace

Submitter find_submitter(const CommandLine& line, const ConfigPointer& config, LocalShard& shard) {
  acl::ConnectionFacts connection;
  MessageServices asks(shard.evaluators().get());
  acl::EvalContext context;
  context.services = &asks.get();
  context.server = &config->facts;
  context.connection = &connection;
  context.now = SystemClock().wall();
  Submitter who = shard.wait(ask_on_fiber(line, *config, context, connection));
  for (const std::string& problem : who.message_id.problems)
    shard.log().panic(LogEvent::configuration, "", problem);
  return who;
}

}  // namespace godwit::daemon
