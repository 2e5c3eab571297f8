// LateOptions: what options of the smtp transport say once there is a connection: the name in EHLO
// where it speaks of the local end ($sending_ip_address), and which server of many has answered
// (host_name_extract). Made by SmtpOpener, asked by SmtpConnection. EXIM.md 2.8.
#pragma once

#include "acl/expand/expansion.h"
#include "core/base/ip_address.h"
#include "core/base/result.h"
#include "core/io/task.h"
#include "delivery/transport/host_scene.h"

#include <string>
#include <string_view>

namespace godwit::delivery {

class SmtpTransport;

// The name in EHLO. Fails in the words of the log.
Result<std::string> helo_of(const acl::EvalResult& helo, const std::string& usual);
// Whether `helo_data` has to wait for the connection.
bool names_itself_late(const SmtpTransport& transport);

class LateOptions {
 public:
  // All outlives the object. `message`: as of SmtpOpener::prepare().
  template <class Services>
  LateOptions(const Services& services, const SmtpTransport& transport,
              const std::string& host_name, const Endpoint& host, acl::EvalContext* message)
      : scene_(services, host_name, host),
        transport_(transport),
        usual_(services.server.primary_hostname),
        evaluation_(message != nullptr ? *message : scene_.evaluation),
        address_(*evaluation_.address) {}

  Task<Result<std::string>> helo_name(const Endpoint& local);
  // `answer`: to EHLO, with its codes. Empty where nothing is known.
  Task<std::string> server_name(std::string_view answer);

 private:
  HostScene scene_;
  const SmtpTransport& transport_;
  const std::string& usual_;
  acl::EvalContext& evaluation_;
  acl::AddressFacts address_;  // with the local end, once it is known
};

}  // namespace godwit::delivery
