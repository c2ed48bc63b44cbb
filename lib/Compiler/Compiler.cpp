//===- Compiler.cpp - from text to a pack -----------------------------------===//
//
//   text -> attn -> (per target) tile -> plan            -> pack
//                                     -> code per variant
//
//===----------------------------------------------------------------------===//
#include "heddle/Compiler/Compiler.h"
#include "Backends.h"
#include "heddle/Support/BuildId.h"
#include "heddle/Support/Hash.h"
#include "heddle/Target/TensorMaps.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace heddle;

/// Bytes that the wide accesses of a guarded variant cover.
static constexpr int64_t kWideBytes = 16;

/// A variant of every plan of the module from one piece of machine code.
static LogicalResult addVariants(Session &session, std::vector<CompiledEntry> &entries, const std::vector<Plan> &plans,
                                 const MachineCode &code, const KnownTarget &target, bool aligned) {
  for (const Plan &plan : plans) {
    CompiledVariant variant;
    variant.device = target.isGpu ? HEDDLE_DEVICE_CUDA : HEDDLE_DEVICE_CPU;
    variant.capability = target.capability;
    variant.exactCapability = target.exactCapability;
    variant.cpuFeatures = target.featureBits;
    if (aligned)
      variant.guard = plan.alignmentGuard(kWideBytes);
    variant.plan = plan;
    variant.images = code.images;
    variant.note = code.note + describeConditions(plan);
    for (const CompiledKernel &kernel : code.kernels)
      if (llvm::any_of(plan.launches, [&](const PlanLaunch &launch) { return launch.kernel == kernel.symbol; }))
        variant.kernels.push_back(kernel);
    for (const PlanLaunch &launch : plan.launches)
      if (llvm::none_of(variant.kernels, [&](const CompiledKernel &kernel) { return kernel.symbol == launch.kernel; }))
        return session.error("expected code for kernel @" + launch.kernel + " on " + target.name + ", got none");
    if (std::optional<Expression> isMapped = tensorMapGuard(plan, variant.kernels))
      variant.guard =
          variant.guard ? Expression::binary(HEDDLE_OP_AND, *variant.guard, *isMapped) : std::move(isMapped);
    auto entry = llvm::find_if(entries, [&](const CompiledEntry &known) { return known.name == plan.name; });
    if (entry == entries.end())
      return session.error("expected the same entries for every target, got @" + plan.name + " on " + target.name);
    entry->variants.push_back(std::move(variant));
  }
  return success();
}

static LogicalResult compileForTarget(Session &session, const KnownTarget &target, StringRef text,
                                      std::vector<CompiledEntry> &entries) {
  OwningOpRef<ModuleOp> tile = session.lowerToTile(target);
  if (!tile)
    return failure();
  if (session.isDone())
    return success();
  FailureOr<std::vector<Plan>> plans = extractPlans(*tile, session.parameterNames());
  if (failed(plans))
    return failure();
  if (entries.empty())
    for (const Plan &plan : *plans)
      entries.push_back({plan.name, plan.parameters, {}, text.str(), plan.requirements});
  // The guarded variant first: the runtime takes the first that fits.
  unsigned number = entries.empty() ? 0 : entries.front().variants.size();
  SmallVector<std::pair<OwningOpRef<ModuleOp>, Form>, 2> forms;
  if (target.isGpu) {
    OwningOpRef<ModuleOp> wide = tile->clone();
    if (alignKernelArguments(*wide, kWideBytes))
      forms.emplace_back(std::move(wide), Form{number++, /*isAligned=*/true});
  }
  forms.emplace_back(std::move(tile), Form{number, /*isAligned=*/false});

  std::vector<std::pair<PendingCode, Form>> pending;
  auto finish = [&]() -> LogicalResult {
    for (auto &[started, form] : pending) {
      FailureOr<MachineCode> code = finishCode(session, std::move(started), target);
      if (failed(code))
        return failure();
      if (!session.stopsAtRung() && failed(addVariants(session, entries, *plans, *code, target, form.isAligned)))
        return failure();
    }
    pending.clear();
    return success();
  };
  for (auto &[module, form] : forms) {
    FailureOr<PendingCode> started = startCode(session, *module, target, form);
    if (failed(started))
      return failure();
    if (session.isDone())
      return success();
    pending.emplace_back(std::move(*started), form);
    // The rungs of one form come before those of the next.
    if (session.isWatched() && failed(finish()))
      return failure();
    if (session.isDone())
      return success();
  }
  return finish();
}

LogicalResult heddle::compileEntries(Session &session, StringRef text, std::vector<CompiledEntry> &entries) {
  llvm::Expected<std::vector<KnownTarget>> targets = findTargets(session.options.targets);
  if (!targets)
    return session.error(targets.takeError());
  if (failed(session.start(text)))
    return failure();
  for (const KnownTarget &target : *targets) {
    if (session.isDone())
      return success();
    if (failed(compileForTarget(session, target, text, entries)))
      return failure();
  }
  if (llvm::Error problem = session.selection.checkAllTaken(); problem && !session.isDone())
    return session.error(std::move(problem));
  return success();
}

static llvm::Expected<uint64_t> computeKey(StringRef text, const CompileOptions &options, StringRef kind = "") {
  llvm::Expected<std::vector<KnownTarget>> targets = findTargets(options.targets);
  if (!targets)
    return targets.takeError();
  Fnv1a hash;
  hash.addField(text).addField(options.schedule).addField(buildId()).addField(kind);
  for (const KnownTarget &target : *targets)
    hash.addField(target.name);
  return hash.value();
}

static LogicalResult compilePack(Session &session, StringRef text, std::string &pack) {
  std::vector<CompiledEntry> entries;
  if (failed(compileEntries(session, text, entries)))
    return failure();
  llvm::Expected<uint64_t> key = computeKey(text, session.options, session.makesReference() ? "reference" : "");
  if (!key)
    return session.error(key.takeError());
  pack = writePack(entries, *key);
  return success();
}

LogicalResult heddle::contentKey(StringRef text, const CompileOptions &options, uint64_t &key) {
  llvm::Expected<uint64_t> computed = computeKey(text, options);
  if (!computed)
    return Session(options).error(computed.takeError());
  key = *computed;
  return success();
}

LogicalResult heddle::compile(StringRef text, const CompileOptions &options, std::string &pack) {
  Session session(options);
  return compilePack(session, text, pack);
}

LogicalResult heddle::compileReference(StringRef text, const CompileOptions &given, std::string &pack) {
  CompileOptions options = given;
  options.targets = "cpu";
  options.schedule.clear();
  options.only.clear();
  Session session(options);
  session.setReference();
  return compilePack(session, text, pack);
}

LogicalResult heddle::emitRung(StringRef text, StringRef rung, const CompileOptions &given, std::string &result) {
  CompileOptions options = given;
  bool isPlan = rung == "plan";
  if (isPlan)
    options.only = "none";
  Session session(options);
  if (isPlan || rung == "pack") {
    std::string pack;
    if (failed(compilePack(session, text, pack)))
      return failure();
    llvm::raw_string_ostream stream(result);
    printPack(pack, stream);
    return success();
  }
  static const char *const rungs[] = {"attn", "tile", "warp", "nvvm", "llvm", "ptx", "asm"};
  if (!llvm::is_contained(rungs, rung))
    return session.error("expected one of " + llvm::join(rungs, rungs + std::size(rungs), ", ") +
                         ", plan, pack, got '" + rung + "'");
  session.stopAt(rung);
  std::vector<CompiledEntry> entries;
  if (failed(compileEntries(session, text, entries)))
    return failure();
  if (!session.seenRung())
    return session.error("expected a target or text that has the rung '" + rung + "', got " + options.targets);
  result = *session.seenRung();
  return success();
}

StringRef heddle::compilerVersion() { return buildId(); }
