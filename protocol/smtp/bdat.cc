#include "protocol/smtp/bdat.h"

#include "core/base/ascii.h"
#include "core/base/assert.h"
#include "protocol/smtp/limits.h"

#include <algorithm>

namespace godwit::smtp {

BdatSyntax parse_bdat(std::string_view argument, BdatArgument& result) noexcept {
  constexpr std::string_view kLast = "LAST";
  argument = trim(argument);
  size_t digits = 0;
  while (digits < argument.size() && is_digit(argument[digits])) ++digits;
  const std::string_view rest = argument.substr(digits);
  if (digits == 0 || (!rest.empty() && !is_blank(rest.front()))) return BdatSyntax::no_size;
  const std::string_view word = trim_left(rest);
  result.last = equals_ignore_case(word, kLast);
  if (!word.empty() && !result.last) return BdatSyntax::no_size;
  const std::optional<uint64_t> bytes = parse_decimal(argument.substr(0, digits));
  if (!bytes || *bytes > kChunkBytesMax) return BdatSyntax::too_big;
  result.bytes = *bytes;
  if (*bytes == 0 && !result.last) return BdatSyntax::zero_size;
  return BdatSyntax::good;
}

void BdatState::start(const BdatArgument& argument) noexcept {
  GODWIT_ASSERT(octets_left_ == 0 && argument.bytes <= kChunkBytesMax);
  phase_ = Phase::chunk;
  last_ = argument.last;
  octets_left_ = argument.bytes;
  chunk_bytes_ = argument.bytes;
  // A bound on the sum keeps it from wrapping: 2^40 octets a chunk would need 2^24 chunks.
  total_bytes_ = std::min(total_bytes_ + argument.bytes, UINT64_MAX / 2);
  if (octets_left_ == 0) finish_chunk();
}

std::string_view BdatState::take(std::string_view bytes) noexcept {
  GODWIT_ASSERT(phase_ == Phase::chunk);
  const auto size = static_cast<size_t>(std::min<uint64_t>(octets_left_, bytes.size()));
  octets_left_ -= size;
  if (octets_left_ == 0) finish_chunk();
  return bytes.substr(0, size);
}

void BdatState::finish_chunk() noexcept {
  if (failed_) {
    phase_ = Phase::failed;
  } else {
    phase_ = last_ ? Phase::ended : Phase::between;
  }
}

void BdatState::fail() noexcept {
  failed_ = true;
  if (octets_left_ == 0) phase_ = Phase::failed;
}

bool BdatState::refuses(Verb verb, ReplyId& reply) noexcept {
  if (phase_ != Phase::between && phase_ != Phase::failed) return false;
  if (verb == Verb::bdat || verb == Verb::rset || verb == Verb::quit) return false;
  if (phase_ == Phase::between && verb == Verb::noop) return false;
  reply = phase_ == Phase::between ? ReplyId::only_bdat : ReplyId::only_rset;
  fail();
  return true;
}

}  // namespace godwit::smtp
