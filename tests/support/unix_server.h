// UnixServer: accepts on a unix-domain socket and serves each connection with a task. What it says
// is the test's.
#pragma once

#include "core/io/listener.h"
#include "core/io/scope.h"
#include "core/io/uv_stream.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace godwit::test {

class UnixServer : public ConnectionHandler {
 public:
  UnixServer(Loop& loop, const std::string& path) {
    const Result<int> bound = bind_unix(path, 0600);
    EXPECT_TRUE(bound);
    if (!bound) return;
    auto opened = Listener::open(loop, *bound, UvStream::Kind::unix_socket, 8, *this);
    EXPECT_TRUE(opened);
    if (opened) listener_ = std::move(*opened);
  }
  void on_connection(std::unique_ptr<UvStream> stream) override {
    scope_.spawn(serve(std::move(stream)));
  }
  void on_accept_error(const Error& error) override { ADD_FAILURE() << error.to_string(); }
  bool is_idle() const { return scope_.running() == 0; }

 protected:
  virtual Task<void> serve(std::unique_ptr<UvStream> stream) = 0;

 private:
  std::unique_ptr<Listener> listener_;
  Scope scope_;
};

}  // namespace godwit::test
