//===- Pipelines.cpp - the ladder as pass pipelines -------------------------===//
#include "heddle/Pipelines/Pipelines.h"
#include "heddle/Conversion/TileToCPU.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace heddle;

/// A step as text, so that `heddle-opt` can replay it word by word.
static llvm::Error append(OpPassManager &manager, const std::string &passes) {
  std::string message;
  llvm::raw_string_ostream stream(message);
  if (succeeded(parsePassPipeline(passes, manager, stream)))
    return llvm::Error::success();
  return llvm::createStringError("expected passes '" + passes + "' in this build, got: " + StringRef(message).rtrim());
}

llvm::Error heddle::buildAttnPipeline(OpPassManager &manager) {
  return append(manager, "attn-link-prelude,verify-attn");
}

/// "rows=64,keys=32" as pass options; an error when it is not of that form.
static llvm::Expected<std::string> optionsOf(StringRef schedule) {
  std::string options;
  SmallVector<StringRef> fields;
  schedule.split(fields, ',');
  for (StringRef field : fields) {
    auto [name, value] = field.trim().split('=');
    auto isWord = [](StringRef text) {
      return !text.empty() && llvm::all_of(text, [](char c) { return llvm::isAlnum(c) || c == '-' || c == '_'; });
    };
    if (!isWord(name) || !isWord(value))
      return llvm::createStringError("expected a schedule such as 'rows=64,keys=64', got '" + schedule + "'");
    options += (options.empty() ? "" : " ") + (name + "=" + value).str();
  }
  return options;
}

llvm::Error heddle::buildAttnToTilePipeline(OpPassManager &manager, tile::TargetAttr, const LoweringOptions &options) {
  std::string passOptions, form = "auto";
  if (!options.schedule.empty()) {
    llvm::Expected<std::string> schedule = optionsOf(options.schedule);
    if (!schedule)
      return schedule.takeError();
    // What a recurrence is written as is decided before its kernels are.
    SmallVector<StringRef> fields, others;
    StringRef(*schedule).split(fields, ' ');
    for (StringRef field : fields)
      if (field.consume_front("form="))
        form = field;
      else
        others.push_back(field);
    passOptions = "{" + llvm::join(others, " ") + "}";
  }
  return append(manager, "attn-recur-to-attend{form=" + form + "},attn-split-channels,attn-to-tile" + passOptions +
                             ",canonicalize,cse,tile-split-positions,tile-sink-scale,tile-to-base-2,canonicalize,cse,"
                             "func.func(tile-lag-references),tile-split-gathers,canonicalize,cse,verify-tile");
}

llvm::Error heddle::buildAttnToLoopsPipeline(OpPassManager &manager) {
  return append(manager, "attn-to-loops{precision=f64},canonicalize,cse");
}

static void appendForCpu(OpPassManager &manager, tile::TargetAttr target) {
  CPUOptions options;
  options.vectorBits = target.getVectorBytes() * 8;
  options.vectorRegisters = target.getVectorRegisters();
  options.hasFMA = target.getHasFma();
  options.hasScaleByPower = target.getHasMaskedVectors();
  options.hasAVX512BF16 = target.getHasBf16Dot();
  options.hasAMX = target.getHasTileMma();
  buildTileToLLVMForCPU(manager, options);
}

llvm::Error heddle::buildTileToLLVMPipeline(OpPassManager &manager, tile::TargetAttr target) {
  if (target.getIsGpu())
    return append(manager, "tile-to-nvvm");
  appendForCpu(manager, target);
  return llvm::Error::success();
}
