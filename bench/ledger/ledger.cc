#include "bench/ledger/ledger.h"

#include "core/base/ascii.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>

namespace godwit::bench {
namespace {

constexpr size_t kFlushBytes = 64 * 1024;
constexpr size_t kFieldsMax = 8;

struct Fields {
  std::array<std::string_view, kFieldsMax> at;
  size_t count = 0;
};

Fields split_fields(std::string_view line) noexcept {
  Fields fields;
  while (!line.empty() && fields.count < kFieldsMax) {
    const size_t space = line.find(' ');
    fields.at[fields.count++] = line.substr(0, space);
    line = space == std::string_view::npos ? std::string_view() : line.substr(space + 1);
  }
  return fields;
}

std::vector<std::string_view> split_recipients(std::string_view text) {
  std::vector<std::string_view> recipients;
  while (!text.empty() && text != "-") {
    const size_t comma = text.find(',');
    recipients.push_back(text.substr(0, comma));
    text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
  }
  return recipients;
}

Outcome outcome_of(std::string_view text) noexcept {
  if (text.starts_with('2')) return Outcome::accepted;
  if (text.starts_with('4')) return Outcome::deferred;
  if (text.starts_with('5')) return Outcome::refused;
  return Outcome::unknown;
}

}  // namespace

LedgerWriter::~LedgerWriter() {
  if (!is_open()) return;
  flush();
  ::close(descriptor_);
}

Result<void> LedgerWriter::open(const std::string& path) {
  descriptor_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (descriptor_ < 0) return error_from_errno(errno, "open " + path);
  path_ = path;
  buffer_.reserve(2 * kFlushBytes);
  return {};
}

void LedgerWriter::field(std::string_view text) {
  buffer_ += text.empty() ? std::string_view("-") : text;
  buffer_ += ' ';
}

void LedgerWriter::end_line() {
  buffer_.back() = '\n';
  if (buffer_.size() >= kFlushBytes) flush();
}

void LedgerWriter::add_sent(std::string_view token, std::string_view outcome, WallTime at,
                            std::string_view recipients) {
  if (!is_open()) return;
  field("S");
  field(token);
  field(outcome);
  append_decimal(buffer_, static_cast<uint64_t>(at.micros));
  buffer_ += ' ';
  field(recipients);
  end_line();
}

void LedgerWriter::add_received(std::string_view token, std::string_view check, WallTime at,
                                uint64_t bytes, std::string_view recipients) {
  if (!is_open()) return;
  field("R");
  field(token);
  field(check);
  append_decimal(buffer_, static_cast<uint64_t>(at.micros));
  buffer_ += ' ';
  append_decimal(buffer_, bytes);
  buffer_ += ' ';
  field(recipients);
  end_line();
}

void LedgerWriter::flush() {
  std::string_view rest = buffer_;
  while (!rest.empty()) {
    const ssize_t written = ::write(descriptor_, rest.data(), rest.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      const std::string text = error_from_errno(errno, "write " + path_).to_string();
      std::fprintf(stderr, "ledger: %s\n", text.c_str());
      std::_Exit(3);
    }
    rest.remove_prefix(static_cast<size_t>(written));
  }
  buffer_.clear();
}

Result<SentLine> parse_sent(std::string_view line) {
  const Fields fields = split_fields(line);
  if (fields.count != 5 || fields.at[0] != "S")
    return Error(Errc::malformed, "not a line of a source: " + std::string(line));
  const std::optional<Token> token = parse_token(fields.at[1]);
  if (!token) return Error(Errc::malformed, "bad token: " + std::string(line));
  return SentLine{*token, outcome_of(fields.at[2]), split_recipients(fields.at[4])};
}

Result<ReceivedLine> parse_received(std::string_view line) {
  const Fields fields = split_fields(line);
  if (fields.count != 6 || fields.at[0] != "R")
    return Error(Errc::malformed, "not a line of a sink: " + std::string(line));
  ReceivedLine received;
  received.check = fields.at[2];
  received.recipients = split_recipients(fields.at[5]);
  if (fields.at[1] == "-") return received;
  const std::optional<Token> token = parse_token(fields.at[1]);
  if (!token) return Error(Errc::malformed, "bad token: " + std::string(line));
  received.has_token = true;
  received.token = *token;
  return received;
}

}  // namespace godwit::bench
