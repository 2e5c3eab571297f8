#include "bench/common/process.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <memory>

namespace godwit::bench {
namespace {

using File = std::unique_ptr<FILE, int (*)(FILE*)>;

int64_t micros_of(const timeval& time) noexcept {
  return int64_t{time.tv_sec} * 1'000'000 + time.tv_usec;
}

}  // namespace

void raise_descriptor_limit() noexcept {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

int64_t cpu_micros() noexcept {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return micros_of(usage.ru_utime) + micros_of(usage.ru_stime);
}

std::string machine_name() {
  char name[256] = {};
  if (::gethostname(name, sizeof name - 1) != 0 || name[0] == 0) return "localhost";
  return name;
}

void set_window(int descriptor, int bytes) noexcept {
  if (bytes <= 0 || descriptor < 0) return;
  ::setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
  ::setsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
}

Result<void> write_file(const std::string& path, std::string_view content) {
  File file(std::fopen(path.c_str(), "we"), &std::fclose);
  if (!file) return error_from_errno(errno, "open " + path);
  const bool written = std::fwrite(content.data(), 1, content.size(), file.get()) == content.size();
  if (!written || std::fflush(file.get()) != 0) return error_from_errno(errno, "write " + path);
  return {};
}

Result<std::string> read_whole_file(const std::string& path) {
  const File file(std::fopen(path.c_str(), "re"), &std::fclose);
  if (!file) return error_from_errno(errno, "open " + path);
  std::string content;
  char buffer[65536];
  size_t got = 0;
  while ((got = std::fread(buffer, 1, sizeof buffer, file.get())) > 0) content.append(buffer, got);
  if (std::ferror(file.get()) != 0) return error_from_errno(errno, "read " + path);
  return content;
}

}  // namespace godwit::bench
