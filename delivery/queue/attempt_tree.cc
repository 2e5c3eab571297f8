// The tree of recipients: what redirection and `unseen` generate, duplicates, and what is done when
// its parts are.
#include "core/base/ascii.h"
#include "delivery/queue/attempt.h"
#include "delivery/queue/limits.h"
#include "protocol/message/address_syntax.h"

#include <algorithm>
#include <utility>

namespace godwit::delivery {

// From the parent up to the recipient of the envelope, each pointing to the next.
std::vector<RouteAncestor> DeliveryAttempt::ancestors_of(size_t at) const {
  std::vector<RouteAncestor> out;
  for (size_t up = recipients_[at].parent; up != kNone; up = recipients_[up].parent) {
    const Recipient& ancestor = recipients_[up];
    out.push_back({ancestor.local_part, ancestor.domain, ancestor.route.router, nullptr});
  }
  for (size_t i = 0; i + 1 < out.size(); ++i) out[i].parent = &out[i + 1];
  return out;
}

// An address that came up before gets no copy of its own.
bool DeliveryAttempt::is_duplicate(size_t at) {
  Recipient& recipient = recipients_[at];
  const auto [first, is_new] = first_of_.emplace(recipient.key, at);
  if (is_new) return false;
  recipient.state = State::duplicate;
  recipients_[first->second].duplicates.push_back(at);
  if (recipients_[first->second].done) {
    Done done;
    mark_done(at, done);
    record(done);
  }
  return true;
}

// In an earlier attempt: as a generated address, or as a recipient of the envelope.
bool DeliveryAttempt::was_done_before(const Recipient& recipient) const {
  const Progress* progress = message_.entry.progress.get();
  if (progress == nullptr) return false;
  if (progress->is_child_done(recipient.key)) return true;
  const std::vector<EnvelopeRecipient>& all = message_.envelope.recipients;
  return std::any_of(progress->done.begin(), progress->done.end(), [&](uint32_t index) {
    if (index >= all.size()) return false;
    const message::AddressParts parts = message::split_address(all[index].address);
    return recipient.key == std::string(parts.local_part) + "@" + to_lower(parts.domain);
  });
}

DeliveryAttempt::Recipient& DeliveryAttempt::add_child(size_t parent, std::string key) {
  Recipient& child = recipients_.emplace_back();
  Recipient& above = recipients_[parent];
  child.index = above.index;
  child.parent = parent;
  child.key = std::move(key);
  child.orcpt = above.orcpt;
  child.dsn_flags = above.dsn_flags;
  child.address = above.address;
  child.local_part = above.local_part;
  child.domain = above.domain;
  child.inherited = above.route.properties;
  ++above.open_children;
  return child;
}

// The children of a redirection.
void DeliveryAttempt::expand(size_t at) {
  recipients_[at].state = State::expanded;
  const std::vector<GeneratedAddress> children = std::move(recipients_[at].route.children);
  const int start = recipients_[at].route.children_start;
  const std::vector<RouteAncestor> above = ancestors_of(at);
  std::vector<size_t> finished;
  for (const GeneratedAddress& generated : children) {
    if (recipients_.size() >= kGeneratedAddressesMax) break;
    std::string key;
    if (generated.kind != GeneratedKind::address) {
      key = generated.text + ":" + recipients_[at].key;
    } else {
      key = generated.local_part + "@" + generated.domain;
      // The same address again, further down: another one, for other routers.
      const auto is_same = [&](const std::string& local_part, const std::string& domain) {
        return local_part == generated.local_part && domain == generated.domain;
      };
      auto same = std::count_if(above.begin(), above.end(), [&](const RouteAncestor& ancestor) {
        return is_same(ancestor.local_part, ancestor.domain);
      });
      if (is_same(recipients_[at].local_part, recipients_[at].domain)) ++same;
      if (same > 0) key += "~" + std::to_string(same);
    }
    Recipient& child = add_child(at, std::move(key));
    child.address = generated.text;
    child.kind = generated.kind;
    child.start_router = start;
    if (generated.kind == GeneratedKind::address) {
      child.local_part = generated.local_part;
      child.domain = generated.domain;
    }
    const size_t index = recipients_.size() - 1;
    if (was_done_before(child)) {
      child.state = State::discarded;
      finished.push_back(index);
    } else if (generated.kind != GeneratedKind::address) {
      place_local_child(index, generated);
    }
  }
  Done done;
  for (size_t index : finished) mark_done(index, done);
  record(done);
}

// A pipe or a file needs no router any more.
void DeliveryAttempt::place_local_child(size_t at, const GeneratedAddress& generated) {
  Recipient& child = recipients_[at];
  const RouteResult& above = recipients_[child.parent].route;
  child.route = above;
  child.route.children.clear();
  child.route.copy_starts = -1;
  child.route.status = RouteStatus::routed;
  child.route.transport = generated.transport;
  if (is_duplicate(at)) return;
  if (generated.text == "/dev/null") {
    child.state = State::discarded;
    const std::string line = "=> /dev/null <" + recipients_[child.parent].address +
                             "> R=" + above.router->name() + " T=**bypassed**";
    queue_.services_.log.main(LogEvent::delivery, facts_.id, line);
    Done done;
    mark_done(at, done);
    record(done);
    return;
  }
  if (generated.allowed && generated.transport >= 0) return;
  child.outcome.text = generated.allowed                       ? generated.problem
                       : generated.kind == GeneratedKind::pipe ? "delivery to pipe forbidden"
                                                               : "delivery to file forbidden";
  child.outcome.scope = FailureScope::recipient;
  settle_deferral(child);
}

// unseen: what the router said happens to one child, and another goes on to further routers.
void DeliveryAttempt::add_copy(size_t at) {
  RouteResult route = std::move(recipients_[at].route);
  recipients_[at].route = {};
  recipients_[at].route.properties = recipients_[at].inherited;
  recipients_[at].state = State::expanded;
  const int copy_starts = std::exchange(route.copy_starts, -1);
  const std::string& key = recipients_[at].key;
  const std::string router = route.router->name();
  const std::string keys[] = {key + " (in " + router + ")", key + " (after " + router + ")"};
  Done done;
  add_child(at, keys[0]).route = std::move(route);
  const size_t here = recipients_.size() - 1;
  add_child(at, keys[1]).start_router = copy_starts;
  for (size_t child : {here, here + 1}) {
    if (!was_done_before(recipients_[child])) continue;
    recipients_[child].state = State::discarded;
    mark_done(child, done);
  }
  if (recipients_[here].state == State::pending) take_route(here);
  record(done);
}

// --- What is done --------------------------------------------------------------------------------

void DeliveryAttempt::mark_done(size_t at, Done& done) {
  Recipient& recipient = recipients_[at];
  if (std::exchange(recipient.done, true)) return;
  if (recipient.parent == kNone) {
    done.recipients.push_back(recipient.index);
  } else if (recipient.state != State::expanded) {
    done.children.push_back(recipient.key);
  }
  for (size_t same : recipient.duplicates) mark_done(same, done);
  if (recipient.parent != kNone && --recipients_[recipient.parent].open_children == 0)
    mark_done(recipient.parent, done);
}

void DeliveryAttempt::record(const Done& done, bool always) {
  if (done.recipients.empty() && done.children.empty()) return;
  Progress& progress = message_.entry.need_progress();
  for (uint32_t recipient : done.recipients) progress.set_done(recipient);
  const bool is_last =
      unfinished_batches_ == 0 && progress.done.size() == message_.envelope.recipients.size();
  if (is_last && !always) return;  // the end of the message says it all
  for (const std::string& key : done.children) {
    if (progress.is_child_done(key)) continue;
    progress.set_child_done(key);
    queue_.services_.store->update(message_.entry.ref, encode_text(ChangeKind::child, key));
  }
  if (!done.recipients.empty())
    queue_.services_.store->update(message_.entry.ref, encode_done(done.recipients));
}

// one_time: what is left of the children takes the place of the recipient, so that a list that has
// changed since does not matter.
void DeliveryAttempt::replace_one_time() {
  for (size_t at = 0; at < recipients_.size(); ++at) {
    if (!recipients_[at].route.one_time || recipients_[at].done || recipients_[at].parent != kNone)
      continue;
    const auto is_left = [&](const Recipient& child) { return child.parent == at && !child.done; };
    const bool has_failed = std::any_of(
        recipients_.begin(), recipients_.end(),
        [&](const Recipient& child) { return is_left(child) && child.state == State::failed; });
    if (has_failed) continue;  // its report comes first
    for (const Recipient& child : recipients_) {
      if (!is_left(child)) continue;
      message_.entry.need_progress().added.push_back(child.address);
      queue_.services_.store->update(message_.entry.ref,
                                     encode_text(ChangeKind::recipient, child.address));
    }
    message_.entry.need_progress().set_done(recipients_[at].index);
    queue_.services_.store->update(message_.entry.ref, encode_done({recipients_[at].index}));
  }
}

}  // namespace godwit::delivery
