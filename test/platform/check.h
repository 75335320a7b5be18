#pragma once
// Cases and their claims. A failed claim ends its case; the program's exit code is the number of failed cases.

#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

struct Case {
  std::string name;
  std::function<void()> run;
};

/// All cases of the program, in file order.
std::vector<Case>& cases();

/// Thrown by a case that has checked what it can: Wine does not support the rest, so nothing was learnt about
/// Windows.
struct Undecided {
  std::string reason;
};
bool under_wine();

struct Register {
  Register(std::string name, std::function<void()> run) { cases().push_back({std::move(name), std::move(run)}); }
};

/// A directory that is empty at the start of a case; its name contains letters of several alphabets.
std::string scratch();
/// A path in it.
std::string at(const std::string& name);

/// Runs this program as a child process and waits: `what` is one of main.cpp's roles. Returns its exit code.
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
