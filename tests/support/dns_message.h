// Makes DNS responses for tests, octet by octet, also wrong ones.
#pragma once

#include "dns/wire/record.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace godwit::test {

struct WireRecord {
  std::string name;
  dns::RrType type;
  std::string data;
  uint32_t ttl = 300;
};

struct ResponseForm {
  unsigned rcode = 0;
  bool authentic = false;
  bool truncated = false;
  std::vector<WireRecord> answers;
  std::vector<WireRecord> authorities;
};

std::string put16(unsigned value);
std::string wire_name(std::string_view text);
WireRecord a_record(std::string name, std::string_view address, uint32_t ttl = 300);
WireRecord mx_record(std::string name, unsigned preference, std::string_view exchange);
WireRecord cname_record(std::string name, std::string_view target, uint32_t ttl = 300);
WireRecord txt_record(std::string name, std::string_view text);
WireRecord soa_record(std::string name, uint32_t ttl, uint32_t minimum);

// What answers `query` (a whole message), with its id and its question.
std::string make_response(std::string_view query, const ResponseForm& form);
// The name and type that `query` asks for.
std::string asked_name(std::string_view query);
dns::RrType asked_type(std::string_view query);

}  // namespace godwit::test
