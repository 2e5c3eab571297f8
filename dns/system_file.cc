#include "dns/system_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>

namespace godwit::dns {

std::string read_system_file(const std::string& path) {
  std::string out;
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return out;
  std::array<char, 16384> buffer;
  while (out.size() < kSystemFileBytesMax) {
    const ssize_t count = ::read(fd, buffer.data(), buffer.size());
    if (count <= 0) break;
    out.append(buffer.data(), static_cast<size_t>(count));
  }
  ::close(fd);
  return out;
}

}  // namespace godwit::dns
