#include "protocol/message/submission.h"

#include "core/base/ascii.h"
#include "protocol/message/address_list.h"
#include "protocol/message/affix.h"
#include "protocol/message/fixups.h"
#include "protocol/message/header_scan.h"
#include "protocol/message/phrase.h"

#include <algorithm>
#include <array>
#include <unordered_set>
#include <utility>

namespace godwit::message {
namespace {

constexpr std::string_view kLineEnd = "\r\n";

Error refused(std::string text) {
  return Error(Errc::invalid_argument, std::move(text));
}

bool is_recipient_field(FieldKind kind) noexcept {
  constexpr std::array kKinds{FieldKind::to,        FieldKind::cc,        FieldKind::bcc,
                              FieldKind::resent_to, FieldKind::resent_cc, FieldKind::resent_bcc};
  return std::find(kKinds.begin(), kKinds.end(), kind) != kKinds.end();
}

bool is_bcc(FieldKind kind) noexcept {
  return kind == FieldKind::bcc || kind == FieldKind::resent_bcc;
}

// The items of a list that cannot be read as a whole: what stands between commas (and the names and
// ends of groups) outside quotes, comments and brackets.
std::vector<std::string_view> split_items(std::string_view list) {
  std::vector<std::string_view> out;
  size_t start = 0;
  size_t comments = 0;
  bool quoted = false;
  bool angle = false;
  for (size_t at = 0; at <= list.size(); ++at) {
    const char c = at < list.size() ? list[at] : ',';
    if (c == '\\') {
      ++at;
      continue;
    }
    if (c == '"' && comments == 0) quoted = !quoted;
    if (!quoted && c == '(') ++comments;
    if (!quoted && c == ')' && comments > 0) --comments;
    const bool is_plain = !quoted && comments == 0;
    if (is_plain && (c == '<' || c == '>')) angle = c == '<';
    const bool is_end = at >= list.size() || (is_plain && !angle && (c == ',' || c == ';'));
    const bool is_group_name = is_plain && !angle && c == ':';
    if (!is_end && !is_group_name) continue;
    const std::string_view item = trim(list.substr(start, std::min(at, list.size()) - start));
    if (is_end && !item.empty()) out.push_back(item);
    start = at + 1;
  }
  return out;
}

// Equal for addresses that are the same mailbox for certain: domains have no case.
std::string address_key(std::string_view address) {
  const AddressParts parts = split_address(address);
  return std::string(parts.local_part) + "@" + to_lower(parts.domain);
}

class Preparation {
 public:
  explicit Preparation(const SubmissionOptions& options)
      : options_(options),
        utf8_(options.allows_utf8 ? Utf8::allowed : Utf8::refused),
        scanner_({options.header_bytes_max, 0, options.received_max}) {}

  Result<Submission> run(std::string_view input);
  std::string sender();

 private:
  Result<void> split(std::string_view input);
  Result<void> settle_sender();
  Result<void> copy_fields();
  Result<void> copy_field(const FieldPlace& place, std::string_view text);
  Result<void> add_recipients(const AddressList& list);
  Result<void> add_recipients_one_by_one(std::string_view list);
  Result<void> settle_arguments();
  void note_from(const AddressList& list);
  void add_missing_fields();
  std::string qualified(const ListedAddress& listed, std::string_view domain) const;
  std::string without_affixes(const std::string& address) const;
  std::string_view recipient_domain() const noexcept {
    return options_.qualify_recipient.empty() ? options_.qualify_domain
                                              : options_.qualify_recipient;
  }
  std::string own_address() const { return options_.login + "@" + options_.qualify_domain; }

  const SubmissionOptions& options_;
  Utf8 utf8_;
  HeaderScanner scanner_;
  std::string wire_;
  std::string_view text_;         // wire_
  bool from_line_named_ = false;  // the sender is that of a From line, whose name nobody knows
  bool from_is_own_ = false;      // From: holds the caller's address and no other
  std::unordered_set<std::string> seen_;
  Submission out_;
};

Result<Submission> Preparation::run(std::string_view input) {
  using Step = Result<void> (Preparation::*)();
  Result<void> result = split(input);
  for (const Step step :
       {&Preparation::settle_sender, &Preparation::copy_fields, &Preparation::settle_arguments}) {
    if (result) result = (this->*step)();
  }
  if (!result) return std::move(result.error());
  add_missing_fields();
  out_.body = scanner_.body_offset() < text_.size() ? text_.substr(scanner_.body_offset()) : "";
  const auto is_8bit = [](char c) { return static_cast<unsigned char>(c) >= 0x80; };
  out_.needs_smtputf8 = std::any_of(out_.sender.begin(), out_.sender.end(), is_8bit);
  for (const std::string& address : out_.recipients) {
    if (out_.needs_smtputf8) break;
    out_.needs_smtputf8 = std::any_of(address.begin(), address.end(), is_8bit);
  }
  return std::move(out_);
}

std::string Preparation::sender() {
  return settle_sender() ? out_.sender : own_address();
}

Result<void> Preparation::split(std::string_view input) {
  wire_ = wire_lines(input, options_.dot_ends);
  text_ = wire_;
  const uint64_t limit = options_.message_bytes_max;
  if (limit != 0 && text_.size() > limit) {
    return Error(Errc::too_long,
                 "the message is larger than the limit of " + std::to_string(limit) + " bytes");
  }
  scanner_.feed(text_);
  scanner_.finish();
  switch (scanner_.verdict()) {
    case HeaderVerdict::too_long:
    case HeaderVerdict::line_too_long:
      return Error(Errc::too_long, "the message header is larger than the limit of " +
                                       std::to_string(options_.header_bytes_max) + " bytes");
    case HeaderVerdict::too_many_received:
      return Error(Errc::too_many, "too many \"Received\" headers: suspected mail loop");
    case HeaderVerdict::good:
    case HeaderVerdict::not_terminated:
      break;
  }
  if (!scanner_.fields_complete()) return Error(Errc::too_many, "too many header fields");
  const std::string_view section = text_.substr(0, scanner_.header_bytes());
  if (section.find('\0') == std::string_view::npos) return {};
  return refused("the message header has a NUL character");
}

// Anybody may send a bounce; only a trusted caller may be somebody else.
Result<void> Preparation::settle_sender() {
  out_.sender = own_address();
  const std::optional<std::string>& wanted =
      options_.sender ? options_.sender : options_.from_line_sender;
  if (!wanted) return {};
  const std::string_view text = trim(*wanted);
  if (text == "<>" || (text.empty() && options_.sender)) {
    out_.sender.clear();
    return {};
  }
  if (options_.sender && !options_.is_trusted && !options_.may_set_sender) return {};
  const Result<ListedAddress> listed = parse_address(text, utf8_, false);
  if (listed) {
    out_.sender = qualified(*listed, options_.qualify_domain);
    from_line_named_ = !options_.sender;
  } else if (options_.sender) {
    return refused("bad sender address \"" + escape_control(text) +
                   "\": " + listed.error().detail());
  }
  return {};
}

std::string Preparation::qualified(const ListedAddress& listed, std::string_view domain) const {
  if (listed.has_domain || listed.address.empty()) return listed.address;
  return listed.address + "@" + std::string(domain);
}

Result<void> Preparation::copy_fields() {
  out_.headers.reserve(scanner_.header_bytes() + 256);
  for (const FieldPlace& place : scanner_.fields()) {
    Result<void> copied = copy_field(place, text_.substr(place.offset, place.bytes));
    if (!copied) return copied;
  }
  return {};
}

// A field as it is, but with its addresses qualified; without it where it is nobody's business.
Result<void> Preparation::copy_field(const FieldPlace& place, std::string_view text) {
  const FieldKind kind = place.kind;
  const bool is_sender_field = kind == FieldKind::sender || kind == FieldKind::resent_sender;
  // Where a message was sent on, only the Resent- fields say to whom.
  const bool is_of_sending = field_row(kind).is_resent == scanner_.has_resent();
  const bool is_dropped = (options_.recipients_from_headers && is_bcc(kind) && is_of_sending) ||
                          (is_sender_field && !options_.is_trusted && !options_.retains_sender);
  if (!field_row(kind).has_addresses) {
    out_.headers += text;
    return {};
  }
  const size_t colon = text.find(':');
  const std::string_view body = text.substr(colon + 1);
  const Result<AddressList> list = parse_address_list(body, utf8_);
  if (options_.recipients_from_headers && is_recipient_field(kind) && is_of_sending) {
    Result<void> added = list ? add_recipients(*list) : add_recipients_one_by_one(body);
    if (!added) return added;
  }
  const bool is_from = kind == (scanner_.has_resent() ? FieldKind::resent_from : FieldKind::from);
  if (list && is_from) note_from(*list);
  if (is_dropped) return {};
  if (!list) {
    out_.headers += text;
    return {};
  }
  const std::string_view domain =
      is_recipient_field(kind) ? recipient_domain() : std::string_view(options_.qualify_domain);
  size_t done = 0;
  for (const ListedAddress& listed : list->addresses) {
    if (listed.has_domain || listed.address.empty()) continue;
    const size_t end = colon + 1 + listed.spec_offset + listed.spec_bytes;
    out_.headers += text.substr(done, end - done);
    out_.headers += '@';
    out_.headers += domain;
    done = end;
  }
  out_.headers += text.substr(done);
  return {};
}

void Preparation::note_from(const AddressList& list) {
  if (list.addresses.size() != 1) return;
  const std::string address = qualified(list.addresses.front(), options_.qualify_domain);
  from_is_own_ = address_key(without_affixes(address)) == address_key(own_address());
}

// What local_from_prefix and local_from_suffix have does not make another user.
std::string Preparation::without_affixes(const std::string& address) const {
  const AddressParts parts = split_address(address);
  std::string_view local_part = parts.local_part;
  local_part.remove_prefix(find_prefix(local_part, options_.from_prefixes).bytes);
  local_part.remove_suffix(find_suffix(local_part, options_.from_suffixes).bytes);
  return std::string(local_part) + "@" + std::string(parts.domain);
}

Result<void> Preparation::add_recipients(const AddressList& list) {
  for (const ListedAddress& listed : list.addresses) {
    if (listed.address.empty()) continue;
    std::string address = qualified(listed, recipient_domain());
    if (!seen_.insert(address_key(address)).second) continue;
    if (out_.recipients.size() >= kSubmittedRecipientsMax) {
      return Error(Errc::too_many, "too many recipients");
    }
    out_.recipients.push_back(std::move(address));
  }
  return {};
}

// A list with mistakes: whoever can be read gets the message, and the sender is told of the others.
Result<void> Preparation::add_recipients_one_by_one(std::string_view list) {
  for (const std::string_view item : split_items(list)) {
    const Result<AddressList> one = parse_address_list(item, utf8_);
    if (one) {
      Result<void> added = add_recipients(*one);
      if (!added) return added;
      continue;
    }
    std::string text(item);
    std::erase(text, '\r');
    std::replace(text.begin(), text.end(), '\n', ' ');
    out_.bad_recipients.push_back({escape_control(text), one.error().detail()});
  }
  return {};
}

// The addresses of the command line: the recipients, or with -t those who are not to get it.
Result<void> Preparation::settle_arguments() {
  const bool removes = options_.recipients_from_headers && options_.removes_arguments;
  const bool had_recipients = !out_.recipients.empty();
  std::unordered_set<std::string> removed;
  for (const std::string& argument : options_.arguments) {
    // A source route needs no brackets here.
    const bool is_route = argument.starts_with('@') && argument.find(':') != std::string::npos;
    const Result<AddressList> list =
        parse_address_list(is_route ? "<" + argument + ">" : argument, utf8_);
    const auto is_nobody = [](const ListedAddress& listed) { return listed.address.empty(); };
    const bool is_good = list && !list->addresses.empty() &&
                         std::none_of(list->addresses.begin(), list->addresses.end(), is_nobody);
    if (!is_good) {
      const std::string why = list ? "empty address" : list.error().detail();
      return Error(Errc::malformed, "bad address \"" + escape_control(argument) + "\": " + why);
    }
    if (!removes) {
      Result<void> added = add_recipients(*list);
      if (!added) return added;
      continue;
    }
    for (const ListedAddress& listed : list->addresses) {
      removed.insert(address_key(qualified(listed, recipient_domain())));
    }
  }
  std::erase_if(out_.recipients,
                [&](const std::string& address) { return removed.contains(address_key(address)); });
  if (!out_.recipients.empty() || !out_.bad_recipients.empty()) return {};
  if (had_recipients) {
    return Error(Errc::not_found,
                 "no recipients: with -t, the addresses of the command line are taken off");
  }
  return Error(Errc::not_found, options_.recipients_from_headers
                                    ? "no recipient addresses found in the header"
                                    : "no recipients were given");
}

void Preparation::add_missing_fields() {
  if (options_.is_of_host) return;
  const MissingFields missing = missing_fields(scanner_, Origin::local);
  const bool resent = scanner_.has_resent();
  const std::string_view prefix = resent ? "Resent-" : "";
  const auto add_address = [&](std::string_view name, const std::string& address) {
    const std::string phrase = from_line_named_ ? "" : encode_phrase(options_.full_name);
    out_.headers.append(prefix).append(name).append(": ");
    if (!phrase.empty()) out_.headers.append(phrase).append(" <");
    out_.headers.append(address);
    if (!phrase.empty()) out_.headers += '>';
    out_.headers += kLineEnd;
  };
  if (missing.from) {
    // A bounce comes from nobody.
    if (!out_.sender.empty()) add_address("From", out_.sender);
  } else if (!options_.is_trusted && options_.checks_from && !from_is_own_) {
    add_address("Sender", own_address());
  }
  if (missing.date) out_.headers += date_field(options_.now, options_.utc, resent);
  out_.made_message_id = missing.message_id;
  if (missing.message_id) {
    out_.headers +=
        message_id_field(options_.id, options_.message_id_domain, options_.message_id_text, resent);
  }
}

}  // namespace

std::string wire_lines(std::string_view input, bool dot_ends) {
  std::string out;
  out.reserve(input.size() + input.size() / 32 + kLineEnd.size());
  while (!input.empty()) {
    const size_t end = std::min(input.find_first_of("\r\n"), input.size());
    const std::string_view line = input.substr(0, end);
    if (dot_ends && line == ".") break;
    out += line;
    out += kLineEnd;
    const bool is_pair = input.substr(end).starts_with(kLineEnd);
    input.remove_prefix(std::min(input.size(), end + (is_pair ? 2 : 1)));
  }
  return out;
}

std::string submission_sender(const SubmissionOptions& options) {
  return Preparation(options).sender();
}

Result<Submission> prepare_submission(std::string_view input, const SubmissionOptions& options) {
  return Preparation(options).run(input);
}

}  // namespace godwit::message
