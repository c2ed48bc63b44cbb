//===- LinkPrelude.cpp - define the normalizers a module names --------------===//
//
//   attn.attend .. normalize @n ..
//
// becomes, with @n taken from the prelude,
//
//   attn.normalizer @n .. { .. }
//   attn.attend .. normalize @n ..
//
// Test: test/Transforms/link-prelude.mlir.
//
//===----------------------------------------------------------------------===//
#include "dialects/Attn/AttnOps.h"
#include "dialects/Attn/Prelude.h"
#include "heddle/Transforms/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Parser/Parser.h"
#include "llvm/ADT/SetVector.h"

namespace heddle {
#define GEN_PASS_DEF_LINKPRELUDE
#include "heddle/Transforms/Passes.h.inc"
} // namespace heddle

using namespace mlir;
using namespace heddle;

namespace {
class LinkPrelude : public heddle::impl::LinkPreludeBase<LinkPrelude> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    SymbolTable defined(module);
    // Grows while copied definitions refer to others.
    llvm::SetVector<StringAttr> missing;
    auto need = [&](FlatSymbolRefAttr name) {
      if (name && !defined.lookup(name.getAttr()))
        missing.insert(name.getAttr());
    };
    llvm::MapVector<StringAttr, Location> users;
    module.walk([&](attn::AttendOp op) {
      need(op.getNormalizerAttr());
      if (op.isNormalized())
        users.insert({op.getNormalizerAttr().getAttr(), op.getLoc()});
    });
    if (missing.empty())
      return;

    OwningOpRef<ModuleOp> prelude = parseSourceString<ModuleOp>(attn::getPreludeText(), &getContext(), "prelude");
    if (!prelude)
      return signalPassFailure();
    SymbolTable offered(*prelude);
    OpBuilder builder = OpBuilder::atBlockBegin(module.getBody());
    for (unsigned next = 0; next < missing.size(); ++next) {
      Operation *definition = offered.lookup(missing[next]);
      if (!definition) {
        auto user = users.find(missing[next]);
        emitError(user == users.end() ? module.getLoc() : user->second, "expected a normalizer @")
            << missing[next].getValue() << " in the module or the prelude, got neither";
        signalPassFailure();
        continue;
      }
      builder.clone(*definition);
      if (std::optional<SymbolTable::UseRange> uses = SymbolTable::getSymbolUses(definition))
        for (const SymbolTable::SymbolUse &use : *uses)
          need(dyn_cast<FlatSymbolRefAttr>(use.getSymbolRef()));
    }
  }
};
} // namespace
