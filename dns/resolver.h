// Resolver: asks the DNS. Three answers, never two: records, no such thing, or an Error where
// nobody could tell (timeout, SERVFAIL and so also bogus, refusal, garbage): Errc::dns_failed or
// Errc::timed_out, both temporary, whose detail says who answered what.
//
// Used by everything above dns/; a seam: tests pass tests/support/scripted_resolver.h. One a
// worker, on the loop's thread, outlives whoever asks. dns/stub_resolver.h is the real one, and
// dns/questions.h has what people really want to know (addresses of a host, name of a client ...).
#pragma once

#include "core/base/result.h"
#include "core/base/time.h"
#include "core/io/cancel.h"
#include "core/io/fiber.h"
#include "core/io/task.h"
#include "dns/wire/record.h"

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace godwit::dns {

enum class AnswerStatus : uint8_t {
  found,    // at least one record of the type
  no_name,  // NXDOMAIN, or not a name that the DNS can hold
  no_data,  // the name exists, the type does not
};

struct Answer {
  AnswerStatus status = AnswerStatus::no_data;
  // Validated by an upstream that the configuration trusts; holds for denials as well.
  bool secure = false;
  uint32_t ttl_seconds = 0;  // what is left of it: the lowest of chain and records, or the SOA's
  // The name at the end of the CNAME chain; the one that was asked where there is none.
  std::string name;
  bool has_alias = false;       // a CNAME was followed
  std::vector<Record> records;  // of the asked type only, in the order of the answer

  bool found() const noexcept { return status == AnswerStatus::found; }
};

// Whose questions wait for a place in flight; lanes take turns.
enum class Lane : uint8_t { session, delivery };

struct QueryOptions {
  Lane lane = Lane::session;
  // Other than the configured: one attempt's time, and attempts for each upstream (dnsdb).
  std::optional<Millis> retrans;
  std::optional<int> attempts;
};

class Resolver {
 public:
  virtual ~Resolver() = default;
  // `name` in A-labels or UTF-8, with or without its final dot; never a search list. A cached
  // answer comes without suspending.
  virtual Task<Result<Answer>> query(std::string name, RrType type, QueryOptions options = {},
                                     CancelSource* cancel = nullptr) = 0;
  // Begins to ask what query() will be asked soon, so that several questions travel together.
  virtual void prefetch(const std::string& name, RrType type, const QueryOptions& options) {
    static_cast<void>(name), static_cast<void>(type), static_cast<void>(options);
  }
};

// Waits for a question on the current fiber. Without one, only what needs no waiting is answered;
// the rest is an error of class temporary.
template <class T>
Result<T> wait_here(Task<Result<T>> question) {
  if (Fiber::is_current()) return wait_for(std::move(question));
  question.start();
  if (question.done()) return question.take();
  return Error(Errc::dns_failed, "nothing can wait for the DNS here");
}

// query() for plain code on a fiber (core/io/fiber.h).
Result<Answer> ask(Resolver& resolver, std::string name, RrType type, QueryOptions options = {});

}  // namespace godwit::dns
