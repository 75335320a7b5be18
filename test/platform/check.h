#pragma once
// Cases and what they claim. A claim that fails ends its case; the program's exit code is the number of failed cases.

#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

struct Case {
  std::string name;
  std::function<void()> run;
};

/// All cases of the program, in the order of their files.
std::vector<Case>& cases();

/// What Wine cannot do, so that nothing was learnt of Windows: thrown by a case that claimed what there was to claim.
struct CannotTell {
  std::string reason;
};
bool under_wine();

struct Register {
  Register(std::string name, std::function<void()> run) { cases().push_back({std::move(name), std::move(run)}); }
};

/// A directory that is empty when a case begins; its name holds letters of several alphabets.
std::string scratch();
/// A path in it.
std::string at(const std::string& name);

/// Runs this program as a process of its own and waits: `what` is one of main.cpp's roles. The answer is its exit code.
int other_process(const std::string& what, const std::string& path);

void write_text(const std::string& path, const std::string& text);
std::string text_of(const std::string& path);
/// Names in a directory, sorted.
std::vector<std::string> names_in(const std::string& directory);

[[noreturn]] inline void claim_failed(const char* claim, const char* file, int line) {
  throw std::runtime_error(std::string(file) + ":" + std::to_string(line) + ": expected " + claim);
}

#define CHECK(claim) (static_cast<bool>(claim) ? static_cast<void>(0) : claim_failed(#claim, __FILE__, __LINE__))
#define CASE_NAME(line) case_##line
#define CASE_AT(name, line) \
  static void CASE_NAME(line)(); \
  static const Register register_##line(name, &CASE_NAME(line)); \
  static void CASE_NAME(line)()
#define CASE_EXPANDED(name, line) CASE_AT(name, line)
#define CASE(name) CASE_EXPANDED(name, __LINE__)
