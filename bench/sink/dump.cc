#include "bench/sink/dump.h"

#include <sys/stat.h>
#include <time.h>

#include <cerrno>
#include <cstdio>
#include <memory>

namespace godwit::bench {
namespace {

constexpr size_t kPathCharsMax = 4096;

std::string expand_time(const std::string& path_template, WallTime now) {
  const time_t seconds = now.seconds();
  tm parts{};
  ::localtime_r(&seconds, &parts);
  std::string path(kPathCharsMax, 0);
  path.resize(::strftime(path.data(), path.size(), path_template.c_str(), &parts));
  return path;
}

void make_folders(const std::string& path) {
  for (size_t at = path.find('/', 1); at != std::string::npos; at = path.find('/', at + 1))
    ::mkdir(path.substr(0, at).c_str(), 0777);
}

std::string headers_of(const SinkOptions& options, const TakenMessage& message,
                       const std::string& id, WallTime now) {
  const std::string client(message.client);
  const bool is_v6 = client.find(':') != std::string::npos;
  std::string out = "X-Client-Addr: " + std::string(is_v6 ? "ipv6:" : "") + client + "\n";
  out += "X-Client-Proto: " + std::string(message.protocol) + "\n";
  if (!message.helo.empty()) out += "X-Helo-Args: " + std::string(message.helo) + "\n";
  out += "X-Mail-Args: " + std::string(message.mail_arguments) + "\n";
  for (const std::string& arguments : message.rcpt_arguments)
    out += "X-Rcpt-Args: " + arguments + "\n";
  out += "Received: from " + std::string(message.helo.empty() ? message.client : message.helo) +
         " ([" + client + "])\n\tby " + options.hostname + " (smtp-sink) with " +
         std::string(message.protocol) + " id " + id + ";\n\t" + format_rfc5322_time(now, false) +
         "\n";
  return out;
}

void append_with_lf(std::string& out, std::string_view content) {
  for (size_t i = 0; i < content.size(); ++i) {
    const bool is_line_end = content[i] == '\r' && i + 1 < content.size() && content[i + 1] == '\n';
    if (!is_line_end) out += content[i];
  }
}

}  // namespace

Result<void> dump_message(const SinkOptions& options, const TakenMessage& message, Random& random,
                          WallTime now) {
  char id[16];
  std::snprintf(id, sizeof id, "%08x", static_cast<unsigned>(random.next() & 0xffffffff));
  const bool is_single = !options.dump_file.empty();
  const std::string path =
      is_single ? expand_time(options.dump_file, now) + id : expand_time(options.dump_append, now);
  make_folders(path);
  const std::unique_ptr<FILE, int (*)(FILE*)> file(
      std::fopen(path.c_str(), is_single ? "we" : "ae"), &std::fclose);
  if (!file) return error_from_errno(errno, "open " + path);
  std::string out = options.dump_start + headers_of(options, message, id, now);
  append_with_lf(out, message.content);
  out += '\n';
  const bool is_written = std::fwrite(out.data(), 1, out.size(), file.get()) == out.size();
  if (!is_written || std::fflush(file.get()) != 0) return error_from_errno(errno, "write " + path);
  return {};
}

}  // namespace godwit::bench
