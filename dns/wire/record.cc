#include "dns/wire/record.h"

#include <array>

namespace godwit::dns {
namespace {

struct TypeRow {
  RrType type;
  std::string_view name;
};
// clang-format off
constexpr std::array kTypes{
    TypeRow{RrType::A,     "A"},     TypeRow{RrType::NS,   "NS"},   TypeRow{RrType::CNAME, "CNAME"},
    TypeRow{RrType::SOA,   "SOA"},   TypeRow{RrType::PTR,  "PTR"},  TypeRow{RrType::MX,    "MX"},
    TypeRow{RrType::TXT,   "TXT"},   TypeRow{RrType::AAAA, "AAAA"}, TypeRow{RrType::SRV,   "SRV"},
    TypeRow{RrType::OPT,   "OPT"},   TypeRow{RrType::TLSA, "TLSA"}, TypeRow{RrType::SPF,   "SPF"},
};
// clang-format on

}  // namespace

std::string to_string(RrType type) {
  for (const TypeRow& row : kTypes) {
    if (row.type == type) return std::string(row.name);
  }
  return "TYPE" + std::to_string(static_cast<unsigned>(type));
}

std::string Txt::joined() const {
  std::string out;
  for (const std::string& string : strings) out += string;
  return out;
}

}  // namespace godwit::dns
