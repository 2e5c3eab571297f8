#include "tests/support/dns_message.h"

#include "core/base/ip_address.h"
#include "dns/wire/limits.h"
#include "dns/wire/name.h"

namespace godwit::test {
namespace {

std::string put32(uint32_t value) {
  return put16(value >> 16) + put16(value & 0xffff);
}

size_t question_end(std::string_view query) {
  size_t at = dns::kHeaderBytes;
  dns::skip_name(query, at);
  return at + 4;
}

void append(std::string& out, const std::vector<WireRecord>& records) {
  for (const WireRecord& record : records) {
    out += wire_name(record.name);
    out += put16(static_cast<unsigned>(record.type));
    out += put16(1);
    out += put32(record.ttl);
    out += put16(static_cast<unsigned>(record.data.size()));
    out += record.data;
  }
}

}  // namespace

std::string put16(unsigned value) {
  return {static_cast<char>(value >> 8 & 0xff), static_cast<char>(value & 0xff)};
}

std::string wire_name(std::string_view text) {
  return *dns::name_to_wire(text);
}

WireRecord a_record(std::string name, std::string_view address, uint32_t ttl) {
  const IpAddress parsed = *IpAddress::parse(address);
  return {std::move(name), parsed.is_v6() ? dns::RrType::AAAA : dns::RrType::A,
          std::string(parsed.bytes()), ttl};
}
WireRecord mx_record(std::string name, unsigned preference, std::string_view exchange) {
  return {std::move(name), dns::RrType::MX, put16(preference) + wire_name(exchange), 300};
}
WireRecord cname_record(std::string name, std::string_view target, uint32_t ttl) {
  return {std::move(name), dns::RrType::CNAME, wire_name(target), ttl};
}
WireRecord txt_record(std::string name, std::string_view text) {
  std::string data;
  for (; text.size() > 255; text.remove_prefix(255)) {
    data += '\xff';
    data += text.substr(0, 255);
  }
  data += static_cast<char>(text.size());
  data += text;
  return {std::move(name), dns::RrType::TXT, std::move(data), 300};
}
WireRecord soa_record(std::string name, uint32_t ttl, uint32_t minimum) {
  return {std::move(name), dns::RrType::SOA,
          wire_name("ns.test") + wire_name("root.test") + put32(1) + put32(2) + put32(3) +
              put32(4) + put32(minimum),
          ttl};
}

std::string make_response(std::string_view query, const ResponseForm& form) {
  std::string out(query.substr(0, 2));
  out += put16(0x8180u | (form.truncated ? 0x200u : 0) | (form.authentic ? 0x20u : 0) | form.rcode);
  out += put16(1);
  out += put16(static_cast<unsigned>(form.answers.size()));
  out += put16(static_cast<unsigned>(form.authorities.size()));
  out += put16(0);
  out += query.substr(dns::kHeaderBytes, question_end(query) - dns::kHeaderBytes);
  append(out, form.answers);
  append(out, form.authorities);
  return out;
}

std::string asked_name(std::string_view query) {
  size_t at = dns::kHeaderBytes;
  return dns::name_to_text(dns::read_name(query, at).value_or(""));
}
dns::RrType asked_type(std::string_view query) {
  const size_t at = question_end(query) - 4;
  return static_cast<dns::RrType>(static_cast<uint8_t>(query[at]) << 8 |
                                  static_cast<uint8_t>(query[at + 1]));
}

}  // namespace godwit::test
