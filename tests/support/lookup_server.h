// A real Redis, PostgreSQL or MariaDB for one test: tests/support/lookup-server with the packages
// of scripts/fetch-lookup-servers. It listens on a unix socket in a directory of its own and ends
// with its owner.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace godwit::test {

// A directory under /var/tmp that unprivileged servers reach; removed with its content.
class TempDirectory {
 public:
  TempDirectory();
  ~TempDirectory();
  TempDirectory(const TempDirectory&) = delete;
  TempDirectory& operator=(const TempDirectory&) = delete;
  const std::string& path() const noexcept { return path_; }
  // Writes PATH/`name` anew and gives its path.
  std::string write(const std::string& name, const std::string& content) const;

 private:
  std::string path_;
};

class LookupServer {
 public:
  enum class System { redis, postgres, mariadb };

  LookupServer(System system, std::string source_dir, std::vector<std::string> options = {});
  ~LookupServer();
  LookupServer(const LookupServer&) = delete;
  LookupServer& operator=(const LookupServer&) = delete;

  // Starts it and waits until it answers, half a minute at most. False: `problem()` says why, and
  // `is_missing()` if it is not there at all.
  bool start();
  bool is_missing() const noexcept { return missing_; }
  const std::string& problem() const noexcept { return problem_; }
  // Kills it (SIGKILL), or stops and continues it.
  void kill();
  void pause();
  void resume();
  const std::string& socket() const noexcept { return socket_; }

 private:
  bool answers() const;
  std::string log() const;

  System system_;
  std::string source_dir_;
  std::vector<std::string> options_;
  TempDirectory directory_;
  std::string socket_;
  std::string problem_;
  bool missing_ = false;
  pid_t pid_ = -1;  // leads a process group of its own
};

}  // namespace godwit::test
