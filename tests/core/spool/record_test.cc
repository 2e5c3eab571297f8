#include "core/spool/record.h"

#include "core/spool/crc32c.h"
#include "core/spool/index_block.h"
#include "core/spool/segment.h"

#include <gtest/gtest.h>

#include <array>

namespace godwit::spool {
namespace {

TEST(Crc32c, MatchesRfc3720AndItsPortableForm) {
  struct Case {
    std::string bytes;
    uint32_t want;
  };
  const std::array cases{Case{"", 0}, Case{"123456789", 0xe3069283},
                         Case{std::string(32, '\0'), 0x8a9136aa},
                         Case{std::string(32, '\xff'), 0x62a8ab43}};
  for (const Case& c : cases) {
    EXPECT_EQ(crc32c(0, c.bytes), c.want);
    EXPECT_EQ(crc32c_portable(0, c.bytes), c.want);
  }
  EXPECT_EQ(crc32c(crc32c(5, "1234"), "56789"), crc32c(5, "123456789"));
}

RecordHeader sample_header() {
  RecordHeader header;
  header.type = RecordType::update;
  header.flags = kFlagReplace;
  header.segment = 9;
  header.offset = 4096;
  header.payload_bytes = 100;
  header.synced_to = 512;
  header.payload_crc = 77;
  header.key = {1, 2};
  return header;
}

TEST(RecordHeader, ReadsBackWhatWasWritten) {
  std::string bytes(kRecordHeaderBytes, '\0');
  encode_header(sample_header(), 5, bytes.data());
  const auto back = decode_header(bytes, 9, 4096, 5);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->type, RecordType::update);
  EXPECT_EQ(back->flags, kFlagReplace);
  EXPECT_EQ(back->payload_bytes, 100u);
  EXPECT_EQ(back->synced_to, 512u);
  EXPECT_EQ(back->payload_crc, 77u);
  EXPECT_EQ(back->key, (MessageKey{1, 2}));
  EXPECT_EQ(back->record_bytes(), 152u);
}

TEST(RecordHeader, IsNotValidElsewhereNorWithAnotherSaltNorChanged) {
  std::string bytes(kRecordHeaderBytes, '\0');
  encode_header(sample_header(), 5, bytes.data());
  EXPECT_FALSE(decode_header(bytes, 10, 4096, 5));
  EXPECT_FALSE(decode_header(bytes, 9, 4104, 5));
  EXPECT_FALSE(decode_header(bytes, 9, 4096, 6));
  EXPECT_FALSE(decode_header(bytes.substr(1), 9, 4096, 5));
  for (size_t at = 0; at < bytes.size(); ++at) {
    std::string changed = bytes;
    changed[at] = static_cast<char>(changed[at] ^ 1);
    EXPECT_FALSE(decode_header(changed, 9, 4096, 5)) << at;
  }
}

TEST(Items, ReadBackInOrderAndStopWhereTheyAreBroken) {
  std::string items;
  append_item(items, "one");
  append_item(items, "");
  append_item(items, "three");
  size_t at = 0;
  EXPECT_EQ(next_item(items, at), "one");
  EXPECT_EQ(next_item(items, at), "");
  EXPECT_EQ(next_item(items, at), "three");
  EXPECT_FALSE(next_item(items, at));
  at = 0;
  EXPECT_FALSE(next_item(std::string_view(items).substr(0, 5), at));
}

TEST(SurvivorsRecord, ReadsBackAndRefusesAShortList) {
  Survivors survivors;
  survivors.segment = 3;
  survivors.cut = 800;
  survivors.offsets = {56, 400};
  const std::string payload = encode_survivors(survivors);
  const auto back = decode_survivors(payload);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->cut, 800u);
  EXPECT_EQ(back->offsets, survivors.offsets);
  EXPECT_FALSE(decode_survivors(std::string_view(payload).substr(0, payload.size() - 1)));
}

TEST(IndexBlock, ReadsBackItsEntries) {
  IndexBuilder builder;
  IndexEntry message;
  message.offset = 56;
  message.record_bytes = 200;
  message.key = {7, 8};
  message.envelope_bytes = 10;
  message.header_bytes = 20;
  message.body_bytes = 30;
  message.received = WallTime{123};
  builder.add(message);
  IndexEntry update;
  update.type = RecordType::update;
  update.offset = 256;
  update.items = "items";
  builder.add(update);
  IndexEntry longer = update;
  const std::string items(kIndexedUpdateBytesMax + 1, 'x');
  longer.items = items;
  builder.add(longer);
  const std::string payload = builder.payload();
  EXPECT_EQ(payload.size(), builder.payload_bytes());

  IndexReader reader(payload);
  const auto first = reader.next();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->key, message.key);
  EXPECT_EQ(first->body_bytes, 30u);
  EXPECT_EQ(first->received.micros, 123);
  const auto second = reader.next();
  ASSERT_TRUE(second && second->is_inline);
  EXPECT_EQ(second->items, "items");
  const auto third = reader.next();
  ASSERT_TRUE(third);
  EXPECT_FALSE(third->is_inline);
  EXPECT_FALSE(reader.next());
  EXPECT_FALSE(reader.is_broken());
  EXPECT_EQ(reader.updates(), 2u);
}

TEST(IndexBlock, EveryCutIsNoticed) {
  IndexBuilder builder;
  IndexEntry entry;
  entry.items = "abc";
  builder.add(entry);
  builder.add(entry);
  const std::string payload = builder.payload();
  for (size_t size = 0; size < payload.size(); ++size) {
    IndexReader reader(std::string_view(payload).substr(0, size));
    while (reader.next()) {
    }
    EXPECT_TRUE(reader.is_broken()) << size;
  }
}

TEST(SegmentNames, ReadBackAndRefuseOthers) {
  EXPECT_EQ(segment_name(42), "seg-0000002a");
  EXPECT_EQ(segment_number("seg-0000002a"), 42u);
  for (const char* name :
       {"seg-0000002", "seg-0000002g", "seg-00000000", "spare-0000002a", "lock"}) {
    EXPECT_FALSE(segment_number(name)) << name;
  }
  EXPECT_EQ(spare_number("spare-0000002a"), 42u);
}

}  // namespace
}  // namespace godwit::spool
