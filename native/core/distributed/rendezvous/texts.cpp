#include "core/distributed/rendezvous/texts.h"

#include <algorithm>
#include <sstream>

namespace reviewkd::meeting {

std::string key(const char* name, int64_t rank) { return std::string(name) + "/" + std::to_string(rank); }

std::vector<std::string> keys(const char* name, int64_t size) {
  std::vector<std::string> all;
  all.reserve(static_cast<size_t>(size));
  for (int64_t rank = 0; rank < size; ++rank) all.push_back(key(name, rank));
  return all;
}

std::string sentence_of(const std::string& reason) {
  std::string sentence = reason.substr(0, reason.find('\n'));
  if (sentence.starts_with('[')) sentence = sentence.substr(std::min(sentence.find("] ") + 2, sentence.size()));
  sentence = sentence.substr(0, sentence.find(". This is typically"));
  while (sentence.ends_with('.')) sentence.pop_back();
  return sentence;
}

std::string list_of(const std::vector<int64_t>& ranks) {
  constexpr size_t kMost = 8;
  std::string text;
  for (size_t i = 0; i < std::min(ranks.size(), kMost); ++i) text += (i > 0 ? ", " : "") + std::to_string(ranks[i]);
  return ranks.size() > kMost ? text + ", … (" + std::to_string(ranks.size()) + " in all)" : text;
}

std::string hello_of(const Member& member) {
  std::ostringstream text;
  text << member.rank << '\n'
       << member.size << '\n'
       << member.process_id << '\n'
       << member.version << '\n'
       << member.host;
  return text.str();
}

Member member_of(const std::string& text) {
  std::istringstream lines(text);
  Member member;
  lines >> member.rank >> member.size >> member.process_id >> std::ws;
  std::getline(lines, member.version);
  std::getline(lines, member.host);
  return member;
}

std::string text_of(const Error& error) { return std::string(to_string(error.code())) + "\n" + error.what(); }

Error error_from(const std::string& text) {
  const size_t end = std::min(text.find('\n'), text.size());
  const auto code = error_code_of(text.substr(0, end));
  return {code.value_or(ErrorCode::kInternal), text.substr(std::min(end + 1, text.size()))};
}

}  // namespace reviewkd::meeting
