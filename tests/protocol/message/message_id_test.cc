#include "protocol/message/message_id.h"

#include "core/base/ascii.h"

#include <gtest/gtest.h>

#include <array>
#include <set>
#include <string>

namespace godwit::message {
namespace {

constexpr WallTime kNow = WallTime::from_seconds(1'795'235'400);  // 2026-11-21 04:30:00 UTC

TEST(ShortMessageId, HasTheFormOfOldEximAndIsReadBack) {
  MessageIdGenerator generator(4242, 0, kNow, IdForm::short_form);
  const MessageId id = generator.next(kNow);
  EXPECT_EQ(id.text().size(), kOldMessageIdBytes);
  EXPECT_EQ(id.text()[6], '-');
  EXPECT_EQ(id.text()[13], '-');
  EXPECT_TRUE(id.is_old_form());
  EXPECT_EQ(id.seconds(), kNow.seconds());
  EXPECT_EQ(*MessageId::parse(id.text()), id);
}

TEST(ShortMessageId, FieldsAreCutToTheirDigits) {
  EXPECT_EQ(MessageId::make_short(1, 62, 63).text(), "000001-000010-11");
  EXPECT_EQ(MessageId::make_short(1, 56'800'235'584 + 1, 3'844 + 2).text(), "000001-000001-02");
}

TEST(ShortMessageId, GeneratorsOfOneProcessDifferInTheHundredthInWhichTheyStart) {
  MessageIdGenerator first(4242, 511, kNow, IdForm::short_form);
  MessageIdGenerator second(4242, 511, kNow + Millis{10}, IdForm::short_form);
  EXPECT_NE(first.next(kNow), second.next(kNow));
}

TEST(ShortMessageId, IncreasesWhateverTheClockDoes) {
  MessageIdGenerator generator(4'194'303, 1, kNow, IdForm::short_form);
  MessageId last = generator.next(kNow);
  constexpr std::array<int64_t, 7> kSteps{0, 0, 1, 999'999, -5'000'000, -3'600'000'000, 2};
  for (const int64_t step : kSteps) {
    const MessageId id = generator.next({kNow.micros + step});
    EXPECT_LT(last, id);
    last = id;
  }
}

// The last field of an id, as a number.
uint64_t fraction_of(const MessageId& id) {
  return *parse_base62(id.text().substr(id.text().rfind('-') + 1));
}

TEST(MessageId, HostsWithNumbersHaveRangesOfTheirOwn) {
  struct Case {
    IdForm form;
    uint64_t units;
  };
  for (const Case& c : {Case{IdForm::long_form, kHostFractionsPerSecond},
                        Case{IdForm::short_form, kShortHostFractionsPerSecond}}) {
    for (const uint32_t host : {0u, 1u, kHostNumberMax}) {
      MessageIdGenerator generator(4242, 0, kNow, c.form, host);
      const MessageId first = generator.next(kNow);
      EXPECT_EQ(fraction_of(first), host * c.units);
      const MessageId last = generator.next({kNow.micros + 999'999});
      EXPECT_EQ(fraction_of(last), host * c.units + c.units - 1);
      const MessageId next = generator.next(kNow);
      EXPECT_LT(last, next) << "the second was full";
      EXPECT_EQ(next.seconds(), kNow.seconds() + 1);
      EXPECT_EQ(fraction_of(next), host * c.units);
    }
  }
}

TEST(ShortMessageId, GoesOnIntoTheNextSecondWhereOneIsFull) {
  MessageIdGenerator generator(1, 0, kNow, IdForm::short_form);
  MessageId last;
  for (uint64_t n = 0; n < kShortFractionsPerSecond * 3; ++n) {
    const MessageId id = generator.next(kNow);
    ASSERT_LT(last, id);
    ASSERT_EQ(id.seconds(), kNow.seconds() + static_cast<int64_t>(n / kShortFractionsPerSecond));
    last = id;
  }
  // The clock overtakes it again.
  EXPECT_EQ(generator.next(WallTime::from_seconds(kNow.seconds() + 60)).seconds(),
            kNow.seconds() + 60);
}

TEST(ShortMessageId, IsUniqueAcrossProcessesAndRestarts) {
  std::set<std::string> seen;
  size_t made = 0;
  for (const uint32_t pid : {1u, 2u, 32'768u, 4'194'302u, 4'194'303u}) {
    for (const int64_t start : {0, 10'000, 20'000, 135'410'000}) {
      MessageIdGenerator generator(pid, 0, {kNow.micros + start}, IdForm::short_form);
      for (int n = 0; n < 100; ++n, ++made) seen.insert(generator.next(kNow).to_string());
    }
  }
  EXPECT_EQ(seen.size(), made);
}

}  // namespace
}  // namespace godwit::message
