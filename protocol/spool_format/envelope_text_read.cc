#include "core/base/ascii.h"
#include "core/base/ip_address.h"
#include "protocol/message/message_id.h"
#include "protocol/spool_format/envelope_text.h"
#include "protocol/spool_format/envelope_text_rows.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <span>
#include <unordered_map>

namespace godwit {
namespace {

using namespace envelope_text;

Error malformed(std::string_view what) {
  return Error(Errc::malformed, "spool file: " + std::string(what));
}

// What stands at the right end of a line is taken off it, piece by piece.
struct RightEnd {
  std::string_view left;
  bool failed = false;

  bool ends_with(char c) const noexcept { return !left.empty() && left.back() == c; }
  void take(char c) noexcept {
    failed = failed || !ends_with(c);
    if (!failed) left.remove_suffix(1);
  }
  uint64_t number() noexcept {
    size_t start = left.size();
    while (start > 0 && is_digit(left[start - 1])) --start;
    const std::optional<uint64_t> value = parse_decimal(left.substr(start));
    failed = failed || !value.has_value();
    left = left.substr(0, start);
    return value.value_or(0);
  }
  std::string_view bytes(uint64_t count) noexcept {
    failed = failed || count > left.size();
    if (failed) return {};
    const std::string_view out = left.substr(left.size() - count);
    left.remove_suffix(count);
    return out;
  }
};

// Lines end in LF alone; a CR in an address is damage.
bool has_cr(std::string_view line) noexcept {
  return line.find('\r') != std::string_view::npos;
}

class TextReader {
 public:
  explicit TextReader(std::string_view text) : left_(text) {}

  Result<EnvelopeText> read() {
    using Step = Result<void> (TextReader::*)();
    constexpr std::array<Step, 6> kSteps{&TextReader::read_start,   &TextReader::read_settings,
                                         &TextReader::read_tree,    &TextReader::read_recipients,
                                         &TextReader::read_headers, &TextReader::settle_done};
    for (const Step step : kSteps) {
      Result<void> result = (this->*step)();
      if (!result) return std::move(result.error());
    }
    return std::move(out_);
  }

 private:
  // Nothing where no complete line is left.
  std::optional<std::string_view> line() noexcept {
    const size_t end = left_.find('\n');
    if (end == std::string_view::npos) return {};
    const std::string_view out = left_.substr(0, end);
    left_.remove_prefix(end + 1);
    return out;
  }

  Result<void> read_start();
  Result<void> read_settings();
  Result<void> read_setting(std::string_view text);
  Result<void> read_variable(std::string_view kind, std::string_view value, bool tainted);
  Result<void> read_row(const LineRow& row, std::string_view value);
  Result<void> read_special(std::string_view name, std::string_view value, bool tainted);
  Result<void> read_tree();
  Result<void> read_recipients();
  Result<void> read_recipient(std::string_view text);
  Result<void> read_headers();
  Result<void> settle_done();

  std::string_view left_;
  EnvelopeText out_;
  std::vector<std::string_view> tree_;
};

Result<void> TextReader::read_start() {
  if (left_.find('\0') != std::string_view::npos) return malformed("a NUL byte");
  const std::optional<std::string_view> name = line();
  if (!name || !name->ends_with("-H")) return malformed("first line");
  const std::string_view id = name->substr(0, name->size() - 2);
  if (!message::MessageId::parse(id)) return malformed("message id");
  Envelope& envelope = out_.envelope;
  envelope.message_id = id;

  RightEnd submitter{line().value_or("")};
  const uint64_t gid = submitter.number();
  submitter.take(' ');
  const uint64_t uid = submitter.number();
  submitter.take(' ');
  constexpr uint64_t kIdMax = std::numeric_limits<uint32_t>::max();
  if (submitter.failed || submitter.left.empty() || std::max(uid, gid) > kIdMax) {
    return malformed("login line");
  }
  envelope.submitter_uid = static_cast<int64_t>(uid);
  envelope.submitter_gid = static_cast<int64_t>(gid);
  envelope.submitter_login = submitter.left;

  const std::string_view sender = line().value_or("");
  if (sender.size() < 2 || sender.front() != '<' || sender.back() != '>')
    return malformed("sender");
  envelope.sender = sender.substr(1, sender.size() - 2);

  RightEnd times{line().value_or("")};
  const uint64_t warnings = times.number();
  times.take(' ');
  const uint64_t seconds = times.number();
  constexpr uint64_t kSecondsMax = std::numeric_limits<int64_t>::max() / 2'000'000;
  if (times.failed || !times.left.empty() || seconds > kSecondsMax) return malformed("time line");
  out_.state.warnings = static_cast<uint8_t>(std::min<uint64_t>(warnings, 255));
  envelope.received = WallTime::from_seconds(static_cast<int64_t>(seconds));
  return {};
}

Result<void> TextReader::read_settings() {
  while (left_.starts_with('-')) {
    const std::optional<std::string_view> text = line();
    if (!text) return malformed("end of file in its settings");
    Result<void> read = read_setting(*text);
    if (!read) return read;
  }
  return {};
}

// "-name value", "--name value" (tainted), "--(quoter)name value".
Result<void> TextReader::read_setting(std::string_view text) {
  text.remove_prefix(1);
  const bool tainted = text.starts_with('-');
  if (tainted) text.remove_prefix(1);
  if (text.starts_with('(')) {
    const size_t end = text.find(')');
    if (end == std::string_view::npos) return malformed("quoter of a setting");
    text.remove_prefix(end + 1);
  }
  const size_t space = text.find(' ');
  const std::string_view name = text.substr(0, space);
  const std::string_view value =
      space == std::string_view::npos ? std::string_view() : text.substr(space + 1);
  for (const std::span<const LineRow> rows :
       {std::span<const LineRow>(kConnectionLines), std::span<const LineRow>(kContentLines),
        std::span<const LineRow>(kStateLines), std::span<const LineRow>(kBodyLines)}) {
    for (const LineRow& row : rows) {
      if (row.name == name) return read_row(row, value);
    }
  }
  return read_special(name, value, tainted);
}

// "[ip]:port", "[ip]", and the obsolete "ip.port".
std::optional<std::string> canonical_endpoint(std::string_view value) {
  RightEnd end{value};
  if (value.starts_with('[') && end.ends_with(']')) {
    return IpAddress::parse(value.substr(1, value.size() - 2)) ? std::optional(std::string(value))
                                                               : std::nullopt;
  }
  const bool is_bracketed = value.starts_with('[');
  const uint64_t port = end.number();
  end.take(is_bracketed ? ':' : '.');
  if (is_bracketed) {
    end.take(']');
    if (!end.failed) end.left.remove_prefix(1);
  }
  if (end.failed || port > 65535) return {};
  const Result<IpAddress> address = IpAddress::parse(end.left);
  if (!address) return {};
  return Endpoint{*address, static_cast<uint16_t>(port)}.to_string();
}

Result<void> TextReader::read_row(const LineRow& row, std::string_view value) {
  Envelope& envelope = out_.envelope;
  switch (row.kind) {
    case LineKind::text:
      envelope.*row.text = value;
      return {};
    case LineKind::flag:
      envelope.*row.flag = true;
      return {};
    case LineKind::count: {
      const std::optional<uint64_t> count = parse_decimal(value);
      if (!count) return malformed(row.name);
      envelope.*row.count = *count;
      return {};
    }
    case LineKind::endpoint: {
      const std::optional<std::string> endpoint = canonical_endpoint(value);
      if (!endpoint) return malformed(row.name);
      envelope.*row.text = *endpoint;
      return {};
    }
  }
  GODWIT_UNREACHABLE("a kind of line");
}

Result<void> TextReader::read_special(std::string_view name, std::string_view value, bool tainted) {
  if (name == "aclc" || name == "aclm" || name == "acl") return read_variable(name, value, tainted);
  if (name == "spool_file_wireformat") out_.state.wire_format = true;
  if (name != "received_time_usec" && name != "frozen" && name != "dsn_ret") return {};

  const bool is_fraction = name == "received_time_usec";
  if (is_fraction && (value.size() != 7 || !value.starts_with('.'))) return malformed(name);
  const std::optional<uint64_t> number = parse_decimal(is_fraction ? value.substr(1) : value);
  constexpr uint64_t kSecondsMax = std::numeric_limits<int64_t>::max() / 2'000'000;
  if (!number || *number > kSecondsMax) return malformed(name);
  if (is_fraction) {
    out_.envelope.received.micros += static_cast<int64_t>(*number);
  } else if (name == "frozen") {
    out_.state.frozen_at = WallTime::from_seconds(static_cast<int64_t>(*number));
  } else if (*number > 2) {
    return malformed(name);
  } else if (*number > 0) {
    out_.envelope.dsn_ret = *number == 1 ? DsnRet::full : DsnRet::headers;
  }
  return {};
}

// "-aclm name bytes", then the bytes and a line end. "-acl number bytes" is of Exim 4.60 and
// before: 0 to 9 are connection variables, 10 to 19 message ones.
Result<void> TextReader::read_variable(std::string_view kind, std::string_view value,
                                       bool tainted) {
  const size_t space = value.find(' ');
  if (space == std::string_view::npos) return malformed(kind);
  const std::string_view name = value.substr(0, space);
  const std::optional<uint64_t> size = parse_decimal(value.substr(space + 1));
  if (name.empty() || !size || *size >= left_.size() || left_[*size] != '\n') {
    return malformed(kind);
  }
  const std::string_view content = left_.substr(0, *size);
  left_.remove_prefix(*size + 1);
  std::string full = kind == "aclc" ? "acl_c" : "acl_m";
  if (kind == "acl") {
    const std::optional<uint64_t> number = parse_decimal(name);
    if (!number || *number > 19) return malformed(kind);
    full = (*number < 10 ? "acl_c" : "acl_m") + std::to_string(*number % 10);
  } else {
    full += name;
  }
  out_.envelope.variables.push_back({std::move(full), std::string(content), tainted});
  return {};
}

// Pre-order; counted, not recursed into, so that no file can exhaust the stack.
Result<void> TextReader::read_tree() {
  uint64_t awaited = left_.starts_with(kEmptyTree) ? 0 : 1;
  if (awaited == 0 && line().value_or("") != kEmptyTree) return malformed("non-recipients");
  for (; awaited > 0; --awaited) {
    const std::string_view node = line().value_or("");
    const bool is_node = node.size() > 3 && node[2] == ' ' && (node[0] == 'Y' || node[0] == 'N') &&
                         (node[1] == 'Y' || node[1] == 'N') && !has_cr(node);
    if (!is_node) return malformed("non-recipients");
    awaited += (node[0] == 'Y' ? 1u : 0u) + (node[1] == 'Y' ? 1u : 0u);
    tree_.push_back(node.substr(3));
  }
  return {};
}

Result<void> TextReader::read_recipients() {
  const std::optional<uint64_t> count = parse_decimal(line().value_or(""));
  // A recipient has at least a byte and a line end.
  if (!count || *count > left_.size() / 2) return malformed("recipients count");
  out_.envelope.recipients.reserve(*count);
  for (uint64_t n = 0; n < *count; ++n) {
    const std::string_view text = line().value_or("");
    if (text.empty()) return malformed("fewer recipients than counted");
    Result<void> read = read_recipient(text);
    if (!read) return read;
  }
  if (line() != std::string_view()) return malformed("more recipients than counted");
  return {};
}

// From the right end, since an address may have spaces in quotes.
Result<void> TextReader::read_recipient(std::string_view text) {
  EnvelopeRecipient& recipient = out_.envelope.recipients.emplace_back();
  RightEnd end{text};
  while (!end.left.empty() && is_digit(end.left.back())) end.left.remove_suffix(1);
  const bool has_digits = end.left.size() < text.size();
  const bool has_parent_only = has_digits && end.ends_with(' ');
  if (has_parent_only) {
    recipient.address = end.left.substr(0, end.left.size() - 1);
  } else if (!has_digits || !end.ends_with('#')) {
    recipient.address = text;
  } else {
    end.left = text;
    const uint64_t flags = end.number();
    end.take('#');
    if ((flags & kFlagErrorsTo) != 0) {
      end.number();  // which recipient it came from
      if (end.ends_with('-')) end.take('-');
      end.take(',');
      const uint64_t size = end.number();
      end.take(' ');
      recipient.errors_to = end.bytes(size);
      end.take(' ');
    }
    if ((flags & kFlagDsn) != 0) {
      recipient.dsn_flags = static_cast<uint8_t>(end.number() & kDsnFlagsKnown);
      end.take(',');
      const uint64_t size = end.number();
      end.take(' ');
      recipient.orcpt = end.bytes(size);
      end.take(' ');
    }
    if (end.failed) return malformed("recipient line");
    recipient.address = end.left;
  }
  if (recipient.address.empty() || has_cr(text)) return malformed("recipient line");
  return {};
}

// "NNNX text": bytes, type letter, the field with its line ends.
Result<void> TextReader::read_headers() {
  while (!left_.empty()) {
    const size_t digits = std::min(left_.find_first_not_of("0123456789"), left_.size());
    const std::optional<uint64_t> size = parse_decimal(left_.substr(0, digits));
    if (!size || digits < 3 || left_.size() - digits < 2 || left_[digits + 1] != ' ') {
      return malformed("header line count");
    }
    const char letter = left_[digits];
    left_.remove_prefix(digits + 2);
    if (*size == 0 || *size > left_.size() || left_[*size - 1] != '\n') {
      return malformed("header line");
    }
    const std::string_view field = left_.substr(0, *size);
    left_.remove_prefix(*size);
    if (letter == '*') continue;
    for (const char c : field) {
      if (c == '\n' && !out_.header_section.ends_with('\r')) out_.header_section += '\r';
      out_.header_section += c;
    }
  }
  return {};
}

Result<void> TextReader::settle_done() {
  std::unordered_map<std::string_view, size_t> places;
  for (size_t n = 0; n < tree_.size(); ++n) places.emplace(tree_[n], n);
  std::vector<bool> is_recipient(tree_.size());
  const std::vector<EnvelopeRecipient>& recipients = out_.envelope.recipients;
  for (size_t n = 0; n < recipients.size(); ++n) {
    const auto place = places.find(recipients[n].address);
    if (place == places.end()) continue;
    is_recipient[place->second] = true;
    out_.state.done.push_back(static_cast<uint32_t>(n));
  }
  for (size_t n = 0; n < tree_.size(); ++n) {
    if (!is_recipient[n]) out_.state.others_done.emplace_back(tree_[n]);
  }
  return {};
}

}  // namespace

Result<EnvelopeText> envelope_from_text(std::string_view text) {
  return TextReader(text).read();
}

}  // namespace godwit
