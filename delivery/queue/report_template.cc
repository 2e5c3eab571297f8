#include "delivery/queue/report_template.h"

#include "acl/expand/services.h"
#include "acl/lookup/text_file.h"
#include "core/base/ascii.h"
#include "delivery/route/pool_call.h"
#include "protocol/report/text_items.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>
#include <vector>

namespace godwit::delivery {
namespace {

struct ReadCall {
  std::string path;
  Result<acl::FileContent> operator()() { return acl::read_whole_file(path, "reading"); }
};

std::string expanded(std::string_view item, const acl::CompileOptions& options,
                     acl::EvalContext& evaluation, std::string& problem) {
  if (trim(item).empty()) return {};
  const Result<acl::Expansion> text = acl::compile_expansion(item, options);
  if (!text) {
    problem = text.error().detail();
    return {};
  }
  acl::EvalResult result = text->evaluate(evaluation);
  if (!result.ok()) problem = result.text;
  return result.ok() ? std::move(result.text) : std::string();
}

}  // namespace

ReportTexts report_texts(const acl::Expansion& option, const acl::ListCompiler* lists,
                         acl::EvalContext& evaluation, Log& log) {
  ReportTexts out;
  const std::string_view id =
      evaluation.message != nullptr ? std::string_view(evaluation.message->id) : "";
  const acl::EvalResult path = option.evaluate(evaluation);
  std::string problem = path.ok() ? "" : path.text;
  if (path.ok() && path.text.empty()) return out;
  std::optional<Result<acl::FileContent>> content;
  if (path.ok()) content = call_on_pool(evaluation.services, ReadCall{path.text});
  if (path.ok() && (!content || !*content))
    problem = content ? content->error().detail() : std::string(kCannotWait);
  if (content && *content) {
    const acl::CompileOptions options{lists, false};
    const std::vector<std::string_view> items = report::split_text_items((*content)->bytes);
    const std::array<std::string*, 3> parts{&out.headers, &out.introduction, &out.ending};
    for (size_t i = 0; i < std::min(items.size(), parts.size()); ++i)
      *parts[i] = expanded(items[i], options, evaluation, problem);
  }
  if (!problem.empty())
    log.panic(LogEvent::configuration, id,
              "text of a report: " + problem + "; the usual one is used");
  return out;
}

}  // namespace godwit::delivery
