//===- AttachTarget.cpp - say what the module is compiled for ---------------===//
#include "heddle/Target/KnownTargets.h"
#include "heddle/Target/Passes.h"

namespace heddle {
#define GEN_PASS_DEF_ATTACHTARGET
#include "heddle/Target/Passes.h.inc"
} // namespace heddle

namespace {
struct AttachTarget : heddle::impl::AttachTargetBase<AttachTarget> {
  using AttachTargetBase::AttachTargetBase;

  void runOnOperation() override {
    llvm::Expected<heddle::KnownTarget> target = heddle::findTarget(name);
    if (!target) {
      getOperation().emitError(llvm::toString(target.takeError()));
      return signalPassFailure();
    }
    getOperation()->setAttr(heddle::tile::kTargetAttr, target->attribute(&getContext()));
  }
};
} // namespace
