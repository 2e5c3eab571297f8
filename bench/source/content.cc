#include "bench/source/content.h"

#include "bench/common/crc32c.h"
#include "bench/common/process.h"
#include "core/io/clock.h"

#include <dirent.h>

#include <algorithm>
#include <cerrno>
#include <memory>

namespace godwit::bench {
namespace {

constexpr size_t kLineChars = 72;  // without the CRLF
constexpr size_t kNumberChars = 10;
constexpr uint64_t kDefaultBodyBytes = 76;
constexpr uint64_t kLeastBodyBytes = 2;  // a line's end

std::string zeros(size_t count) {
  return std::string(count, '0');
}

std::string make_body(uint64_t bytes, Random random) {
  constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyz      ABCDEFGHIJ0123456789";
  std::string body;
  body.reserve(bytes);
  while (body.size() < bytes) {
    const uint64_t left = bytes - body.size();
    // A last line of CR alone cannot be; the line before it takes one character less.
    uint64_t line = std::min<uint64_t>(left, kLineChars + 2);
    if (left - line == 1) --line;
    for (uint64_t i = 0; i + 2 < line; ++i) body += kLetters[random.below(kLetters.size())];
    if (line > 2 && body.back() == ' ') body.back() = '_';
    body += "\r\n";
  }
  return body;
}

std::string with_crlf(std::string_view text) {
  std::string out;
  out.reserve(text.size() + text.size() / 32);
  while (!text.empty()) {
    const size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    out.append(line);
    out += "\r\n";
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  }
  return out;
}

std::string stuffed(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 16);
  bool at_line_start = true;
  for (const char c : text) {
    if (at_line_start && c == '.') out += '.';
    out += c;
    at_line_start = c == '\n';
  }
  return out;
}

Result<std::vector<std::string>> files_of(const std::string& folder) {
  const std::unique_ptr<DIR, int (*)(DIR*)> listing(::opendir(folder.c_str()), &::closedir);
  if (!listing) return error_from_errno(errno, "open " + folder);
  std::vector<std::string> paths;
  while (const dirent* entry = ::readdir(listing.get())) {
    if (entry->d_type == DT_REG) paths.push_back(folder + "/" + entry->d_name);
  }
  // The order of a folder is the file system's; the same seed shall choose the same files.
  std::ranges::sort(paths);
  if (paths.empty()) return Error(Errc::not_found, "no file in " + folder);
  return paths;
}

}  // namespace

Content Content::generated(const SourceOptions& options, uint64_t body_bytes, uint32_t run) {
  Content content;
  std::string body = make_body(std::max(body_bytes, kLeastBodyBytes), Random(options.seed));
  const bool has_number = body.size() > kNumberChars + 2 && !options.no_token;
  if (has_number) body.replace(0, kNumberChars, zeros(kNumberChars));
  std::string head;
  if (!options.old_mode) {
    head += "From: <" + options.sender + ">\r\nTo: <" + options.recipient +
            ">\r\nDate: " + format_rfc5322_time(SystemClock().wall(), true) + "\r\nMessage-Id: <" +
            std::to_string(run) + ".";
    content.id_at_ = head.size();
    head += zeros(kNumberChars) + "@" + options.hello + ">\r\n";
    if (!options.subject.empty()) head += "Subject: " + options.subject + "\r\n";
    if (!options.no_token) {
      head += std::string(kTokenHeader) + " ";
      content.token_at_ = head.size();
      head += zeros(kTokenChars) + "\r\n";
    }
    head += "\r\n";
  }
  if (has_number) content.number_at_ = head.size();
  content.finish(options.bdat, head, body);
  return content;
}

Content Content::from_text(const SourceOptions& options, std::string_view text) {
  Content content;
  const std::string lines = with_crlf(text);
  const size_t blank = lines.starts_with("\r\n") ? 0 : lines.find("\r\n\r\n");
  const bool has_body = blank != std::string::npos;
  const size_t body_at = !has_body ? lines.size() : blank == 0 ? 2 : blank + 4;
  std::string head;
  if (!options.no_token) {
    head += std::string(kTokenHeader) + " ";
    content.token_at_ = head.size();
    head += zeros(kTokenChars) + "\r\n";
  }
  head.append(lines, 0, body_at);
  if (!has_body) head += "\r\n";
  content.finish(options.bdat, head, std::string_view(lines).substr(body_at));
  return content;
}

void Content::finish(bool for_bdat, std::string_view head, std::string_view body) {
  body_bytes_ = body.size();
  body_crc_ = crc32c(0, body);
  // A header cannot begin with a dot, and the fields that are patched stand before one that could.
  text_ = for_bdat ? std::string(head) : stuffed(head);
  body_at_ = text_.size();
  text_ += for_bdat ? std::string(body) : stuffed(body) + ".\r\n";
}

std::string_view Content::prepare(Token& token) noexcept {
  token.length = body_bytes_;
  token.crc = body_crc_;
  if (number_at_ != kNone) {
    // Generated lines never begin with a dot, so the body stands in text_ as it is.
    write_digits(text_.data() + number_at_, kNumberChars, token.sequence);
    token.crc = crc32c(0, std::string_view(text_).substr(body_at_, body_bytes_));
  }
  if (id_at_ != kNone) write_digits(text_.data() + id_at_, kNumberChars, token.sequence);
  if (token_at_ != kNone) write_token(token, text_.data() + token_at_);
  return text_;
}

Result<ContentSet> ContentSet::make(const SourceOptions& options, uint32_t run) {
  ContentSet set;
  uint64_t total = 0;
  const auto add = [&set, &total](Content content, uint64_t weight) {
    total += weight;
    set.contents_.push_back(std::move(content));
    set.weights_up_to_.push_back(total);
  };
  std::vector<std::string> paths;
  if (!options.message_file.empty()) paths.push_back(options.message_file);
  if (!options.corpus.empty()) {
    Result<std::vector<std::string>> found = files_of(options.corpus);
    if (!found) return found.error();
    paths = std::move(*found);
  }
  for (const std::string& path : paths) {
    const Result<std::string> text = read_whole_file(path);
    if (!text) return text.error();
    add(Content::from_text(options, *text), 1);
  }
  for (const SizeWeight& row : options.sizes)
    add(Content::generated(options, row.bytes, run), row.weight);
  if (set.contents_.empty())
    add(Content::generated(options, options.length.value_or(kDefaultBodyBytes), run), 1);
  return set;
}

Content& ContentSet::pick(Random& random) noexcept {
  if (contents_.size() == 1) return contents_.front();
  const uint64_t at = random.below(weights_up_to_.back());
  const auto found = std::ranges::upper_bound(weights_up_to_, at);
  return contents_[static_cast<size_t>(found - weights_up_to_.begin())];
}

}  // namespace godwit::bench
