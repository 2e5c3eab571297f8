#include "protocol/message/submission.h"

#include "protocol/message/phrase.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>

namespace godwit::message {
namespace {

SubmissionOptions base_options() {
  SubmissionOptions options;
  options.login = "ann";
  options.full_name = "Ann Example";
  options.qualify_domain = "q.test";
  options.message_id_domain = "mx.test";
  options.id = *MessageId::parse("1wAbCd-00000000abc-0001");
  options.now = WallTime::from_seconds(1795235400);
  options.utc = true;
  options.arguments = {"bob@b.test"};
  return options;
}
SubmissionOptions header_options() {
  SubmissionOptions options = base_options();
  options.recipients_from_headers = true;
  options.arguments.clear();
  return options;
}

constexpr std::string_view kAdded =
    "Date: Sat, 21 Nov 2026 04:30:00 +0000\r\n"
    "Message-Id: <E1wAbCd-00000000abc-0001@mx.test>\r\n";

TEST(Submission, AddsWhatAClientLeftOut) {
  const Result<Submission> made = prepare_submission("Subject: x\n\nbody\n", base_options());
  ASSERT_TRUE(made) << made.error().to_string();
  EXPECT_EQ(made->headers,
            "Subject: x\r\nFrom: Ann Example <ann@q.test>\r\n" + std::string(kAdded));
  EXPECT_EQ(made->body, "body\r\n");
  EXPECT_EQ(made->sender, "ann@q.test");
  EXPECT_EQ(made->recipients, std::vector<std::string>{"bob@b.test"});
  EXPECT_FALSE(made->needs_smtputf8);
}

TEST(Submission, LeavesACompleteMessageAlone) {
  const std::string text =
      "From: Ann <ANN@Q.TEST>\r\nTo: x\r\n y@z.test\r\nDate: today\r\nMessage-ID: <a@b>\r\n";
  SubmissionOptions options = base_options();
  options.login = "ANN";
  const Result<Submission> made = prepare_submission(text + "\r\nb", options);
  ASSERT_TRUE(made) << made.error().to_string();
  EXPECT_EQ(made->headers, text) << "the address list of To: is wrong, but nobody asked it";
  EXPECT_EQ(made->body, "b\r\n");
}

struct WireCase {
  std::string_view input, want;
  bool dot_ends = true;
};
constexpr std::array kWire{
    WireCase{"", ""},
    WireCase{"a", "a\r\n"},
    WireCase{"a\nb\r\nc\rd\n", "a\r\nb\r\nc\r\nd\r\n"},
    WireCase{"a\r\r\nb", "a\r\n\r\nb\r\n"},
    WireCase{"a\n.\nb\n", "a\r\n"},
    WireCase{"a\n.\r\nb\n", "a\r\n"},
    WireCase{"a\n.", "a\r\n"},
    WireCase{"a\n.\nb\n", "a\r\n.\r\nb\r\n", false},
    WireCase{"..\n. \n", "..\r\n. \r\n"},
    WireCase{"\n\n", "\r\n\r\n"},
};

TEST(Submission, MakesWireFormatOfAnyLineEnds) {
  for (const WireCase& c : kWire) {
    SCOPED_TRACE(c.input);
    EXPECT_EQ(wire_lines(c.input, c.dot_ends), c.want);
  }
}

struct RecipientCase {
  std::string_view name, headers, arguments, want;  // `want`: addresses with commas, or "!error"
};
constexpr std::array kRecipients{
    RecipientCase{"all three", "To: a@x, B <b@x>\nCc: c@x (see)\nBcc: d@x\n", "",
                  "a@x,b@x,c@x,d@x"},
    RecipientCase{"each once", "To: a@x, a@X\nCc: A@x\n", "", "a@x,A@x"},
    RecipientCase{"group", "To: friends: a@x, b@x;, c@x\n", "", "a@x,b@x,c@x"},
    RecipientCase{"folded", "To: a@x,\n b@x,\n\tc@x\n", "", "a@x,b@x,c@x"},
    RecipientCase{"unqualified", "To: a, \"b c\"\n", "", "a@q.test,\"b c\"@q.test"},
    RecipientCase{"resent wins", "To: a@x\nResent-To: b@x\nResent-Bcc: c@x\n", "", "b@x,c@x"},
    RecipientCase{"arguments are taken off", "To: a@x, b@x, c@x\n", "b@X", "a@x,c@x"},
    RecipientCase{"argument list", "To: a@x, b@x, c@x\n", "b@x, c@x", "a@x"},
    RecipientCase{"unqualified argument", "To: a, b@x\n", "a", "b@x"},
    RecipientCase{"argument of nobody", "To: a@x\n", "z@x", "a@x"},
    RecipientCase{"none", "Subject: x\n", "", "!no recipient addresses found"},
    RecipientCase{"empty", "To: nobody:;\n", "", "!no recipient addresses found"},
    RecipientCase{"all taken off", "To: a@x\n", "a@x", "!taken off"},
    RecipientCase{"bad argument", "To: a@x\n", "b c", "!bad address \"b c\""},
    RecipientCase{"null argument", "To: a@x\n", "<>", "!bad address \"<>\""},
    RecipientCase{"null", "To: <>\n", "", "!no recipient addresses found"},
    RecipientCase{"route", "To: a@x, b@x\n", "@q.test,@r.test:b@x", "a@x"},
};

TEST(Submission, FindsTheRecipientsInTheHeader) {
  for (const RecipientCase& c : kRecipients) {
    SCOPED_TRACE(c.name);
    SubmissionOptions options = header_options();
    if (!c.arguments.empty()) options.arguments.emplace_back(c.arguments);
    const Result<Submission> made =
        prepare_submission(std::string(c.headers) + "\nbody\n", options);
    if (c.want.starts_with('!')) {
      ASSERT_FALSE(made);
      EXPECT_NE(made.error().detail().find(c.want.substr(1)), std::string::npos)
          << made.error().detail();
      continue;
    }
    ASSERT_TRUE(made) << made.error().to_string();
    std::string got;
    for (const std::string& address : made->recipients) got += (got.empty() ? "" : ",") + address;
    EXPECT_EQ(got, c.want);
    EXPECT_EQ(made->headers.find("cc: d"), std::string::npos);
    EXPECT_EQ(made->headers.find("Bcc"), std::string::npos);
  }
}

TEST(Submission, FindsTheGoodRecipientsAmongBadOnes) {
  const Result<Submission> made = prepare_submission(
      "To: a@x, b c@x,\n \"d, e\"@x (f, g)\nCc: friends: h@x, i@@x;, <@q.test,@r.test:j@x>\n\n",
      header_options());
  ASSERT_TRUE(made) << made.error().to_string();
  EXPECT_EQ(made->recipients, (std::vector<std::string>{"a@x", "\"d, e\"@x", "h@x", "j@x"}));
  std::string bad;
  for (const BadRecipient& each : made->bad_recipients) {
    bad += each.text + "|";
    EXPECT_FALSE(each.why.empty()) << each.text;
  }
  EXPECT_EQ(bad, "b c@x|i@@x|");
  const Result<Submission> nobody = prepare_submission("To: i@@x\n\n", header_options());
  ASSERT_TRUE(nobody);
  EXPECT_TRUE(nobody->recipients.empty());
}

TEST(Submission, KeepsTheHiddenRecipientsOfAMessageThatIsSentOn) {
  const Result<Submission> made =
      prepare_submission("Bcc: a@x\nResent-To: b@x\nResent-Bcc: c@x\n\n", header_options());
  ASSERT_TRUE(made);
  EXPECT_TRUE(made->headers.starts_with("Bcc: a@x\r\nResent-To: b@x\r\nResent-")) << made->headers;
  EXPECT_EQ(made->headers.find("c@x"), std::string::npos);
}

TEST(Submission, AddsNothingToAMessageOfAHost) {
  SubmissionOptions options = base_options();
  options.is_of_host = true;
  EXPECT_EQ(prepare_submission("Subject: x\n\n", options)->headers, "Subject: x\r\n");
}

TEST(Submission, AddsTheArgumentsWhereTheyAreNotRemoved) {
  SubmissionOptions options = header_options();
  options.removes_arguments = false;
  options.arguments = {"b@x"};
  const Result<Submission> made = prepare_submission("To: a@x\n\n", options);
  ASSERT_TRUE(made);
  EXPECT_EQ(made->recipients, (std::vector<std::string>{"a@x", "b@x"}));
}

TEST(Submission, QualifiesAddressesInPlace) {
  SubmissionOptions options = base_options();
  options.qualify_recipient = "r.test";
  const Result<Submission> made = prepare_submission(
      "From: Ann <ann> (me)\nTo: bob (him), \"c d\" <carol>,\n dave@x\nReply-To: ann\n"
      "Bcc: kept\nSubject: to: bob\n\n",
      options);
  ASSERT_TRUE(made) << made.error().to_string();
  EXPECT_TRUE(made->headers.starts_with(
      "From: Ann <ann@q.test> (me)\r\nTo: bob@r.test (him), \"c d\" <carol@r.test>,\r\n dave@x\r\n"
      "Reply-To: ann@q.test\r\nBcc: kept@r.test\r\nSubject: to: bob\r\nDate: "))
      << made->headers;
}

struct SenderCase {
  std::string_view name, headers;
  const char* argument;
  bool is_trusted;
  std::string_view sender, field;  // `field`: the line that is added, or "" for none
};
constexpr std::array kSenders{
    SenderCase{"own", "From: ann@q.test\n", nullptr, false, "ann@q.test", ""},
    SenderCase{"other", "From: x@y\n", nullptr, false, "ann@q.test",
               "Sender: Ann Example <ann@q.test>\r\n"},
    SenderCase{"two", "From: ann@q.test, x@y\n", nullptr, false, "ann@q.test",
               "Sender: Ann Example <ann@q.test>\r\n"},
    SenderCase{"trusted", "From: x@y\n", nullptr, true, "ann@q.test", ""},
    SenderCase{"untrusted -f", "From: ann\n", "x@y", false, "ann@q.test", ""},
    SenderCase{"trusted -f", "Subject: x\n", "x@y", true, "x@y", "From: Ann Example <x@y>\r\n"},
    SenderCase{"trusted -f unqualified", "From: x@y\n", "x", true, "x@q.test", ""},
    SenderCase{"bounce", "From: ann\n", "<>", false, "", ""},
    SenderCase{"bounce without from", "Subject: x\n", "", false, "", ""},
    SenderCase{"old header", "From : ann\n", nullptr, false, "ann@q.test", ""},
    SenderCase{"forged", "From: ann\nSender: x@y\n", nullptr, false, "ann@q.test", ""},
    SenderCase{"resent", "From: x@y\nResent-From: z@y\n", nullptr, false, "ann@q.test",
               "Resent-Sender: Ann Example <ann@q.test>\r\n"},
};

TEST(Submission, SettlesWhoSentIt) {
  for (const SenderCase& c : kSenders) {
    SCOPED_TRACE(c.name);
    SubmissionOptions options = base_options();
    options.is_trusted = c.is_trusted;
    if (c.argument != nullptr) options.sender = c.argument;
    const Result<Submission> made =
        prepare_submission(std::string(c.headers) + "X-End: 1\n\nbody\n", options);
    ASSERT_TRUE(made) << made.error().to_string();
    EXPECT_EQ(made->sender, c.sender);
    const size_t at = made->headers.find("X-End: 1\r\n") + 10;
    const size_t date =
        std::min(made->headers.find("Date: ", at), made->headers.find("Resent-Date", at));
    EXPECT_EQ(made->headers.substr(at, date - at), c.field);
    EXPECT_EQ(made->headers.find("Sender: x@y"), std::string::npos);
  }
}

// The lines of the header section that are about who sent it.
std::string sender_lines(const Submission& made) {
  std::string out;
  for (size_t at = 0; at < made.headers.size();) {
    const size_t end = made.headers.find("\r\n", at) + 2;
    const std::string line = made.headers.substr(at, end - at);
    if (line.starts_with("Sender:") || line.starts_with("From:")) out += line;
    at = end;
  }
  return out;
}

TEST(Submission, TheConfigurationSaysWhatMakesAnotherSender) {
  constexpr const char* kOwn = "From: lists-ann+x@q.test\n\n";
  SubmissionOptions options = base_options();
  EXPECT_EQ(sender_lines(*prepare_submission(kOwn, options)),
            "From: lists-ann+x@q.test\r\nSender: Ann Example <ann@q.test>\r\n");
  options.from_prefixes = {"*-"};
  options.from_suffixes = {"+*"};
  EXPECT_EQ(sender_lines(*prepare_submission(kOwn, options)), "From: lists-ann+x@q.test\r\n");
  EXPECT_EQ(sender_lines(*prepare_submission("From: bob@q.test\n\n", options)),
            "From: bob@q.test\r\nSender: Ann Example <ann@q.test>\r\n");
  options.checks_from = false;
  EXPECT_EQ(sender_lines(*prepare_submission("From: x@y\nSender: z@y\n\n", options)),
            "From: x@y\r\n");
  options.retains_sender = true;
  EXPECT_EQ(sender_lines(*prepare_submission("From: x@y\nSender: z@y\n\n", options)),
            "From: x@y\r\nSender: z@y\r\n");
}

TEST(Submission, WhoIsNotTrustedMayBeGivenASender) {
  SubmissionOptions options = base_options();
  options.sender = "x@y.test";
  EXPECT_EQ(prepare_submission("From: ann\n\n", options)->sender, "ann@q.test");
  options.may_set_sender = true;
  EXPECT_EQ(prepare_submission("From: ann\n\n", options)->sender, "x@y.test");
}

TEST(Submission, AFromLineNamesTheSenderOfWhoIsTrusted) {
  const auto sender_of = [](const char* named, const char* argument) {
    SubmissionOptions options = base_options();
    options.is_trusted = true;
    options.from_line_sender = named;
    if (argument != nullptr) options.sender = argument;
    return prepare_submission("From: ann\n\n", options)->sender;
  };
  EXPECT_EQ(sender_of("x@y.test", nullptr), "x@y.test");
  EXPECT_EQ(sender_of("x", nullptr), "x@q.test");
  EXPECT_EQ(sender_of("<>", nullptr), "");
  EXPECT_EQ(sender_of("", nullptr), "ann@q.test") << "nothing was named";
  EXPECT_EQ(sender_of("x@@y", nullptr), "ann@q.test") << "no address was named";
  EXPECT_EQ(sender_of("x@y.test", "z@y.test"), "z@y.test") << "-f says more";
  SubmissionOptions options = base_options();
  options.is_trusted = true;
  options.from_line_sender = "x@y.test";
  EXPECT_EQ(sender_lines(*prepare_submission("\n", options)), "From: x@y.test\r\n");
}

TEST(Submission, SaysWhatIsWrong) {
  SubmissionOptions options = base_options();
  options.header_bytes_max = 50;
  EXPECT_EQ(prepare_submission("X: " + std::string(100, 'x') + "\n\n", options).error().code(),
            Errc::too_long);
  options = base_options();
  options.message_bytes_max = 10;
  EXPECT_EQ(prepare_submission("X: y\n\n0123456789\n", options).error().code(), Errc::too_long);
  options = base_options();
  std::string many;
  for (int n = 0; n < 1001; ++n) many += "X: y\n";
  EXPECT_EQ(prepare_submission(many, options).error().code(), Errc::too_many);
  options.arguments.clear();
  EXPECT_EQ(prepare_submission("X: y\n\n", options).error().detail(), "no recipients were given");
  options = base_options();
  options.is_trusted = true;
  options.sender = "a b";
  EXPECT_NE(prepare_submission("X: y\n\n", options).error().detail().find("bad sender address"),
            std::string::npos);
  EXPECT_FALSE(prepare_submission(std::string_view("X: y\0z\n\n", 8), base_options()));
}

TEST(Submission, KnowsWhenItNeedsSmtputf8) {
  SubmissionOptions options = base_options();
  options.arguments = {
      "b\xc3\xb6"
      "b@x.test"};
  const Result<Submission> made = prepare_submission("Subject: x\n\n", options);
  ASSERT_TRUE(made);
  EXPECT_TRUE(made->needs_smtputf8);
  options.allows_utf8 = false;
  EXPECT_FALSE(prepare_submission("Subject: x\n\n", options));
}

TEST(Submission, TakesAMessageWithoutAHeader) {
  const Result<Submission> made = prepare_submission("hello there\nbye\n", base_options());
  ASSERT_TRUE(made);
  EXPECT_EQ(made->body, "hello there\r\nbye\r\n");
  EXPECT_TRUE(made->headers.starts_with("From: Ann"));
  const Result<Submission> nothing = prepare_submission("", base_options());
  ASSERT_TRUE(nothing);
  EXPECT_EQ(nothing->body, "");
}

struct PhraseCase {
  std::string_view name, want;
};
constexpr std::array kPhrases{
    PhraseCase{"", ""},
    PhraseCase{"  ", ""},
    PhraseCase{"Ann Example", "Ann Example"},
    PhraseCase{"Ann Q. Example", "\"Ann Q. Example\""},
    PhraseCase{"A \"B\" \\", "\"A \\\"B\\\" \\\\\""},
    PhraseCase{"a\r\nBcc: x", "\"aBcc: x\""},
    PhraseCase{"=?x?=", "\"=?x?=\""},
    PhraseCase{"J\xc3\xb6rg M", "=?utf-8?Q?J=C3=B6rg_M?="},
    PhraseCase{"J\xf6rg", "=?iso-8859-1?Q?J=F6rg?="},
};

TEST(Phrase, IsPlainQuotedOrEncoded) {
  for (const PhraseCase& c : kPhrases) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(encode_phrase(c.name), c.want);
  }
}

TEST(Phrase, EncodesLongNamesInSeveralWords) {
  std::string name;
  for (int n = 0; n < 60; ++n) name += "\xc3\xb6";
  const std::string phrase = encode_phrase(name);
  for (size_t at = 0; at < phrase.size();) {
    const size_t end = std::min(phrase.find(' ', at), phrase.size());
    EXPECT_LE(end - at, 75u);
    EXPECT_TRUE(phrase.substr(at, end - at).starts_with("=?utf-8?Q?=C3=B6"));
    at = end + 1;
  }
}

}  // namespace
}  // namespace godwit::message
