// A text for a value on its way: its memory comes from a small stock of the thread and goes back
// there, so that what evaluators make and drop all the time costs no allocation. Used by evaluators
// of this floor. May be held while a fiber waits; nothing is taken before text() is asked for.
#pragma once

#include <cstddef>
#include <string>

namespace godwit::acl {

inline constexpr size_t kScratchTextsMax = 32;                // kept by a thread
inline constexpr size_t kScratchBytesMax = size_t{16} << 10;  // of one text that is kept

class Scratch {
 public:
  Scratch() = default;
  ~Scratch() {
    if (text_ != nullptr) give_back(text_);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  // Empty at first.
  std::string& text() {
    if (text_ == nullptr) text_ = take();
    return *text_;
  }

 private:
  static std::string* take();
  static void give_back(std::string* text) noexcept;

  std::string* text_ = nullptr;
};

}  // namespace godwit::acl
