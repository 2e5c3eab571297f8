// Domain, host, address and local part lists, compiled. EXIM.md 2.2.
// NamedLists compiles the named lists of a document, in any order, and refuses cycles; it is also
// the ListCompiler for lists in options, ACL conditions and expansions. Immutable after compile().
// Items that need to ask somebody (lookups, host names, @mx_...) wait on the current fiber.
#pragma once

#include "acl/expand/expansion.h"
#include "acl/expand/list_pattern.h"
#include "core/config/diagnostics.h"
#include "core/config/document.h"

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace godwit::acl {

inline constexpr size_t kListItemsMax = 1'000'000;      // items of one list
inline constexpr size_t kKeptItemsMin = 16;             // items whose answer is worth keeping
inline constexpr size_t kIndexedItemsMin = 32;          // plain domains in a row that are hashed
inline constexpr size_t kListCacheEntriesMax = 64;      // compiled texts kept of one expanded list
inline constexpr size_t kListCacheTextBytesMax = 4096;  // longer texts are compiled each time

class NamedLists final : public ListCompiler {
 public:
  // Compiles all of `document.lists`. Wrong lists are reported and match nothing.
  static std::shared_ptr<const NamedLists> compile_all(const config::ConfigDocument& document,
                                                       config::Diagnostics& diagnostics);

  // The result may refer to this object and must not outlive it.
  std::shared_ptr<const ListPattern> compile(ListKind kind, const config::LocatedText& text,
                                             const ListOptions& options,
                                             config::Diagnostics& diagnostics) const override;
  std::optional<std::string> text_of(ListKind kind, std::string_view name) const override;
  // Null where no list has that name.
  std::shared_ptr<const ListPattern> find(ListKind kind, std::string_view name) const;

 private:
  friend class NamedListBuilder;
  using Table = std::map<std::string, std::shared_ptr<const ListPattern>, std::less<>>;
  std::array<Table, 4> tables_;                                           // by ListKind
  std::array<std::map<std::string, std::string, std::less<>>, 4> texts_;  // as they were written
};

}  // namespace godwit::acl
