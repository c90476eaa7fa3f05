#include "tailor/core/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <map>

#include "tailor/core/error.h"
#include "tailor/core/interrupt.h"

namespace tailor::core {

ProcessResult run_process(const std::vector<std::string>& argv, const std::string& folder,
                          const std::vector<std::pair<std::string, std::string>>& environment) {
  TAILOR_CHECK(!argv.empty(), "nothing to run");
  // Everything the child needs is made before fork: between fork and exec only async-signal-safe
  // calls are allowed.
  std::vector<char*> arguments;
  arguments.reserve(argv.size() + 1);
  for (const std::string& a : argv) arguments.push_back(const_cast<char*>(a.c_str()));
  arguments.push_back(nullptr);
  // Each name once, the last setting: of two, a shell takes the other than getenv.
  std::map<std::string, std::string> named;
  for (char** e = environ; *e; ++e) {
    const std::string variable = *e;
    named[variable.substr(0, variable.find('='))] = variable;
  }
  for (const auto& [name, value] : environment) named[name] = name + "=" + value;
  std::vector<char*> variable_pointers;
  variable_pointers.reserve(named.size() + 1);
  for (auto& [name, variable] : named) variable_pointers.push_back(variable.data());
  variable_pointers.push_back(nullptr);
  int output[2], failure[2];
  if (::pipe2(output, O_CLOEXEC) != 0 || ::pipe2(failure, O_CLOEXEC) != 0)
    fail(ErrorKind::ExternalTool, "cannot run {}: {}", argv[0], std::strerror(errno));
  const pid_t child = ::fork();
  if (child < 0) fail(ErrorKind::ExternalTool, "cannot run {}: {}", argv[0], std::strerror(errno));
  if (child == 0) {
    if (::chdir(folder.c_str()) == 0) {
      ::dup2(output[1], STDOUT_FILENO);
      ::dup2(output[1], STDERR_FILENO);
      ::execvpe(arguments[0], arguments.data(), variable_pointers.data());
    }
    int error = errno;
    [[maybe_unused]] ssize_t n = ::write(failure[1], &error, sizeof error);
    ::_exit(127);
  }
  ::close(output[1]);
  ::close(failure[1]);
  ProcessResult result;
  char buffer[4096];
  bool told = false;
  for (;;) {
    // A Ctrl-C on the terminal reaches the child by itself; a signal to this process alone is
    // passed on.
    if (int signal = pending_interrupt(); signal != 0 && !told) {
      ::kill(child, SIGTERM);
      told = true;
    }
    pollfd ready{output[0], POLLIN, 0};
    if (::poll(&ready, 1, 100) <= 0) continue;
    ssize_t n = ::read(output[0], buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    result.output.append(buffer, static_cast<size_t>(n));
  }
  ::close(output[0]);
  int error = 0;
  const bool failed = ::read(failure[0], &error, sizeof error) == sizeof error;
  ::close(failure[0]);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  throw_if_interrupted();
  if (failed)
    fail(ErrorKind::ExternalTool, "cannot run {} in {}: {}", argv[0], folder, std::strerror(error));
  result.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

}  // namespace tailor::core
