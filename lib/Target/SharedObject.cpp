//===- SharedObject.cpp - an object as a shared library, by lld in-process --===//
#include "heddle/Support/Dump.h"
#include "heddle/Target/CodeGeneration.h"
#include "lld/Common/Driver.h"
#include "llvm/Object/ObjectFile.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include <mutex>

LLD_HAS_DRIVER(elf)

using namespace heddle;

namespace {
/// lld reads and writes files: a directory of our own, gone with everything in it.
class ScratchDirectory {
public:
  static llvm::Expected<ScratchDirectory> create() {
    ScratchDirectory result;
    if (std::error_code code = llvm::sys::fs::createUniqueDirectory("heddle", result.path))
      return llvm::createStringError("expected a writable temporary directory, got: " + code.message());
    return std::move(result);
  }
  ScratchDirectory(ScratchDirectory &&other) : path(std::move(other.path)) { other.path.clear(); }
  ~ScratchDirectory() {
    if (!path.empty())
      llvm::sys::fs::remove_directories(path);
  }
  std::string file(llvm::StringRef name) const {
    llvm::SmallString<128> result(path);
    llvm::sys::path::append(result, name);
    return std::string(result);
  }

private:
  ScratchDirectory() = default;
  llvm::SmallString<128> path;
};

/// Whether `name` is one of the functions that LLVM itself may call: they are in every C library.
bool isMemoryFunction(llvm::StringRef name) {
  return name == "memcpy" || name == "memmove" || name == "memset" || name == "memcmp";
}

/// The undefined functions of an object that the C library proper does not have.
llvm::Expected<std::vector<std::string>> findMathFunctions(llvm::StringRef object) {
  auto file = llvm::object::ObjectFile::createObjectFile(llvm::MemoryBufferRef(object, "object"));
  if (!file)
    return file.takeError();
  std::vector<std::string> names;
  for (const llvm::object::SymbolRef &symbol : (*file)->symbols()) {
    llvm::Expected<uint32_t> flags = symbol.getFlags();
    llvm::Expected<llvm::StringRef> name = symbol.getName();
    if (!flags || !name)
      return llvm::joinErrors(flags.takeError(), name.takeError());
    bool isUndefined = *flags & llvm::object::SymbolRef::SF_Undefined;
    if (isUndefined && !name->empty() && *name != "_GLOBAL_OFFSET_TABLE_" && !isMemoryFunction(*name))
      names.push_back(name->str());
  }
  return std::move(names);
}

/// lld keeps state in globals, so one link at a time; each takes milliseconds.
llvm::Error runLinker(llvm::ArrayRef<std::string> arguments) {
  static std::mutex mutex;
  std::lock_guard<std::mutex> lock(mutex);
  llvm::SmallVector<const char *> pointers = {"ld.lld"};
  for (const std::string &argument : arguments)
    pointers.push_back(argument.c_str());
  std::string output, errors;
  llvm::raw_string_ostream outputStream(output), errorStream(errors);
  lld::Result result = lld::lldMain(pointers, outputStream, errorStream, {{lld::Gnu, &lld::elf::link}});
  if (result.retCode != 0)
    return llvm::createStringError("expected a linkable object, got: " + llvm::StringRef(errors).rtrim());
  return llvm::Error::success();
}

/// A library that only carries the name of the C mathematics library, so that an image can ask for it wherever it is
/// loaded: on the machine that compiles there need not be one to link against.
llvm::Error makeMathStub(const ScratchDirectory &scratch, const KnownTarget &target) {
  llvm::Expected<CodeGenerator> generator = CodeGenerator::create(target);
  if (!generator)
    return generator.takeError();
  llvm::LLVMContext context;
  llvm::Module empty("empty", context);
  empty.setTargetTriple(llvm::Triple(target.triple));
  llvm::Expected<std::string> object = generator->emit(empty, CodeKind::Object);
  if (!object)
    return object.takeError();
  if (llvm::Error error = writeFile(scratch.file("empty.o"), *object))
    return error;
  return runLinker(
      {"-shared", "-soname=libm.so.6", "--threads=1", "-o", scratch.file("libm.so.6"), scratch.file("empty.o")});
}
} // namespace

llvm::Expected<std::string> heddle::linkSharedObject(llvm::ArrayRef<llvm::StringRef> objects,
                                                     const KnownTarget &target) {
  llvm::Expected<ScratchDirectory> scratch = ScratchDirectory::create();
  if (!scratch)
    return scratch.takeError();
  std::string output = scratch->file("kernels.so");
  llvm::SmallVector<std::string> arguments = {
      "-shared",     "--threads=1", "--strip-all", "--build-id=none", "--hash-style=gnu", "-z",
      "noexecstack", "-o",          output};
  bool needsMath = false;
  for (auto [number, object] : llvm::enumerate(objects)) {
    arguments.push_back(scratch->file("kernel" + std::to_string(number) + ".o"));
    if (llvm::Error error = writeFile(arguments.back(), object))
      return std::move(error);
    llvm::Expected<std::vector<std::string>> mathFunctions = findMathFunctions(object);
    if (!mathFunctions)
      return mathFunctions.takeError();
    needsMath |= !mathFunctions->empty();
  }
  if (needsMath) {
    if (llvm::Error error = makeMathStub(*scratch, target))
      return std::move(error);
    arguments.push_back("--no-as-needed");
    arguments.push_back(scratch->file("libm.so.6"));
  }
  if (llvm::Error error = runLinker(arguments))
    return std::move(error);
  auto image = llvm::MemoryBuffer::getFile(output, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!image)
    return llvm::createStringError("expected the linker's output at '" + output +
                                   "', got: " + image.getError().message());
  return (*image)->getBuffer().str();
}
