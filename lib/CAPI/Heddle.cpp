//===- Heddle.cpp - the compiler as a C library -----------------------------===//
#include "heddle-c/Heddle.h"
#include "heddle/Compiler/Compiler.h"
#include <cstddef>
#include <cstdlib>
#include <cstring>

using namespace heddle;

/// A caller built against an older header passes a shorter struct: what it lacks keeps its default.
static heddle_compile_options complete(const heddle_compile_options *given) {
  heddle_compile_options options = heddle_compile_options_default();
  if (given)
    std::memcpy(&options, given, std::min(given->struct_size, sizeof(options)));
  return options;
}

static CompileOptions translate(const heddle_compile_options *given) {
  heddle_compile_options c = complete(given);
  CompileOptions options;
  auto assign = [](std::string &field, const char *value) {
    if (value)
      field = value;
  };
  assign(options.targets, c.targets);
  assign(options.dumpDirectory, c.dump_dir);
  assign(options.schedule, c.schedule);
  assign(options.fileName, c.file_name);
  assign(options.ptxas, c.ptxas);
  assign(options.only, c.only);
  if (c.handler)
    options.handler = [c](const Message &message) {
      c.handler(c.user, message.severity, message.file.c_str(), message.line, message.column, message.text.c_str());
    };
  return options;
}

/// Hand a result over; 1 when there is no memory for it.
static int give(const std::string &text, heddle_bytes *bytes) {
  bytes->data = static_cast<char *>(std::malloc(text.size() + 1));
  if (!bytes->data)
    return 1;
  std::memcpy(bytes->data, text.c_str(), text.size() + 1);
  bytes->size = text.size();
  return 0;
}

void heddle_bytes_free(heddle_bytes *bytes) {
  std::free(bytes->data);
  *bytes = {nullptr, 0};
}

heddle_compile_options heddle_compile_options_default(void) {
  heddle_compile_options options = {};
  options.struct_size = sizeof(options);
  return options;
}

int heddle_compile(const char *text, size_t size, const heddle_compile_options *options, heddle_bytes *pack) {
  std::string result;
  *pack = {nullptr, 0};
  return failed(compile({text, size}, translate(options), result)) ? 1 : give(result, pack);
}

int heddle_emit(const char *text, size_t size, const char *rung, const heddle_compile_options *options,
                heddle_bytes *bytes) {
  std::string result;
  *bytes = {nullptr, 0};
  return failed(emitRung({text, size}, rung, translate(options), result)) ? 1 : give(result, bytes);
}

int heddle_explain_spec(const char *text, size_t size, const heddle_compile_options *options, heddle_bytes *bytes) {
  std::string result;
  *bytes = {nullptr, 0};
  return failed(explain({text, size}, translate(options), result)) ? 1 : give(result, bytes);
}

int heddle_compile_reference(const char *text, size_t size, const heddle_compile_options *options, heddle_bytes *pack) {
  std::string result;
  *pack = {nullptr, 0};
  return failed(compileReference({text, size}, translate(options), result)) ? 1 : give(result, pack);
}

int heddle_content_key(const char *text, size_t size, const heddle_compile_options *options, uint64_t *key) {
  return failed(contentKey({text, size}, translate(options), *key));
}

const char *heddle_version(void) {
  static const std::string version = compilerVersion().str();
  return version.c_str();
}
