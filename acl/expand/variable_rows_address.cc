// Variables of the address that is verified, routed or delivered.
#include "acl/expand/variable_functions.h"
#include "acl/expand/variables.h"
#include "core/base/ascii.h"
#include "core/base/time.h"

#include <array>
#include <iterator>
#include <string>

namespace godwit::acl {
namespace {

void host_port(const AddressFacts& facts, std::string& out) {
  append_value(facts.host_port, out);
}

// name, function, documentation
constexpr auto kRows = std::to_array<VariableRow>({
    {"address_data", field<&AddressFacts::address_data>, "what a router put there"},
    {"domain", field<&AddressFacts::domain>, "domain of the address", Taint::outside},
    {"home", field<&AddressFacts::home>, "home directory"},
    {"host", field<&AddressFacts::host>, "host of the delivery"},
    {"host_address", field<&AddressFacts::host_address>, "its address"},
    {"host_port", made<&host_port>, "its port"},
    {"local_part", field<&AddressFacts::local_part>, "local part of the address", Taint::outside},
    {"original_domain", field<&AddressFacts::original_domain>, "domain before redirection",
     Taint::outside},
    {"original_local_part", field<&AddressFacts::original_local_part>,
     "local part before redirection", Taint::outside},
    {"router_name", field<&AddressFacts::router_name>,
     "router that runs, or that chose the transport"},
    {"transport_name", field<&AddressFacts::transport_name>, "transport that runs"},
});

}  // namespace

std::span<const VariableRow> address_variable_rows() noexcept {
  return kRows;
}

}  // namespace godwit::acl
