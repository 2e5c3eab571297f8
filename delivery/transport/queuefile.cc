#include "delivery/transport/queuefile.h"

#include "core/base/ascii.h"
#include "core/io/fiber.h"
#include "delivery/transport/local_text.h"
#include "delivery/transport/unique_fd.h"
#include "protocol/spool_format/envelope_text.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>

namespace godwit::delivery {
namespace {

using Options = QueuefileOptions;
using config::Effect;

constexpr mode_t kFileMode = 0640;

constexpr auto kRows = std::to_array<config::OptionRow<Options>>({
    {"directory", &Options::directory, "", Effect::now, "where the pair of files goes"},
});

struct FileFault {
  int error_number = 0;
  std::string text;
};

FileFault fault_of(int error, const std::string& transport, const std::string& what) {
  return {error, transport + " transport " + what + " failed with error: " + std::strerror(error)};
}

bool write_whole(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t done = ::write(fd, bytes.data(), bytes.size());
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return false;
    bytes.remove_prefix(static_cast<size_t>(done));
  }
  return true;
}

// The two files of one message, made beside their names and put there whole.
class FilePair {
 public:
  FilePair(const std::string& transport, std::string directory, std::string id)
      : transport_(transport), directory_(std::move(directory)), id_(std::move(id)) {}

  // No value: both are there, and on disk.
  std::optional<FileFault> write(std::string_view header_file, std::string_view data_file) {
    folder_ = UniqueFd(::open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!folder_.is_open())
      return fault_of(errno, transport_, "accessing directory: " + directory_);
    // The header file is the last to appear: who sees it finds the whole message.
    if (is_there("-H", header_file.size()) && is_there("-D", data_file.size())) return {};
    std::optional<FileFault> fault = write_one("-D", data_file);
    if (!fault) fault = write_one("-H", header_file);
    if (!fault && ::fsync(folder_.get()) != 0)
      fault = fault_of(errno, transport_, "syncing directory: " + directory_);
    return fault;
  }

 private:
  bool is_there(const char* suffix, size_t bytes) const {
    struct stat found {};
    return ::fstatat(folder_.get(), (id_ + suffix).c_str(), &found, AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISREG(found.st_mode) && static_cast<size_t>(found.st_size) == bytes;
  }
  std::optional<FileFault> write_one(const char* suffix, std::string_view bytes) {
    const std::string name = id_ + suffix;
    // Recipients of one message may be written at the same time, by several threads.
    static std::atomic<uint64_t> drafts{0};
    const std::string draft =
        "hdr." + name + "." + std::to_string(getpid()) + "." + std::to_string(++drafts);
    const UniqueFd file(::openat(folder_.get(), draft.c_str(),
                                 O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, kFileMode));
    if (!file.is_open()) return fault_of(errno, transport_, "creating file: " + name);
    const bool done = write_whole(file.get(), bytes) && ::fsync(file.get()) == 0 &&
                      ::renameat(folder_.get(), draft.c_str(), folder_.get(), name.c_str()) == 0;
    if (done) return {};
    const int error = errno;
    ::unlinkat(folder_.get(), draft.c_str(), 0);
    return fault_of(error, transport_, "creating file: " + name);
  }

  const std::string& transport_;
  std::string directory_;
  std::string id_;
  UniqueFd folder_;
};

DeliveryOutcome deferral(int error_number, const std::string& text) {
  DeliveryOutcome out;
  out.scope = FailureScope::local;
  out.error_number = error_number;
  out.text = (error_number > 0 ? std::string(std::strerror(error_number)) + ": " : "") + text;
  return out;
}

// "<id>-D", then the body with LF line ends: the text without its header section.
Task<Result<std::string>> data_file_of(const LocalDelivery& delivery) {
  MailboxText text(MailboxTextOptions{});
  const MessageContent& content = delivery.content;
  std::string out = delivery.envelope.message_id + "-D\n";
  if (content.is_in_memory()) {
    for (const spool::MessageBytes::Chunk& chunk : content.body_chunks())
      text.add_body(chunk.view(), out);
  }
  std::string page;
  for (uint64_t offset = 0; !content.is_in_memory() && offset < content.body_bytes();) {
    const std::string_view piece = co_await ok(content.read_page(offset, page));
    if (piece.empty()) co_return Error(Errc::malformed, "the body is shorter than it was");
    offset += piece.size();
    text.add_body(piece, out);
  }
  text.finish(out);
  co_return out;
}

}  // namespace

std::unique_ptr<config::OptionBinding> queuefile_options() {
  return std::make_unique<config::OwnOptions<QueuefileOptions>>(kRows);
}

std::unique_ptr<Transport> make_queuefile_transport(const config::Instance& instance,
                                                    const TransportCompileContext& context) {
  auto transport = std::make_unique<QueuefileTransport>();
  QueuefileOptions options;
  config::OptionTarget<TransportOptions> generic(transport_option_rows(), transport->options_);
  config::OptionTarget<QueuefileOptions> own(kRows, options);
  config::apply_settings(instance.settings, {&generic, &own}, context.diagnostics,
                         "queuefile transport");
  if (!options.directory.is_set) {
    context.diagnostics.error(instance.place,
                              "directory must be set for the " + instance.name + " transport");
  }
  transport->directory_ = context.expansion(options.directory);
  return transport;
}

Task<DeliveryOutcome> QueuefileTransport::deliver(Loop& loop, LocalDelivery delivery) const {
  auto expanding = [&] { return directory_.evaluate(delivery.evaluation); };
  const acl::EvalResult directory = co_await on_fiber(expanding);
  if (!directory.ok())
    co_return deferral(0, name_ + " transport: failed to expand dirname option: " + directory.text);
  if (directory.tainted) {
    co_return deferral(-1, "Tainted '" + escape_control(directory.text) + "' (directory for " +
                               name_ + " transport) not permitted");
  }
  if (!directory.text.starts_with('/')) {
    co_return deferral(
        -1, name_ + " transport directory: " + escape_control(directory.text) + " is not absolute");
  }
  const std::string header_file =
      envelope_to_text(delivery.envelope, {}, delivery.content.header_section());
  const Result<std::string> data_file = co_await data_file_of(delivery);
  if (!data_file)
    co_return deferral(0, "the message could not be read: " + data_file.error().to_string());
  auto writing = [&] {
    return FilePair(name_, directory.text, delivery.envelope.message_id)
        .write(header_file, *data_file);
  };
  auto job = blocking(loop, writing);
  const std::optional<FileFault> fault = co_await job;
  if (fault) co_return deferral(fault->error_number, fault->text);
  DeliveryOutcome out;
  out.kind = OutcomeKind::delivered;
  co_return out;
}

}  // namespace godwit::delivery
