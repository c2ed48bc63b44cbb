//===- KernelCompiler.cpp - kernels to machine code, several at a time ------===//
//
// What is printed of the llvm, asm and ptx rungs is the optimized modules linked into one, so that it reads and
// assembles as a whole; the pack holds what each module became.
//
//===----------------------------------------------------------------------===//
#include "KernelCompiler.h"
#include "heddle/Target/CodeGeneration.h"
#include "llvm/Bitcode/BitcodeReader.h"
#include "llvm/Bitcode/BitcodeWriter.h"
#include "llvm/Linker/Linker.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace heddle;

struct KernelCompiler::Job {
  KernelCode result;
  LLVMSession llvm;
  std::unique_ptr<llvm::Module> module;
  std::string bitcode; ///< of the optimized module, for who looks at it
  std::string error;
  std::shared_future<void> done;
};

KernelCompiler::KernelCompiler(Session &session, const KnownTarget &target, std::string variant)
    : session(session), target(target), variant(std::move(variant)) {}

KernelCompiler::~KernelCompiler() {
  for (std::unique_ptr<Job> &job : jobs)
    if (job->done.valid())
      job->done.wait();
}

/// The module with one of its kernels only.
static OwningOpRef<ModuleOp> isolate(ModuleOp module, StringRef symbol, ArrayRef<std::string> symbols) {
  OwningOpRef<ModuleOp> alone = cast<ModuleOp>(module->cloneWithoutRegions());
  auto builder = OpBuilder::atBlockEnd(&alone->getBodyRegion().emplaceBlock());
  for (Operation &op : *module.getBody()) {
    auto named = dyn_cast<SymbolOpInterface>(op);
    if (!named || named.getName() == symbol || !llvm::is_contained(symbols, named.getName()))
      builder.clone(op);
  }
  return alone;
}

LogicalResult KernelCompiler::start(ModuleOp module, ArrayRef<std::string> symbols, StringRef assembler) {
  ptxas = assembler.str();
  llvm::Expected<CodeGenerator> generator = CodeGenerator::create(target);
  if (!generator)
    return session.error(generator.takeError());
  for (const std::string &symbol : symbols) {
    TimingScope timing = session.time("translate to LLVM");
    OwningOpRef<ModuleOp> alone = isolate(module, symbol, symbols);
    auto job = std::make_unique<Job>();
    job->result.symbol = symbol;
    job->module = generator->translate(*alone, job->llvm.context);
    if (!job->module)
      return session.fail("expected kernels in the llvm dialect, got a module that cannot be translated");
    Job &started = *jobs.emplace_back(std::move(job));
    started.done = session.workers().async([this, &started] { run(started); });
  }
  return success();
}

void KernelCompiler::run(Job &job) const {
  llvm::Expected<CodeGenerator> generator = CodeGenerator::create(target);
  if (!generator) {
    job.error = llvm::toString(generator.takeError());
    return;
  }
  TimingScope timing = session.time("optimize");
  generator->optimize(*job.module, job.result.symbol);
  if (session.isWatched()) {
    llvm::raw_string_ostream stream(job.bitcode);
    llvm::WriteBitcodeToFile(*job.module, stream);
  }
  if (session.stopsAtRung())
    return;
  timing = session.time("generate");
  llvm::Expected<std::string> code = generator->emit(*job.module, target.isGpu ? CodeKind::Assembly : CodeKind::Object);
  llvm::Error error = code ? job.llvm.takeErrors() : code.takeError();
  if (error) {
    job.error = llvm::toString(std::move(error));
    return;
  }
  job.result.code = std::move(*code);
  job.module.reset();
  if (!target.isGpu || ptxas.empty())
    return;
  timing = session.time("assemble");
  llvm::Expected<std::string> cubin = runPtxas(ptxas, job.result.code, target.name, job.result.report);
  if (cubin)
    job.result.cubin = std::move(*cubin);
  else
    job.error = llvm::toString(cubin.takeError());
}

LogicalResult KernelCompiler::reachRungs() {
  LLVMSession llvm;
  llvm::Module whole("heddle", llvm.context);
  llvm::Linker linker(whole);
  for (std::unique_ptr<Job> &job : jobs) {
    auto part = llvm::parseBitcodeFile(llvm::MemoryBufferRef(job->bitcode, job->result.symbol), llvm.context);
    if (!part)
      return session.error(part.takeError());
    if (linker.linkInModule(std::move(*part)))
      return session.fail("expected kernels that link, got @" + job->result.symbol);
  }
  if (session.isWatching("llvm")) {
    std::string text;
    llvm::raw_string_ostream stream(text);
    whole.print(stream, nullptr);
    session.reach("llvm", variant, text);
  }
  StringRef rung = target.isGpu ? "ptx" : "asm";
  if (session.isDone() || !session.isWatching(rung))
    return success();
  llvm::Expected<CodeGenerator> generator = CodeGenerator::create(target);
  if (!generator)
    return session.error(generator.takeError());
  llvm::Expected<std::string> text = generator->emit(whole, CodeKind::Assembly);
  if (!text)
    return session.error(text.takeError());
  session.reach(rung, variant, *text);
  return success();
}

FailureOr<std::vector<KernelCode>> KernelCompiler::finish() {
  for (std::unique_ptr<Job> &job : jobs)
    job->done.wait();
  for (std::unique_ptr<Job> &job : jobs)
    if (!job->error.empty())
      return session.error(job->error);
  if (session.isWatched() && failed(reachRungs()))
    return failure();
  std::vector<KernelCode> results;
  for (std::unique_ptr<Job> &job : jobs)
    results.push_back(std::move(job->result));
  return results;
}
