// Variables that are known to the language and have no source yet: they have the value of nothing,
// as Exim shows it.
#include "acl/expand/variables.h"
#include "core/base/ascii.h"
#include "core/base/time.h"

#include <array>
#include <iterator>
#include <string>

namespace godwit::acl {
namespace {

// Numbers that nothing sets are 0.
void zero(const EvalContext&, std::string& out) {
  out += '0';
}

void minus_one(const EvalContext&, std::string& out) {
  out += "-1";
}
void no(const EvalContext&, std::string& out) {
  out += "no";
}

// name, function, documentation
constexpr auto kRows = std::to_array<VariableRow>({
    {"arc_domains", nullptr, "waits for ARC"},
    {"arc_oldest_pass", nullptr, "waits for ARC"},
    {"arc_state", nullptr, "waits for ARC"},
    {"arc_state_reason", nullptr, "waits for ARC"},
    {"auth1", nullptr, "waits for authenticators"},
    {"auth2", nullptr, "waits for authenticators"},
    {"auth3", nullptr, "waits for authenticators"},
    {"authenticated_fail_id", nullptr, "waits for authenticators"},
    {"authentication_failed", zero, "waits for authenticators"},
    {"av_failed", zero, "waits for virus scanning"},
    {"bmi_alt_location", nullptr, "waits for Brightmail"},
    {"bmi_base64_tracker_verdict", nullptr, "waits for Brightmail"},
    {"bmi_base64_verdict", nullptr, "waits for Brightmail"},
    {"bmi_deliver", nullptr, "waits for Brightmail"},
    {"compile_date", nullptr, "waits for -bV"},
    {"dcc_header", nullptr, "waits for DCC"},
    {"dcc_result", nullptr, "waits for DCC"},
    {"dk_domain", nullptr, "waits for DomainKeys"},
    {"dk_is_signed", nullptr, "waits for DomainKeys"},
    {"dk_result", nullptr, "waits for DomainKeys"},
    {"dk_selector", nullptr, "waits for DomainKeys"},
    {"dk_sender", nullptr, "waits for DomainKeys"},
    {"dk_sender_domain", nullptr, "waits for DomainKeys"},
    {"dk_sender_local_part", nullptr, "waits for DomainKeys"},
    {"dk_sender_source", nullptr, "waits for DomainKeys"},
    {"dk_signsall", nullptr, "waits for DomainKeys"},
    {"dk_status", nullptr, "waits for DomainKeys"},
    {"dk_testing", nullptr, "waits for DomainKeys"},
    {"dkim_algo", nullptr, "waits for DKIM"},
    {"dkim_bodylength", nullptr, "waits for DKIM"},
    {"dkim_canon_body", nullptr, "waits for DKIM"},
    {"dkim_canon_headers", nullptr, "waits for DKIM"},
    {"dkim_copiedheaders", nullptr, "waits for DKIM"},
    {"dkim_created", nullptr, "waits for DKIM"},
    {"dkim_cur_signer", nullptr, "waits for DKIM"},
    {"dkim_domain", nullptr, "waits for DKIM"},
    {"dkim_expires", nullptr, "waits for DKIM"},
    {"dkim_headernames", nullptr, "waits for DKIM"},
    {"dkim_identity", nullptr, "waits for DKIM"},
    {"dkim_key_granularity", nullptr, "waits for DKIM"},
    {"dkim_key_length", nullptr, "waits for DKIM"},
    {"dkim_key_nosubdomains", nullptr, "waits for DKIM"},
    {"dkim_key_notes", nullptr, "waits for DKIM"},
    {"dkim_key_srvtype", nullptr, "waits for DKIM"},
    {"dkim_key_testing", nullptr, "waits for DKIM"},
    {"dkim_selector", nullptr, "waits for DKIM"},
    {"dkim_signers", nullptr, "waits for DKIM"},
    {"dkim_verify_reason", nullptr, "waits for DKIM"},
    {"dkim_verify_signers", nullptr, "waits for DKIM"},
    {"dkim_verify_status", nullptr, "waits for DKIM"},
    {"dmarc_alignment_dkim", nullptr, "waits for DMARC"},
    {"dmarc_alignment_spf", nullptr, "waits for DMARC"},
    {"dmarc_ar_header", nullptr, "waits for DMARC"},
    {"dmarc_domain_policy", nullptr, "waits for DMARC"},
    {"dmarc_forensic_sender", nullptr, "waits for DMARC"},
    {"dmarc_status", nullptr, "waits for DMARC"},
    {"dmarc_status_text", nullptr, "waits for DMARC"},
    {"dmarc_used_domain", nullptr, "waits for DMARC"},
    {"domain_used_domain", nullptr, "waits for DMARC"},
    {"ldap_dn", nullptr, "waits for LDAP"},
    {"local_part_verified", nullptr, "waits for routers"},
    {"local_scan_data", nullptr, "waits for local_scan"},
    {"lookup_dnssec_authenticated", nullptr, "waits for lookups"},
    {"malware_name", nullptr, "waits for virus scanning"},
    {"mime_anomaly_level", zero, "waits for MIME"},
    {"mime_anomaly_text", nullptr, "waits for MIME"},
    {"mime_boundary", nullptr, "waits for MIME"},
    {"mime_charset", nullptr, "waits for MIME"},
    {"mime_content_description", nullptr, "waits for MIME"},
    {"mime_content_disposition", nullptr, "waits for MIME"},
    {"mime_content_id", nullptr, "waits for MIME"},
    {"mime_content_size", zero, "waits for MIME"},
    {"mime_content_transfer_encoding", nullptr, "waits for MIME"},
    {"mime_content_type", nullptr, "waits for MIME"},
    {"mime_decoded_filename", nullptr, "waits for MIME"},
    {"mime_filename", nullptr, "waits for MIME"},
    {"mime_is_coverletter", zero, "waits for MIME"},
    {"mime_is_multipart", zero, "waits for MIME"},
    {"mime_is_rfc822", zero, "waits for MIME"},
    {"mime_part_count", minus_one, "waits for MIME"},
    {"proxy_external_address", nullptr, "waits for PROXY"},
    {"proxy_external_port", zero, "waits for PROXY"},
    {"proxy_local_address", nullptr, "waits for PROXY"},
    {"proxy_local_port", zero, "waits for PROXY"},
    {"proxy_session", no, "waits for PROXY"},
    {"queue_size", nullptr, "waits for named queues"},
    {"recipient_verify_message", nullptr, "waits for verification"},
    {"regex_cachesize", nullptr, "waits for regular expressions"},
    {"smtp_command_history", nullptr, "waits for command history"},
    {"spam_action", nullptr, "waits for spam scanning"},
    {"spam_bar", nullptr, "waits for spam scanning"},
    {"spam_report", nullptr, "waits for spam scanning"},
    {"spam_score", nullptr, "waits for spam scanning"},
    {"spam_score_int", nullptr, "waits for spam scanning"},
    {"spf_header_comment", nullptr, "waits for SPF"},
    {"spf_received", nullptr, "waits for SPF"},
    {"spf_result", nullptr, "waits for SPF"},
    {"spf_result_guessed", no, "waits for SPF"},
    {"spf_smtp_comment", nullptr, "waits for SPF"},
    {"spf_used_domain", nullptr, "waits for SPF"},
    {"srs_db_address", nullptr, "waits for SRS"},
    {"srs_db_key", nullptr, "waits for SRS"},
    {"srs_orig_recipient", nullptr, "waits for SRS"},
    {"srs_orig_sender", nullptr, "waits for SRS"},
    {"srs_status", nullptr, "waits for SRS"},
    {"thisaddress", nullptr, "waits for filters"},
    {"n0", zero, "waits for filters"},
    {"n1", zero, "waits for filters"},
    {"n2", zero, "waits for filters"},
    {"n3", zero, "waits for filters"},
    {"n4", zero, "waits for filters"},
    {"n5", zero, "waits for filters"},
    {"n6", zero, "waits for filters"},
    {"n7", zero, "waits for filters"},
    {"n8", zero, "waits for filters"},
    {"n9", zero, "waits for filters"},
    {"sn0", zero, "waits for filters"},
    {"sn1", zero, "waits for filters"},
    {"sn2", zero, "waits for filters"},
    {"sn3", zero, "waits for filters"},
    {"sn4", zero, "waits for filters"},
    {"sn5", zero, "waits for filters"},
    {"sn6", zero, "waits for filters"},
    {"sn7", zero, "waits for filters"},
    {"sn8", zero, "waits for filters"},
    {"sn9", zero, "waits for filters"},
});

}  // namespace

std::span<const VariableRow> later_variable_rows() noexcept {
  return kRows;
}

}  // namespace godwit::acl
