//===- TensorMaps.cpp - kernels that copy through CUDA tensor maps -----------===//
//
//   func @k(%q: memref<?x?x?x64xbf16, ..>) attributes {tile.kernel}
//   llvm.func @k(%0: i64, .. %8: i64, %9: !llvm.ptr {llvm.byval ..})
//       attributes {warp.tensor_maps = [{argument = 0 : i64, box = array<i64: 1, 1, 128, 64>, swizzle = 128 : i64}]}
//
// Test: test/unit/Target/TensorMapsTest.cpp
//===----------------------------------------------------------------------===//
#include "heddle/Target/TensorMaps.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Diagnostics.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace heddle;

static int64_t slotCount(Type type) {
  auto memory = dyn_cast<MemRefType>(type);
  return memory ? 1 + 2 * memory.getRank() : 1;
}

static std::optional<heddle_dtype> elementOf(MemRefType type) {
  Type element = type.getElementType();
  if (element.isF32())
    return HEDDLE_F32;
  if (element.isF16())
    return HEDDLE_F16;
  if (element.isBF16())
    return HEDDLE_BF16;
  return std::nullopt;
}

static FailureOr<heddle_tensor_map_record> readTensorMap(Operation *function, Attribute attribute,
                                                         TypeRange arguments) {
  auto fields = dyn_cast<DictionaryAttr>(attribute);
  auto argument = fields ? fields.getAs<IntegerAttr>("argument") : nullptr;
  auto box = fields ? fields.getAs<DenseI64ArrayAttr>("box") : nullptr;
  auto swizzle = fields ? fields.getAs<IntegerAttr>("swizzle") : nullptr;
  if (!argument || !box || !swizzle)
    return function->emitError("expected a tensor map with argument, box and swizzle, got ") << attribute;
  int64_t index = argument.getInt();
  auto type = index >= 0 && index < int64_t(arguments.size()) ? dyn_cast<MemRefType>(arguments[index]) : MemRefType();
  std::optional<heddle_dtype> element = type ? elementOf(type) : std::nullopt;
  if (!element || type.getRank() < 2 || type.getRank() > HEDDLE_MAX_TENSOR_MAP_RANK)
    return function->emitError("expected a tensor map of a memref of rank 2 to 5 with elements f32, f16 or bf16, got ")
           << attribute;
  if (box.size() != type.getRank() ||
      llvm::any_of(box.asArrayRef(), [](int64_t size) { return size < 1 || size > 256; }))
    return function->emitError("expected a box of ")
           << type.getRank() << " sizes from 1 to 256 for " << type << ", got " << box;
  int64_t bytes = swizzle.getInt(), row = box.asArrayRef().back() * type.getElementTypeBitWidth() / 8;
  if (!llvm::is_contained({0, 32, 64, 128}, bytes))
    return function->emitError("expected a swizzle of 0, 32, 64 or 128 bytes, got ") << bytes;
  if (row % 16 != 0 || (bytes && row > bytes))
    return function->emitError("expected rows of 16-byte units up to the swizzle of ")
           << bytes << " bytes, got " << row << " bytes";
  heddle_tensor_map_record record = {};
  record.argument = index;
  for (Type before : arguments.take_front(index))
    record.first_slot += slotCount(before);
  record.dtype = *element;
  record.rank = type.getRank();
  record.swizzle = bytes;
  llvm::copy(box.asArrayRef(), record.box);
  return record;
}

FailureOr<std::vector<heddle_tensor_map_record>> heddle::readTensorMaps(Operation *function, TypeRange arguments) {
  std::vector<heddle_tensor_map_record> records;
  Attribute attribute = function->getAttr("warp.tensor_maps");
  if (!attribute)
    return records;
  auto maps = dyn_cast<ArrayAttr>(attribute);
  if (!maps || maps.size() > HEDDLE_MAX_TENSOR_MAPS)
    return function->emitError("expected an array of up to ")
           << HEDDLE_MAX_TENSOR_MAPS << " tensor maps, got " << attribute;
  for (Attribute map : maps) {
    FailureOr<heddle_tensor_map_record> record = readTensorMap(function, map, arguments);
    if (failed(record))
      return failure();
    records.push_back(*record);
  }
  return records;
}

/// The parameter whose slots start there, if they are those of a caller's tensor or of a view of one.
static std::optional<uint32_t> tensorAt(const Plan &plan, const PlanLaunch &launch, uint32_t wanted) {
  uint32_t first = 0;
  for (const PlanSlot &slot : launch.slots) {
    bool isTensor = slot.kind == HEDDLE_SLOT_PARAM_TENSOR, isView = slot.kind == HEDDLE_SLOT_PARAM_ADDRESS;
    if (first == wanted)
      return isTensor || isView ? std::optional<uint32_t>(slot.index) : std::nullopt;
    first += isTensor ? 1 + 2 * plan.parameters[slot.index].sizes.size() : 1;
  }
  return std::nullopt;
}

std::optional<Expression> heddle::tensorMapGuard(const Plan &plan, llvm::ArrayRef<CompiledKernel> kernels) {
  llvm::SmallSetVector<uint32_t, 4> mapped;
  for (const PlanLaunch &launch : plan.launches)
    for (const CompiledKernel &kernel : kernels)
      if (kernel.symbol == launch.kernel)
        for (const heddle_tensor_map_record &map : kernel.tensorMaps)
          if (std::optional<uint32_t> parameter = tensorAt(plan, launch, map.first_slot))
            mapped.insert(*parameter);
  std::optional<Expression> least, aligned;
  for (uint32_t parameter : mapped) {
    Expression isAligned = Expression::binary(HEDDLE_OP_LE, Expression::constant(16), Expression::alignment(parameter));
    aligned = aligned ? Expression::binary(HEDDLE_OP_AND, *aligned, isAligned) : isAligned;
    for (uint32_t axis = 0; axis + 1 < plan.parameters[parameter].sizes.size(); ++axis) {
      // A dimension of one position has no stride to speak of.
      Expression isSingle =
          Expression::binary(HEDDLE_OP_LE, Expression::size(parameter, axis), Expression::constant(1));
      Expression stride = Expression::select(isSingle, Expression::constant(1), Expression::stride(parameter, axis));
      least = least ? Expression::binary(HEDDLE_OP_MIN, *least, stride) : stride;
    }
  }
  if (!least)
    return std::nullopt;
  return Expression::binary(HEDDLE_OP_AND, *aligned, Expression::binary(HEDDLE_OP_LE, Expression::constant(1), *least));
}
