#include "tests/support/lookup_server.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace godwit::test {
namespace {

constexpr std::array kNames{"redis", "postgres", "mariadb"};
constexpr std::array kSockets{"/redis", "/.s.PGSQL.5432", "/mariadb"};
constexpr int kStopTries = 500;   // a hundredth of a second each
constexpr int kStartTries = 600;  // a twentieth of a second each

std::string packages_of(const std::string& source_dir) {
  const char* const peers = std::getenv("GODWIT_PEERS");
  return (peers != nullptr ? std::string(peers) : source_dir + "/build/peers") + "/lookup";
}

}  // namespace

TempDirectory::TempDirectory() : path_("/var/tmp/godwit-lookup-XXXXXX") {
  if (::mkdtemp(path_.data()) == nullptr) std::abort();
  ::chmod(path_.c_str(), 0755);
}

TempDirectory::~TempDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string TempDirectory::write(const std::string& name, const std::string& content) const {
  const std::string file = path_ + "/" + name;
  std::ofstream(file, std::ios::binary | std::ios::trunc) << content;
  return file;
}

LookupServer::LookupServer(System system, std::string source_dir, std::vector<std::string> options)
    : system_(system), source_dir_(std::move(source_dir)), options_(std::move(options)) {
  socket_ = directory_.path() + kSockets[static_cast<size_t>(system)];
}

LookupServer::~LookupServer() {
  kill();
}

bool LookupServer::start() {
  const std::string packages = packages_of(source_dir_);
  if (::access((packages + "/complete").c_str(), F_OK) != 0) {
    missing_ = true;
    problem_ = "run scripts/fetch-lookup-servers: there is no " + packages;
    return false;
  }
  std::filesystem::remove(socket_);
  const std::string program = source_dir_ + "/tests/support/lookup-server";
  std::vector<std::string> words{program, kNames[static_cast<size_t>(system_)], packages,
                                 directory_.path()};
  words.insert(words.end(), options_.begin(), options_.end());
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  pid_ = ::fork();
  if (pid_ == 0) {
    ::setpgid(0, 0);
    // A test that dies takes its server with it.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int out =
        ::open((directory_.path() + "/log").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
    ::dup2(out, STDOUT_FILENO);
    ::dup2(out, STDERR_FILENO);
    ::execv(arguments[0], arguments.data());
    ::_exit(127);
  }
  ::setpgid(pid_, pid_);
  for (int i = 0; i < kStartTries; ++i) {
    if (answers()) return true;
    if (::waitpid(pid_, nullptr, WNOHANG) == pid_) {
      pid_ = -1;
      break;
    }
    ::poll(nullptr, 0, 50);
  }
  problem_ = "the server did not start: " + log();
  return false;
}

std::string LookupServer::log() const {
  std::ifstream text(directory_.path() + "/log");
  return {std::istreambuf_iterator<char>(text), {}};
}

bool LookupServer::answers() const {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const size_t bytes = std::min(socket_.size(), sizeof address.sun_path - 1);
  std::memcpy(address.sun_path, socket_.data(), bytes);
  const int status = ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  ::close(fd);
  if (status != 0) return false;
  // PostgreSQL listens a moment before it takes connections.
  return system_ != System::postgres ||
         log().find("ready to accept connections") != std::string::npos;
}

void LookupServer::kill() {
  if (pid_ < 0) return;
  // PostgreSQL's children are in groups of their own; SIGQUIT makes it end them, and itself, at
  // once.
  ::kill(-pid_, system_ == System::postgres ? SIGQUIT : SIGKILL);
  for (int i = 0; i < kStopTries && ::waitpid(pid_, nullptr, WNOHANG) == 0; ++i)
    ::poll(nullptr, 0, 10);
  ::kill(-pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

void LookupServer::pause() {
  ::kill(-pid_, SIGSTOP);
}

void LookupServer::resume() {
  ::kill(-pid_, SIGCONT);
}

}  // namespace godwit::test
