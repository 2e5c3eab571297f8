// MessageContent: the text of a message for whoever delivers it: the header section, an empty line,
// and the body, in wire format (CRLF, no dots added). Small and fresh messages are in memory;
// others are read from the spool page by page. Options of a transport leave parts of it out, or put
// a filtered text in its place. Used during one delivery attempt of one message.
#pragma once

#include "core/io/task.h"
#include "core/spool/store.h"

#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace godwit::delivery {

class MessageContent {
 public:
  static constexpr std::string_view kEmptyLine = "\r\n";
  static constexpr size_t kPageBytes = 128 * 1024;

  MessageContent(spool::Store& store, spool::MessageRef ref, uint64_t body_bytes)
      : store_(&store), ref_(ref), body_bytes_(body_bytes) {}

  // The text that is at hand since the message has just been committed.
  void set_bytes(std::shared_ptr<const spool::MessageBytes> bytes) { bytes_ = std::move(bytes); }
  void set_body_bytes(uint64_t bytes) noexcept { body_bytes_ = bytes; }

  // Makes header_section() ready; reads it from the spool where it is not at hand.
  Task<Result<void>> load_headers();
  // The same message without its body, or without its header section and the empty line.
  MessageContent headers_only() const;
  MessageContent body_only() const;
  // `text` in the place of all of it: CRLF line ends, no separator between header section and body.
  MessageContent with_text(std::string_view text) const;
  // The same message with another header section; shares everything else.
  MessageContent with_headers(std::string section) const {
    MessageContent changed = *this;
    changed.changed_headers_ = std::make_shared<const std::string>(std::move(section));
    return changed;
  }
  std::string_view header_section() const noexcept {
    if (changed_headers_ != nullptr) return *changed_headers_;
    return bytes_ != nullptr ? std::string_view(bytes_->header_section)
                             : std::string_view(headers_);
  }
  // The empty line after the header section; nothing where there is no header section.
  std::string_view separator() const noexcept {
    return has_separator_ ? kEmptyLine : std::string_view();
  }
  uint64_t body_bytes() const noexcept { return body_bytes_; }
  // Header section, empty line and body.
  uint64_t message_bytes() const noexcept {
    return header_section().size() + separator().size() + body_bytes_;
  }

  // True where all of the body is in memory; then body_chunks() has it.
  bool is_in_memory() const noexcept { return bytes_ != nullptr; }
  const std::vector<spool::MessageBytes::Chunk>& body_chunks() const noexcept {
    return bytes_->body;
  }
  // The next page of the body from `offset` into `page`; empty at the end.
  Task<Result<std::string_view>> read_page(uint64_t offset, std::string& page) const;

 private:
  spool::Store* store_;
  spool::MessageRef ref_;
  uint64_t body_bytes_;
  std::shared_ptr<const spool::MessageBytes> bytes_;
  std::string headers_;
  std::shared_ptr<const std::string> changed_headers_;
  bool has_separator_ = true;
};

}  // namespace godwit::delivery
