// What a Redis server may answer, whole and byte by byte: the same replies.
#include "acl/lookup/resp.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace {

std::vector<godwit::acl::RespReply> read_all(std::string_view bytes, size_t step) {
  godwit::acl::RespReader reader;
  std::vector<godwit::acl::RespReply> replies;
  for (size_t at = 0; at < bytes.size(); at += step) {
    reader.feed(bytes.substr(at, step));
    while (auto reply = reader.next()) replies.push_back(*reply);
  }
  return replies;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (size > 4096) return 0;
  if (read_all(bytes, bytes.size() + 1) != read_all(bytes, 1)) __builtin_trap();
  std::string command;
  godwit::acl::append_resp_command(command, godwit::acl::split_redis_command(bytes));
  return 0;
}
