//===- AttnSplitChannels.cpp - a recurrence as a sum of narrower ones -------===//
//
//   %o, %s = attn.recur query(%q) key(%k) value(%v) init(%i) final       of 256 channels
// becomes
//   %a, %x = attn.recur query(%q[.., 0:128]) key(%k[.., 0:128]) value(%v) init(%i[.., 0:128, ..]) final
//   %b, %y = attn.recur query(%q[.., 128:256]) key(%k[.., 128:256]) value(%v) init(%i[.., 128:256, ..]) final
//   %o = %a + %b in f32, then in the type of the result;  %s = concat %x, %y
//
// Exact but for the order of sums: channels of a state do not meet before its rows are read.
// Test: test/Conversion/attn-split-channels.mlir.
//
//===----------------------------------------------------------------------===//
#include "OwnRows.h"
#include "RecurKernels.h"
#include "dialects/Tile/TileDialect.h"
#include "dialects/Tile/TileTarget.h"
#include "heddle/Conversion/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace heddle {
#define GEN_PASS_DEF_ATTNSPLITCHANNELS
#include "heddle/Conversion/Passes.h.inc"
} // namespace heddle

using namespace mlir;
using namespace heddle;

static RankedTensorType typeOf(Value tensor) { return cast<RankedTensorType>(tensor.getType()); }

/// Elements `first` to `first + count` along `dim`. Of tensors side by side, those of the one that has them all.
static Value sliceOf(ImplicitLocOpBuilder &b, Value tensor, int64_t dim, int64_t first, int64_t count) {
  if (!tensor || typeOf(tensor).getDimSize(dim) == count)
    return tensor;
  if (auto concat = tensor.getDefiningOp<tensor::ConcatOp>(); concat && static_cast<int64_t>(concat.getDim()) == dim) {
    int64_t offset = first;
    for (Value input : concat.getInputs()) {
      int64_t size = typeOf(input).getDimSize(dim);
      if (ShapedType::isDynamic(size) || offset < 0)
        break;
      if (offset + count <= size)
        return sliceOf(b, input, dim, offset, count);
      offset -= size;
    }
  }
  RankedTensorType type = typeOf(tensor);
  SmallVector<OpFoldResult> offsets(type.getRank(), b.getIndexAttr(0)), strides(type.getRank(), b.getIndexAttr(1)),
      sizes;
  for (int64_t n = 0; n < type.getRank(); ++n)
    sizes.push_back(n == dim               ? OpFoldResult(b.getIndexAttr(count))
                    : type.isDynamicDim(n) ? OpFoldResult(tensor::DimOp::create(b, tensor, n).getResult())
                                           : OpFoldResult(b.getIndexAttr(type.getDimSize(n))));
  offsets[dim] = b.getIndexAttr(first);
  SmallVector<int64_t> shape(type.getShape());
  shape[dim] = count;
  return tensor::ExtractSliceOp::create(b, type.clone(shape), tensor, offsets, sizes, strides);
}

/// The recurrence of `count` channels from `first` on, with its rows in f32.
static attn::RecurOp partOf(ImplicitLocOpBuilder &b, attn::RecurOp op, int64_t first, int64_t count) {
  constexpr int64_t rowChannels = 3, stateChannels = 2;
  auto of = [&](Value operand, int64_t dim) { return sliceOf(b, operand, dim, first, count); };
  Value gate = op.getGate();
  SmallVector<Type> types{typeOf(op.getOutput()).clone(b.getF32Type())};
  if (op.getMass())
    types.push_back(op.getMassResult().getType());
  for (Value state : {op.getFinalState(), op.getFinalMass()})
    if (state) {
      SmallVector<int64_t> shape(typeOf(state).getShape());
      shape[stateChannels] = count;
      types.push_back(typeOf(state).clone(shape));
    }
  auto part = attn::RecurOp::create(b, types, of(op.getQuery(), rowChannels), of(op.getKey(), rowChannels),
                                    op.getValue(), op.isGatedByChannel() ? of(gate, rowChannels) : gate,
                                    op.getSegments(), of(op.getInitial(), stateChannels),
                                    of(op.getInitialMass(), stateChannels), op.getMass(), op.getFinal());
  if (op.hasAt()) {
    IRMapping mapping;
    op.getAt().cloneInto(&part.getAt(), mapping);
  }
  return part;
}

static void splitRecurrence(attn::RecurOp op, int64_t channels) {
  ImplicitLocOpBuilder b(op.getLoc(), op);
  constexpr int64_t stateChannels = 2;
  Value output, mass;
  SmallVector<Value> states, masses;
  for (int64_t first = 0, width = op.getKeyWidth(); first < width; first += channels) {
    attn::RecurOp part = partOf(b, op, first, std::min(channels, width - first));
    output = output ? arith::AddFOp::create(b, output, part.getOutput()).getResult() : part.getOutput();
    if (Value more = part.getMassResult())
      mass = mass ? arith::AddFOp::create(b, mass, more).getResult() : more;
    if (Value state = part.getFinalState())
      states.push_back(state);
    if (Value state = part.getFinalMass())
      masses.push_back(state);
  }
  if (output.getType() != op.getOutput().getType())
    output = arith::TruncFOp::create(b, op.getOutput().getType(), output);
  SmallVector<Value> results{output};
  if (mass)
    results.push_back(mass);
  for (auto [whole, parts] : {std::pair(op.getFinalState(), ArrayRef(states)), {op.getFinalMass(), ArrayRef(masses)}})
    if (whole)
      results.push_back(tensor::ConcatOp::create(b, typeOf(whole), stateChannels, parts));
  op->replaceAllUsesWith(results);
  op->erase();
}

namespace {
struct AttnSplitChannels : heddle::impl::AttnSplitChannelsBase<AttnSplitChannels> {
  using Base::Base;

  /// `pulling`: where kernels compute products of queries and keys with weights themselves. Where one has room for
  /// those of all channels it stays whole.
  int64_t channelsOf(attn::RecurOp op, const Partition &partition, const Partition &pulling) {
    if (channels)
      return channels;
    auto target = op->getParentOfType<ModuleOp>()->getAttrOfType<tile::TargetAttr>(tile::kTargetAttr);
    RecurSchedule whole = chooseRecurSchedule(target, describeWork(op, pulling), {});
    if (whole.pullsMaps && whole.putsOperands)
      return 0;
    return target && !isOneToken(op) ? chooseRecurChannels(target, describeWork(op, partition)) : 0;
  }

  void runOnOperation() override {
    if (channels < 0 || channels % 8) {
      getOperation().emitError("expected channels to be a multiple of 8, got ") << channels.getValue();
      return signalPassFailure();
    }
    for (auto function : getOperation().getOps<func::FuncOp>()) {
      if (function.isExternal() || function->hasAttr(tile::kPlanAttr) || function->hasAttr(tile::kKernelAttr))
        continue;
      auto isInner = [](attn::AttendOp, attn::RecurOp) { return false; };
      Partition partition(function, isInner, [](attn::RecurOp) { return false; });
      Partition pulling(function, isInner, [](attn::RecurOp) { return true; });
      for (auto op : llvm::make_early_inc_range(function.getOps<attn::RecurOp>()))
        if (int64_t most = channelsOf(op, partition, pulling); most && most < op.getKeyWidth())
          splitRecurrence(op, most);
    }
  }
};
} // namespace
