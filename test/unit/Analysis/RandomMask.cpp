#include "RandomMask.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace heddle;
using namespace heddle::test;
using namespace mlir;

HostCaptures MaskCase::captures() const {
  HostCaptures result;
  result.scalar = [this](Value value) { return scalars.at(cast<BlockArgument>(value).getArgNumber()); };
  result.table = [this](Value value) {
    unsigned number = cast<BlockArgument>(value).getArgNumber();
    const Table &table = tables.at(number);
    HostTable result;
    if (cast<ShapedType>(value.getType()).getElementType().isInteger(1)) {
      truths[number].assign(table.entries.begin(), table.entries.end());
      result.data = truths[number].data();
      result.bits = 8;
    } else {
      words[number].assign(table.entries.begin(), table.entries.end());
      result.data = words[number].data();
      result.bits = 32;
    }
    result.sizes.assign(table.sizes.begin(), table.sizes.end());
    int64_t stride = 1;
    result.strides.resize(table.sizes.size());
    for (unsigned k = table.sizes.size(); k-- > 0; stride *= table.sizes[k])
      result.strides[k] = stride;
    return result;
  };
  return result;
}

void MaskCase::bind(Interpreter &interpreter) const {
  for (auto [number, value] : scalars)
    interpreter.bind(const_cast<func::FuncOp &>(function).getArgument(number), value);
  for (const auto &[number, table] : tables)
    interpreter.bind(const_cast<func::FuncOp &>(function).getArgument(number), &table);
}

namespace {
// Arguments: b h i j, three scalars, two lines and a grid of i32, a line of truths.
constexpr unsigned scalarsBegin = 4, linesBegin = 7, grid = 9, truths = 10;

class MaskBuilder {
public:
  MaskBuilder(OpBuilder &builder, Location loc, Block *body, Random &random, int64_t extent, bool opaque)
      : b(builder), loc(loc), body(body), random(random), extent(extent), opaque(opaque) {}

  Value truth(int depth) {
    int64_t kind = depth <= 0 ? 0 : pick(random, 0, 13);
    if (kind <= 5)
      return compare(depth);
    if (kind == 6)
      return arith::XOrIOp::create(b, loc, truth(depth - 1), truth(depth - 1));
    if (kind == 7)
      return arith::XOrIOp::create(b, loc, truth(depth - 1), arith::ConstantIntOp::create(b, loc, 1, 1));
    if (kind == 8)
      return arith::SelectOp::create(b, loc, truth(depth - 1), truth(depth - 1), truth(depth - 1));
    if (kind == 9 && pick(random, 0, 3) == 0)
      return tensor::ExtractOp::create(b, loc, argument(truths), position());
    if (kind == 10 && opaque)
      return arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OLT, real(depth - 1), real(depth - 1));
    if (kind % 2)
      return arith::AndIOp::create(b, loc, truth(depth - 1), truth(depth - 1));
    return arith::OrIOp::create(b, loc, truth(depth - 1), truth(depth - 1));
  }

private:
  Value argument(unsigned k) { return body->getArgument(k); }
  Value constant(int64_t v) { return arith::ConstantIndexOp::create(b, loc, v); }

  Value compare(int depth) {
    auto predicate = static_cast<arith::CmpIPredicate>(pick(random, 0, 9));
    // Mostly a comparison that says something about j.
    Value left = pick(random, 0, 2) ? moving(depth - 1) : integer(depth - 1);
    return arith::CmpIOp::create(b, loc, predicate, left, integer(depth - 1));
  }

  Value real(int depth) {
    Value word = arith::IndexCastOp::create(b, loc, b.getI64Type(), integer(depth));
    return arith::SIToFPOp::create(b, loc, b.getF64Type(), word);
  }

  /// j under something that can often be undone.
  Value moving(int depth) {
    Value j = argument(3);
    switch (pick(random, 0, 7)) {
    case 0:
      return arith::FloorDivSIOp::create(b, loc, j, constant(pick(random, 1, 7)));
    case 1:
      return arith::SubIOp::create(b, loc, integer(depth - 1), j);
    case 2:
      return arith::MulIOp::create(b, loc, j, constant(pick(random, -3, 3)));
    case 3:
      return entry(j);
    case 4:
      return arith::FloorDivSIOp::create(b, loc, arith::AddIOp::create(b, loc, j, integer(depth - 1)), divisor());
    default:
      return j;
    }
  }

  Value divisor() {
    if (pick(random, 0, 2) == 0)
      return argument(scalarsBegin + pick(random, 0, 2)); // never 0
    int64_t value = pick(random, -3, 9);
    return constant(value == 0 ? 4 : value);
  }

  /// An index inside every table.
  Value position() {
    switch (pick(random, 0, 5)) {
    case 0:
    case 1:
      return argument(2);
    case 2:
    case 3:
      return argument(3);
    case 4:
      return arith::DivSIOp::create(b, loc, argument(pick(random, 2, 3)), constant(pick(random, 1, 5)));
    default: {
      Value any = integer(1);
      return arith::MaxSIOp::create(b, loc, arith::MinSIOp::create(b, loc, any, constant(extent - 1)), constant(0));
    }
    }
  }

  Value entry(Value at) {
    Value element;
    if (pick(random, 0, 2) == 0) {
      Value other = pick(random, 0, 1) ? argument(pick(random, 0, 1)) : position();
      bool last = pick(random, 0, 3);
      element = tensor::ExtractOp::create(b, loc, argument(grid), last ? ValueRange{other, at} : ValueRange{at, other});
    } else {
      element = tensor::ExtractOp::create(b, loc, argument(linesBegin + pick(random, 0, 1)), at);
    }
    return arith::IndexCastOp::create(b, loc, b.getIndexType(), element);
  }

  Value leaf() {
    switch (pick(random, 0, 11)) {
    case 0:
    case 1:
    case 2:
      return argument(2);
    case 3:
    case 4:
    case 5:
      return argument(3);
    case 6:
      return argument(pick(random, 0, 1));
    case 7:
      return argument(scalarsBegin + pick(random, 0, 2));
    case 8:
    case 9:
      return entry(position());
    default:
      return constant(pick(random, -8, 16));
    }
  }

  Value integer(int depth) {
    if (depth <= 0)
      return leaf();
    auto x = [&] { return integer(depth - 1); };
    switch (pick(random, 0, 15)) {
    case 0:
    case 1:
      return arith::AddIOp::create(b, loc, x(), x());
    case 2:
    case 3:
      return arith::SubIOp::create(b, loc, x(), x());
    case 4:
      return arith::MulIOp::create(b, loc, x(), constant(pick(random, -3, 5)));
    case 5:
      return arith::MulIOp::create(b, loc, leaf(), leaf());
    case 6:
      return arith::FloorDivSIOp::create(b, loc, x(), divisor());
    case 7:
      return arith::CeilDivSIOp::create(b, loc, x(), divisor());
    case 8:
      return arith::DivSIOp::create(b, loc, x(), divisor());
    case 9:
      return arith::RemSIOp::create(b, loc, x(), divisor());
    case 10:
      return arith::MinSIOp::create(b, loc, x(), x());
    case 11:
      return arith::MaxSIOp::create(b, loc, x(), x());
    case 12:
      return arith::SelectOp::create(b, loc, truth(depth - 2), x(), x());
    case 13: {
      Value bit = truth(depth - 2);
      if (pick(random, 0, 1))
        return arith::IndexCastUIOp::create(b, loc, b.getIndexType(), bit);
      Value word = arith::ExtSIOp::create(b, loc, b.getI64Type(), bit);
      return arith::IndexCastOp::create(b, loc, b.getIndexType(), word);
    }
    default:
      return leaf();
    }
  }

  OpBuilder &b;
  Location loc;
  Block *body;
  Random &random;
  int64_t extent;
  bool opaque;
};
} // namespace

MaskCase heddle::test::makeRandomMask(ModuleOp module, Random &random, int64_t extent, bool opaque) {
  OpBuilder b = OpBuilder::atBlockEnd(module.getBody());
  Location loc = module.getLoc();
  Type index = b.getIndexType(), word = b.getI32Type();
  Type line = RankedTensorType::get({ShapedType::kDynamic}, word);
  Type square = RankedTensorType::get({ShapedType::kDynamic, ShapedType::kDynamic}, word);
  Type bits = RankedTensorType::get({ShapedType::kDynamic}, b.getI1Type());
  SmallVector<Type> inputs{index, index, index, index, index, index, index, line, line, square, bits};
  MaskCase result;
  result.function = func::FuncOp::create(b, loc, "mask", b.getFunctionType(inputs, b.getI1Type()));
  Block *body = result.function.addEntryBlock();
  b.setInsertionPointToStart(body);
  Value truth = MaskBuilder(b, loc, body, random, extent, opaque).truth(pick(random, 0, 4));
  func::ReturnOp::create(b, loc, truth);

  for (unsigned k = 0; k < 3; ++k) {
    int64_t value = pick(random, -2, 9);
    result.scalars[scalarsBegin + k] = value == 0 ? 16 : value;
  }
  auto fill = [&](std::vector<int64_t> sizes, bool rising, int64_t most) {
    Table table{sizes, {}};
    int64_t count = 1;
    for (int64_t size : sizes)
      count *= size;
    int64_t last = pick(random, -4, 4);
    for (int64_t k = 0; k < count; ++k) {
      if (rising && k % sizes.back() == 0)
        last = pick(random, -4, 4);
      last = rising ? last + (pick(random, 0, 3) == 0) * pick(random, 0, most / 4) : pick(random, -4, most);
      table.entries.push_back(last);
    }
    return table;
  };
  for (unsigned k = 0; k < 2; ++k)
    result.tables[linesBegin + k] = fill({extent}, pick(random, 0, 2) != 0, pick(random, 4, extent));
  result.tables[grid] = fill({extent, extent}, pick(random, 0, 2) != 0, pick(random, 4, extent));
  Table &bitTable = result.tables[truths] = Table{{extent}, {}};
  for (int64_t k = 0, cut = pick(random, 0, extent), any = pick(random, 0, 1); k < extent; ++k)
    bitTable.entries.push_back(any ? pick(random, 0, 1) : k >= cut);
  result.batch = pick(random, 0, 2);
  result.head = pick(random, 0, 2);
  result.rows = pick(random, 1, extent);
  result.keys = pick(random, 0, 20) == 0 ? 0 : pick(random, 1, extent);
  return result;
}
