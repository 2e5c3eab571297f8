#include "daemon/explain_keeper.h"

#include "core/base/ascii.h"
#include "core/io/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <utility>

namespace godwit::daemon {
namespace {

std::optional<double> parse_number(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

// The names of all records, the oldest first: ids begin with their time.
std::vector<std::string> record_names(const std::string& directory) {
  SystemFiles files;
  Result<std::vector<std::string>> names = files.list(directory);
  if (!names) return {};
  std::sort(names->begin(), names->end());
  return std::move(*names);
}

// On a pool thread. Whole lines only, and no more than a record may have.
void append_record(const std::string& directory, const std::string& id,
                   const acl::TraceRecord& record) {
  if (::mkdir(directory.c_str(), 0750) != 0 && errno != EEXIST) return;
  const std::string path = directory + "/" + id;
  const int file = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
  if (file < 0) return;
  struct stat facts {};
  const bool known = ::fstat(file, &facts) == 0;
  const auto used = known ? static_cast<size_t>(facts.st_size) : kExplainFileBytesMax;
  std::string lines = record.to_lines();
  const size_t room = kExplainFileBytesMax - std::min(used, kExplainFileBytesMax);
  if (lines.size() > room) lines.resize(lines.rfind('\n', room == 0 ? 0 : room - 1) + 1);
  // A line that a full disk cuts short is the end of what is read.
  if (!lines.empty() && ::write(file, lines.data(), lines.size()) < 0) ::unlink(path.c_str());
  ::close(file);
}

void throw_out_oldest(const std::string& directory) {
  const std::vector<std::string> names = record_names(directory);
  const size_t surplus = names.size() - std::min(names.size(), kExplainFilesMax);
  for (size_t i = 0; i < surplus; ++i) ::unlink((directory + "/" + names[i]).c_str());
}

}  // namespace

std::optional<double> parse_explain_sample(std::string_view text) {
  text = trim(text);
  if (text.empty()) return 0;
  std::optional<double> share;
  const size_t slash = text.find('/');
  if (text.ends_with('%')) {
    share = parse_number(trim(text.substr(0, text.size() - 1)));
    if (share) *share /= 100;
  } else if (slash != std::string_view::npos) {
    const std::optional<double> part = parse_number(trim(text.substr(0, slash)));
    const std::optional<double> whole = parse_number(trim(text.substr(slash + 1)));
    if (part && whole && *whole > 0) share = *part / *whole;
  }
  if (!share || *share > 1) return std::nullopt;
  return share;
}

std::string explain_path(const std::string& spool_directory, std::string_view id) {
  return spool_directory + "/explain/" + std::string(id);
}

void keep_explanation(const std::string& spool_directory, const std::string& id,
                      const acl::TraceRecord& record) {
  append_record(spool_directory + "/explain", id, record);
}

bool is_sampled(double share) {
  return share > 0 && Random::from_system().fraction() < share;
}

acl::Trace* CommandExplanations::begin(const std::string& id) {
  if (::access(explain_path(spool_directory_, id).c_str(), F_OK) != 0) return nullptr;
  return &attempts_.try_emplace(id, sources_, clock_).first->second;
}

void CommandExplanations::end(const std::string& id) {
  const auto found = attempts_.find(id);
  if (found == attempts_.end()) return;
  keep_explanation(spool_directory_, id, found->second);
  attempts_.erase(found);
}

ExplainKeeper::ExplainKeeper(Loop& loop, const config::Sources& sources,
                             const std::string& spool_directory, double share)
    : loop_(loop),
      sources_(sources),
      directory_(spool_directory + "/explain"),
      share_(share),
      random_(Random::from_system()) {}

Task<void> ExplainKeeper::open() {
  auto listing = blocking(loop_, [this] { return record_names(directory_); });
  const std::vector<std::string> names = co_await listing;
  for (const std::string& name : names) follow(name);
}

std::unique_ptr<acl::TraceRecord> ExplainKeeper::begin_connection() {
  if (random_.fraction() >= share_) return nullptr;
  return std::make_unique<acl::TraceRecord>(sources_, loop_.clock());
}

void ExplainKeeper::follow(const std::string& id) {
  if (!followed_.insert(id).second) return;
  in_order_.push_back(id);
  if (in_order_.size() <= kExplainFilesMax) return;
  followed_.erase(in_order_.front());
  in_order_.pop_front();
}

void ExplainKeeper::keep(const std::string& id, const acl::TraceRecord& record) {
  follow(id);
  put(id, record);
}

acl::Trace* ExplainKeeper::begin(const std::string& id) {
  if (!followed_.contains(id)) return nullptr;
  return &attempts_.try_emplace(id, sources_, loop_.clock()).first->second;
}

void ExplainKeeper::end(const std::string& id) {
  const auto found = attempts_.find(id);
  if (found == attempts_.end()) return;
  acl::TraceRecord record = std::move(found->second);
  attempts_.erase(found);
  put(id, std::move(record));
}

void ExplainKeeper::put(std::string id, acl::TraceRecord record) {
  if (writes_.size() >= kExplainWritesMax) return;
  writes_.push_back({std::move(id), std::move(record)});
  if (scope_.running() == 0) scope_.spawn(write_all());
}

Task<void> ExplainKeeper::write_all() {
  while (!writes_.empty()) {
    const Write& next = writes_.front();
    const bool cleans = writes_done_++ % kExplainWritesPerCleaning == 0;
    auto job = [this, &next, cleans] {
      append_record(directory_, next.id, next.record);
      if (cleans) throw_out_oldest(directory_);
      return true;
    };
    auto writing = blocking(loop_, job);
    const bool written = co_await writing;
    (void)written;  // a record that could not be written is lost
    writes_.pop_front();
  }
}

}  // namespace godwit::daemon
