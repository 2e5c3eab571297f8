// ReportTemplate: the texts of bounce_message_file and warn_message_file, expanded for one report.
// The manual's chapter "Customizing bounce and warning messages".
#pragma once

#include "acl/expand/context.h"
#include "acl/expand/expansion.h"
#include "core/log/log.h"

#include <string>

namespace godwit::delivery {

struct ReportTexts {
  std::string headers;
  std::string introduction;
  std::string ending;
};

// The first, second and third item of the file that `option` names; empty ones where there is no
// file, or an item cannot be expanded, which the main and the panic log tell: then the report has
// the texts of the house. The third is of warnings only. On a fiber.
ReportTexts report_texts(const acl::Expansion& option, const acl::ListCompiler* lists,
                         acl::EvalContext& evaluation, Log& log);

}  // namespace godwit::delivery
