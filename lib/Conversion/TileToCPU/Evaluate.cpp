//===- Evaluate.cpp - elements of a tile on demand --------------------------===//
#include "lib/Conversion/TileToCPU/KernelEmitter.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace heddle;
using namespace heddle::cpu;

bool cpu::isVirtual(Operation *op) {
  if (op->getNumResults() != 1 || !isa<RankedTensorType>(op->getResult(0).getType()))
    return false;
  return op->hasTrait<OpTrait::Elementwise>() ||
         isa<arith::ConstantOp, tensor::SplatOp, tile::IotaOp, tile::BroadcastOp, tile::TransposeOp, tile::SliceOp,
             tile::GatherOp>(op);
}

Type cpu::storedElement(Type element) {
  return element.isInteger(1) ? IntegerType::get(element.getContext(), 8) : element;
}

SmallVector<Value> KernelEmitter::coordinatesIn(const Stored &form, Value row, Value column) {
  Value lane = form.lanes == 0 ? row : column, other = form.lanes == 0 ? column : row;
  if (form.type().getRank() == 1)
    return {lane};
  int64_t panel = form.panel();
  if (!panel)
    return {other, lane};
  if (std::optional<LanePlace> place = placeOf(lane, panel, 1)) {
    Value within = place->within ? plus(place->within, place->offset) : constant(place->offset);
    return {place->block, other, within};
  }
  Value width = constant(panel);
  return {arith::DivUIOp::create(b, lane, width), other, arith::RemUIOp::create(b, lane, width)};
}

/// Whether the vector at `at` is contiguous in `form`.
bool KernelEmitter::isContiguous(const Stored &form, const At &at) {
  if (form.lanes != at.lanes)
    return false;
  return !form.panel() || placeOf(at.lanes == 0 ? at.row : at.column, form.panel(), at.width);
}

Value KernelEmitter::readElement(const Stored &form, Value row, Value column) {
  return memref::LoadOp::create(b, form.memory, coordinatesIn(form, row, column));
}

Value KernelEmitter::readForm(const Stored &form, At at) {
  Type element = form.elementType();
  auto type = VectorType::get({at.width}, element);
  if (isContiguous(form, at))
    return vector::LoadOp::create(b, type, form.memory, coordinatesIn(form, at.row, at.column));
  if (form.type().getRank() == 1 &&
      form.lanes != at.lanes) // the other axis has one element, repeated along the lanes by `broadcast`
    return vector::BroadcastOp::create(b, type, readElement(form, at.row, at.column));
  Value result = arith::ConstantOp::create(b, b.getZeroAttr(type));
  for (int64_t i = 0; i < at.width; ++i) {
    Value row = at.lanes == 0 ? plus(at.row, i) : at.row, column = at.lanes == 1 ? plus(at.column, i) : at.column;
    result = vector::InsertOp::create(b, readElement(form, row, column), result, ArrayRef<int64_t>{i});
  }
  return result;
}

void KernelEmitter::writeForm(const Stored &form, At at, Value vector) {
  Type element = form.elementType();
  auto type = cast<VectorType>(vector.getType());
  if (type.getElementType().isInteger(1))
    vector = arith::ExtUIOp::create(b, VectorType::get(type.getShape(), element), vector);
  else
    vector = convertElements(vector, element);
  if (isContiguous(form, at)) {
    vector::StoreOp::create(b, vector, form.memory, coordinatesIn(form, at.row, at.column));
    return;
  }
  for (int64_t i = 0; i < at.width; ++i) {
    Value row = at.lanes == 0 ? plus(at.row, i) : at.row, column = at.lanes == 1 ? plus(at.column, i) : at.column;
    Value one = vector::ExtractOp::create(b, vector, ArrayRef<int64_t>{i});
    memref::StoreOp::create(b, one, form.memory, coordinatesIn(form, row, column));
  }
}

Value KernelEmitter::convertElements(Value vector, Type element) {
  auto type = dyn_cast<VectorType>(vector.getType());
  Type from = type ? type.getElementType() : vector.getType();
  if (from == element)
    return vector;
  Type to = type ? Type(type.clone(element)) : element;
  if (from.getIntOrFloatBitWidth() < element.getIntOrFloatBitWidth())
    return arith::ExtFOp::create(b, to, vector);
  return arith::TruncFOp::create(b, to, vector);
}

Value KernelEmitter::evaluate(Value value, At at, Cache &cache) {
  auto key = keyOf(value, at);
  if (auto it = cache.find(key); it != cache.end())
    return it->second;
  Value result;
  if (isStored(value)) {
    Type element = tileType(value).getElementType();
    const Stored *best = &forms[value].front();
    for (const Stored &form : forms[value])
      if (form.lanes == at.lanes && form.elementType() == storedElement(element))
        best = &form;
    result = readForm(*best, at);
    if (element.isInteger(1))
      result = arith::TruncIOp::create(b, VectorType::get({at.width}, element), result);
    else if (isa<FloatType>(element))
      result = convertElements(result, element);
  } else {
    result = compute(value, at, cache);
  }
  cache[key] = result;
  return result;
}

Value KernelEmitter::compute(Value value, At at, Cache &cache) {
  Operation *op = value.getDefiningOp();
  Type element = tileType(value).getElementType();
  auto type = VectorType::get({at.width}, element);
  if (auto constantOp = dyn_cast<arith::ConstantOp>(op)) {
    auto dense = cast<DenseElementsAttr>(constantOp.getValue());
    return arith::ConstantOp::create(b, DenseElementsAttr::get(type, dense.getSplatValue<Attribute>()));
  }
  if (auto splat = dyn_cast<tensor::SplatOp>(op))
    return vector::BroadcastOp::create(b, type, scalar(splat.getInput()));
  if (auto iota = dyn_cast<tile::IotaOp>(op)) {
    Value position = arith::AddIOp::create(b, scalar(iota.getOffset()), iota.getDim() == 0 ? at.row : at.column);
    position = arith::IndexCastOp::create(b, element, position);
    Value vector = vector::BroadcastOp::create(b, type, position);
    if (static_cast<int>(iota.getDim()) != at.lanes)
      return vector;
    SmallVector<int32_t> steps(at.width);
    for (int64_t i = 0; i < at.width; ++i)
      steps[i] = i;
    Value step = arith::ConstantOp::create(b, DenseElementsAttr::get(type, ArrayRef<int32_t>(steps)));
    return arith::AddIOp::create(b, vector, step);
  }
  if (auto broadcast = dyn_cast<tile::BroadcastOp>(op)) {
    RankedTensorType from = broadcast.getSource().getType();
    At source = at;
    if (from.getDimSize(0) == 1)
      source.row = constant(0);
    if (from.getDimSize(1) == 1)
      source.column = constant(0);
    if (from.getDimSize(at.lanes) != 1 || tileType(value).getDimSize(at.lanes) == 1)
      return evaluate(broadcast.getSource(), source, cache);
    source.width = 1;
    Value one = evaluate(broadcast.getSource(), source, cache);
    return vector::BroadcastOp::create(b, type, vector::ExtractOp::create(b, one, ArrayRef<int64_t>{0}));
  }
  if (auto transpose = dyn_cast<tile::TransposeOp>(op))
    return evaluate(transpose.getSource(), At{at.column, at.row, 1 - at.lanes, at.width}, cache);
  if (auto slice = dyn_cast<tile::SliceOp>(op))
    return evaluate(
        slice.getSource(),
        At{plus(at.row, slice.getRowOffset()), plus(at.column, slice.getColumnOffset()), at.lanes, at.width}, cache);
  if (auto gather = dyn_cast<tile::GatherOp>(op))
    return evaluateGather(gather, at, cache);
  OperationState state(b.getLoc(), op->getName());
  for (Value operand : op->getOperands())
    state.addOperands(tileType(operand) ? evaluate(operand, at, cache) : scalar(operand));
  state.addTypes(type);
  state.addAttributes(op->getAttrs());
  return b.create(state)->getResult(0);
}

Value KernelEmitter::evaluateGather(tile::GatherOp op, At at, Cache &cache) {
  RankedTensorType shape = op.getResult().getType();
  auto type = VectorType::get({at.width}, shape.getElementType());
  // An operand that is one row, one column or one element is repeated.
  auto operand = [&](Value value) {
    RankedTensorType from = tileType(value);
    At source{from.getDimSize(0) == 1 ? constant(0) : at.row, from.getDimSize(1) == 1 ? constant(0) : at.column,
              at.lanes, from.getDimSize(at.lanes) == 1 ? 1 : at.width};
    return evaluate(value, source, cache);
  };
  auto lane = [&](Value vector, int64_t i) -> Value {
    bool repeated = cast<VectorType>(vector.getType()).getDimSize(0) == 1;
    return vector::ExtractOp::create(b, vector, ArrayRef<int64_t>{repeated ? 0 : i});
  };
  Value source = scalar(op.getSource()), zero = constant(0);
  SmallVector<Value> coordinates, last;
  for (auto [dim, coordinate] : llvm::enumerate(op.getCoordinates())) {
    coordinates.push_back(tileType(coordinate) ? operand(coordinate) : scalar(coordinate));
    last.push_back(arith::SubIOp::create(b, memref::DimOp::create(b, source, constant(dim)), constant(1)));
  }
  Value mask = op.getMask() ? operand(op.getMask()) : Value();
  Value result = arith::ConstantOp::create(b, b.getZeroAttr(type));
  for (int64_t i = 0; i < at.width; ++i) {
    SmallVector<Value> indices;
    for (auto [coordinate, bound] : llvm::zip(coordinates, last)) {
      Value index = coordinate;
      if (isa<VectorType>(index.getType()))
        index = arith::IndexCastOp::create(b, b.getIndexType(), lane(index, i));
      index = arith::MaxSIOp::create(b, arith::MinSIOp::create(b, index, bound), zero);
      indices.push_back(index);
    }
    Value one = memref::LoadOp::create(b, source, indices);
    if (mask)
      one = arith::SelectOp::create(b, lane(mask, i), one,
                                    arith::ConstantOp::create(b, b.getZeroAttr(shape.getElementType())));
    result = vector::InsertOp::create(b, one, result, ArrayRef<int64_t>{i});
  }
  return result;
}
