// Items that are files: each line is an item. What a file holds is kept compiled until it changes.
#include "acl/lists/item.h"
#include "acl/lookup/text_file.h"
#include "core/base/ascii.h"

#include <map>
#include <vector>

namespace godwit::acl {

// A file named in a list. A worker is one thread; what is kept here only saves work.
struct ListFile {
  struct Content {
    FileStamp stamp;
    bool is_settled = false;
    std::vector<ListItem> items;
    std::string problem;  // not empty: a line is wrong
  };
  std::string path;
  mutable std::shared_ptr<const Content> content;
};

namespace {

// A comment begins with '#'; where local parts may have one, only at the start or after a blank.
std::string_view without_comment(std::string_view line, ListKind kind) {
  const bool may_hold = kind == ListKind::address || kind == ListKind::local_part;
  size_t at = line.find('#');
  while (at != std::string_view::npos && may_hold && at > 0 && !is_space(line[at - 1])) {
    at = line.find('#', at + 1);
  }
  return trim(line.substr(0, at));
}

void compile_line(std::string_view line, const ListItem& outer, ListFile::Content& content) {
  ListItem item;
  if (line.starts_with('!')) {
    item.negated = true;
    line = trim(line.substr(1));
  }
  NoNames names;
  ItemProblem problem;
  const ItemOptions options{outer.caseful, false, true};
  if (compile_item(outer.kind, line, options, names, item, problem)) {
    item.on_unknown = outer.on_unknown;
    item.on_defer = outer.on_defer;
    content.items.push_back(std::move(item));
  } else if (content.problem.empty()) {
    content.problem = std::move(problem.message);
  }
}

Result<std::shared_ptr<const ListFile::Content>> load(const ListItem& item) {
  const ListFile& file = *item.file;
  if (file.content && file.content->is_settled) {
    const Result<FileStamp> stamp = stamp_of(file.path, "reading");
    if (stamp && *stamp == file.content->stamp) return file.content;
  }
  const Result<FileContent> read = read_whole_file(file.path, "reading");
  if (!read) return read.error();
  auto content = std::make_shared<ListFile::Content>();
  content->stamp = read->stamp;
  content->is_settled = read->is_settled;
  std::string_view rest = read->bytes;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = without_comment(rest.substr(0, end), item.kind);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (!line.empty()) compile_line(line, item, *content);
  }
  file.content = content;
  return file.content;
}

}  // namespace

std::shared_ptr<const ListFile> make_list_file(std::string path) {
  auto file = std::make_shared<ListFile>();
  file->path = std::move(path);
  return file;
}

ItemAnswer test_file(const ListItem& item, const ItemSubject& subject, EvalContext& context) {
  if (item.tainted) {
    return ListMatch{Match::defer, {}, "Tainted filename '" + item.file->path + "' in a list"};
  }
  const auto content = load(item);
  if (!content) return ListMatch{Match::defer, {}, content.error().detail()};
  for (const ListItem& line : (*content)->items) {
    ItemAnswer answer = line.test(line, subject, context);
    if (answer.unknown && line.on_unknown == OnTrouble::ignore) continue;
    if (answer.match.match == Match::defer && line.on_defer == OnTrouble::ignore) continue;
    if (answer.unknown || answer.match.match == Match::defer) return answer;
    if (answer.match.match == Match::no) continue;
    // A line with '!' says that the list does not match, which a '!' before the file turns round.
    answer.refused = line.negated;
    if (line.negated) answer.match.match = Match::no;
    return answer;
  }
  if (!(*content)->problem.empty()) return ListMatch{Match::defer, {}, (*content)->problem};
  return {};
}

}  // namespace godwit::acl
