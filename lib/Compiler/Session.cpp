//===- Session.cpp - one compilation ----------------------------------------===//
#include "Session.h"
#include "ParameterNames.h"
#include "dialects/Attn/AttnDialect.h"
#include "heddle/Pipelines/Pipelines.h"
#include "mlir/AsmParser/AsmParser.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassInstrumentation.h"
#include "llvm/IR/DiagnosticInfo.h"
#include "llvm/IR/DiagnosticPrinter.h"
#include "llvm/Support/SourceMgr.h"

using namespace mlir;
using namespace heddle;

namespace {
/// Every rung ends in `verify-<rung>`: where such a pass succeeds, the rung's text can be taken. The rung inside a
/// pipeline is the one that the last such pass of it saw.
class RungWatcher : public PassInstrumentation {
public:
  explicit RungWatcher(std::vector<std::pair<std::string, std::string>> &texts) : texts(texts) {}

  void runAfterPass(Pass *pass, Operation *op) override {
    StringRef rung = pass->getArgument();
    auto module = isa<ModuleOp>(op) ? cast<ModuleOp>(op) : op->getParentOfType<ModuleOp>();
    if (!rung.consume_front("verify-") || !module)
      return;
    std::string text;
    llvm::raw_string_ostream stream(text);
    module.print(stream);
    if (!texts.empty() && texts.back().first == rung)
      texts.back().second = std::move(text);
    else
      texts.emplace_back(rung.str(), std::move(text));
  }

private:
  std::vector<std::pair<std::string, std::string>> &texts;
};

DialectRegistry makeRegistry() {
  DialectRegistry registry;
  registerPipelineDialects(registry);
  return registry;
}
} // namespace

Session::Session(const CompileOptions &options)
    : options(options), context(makeRegistry(), MLIRContext::Threading::DISABLED), messages(&context, options.handler),
      dumper(options.dumpDirectory) {
  registerPipelinePasses();
  context.loadDialect<tile::TileDialect>(); // its target attribute is made before any pass runs
  context.printOpOnDiagnostic(false);       // users wrote the spec, not what it became
  timing.setEnabled(options.timing);
  allTime = timing.getRootScope();
}

llvm::ThreadPoolInterface &Session::workers() {
  if (!pool)
    pool = std::make_unique<llvm::DefaultThreadPool>(llvm::hardware_concurrency());
  return *pool;
}

LogicalResult Session::error(const Twine &text) { return emitError(UnknownLoc::get(&context), text); }

void Session::remark(const Twine &text) { emitRemark(UnknownLoc::get(&context), text); }

LogicalResult Session::fail(const Twine &text) {
  if (!messages.sawError())
    return error(text);
  return failure();
}

void Session::reach(StringRef rung, StringRef variant, StringRef text) {
  std::string extension = rung == "llvm" ? "ll" : rung == "ptx" ? "ptx" : rung == "asm" ? "s" : "mlir";
  std::string name = (variant.empty() ? Twine(rung) : variant + "-" + rung).str() + "." + extension;
  if (llvm::Error problem = dumper.write(name, text))
    emitWarning(UnknownLoc::get(&context), llvm::toString(std::move(problem)));
  if (rung == wantedRung && !seen)
    seen = text.str();
}

void Session::reach(StringRef rung, StringRef variant, ModuleOp module) {
  if (!isWatching(rung))
    return;
  std::string text;
  llvm::raw_string_ostream stream(text);
  module.print(stream);
  stream << "\n";
  reach(rung, variant, text);
}

LogicalResult Session::run(ModuleOp module, StringRef variant, function_ref<llvm::Error(OpPassManager &)> build) {
  PassManager manager(&context, ModuleOp::getOperationName());
  if (llvm::Error problem = build(manager))
    return error(std::move(problem));
  TimingScope scope = time("passes");
  manager.enableTiming(scope);
  std::vector<std::pair<std::string, std::string>> rungs;
  if (dumper.isOn() || !wantedRung.empty())
    manager.addInstrumentation(std::make_unique<RungWatcher>(rungs));
  LogicalResult result = manager.run(module);
  for (const auto &[rung, text] : rungs)
    reach(rung, variant, text + "\n");
  return succeeded(result) ? success() : fail("expected every pass to succeed, got one that failed without saying why");
}

LogicalResult Session::parse(StringRef text) {
  TimingScope scope = time("parse");
  llvm::SourceMgr source;
  source.AddNewSourceBuffer(llvm::MemoryBuffer::getMemBufferCopy(text, options.fileName), llvm::SMLoc());
  Block block;
  AsmParserState state;
  if (failed(parseAsmSourceFile(source, &block, ParserConfig(&context), &state)))
    return fail("expected MLIR text, got text that does not parse");
  auto place = FileLineColLoc::get(&context, options.fileName, 1, 1);
  module = mlir::detail::constructContainerOpForParserIfNecessary<ModuleOp>(&block, &context, place);
  if (!module)
    return fail("expected a module, got other text");
  names = readParameterNames(*module, state);
  return success();
}

LogicalResult Session::start(StringRef text) {
  llvm::Expected<Selection> selected = Selection::parse(options.only);
  if (!selected)
    return error(selected.takeError());
  selection = std::move(*selected);
  if (failed(parse(text)))
    return failure();
  auto functions = module->getOps<func::FuncOp>();
  if (functions.empty())
    return emitError(module->getLoc(), "expected at least one func.func, got none");
  isAttn = llvm::none_of(functions, [](func::FuncOp function) { return function->hasAttr(tile::kPlanAttr); });
  if (!isAttn)
    return success();
  for (func::FuncOp function : functions)
    resultCounts[function.getSymName()] = function.getNumResults();
  return run(*module, "", [](OpPassManager &manager) { return buildAttnPipeline(manager); });
}

OwningOpRef<ModuleOp> Session::lowerToTile(const KnownTarget &target) {
  OwningOpRef<ModuleOp> tile = module->clone();
  tile::TargetAttr attribute = target.attribute(&context);
  (*tile)->setAttr(tile::kTargetAttr, attribute);
  if (!isAttn) {
    reach("tile", target.name, *tile);
    return tile;
  }
  LoweringOptions lowering;
  lowering.schedule = options.schedule;
  auto build = [&](OpPassManager &manager) {
    return isReference ? buildAttnToLoopsPipeline(manager) : buildAttnToTilePipeline(manager, attribute, lowering);
  };
  if (failed(run(*tile, target.name, build)))
    return {};
  for (auto function : tile->getOps<func::FuncOp>()) {
    auto count = resultCounts.find(function.getSymName());
    if (function->hasAttr(tile::kPlanAttr) && count != resultCounts.end())
      function->setAttr("tile.results", Builder(&context).getI64IntegerAttr(count->second));
  }
  return tile;
}

LLVMSession::LLVMSession() {
  context.setDiagnosticHandlerCallBack(
      [](const llvm::DiagnosticInfo *info, void *self) {
        if (info->getSeverity() != llvm::DS_Error)
          return;
        std::string &errors = static_cast<LLVMSession *>(self)->errors;
        llvm::raw_string_ostream stream(errors);
        llvm::DiagnosticPrinterRawOStream printer(stream);
        info->print(printer);
        stream << "\n";
      },
      this);
}

llvm::Error LLVMSession::takeErrors() {
  if (errors.empty())
    return llvm::Error::success();
  std::string text = std::move(errors);
  errors.clear();
  return llvm::createStringError("expected LLVM to generate code, got: " + StringRef(text).rtrim());
}
