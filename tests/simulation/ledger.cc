#include "tests/simulation/ledger.h"

#include "core/base/ascii.h"

#include <optional>

namespace godwit::simulation {
namespace {

constexpr std::string_view kNumber = "X-Simulated: ";

std::optional<size_t> number_of(std::string_view text) {
  const size_t at = text.find(kNumber);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view rest = text.substr(at + kNumber.size());
  const std::optional<uint64_t> number = parse_decimal(rest.substr(0, rest.find('\r')));
  return number ? std::optional<size_t>(*number) : std::nullopt;
}

}  // namespace

Fate* Ledger::find(size_t message, std::string_view address) {
  if (message >= messages_.size()) return nullptr;
  for (Fate& fate : messages_[message]) {
    if (fate.address == address) return &fate;
  }
  return nullptr;
}

void Ledger::excuse_since(WallTime then) {
  for (std::vector<Fate>& fates : messages_) {
    for (Fate& fate : fates) fate.excused += fate.last_taken >= then ? 1U : 0U;
  }
}

Fate* Ledger::taken(std::string_view text, std::string_view address, WallTime now) {
  const std::optional<size_t> number = number_of(text);
  if (!number) return nullptr;
  const size_t header_end = text.find("\r\n\r\n");
  if (text.find(kNumber) < header_end) {
    Fate* fate = find(*number, address);
    if (fate == nullptr) return nullptr;
    ++fate->copies;
    fate->last_taken = now;
    return fate;
  }
  // A report: each of its recipients.
  constexpr std::string_view kRecipient = "Final-Recipient: rfc822;";
  constexpr std::string_view kAction = "Action: ";
  for (size_t at = text.find(kRecipient); at != std::string_view::npos;
       at = text.find(kRecipient, at + 1)) {
    // The action stands before or after the recipient, in the same paragraph.
    const size_t start = text.rfind("\r\n\r\n", at);
    const std::string_view paragraph = text.substr(start, text.find("\r\n\r\n", at) - start);
    const std::string_view named = text.substr(at + kRecipient.size());
    Fate* fate = find(*number, trim(named.substr(0, named.find('\r'))));
    const size_t action = paragraph.find(kAction);
    if (fate == nullptr || action == std::string_view::npos) continue;
    const std::string_view what = paragraph.substr(action + kAction.size());
    fate->failures += what.starts_with("failed") ? 1U : 0U;
    fate->delays += what.starts_with("delayed") ? 1U : 0U;
  }
  return nullptr;
}

}  // namespace godwit::simulation
