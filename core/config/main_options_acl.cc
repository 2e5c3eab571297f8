// Which ACL runs when, and the filters that ACLs ask.
#include "core/config/main_option_rows.h"

#include <array>

namespace godwit::config {
namespace {

using enum Effect;
using M = MainOptions;

// name, field, default, effect, documentation, choices
constexpr auto kRows = std::to_array<OptionRow<M>>({
    {"acl_not_smtp", &M::acl_not_smtp, "", now, "ACL for messages that do not come by SMTP"},
    {"acl_not_smtp_mime", &M::acl_not_smtp_mime, "", later,
     "ACL for each MIME part of such a message"},
    {"acl_not_smtp_start", &M::acl_not_smtp_start, "", now, "ACL at the start of such a message"},
    {"acl_smtp_atrn", &M::acl_smtp_atrn, "", later, "ACL for ATRN"},
    {"acl_smtp_auth", &M::acl_smtp_auth, "", later, "ACL for AUTH"},
    {"acl_smtp_connect", &M::acl_smtp_connect, "", now, "ACL for a new connection"},
    {"acl_smtp_data", &M::acl_smtp_data, "", now, "ACL after the message has arrived"},
    {"acl_smtp_data_prdr", &M::acl_smtp_data_prdr, "accept", now,
     "ACL for each recipient after the message has arrived (PRDR)"},
    {"acl_smtp_dkim", &M::acl_smtp_dkim, "", later, "ACL for each DKIM signature"},
    {"acl_smtp_etrn", &M::acl_smtp_etrn, "", now, "ACL for ETRN"},
    {"acl_smtp_expn", &M::acl_smtp_expn, "", now, "ACL for EXPN"},
    {"acl_smtp_helo", &M::acl_smtp_helo, "", now, "ACL for HELO and EHLO"},
    {"acl_smtp_mail", &M::acl_smtp_mail, "", now, "ACL for MAIL"},
    {"acl_smtp_mailauth", &M::acl_smtp_mailauth, "", now, "ACL for the AUTH parameter of MAIL"},
    {"acl_smtp_mime", &M::acl_smtp_mime, "", later, "ACL for each MIME part"},
    {"acl_smtp_notquit", &M::acl_smtp_notquit, "", now, "ACL when a connection ends without QUIT"},
    {"acl_smtp_predata", &M::acl_smtp_predata, "", now, "ACL for DATA, before the message is read"},
    {"acl_smtp_quit", &M::acl_smtp_quit, "", now, "ACL for QUIT"},
    {"acl_smtp_rcpt", &M::acl_smtp_rcpt, "", now,
     "ACL for RCPT; without it every recipient is refused"},
    {"acl_smtp_starttls", &M::acl_smtp_starttls, "", now, "ACL for STARTTLS"},
    {"acl_smtp_vrfy", &M::acl_smtp_vrfy, "", now, "ACL for VRFY"},
    {"acl_smtp_wellknown", &M::acl_smtp_wellknown, "", later, "ACL for WELLKNOWN"},
    {"av_scanner", &M::av_scanner, "sophie:/var/run/sophie", later,
     "how to reach the virus scanner"},
    {"bmi_config_file", &M::bmi_config_file, "/opt/brightmail/etc/brightmail.cfg", later,
     "configuration of the Brightmail client"},
    {"dcc_direct_add_header", &M::dcc_direct_add_header, "false", later,
     "add DCC's header to every message that it saw"},
    {"dccifd_address", &M::dccifd_address, "/usr/local/dcc/var/dccifd", later,
     "socket or address and port of dccifd"},
    {"dccifd_options", &M::dccifd_options, "header", later, "first line of the dccifd protocol"},
    {"dkim_verify_hashes", &M::dkim_verify_hashes, "sha256:sha512", later,
     "hashes accepted in DKIM signatures"},
    {"dkim_verify_keytypes", &M::dkim_verify_keytypes, "ed25519:rsa", later,
     "key types accepted in DKIM signatures"},
    {"dkim_verify_min_keysizes", &M::dkim_verify_min_keysizes, "rsa=1024 ed25519=250", later,
     "smallest accepted key sizes"},
    {"dkim_verify_minimal", &M::dkim_verify_minimal, "false", later,
     "stop verifying at the first good signature"},
    {"dkim_verify_signers", &M::dkim_verify_signers, "$dkim_signers", later,
     "signers for which the DKIM ACL runs"},
    {"dmarc_forensic_sender", &M::dmarc_forensic_sender, "", later, "sender of forensic reports"},
    {"dmarc_history_file", &M::dmarc_history_file, "", later, "file that collects DMARC results"},
    {"dmarc_tld_file", &M::dmarc_tld_file, "", later, "public suffix list"},
    {"spamd_address", &M::spamd_address, "127.0.0.1 783", later, "how to reach the spam scanner"},
    {"spf_guess", &M::spf_guess, "v=spf1 a/24 mx/24 ptr ?all", later,
     "record used by spf_guess where a domain has none"},
    {"spf_smtp_comment_template", &M::spf_smtp_comment_template,
     "Please%_see%_http://www.open-spf.org/Why", later, "text of $spf_smtp_comment"},
    {"strict_acl_vars", &M::strict_acl_vars, "false", now,
     "an ACL variable that was never set is an error"},
});

}  // namespace

std::span<const OptionRow<MainOptions>> acl_option_rows() noexcept {
  return kRows;
}

}  // namespace godwit::config
