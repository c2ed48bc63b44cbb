//===- Explain.cpp - what was chosen, and why ---------------------------------===//
#include "Backends.h"
#include "dialects/Attn/AttnOps.h"
#include "heddle/Analysis/MaskAnalysis.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace heddle;

/// The algebra of every mask of the text: which keys a block of rows will visit, and what could not be solved.
static void explainMasks(ModuleOp module, llvm::raw_ostream &stream) {
  module.walk([&](attn::AttendOp attend) {
    Region &mask = attend.getMask();
    auto function = attend->getParentOfType<func::FuncOp>();
    if (mask.empty() || !function)
      return;
    MaskAnalysis analysis = MaskAnalysis::compute(mask);
    stream << "mask in @" << function.getSymName() << "\n";
    std::string text;
    llvm::raw_string_ostream lines(text);
    analysis.print(lines);
    for (StringRef line : llvm::split(StringRef(text).rtrim(), '\n'))
      stream << "  " << line << "\n";
    for (const MaskAnalysis &part : MaskAnalysis::computeParts(mask)) {
      text.clear();
      part.print(lines);
      stream << "  a part that long rows have kernels of their own for\n";
      for (StringRef line : llvm::split(StringRef(text).rtrim(), '\n'))
        stream << "    " << line << "\n";
    }
    for (const std::string &unknown : analysis.getUnknowns())
      stream << "  not solved: " << unknown << "\n";
  });
}

static const char *kindOf(const KernelImage &image) {
  switch (image.kind) {
  case HEDDLE_IMAGE_CUBIN:
    return "cubin";
  case HEDDLE_IMAGE_PTX:
    return "PTX";
  case HEDDLE_IMAGE_ELF:
    return "shared library";
  }
  llvm_unreachable("all kinds are listed");
}

LogicalResult heddle::explain(StringRef text, const CompileOptions &options, std::string &result) {
  Session session(options);
  std::vector<CompiledEntry> entries;
  if (failed(compileEntries(session, text, entries)))
    return failure();
  llvm::raw_string_ostream stream(result);
  explainMasks(session.parsedModule(), stream);
  for (const CompiledEntry &entry : entries) {
    stream << "entry " << entry.name << "\n";
    for (const CompiledVariant &variant : entry.variants) {
      for (StringRef line : llvm::split(StringRef(variant.note).rtrim(), '\n'))
        stream << "  " << line << "\n";
      for (const KernelImage &image : variant.images)
        stream << "  " << kindOf(image) << " of " << image.bytes.size() << " bytes\n";
      for (const CompiledKernel &kernel : variant.kernels)
        for (const KernelImage &image : kernel.images)
          stream << "  @" << kernel.symbol << " " << kindOf(image) << " of " << image.bytes.size() << " bytes\n";
    }
  }
  return success();
}
