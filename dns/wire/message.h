// DNS messages: a question to octets, and octets to what they say about that question: the records
// of the asked type at the end of the CNAME chain, or how they deny it. No socket, no clock; never
// trusts a length. RFC 1035, 2308 (denials), 6891 (EDNS), 6840 5.7 (the AD bit in questions).
#pragma once

#include "core/base/result.h"
#include "dns/wire/record.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace godwit::dns {

struct Question {
  std::string name;  // on the wire
  RrType type = RrType::A;
};

struct QueryForm {
  bool edns = true;
  bool dnssec_ok = false;       // asks for signatures as well; needs EDNS
  uint16_t udp_payload = 1232;  // octets that we take over UDP
};

// RCODEs that matter (RFC 1035 4.1.1, RFC 6891 9).
enum class Rcode : uint16_t {
  no_error = 0,
  format_error = 1,
  server_failure = 2,
  no_such_name = 3,
  not_implemented = 4,
  refused = 5,
  bad_version = 16,
};
// "SERVFAIL"; "RCODE 23" for one without a name.
std::string to_string(Rcode code);

struct Response {
  Rcode rcode = Rcode::no_error;
  bool truncated = false;
  bool authentic = false;      // AD: the upstream has validated
  bool authoritative = false;  // AA
  bool recursion_available = false;
  std::string name;  // the end of the CNAME chain, as text
  bool has_alias = false;
  // The chain ends inside the message with neither records nor a denial: ask for `name`.
  bool is_unfinished = false;
  std::vector<Record> records;
  uint32_t ttl_seconds = 0;  // the lowest of chain and records, or of the denial (0: not given)
  bool has_ttl = false;
};

std::string encode_query(uint16_t id, const Question& question, const QueryForm& form);

// The id of a response, or nothing where `message` is too short or no response. For finding the
// question to which it belongs.
std::optional<uint16_t> response_id(std::string_view message) noexcept;
// Malformed: the octets break the format; invalid_argument: they answer another question.
Result<Response> parse_response(std::string_view message, const Question& question);

}  // namespace godwit::dns
