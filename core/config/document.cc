#include "core/config/document.h"

#include "core/base/ascii.h"
#include "core/base/quoted.h"
#include "core/config/limits.h"
#include "core/config/line_reader.h"
#include "core/config/values.h"

#include <algorithm>
#include <array>

namespace godwit::config {
namespace {

enum class Section : uint8_t {
  main,
  acl,
  authenticators,
  local_scan,
  retry,
  rewrite,
  routers,
  transports
};

struct SectionRow {
  std::string_view name;
  Section section;
};
constexpr std::array kSections = {
    SectionRow{"acl", Section::acl},
    SectionRow{"authenticators", Section::authenticators},
    SectionRow{"local_scan", Section::local_scan},
    SectionRow{"retry", Section::retry},
    SectionRow{"rewrite", Section::rewrite},
    SectionRow{"routers", Section::routers},
    SectionRow{"transports", Section::transports},
};

struct ListWord {
  std::string_view word;
  ListKind kind;
};
constexpr std::array kListWords = {
    ListWord{"addresslist", ListKind::address},
    ListWord{"domainlist", ListKind::domain},
    ListWord{"hostlist", ListKind::host},
    ListWord{"localpartlist", ListKind::local_part},
};

// Letters, digits and underscores that begin with a letter.
size_t name_length(std::string_view text) {
  if (text.empty() || !is_alpha(text.front())) return 0;
  size_t length = 1;
  while (length < text.size() && (is_alnum(text[length]) || text[length] == '_')) ++length;
  return length;
}

// One run over the logical lines of a configuration.
class DocumentReader {
 public:
  DocumentReader(LineReader& lines, ConfigDocument& document, Diagnostics& diagnostics)
      : lines_(lines), document_(document), diagnostics_(diagnostics) {}

  void run() {
    while (std::optional<LocatedText> line = lines_.next()) {
      document_.lines.push_back(*line);
      if (!take_begin(*line)) take_line(*line);
    }
  }

 private:
  // `begin NAME`, in any case.
  bool take_begin(const LocatedText& line) {
    const std::string_view text = line.view();
    if (!starts_with_ignore_case(text, "begin") || text.size() < 7 || !is_blank(text[5])) {
      return false;
    }
    const LocatedText name = line.substr(5).trimmed();
    if (name.view().starts_with('=')) return false;
    instance_ = nullptr;
    acl_ = nullptr;
    for (const SectionRow& row : kSections) {
      const std::string_view singular = row.name.substr(0, row.name.size() - 1);
      const bool short_name = row.name.ends_with('s') && name.view() == singular;
      if (name.view() != row.name && !short_name) continue;
      enter(row, name.begin_place());
      return true;
    }
    std::vector<std::string_view> names;
    for (const SectionRow& row : kSections) names.push_back(row.name);
    diagnostics_.error(name.begin_place(),
                       quoted(name.view()) + " is not a section of the configuration",
                       did_you_mean(name.view(), names));
    skipping_ = true;
    return true;
  }

  void enter(const SectionRow& row, Place place) {
    bool& seen = seen_[static_cast<size_t>(row.section)];
    if (seen) {
      diagnostics_.error(place, "the section " + quoted(row.name) + " is there a second time");
    }
    seen = true;
    skipping_ = false;
    section_ = row.section;
    if (section_ == Section::local_scan) {
      diagnostics_.error(place, "local_scan is not available in this program");
      skipping_ = true;
    }
  }

  void take_line(const LocatedText& line) {
    if (skipping_) return;
    switch (section_) {
      case Section::main:
        return take_main(line);
      case Section::acl:
        return take_acl(line);
      case Section::authenticators:
        return take_instance_line(line, document_.authenticators, "authenticator");
      case Section::routers:
        return take_instance_line(line, document_.routers, "router");
      case Section::transports:
        return take_instance_line(line, document_.transports, "transport");
      case Section::retry:
        document_.retry.push_back(line);
        return;
      case Section::rewrite:
        document_.rewrite.push_back(line);
        return;
      case Section::local_scan:
        return;
    }
  }

  // `NAME = text` or `NAME == text`.
  bool take_macro(const LocatedText& line) {
    const std::string_view text = line.view();
    const size_t length = macro_name_length(text);
    if (length == 0) return false;
    size_t sign = length;
    while (sign < text.size() && is_space(text[sign])) ++sign;
    if (sign >= text.size() || text[sign] != '=') return false;
    const bool redefine = sign + 1 < text.size() && text[sign + 1] == '=';
    const LocatedText value = line.substr(sign + (redefine ? 2 : 1)).trimmed();
    const std::string problem =
        lines_.macros().define(text.substr(0, length), value.text(), redefine, line.begin_place());
    if (!problem.empty()) diagnostics_.error(line.begin_place(), problem);
    return true;
  }

  void take_main(const LocatedText& whole) {
    if (take_macro(whole)) return;
    bool hide = false;
    const LocatedText line = without_hide(whole, hide);
    if (take_named_list(line, hide)) return;
    if (auto setting = read_setting(line, hide)) document_.main.push_back(std::move(*setting));
  }

  static LocatedText without_hide(const LocatedText& line, bool& hide) {
    const std::string_view text = line.view();
    hide = text.starts_with("hide") && text.size() > 4 && is_blank(text[4]);
    return hide ? line.substr(4).trimmed() : line;
  }

  bool take_named_list(const LocatedText& line, bool hide) {
    const std::string_view text = line.view();
    for (const ListWord& row : kListWords) {
      if (!text.starts_with(row.word)) continue;
      size_t at = row.word.size();
      const bool cache = text.substr(at).starts_with("_cache");
      if (cache) at += 6;
      if (at >= text.size() || !is_blank(text[at])) continue;
      add_named_list(row.kind, line.substr(at).trimmed(), cache, hide);
      return true;
    }
    return false;
  }

  void add_named_list(ListKind kind, const LocatedText& definition, bool cache, bool hide) {
    const std::string_view text = definition.view();
    const size_t length = name_length(text);
    size_t sign = length;
    while (sign < text.size() && is_space(text[sign])) ++sign;
    if (length == 0 || sign >= text.size() || text[sign] != '=') {
      diagnostics_.error(definition.at(sign), length == 0
                                                  ? "the name of the list is missing"
                                                  : "\"=\" is missing after the name of the list");
      return;
    }
    NamedList list;
    list.kind = kind;
    list.name = std::string(text.substr(0, length));
    list.place = definition.begin_place();
    list.value = unquoted(definition.substr(sign + 1).trimmed());
    list.cache = cache;
    list.hide = hide;
    for (const NamedList& other : document_.lists) {
      if (other.kind != kind || other.name != list.name) continue;
      diagnostics_.error(list.place, "a second " + std::string(list_kind_name(kind)) +
                                         " list with the name " + quoted(list.name));
      return;
    }
    document_.lists.push_back(std::move(list));
  }

  LocatedText unquoted(const LocatedText& raw) {
    std::optional<QuoteProblem> problem;
    LocatedText text = unquote(raw, problem);
    if (problem) diagnostics_.error(raw.at(problem->offset), problem->message);
    return text;
  }

  std::optional<Setting> read_setting(const LocatedText& line, bool hide) {
    const std::string_view text = line.view();
    const size_t length = name_length(text);
    if (length == 0) {
      diagnostics_.error(line.begin_place(), "an option is expected here");
      return std::nullopt;
    }
    Setting setting;
    setting.name = std::string(text.substr(0, length));
    setting.place = line.begin_place();
    setting.hide = hide;
    const LocatedText rest = line.substr(length).trimmed();
    if (rest.empty()) return setting;
    if (rest.view().starts_with('=')) {
      setting.value = rest.substr(1).trimmed();
      return setting;
    }
    if (setting.name == "set") {
      setting.value = rest;
      return setting;
    }
    diagnostics_.error(rest.begin_place(), "\"=\" is missing after " + quoted(setting.name));
    return std::nullopt;
  }

  // The name of a line `name:`; `rest` is what follows the colon.
  static std::string_view label_of(const LocatedText& line, LocatedText& rest) {
    const std::string_view text = line.view();
    const size_t length = name_length(text);
    size_t colon = length;
    while (colon < text.size() && is_space(text[colon])) ++colon;
    if (length == 0 || colon >= text.size() || text[colon] != ':') return {};
    rest = line.substr(colon + 1).trimmed();
    return text.substr(0, length);
  }

  void take_instance_line(const LocatedText& whole, std::vector<Instance>& all,
                          std::string_view what) {
    if (take_macro(whole)) {
      instance_ = nullptr;
      return;
    }
    LocatedText rest;
    const std::string_view name = label_of(whole, rest);
    if (!name.empty()) return begin_instance(name, whole.begin_place(), rest, all, what);
    if (instance_ == nullptr) {
      // One diagnosis for all lines up to the next name.
      if (!orphan_) {
        diagnostics_.error(whole.begin_place(),
                           "the name of a " + std::string(what) + " and a colon are expected here");
      }
      orphan_ = true;
      return;
    }
    bool hide = false;
    const LocatedText line = without_hide(whole, hide);
    if (auto setting = read_setting(line, hide)) instance_->settings.push_back(std::move(*setting));
  }

  void begin_instance(std::string_view name, Place place, const LocatedText& rest,
                      std::vector<Instance>& all, std::string_view what) {
    orphan_ = false;
    if (!rest.empty()) {
      diagnostics_.error(rest.begin_place(),
                         "extra characters after the name of a " + std::string(what));
    }
    check_name_length(name, place);
    for (const Instance& other : all) {
      if (other.name != name) continue;
      diagnostics_.error(place, "a second " + std::string(what) + " with the name " + quoted(name));
      break;
    }
    all.push_back({std::string(name), place, {}});
    instance_ = &all.back();
  }

  void check_name_length(std::string_view name, Place place) {
    if (name.size() > kNameBytesMax) diagnostics_.error(place, "the name is too long");
  }

  void take_acl(const LocatedText& line) {
    if (take_macro(line)) {
      acl_ = nullptr;
      return;
    }
    LocatedText rest;
    const std::string_view name = label_of(line, rest);
    if (!name.empty()) {
      begin_acl(name, line.begin_place());
      if (!rest.empty() && acl_ != nullptr) acl_->lines.push_back(rest);
      return;
    }
    if (acl_ != nullptr) {
      acl_->lines.push_back(line);
      return;
    }
    if (!orphan_) {
      diagnostics_.error(line.begin_place(), "the name of an ACL and a colon are expected here");
    }
    orphan_ = true;
  }

  void begin_acl(std::string_view name, Place place) {
    orphan_ = false;
    check_name_length(name, place);
    for (const AclSection& other : document_.acls) {
      if (other.name != name) continue;
      diagnostics_.error(place, "a second ACL with the name " + quoted(name));
      break;
    }
    document_.acls.push_back({std::string(name), place, {}});
    acl_ = &document_.acls.back();
  }

  LineReader& lines_;
  ConfigDocument& document_;
  Diagnostics& diagnostics_;
  Section section_ = Section::main;
  std::array<bool, 8> seen_{};
  bool skipping_ = false;         // in a section that is not known
  bool orphan_ = false;           // lines without a name before them were reported
  Instance* instance_ = nullptr;  // the last of its vector
  AclSection* acl_ = nullptr;     // the last of document_.acls
};

}  // namespace

std::string_view list_kind_name(ListKind kind) noexcept {
  constexpr std::array<std::string_view, 4> kNames = {"domain", "host", "address", "local part"};
  return kNames[static_cast<size_t>(kind)];
}

const Setting* Instance::find(std::string_view option) const noexcept {
  for (auto setting = settings.rbegin(); setting != settings.rend(); ++setting) {
    if (setting->name == option) return &*setting;
  }
  return nullptr;
}

Place ConfigDocument::place_of(std::string_view option) const {
  Place place;
  for (const Setting& setting : main) {
    if (setting.name == option) place = setting.place;
  }
  return place;
}

ConfigDocument read_document(const std::string& path, Files& files, const ReadOptions& options,
                             Diagnostics& diagnostics) {
  ConfigDocument document;
  document.file_name = path;
  LineReader lines(path, files, options, diagnostics);
  DocumentReader(lines, document, diagnostics).run();
  document.macros = lines.macros().all();
  document.sources = diagnostics.share_sources();
  return document;
}

}  // namespace godwit::config
