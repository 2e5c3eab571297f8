// -bt, -bv and -bvs: where addresses would go, and whether they could be; -brw: what rewriting
// rules make of them. From the command line, or
// from standard input line by line. EXIM.md 4.1.
#include "core/base/ascii.h"
#include "core/io/fiber.h"
#include "core/io/scope.h"
#include "daemon/commands.h"
#include "daemon/services.h"
#include "daemon/trace_text.h"
#include "delivery/route/verify.h"
#include "delivery/transport/smtp_transport.h"
#include "protocol/message/address_list.h"

#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <set>

namespace godwit::daemon {
namespace {

using delivery::GeneratedKind;
using delivery::RoutedAddress;
using delivery::RoutedTree;
using delivery::RouteStatus;

enum ExitStatus : int { kAllGood = 0, kSomeDeferred = 1, kSomeFailed = 2 };

std::string login_name() {
  const passwd* user = getpwuid(getuid());
  return user == nullptr ? "uid" + std::to_string(getuid()) : user->pw_name;
}

// Writes what a walk through the routers found, as -bt does.
class TreePrinter {
 public:
  TreePrinter(const RoutedTree& tree, const delivery::TransportSet& transports)
      : tree_(tree), transports_(transports) {}

  int print() {
    std::vector<size_t> local;
    std::vector<size_t> remote;
    for (size_t at : tree_.order) {
      const RoutedAddress& address = tree_.addresses[at];
      if (address.generated.kind != GeneratedKind::address) {
        print_local_item(address);
        continue;
      }
      switch (address.result.status) {
        case RouteStatus::failed:
          print_unsuccessful(address, "is undeliverable");
          status_ = kSomeFailed;
          break;
        case RouteStatus::deferred:
        case RouteStatus::frozen:
          print_unsuccessful(address, "cannot be resolved at this time");
          if (status_ == kAllGood) status_ = kSomeDeferred;
          break;
        case RouteStatus::routed:
          (is_remote(address) ? remote : local).push_back(at);
          break;
        case RouteStatus::redirected:
        case RouteStatus::discarded:
          break;
      }
    }
    if (!has_trouble_ && local.empty() && remote.empty()) {
      std::printf("mail to %s is discarded\n", tree_.addresses.front().address.c_str());
      return status_;
    }
    // The last that was routed comes first, those with hosts after the others.
    for (auto at = local.rbegin(); at != local.rend(); ++at) print_routed(tree_.addresses[*at]);
    for (auto at = remote.rbegin(); at != remote.rend(); ++at) print_routed(tree_.addresses[*at]);
    return status_;
  }

 private:
  const delivery::Transport* transport_of(const RoutedAddress& address) const {
    const int index = address.result.transport;
    return index < 0 ? nullptr : transports_.at(index);
  }
  bool is_remote(const RoutedAddress& address) const {
    const delivery::Transport* transport = transport_of(address);
    return transport != nullptr && transport->is_remote();
  }

  void print_parents(const RoutedAddress& address) const {
    for (size_t up = address.parent; up != RoutedAddress::kNoParent;
         up = tree_.addresses[up].parent) {
      std::printf("\n    <-- %s", tree_.addresses[up].address.c_str());
    }
  }

  void print_unsuccessful(const RoutedAddress& address, const char* what) {
    has_trouble_ = true;
    std::printf("%s %s: %s", address.address.c_str(), what, address.result.message.c_str());
    print_parents(address);
    std::printf("\n");
  }

  void print_local_item(const RoutedAddress& item) {
    has_trouble_ = true;
    std::printf("%s -> %s", tree_.addresses[item.parent].address.c_str(), item.address.c_str());
    if (!item.generated.problem.empty()) {
      std::printf("\n*** Error in setting up pipe, file, or autoreply:\n%s\n",
                  item.generated.problem.c_str());
    } else if (item.generated.allowed) {
      std::printf("\n  transport = %s\n",
                  transports_.all()[static_cast<size_t>(item.generated.transport)].data());
    } else {
      std::printf(" *** forbidden ***\n");
    }
  }

  void print_routed(const RoutedAddress& address) {
    std::printf("%s", address.address.c_str());
    // A copy of an unseen address is no duplicate of what it is a copy of.
    const bool is_copy = address.parent != RoutedAddress::kNoParent &&
                         tree_.addresses[address.parent].address == address.address;
    std::string key = address.local_part + "@" + address.domain;
    if (is_copy) key += " " + std::to_string(address.start_router);
    if (!seen_.insert(std::move(key)).second) std::printf("   [duplicate, would not be delivered]");
    print_parents(address);
    const delivery::Transport* transport = transport_of(address);
    std::printf("\n  router = %s, transport = %s\n", address.result.router->name().c_str(),
                transport == nullptr ? "unset" : transport->name().c_str());
    if (address.result.hosts == nullptr || transport == nullptr) return;
    if (transport->is_remote() &&
        static_cast<const delivery::SmtpTransport&>(*transport).smtp().hosts_override)
      return;
    print_hosts(*address.result.hosts, transport->is_remote());
  }

  // A local transport has names alone, with room where addresses would be.
  static void print_hosts(const delivery::HostList& list, bool with_addresses) {
    size_t name_width = 0;
    size_t address_width = 0;
    for (const delivery::RouteHost& host : list.hosts) {
      name_width = std::max(name_width, host.name.size());
      for (const IpAddress& address : host.addresses)
        address_width = std::max(address_width, address.to_string().size());
    }
    for (const delivery::RouteHost& host : list.hosts) {
      if (!with_addresses) {
        std::printf("  host %-*s  %-7s \n", static_cast<int>(name_width), host.name.c_str(), "");
        continue;
      }
      for (const IpAddress& address : host.addresses) {
        std::string text = "[" + address.to_string() + "]";
        text.resize(std::max(text.size(), address_width + 2), ' ');
        std::printf("  host %-*s %s", static_cast<int>(name_width), host.name.c_str(),
                    text.c_str());
        if (host.from_mx) std::printf(" MX=%d", host.mx_preference);
        if (host.port != 0) std::printf(" port=%d", host.port);
        std::printf("\n");
      }
    }
  }

  const RoutedTree& tree_;
  const delivery::TransportSet& transports_;
  std::set<std::string> seen_;
  bool has_trouble_ = false;
  int status_ = kAllGood;
};

class AddressShell {
 public:
  AddressShell(Loop& loop, const ConfigPointer& config, const CommandLine& line)
      : config_(config),
        services_(loop, config),
        line_(line),
        debugging_(line.debug, *config->document.sources) {
    services_.names().show(debugging_.trace());
    message_.sender_address =
        line.sender_given ? line.sender : login_name() + "@" + config->facts.qualify_domain;
    connection_.received_protocol = line.received_protocol;
    connection_.sender_host_name = line.sender_host_name;
    const Result<IpAddress> host = IpAddress::parse(line.sender_host);
    if (host) connection_.sender_host = Endpoint{*host, 0};
  }

  // All addresses of `text`.
  Task<void> take(std::string text) {
    if (line_.mode == Mode::test_rewriting) {
      co_await take_for_rewriting(std::move(text));
      std::fflush(stdout);
      co_return;
    }
    if (trim(text).empty()) co_return;
    const Result<message::AddressList> list =
        message::parse_address_list(text, message::Utf8::allowed);
    if (!list) {
      std::printf("syntax error: %s\n", list.error().detail().c_str());
      status_ = kSomeFailed;
      co_return;
    }
    for (const message::ListedAddress& address : list->addresses) {
      if (address.address.empty()) continue;
      co_await take_address(address);
    }
    std::fflush(stdout);
  }

  Task<void> close() { co_await services_.close(); }
  int status() const noexcept { return status_; }

 private:
  acl::EvalContext rewriting_context() {
    acl::EvalContext context;
    context.services = &services_.get();
    context.server = &config_->facts;
    context.connection = &connection_;
    context.message = &message_;
    context.trace = debugging_.trace();
    context.now = SystemClock().wall();
    return context;
  }

  // What a client would have sent, then one address with all its places.
  Task<void> take_for_rewriting(std::string text) {
    const rewrite::RewriteRules& rules = *config_->delivery->rewrite;
    if (rules.empty()) {
      std::printf("No rewrite rules are defined\n");
      co_return;
    }
    acl::EvalContext context = rewriting_context();
    auto rewriting = [&] { return rules.rewrite(text, rewrite::kSmtp, context); };
    const rewrite::Rewritten path = co_await on_fiber(rewriting);
    if (!path.problem.empty()) std::fprintf(stderr, "%s\n", path.problem.c_str());
    if (path.changed) std::printf("    SMTP: %s\n", path.address.c_str());
    if (!rules.has(rewrite::kEverywhere)) co_return;
    if (text.find('@') == std::string::npos) text += "@" + config_->facts.qualify_recipient;
    const Result<message::ListedAddress> parsed =
        message::parse_address(text, message::Utf8::allowed, false);
    if (parsed) {
      co_await show_rewriting(text, *parsed);
    } else if (!path.changed) {
      std::string why = parsed.error().detail();
      if (!why.empty()) why[0] = to_upper(why[0]);
      std::printf("Syntax error in %s\n%s\n", text.c_str(), why.c_str());
    }
  }

  // Every place where the address could stand. EXIM.md 2.9.
  Task<void> show_rewriting(const std::string& text, const message::ListedAddress& listed) {
    struct PlaceRow {
      const char* name;
      rewrite::Place place;
    };
    constexpr PlaceRow kPlaces[] = {
        {"  sender", rewrite::kSender},       {"    from", rewrite::kFrom},
        {"      to", rewrite::kTo},           {"      cc", rewrite::kCc},
        {"     bcc", rewrite::kBcc},          {"reply-to", rewrite::kReplyTo},
        {"env-from", rewrite::kEnvelopeFrom}, {"  env-to", rewrite::kEnvelopeTo},
    };
    const rewrite::RewriteRules& rules = *config_->delivery->rewrite;
    acl::EvalContext context = rewriting_context();
    for (const PlaceRow& row : kPlaces) {
      const bool is_envelope = (row.place & rewrite::kHeaders) == 0;
      std::string address = listed.address;
      if (!listed.has_domain)
        address += "@" + (row.place == rewrite::kEnvelopeFrom ? config_->facts.qualify_domain
                                                              : config_->facts.qualify_recipient);
      auto rewriting = [&] { return rules.rewrite(address, row.place, context); };
      const rewrite::Rewritten rewritten = co_await on_fiber(rewriting);
      if (!rewritten.problem.empty()) std::fprintf(stderr, "%s\n", rewritten.problem.c_str());
      std::string shown = rewritten.address;
      if (!is_envelope && !rewritten.whole) {
        const std::string before = text.substr(0, listed.spec_offset);
        shown = before + shown + text.substr(listed.spec_offset + listed.spec_bytes);
      }
      std::printf("%s: %s\n", row.name, shown.c_str());
    }
  }

  Task<void> take_address(const message::ListedAddress& listed) {
    const bool is_sender = line_.mode == Mode::verify_sender;
    std::string address = listed.address;
    if (!listed.has_domain) {
      address += "@";
      address += is_sender ? config_->facts.qualify_domain : config_->facts.qualify_recipient;
    }
    const message::AddressParts parts = message::split_address(address);
    delivery::RouteQuery query;
    query.local_part = parts.local_part;
    query.domain = to_lower(parts.domain);
    if (!is_sender) query.sender = message_.sender_address;
    query.services = &services_.get();
    query.server = &config_->facts;
    query.connection = &connection_;
    query.message = &message_;
    query.message_variables = &message_variables_;
    query.connection_variables = &connection_variables_;
    query.trace = debugging_.trace();
    query.now = SystemClock().wall();
    const delivery::RouterChain& routers = *config_->delivery->routers;
    if (line_.mode == Mode::test_addresses) {
      query.purpose = delivery::RoutePurpose::test;
      if (query.trace == nullptr) query.trace = &debug_prints_;
      auto walking = [&] {
        return route_all_of(routers, address, query, services_.names().hosts());
      };
      const RoutedTree tree = co_await on_fiber(walking);
      note(TreePrinter(tree, *config_->delivery->transports).print());
      co_return;
    }
    query.purpose = is_sender ? delivery::RoutePurpose::verify_sender
                              : delivery::RoutePurpose::verify_recipient;
    auto verifying = [&] {
      return verify_address(routers, address, query, false, services_.names().hosts());
    };
    const delivery::VerifyAnswer answer = co_await on_fiber(verifying);
    switch (answer.verdict) {
      case delivery::VerifyVerdict::ok:
        std::printf("%s verified\n", address.c_str());
        break;
      case delivery::VerifyVerdict::failed:
        std::printf("%s failed to verify: %s\n", address.c_str(), answer.text.c_str());
        note(kSomeFailed);
        break;
      case delivery::VerifyVerdict::deferred:
        std::printf("%s cannot be resolved at this time: %s\n", address.c_str(),
                    answer.text.c_str());
        note(kSomeDeferred);
        break;
    }
  }

  void note(int status) noexcept { status_ = std::max(status_, status); }

  ConfigPointer config_;
  EvaluatorServices services_;
  const CommandLine& line_;
  Debugging debugging_;
  DebugPrintTrace debug_prints_;
  acl::ConnectionFacts connection_;
  acl::MessageFacts message_;
  acl::AclVariables connection_variables_;
  acl::AclVariables message_variables_;
  int status_ = kAllGood;
};

bool read_line(std::string& text) {
  std::fputs("> ", stdout);
  std::fflush(stdout);
  text.clear();
  int c = std::getchar();
  if (c == EOF) return false;
  for (; c != EOF && c != '\n'; c = std::getchar()) text += static_cast<char>(c);
  return true;
}

Task<void> take_all(AddressShell& shell, const CommandLine& line, bool& done) {
  for (const std::string& argument : line.arguments) co_await shell.take(argument);
  if (line.arguments.empty()) {
    std::string text;
    while (read_line(text)) co_await shell.take(text);
    std::fputs("\n", stdout);
  }
  co_await shell.close();
  done = true;
}

}  // namespace

int try_addresses(const CommandLine& line, const ConfigPointer& config) {
  Loop loop;
  bool done = false;
  int status = kAllGood;
  {
    AddressShell shell(loop, config, line);
    Scope scope;
    scope.spawn(take_all(shell, line, done));
    while (!done) loop.run_once();
    status = shell.status();
  }
  return status;
}

}  // namespace godwit::daemon
