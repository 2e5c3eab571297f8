// Address rewriting: the rules of `begin rewrite`, applied to the envelope and the header section
// of a message at reception, and to what redirection generates. Immutable after load.
// EXIM.md 2.9. Evaluation may wait on the current fiber (core/io/fiber.h).
#pragma once

#include "acl/expand/expansion.h"
#include "acl/expand/regex.h"
#include "acl/lists/lists.h"
#include "core/config/document.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace godwit::rewrite {

inline constexpr int kRepeatsMax = 10;  // of a rule with R, after the first time

// Where an address stands: bits, since a rule may be about several.
enum Place : uint16_t {
  kSender = 1,
  kFrom = 2,
  kTo = 4,
  kCc = 8,
  kBcc = 16,
  kReplyTo = 32,
  kEnvelopeFrom = 64,
  kEnvelopeTo = 128,
  kSmtp = 256,  // the path of MAIL or RCPT as it came
  kHeaders = kSender | kFrom | kTo | kCc | kBcc | kReplyTo,
  kEverywhere = kHeaders | kEnvelopeFrom | kEnvelopeTo,
};

struct Rewritten {
  std::string address;
  bool changed = false;
  bool whole = false;   // of a header item: takes the place of phrase and comments too (w)
  std::string problem;  // why nothing was rewritten, or not to the end; for the panic log
  // What each rule did, in order: "a@x" from env-to rewritten as "b@y" by rule 1.
  std::vector<std::string> changes;
};

// What rewriting has to tell.
struct RewriteNotes {
  std::vector<std::string> problems;  // for the panic log
  std::vector<std::string> changes;   // log_selector +address_rewrite
};

class RewriteRules {
 public:
  static std::shared_ptr<const RewriteRules> compile(const config::ConfigDocument& document,
                                                     const acl::NamedLists& lists,
                                                     config::Diagnostics& diagnostics);
  // Of a transport's headers_rewrite: rules between colons, each in the form of the section's.
  static std::shared_ptr<const RewriteRules> compile_list(const config::LocatedText& list,
                                                          const acl::NamedLists& lists,
                                                          config::Diagnostics& diagnostics);
  bool empty() const noexcept { return rules_.empty(); }
  // True where a rule is about one of `places`.
  bool has(uint16_t places) const noexcept;

  // A qualified address at `place`; for kSmtp any text, and $local_part and $domain are empty.
  // `context` has the facts of connection and message; $local_part and $domain are of the address.
  // Unqualified results of rules with Q get `qualify_recipient`.
  Rewritten rewrite(std::string_view address, Place place, acl::EvalContext& context) const;
  // A header section in wire format: every address of the fields that rules are about. Fields
  // whose addresses cannot be parsed stay as they are. Nothing where nothing changes.
  std::optional<std::string> rewrite_headers(std::string_view section, acl::EvalContext& context,
                                             RewriteNotes& notes) const;

 private:
  friend struct RuleCompiler;
  struct Rule {
    uint16_t places = kEverywhere;
    bool allows_unqualified = false;  // Q
    bool stops = false;               // q
    bool repeats = false;             // R
    bool whole = false;               // w
    bool protects = false;            // the replacement is "*"
    acl::Expansion replacement;
    std::optional<acl::Regex> regex;
    // Of other patterns; null: any.
    bool has_local = false;
    bool local_is_wild = false;  // "*ending"
    std::string local;           // exact, or the ending
    bool domain_is_wild = false;
    std::string domain_tail;
    std::shared_ptr<const acl::ListPattern> domain;         // an item of a domain list
    std::shared_ptr<const acl::ListPattern> whole_pattern;  // anything else, as an address list
  };
  static bool matches(const Rule& rule, std::string_view address, acl::EvalContext& context);
  // Applies one rule; false where it does not match or is forced to fail.
  enum class Applied : uint8_t { no, matched, rewritten, protects, failed };
  Applied apply(const Rule& rule, Place place, std::string& address, Rewritten& out,
                acl::EvalContext& context) const;
  std::optional<std::string> rewrite_field(std::string_view body, Place place,
                                           acl::EvalContext& context, RewriteNotes& notes) const;

  std::vector<Rule> rules_;
};

// A header section in wire format with `to` in place of the domain `from`, in all addresses of the
// fields that may be rewritten. Nothing where nothing changes.
std::optional<std::string> change_domain(std::string_view section, std::string_view from,
                                         std::string_view to);

// The place of a header field by its name, Resent- or not; 0 for one that is never rewritten.
uint16_t place_of_field(std::string_view name) noexcept;

}  // namespace godwit::rewrite
