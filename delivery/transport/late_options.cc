#include "delivery/transport/late_options.h"

#include "core/io/fiber.h"
#include "delivery/transport/smtp_transport.h"

#include <utility>

namespace godwit::delivery {

Result<std::string> helo_of(const acl::EvalResult& helo, const std::string& usual) {
  if (!helo.ok()) return Error(Errc::config, "failed to expand helo_data: " + helo.text);
  return helo.text.empty() ? usual : helo.text;
}

bool names_itself_late(const SmtpTransport& transport) {
  return transport.helo_data().source().find("sending_") != std::string_view::npos;
}

Task<Result<std::string>> LateOptions::helo_name(const Endpoint& local) {
  address_.sending = local;
  const acl::AddressFacts* before = std::exchange(evaluation_.address, &address_);
  const auto asking = [this] { return transport_.helo_data().evaluate(evaluation_); };
  const acl::EvalResult helo = co_await on_fiber(asking);
  evaluation_.address = before;
  co_return helo_of(helo, usual_);
}

Task<std::string> LateOptions::server_name(std::string_view answer) {
  const acl::AddressFacts* before = std::exchange(evaluation_.address, &address_);
  const std::string_view item = std::exchange(evaluation_.item, answer);
  const bool was_tainted = std::exchange(evaluation_.item_tainted, true);
  const auto asking = [this] { return transport_.host_name_extract().evaluate(evaluation_); };
  const acl::EvalResult name = co_await on_fiber(asking);
  evaluation_.address = before;
  evaluation_.item = item;
  evaluation_.item_tainted = was_tainted;
  co_return name.ok() ? name.text : std::string();
}

}  // namespace godwit::delivery
