#include "dns/wire/message.h"

#include "dns/wire/limits.h"
#include "dns/wire/name.h"

#include <algorithm>
#include <array>

namespace godwit::dns {
namespace {

constexpr uint16_t kClassIn = 1;
// Bits of the second 16-bit word of a header.
constexpr unsigned kResponseBit = 0x8000;
constexpr unsigned kOpcodeMask = 0x7800;
constexpr unsigned kAuthoritativeBit = 0x0400;
constexpr unsigned kTruncatedBit = 0x0200;
constexpr unsigned kRecursionDesiredBit = 0x0100;
constexpr unsigned kRecursionAvailableBit = 0x0080;
constexpr unsigned kAuthenticBit = 0x0020;
constexpr unsigned kRcodeMask = 0x000f;
constexpr unsigned kDnssecOkBit = 0x8000;  // of the flags of an OPT record

void put16(std::string& out, unsigned value) {
  out.push_back(static_cast<char>(value >> 8 & 0xff));
  out.push_back(static_cast<char>(value & 0xff));
}
unsigned get16(std::string_view text, size_t at) noexcept {
  return static_cast<unsigned>(static_cast<uint8_t>(text[at]) << 8 |
                               static_cast<uint8_t>(text[at + 1]));
}
uint32_t get32(std::string_view text, size_t at) noexcept {
  return get16(text, at) << 16 | get16(text, at + 2);
}

// A record that was only measured yet.
struct RecordView {
  size_t owner = 0;  // offset of its name
  RrType type = RrType::A;
  unsigned record_class = kClassIn;
  uint32_t ttl = 0;
  size_t data = 0;  // offset and size of its data
  size_t size = 0;
};

struct RcodeRow {
  Rcode code;
  std::string_view name;
};
// clang-format off
constexpr std::array kRcodes{
    RcodeRow{Rcode::no_error,        "NOERROR"},
    RcodeRow{Rcode::format_error,    "FORMERR"},
    RcodeRow{Rcode::server_failure,  "SERVFAIL"},
    RcodeRow{Rcode::no_such_name,    "NXDOMAIN"},
    RcodeRow{Rcode::not_implemented, "NOTIMP"},
    RcodeRow{Rcode::refused,         "REFUSED"},
    RcodeRow{Rcode::bad_version,     "BADVERS"},
};
// clang-format on

Error malformed(const char* what) {
  return Error(Errc::malformed, what);
}

class ResponseReader {
 public:
  ResponseReader(std::string_view message, const Question& question)
      : message_(message), question_(question) {}

  Result<Response> read() {
    if (message_.size() < kHeaderBytes) return malformed("shorter than a header");
    const unsigned flags = get16(message_, 2);
    if ((flags & kResponseBit) == 0 || (flags & kOpcodeMask) != 0) return malformed("no response");
    out_.rcode = static_cast<Rcode>(flags & kRcodeMask);
    out_.truncated = (flags & kTruncatedBit) != 0;
    out_.authentic = (flags & kAuthenticBit) != 0;
    out_.authoritative = (flags & kAuthoritativeBit) != 0;
    out_.recursion_available = (flags & kRecursionAvailableBit) != 0;
    Result<void> done = read_question();
    if (!done) return done.error();
    // What is cut off may be cut anywhere; the whole comes over TCP.
    if (out_.truncated) return std::move(out_);
    done = read_sections();
    if (!done) return done.error();
    done = follow_chain();
    if (!done) return done.error();
    done = collect();
    if (!done) return done.error();
    return std::move(out_);
  }

 private:
  Result<void> read_question() {
    const unsigned questions = get16(message_, 4);
    // A server that did not even read the question need not repeat it.
    if (questions == 0 && out_.rcode != Rcode::no_error && out_.rcode != Rcode::no_such_name)
      return {};
    if (questions != 1) return malformed("not one question");
    const std::optional<std::string> name = read_name(message_, at_);
    if (!name || at_ + 4 > message_.size()) return malformed("question");
    const bool is_ours = same_name(*name, question_.name) &&
                         get16(message_, at_) == static_cast<unsigned>(question_.type) &&
                         get16(message_, at_ + 2) == kClassIn;
    if (!is_ours) return Error(Errc::invalid_argument, "answers another question");
    at_ += 4;
    return {};
  }

  std::optional<RecordView> measure() {
    RecordView view;
    view.owner = at_;
    if (!skip_name(message_, at_) || at_ + 10 > message_.size()) return std::nullopt;
    view.type = static_cast<RrType>(get16(message_, at_));
    view.record_class = get16(message_, at_ + 2);
    view.ttl = get32(message_, at_ + 4);
    // RFC 2181 8: a TTL with its top bit set is zero.
    if (view.ttl > INT32_MAX) view.ttl = 0;
    view.size = get16(message_, at_ + 8);
    view.data = at_ + 10;
    if (view.data + view.size > message_.size()) return std::nullopt;
    at_ = view.data + view.size;
    return view;
  }

  Result<void> read_sections() {
    const unsigned answers = get16(message_, 6);
    const unsigned authorities = get16(message_, 8);
    const unsigned additional = get16(message_, 10);
    for (unsigned i = 0; i < answers; ++i) {
      const std::optional<RecordView> view = measure();
      if (!view) return malformed("answer section");
      if (view->record_class == kClassIn && answers_.size() < kRecordsKeptMax)
        answers_.push_back(*view);
    }
    for (unsigned i = 0; i < authorities; ++i) {
      const std::optional<RecordView> view = measure();
      if (!view) return malformed("authority section");
      if (view->type == RrType::SOA && !denial_) denial_ = *view;
    }
    for (unsigned i = 0; i < additional; ++i) {
      const std::optional<RecordView> view = measure();
      if (!view) return malformed("additional section");
      if (view->type != RrType::OPT) continue;
      // RFC 6891 6.1.3: the upper bits of the RCODE are the first octet of the TTL field.
      const unsigned extended = get16(message_, view->data - 6) >> 8;
      out_.rcode = static_cast<Rcode>(static_cast<unsigned>(out_.rcode) | extended << 4);
    }
    return {};
  }

  bool is_owner(const RecordView& view, std::string_view name) const {
    size_t at = view.owner;
    const std::optional<std::string> owner = read_name(message_, at);
    return owner && same_name(*owner, name);
  }
  void lower_ttl(uint32_t ttl) {
    out_.ttl_seconds = out_.has_ttl ? std::min(out_.ttl_seconds, ttl) : ttl;
    out_.has_ttl = true;
  }

  Result<void> follow_chain() {
    end_ = question_.name;
    if (question_.type == RrType::CNAME) return {};
    for (int steps = 0;; ++steps) {
      const auto alias = std::find_if(answers_.begin(), answers_.end(), [&](const RecordView& v) {
        return v.type == RrType::CNAME && is_owner(v, end_);
      });
      if (alias == answers_.end()) return {};
      if (steps >= kAliasesPerMessageMax) return malformed("CNAME loop");
      size_t at = alias->data;
      std::optional<std::string> target = read_name(message_, at);
      if (!target || at != alias->data + alias->size) return malformed("CNAME record");
      lower_ttl(alias->ttl);
      out_.has_alias = true;
      end_ = std::move(*target);
    }
  }

  Result<void> collect() {
    for (const RecordView& view : answers_) {
      if (view.type != question_.type || !is_owner(view, end_)) continue;
      std::optional<Record> record = read_record(view);
      if (!record) return malformed("data of a record");
      lower_ttl(view.ttl);
      out_.records.push_back(std::move(*record));
    }
    out_.name = name_to_text(end_);
    if (!out_.records.empty()) return {};
    if (denial_) {
      const std::optional<uint32_t> ttl = denial_ttl();
      if (!ttl) return malformed("SOA of a denial");
      lower_ttl(*ttl);
      return {};
    }
    out_.is_unfinished = out_.has_alias && out_.rcode == Rcode::no_error;
    if (!out_.is_unfinished) {
      // RFC 2308 5: a denial without SOA is not to be kept.
      out_.ttl_seconds = 0;
      out_.has_ttl = false;
    }
    return {};
  }

  std::optional<uint32_t> denial_ttl() {
    const std::optional<Record> record = read_record(*denial_);
    const Soa* soa = record ? record->as<Soa>() : nullptr;
    if (soa == nullptr) return std::nullopt;
    return std::min(denial_->ttl, soa->minimum);
  }

  // --- Data of the types ---

  // The name at `at`, which must end at or before `end`.
  std::optional<std::string> text_name(size_t& at, size_t end) const {
    const std::optional<std::string> wire = read_name(message_, at);
    if (!wire || at > end) return std::nullopt;
    return name_to_text(*wire);
  }

  std::optional<Record> read_record(const RecordView& view) const {
    Record out;
    out.type = view.type;
    out.ttl_seconds = view.ttl;
    const std::string_view data = message_.substr(view.data, view.size);
    bool good = true;
    switch (view.type) {
      case RrType::A:
        good = data.size() == 4;
        if (good) out.data = IpAddress::v4(get32(data, 0));
        break;
      case RrType::AAAA: {
        good = data.size() == 16;
        std::array<uint8_t, 16> bytes{};
        if (good) std::copy(data.begin(), data.end(), bytes.begin());
        out.data = IpAddress::v6(bytes);
        break;
      }
      case RrType::NS:
      case RrType::CNAME:
      case RrType::PTR:
        good = read_host_name(view, out);
        break;
      case RrType::MX:
        good = read_mx(view, out);
        break;
      case RrType::TXT:
      case RrType::SPF:
        good = read_txt(data, out);
        break;
      case RrType::SRV:
        good = read_srv(view, out);
        break;
      case RrType::TLSA:
        good = read_tlsa(data, out);
        break;
      case RrType::SOA:
        good = read_soa(view, out);
        break;
      default:
        out.data = RawData{std::string(data)};
        break;
    }
    if (!good) return std::nullopt;
    return out;
  }

  bool read_host_name(const RecordView& view, Record& out) const {
    size_t at = view.data;
    std::optional<std::string> name = text_name(at, view.data + view.size);
    if (!name || at != view.data + view.size) return false;
    out.data = HostName{std::move(*name)};
    return true;
  }
  bool read_mx(const RecordView& view, Record& out) const {
    if (view.size < 3) return false;
    size_t at = view.data + 2;
    std::optional<std::string> name = text_name(at, view.data + view.size);
    if (!name || at != view.data + view.size) return false;
    out.data = Mx{static_cast<uint16_t>(get16(message_, view.data)), std::move(*name)};
    return true;
  }
  static bool read_txt(std::string_view data, Record& out) {
    Txt txt;
    while (!data.empty()) {
      const size_t length = static_cast<uint8_t>(data.front());
      if (1 + length > data.size()) return false;
      txt.strings.emplace_back(data.substr(1, length));
      data.remove_prefix(1 + length);
    }
    out.data = std::move(txt);
    return true;
  }
  bool read_srv(const RecordView& view, Record& out) const {
    if (view.size < 7) return false;
    size_t at = view.data + 6;
    std::optional<std::string> name = text_name(at, view.data + view.size);
    if (!name || at != view.data + view.size) return false;
    out.data = Srv{static_cast<uint16_t>(get16(message_, view.data)),
                   static_cast<uint16_t>(get16(message_, view.data + 2)),
                   static_cast<uint16_t>(get16(message_, view.data + 4)), std::move(*name)};
    return true;
  }
  static bool read_tlsa(std::string_view data, Record& out) {
    if (data.size() < 3) return false;
    out.data = Tlsa{static_cast<uint8_t>(data[0]), static_cast<uint8_t>(data[1]),
                    static_cast<uint8_t>(data[2]), std::string(data.substr(3))};
    return true;
  }
  bool read_soa(const RecordView& view, Record& out) const {
    const size_t end = view.data + view.size;
    size_t at = view.data;
    std::optional<std::string> primary = text_name(at, end);
    if (!primary) return false;
    std::optional<std::string> mailbox = text_name(at, end);
    if (!mailbox || at + 20 != end) return false;
    out.data = Soa{std::move(*primary),     std::move(*mailbox),     get32(message_, at),
                   get32(message_, at + 4), get32(message_, at + 8), get32(message_, at + 12),
                   get32(message_, at + 16)};
    return true;
  }

  std::string_view message_;
  const Question& question_;
  size_t at_ = kHeaderBytes;
  std::vector<RecordView> answers_;
  std::optional<RecordView> denial_;
  std::string end_;  // of the CNAME chain, on the wire
  Response out_;
};

}  // namespace

std::string to_string(Rcode code) {
  for (const RcodeRow& row : kRcodes) {
    if (row.code == code) return std::string(row.name);
  }
  return "RCODE " + std::to_string(static_cast<unsigned>(code));
}

std::string encode_query(uint16_t id, const Question& question, const QueryForm& form) {
  std::string out;
  out.reserve(kHeaderBytes + question.name.size() + 4 + 11);
  put16(out, id);
  put16(out, kRecursionDesiredBit | kAuthenticBit);
  put16(out, 1);
  put16(out, 0);
  put16(out, 0);
  put16(out, form.edns ? 1 : 0);
  out += question.name;
  put16(out, static_cast<unsigned>(question.type));
  put16(out, kClassIn);
  if (!form.edns) return out;
  out.push_back('\0');  // the root owns the OPT record
  put16(out, static_cast<unsigned>(RrType::OPT));
  put16(out, form.udp_payload);
  put16(out, 0);  // extended RCODE and version
  put16(out, form.dnssec_ok ? kDnssecOkBit : 0);
  put16(out, 0);
  return out;
}

std::optional<uint16_t> response_id(std::string_view message) noexcept {
  if (message.size() < kHeaderBytes || (get16(message, 2) & kResponseBit) == 0) return std::nullopt;
  return static_cast<uint16_t>(get16(message, 0));
}

Result<Response> parse_response(std::string_view message, const Question& question) {
  return ResponseReader(message, question).read();
}

}  // namespace godwit::dns
