#include "acl/expand/headers.h"

#include "acl/expand/list_text.h"
#include "acl/expand/text_encoding.h"
#include "core/base/ascii.h"
#include "protocol/message/header_fields.h"

#include <array>

namespace godwit::acl {
namespace {

struct Prefix {
  std::string_view text;
  HeaderForm form;
};
constexpr std::array<Prefix, 8> kPrefixes{{
    {"h_", HeaderForm::decoded},
    {"header_", HeaderForm::decoded},
    {"bh_", HeaderForm::unconverted},
    {"bheader_", HeaderForm::unconverted},
    {"rh_", HeaderForm::raw},
    {"rheader_", HeaderForm::raw},
    {"lh_", HeaderForm::list},
    {"lheader_", HeaderForm::list},
}};

// Walks the fields of a header section.
class FieldReader {
 public:
  explicit FieldReader(std::string_view headers) : rest_(headers) {}

  // False at the end. `body` begins after the colon and has the line end.
  bool next(std::string_view& name, std::string_view& body) {
    if (rest_.empty()) return false;
    size_t end = rest_.find('\n');
    while (end != std::string_view::npos && end + 1 < rest_.size() && is_blank(rest_[end + 1])) {
      end = rest_.find('\n', end + 1);
    }
    const std::string_view field = rest_.substr(0, end == std::string_view::npos ? end : end + 1);
    rest_.remove_prefix(field.size());
    const size_t colon = std::min(field.find(':'), field.size());
    name = trim_right(field.substr(0, colon));
    body = field.substr(std::min(colon + 1, field.size()));
    return true;
  }

 private:
  std::string_view rest_;
};

std::string_view headers_of(const EvalContext& context) {
  return context.message == nullptr ? std::string_view()
                                    : std::string_view(context.message->headers);
}

std::string_view without_line_end(std::string_view text) {
  if (text.ends_with('\n')) text.remove_suffix(1);
  return text;
}

std::string decoded(const EvalContext& context, std::string_view text, bool convert) {
  const bool check = context.server == nullptr || context.server->check_rfc2047_length;
  const std::string charset = context.server == nullptr ? "UTF-8" : context.server->headers_charset;
  return decode_words(text, convert ? charset : std::string(), check);
}

}  // namespace

std::optional<HeaderVariable> header_variable(std::string_view variable) noexcept {
  for (const Prefix& prefix : kPrefixes) {
    if (variable.size() > prefix.text.size() && variable.starts_with(prefix.text)) {
      return HeaderVariable{prefix.form, variable.substr(prefix.text.size())};
    }
  }
  return std::nullopt;
}

size_t count_headers(std::string_view headers, std::string_view name) {
  FieldReader reader(headers);
  size_t count = 0;
  std::string_view field;
  std::string_view body;
  while (reader.next(field, body)) count += equals_ignore_case(field, name) ? 1u : 0u;
  return count;
}

bool has_header(std::string_view headers, std::string_view name) {
  return count_headers(headers, name) > 0;
}

void append_header(const EvalContext& context, const HeaderVariable& variable, std::string& out) {
  const bool has_addresses = message::field_row(message::field_kind(variable.name)).has_addresses;
  FieldReader reader(headers_of(context));
  std::string text;
  ListWriter list(text, ':');
  bool first = true;
  std::string_view field;
  std::string_view body;
  while (reader.next(field, body)) {
    if (!equals_ignore_case(field, variable.name)) continue;
    switch (variable.form) {
      case HeaderForm::raw:
        text += body;
        break;
      case HeaderForm::list:
        list.add(without_line_end(body));
        break;
      case HeaderForm::decoded:
      case HeaderForm::unconverted:
        if (!first) text += has_addresses ? ",\n" : "\n";
        text += trim(body);
        break;
    }
    first = false;
  }
  const bool plain = variable.form == HeaderForm::raw || variable.form == HeaderForm::list;
  out += plain ? text : decoded(context, text, variable.form == HeaderForm::decoded);
}

void append_decoded_headers(const EvalContext& context, std::string& out) {
  FieldReader reader(headers_of(context));
  std::string text;
  std::string_view field;
  std::string_view body;
  while (reader.next(field, body)) {
    if (!text.empty()) text += '\n';
    text += field;
    text += ':';
    text += trim_right(body);
  }
  out += decoded(context, text, true);
}

void append_reply_address(const EvalContext& context, std::string& out) {
  const size_t before = out.size();
  append_header(context, {HeaderForm::decoded, "reply-to"}, out);
  if (out.size() == before) append_header(context, {HeaderForm::decoded, "from"}, out);
}

}  // namespace godwit::acl
