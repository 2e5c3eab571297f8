// The options of the redirect router, as an operator writes them. Rows are in redirect_options.cc.
#pragma once

#include "core/config/option.h"

#include <span>
#include <string>

namespace godwit::delivery {

struct RedirectOptions {
  bool allow_defer = false;
  bool allow_fail = false;
  bool allow_filter = false;
  bool allow_freeze = false;
  bool check_ancestor = false;
  bool check_group = false;
  bool check_owner = false;
  config::ExpandText data;
  config::ExpandText directory_transport;
  config::ExpandText file;
  config::ExpandText file_transport;
  bool filter_locked = false;  // of the options about filters, which have no meaning without them
  bool forbid_blackhole = false;
  bool forbid_file = false;
  bool forbid_include = false;
  bool forbid_pipe = false;
  bool forbid_smtp_code = false;
  bool hide_child_in_errmsg = false;
  bool ignore_eacces = false;
  bool ignore_enotdir = false;
  std::string include_directory;
  config::Mode modemask;
  bool one_time = false;
  config::PlainList owners;
  config::PlainList owngroups;
  config::ExpandText pipe_transport;
  std::string qualify_domain;
  bool qualify_preserve_domain = false;
  bool repeat_use = true;
  config::ExpandText reply_transport;
  bool rewrite = true;
  config::ExpandText sieve_text;
  bool skip_syntax_errors = false;
  config::ExpandText syntax_errors_text;
  config::ExpandText syntax_errors_to;
};

std::span<const config::OptionRow<RedirectOptions>> redirect_option_rows() noexcept;

}  // namespace godwit::delivery
