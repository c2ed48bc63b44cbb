//===- Dump.cpp - every rung as a numbered file -----------------------------===//
#include "heddle/Support/Dump.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

using namespace heddle;

llvm::Error heddle::writeFile(llvm::StringRef path, llvm::StringRef bytes) {
  auto failed = [&](std::error_code code) {
    return llvm::createStringError("expected to write '" + path + "', got: " + code.message());
  };
  // A device or a pipe cannot be replaced by renaming.
  llvm::sys::fs::file_status status;
  if (!llvm::sys::fs::status(path, status) && !llvm::sys::fs::is_regular_file(status)) {
    std::error_code code;
    llvm::raw_fd_ostream stream(path, code);
    if (code)
      return failed(code);
    stream << bytes;
    return llvm::Error::success();
  }
  llvm::Expected<llvm::sys::fs::TempFile> file =
      llvm::sys::fs::TempFile::create(path + ".%%%%%%", llvm::sys::fs::all_read | llvm::sys::fs::owner_write);
  if (!file)
    return failed(llvm::errorToErrorCode(file.takeError()));
  llvm::raw_fd_ostream stream(file->FD, /*shouldClose=*/false);
  stream << bytes;
  stream.flush();
  if (stream.has_error()) {
    std::error_code code = stream.error();
    stream.clear_error();
    llvm::consumeError(file->discard());
    return failed(code);
  }
  if (llvm::Error error = file->keep(path))
    return failed(llvm::errorToErrorCode(std::move(error)));
  return llvm::Error::success();
}

llvm::Error Dumper::write(llvm::StringRef name, llvm::StringRef text) {
  if (!isOn())
    return llvm::Error::success();
  if (std::error_code code = llvm::sys::fs::create_directories(directory))
    return llvm::createStringError("expected a directory at '" + directory + "', got: " + code.message());
  std::string file = llvm::formatv("{0:D2}-{1}", next++, name);
  for (char &c : file)
    if (c == ':' || c == '/')
      c = '-';
  llvm::SmallString<128> path(directory);
  llvm::sys::path::append(path, file);
  return writeFile(path, text);
}
