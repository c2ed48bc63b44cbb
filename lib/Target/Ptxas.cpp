//===- Ptxas.cpp - PTX to cubin by NVIDIA's assembler -----------------------===//
#include "heddle/Target/Ptxas.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/raw_ostream.h"

using namespace heddle;

/// The number right before `unit` in `line`, e.g. 168 of "Used 168 registers, .."; 0 when it is not there.
static int64_t numberBefore(llvm::StringRef line, llvm::StringRef unit) {
  size_t position = line.find(unit);
  if (position == llvm::StringRef::npos)
    return 0;
  llvm::StringRef before = line.take_front(position).rtrim();
  llvm::StringRef digits = before.take_back(before.size() - before.find_last_not_of("0123456789") - 1);
  int64_t number = 0;
  return digits.getAsInteger(10, number) ? 0 : number;
}

PtxasReport heddle::readPtxasOutput(llvm::StringRef output) {
  PtxasReport report;
  std::string current;
  llvm::SmallVector<llvm::StringRef> lines;
  output.split(lines, '\n');
  for (llvm::StringRef line : lines) {
    line = line.trim();
    if (line.contains("Compiling entry function '"))
      current = line.split("Compiling entry function '").second.split('\'').first.str();
    else if (line.contains("Function properties for "))
      current = line.split("Function properties for ").second.str();
    else if (line.contains("bytes stack frame")) {
      report.kernels[current].stackBytes = numberBefore(line, " bytes stack frame");
      report.kernels[current].spillStoreBytes = numberBefore(line, " bytes spill stores");
      report.kernels[current].spillLoadBytes = numberBefore(line, " bytes spill loads");
    } else if (line.contains("Used ") && line.contains(" registers"))
      report.kernels[current].registers = numberBefore(line, " registers");
    else if (line.contains("C7512") || line.contains("C7513") || line.contains("C7520"))
      report.serialized.push_back(line.str());
    else if (line.contains("(C7") || line.contains("warning"))
      report.warnings.push_back(line.str());
  }
  return report;
}

llvm::Expected<std::string> heddle::findPtxas(llvm::StringRef given) {
  if (!given.empty()) {
    if (llvm::sys::fs::can_execute(given))
      return given.str();
    return llvm::createStringError("expected ptxas at '" + given + "', got no program there");
  }
  if (llvm::ErrorOr<std::string> found = llvm::sys::findProgramByName("ptxas"))
    return *found;
  if (llvm::ErrorOr<std::string> found = llvm::sys::findProgramByName("ptxas", {"/usr/local/cuda/bin"}))
    return *found;
  return llvm::createStringError("expected ptxas on the PATH or in /usr/local/cuda/bin, got none");
}

namespace {
/// A temporary file that is removed with its owner.
struct Scratch {
  llvm::SmallString<64> path;
  llvm::FileRemover remover;

  llvm::Error create(llvm::StringRef extension, llvm::StringRef content) {
    int descriptor;
    if (std::error_code code = llvm::sys::fs::createTemporaryFile("heddle", extension, descriptor, path))
      return llvm::createStringError("expected a writable temporary directory, got: " + code.message());
    remover.setFile(path);
    llvm::raw_fd_ostream stream(descriptor, /*shouldClose=*/true);
    stream << content;
    stream.close();
    if (!stream.has_error())
      return llvm::Error::success();
    std::error_code code = stream.error();
    stream.clear_error();
    return llvm::createStringError("expected to write '" + path + "', got: " + code.message());
  }
  std::string read() const {
    auto buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false);
    return buffer ? (*buffer)->getBuffer().str() : std::string();
  }
};
} // namespace

llvm::Expected<std::string> heddle::runPtxas(llvm::StringRef program, llvm::StringRef ptx, llvm::StringRef architecture,
                                             PtxasReport &report) {
  Scratch input, output, log;
  for (auto [scratch, extension, content] :
       {std::tuple(&input, "ptx", ptx), std::tuple(&output, "cubin", llvm::StringRef()),
        std::tuple(&log, "log", llvm::StringRef())})
    if (llvm::Error error = scratch->create(extension, content))
      return std::move(error);
  std::string archOption = ("-arch=" + architecture).str();
  llvm::StringRef arguments[] = {program, archOption, "-O3", "-v", input.path, "-o", output.path};
  std::optional<llvm::StringRef> redirects[] = {llvm::StringRef(), log.path.str(), log.path.str()};
  std::string message;
  int code = llvm::sys::ExecuteAndWait(program, arguments, std::nullopt, redirects, 0, 0, &message);
  std::string text = log.read();
  if (code != 0)
    return llvm::createStringError("expected ptxas to accept the code for " + architecture +
                                   ", got: " + llvm::StringRef(message.empty() ? text : message).rtrim());
  report = readPtxasOutput(text);
  return output.read();
}
