#include "delivery/queue/errors_copy.h"

#include "core/base/ascii.h"
#include "core/config/values.h"
#include "protocol/message/address_list.h"

#include <algorithm>
#include <utility>

namespace godwit::delivery {
namespace {

// The pattern, which may be in double quotes; `item` goes on after it.
config::LocatedText take_pattern(config::LocatedText& item, config::Diagnostics& diagnostics) {
  item = item.trimmed();
  const std::string_view text = item.view();
  const bool is_quoted = text.starts_with('"');
  size_t end = is_quoted ? 1 : 0;
  while (end < text.size() && (is_quoted ? text[end] != '"' : !is_space(text[end])))
    end += text[end] == '\\' ? 2 : 1;
  end = std::min(end + (is_quoted ? 1 : 0), text.size());
  config::LocatedText pattern = item.substr(0, end);
  item = item.substr(end).trimmed();
  if (!is_quoted) return pattern;
  std::optional<config::QuoteProblem> problem;
  config::LocatedText unquoted = config::unquote(pattern, problem);
  if (problem) diagnostics.error(pattern.at(problem->offset), problem->message);
  return unquoted;
}

}  // namespace

std::vector<ErrorsCopy> compile_errors_copy(const config::LocatedText& list,
                                            const acl::NamedLists& lists,
                                            config::Diagnostics& diagnostics) {
  std::vector<ErrorsCopy> out;
  for (config::LocatedText& item : config::split_list(list)) {
    const config::Place place = item.begin_place();
    const config::LocatedText pattern = take_pattern(item, diagnostics);
    if (pattern.view().empty() && item.view().empty()) continue;
    if (pattern.view().empty() || item.view().empty()) {
      diagnostics.error(place, "an item of errors_copy needs a pattern and addresses",
                        "*@example.com postmaster@example.com");
      continue;
    }
    ErrorsCopy copy;
    copy.pattern = lists.compile(config::ListKind::address, pattern, {}, diagnostics);
    acl::CompileOptions options;
    options.lists = &lists;
    copy.addresses = acl::compile_expansion(item, options, diagnostics).value_or(acl::Expansion());
    if (copy.pattern != nullptr) out.push_back(std::move(copy));
  }
  return out;
}

std::vector<std::string> copies_of(const std::vector<ErrorsCopy>& items, std::string_view recipient,
                                   acl::EvalContext& context, std::string& problem) {
  std::vector<std::string> out;
  for (const ErrorsCopy& item : items) {
    const acl::ListMatch found = item.pattern->match({recipient, std::nullopt, {}}, context);
    if (found.match == acl::Match::defer) problem = found.message;
    if (found.match != acl::Match::yes) continue;
    const acl::EvalResult text = item.addresses.evaluate(context);
    if (!text.ok()) {
      problem = text.text;
      return out;
    }
    const Result<message::AddressList> list =
        message::parse_address_list(text.text, message::Utf8::allowed);
    if (!list) {
      problem = list.error().detail();
      return out;
    }
    for (const message::ListedAddress& address : list->addresses) {
      if (address.has_domain) out.push_back(address.address);
    }
    return out;
  }
  return out;
}

}  // namespace godwit::delivery
