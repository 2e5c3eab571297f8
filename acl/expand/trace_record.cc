#include "acl/expand/trace_record.h"

#include "core/base/ascii.h"
#include "core/log/log.h"

#include <algorithm>
#include <array>
#include <optional>

namespace godwit::acl {
namespace {

enum class Shape : uint8_t { leaf, begin, end };

struct KindRow {
  TraceKind kind;
  Shape shape;
  std::string_view name;  // in files and JSON
};
// clang-format off
constexpr std::array kKinds{
    KindRow{TraceKind::command_begin,   Shape::begin, "command"},
    KindRow{TraceKind::command_end,     Shape::end,   ""},
    KindRow{TraceKind::acl_begin,       Shape::begin, "acl"},
    KindRow{TraceKind::acl_end,         Shape::end,   ""},
    KindRow{TraceKind::statement,       Shape::begin, "statement"},
    KindRow{TraceKind::statement_end,   Shape::end,   ""},
    KindRow{TraceKind::condition,       Shape::begin, "condition"},
    KindRow{TraceKind::value,           Shape::leaf,  ""},
    KindRow{TraceKind::condition_end,   Shape::end,   ""},
    KindRow{TraceKind::message,         Shape::leaf,  "message"},
    KindRow{TraceKind::list_begin,      Shape::begin, "list"},
    KindRow{TraceKind::list,            Shape::end,   ""},
    KindRow{TraceKind::lookup_begin,    Shape::begin, "lookup"},
    KindRow{TraceKind::lookup,          Shape::end,   ""},
    KindRow{TraceKind::expansion_begin, Shape::begin, "expansion"},
    KindRow{TraceKind::expansion,       Shape::end,   ""},
    KindRow{TraceKind::address_begin,   Shape::begin, "address"},
    KindRow{TraceKind::address_end,     Shape::end,   ""},
    KindRow{TraceKind::router_begin,    Shape::begin, "router"},
    KindRow{TraceKind::router,          Shape::end,   ""},
    KindRow{TraceKind::variable,        Shape::leaf,  "variable"},
    KindRow{TraceKind::dns,             Shape::leaf,  "dns"},
    KindRow{TraceKind::rewrite,         Shape::leaf,  "rewrite"},
    KindRow{TraceKind::retry,           Shape::leaf,  "retry"},
    KindRow{TraceKind::host,            Shape::leaf,  "host"},
    KindRow{TraceKind::transport,       Shape::leaf,  "transport"},
    KindRow{TraceKind::dnsbl,           Shape::leaf,  "dnsbl"},
    KindRow{TraceKind::tls,             Shape::leaf,  "tls"},
    KindRow{TraceKind::exec,            Shape::leaf,  "exec"},
    KindRow{TraceKind::load,            Shape::leaf,  "load"},
    KindRow{TraceKind::hints,           Shape::leaf,  "hints"},
    KindRow{TraceKind::verify,          Shape::leaf,  "verify"},
    KindRow{TraceKind::interface,       Shape::leaf,  "interface"},
    KindRow{TraceKind::resolver,        Shape::leaf,  "resolver"},
    KindRow{TraceKind::queue_run,       Shape::leaf,  "queue run"},
    KindRow{TraceKind::uid,             Shape::leaf,  "uid"},
    KindRow{TraceKind::debug_print,     Shape::leaf,  "debug_print"},
    KindRow{TraceKind::note,            Shape::leaf,  "note"},
};
// clang-format on

const KindRow& row_of(TraceKind kind) noexcept {
  return kKinds[static_cast<size_t>(kind)];
}

constexpr std::string_view kUnsetList = "no (option unset)";

std::string duration_text(uint64_t micros) {
  if (micros < 1'000) return std::to_string(micros) + " us";
  const uint64_t tenths = (micros + 50) / 100;
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " ms";
}

std::string quoted(std::string_view text) {
  return "\"" + escape_control(text) + "\"";
}

// --- The tree for people -------------------------------------------------------------------------

std::string headline(const TraceNode& node) {
  switch (node.kind) {
    case TraceKind::command_begin:
      return node.text.empty() ? "connection" : escape_control(node.text);
    case TraceKind::acl_begin:
      return node.name.empty() ? "inline ACL" : "ACL " + node.name;
    case TraceKind::condition: {
      const bool shows_value = !node.value.empty() && node.value != node.text;
      return node.name + " = " + escape_control(node.text) +
             (shows_value ? " = " + quoted(node.value) : "");
    }
    case TraceKind::message:
      return node.name + " = " + escape_control(node.text);
    case TraceKind::list_begin:
      return quoted(node.name) + " in " + escape_control(node.text);
    case TraceKind::lookup_begin:
      return "lookup " + node.name + " " + quoted(node.text) +
             (node.place.empty() ? "" : " in " + node.place);
    case TraceKind::expansion_begin:
      return "expand " + escape_control(node.text) +
             (node.name.empty() ? "" : " (" + node.name + ")");
    case TraceKind::address_begin:
      return "address " + escape_control(node.text);
    case TraceKind::router_begin:
      return "router " + node.name;
    case TraceKind::variable:
      return "set " + node.name;
    case TraceKind::dns:
    case TraceKind::host:
    case TraceKind::dnsbl:
    case TraceKind::tls:
    case TraceKind::exec:
    case TraceKind::load:
    case TraceKind::hints:
    case TraceKind::interface:
    case TraceKind::resolver:
    case TraceKind::queue_run:
    case TraceKind::uid:
      return std::string(row_of(node.kind).name) + " " + escape_control(node.text);
    case TraceKind::rewrite:
    case TraceKind::retry:
    case TraceKind::transport:
    case TraceKind::verify:
    case TraceKind::debug_print:
      return std::string(row_of(node.kind).name) + (node.name.empty() ? "" : " " + node.name) +
             (node.text.empty() ? "" : " " + escape_control(node.text));
    default:
      return node.name + escape_control(node.text);
  }
}

void append_text_line(std::string& out, const TraceNode& node) {
  out.append(node.depth * 2U, ' ');
  out += headline(node);
  const bool has_place = node.kind == TraceKind::statement && !node.place.empty();
  if (has_place) out += " (" + node.place + ")";
  if (!node.result.empty()) {
    const bool is_value =
        node.kind == TraceKind::expansion_begin || node.kind == TraceKind::variable;
    out +=
        (is_value ? " = " : ": ") + (is_value ? quoted(node.result) : escape_control(node.result));
  }
  if (node.cached) {
    out += " (from the cache)";
  } else if (node.timed && (node.kind == TraceKind::lookup_begin || node.micros >= 1'000)) {
    out += " (" + duration_text(node.micros) + ")";
  }
  out += '\n';
}

// --- JSON ----------------------------------------------------------------------------------------

void append_member(std::string& out, std::string_view name, std::string_view value) {
  if (value.empty()) return;
  out += ",\"";
  out += name;
  out += "\":\"";
  append_json_escaped(out, value);
  out += '"';
}

// The node without its end: children follow.
void append_json_node(std::string& out, const TraceNode& node) {
  out += "{\"kind\":\"";
  out += row_of(node.kind).name;
  out += '"';
  append_member(out, "name", node.name);
  append_member(out, "text", node.text);
  append_member(out, "value", node.value);
  append_member(out, "result", node.result);
  append_member(out, node.kind == TraceKind::lookup_begin ? "file" : "place", node.place);
  if (node.timed) out += ",\"micros\":" + std::to_string(node.micros);
  if (node.cached) out += ",\"cached\":true";
}

// The nodes from `at` on that are at least that deep; the index of the one behind them.
size_t append_json_level(std::string& out, const std::vector<TraceNode>& nodes, size_t at,
                         uint32_t depth) {
  out += '[';
  for (bool is_first = true; at < nodes.size() && nodes[at].depth >= depth; is_first = false) {
    if (!is_first) out += ',';
    const TraceNode& node = nodes[at++];
    append_json_node(out, node);
    if (at < nodes.size() && nodes[at].depth > node.depth) {
      out += ",\"steps\":";
      at = append_json_level(out, nodes, at, nodes[at].depth);
    }
    out += '}';
  }
  out += ']';
  return at;
}

// --- Lines of a file -----------------------------------------------------------------------------

constexpr size_t kFieldsMax = 9;

void append_field(std::string& out, std::string_view text) {
  out += '\t';
  for (const char c : text) {
    switch (c) {
      case '\\':
        out += "\\\\";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\n':
        out += "\\n";
        break;
      default:
        out += c;
    }
  }
}

std::string read_field(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '\\' || at + 1 == text.size()) {
      out += text[at];
      continue;
    }
    ++at;
    out += text[at] == 't' ? '\t' : text[at] == 'n' ? '\n' : text[at];
  }
  return out;
}

std::optional<TraceNode> read_line(std::string_view line) {
  std::array<std::string_view, kFieldsMax> fields;
  size_t count = 0;
  while (count < kFieldsMax) {
    const size_t tab = count + 1 == kFieldsMax ? std::string_view::npos : line.find('\t');
    fields[count++] = line.substr(0, tab);
    if (tab == std::string_view::npos) break;
    line.remove_prefix(tab + 1);
  }
  if (count != kFieldsMax) return std::nullopt;
  const auto row = std::find_if(kKinds.begin(), kKinds.end(), [&](const KindRow& r) {
    return !r.name.empty() && r.name == fields[1];
  });
  const std::optional<uint64_t> depth = parse_decimal(fields[0]);
  if (row == kKinds.end() || !depth || *depth > kTraceDepthMax) return std::nullopt;
  TraceNode node;
  node.kind = row->kind;
  node.depth = static_cast<uint32_t>(*depth);
  node.timed = fields[2] != "-";
  node.micros = parse_decimal(fields[2]).value_or(0);
  node.cached = fields[3] == "1";
  node.place = read_field(fields[4]);
  node.name = read_field(fields[5]);
  node.text = read_field(fields[6]);
  node.value = read_field(fields[7]);
  node.result = read_field(fields[8]);
  return node;
}

}  // namespace

// --- Being told ----------------------------------------------------------------------------------

void TraceRecord::event(const TraceEvent& event) {
  if (event.kind == TraceKind::value) {
    take_value(event.result);
    return;
  }
  switch (row_of(event.kind).shape) {
    case Shape::leaf:
      add(event);
      break;
    case Shape::begin:
      begin(event);
      break;
    case Shape::end:
      end(event);
      break;
  }
}

// At most kTraceTextBytesMax of a text, of whole characters.
std::string TraceRecord::kept(std::string_view text) {
  bytes_ += std::min(text.size(), kTraceTextBytesMax);
  if (text.size() <= kTraceTextBytesMax) return std::string(text);
  size_t end = kTraceTextBytesMax;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return std::string(text.substr(0, end)) + "...";
}

TraceNode* TraceRecord::add(const TraceEvent& event) {
  const bool has_room = nodes_.size() < kTraceNodesMax && bytes_ < kTraceBytesMax &&
                        open_.size() < kTraceDepthMax &&
                        (open_.empty() || open_.back().node != kLeftOut);
  if (!has_room) {
    ++left_out_;
    return nullptr;
  }
  TraceNode& node = nodes_.emplace_back();
  node.kind = event.kind;
  node.depth = static_cast<uint32_t>(open_.size());
  node.name = kept(event.name);
  node.text = kept(event.text);
  node.result = kept(event.result);
  if (event.place.line != 0 && sources_ != nullptr)
    node.place =
        std::string(sources_->name(event.place.file)) + " " + std::to_string(event.place.line);
  if (!event.file.empty()) node.place = kept(event.file);
  return &node;
}

void TraceRecord::begin(const TraceEvent& event) {
  const TraceNode* node = add(event);
  const size_t at = node == nullptr ? kLeftOut : nodes_.size() - 1;
  open_.push_back({at, clock_ == nullptr ? Instant() : clock_->now()});
}

void TraceRecord::end(const TraceEvent& event) {
  if (open_.empty()) return;
  const Open opened = open_.back();
  open_.pop_back();
  if (opened.node == kLeftOut) return;
  // A list that nobody set says nothing.
  if (event.result == kUnsetList && opened.node + 1 == nodes_.size()) {
    nodes_.pop_back();
    return;
  }
  TraceNode& node = nodes_[opened.node];
  node.result = kept(event.result);
  if (event.kind == TraceKind::expansion) node.name = kept(event.name);
  node.cached = event.cached;
  if (clock_ == nullptr) return;
  node.timed = true;
  node.micros =
      static_cast<uint64_t>(std::max<int64_t>(clock_->now().micros - opened.since.micros, 0));
}

// What a condition's text became. Its expansion says the same and goes; what happened within stays.
void TraceRecord::take_value(std::string_view value) {
  if (open_.empty() || open_.back().node == kLeftOut) return;
  const size_t owner = open_.back().node;
  nodes_[owner].value = kept(value);
  const size_t expansion = owner + 1;
  if (expansion >= nodes_.size() || nodes_[expansion].kind != TraceKind::expansion_begin) return;
  nodes_.erase(nodes_.begin() + static_cast<ptrdiff_t>(expansion));
  for (size_t at = expansion; at < nodes_.size(); ++at) {
    if (nodes_[at].depth > nodes_[owner].depth + 1) --nodes_[at].depth;
  }
}

void TraceRecord::truncate(size_t at) {
  if (at < nodes_.size()) nodes_.resize(at);
  bytes_ = 0;
  for (const TraceNode& node : nodes_)
    bytes_ += node.name.size() + node.text.size() + node.value.size() + node.result.size();
}

// --- Being read ----------------------------------------------------------------------------------

std::string TraceRecord::to_text() const {
  std::string out;
  for (const TraceNode& node : nodes_) append_text_line(out, node);
  if (left_out_ > 0) out += "(" + std::to_string(left_out_) + " more steps are not shown)\n";
  return out;
}

std::string TraceRecord::to_json() const {
  std::string out;
  append_json_level(out, nodes_, 0, 0);
  return out + "\n";
}

std::string TraceRecord::to_lines() const {
  std::string out;
  for (const TraceNode& node : nodes_) {
    out += std::to_string(node.depth);
    append_field(out, row_of(node.kind).name);
    append_field(out, node.timed ? std::to_string(node.micros) : "-");
    append_field(out, node.cached ? "1" : "0");
    append_field(out, node.place);
    append_field(out, node.name);
    append_field(out, node.text);
    append_field(out, node.value);
    append_field(out, node.result);
    out += '\n';
  }
  return out;
}

bool TraceRecord::add_lines(std::string_view lines) {
  while (!lines.empty()) {
    const size_t end = std::min(lines.find('\n'), lines.size());
    std::optional<TraceNode> node = read_line(lines.substr(0, end));
    if (!node || nodes_.size() >= kTraceNodesMax * 4) return false;
    // A line is at most one step deeper than the one before it.
    const uint32_t deepest = nodes_.empty() ? 0 : nodes_.back().depth + 1;
    node->depth = std::min(node->depth, deepest);
    nodes_.push_back(std::move(*node));
    lines.remove_prefix(std::min(end + 1, lines.size()));
  }
  return true;
}

}  // namespace godwit::acl
