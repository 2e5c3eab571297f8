// SmtpConnection: the text of a message on its way out.
#include "delivery/transport/smtp_connection.h"
#include "protocol/smtp/dot_stuff.h"

#include <utility>

namespace godwit::delivery {

Task<Result<void>> SmtpConnection::send_body(const MessageContent& content, smtp::BodyForm form,
                                             bool canonical) {
  set_phase_deadline(smtp::Phase::data_block);
  if (!content.is_in_memory()) co_return co_await send_stored_body(content, form, canonical);
  const std::string envelope_commands = engine_->take_output();
  std::vector<std::string_view> segments;
  segments.reserve(16);
  if (!envelope_commands.empty()) segments.push_back(envelope_commands);
  if (form == smtp::BodyForm::chunk) {
    segments.push_back(content.header_section());
    segments.push_back(content.separator());
    for (const spool::MessageBytes::Chunk& chunk : content.body_chunks())
      segments.push_back(chunk.view());
    const Result<void> sent = co_await stream().write(std::span<const std::string_view>(segments));
    co_return sent;
  }
  smtp::DotStuffer stuffer(canonical);
  stuffer.take(content.header_section(), segments);
  stuffer.take(content.separator(), segments);
  for (const spool::MessageBytes::Chunk& chunk : content.body_chunks())
    stuffer.take(chunk.view(), segments);
  stuffer.finish(segments);
  const Result<void> sent = co_await stream().write(std::span<const std::string_view>(segments));
  co_return sent;
}

Task<Result<void>> SmtpConnection::send_stored_body(const MessageContent& content,
                                                    smtp::BodyForm form, bool canonical) {
  std::string page = engine_->take_output();
  std::vector<std::string_view> segments;
  smtp::DotStuffer stuffer(canonical);
  const bool stuffed = form == smtp::BodyForm::dot_stuffed;
  const auto take = [&](std::string_view piece) {
    if (stuffed) {
      stuffer.take(piece, segments);
    } else {
      segments.push_back(piece);
    }
  };
  if (!page.empty()) segments.push_back(page);
  take(content.header_section());
  take(content.separator());
  const Result<void> head_sent =
      co_await stream().write(std::span<const std::string_view>(segments));
  if (!head_sent) co_return head_sent;
  for (uint64_t offset = 0; offset < content.body_bytes();) {
    const Result<std::string_view> piece = co_await content.read_page(offset, page);
    if (!piece) co_return piece.error();
    if (piece->empty()) co_return Error(Errc::disk_error, "the body is shorter than it was");
    offset += piece->size();
    segments.clear();
    take(*piece);
    set_phase_deadline(smtp::Phase::data_block);
    const Result<void> sent = co_await stream().write(std::span<const std::string_view>(segments));
    if (!sent) co_return sent;
  }
  segments.clear();
  if (stuffed) stuffer.finish(segments);
  const Result<void> sent = co_await stream().write(std::span<const std::string_view>(segments));
  co_return sent;
}

}  // namespace godwit::delivery
