#include "acl/expand/scratch.h"

#include <array>
#include <memory>

namespace godwit::acl {
namespace {

struct Stock {
  ~Stock() {
    while (count > 0) const std::unique_ptr<std::string> dropped(texts[--count]);
  }

  std::array<std::string*, kScratchTextsMax> texts;
  size_t count = 0;
};

thread_local Stock stock;

}  // namespace

std::string* Scratch::take() {
  Stock& here = stock;
  if (here.count == 0) return std::make_unique<std::string>().release();
  return here.texts[--here.count];
}

void Scratch::give_back(std::string* text) noexcept {
  Stock& here = stock;
  if (here.count == kScratchTextsMax || text->capacity() > kScratchBytesMax) {
    const std::unique_ptr<std::string> dropped(text);
    return;
  }
  text->clear();
  here.texts[here.count++] = text;
}

}  // namespace godwit::acl
