// The table of items.
#include "acl/expand/items.h"

#include "acl/expand/list_text.h"

#include <array>

namespace godwit::acl {
namespace {

constexpr ItemTail kNone = ItemTail::none;
constexpr ItemTail kYesNo = ItemTail::yes_no;

// clang-format off
// name, arguments min and max, tail, may wait, run, parse, check at load, documentation
constexpr auto kRows = std::to_array<ItemRow>({
    {"acl", 1, 10, kNone, true, run_acl, nullptr, check_place, "runs an ACL"},
    {"authresults", 1, 1, kNone, false, run_authresults, nullptr, nullptr, "an Authentication-Results header"},
    {"certextract", 2, 2, kYesNo, false, run_certextract, nullptr, nullptr, "a field of a certificate"},
    {"dlfunc", 2, 10, kNone, false, nullptr, nullptr, nullptr, "function of a shared library"},
    {"env", 1, 1, kYesNo, false, run_env, nullptr, nullptr, "variable of the environment"},
    {"extract", 2, 5, kYesNo, false, run_extract, parse_extract, nullptr, "field of a text"},
    {"filter", 2, 2, kNone, false, run_filter, parse_filter, check_list, "items of a list for which a condition holds"},
    {"hash", 2, 3, kNone, false, run_number_item, nullptr, nullptr, "hash of letters and digits"},
    {"headerwrap", 3, 3, kNone, false, run_headerwrap_item, nullptr, nullptr, "folds a header"},
    {"hmac", 3, 3, kNone, false, run_hmac, nullptr, nullptr, "HMAC"},
    {"if", 0, 0, kYesNo, false, run_if, parse_if, nullptr, "one of two texts"},
    {"imapfolder", 1, 3, kNone, false, run_imapfolder, nullptr, nullptr, "name of an IMAP folder"},
    {"length", 2, 2, kNone, false, run_number_item, nullptr, nullptr, "the first characters"},
    {"listextract", 2, 2, kYesNo, false, run_listextract, nullptr, nullptr, "item of a list"},
    {"listquote", 2, 2, kNone, false, run_listquote, nullptr, nullptr, "item quoted for a list"},
    {"lookup", 1, 2, kYesNo, true, run_lookup, parse_lookup, nullptr, "answer of a lookup"},
    {"map", 2, 2, kNone, false, run_map, nullptr, check_list, "a list with each item changed"},
    {"nhash", 2, 3, kNone, false, run_number_item, nullptr, nullptr, "numeric hash"},
    {"perl", 1, 9, kNone, false, nullptr, nullptr, nullptr, "embedded Perl"},
    {"prvs", 2, 3, kNone, false, run_prvs, nullptr, nullptr, "signed address"},
    {"prvscheck", 2, 3, kNone, false, run_prvscheck, nullptr, nullptr, "check of a signed address"},
    {"readfile", 1, 2, kNone, true, run_readfile, nullptr, check_place, "contents of a file"},
    {"readsocket", 2, 5, kNone, true, run_readsocket, nullptr, check_place, "answer of a socket"},
    {"reduce", 3, 3, kNone, false, run_reduce, nullptr, check_list, "a list made one value"},
    {"run", 1, 1, kYesNo, true, run_run, parse_run, nullptr, "output of a command"},
    {"sg", 3, 3, kNone, false, run_sg, nullptr, check_sg, "substitution"},
    {"sort", 3, 3, kNone, false, run_sort, nullptr, check_list, "a sorted list"},
    {"srs_encode", 3, 3, kNone, false, run_srs_encode, nullptr, nullptr, "SRS address"},
    {"substr", 2, 3, kNone, false, run_number_item, nullptr, nullptr, "part of a text"},
    {"tr", 3, 3, kNone, false, run_tr, nullptr, nullptr, "characters replaced"},
});
// clang-format on

}  // namespace

std::span<const ItemRow> item_rows() noexcept {
  return kRows;
}

}  // namespace godwit::acl
