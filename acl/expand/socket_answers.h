// SocketAnswers: what ${readsocket with cache=yes was told, kept for the questions of one message.
// Owned by the services of that message (daemon/services.h). A question without cache=yes makes
// what is kept of its place void.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>

namespace godwit::acl {

inline constexpr size_t kSocketAnswersBytesMax = 4u
                                                 << 20;  // of questions and answers; then no more

class SocketAnswers {
 public:
  // The answer of `place` to `question`, or null.
  const std::string* find(std::string_view place, std::string_view question) const {
    const auto known = places_.find(place);
    if (known == places_.end()) return nullptr;
    const auto answer = known->second.find(question);
    return answer == known->second.end() ? nullptr : &answer->second;
  }
  void keep(std::string_view place, std::string_view question, std::string_view answer) {
    const size_t bytes = place.size() + question.size() + answer.size();
    if (bytes > kSocketAnswersBytesMax - bytes_) return;
    bytes_ += bytes;
    places_[std::string(place)].insert_or_assign(std::string(question), std::string(answer));
  }
  void forget_place(std::string_view place) {
    const auto known = places_.find(place);
    if (known != places_.end()) known->second.clear();
  }
  void forget() {
    places_.clear();
    bytes_ = 0;
  }

 private:
  using Answers = std::map<std::string, std::string, std::less<>>;
  std::map<std::string, Answers, std::less<>> places_;
  size_t bytes_ = 0;  // that were kept since forget()
};

}  // namespace godwit::acl
