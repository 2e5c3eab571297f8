// Which texts of options speak of the message.
#include "delivery/transport/message_options.h"

#include "acl/expand/list_pattern.h"

#include <gtest/gtest.h>

namespace godwit::delivery {
namespace {

TEST(MessageOptions, AreThoseWithAVariableOfTheMessage) {
  const std::string_view of_message[] = {
      "$sender_address_domain",
      "${lookup{$sender_address_domain}lsearch*{/etc/mailips}{$value}{}}",
      "${if eq{$sender_host_address}{}{127.0.0.1}{127.0.0.2}}",
      "out.${domain}",
      "${lc:$local_part}",
      "${if def:sender_address{a}{b}}",
      "$acl_m_route",
      "${h_from:}",
      "${lc:$rheader_subject:}",
      "${acl{choose}}",
      "* : !${address_data}",
  };
  for (std::string_view text : of_message) EXPECT_TRUE(speaks_of_message(text)) << text;
}

TEST(MessageOptions, AreNotThoseOfServerAndHost) {
  const std::string_view others[] = {
      "",
      "*",
      "$primary_hostname",
      "${primary_hostname}",
      "${if eq{$host_address}{192.0.2.1}{a}{b}}",
      "${lookup{$host}lsearch{/etc/names}{$value}{${extract{1}{:}{$value}}}}",
      "${if or {{eq{0}{$tls_out_tlsa_usage}}{eq{4}{$tls_out_tlsa_usage}}}{*}{}}",
      "${map{<, a,b}{$item}}",
      "costs 5 $",
      "${sg{$smtp_active_hostname}{(.)}{$1}}",
  };
  for (std::string_view text : others) EXPECT_FALSE(speaks_of_message(text)) << text;
}

class Lists final : public acl::ListCompiler {
 public:
  std::shared_ptr<const acl::ListPattern> compile(acl::ListKind, const config::LocatedText&,
                                                  const acl::ListOptions&,
                                                  config::Diagnostics&) const override {
    return nullptr;
  }
  std::optional<std::string> text_of(acl::ListKind kind, std::string_view name) const override {
    if (kind == acl::ListKind::host && name == "plain") return "*.test : +other";
    if (kind == acl::ListKind::host && name == "clear") return "${if eq{$sender_address}{}{*}}";
    if (kind == acl::ListKind::domain && name == "deep") return "! +deeper";
    if (kind == acl::ListKind::domain && name == "deeper") return "$acl_m_x : +deep";
    return std::nullopt;
  }
};

TEST(MessageOptions, NamedListsAreLookedInto) {
  const Lists lists;
  const auto found = [&](std::string_view text) { return lists_of_message(text, lists).size(); };
  EXPECT_EQ(found("* : +plain : +unknown"), 0u);
  EXPECT_EQ(found("127.0.0.1 : ! +clear : +clear"), 1u);
  EXPECT_EQ(found("${if match_domain{$host}{+deep}{a}{b}}"), 1u);
  EXPECT_EQ(lists_of_message("+deep:+clear", lists).front(), "$acl_m_x : +deep");
}

}  // namespace
}  // namespace godwit::delivery
