// The controls of ACLs.
#include "acl/policy/rows.h"
#include "core/base/ascii.h"

#include <array>

namespace godwit::acl {
namespace {

using enum AclWhere;

// A control that is one flag and takes no option.
template <bool AclControls::*Flag>
bool set_flag(AclControls& controls, std::string_view options) {
  controls.*Flag = true;
  return options.empty();
}
template <std::optional<bool> AclControls::*Flag, bool Value>
bool set_choice(AclControls& controls, std::string_view options) {
  controls.*Flag = Value;
  return options.empty();
}
template <std::optional<std::string> AclControls::*Text>
bool set_text(AclControls& controls, std::string_view options) {
  controls.*Text = std::string(options);
  return true;
}

// Calls `use` with each option between slashes; false where it does not know one.
template <class Use>
bool each_option(std::string_view options, const Use& use) {
  while (!options.empty()) {
    const size_t slash = options.find('/');
    if (!use(options.substr(0, slash))) return false;
    options = slash == std::string_view::npos ? std::string_view() : options.substr(slash + 1);
  }
  return true;
}

bool set_freeze(AclControls& controls, std::string_view options) {
  controls.freeze = true;
  return each_option(options, [&](std::string_view option) {
    controls.freeze_no_tell = controls.freeze_no_tell || option == "no_tell";
    return option == "no_tell";
  });
}

bool set_queue(AclControls& controls, std::string_view options) {
  controls.queue_only = true;
  return each_option(options, [&](std::string_view option) {
    if (option == "first_pass_route") controls.first_pass_route = true;
    return option == "first_pass_route" || option == "only";
  });
}

bool set_downconvert(AclControls& controls, std::string_view options) {
  controls.utf8_downconvert = options == "0" ? 0 : options == "-1" ? -1 : 1;
  return options.empty() || options == "0" || options == "1" || options == "-1";
}

bool set_submission(AclControls& controls, std::string_view options) {
  controls.submission = true;
  // A name may have slashes in it, so it is the last one.
  const size_t name = options.find("name=");
  if (name != std::string_view::npos && (name == 0 || options[name - 1] == '/')) {
    controls.submission_name = std::string(options.substr(name + 5));
    options = options.substr(0, name == 0 ? 0 : name - 1);
  }
  return each_option(options, [&](std::string_view option) {
    if (option == "sender_retain") {
      controls.submission_sender_retain = true;
    } else if (option.starts_with("domain=")) {
      controls.submission_domain = std::string(option.substr(7));
    } else {
      return false;
    }
    return true;
  });
}

using C = AclControls;
constexpr WhereMask kBeforeEnd = only({mail, rcpt, predata, data, mime, prdr, not_smtp});

// clang-format off
// name, where it is legal, function, documentation
constexpr auto kRows = std::to_array<ControlRow>({
    {"allow_auth_unadvertised", only({connect, helo}), set_flag<&C::allow_auth_unadvertised>, "accept AUTH that was not advertised"},
    {"bmi_run", kAnywhere, nullptr, "Brightmail"},
    {"caseful_local_part", only({rcpt}), set_choice<&C::caseful_local_part, true>, "$local_part keeps its case"},
    {"caselower_local_part", only({rcpt}), set_choice<&C::caseful_local_part, false>, "$local_part in lower case"},
    {"cutthrough_delivery", only({rcpt}), nullptr, "deliver while receiving"},
    {"debug", kAnywhere, nullptr, "debugging"},
    {"dk_verify", kAnywhere, nullptr, "DomainKeys"},
    {"dkim_disable_verify", all_but({data, not_smtp, not_smtp_start, prdr}), set_flag<&C::dkim_disable_verify>, "no DKIM verification"},
    {"dmarc_disable_verify", all_but({data, not_smtp, not_smtp_start, prdr}), set_flag<&C::dmarc_disable_verify>, "no DMARC check"},
    {"dmarc_enable_forensic", all_but({data, not_smtp, not_smtp_start, prdr}), set_flag<&C::dmarc_enable_forensic>, "DMARC failure reports"},
    {"dmarc_forensic_enable", all_but({data, not_smtp, not_smtp_start, prdr}), set_flag<&C::dmarc_enable_forensic>, "old spelling of dmarc_enable_forensic"},
    {"dscp", all_but({not_smtp, not_smtp_start, notquit}), nullptr, "DSCP of the connection"},
    {"enforce_sync", all_but({not_smtp, not_smtp_start}), set_choice<&C::enforce_sync, true>, "refuse clients that talk out of turn"},
    {"fakedefer", kBeforeEnd & ~only({not_smtp}), set_text<&C::fakedefer>, "accept, and answer 450"},
    {"fakereject", kBeforeEnd & ~only({not_smtp}), set_text<&C::fakereject>, "accept, and answer 550"},
    {"freeze", kBeforeEnd & ~only({prdr}), set_freeze, "freeze the message"},
    {"no_callout_flush", all_but({not_smtp, not_smtp_start}), set_flag<&C::no_callout_flush>, "keep replies back during callouts"},
    {"no_delay_flush", all_but({not_smtp, not_smtp_start}), set_flag<&C::no_delay_flush>, "keep replies back during delays"},
    {"no_enforce_sync", all_but({not_smtp, not_smtp_start}), set_choice<&C::enforce_sync, false>, "allow clients that talk out of turn"},
    {"no_mbox_unspool", only({mail, rcpt, predata, data, mime}), nullptr, "keep the file for scanners"},
    {"no_multiline_responses", all_but({not_smtp, not_smtp_start}), set_flag<&C::no_multiline_responses>, "replies of one line"},
    {"no_pipelining", all_but({not_smtp, not_smtp_start}), set_flag<&C::no_pipelining>, "do not advertise PIPELINING"},
    {"queue", kBeforeEnd & ~only({prdr}), set_queue, "only queue the message"},
    {"queue_only", kBeforeEnd & ~only({prdr}), set_queue, "only queue the message"},
    {"submission", only({mail, rcpt, predata}), set_submission, "submission mode"},
    {"suppress_local_fixups", only({mail, rcpt, predata, not_smtp_start}), set_flag<&C::suppress_local_fixups>, "no added headers for local messages"},
    {"utf8_downconvert", only({rcpt, vrfy}), set_downconvert, "internationalised addresses in ASCII"},
    {"wellknown", only({wellknown}), nullptr, "file for WELLKNOWN"},
});
// clang-format on

}  // namespace

std::span<const ControlRow> control_rows() noexcept {
  return kRows;
}

ControlText parse_control(std::string_view text) noexcept {
  text = trim(text);
  ControlText out;
  size_t end = 0;
  while (end < text.size() && (is_alnum(text[end]) || text[end] == '_')) ++end;
  out.name = text.substr(0, end);
  if (end < text.size() && text[end] != '/' && text[end] != '=') return out;
  out.options = end < text.size() ? text.substr(end + 1) : std::string_view();
  for (const ControlRow& row : kRows) {
    if (row.name == out.name) out.row = &row;
  }
  return out;
}

}  // namespace godwit::acl
