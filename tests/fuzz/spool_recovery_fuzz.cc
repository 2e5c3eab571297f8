// Whatever segment files hold, a recovery ends without a crash, and what it tells can be read or
// gives an error. The first byte of the input chooses: raw bytes as a file, or records with right
// checksums around the input's payloads, so that the rules behind the checksums are reached too.
#include "core/spool/crc32c.h"
#include "core/spool/segment.h"
#include "core/spool/segment_loader.h"
#include "core/spool/shard_image.h"
#include "tests/support/power_cut_files.h"

#include <algorithm>
#include <string>

namespace {

using godwit::FileOpen;
using namespace godwit::spool;

constexpr uint32_t kFileBytes = 16 * 1024;
constexpr uint32_t kSalt = 99;

class Input {
 public:
  Input(const uint8_t* data, size_t size) : bytes_(reinterpret_cast<const char*>(data), size) {}
  bool is_empty() const { return bytes_.empty(); }
  uint8_t byte() {
    if (bytes_.empty()) return 0;
    const auto value = static_cast<uint8_t>(bytes_.front());
    bytes_.remove_prefix(1);
    return value;
  }
  std::string_view take(size_t size) {
    size = std::min(size, bytes_.size());
    const std::string_view taken = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return taken;
  }

 private:
  std::string_view bytes_;
};

std::string record(Input& input, uint32_t segment, uint32_t offset) {
  RecordHeader header;
  header.type = static_cast<RecordType>(2 + input.byte() % 5);
  header.flags = input.byte() % 4;
  header.segment = segment;
  header.offset = offset;
  header.synced_to = static_cast<uint32_t>(input.byte()) * 64;
  header.key = {0, input.byte() % 8u};
  std::string payload(input.take(input.byte()));
  // A message needs a fixed part that fits its payload; half of the time it gets one.
  if (header.type == RecordType::message && input.byte() % 2 == 0) {
    MessageFixed fixed;
    fixed.body_bytes = payload.size();
    fixed.body_crc = crc32c(0, payload);
    std::string head(kMessageFixedBytes, '\0');
    encode_message_fixed(fixed, head.data());
    header.payload_crc = crc32c(kSalt, head);
    payload.insert(0, head);
  } else {
    header.payload_crc = crc32c(kSalt, payload);
  }
  header.payload_bytes = static_cast<uint32_t>(payload.size());
  std::string out(header.record_bytes(), '\0');
  encode_header(header, kSalt, out.data());
  payload.copy(out.data() + kRecordHeaderBytes, payload.size());
  return out;
}

std::string segment_file(Input& input, uint32_t number) {
  Segment segment;
  segment.number = number;
  segment.salt = kSalt;
  segment.bytes = kFileBytes;
  std::string file = start_record(segment);
  for (int i = input.byte() % 32; i > 0 && file.size() < kFileBytes - 2048; --i) {
    file += record(input, number, static_cast<uint32_t>(file.size()));
  }
  segment.end = static_cast<uint32_t>(file.size());
  if (input.byte() % 3 == 0) {
    const std::string index = index_record(segment, input.take(input.byte() * 4u));
    file += index;
    file.resize(kFileBytes - kSealBytes, '\0');
    file += seal_record(segment, static_cast<uint32_t>(index.size()));
  }
  file.resize(kFileBytes, '\0');
  return file;
}

void read_everything(ShardImage& image) {
  if (!image.load()) return;
  for (const auto& [number, segment] : image.segments()) {
    const auto events = image.events_of(number);
    for (uint32_t slot = segment.first_live; slot != LiveTable::kNone;
         slot = image.live()[slot].next) {
      ReadBodyCall call;
      std::string page(256, '\0');
      call.file = segment.file;
      call.segment = number;
      call.salt = segment.salt;
      call.at = image.live()[slot].at.offset;
      call.large_path = "/shard/large/none";
      call.into = page;
      const auto got = call();
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  godwit::test::PowerCutFiles files(1);
  if (!files.make_directory("/shard")) return 0;
  Input input(data, size);
  const uint8_t mode = input.byte();
  if (mode % 2 == 0) {
    files.write_file("/shard/" + segment_name(1), std::string(input.take(size)));
  } else {
    for (uint32_t number = 1; number <= 3 && !input.is_empty(); ++number) {
      files.write_file("/shard/" + segment_name(number), segment_file(input, number));
    }
  }
  ShardImage image(files, "/shard", FileOpen::read_write);
  read_everything(image);
  return 0;
}
