#include "protocol/spool_format/envelope_text.h"

#include "generated/source_dir.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <sstream>

namespace godwit {
namespace {

constexpr std::string_view kHeaders =
    "Received: from x by y;\r\n\tSat, 21 Nov 2026 04:30:00 +0000\r\n"
    "From: ann@example.org\r\nTo: bob@example.com\r\nSubject: hello\r\n"
    "Message-ID: <m1@example.org>\r\nReply-To: r@example.org\r\nbcc: h@example.org\r\n";

Envelope full_envelope() {
  Envelope envelope;
  envelope.message_id = "1wAbCd-00000000abc-0001";
  envelope.sender = "ann@example.org";
  envelope.received = WallTime{1795235400'000123};
  envelope.submitter_login = "Debian-exim";
  envelope.submitter_uid = 111;
  envelope.submitter_gid = 112;
  envelope.helo_name = "client.example.org";
  envelope.host_address = "[2001:db8::1]:4711";
  envelope.host_name = "client.example.org";
  envelope.interface_address = "[192.0.2.2]:25";
  envelope.active_hostname = "mx.example.org";
  envelope.ident = "ann";
  envelope.protocol = "esmtpsa";
  envelope.auth_id = "ann";
  envelope.auth_sender = "ann@example.org";
  envelope.auth_name = "plain";
  envelope.tls_cipher = "TLS1.3:TLS_AES_256_GCM_SHA384:256";
  envelope.tls_version = "TLS1.3";
  envelope.tls_peer_dn = "CN=client";
  envelope.tls_sni = "mx.example.org";
  envelope.body_lines = 2;
  envelope.body_zeros = 1;
  envelope.line_bytes_max = 60;
  envelope.smtputf8 = true;
  envelope.dsn_ret = DsnRet::full;
  envelope.dsn_envid = "QQ+3D314";
  envelope.variables = {
      {"acl_c0", "one\ntwo", true}, {"acl_m_foo", "", true}, {"acl_m1", "x", false}};
  envelope.recipients = {{"bob@example.com", "", "", 0},
                         {"carol@example.com", "rfc822;carol@example.com", "", kDsnFailure},
                         {"\"d 1\"@example.net", "", "bounce@example.org", 0},
                         {"erin@example.net", "", "", kDsnNever}};
  return envelope;
}

TEST(EnvelopeText, ReadsWhatItWrote) {
  const Envelope envelope = full_envelope();
  EnvelopeTextState state;
  state.done = {0, 2};
  state.others_done = {"alias@example.org"};
  state.frozen_at = WallTime::from_seconds(1795235500);
  state.warnings = 3;
  const Result<EnvelopeText> back = envelope_from_text(envelope_to_text(envelope, state, kHeaders));
  ASSERT_TRUE(back) << back.error().to_string();
  EXPECT_TRUE(back->envelope == envelope);
  EXPECT_EQ(back->header_section, kHeaders);
  EXPECT_EQ(back->state.done, state.done);
  EXPECT_EQ(back->state.others_done, state.others_done);
  EXPECT_EQ(back->state.frozen_at, state.frozen_at);
  EXPECT_EQ(back->state.warnings, 3);
  EXPECT_FALSE(back->state.wire_format);
}

TEST(EnvelopeText, ReadsAsTheGoldenFile) {
  EnvelopeTextState state;
  state.done = {0, 3, 1};
  state.frozen_at = WallTime::from_seconds(1795235500);
  const std::string text = envelope_to_text(full_envelope(), state, kHeaders);
  const std::string path = GODWIT_SOURCE_DIR "/tests/golden/spool_format/full-H";
  if (std::getenv("UPDATE_GOLDEN") != nullptr) std::ofstream(path, std::ios::binary) << text;
  std::ifstream file(path, std::ios::binary);
  ASSERT_TRUE(file.good()) << path;
  std::stringstream want;
  want << file.rdbuf();
  EXPECT_EQ(text, want.str());
}

TEST(EnvelopeText, KeepsEveryValueOnItsLine) {
  Envelope envelope = full_envelope();
  envelope.helo_name = "a\n-local";
  envelope.sender = "a\nb@example.org";
  envelope.auth_id = std::string("a\0b\r", 4);
  const Result<EnvelopeText> back = envelope_from_text(envelope_to_text(envelope, {}, kHeaders));
  ASSERT_TRUE(back) << back.error().to_string();
  EXPECT_FALSE(back->envelope.is_local);
  EXPECT_EQ(back->envelope.helo_name, "a -local");
  EXPECT_EQ(back->envelope.sender, "a b@example.org");
  EXPECT_EQ(back->envelope.auth_id, "a b ");
}

constexpr std::string_view kOldFile =
    "1abCDe-0001xY-Ab-H\n"
    "root 0 0\n"
    "<>\n"
    "1795235400 0\n"
    "-ident root\n"
    "-received_protocol local\n"
    "-host_address 192.0.2.1.4711\n"
    "-acl 12 3\nabc\n"
    "--(mysql)future_line with text\n"
    "-body_linecount 7\n"
    "-local\n"
    "-spool_file_wireformat\n"
    "YN a@example.org\nNN A@example.org\n"
    "5\n"
    "a@example.org\n"
    "b@example.org 0\n"
    "c@example.org err@example.org 15,0#1\n"
    "d@example.org  0,8  0,-1#3\n"
    "e@[192.0.2.9]\n"
    "\n"
    "011  Subject: x\n"
    "012* X-Gone: yes\n"
    "018T To: a,\n b,\n\tc,\n d\n";

std::string with(std::string_view from, std::string_view to) {
  std::string text(kOldFile);
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(EnvelopeText, ReadsOldFiles) {
  const Result<EnvelopeText> read = envelope_from_text(kOldFile);
  ASSERT_TRUE(read) << read.error().to_string();
  const Envelope& envelope = read->envelope;
  EXPECT_EQ(envelope.message_id, "1abCDe-0001xY-Ab");
  EXPECT_EQ(envelope.sender, "");
  EXPECT_EQ(envelope.host_address, "[192.0.2.1]:4711");
  EXPECT_EQ(envelope.body_lines, 7u);
  EXPECT_TRUE(envelope.is_local);
  EXPECT_TRUE(read->state.wire_format);
  ASSERT_EQ(envelope.variables.size(), 1u);
  EXPECT_EQ(envelope.variables[0].name, "acl_m2");
  ASSERT_EQ(envelope.recipients.size(), 5u);
  EXPECT_EQ(envelope.recipients[1].address, "b@example.org");
  EXPECT_EQ(envelope.recipients[2].address, "c@example.org");
  EXPECT_EQ(envelope.recipients[2].errors_to, "err@example.org");
  EXPECT_EQ(envelope.recipients[3].address, "d@example.org");
  EXPECT_EQ(envelope.recipients[3].dsn_flags, kDsnFailure);
  EXPECT_EQ(envelope.recipients[4].address, "e@[192.0.2.9]");
  EXPECT_EQ(read->state.done, std::vector<uint32_t>{0});
  EXPECT_EQ(read->state.others_done, std::vector<std::string>{"A@example.org"});
  EXPECT_EQ(read->header_section, "Subject: x\r\nTo: a,\r\n b,\r\n\tc,\r\n d\r\n");
}

struct BadCase {
  std::string_view name, from, to;
};
constexpr std::array kBad{
    BadCase{"first line", "-H\n", "-J\n"},
    BadCase{"message id", "1abCDe-0001xY-Ab-H", "1abCDe-0001xY-A-H"},
    BadCase{"login", "root 0 0", "root 0"},
    BadCase{"uid", "root 0 0", "root x 0"},
    BadCase{"huge uid", "root 0 0", "root 99999999999999999999 0"},
    BadCase{"sender", "<>\n", "<\n"},
    BadCase{"time", "1795235400 0", "x 0"},
    BadCase{"huge time", "1795235400 0", "18446744073709551615 0"},
    BadCase{"host address", "192.0.2.1.4711", "192.0.2.1.99999"},
    BadCase{"host name for address", "192.0.2.1.4711", "[x]:1"},
    BadCase{"variable size", "-acl 12 3", "-acl 12 4"},
    BadCase{"variable huge", "-acl 12 3", "-acl 12 18446744073709551615"},
    BadCase{"variable number", "-acl 12 3", "-acl 20 3"},
    BadCase{"quoter", "--(mysql)", "--(mysql"},
    BadCase{"line count", "-body_linecount 7", "-body_linecount seven"},
    BadCase{"tree letters", "YN a@", "ZN a@"},
    BadCase{"tree short", "NN A@", "YN A@"},
    BadCase{"count", "\n5\n", "\nfive\n"},
    BadCase{"count low", "\n5\n", "\n4\n"},
    BadCase{"count high", "\n5\n", "\n6\n"},
    BadCase{"count huge", "\n5\n", "\n18446744073709551615\n"},
    BadCase{"errors_to size", "15,0#1", "150,0#1"},
    BadCase{"no comma", "15,0#1", "15#1"},
    BadCase{"dsn", "0,8  0,-1#3", "0,8  9,-1#3"},
    BadCase{"address missing", "a@example.org\nb@", " 0\nb@"},
    BadCase{"carriage return", "a@example.org\nb@", "a@example.org\r\nb@"},
    BadCase{"header count", "011  S", "012  S"},
    BadCase{"header huge", "011  S", "99999999999999999999  S"},
    BadCase{"header not a number", "011  S", "0x1  S"},
    BadCase{"header zero", "011  S", "000  S"},
    BadCase{"trailing", "\tc,\n d\n", "\tc,\n d\n\n"},
};

TEST(EnvelopeText, RefusesDamagedFiles) {
  for (const BadCase& c : kBad) {
    SCOPED_TRACE(c.name);
    EXPECT_FALSE(envelope_from_text(with(c.from, c.to)));
  }
  EXPECT_FALSE(envelope_from_text(std::string(kOldFile) + std::string(100, '\0')));
}

TEST(EnvelopeText, SurvivesEveryPlaceToStop) {
  const std::string text = envelope_to_text(full_envelope(), {}, kHeaders);
  const size_t headers = text.find("\n\n") + 2;
  for (size_t size = 0; size < text.size(); ++size) {
    const Result<EnvelopeText> read = envelope_from_text(std::string_view(text).substr(0, size));
    if (size < headers) EXPECT_FALSE(read) << size;
  }
}

TEST(EnvelopeText, WritesATreeOfAnySize) {
  Envelope envelope = full_envelope();
  envelope.recipients.clear();
  EnvelopeTextState state;
  for (uint32_t n = 0; n < 1000; ++n) {
    envelope.recipients.push_back({"user" + std::to_string(n) + "@example.org", "", "", 0});
    if (n % 3 == 0) state.done.push_back(n);
  }
  const Result<EnvelopeText> back = envelope_from_text(envelope_to_text(envelope, state, kHeaders));
  ASSERT_TRUE(back) << back.error().to_string();
  EXPECT_EQ(back->state.done, state.done);
}

}  // namespace
}  // namespace godwit
