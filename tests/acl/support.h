// Facts for tests of floor 5: one connection, one message, one recipient.
#pragma once

#include "acl/expand/expansion.h"
#include "acl/lists/lists.h"
#include "tests/core/config/support.h"

#include <gtest/gtest.h>

#include <string>

namespace godwit::acl {

struct Facts {
  ServerFacts server;
  ConnectionFacts connection;
  MessageFacts message;
  AddressFacts address;
  AclVariables connection_variables;
  AclVariables message_variables;
  EvalContext context;

  Facts() {
    server.primary_hostname = "mx.test";
    server.qualify_domain = "q.test";
    server.version_number = "0.1";
    server.local_addresses = {*IpAddress::parse("127.0.0.1"), *IpAddress::parse("192.0.2.9")};
    connection.sender_host = Endpoint{*IpAddress::parse("192.0.2.1"), 4321};
    connection.sender_helo_name = "client.test";
    connection.interface = Endpoint{*IpAddress::parse("192.0.2.9"), 25};
    connection.received_protocol = "esmtp";
    message.id = "1abcde-000000001-0000";
    message.sender_address = "Sender@Example.com";
    message.recipients = {"rcpt@mx.test"};
    address.local_part = "rcpt";
    address.domain = "mx.test";
    connection_variables["acl_c0"] = "cee";
    message_variables["acl_m_x"] = "emm";
    context.server = &server;
    context.connection = &connection;
    context.message = &message;
    context.address = &address;
    context.connection_variables = &connection_variables;
    context.message_variables = &message_variables;
    context.now = WallTime::from_seconds(1'795'237'066);
    context.utc = true;
  }
  Facts(const Facts&) = delete;
  Facts& operator=(const Facts&) = delete;
};

inline std::shared_ptr<const NamedLists> named_lists(std::string text,
                                                     config::Diagnostics& diagnostics) {
  return NamedLists::compile_all(config::read_text(std::move(text), diagnostics), diagnostics);
}

}  // namespace godwit::acl
