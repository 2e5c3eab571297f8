// Rows of the appendfile transport's own options, and their compilation.
#include "core/config/values.h"
#include "delivery/transport/appendfile.h"

#include <array>

namespace godwit::delivery {
namespace {

using config::Effect;
using Options = AppendfileOptions;

// clang-format off
constexpr auto kRows = std::to_array<config::OptionRow<AppendfileOptions>>({
    // name                           field                                     default    effect         documentation
    {"allow_fifo",                    &Options::allow_fifo,                     "false",   Effect::now,   "deliver to a named pipe"},
    {"allow_symlink",                 &Options::allow_symlink,                  "false",   Effect::now,   "deliver through a symbolic link"},
    {"batch_id",                      &Options::batch_id,                       "",        Effect::now,   "recipients with the same text share a delivery"},
    {"batch_max",                     &Options::batch_max,                      "1",       Effect::now,   "recipients of one delivery"},
    {"check_group",                   &Options::check_group,                    "false",   Effect::now,   "the file must belong to the group of the delivery"},
    {"check_owner",                   &Options::check_owner,                    "true",    Effect::now,   "the file must belong to the user of the delivery"},
    {"check_string",                  &Options::check_string,                   "",        Effect::now,   "a body line that starts so starts with escape_string instead"},
    {"create_directory",              &Options::create_directory,               "true",    Effect::now,   "make missing directories"},
    {"create_file",                   &Options::create_file,                    "anywhere", Effect::now,  "where files may be made"},
    {"directory",                     &Options::directory,                      "",        Effect::now,   "the maildir to deliver into"},
    {"directory_file",                &Options::directory_file,                 "q${base62:$tod_epoch}-$inode", Effect::now,   "name of a file in a plain directory"},
    {"directory_mode",                &Options::directory_mode,                 "0700",    Effect::now,   "of directories that are made"},
    {"escape_string",                 &Options::escape_string,                  "",        Effect::now,   "what replaces check_string"},
    {"file",                          &Options::file,                           "",        Effect::now,   "the mbox file to deliver into"},
    {"file_format",                   &Options::file_format,                    "",        Effect::now,   "pairs of what a file begins with and the transport that adds to it"},
    {"file_must_exist",               &Options::file_must_exist,                "false",   Effect::now,   "never make the file"},
    {"lock_fcntl_timeout",            &Options::lock_fcntl_timeout,             "0s",      Effect::now,   "wait for the lock as it becomes free, not in steps of lock_interval"},
    {"lock_flock_timeout",            &Options::lock_flock_timeout,             "0s",      Effect::now,   "the same for flock"},
    {"lock_interval",                 &Options::lock_interval,                  "3s",      Effect::now,   "between tries to lock"},
    {"lock_retries",                  &Options::lock_retries,                   "10",      Effect::now,   "tries to lock"},
    {"lockfile_mode",                 &Options::lockfile_mode,                  "0600",    Effect::now,   "of lock files"},
    {"lockfile_timeout",              &Options::lockfile_timeout,               "30m",     Effect::now,   "older lock files are removed"},
    {"mailbox_filecount",             &Options::mailbox_filecount,              "",        Effect::now,   "files that the mailbox has, for its quota"},
    {"mailbox_size",                  &Options::mailbox_size,                   "",        Effect::now,   "bytes that the mailbox has, for its quota"},
    {"maildir_format",                &Options::maildir_format,                 "false",   Effect::now,   "the directory is a maildir"},
    {"maildir_quota_directory_regex", &Options::maildir_quota_directory_regex,  "",        Effect::now,   "folders that count for the quota"},
    {"maildir_retries",               &Options::maildir_retries,                "10",      Effect::now,   "tries to find a name that is free"},
    {"maildir_tag",                   &Options::maildir_tag,                    "",        Effect::now,   "added to the name of a file: \",S=$message_size\""},
    {"maildir_use_size_file",         &Options::maildir_use_size_file,          "false",   Effect::now,   "keep a maildirsize file"},
    {"maildirfolder_create_regex",    &Options::maildirfolder_create_regex,     "",        Effect::now,   "where to make a maildirfolder file"},
    {"mailstore_format",              &Options::mailstore_format,               "false",   Effect::now,   "two files a message"},
    {"mailstore_prefix",              &Options::mailstore_prefix,               "",        Effect::now,   "head of the envelope file"},
    {"mailstore_suffix",              &Options::mailstore_suffix,               "",        Effect::now,   "tail of the envelope file"},
    {"mbx_format",                    &Options::mbx_format,                     "false",   Effect::now,   "the file is in MBX format"},
    {"message_prefix",                &Options::message_prefix,                 "",        Effect::now,   "before each message; unset: a From_ line in an mbox file"},
    {"message_suffix",                &Options::message_suffix,                 "",        Effect::now,   "after each message; unset: an empty line in an mbox file"},
    {"mode",                          &Options::mode,                           "0600",    Effect::now,   "of files that are made"},
    {"mode_fail_narrower",            &Options::mode_fail_narrower,             "true",    Effect::now,   "defer where the file has fewer permissions than mode"},
    {"notify_comsat",                 &Options::notify_comsat,                  "false",   Effect::never, "tell the comsat daemon"},
    {"quota",                         &Options::quota,                          "",        Effect::now,   "bytes of the mailbox"},
    {"quota_directory",               &Options::quota_directory,                "",        Effect::now,   "the directory that is measured"},
    {"quota_filecount",               &Options::quota_filecount,                "",        Effect::now,   "files of the maildir"},
    {"quota_is_inclusive",            &Options::quota_is_inclusive,             "true",    Effect::now,   "the new message counts"},
    {"quota_size_regex",              &Options::quota_size_regex,               "",        Effect::now,   "finds the size in a file name"},
    {"quota_warn_message",            &Options::quota_warn_message,             "",        Effect::now,   "sent when a mailbox is nearly full"},
    {"quota_warn_threshold",          &Options::quota_warn_threshold,           "",        Effect::now,   "what nearly full is"},
    {"use_bsmtp",                     &Options::use_bsmtp,                      "false",   Effect::now,   "batch SMTP instead of a message"},
    {"use_crlf",                      &Options::use_crlf,                       "false",   Effect::now,   "lines end in CRLF"},
    {"use_fcntl_lock",                &Options::use_fcntl_lock,                 "true",    Effect::now,   "lock the file by fcntl"},
    {"use_flock_lock",                &Options::use_flock_lock,                 "false",   Effect::now,   "lock the file by flock"},
    {"use_lockfile",                  &Options::use_lockfile,                   "true",    Effect::now,   "lock the file by a file beside it"},
    {"use_mbx_lock",                  &Options::use_mbx_lock,                   "false",   Effect::now,   "lock as readers of MBX do"},
});
// clang-format on

bool is_written(const config::Instance& instance, std::string_view name) {
  for (const std::string_view before : {"", "no_", "not_"}) {
    if (instance.find(std::string(before) + std::string(name)) != nullptr) return true;
  }
  return false;
}

// What is locked where the configuration does not say it all.
void decide_locks(const config::Instance& instance, Options& options) {
  const bool says_nothing =
      !is_written(instance, "use_lockfile") && !is_written(instance, "use_fcntl_lock") &&
      !is_written(instance, "use_flock_lock") && !is_written(instance, "use_mbx_lock");
  if (options.mbx_format && says_nothing) options.use_mbx_lock = true;
  if (!options.use_mbx_lock) return;
  if (!is_written(instance, "use_lockfile")) options.use_lockfile = false;
  // MBX says what is locked; this is how.
  if (!options.use_flock_lock) options.use_fcntl_lock = true;
}

void check_combination(const config::Instance& instance, const Options& options,
                       config::Diagnostics& diagnostics) {
  const bool has_file = options.file.is_set;
  const bool has_directory = options.directory.is_set;
  if (has_file && has_directory) {
    diagnostics.error(instance.place, "\"file\" and \"directory\" cannot both be set");
  } else if (options.maildir_format && options.mailstore_format) {
    diagnostics.error(instance.place, "only one of maildir and mailstore may be set");
  } else if (has_file && (options.maildir_format || options.mailstore_format)) {
    diagnostics.error(options.file.text.begin_place(), "a maildir or mailstore is a \"directory\"");
  }
  const std::string_view where = options.create_file.text.view();
  if (where != "anywhere" && where != "inhome" && where != "belowhome" && !where.starts_with('/')) {
    diagnostics.error(options.create_file.text.begin_place(),
                      "\"create_file\" is anywhere, inhome, belowhome or an absolute path");
  }
  const bool locks = options.use_lockfile || options.use_fcntl_lock || options.use_flock_lock;
  if (has_file && !locks) {
    diagnostics.error(instance.place, "no locking configured",
                      "use_fcntl_lock, use_flock_lock or use_lockfile");
  }
}

// Null where it is not set or wrong.
std::shared_ptr<const acl::Regex> compile_regex(const config::ConfigText& text,
                                                config::Diagnostics& diagnostics) {
  if (!text.is_set || text.text.view().empty()) return nullptr;
  Result<acl::Regex> regex = acl::Regex::compile(text.text.view(), false);
  if (regex) return std::make_shared<const acl::Regex>(std::move(*regex));
  diagnostics.error(text.text.begin_place(), regex.error().detail());
  return nullptr;
}

}  // namespace

// file_format: "head : transport : head : transport".
void AppendfileTransport::find_transports(const TransportSet& all, const config::Instance& instance,
                                          config::Diagnostics& diagnostics) {
  const std::vector<std::string> items = config::split_list(own_.file_format);
  const config::Setting* setting = instance.find("file_format");
  const config::Place place = setting == nullptr ? instance.place : setting->place;
  if (items.size() % 2 != 0)
    diagnostics.error(place, "file_format is a list of pairs: what a file begins with, transport");
  for (size_t at = 0; at + 1 < items.size(); at += 2) {
    const int index = all.find(items[at + 1]);
    if (index < 0) {
      diagnostics.error(place, "there is no transport \"" + items[at + 1] + "\"",
                        config::did_you_mean(items[at + 1], all.all()));
    } else if (all.at(index) != nullptr && all.at(index)->is_remote()) {
      diagnostics.error(place, "the transport \"" + items[at + 1] + "\" is not a local one");
    } else {
      formats_.push_back({items[at], all.at(index)});
    }
  }
}

std::span<const config::OptionRow<AppendfileOptions>> appendfile_option_rows() noexcept {
  return kRows;
}

std::unique_ptr<config::OptionBinding> appendfile_options() {
  return std::make_unique<config::OwnOptions<AppendfileOptions>>(kRows);
}

std::unique_ptr<Transport> make_appendfile_transport(const config::Instance& instance,
                                                     const TransportCompileContext& context) {
  auto transport = std::make_unique<AppendfileTransport>();
  AppendfileOptions& options = transport->own_;
  config::OptionTarget<TransportOptions> generic(transport_option_rows(), transport->options_);
  config::OptionTarget<AppendfileOptions> own(kRows, options);
  config::apply_settings(instance.settings, {&generic, &own}, context.diagnostics,
                         "appendfile transport");
  decide_locks(instance, options);
  check_combination(instance, options, context.diagnostics);
  transport->path_ = context.expansion(options.file.is_set ? options.file : options.directory);
  transport->check_string_ = context.expansion(options.check_string);
  transport->escape_string_ = context.expansion(options.escape_string);
  transport->maildir_tag_ = context.expansion(options.maildir_tag);
  transport->message_prefix_ = context.expansion(options.message_prefix);
  transport->message_suffix_ = context.expansion(options.message_suffix);
  transport->quota_ = context.expansion(options.quota);
  transport->quota_filecount_ = context.expansion(options.quota_filecount);
  transport->quota_directory_ = context.expansion(options.quota_directory);
  transport->quota_warn_message_ = context.expansion(options.quota_warn_message);
  transport->quota_warn_threshold_ = context.expansion(options.quota_warn_threshold);
  transport->mailbox_size_ = context.expansion(options.mailbox_size);
  transport->mailbox_filecount_ = context.expansion(options.mailbox_filecount);
  transport->directory_file_ = context.expansion(options.directory_file);
  transport->mailstore_prefix_ = context.expansion(options.mailstore_prefix);
  transport->mailstore_suffix_ = context.expansion(options.mailstore_suffix);
  transport->size_regex_ = compile_regex(options.quota_size_regex, context.diagnostics);
  transport->counted_folders_ =
      compile_regex(options.maildir_quota_directory_regex, context.diagnostics);
  transport->folder_file_regex_ =
      compile_regex(options.maildirfolder_create_regex, context.diagnostics);
  return transport;
}

}  // namespace godwit::delivery
