#include "CAgentshRegex.h"

#include <re2/re2.h>

#include <cstring>
#include <new>
#include <string>

struct ash_regex {
  re2::RE2 re;
  ash_regex(const re2::StringPiece &pattern, const re2::RE2::Options &options) : re(pattern, options) {}
};

static void explain(char *error, size_t size, const char *reason) {
  if (error == nullptr || size == 0) return;
  std::strncpy(error, reason, size - 1);
  error[size - 1] = '\0';
}

extern "C" ash_regex *ash_regex_compile(const uint8_t *pattern, size_t length, int dot_newline, size_t max_memory,
                                        char *error, size_t error_size) {
  try {
    re2::RE2::Options options;
    options.set_encoding(re2::RE2::Options::EncodingLatin1);
    options.set_log_errors(false);
    options.set_max_mem(static_cast<int64_t>(max_memory));
    options.set_dot_nl(dot_newline != 0);
    // Only whether it matches is ever asked: without captures more patterns stay on the fast automata.
    options.set_never_capture(true);
    ash_regex *regex =
        new (std::nothrow) ash_regex(re2::StringPiece(reinterpret_cast<const char *>(pattern), length), options);
    if (regex == nullptr) {
      explain(error, error_size, "out of memory");
      return nullptr;
    }
    if (!regex->re.ok()) {
      explain(error, error_size, regex->re.error().c_str());
      delete regex;
      return nullptr;
    }
    return regex;
  } catch (...) {
    explain(error, error_size, "out of memory");
    return nullptr;
  }
}

extern "C" int ash_regex_match(const ash_regex *regex, const uint8_t *text, size_t length) {
  try {
    // An empty array may come as a null pointer, which RE2 must not see.
    const char *start = length == 0 ? "" : reinterpret_cast<const char *>(text);
    return regex->re.Match(re2::StringPiece(start, length), 0, length, re2::RE2::UNANCHORED, nullptr, 0) ? 1 : 0;
  } catch (...) {
    return -1;
  }
}

extern "C" void ash_regex_free(ash_regex *regex) { delete regex; }
