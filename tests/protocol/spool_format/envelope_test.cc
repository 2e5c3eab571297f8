#include "protocol/spool_format/envelope.h"

#include <gtest/gtest.h>

namespace godwit {
namespace {

Envelope full_envelope() {
  Envelope e;
  e.message_id = "1vM5mI-00000001Abc-0001";
  e.sender = "a@example.test";
  e.recipients = {{"b@example.test", "", "", 0},
                  {"c@example.test", "rfc822;c+20d@example.test", "errors@example.test",
                   kDsnSuccess | kDsnDelay}};
  e.received = WallTime{1'763'700'000'123'456};
  e.submitter_login = "mail";
  e.submitter_uid = 8;
  e.submitter_gid = 12;
  e.helo_name = "client.test";
  e.host_address = "[192.0.2.1]:4711";
  e.protocol = "esmtp";
  e.message_bytes = 4096;
  e.body_lines = 70;
  e.body_8bit = true;
  e.dsn_ret = DsnRet::full;
  e.dsn_envid = "QQ314159";
  e.variables = {{"acl_m_x", std::string("with\0nul", 8), true}, {"acl_c0", "own", false}};
  return e;
}

TEST(Envelope, RoundTripsEveryField) {
  const Envelope e = full_envelope();
  const Result<Envelope> back = decode_envelope(encode_envelope(e));
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(*back, e);
}

TEST(Envelope, EveryCutOfTheBytesIsRefusedOrALesserEnvelope) {
  const std::string bytes = encode_envelope(full_envelope());
  for (size_t n = 0; n < bytes.size(); ++n) {
    const Result<Envelope> back = decode_envelope(std::string_view(bytes).substr(0, n));
    if (back) EXPECT_NE(*back, full_envelope());
  }
}

TEST(Envelope, SkipsFieldsOfALaterVersion) {
  std::string bytes = encode_envelope(full_envelope());
  bytes += '\xf0';
  bytes += '\x03';
  bytes += "new";
  EXPECT_EQ(*decode_envelope(bytes), full_envelope());
}

TEST(Envelope, IsSmallForAnOrdinaryMessage) {
  Envelope e;
  e.message_id = "1vM5mI-00000001Abc-0001";
  e.sender = "sender@example.test";
  e.recipients = {{"recipient@example.test", "", "", 0}};
  e.received = WallTime{1'763'700'000'123'456};
  e.host_address = "[127.0.0.1]:40000";
  e.interface_address = "[127.0.0.1]:25";
  e.helo_name = "client.test";
  e.protocol = "esmtp";
  EXPECT_LT(encode_envelope(e).size(), 200U);
}

}  // namespace
}  // namespace godwit
