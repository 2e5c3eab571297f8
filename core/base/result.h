// Result<T>: a value or an Error, with the member names of std::expected, and [[nodiscard]].
// Absence is not an error: a question is answered by Result<std::optional<T>> (yes, no, could not
// ask).
#pragma once

#include "core/base/assert.h"
#include "core/base/error.h"

#include <optional>
#include <utility>
#include <variant>

namespace godwit {

template <class T>
class [[nodiscard]] Result {
 public:
  using value_type = T;

  Result(T value) : content_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : content_(std::in_place_index<1>, std::move(error)) {}

  bool has_value() const noexcept { return content_.index() == 0; }
  explicit operator bool() const noexcept { return has_value(); }

  T& value() & {
    GODWIT_ASSERT(has_value());
    return *std::get_if<0>(&content_);
  }
  const T& value() const& {
    GODWIT_ASSERT(has_value());
    return *std::get_if<0>(&content_);
  }
  T&& value() && {
    GODWIT_ASSERT(has_value());
    return std::move(*std::get_if<0>(&content_));
  }
  T value_or(T otherwise) const& { return has_value() ? value() : std::move(otherwise); }

  Error& error() {
    GODWIT_ASSERT(!has_value());
    return *std::get_if<1>(&content_);
  }
  const Error& error() const {
    GODWIT_ASSERT(!has_value());
    return *std::get_if<1>(&content_);
  }

  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

 private:
  std::variant<T, Error> content_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  using value_type = void;

  Result() = default;
  Result(Error error) : error_(std::move(error)) {}

  bool has_value() const noexcept { return !error_.has_value(); }
  explicit operator bool() const noexcept { return has_value(); }
  void value() const { GODWIT_ASSERT(has_value()); }

  Error& error() {
    GODWIT_ASSERT(!has_value());
    return *error_;
  }
  const Error& error() const {
    GODWIT_ASSERT(!has_value());
    return *error_;
  }

 private:
  std::optional<Error> error_;
};

}  // namespace godwit
