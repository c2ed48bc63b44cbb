//===- heddle-compile.cpp - from a spec to an artifact ----------------------===//
//
// The command line of lib/Compiler and nothing else. Exit code 0 or 1, messages
// on stderr, output only on stdout or in the file of -o.
//
//===----------------------------------------------------------------------===//
#include "heddle/Compiler/Compiler.h"
#include "heddle/Support/Dump.h"
#include "heddle/Target/CodeGeneration.h"
#include "heddle/Target/EmbeddedPack.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/WithColor.h"

using namespace llvm;

static cl::OptionCategory category("heddle-compile");
static cl::opt<std::string> input(cl::Positional, cl::desc("<spec.mlir, - for stdin>"), cl::init("-"),
                                  cl::cat(category));
static cl::opt<std::string> output("o", cl::desc("name.pack, or name.so or name.o with the C header name.h beside it"),
                                   cl::value_desc("file"), cl::cat(category));
static cl::opt<std::string> targets("target",
                                    cl::desc("comma-separated: sm_80, sm_89, sm_90a, cpu, cpu:avx2, .. (default: cpu)"),
                                    cl::init("cpu"), cl::cat(category));
static cl::opt<std::string>
    emitted("emit", cl::desc("print one rung of the first target: attn, tile, warp, nvvm, llvm, ptx, asm, plan, pack"),
            cl::value_desc("rung"), cl::cat(category));
static cl::opt<std::string> dumpDirectory("dump-dir", cl::desc("write every rung here, as numbered files"),
                                          cl::value_desc("directory"), cl::cat(category));
static cl::opt<std::string> schedule("schedule", cl::desc("override the chooser, e.g. rows=64,keys=64"),
                                     cl::cat(category));
static cl::opt<std::string> ptxas("ptxas", cl::desc("path of ptxas (default: PATH, then the CUDA toolkit)"),
                                  cl::cat(category));
static cl::opt<std::string> only("only",
                                 cl::desc("kernels to compile, by variant and name as --emit=plan shows them, e.g. "
                                          "0:attend_0,1:attend_0; none: the plan alone (default: all)"),
                                 cl::value_desc("kernels"), cl::cat(category));
static cl::opt<bool> explained("explain", cl::desc("print schedules, budgets and what the assembler said"),
                               cl::cat(category));

static cl::opt<bool> timing("timing", cl::desc("print what took how long, threads added up"), cl::cat(category));

static int fail(const Twine &message) {
  WithColor::error(errs(), "heddle-compile") << message << "\n";
  return 1;
}

/// Print to the file of -o, or to stdout.
static int write(StringRef text, StringRef path) {
  if (path.empty() || path == "-") {
    outs() << text;
    return 0;
  }
  if (Error error = heddle::writeFile(path, text))
    return fail(toString(std::move(error)));
  return 0;
}

/// The pack itself, or the pack in an object or a shared library with its header.
static int writeArtifact(StringRef pack, StringRef path) {
  StringRef extension = sys::path::extension(path);
  if (extension == ".pack")
    return write(pack, path);
  std::string name = sys::path::stem(path).str();
  Expected<std::string> object = heddle::emitPackObject(pack, name);
  if (!object)
    return fail(toString(object.takeError()));
  std::string header = heddle::emitPackHeader(pack, name);
  SmallString<128> headerPath(path);
  sys::path::replace_extension(headerPath, "h");
  if (Error error = heddle::writeFile(headerPath, header))
    return fail(toString(std::move(error)));
  if (extension == ".o")
    return write(*object, path);
  Expected<heddle::KnownTarget> target = heddle::findTarget("cpu:generic");
  if (!target)
    return fail(toString(target.takeError()));
  Expected<std::string> library = heddle::linkSharedObject(StringRef(*object), *target);
  if (!library)
    return fail(toString(library.takeError()));
  return write(*library, path);
}

int main(int argc, char **argv) {
  InitLLVM init(argc, argv);
  cl::HideUnrelatedOptions(category);
  cl::ParseCommandLineOptions(argc, argv,
                              "Compile an attention spec to a pack of CPU and GPU kernels.\n\n"
                              "  heddle-compile spec.mlir --target=sm_90a,cpu -o name.so\n"
                              "  heddle-compile spec.mlir --target=sm_90a --emit=warp\n");
  // Copies: the linker, which runs in this process, resets every option of the command line.
  const std::string path = output, rung = emitted;
  const bool explains = explained;
  StringRef extension = sys::path::extension(path);
  bool printsText = explains || !rung.empty();
  if (!printsText && extension != ".pack" && extension != ".so" && extension != ".o")
    return fail("expected -o name.pack, name.so or name.o, or --emit, got '" + path + "'");
  ErrorOr<std::unique_ptr<MemoryBuffer>> text = MemoryBuffer::getFileOrSTDIN(input);
  if (!text)
    return fail("expected a spec at '" + input + "', got: " + text.getError().message());

  heddle::CompileOptions options;
  options.targets = targets;
  options.dumpDirectory = dumpDirectory;
  options.schedule = schedule;
  options.fileName = input == "-" ? std::string("<stdin>") : input;
  options.ptxas = ptxas;
  options.only = only;
  options.timing = timing;
  options.handler = [](const heddle::Message &message) { heddle::printMessage(errs(), message); };

  std::string result;
  StringRef spec = (*text)->getBuffer();
  if (explains)
    return failed(heddle::explain(spec, options, result)) ? 1 : write(result, path);
  if (!rung.empty())
    return failed(heddle::emitRung(spec, rung, options, result)) ? 1 : write(result, path);
  return failed(heddle::compile(spec, options, result)) ? 1 : writeArtifact(result, path);
}
