#include "tests/simulation/world.h"

#include "core/config/files.h"
#include "delivery/queue/message_key.h"

#include <gtest/gtest.h>

#include <utility>

namespace godwit::simulation {
namespace {

constexpr WallTime kStart{1'767'225'600'000'000};  // 2026-01-01 00:00:00 UTC
// Progress that is younger may not be on the disk (spool::kLazySync, and the time of a batch).
constexpr Millis kNotYetSynced{1000};
constexpr const char* kShard = "/spool";

spool::StoreOptions store_options() {
  spool::StoreOptions out;
  out.segment_bytes = 1024 * 1024;
  out.first_segment_bytes = 256 * 1024;
  return out;
}

}  // namespace

void LogBook::write(const LogRecord& record) {
  if (contains(record.files, LogFiles::panic)) problems.emplace_back(record.text);
  if (!record.message_id.empty()) {
    Life& life = lives[std::string(record.message_id)];
    if (record.event == LogEvent::arrival) ++life.arrived;
    if (record.event == LogEvent::completed) ++life.completed;
  }
  if (watcher != nullptr) watcher->on_line(record);
}

World::World(WorldOptions options)
    : options_(std::move(options)),
      clock_(kStart),
      loop_(std::make_unique<Loop>(VirtualTime{clock_, options_.job_time})),
      started_(kStart),
      random_(options_.seed),
      files_(options_.seed + 1),
      network_(std::make_unique<Network>(*loop_, ledger_, options_.seed + 2)),
      names_(std::make_unique<Names>(*loop_, options_.seed + 3)) {
  config::MemoryFiles files;
  files.put("/c", options_.config);
  config::Diagnostics diagnostics;
  const config::ConfigDocument document = config::read_document("/c", files, {}, diagnostics);
  const auto policy = acl::compile_policy(document, diagnostics);
  config_ = delivery::compile_delivery(document, policy, diagnostics);
  EXPECT_EQ(diagnostics.render_all(), "");
  facts_.primary_hostname = "relay.test";
  facts_.qualify_domain = "relay.test";
  hosts_ = std::make_unique<delivery::HostFinder>(*names_, delivery::HostPolicy());
  auto database = std::make_unique<hints::MemoryDatabase>();
  database_ = database.get();
  hints_ = std::make_unique<retry::HintStore>(std::move(database));
  contexts_ = std::make_unique<tls::ContextCache>(*loop_, log_, nullptr);
  sessions_ = std::make_unique<tls::SessionCache>();
  open();
}

World::~World() {
  close(false);
}

void World::drive(Task<void> task) {
  Scope scope;
  scope.spawn(std::move(task));
  while (scope.running() > 0) loop_->run_once();
}

void World::open() {
  ++incarnation_;
  ids_ = std::make_unique<message::MessageIdGenerator>(1000 + incarnation_, 0, clock_.wall());
  const delivery::DeliveryServices services{
      *loop_,     nullptr,    log_,    *hosts_, *hints_,        random_,   *ids_,   facts_,
      *contexts_, *sessions_, nullptr, nullptr, network_.get(), &machine_, nullptr, "mail"};
  queue_ = std::make_unique<delivery::Queue>(config_, services);
  drive(open_store());
  queue_->start();
}

Task<void> World::open_store() {
  Result<std::unique_ptr<spool::Store>> opened =
      co_await spool::Store::open(*loop_, files_, kShard, store_options(), *queue_);
  GODWIT_ASSERT(opened.has_value());
  store_ = std::move(*opened);
  queue_->attach(*store_);
}

void World::close(bool cut) {
  drive(close_all(cut));
  queue_.reset();
  store_.reset();
}

Task<void> World::close_all(bool cut) {
  if (cut) {
    files_.cut_power_now();
    ledger_.excuse_since(WallTime{clock_.wall().micros - kNotYetSynced.count * 1000});
  }
  queue_->stop();
  queue_->abort();
  co_await scope_.join();
  co_await queue_->join();
  co_await store_->close();
}

void World::restart(bool cut) {
  close(cut);
  if (cut) files_.start_again();
  open();
}

Host& World::add_host(const std::string& name, const std::string& address) {
  names_->records().add_address(name, address);
  return network_->add(name, address);
}

void World::add_domain(const std::string& domain, const std::vector<std::string>& exchangers) {
  uint16_t preference = 10;
  for (const std::string& exchanger : exchangers) {
    names_->records().add_mx(domain, preference, exchanger);
    preference = static_cast<uint16_t>(preference + 10);
  }
}

size_t World::submit(const std::string& sender, const std::vector<std::string>& recipients) {
  const size_t number = ledger_.add(recipients);
  message_ids_.emplace_back();
  scope_.spawn(accept(number, sender, recipients));
  return number;
}

Task<void> World::accept(size_t number, std::string sender, std::vector<std::string> recipients) {
  ++submissions_in_flight;
  const message::MessageId id = ids_->next(clock_.wall());
  message_ids_[number] = id.to_string();
  Envelope envelope;
  envelope.message_id = id.to_string();
  envelope.sender = std::move(sender);
  envelope.received = clock_.wall();
  envelope.protocol = "esmtp";
  for (const std::string& recipient : recipients)
    envelope.recipients.push_back({recipient, {}, {}, 0});
  std::string headers = "Subject: simulated\r\nX-Simulated: " + std::to_string(number) + "\r\n";
  const std::string body = "A line.\r\n.A line with a dot.\r\n";
  envelope.message_bytes = headers.size() + 2 + body.size();
  const std::unique_ptr<spool::MessageWriter> writer = store_->begin(delivery::key_of(id));
  const Result<void> appended = co_await writer->append(body);
  Result<spool::StoredMessage> stored =
      co_await writer->commit(encode_envelope(envelope), std::move(headers));
  --submissions_in_flight;
  if (!appended || !stored) {
    ++submissions_refused;
    ledger_.refuse(number);
    co_return;
  }
  log_.main(LogEvent::arrival, envelope.message_id, "<= " + envelope.sender);
  queue_->accepted(std::move(*stored), std::move(envelope), false);
}

void World::schedule(std::unique_ptr<Scheduled> call, int64_t second) {
  loop_->timers().set(call->timer, loop_->clock().now() + Millis{(second - now()) * 1000});
  scheduled_.push_back(std::move(call));
}

int64_t World::now() const {
  return (clock_.wall().micros - started_.micros) / 1'000'000;
}

void World::run_until(int64_t second, bool until_empty) {
  bool reached = false;
  at(second, [&reached] { reached = true; });
  while (!reached) {
    loop_->run_once();
    const bool is_empty = until_empty && queue_->stats().messages == 0 &&
                          submissions_in_flight == 0 && queue_->stats().connections == 0;
    if (is_empty) break;
  }
  scheduled_.back()->timer.disarm();
  std::erase_if(scheduled_, [](const auto& each) { return !each->timer.is_armed(); });
}

}  // namespace godwit::simulation
