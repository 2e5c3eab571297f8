// Items, `${name{..}{..}}`: a row each. A row says how many arguments stand in braces and whether a
// yes/no tail may follow; the parser does the rest. An item with a grammar of its own has a parse
// function, which lives beside its run function.
#pragma once

#include "acl/expand/node.h"

#include <cstdint>
#include <span>
#include <string_view>

namespace godwit::acl {

class Parser;

enum class ItemTail : bool { none, yes_no };

struct ItemRow {
  std::string_view name;
  uint8_t args_min;
  uint8_t args_max;
  ItemTail tail;
  bool suspends;  // may wait for something outside
  // Null: known to the language, not available.
  EvalStatus (*run)(const Node& node, EvalContext& context, std::string& out);
  // Reads what stands between the name and the closing brace. Null: `args_min` to `args_max`
  // arguments and the tail.
  bool (*parse)(Parser& parser, Node& node);
  // After parsing: looks at arguments that are constant. Null: nothing to look at.
  bool (*check)(Parser& parser, Node& node);
  std::string_view doc;
};
std::span<const ItemRow> item_rows() noexcept;

// items_text.cc
EvalStatus run_sg(const Node& node, EvalContext& context, std::string& out);
EvalStatus run_tr(const Node& node, EvalContext& context, std::string& out);
EvalStatus run_number_item(const Node& node, EvalContext& context, std::string& out);
EvalStatus run_hmac(const Node& node, EvalContext& context, std::string& out);
EvalStatus run_imapfolder(const Node& node, EvalContext& context, std::string& out);
EvalStatus run_listquote(const Node& node, EvalContext& context, std::string& out);
EvalStatus run_headerwrap_item(const Node& node, EvalContext& context, std::string& out);
bool check_sg(Parser& parser, Node& node);

// items_list.cc
bool parse_if(Parser& parser, Node& node);
EvalStatus run_if(const Node& node, EvalContext& context, std::string& out);
bool parse_filter(Parser& parser, Node& node);
EvalStatus run_filter(const Node& node, EvalContext& context, std::string& out);
EvalStatus run_map(const Node& node, EvalContext& context, std::string& out);
EvalStatus run_reduce(const Node& node, EvalContext& context, std::string& out);
EvalStatus run_listextract(const Node& node, EvalContext& context, std::string& out);

// items_sort.cc
EvalStatus run_sort(const Node& node, EvalContext& context, std::string& out);

// items_extract.cc
bool parse_extract(Parser& parser, Node& node);
EvalStatus run_extract(const Node& node, EvalContext& context, std::string& out);

// items_outside.cc
EvalStatus run_acl(const Node& node, EvalContext& context, std::string& out);
EvalStatus run_env(const Node& node, EvalContext& context, std::string& out);
EvalStatus run_readfile(const Node& node, EvalContext& context, std::string& out);
EvalStatus run_readsocket(const Node& node, EvalContext& context, std::string& out);

// A name of a file, socket or ACL that certainly comes from outside is reported.
bool check_place(Parser& parser, Node& node);

// items_lookup.cc
bool parse_lookup(Parser& parser, Node& node);
EvalStatus run_lookup(const Node& node, EvalContext& context, std::string& out);

// items_run.cc
bool parse_run(Parser& parser, Node& node);
EvalStatus run_run(const Node& node, EvalContext& context, std::string& out);

// items_mail.cc
EvalStatus run_prvs(const Node& node, EvalContext& context, std::string& out);
EvalStatus run_prvscheck(const Node& node, EvalContext& context, std::string& out);
EvalStatus run_srs_encode(const Node& node, EvalContext& context, std::string& out);
EvalStatus run_authresults(const Node& node, EvalContext& context, std::string& out);

// items_certificate.cc
EvalStatus run_certextract(const Node& node, EvalContext& context, std::string& out);

}  // namespace godwit::acl
