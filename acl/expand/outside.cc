#include "acl/expand/outside.h"

#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

namespace godwit::acl {
namespace {

struct StatAnswer {
  int error = 0;
  struct stat facts {};
};

StatAnswer stat_now(const std::string& path) {
  StatAnswer answer;
  if (::stat(path.c_str(), &answer.facts) != 0) answer.error = errno;
  return answer;
}

// "-rw-r--r--"
std::string mode_text(mode_t mode) {
  char kind = '?';
  if (S_ISREG(mode)) kind = '-';
  if (S_ISDIR(mode)) kind = 'd';
  if (S_ISLNK(mode)) kind = 'l';
  if (S_ISCHR(mode)) kind = 'c';
  if (S_ISBLK(mode)) kind = 'b';
  if (S_ISFIFO(mode)) kind = 'p';
  if (S_ISSOCK(mode)) kind = 's';
  std::string text(1, kind);
  constexpr std::string_view kLetters = "rwxrwxrwx";
  for (size_t i = 0; i < kLetters.size(); ++i) {
    const bool set = (mode & (0400u >> i)) != 0;
    text += set ? kLetters[i] : '-';
  }
  struct Special {
    mode_t bit;
    size_t at;
    char letter;
  };
  constexpr std::array<Special, 3> kSpecials{{{04000, 3, 's'}, {02000, 6, 's'}, {01000, 9, 't'}}};
  for (const Special& special : kSpecials) {
    if ((mode & special.bit) == 0) continue;
    const bool executes = text[special.at] == 'x';
    text[special.at] = executes ? special.letter : static_cast<char>(special.letter - 32);
  }
  return text;
}

}  // namespace

void append_lines(std::string_view text, const std::vector<Value>& args, size_t eol,
                  std::string& out) {
  if (args.size() <= eol) {
    out += text;
    return;
  }
  for (char c : text) {
    if (c == '\n') {
      out += args[eol].text;
    } else {
      out += c;
    }
  }
}

Loop* loop_for_waiting(EvalContext& context, std::string_view what) {
  Loop* loop = context.services == nullptr ? nullptr : context.services->loop;
  if (loop != nullptr && Fiber::is_current()) return loop;
  context.error = std::string(what) + " cannot be waited for here";
  return nullptr;
}

EvalStatus append_file_facts(const std::string& path, EvalContext& context, std::string& out) {
  Loop* loop = loop_for_waiting(context, "a file");
  if (loop == nullptr) return EvalStatus::deferred;
  const StatAnswer answer = on_pool(*loop, [&path] { return stat_now(path); });
  if (answer.error != 0) {
    return fail(context, "stat(" + path + ") failed: " + std::strerror(answer.error));
  }
  const struct stat& facts = answer.facts;
  std::array<char, 16> mode{};
  std::snprintf(mode.data(), mode.size(), "%04lo",
                static_cast<unsigned long>(facts.st_mode & 077777));
  out += std::string("mode=") + mode.data() + " smode=" + mode_text(facts.st_mode);
  const auto add = [&out](std::string_view name, auto value) {
    out += " " + std::string(name) + "=" + std::to_string(value);
  };
  add("inode", facts.st_ino);
  add("device", facts.st_dev);
  add("links", facts.st_nlink);
  add("uid", facts.st_uid);
  add("gid", facts.st_gid);
  add("size", facts.st_size);
  add("atime", facts.st_atime);
  add("mtime", facts.st_mtime);
  add("ctime", facts.st_ctime);
  return EvalStatus::ok;
}

EvalStatus file_exists(const std::string& path, EvalContext& context, bool& answer) {
  Loop* loop = loop_for_waiting(context, "a file");
  if (loop == nullptr) return EvalStatus::deferred;
  const StatAnswer found = on_pool(*loop, [&path] { return stat_now(path); });
  answer = found.error == 0;
  return EvalStatus::ok;
}

}  // namespace godwit::acl
