#include "core/io/syslog.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <utility>

namespace godwit {
namespace {

struct FacilityRow {
  std::string_view name;
  int facility;
};
constexpr auto kFacilities = std::to_array<FacilityRow>({
    {"auth", LOG_AUTH},
    {"authpriv", LOG_AUTHPRIV},
    {"cron", LOG_CRON},
    {"daemon", LOG_DAEMON},
    {"local0", LOG_LOCAL0},
    {"local1", LOG_LOCAL1},
    {"local2", LOG_LOCAL2},
    {"local3", LOG_LOCAL3},
    {"local4", LOG_LOCAL4},
    {"local5", LOG_LOCAL5},
    {"local6", LOG_LOCAL6},
    {"local7", LOG_LOCAL7},
    {"mail", LOG_MAIL},
    {"news", LOG_NEWS},
    {"syslog", LOG_SYSLOG},
    {"user", LOG_USER},
    {"uucp", LOG_UUCP},
});

constexpr std::array kPriorities{LOG_INFO, LOG_NOTICE, LOG_ALERT};  // by SyslogLevel

}  // namespace

std::optional<int> syslog_facility(std::string_view name) {
  for (const FacilityRow& row : kFacilities) {
    if (row.name == name) return row.facility;
  }
  return std::nullopt;
}

Syslog::~Syslog() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

std::string Syslog::datagram(SyslogLevel level, std::string_view line, WallTime at) const {
  const std::time_t seconds = at.seconds();
  std::tm local{};
  ::localtime_r(&seconds, &local);
  std::array<char, 32> time{};
  std::strftime(time.data(), time.size(), "%b %e %H:%M:%S", &local);
  const int priority = setup_.facility | kPriorities[static_cast<size_t>(level)];
  std::string out = "<" + std::to_string(priority) + ">" + time.data() + " " + setup_.name + "[" +
                    std::to_string(process_id_) + "]: ";
  out += line.substr(0, kLineBytesMax);
  if (line.size() > kLineBytesMax) out += " [cut]";
  return out;
}

void Syslog::append_datagrams(std::vector<std::string>& out, LogFormatter& formatter,
                              const LogRecord& record, WallTime at) const {
  LogLineParts parts;
  parts.time = setup_.shows_time;
  parts.pid = setup_.shows_pid;
  std::string line;
  formatter.append_line(line, record, at, parts);
  if (!line.empty()) line.pop_back();
  struct LevelRow {
    LogFiles file;
    SyslogLevel level;
  };
  // From the one that is worth most, which is the only one without syslog_duplication.
  constexpr std::array kLevels{LevelRow{LogFiles::panic, SyslogLevel::panic},
                               LevelRow{LogFiles::reject, SyslogLevel::reject},
                               LevelRow{LogFiles::main, SyslogLevel::main}};
  for (const LevelRow& row : kLevels) {
    if (!contains(record.files, row.file)) continue;
    out.push_back(datagram(row.level, line, at));
    if (!setup_.duplicates) return;
  }
}

bool Syslog::connect() noexcept {
  if (descriptor_ >= 0) return true;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (setup_.socket_path.size() >= sizeof address.sun_path) return false;
  std::memcpy(address.sun_path, setup_.socket_path.data(), setup_.socket_path.size());
  descriptor_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (descriptor_ < 0) return false;
  const auto* at = static_cast<const sockaddr*>(static_cast<const void*>(&address));
  if (::connect(descriptor_, at, sizeof address) == 0) return true;
  ::close(std::exchange(descriptor_, -1));
  return false;
}

bool Syslog::try_send(std::string_view datagram) noexcept {
  // The second round is for a daemon that was started anew, or for one that is slow.
  for (int round = 0; round < 2; ++round) {
    if (!connect()) return false;
    if (::send(descriptor_, datagram.data(), datagram.size(), MSG_NOSIGNAL) >= 0) return true;
    if (errno == EINTR) continue;
    const bool is_slow = errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS;
    if (!is_slow) {
      ::close(std::exchange(descriptor_, -1));
      continue;
    }
    if (failing_) return false;  // it had its time
    pollfd waits{descriptor_, POLLOUT, 0};
    ::poll(&waits, 1, kPatienceMillis);
  }
  return false;
}

void Syslog::send(std::string_view datagram) noexcept {
  if (lost_ > 0) tell_lost();
  const bool sent = lost_ == 0 && try_send(datagram);
  if (!sent) {
    if (!failing_) {
      std::fprintf(stderr, "cannot write to syslog (%s): %s\n", setup_.socket_path.c_str(),
                   std::strerror(errno));
    }
    ++lost_;
  }
  failing_ = !sent;
}

void Syslog::tell_lost() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  const std::string text = std::to_string(lost_) + " log lines could not be sent to syslog";
  if (try_send(datagram(SyslogLevel::panic, text, WallTime::from_seconds(now.tv_sec)))) lost_ = 0;
}

}  // namespace godwit
