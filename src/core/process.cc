#include "tailor/core/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>

#include "tailor/core/error.h"
#include "tailor/core/interrupt.h"

namespace tailor::core {

namespace {

/// NAME=VALUE of this process and of `changes`; each name once, the last setting: of two, a shell
/// takes the other than getenv.
std::map<std::string, std::string> environment_with(const ProcessVariables& changes) {
  std::map<std::string, std::string> named;
  for (char** e = environ; *e; ++e) {
    const std::string variable = *e;
    named[variable.substr(0, variable.find('='))] = variable;
  }
  for (const auto& [name, value] : changes) named[name] = name + "=" + value;
  return named;
}

/// Forks, and in the child runs `prepare` and then the program. Between fork and exec only
/// async-signal-safe calls are allowed: everything else that the child needs is made before.
/// `prepare` says by false and errno that it failed. Throws ExternalTool, then no child is left.
pid_t start(const std::vector<std::string>& argv, const ProcessVariables& environment,
            const std::string& where, const std::function<bool()>& prepare) {
  TAILOR_CHECK(!argv.empty(), "nothing to run");
  std::vector<char*> arguments;
  arguments.reserve(argv.size() + 1);
  for (const std::string& a : argv) arguments.push_back(const_cast<char*>(a.c_str()));
  arguments.push_back(nullptr);
  auto named = environment_with(environment);
  std::vector<char*> variables;
  variables.reserve(named.size() + 1);
  for (auto& [name, variable] : named) variables.push_back(variable.data());
  variables.push_back(nullptr);
  int failure[2];
  if (::pipe2(failure, O_CLOEXEC) != 0)
    fail(ErrorKind::ExternalTool, "cannot run {}: {}", argv[0], std::strerror(errno));
  const pid_t child = ::fork();
  if (child == 0) {
    if (prepare()) ::execvpe(arguments[0], arguments.data(), variables.data());
    int error = errno;
    [[maybe_unused]] ssize_t n = ::write(failure[1], &error, sizeof error);
    ::_exit(127);
  }
  int error = child < 0 ? errno : 0;
  ::close(failure[1]);
  ssize_t said = -1;
  while (child > 0 && (said = ::read(failure[0], &error, sizeof error)) < 0 && errno == EINTR) {
  }
  ::close(failure[0]);
  if (child > 0 && said != sizeof error) return child;
  if (child > 0) ::waitpid(child, nullptr, 0);
  fail(ErrorKind::ExternalTool, "cannot run {}{}: {}", argv[0], where, std::strerror(error));
}

/// As a shell has it.
int exit_status(int status) {
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/// All that the child writes, until it closes its end.
std::string read_output(int descriptor, pid_t child) {
  std::string output;
  char buffer[4096];
  bool told = false;
  for (;;) {
    // A Ctrl-C on the terminal reaches the child by itself; a signal to this process alone is
    // passed on.
    if (int signal = pending_interrupt(); signal != 0 && !told) {
      ::kill(child, SIGTERM);
      told = true;
    }
    pollfd ready{descriptor, POLLIN, 0};
    if (::poll(&ready, 1, 100) <= 0) continue;
    ssize_t n = ::read(descriptor, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    output.append(buffer, static_cast<size_t>(n));
  }
  return output;
}

}  // namespace

ProcessResult run_process(const std::vector<std::string>& argv, const std::string& folder,
                          const ProcessVariables& environment) {
  int output[2];
  if (::pipe2(output, O_CLOEXEC) != 0)
    fail(ErrorKind::ExternalTool, "cannot run {}: {}", argv.at(0), std::strerror(errno));
  pid_t child = 0;
  try {
    child = start(argv, environment, " in " + folder, [&] {
      return ::chdir(folder.c_str()) == 0 && ::dup2(output[1], STDOUT_FILENO) >= 0 &&
             ::dup2(output[1], STDERR_FILENO) >= 0;
    });
  } catch (...) {
    ::close(output[0]), ::close(output[1]);
    throw;
  }
  ::close(output[1]);
  ProcessResult result;
  result.output = read_output(output[0], child);
  ::close(output[0]);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  throw_if_interrupted();
  result.status = exit_status(status);
  return result;
}

BackgroundProcess::BackgroundProcess(const std::vector<std::string>& argv, const std::string& log,
                                     const ProcessVariables& environment) {
  const int output = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (output < 0) fail(ErrorKind::Data, "cannot write {}: {}", log, std::strerror(errno));
  const int input = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  const pid_t parent = ::getpid();
  auto close_all = [&] { ::close(output), ::close(input); };
  try {
    process_ = start(argv, environment, "", [&] {
      ::setpgid(0, 0);
      ::prctl(PR_SET_PDEATHSIG, SIGTERM);
      if (::getppid() != parent) ::_exit(128 + SIGTERM);
      return ::dup2(input, STDIN_FILENO) >= 0 && ::dup2(output, STDOUT_FILENO) >= 0 &&
             ::dup2(output, STDERR_FILENO) >= 0;
    });
  } catch (...) {
    close_all();
    throw;
  }
  close_all();
}

BackgroundProcess::~BackgroundProcess() {
  if (status()) return;
  signal(SIGTERM);
  while (::waitpid(process_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

void BackgroundProcess::signal(int number) {
  if (!status()) ::kill(process_, number);
}

std::optional<int> BackgroundProcess::status() {
  int status = 0;
  if (!status_ && ::waitpid(process_, &status, WNOHANG) == process_) status_ = exit_status(status);
  return status_;
}

}  // namespace tailor::core
