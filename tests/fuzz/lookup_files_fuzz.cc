// Files that lookups read: lsearch text, constant databases, LMDB. The first byte chooses.
#include "acl/lookup/cdb.h"
#include "acl/lookup/json_file.h"
#include "acl/lookup/lmdb.h"
#include "acl/lookup/lsearch.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace {

using namespace godwit::acl;

class MemoryFile final : public PositionalFile {
 public:
  explicit MemoryFile(std::string_view bytes) : bytes_(bytes) {}
  ReadStatus read(uint64_t offset, std::span<char> into, bool) const noexcept override {
    if (offset > bytes_.size() || into.size() > bytes_.size() - offset) return ReadStatus::ends;
    std::copy_n(bytes_.data() + offset, into.size(), into.data());
    return ReadStatus::complete;
  }

 private:
  std::string_view bytes_;
};

void read_lines(std::string_view bytes) {
  const auto wild = WildFile::parse(std::string(bytes), "f");
  const LineFile& lines = wild->lines;
  for (size_t i = 0; i < lines.size(); ++i) {
    const size_t first = lines.find(lines.key(i));
    if (first > i || !lines.line(i).ends_with(lines.data(i))) __builtin_trap();
  }
}

template <class Database>
void ask(std::string_view bytes) {
  const auto file = std::make_shared<const MemoryFile>(bytes);
  Database database(std::shared_ptr<const PositionalFile>{file});
  for (const std::string_view key : {"one", "key77", "", "zzz"}) {
    std::string value;
    std::string problem;
    database.get(key, true, value, problem);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 4) {
    case 0:
      read_lines(bytes);
      break;
    case 1:
      ask<Cdb>(bytes);
      break;
    case 2:
      ask<Lmdb>(bytes);
      break;
    default: {
      const auto json = JsonFile::parse(std::string(bytes), "f");
      if (json) json->find("a:0:b");
    }
  }
  return 0;
}
