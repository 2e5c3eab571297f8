// Which texts of options speak of the message.
#include "delivery/transport/message_options.h"

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

}  // namespace
}  // namespace godwit::delivery
