//===- ScalarRules.cpp - what arith and math compute on scalars -------------===//
//
// One table from the name of an operation to a function on doubles or integers.
//
//===----------------------------------------------------------------------===//
#include "dialects/Attn/ScalarInterpreter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/MathExtras.h"
#include <cmath>

using namespace mlir;
using namespace heddle::attn;
using Operands = ArrayRef<Scalar>;

static unsigned widthOf(Type type) { return type.isIndex() ? 64 : type.getIntOrFloatBitWidth(); }

/// An integer of the width of `type`: booleans are 0 or 1, others sign-extended.
static Scalar wrap(int64_t value, Type type) {
  unsigned width = widthOf(type);
  if (width == 1)
    return Scalar::ofInteger(value & 1);
  return Scalar::ofInteger(width >= 64 ? value : llvm::SignExtend64(static_cast<uint64_t>(value), width));
}

static uint64_t bitsOf(int64_t value, Type type) {
  unsigned width = widthOf(type);
  return width >= 64 ? static_cast<uint64_t>(value)
                     : static_cast<uint64_t>(value) & llvm::maskTrailingOnes<uint64_t>(width);
}

//===----------------------------------------------------------------------===//
// Shapes of rules
//===----------------------------------------------------------------------===//

template <double (*function)(double)> static std::optional<Scalar> real1(Operation &, Operands in) {
  return Scalar::ofReal(function(in[0].real));
}
template <double (*function)(double, double)> static std::optional<Scalar> real2(Operation &, Operands in) {
  return Scalar::ofReal(function(in[0].real, in[1].real));
}
/// On signed values; nothing where the operation is undefined.
template <std::optional<int64_t> (*function)(int64_t, int64_t)>
static std::optional<Scalar> signed2(Operation &op, Operands in) {
  std::optional<int64_t> value = function(in[0].integer, in[1].integer);
  return value ? std::optional(wrap(*value, op.getResult(0).getType())) : std::nullopt;
}
template <std::optional<uint64_t> (*function)(uint64_t, uint64_t)>
static std::optional<Scalar> unsigned2(Operation &op, Operands in) {
  Type type = op.getResult(0).getType();
  std::optional<uint64_t> value = function(bitsOf(in[0].integer, type), bitsOf(in[1].integer, type));
  return value ? std::optional(wrap(static_cast<int64_t>(*value), type)) : std::nullopt;
}

using Signed = std::optional<int64_t>;
using Unsigned = std::optional<uint64_t>;
static Signed addInteger(int64_t a, int64_t b) { return static_cast<int64_t>(uint64_t(a) + uint64_t(b)); }
static Signed subInteger(int64_t a, int64_t b) { return static_cast<int64_t>(uint64_t(a) - uint64_t(b)); }
static Signed mulInteger(int64_t a, int64_t b) { return static_cast<int64_t>(uint64_t(a) * uint64_t(b)); }
static bool divides(int64_t a, int64_t b) { return b != 0 && !(a == INT64_MIN && b == -1); }
static Signed divSigned(int64_t a, int64_t b) { return divides(a, b) ? Signed(a / b) : std::nullopt; }
static Signed remSigned(int64_t a, int64_t b) { return divides(a, b) ? Signed(a % b) : std::nullopt; }
static Signed floorDiv(int64_t a, int64_t b) {
  return divides(a, b) ? Signed(llvm::divideFloorSigned(a, b)) : std::nullopt;
}
static Signed ceilDiv(int64_t a, int64_t b) {
  return divides(a, b) ? Signed(llvm::divideCeilSigned(a, b)) : std::nullopt;
}
static Signed minSigned(int64_t a, int64_t b) { return std::min(a, b); }
static Signed maxSigned(int64_t a, int64_t b) { return std::max(a, b); }
static Signed bitAnd(int64_t a, int64_t b) { return a & b; }
static Signed bitOr(int64_t a, int64_t b) { return a | b; }
static Signed bitXor(int64_t a, int64_t b) { return a ^ b; }
static Signed shiftRightSigned(int64_t a, int64_t b) { return b >= 0 && b < 64 ? Signed(a >> b) : std::nullopt; }
static Unsigned shiftLeft(uint64_t a, uint64_t b) { return b < 64 ? Unsigned(a << b) : std::nullopt; }
static Unsigned shiftRight(uint64_t a, uint64_t b) { return b < 64 ? Unsigned(a >> b) : std::nullopt; }
static Unsigned divUnsigned(uint64_t a, uint64_t b) { return b ? Unsigned(a / b) : std::nullopt; }
static Unsigned ceilDivUnsigned(uint64_t a, uint64_t b) { return b ? Unsigned(a / b + (a % b != 0)) : std::nullopt; }
static Unsigned remUnsigned(uint64_t a, uint64_t b) { return b ? Unsigned(a % b) : std::nullopt; }
static Unsigned minUnsigned(uint64_t a, uint64_t b) { return std::min(a, b); }
static Unsigned maxUnsigned(uint64_t a, uint64_t b) { return std::max(a, b); }

static double add(double a, double b) { return a + b; }
static double subtract(double a, double b) { return a - b; }
static double multiply(double a, double b) { return a * b; }
static double divide(double a, double b) { return a / b; }
static double negate(double a) { return -a; }
static double reciprocalRoot(double a) { return 1 / std::sqrt(a); }
// maximumf and minimumf propagate NaN; maxnumf and minnumf do not.
static double maximum(double a, double b) { return std::isnan(a) || std::isnan(b) ? NAN : std::fmax(a, b); }
static double minimum(double a, double b) { return std::isnan(a) || std::isnan(b) ? NAN : std::fmin(a, b); }

//===----------------------------------------------------------------------===//
// Rules with a shape of their own
//===----------------------------------------------------------------------===//

static std::optional<Scalar> constant(Operation &op, Operands) {
  Attribute value = cast<arith::ConstantOp>(op).getValue();
  if (auto real = dyn_cast<FloatAttr>(value))
    return Scalar::ofReal(real.getValueAsDouble());
  if (auto integer = dyn_cast<IntegerAttr>(value))
    return wrap(integer.getType().isInteger(1) ? integer.getValue().getZExtValue() : integer.getValue().getSExtValue(),
                integer.getType());
  return std::nullopt;
}

static std::optional<Scalar> compareIntegers(Operation &op, Operands in) {
  auto compare = cast<arith::CmpIOp>(op);
  unsigned width = widthOf(compare.getLhs().getType());
  auto value = [&](Scalar scalar) { return APInt(width, bitsOf(scalar.integer, compare.getLhs().getType())); };
  return Scalar::ofInteger(arith::applyCmpPredicate(compare.getPredicate(), value(in[0]), value(in[1])));
}

static std::optional<Scalar> compareReals(Operation &op, Operands in) {
  return Scalar::ofInteger(
      arith::applyCmpPredicate(cast<arith::CmpFOp>(op).getPredicate(), APFloat(in[0].real), APFloat(in[1].real)));
}

static std::optional<Scalar> choose(Operation &, Operands in) { return in[0].integer ? in[1] : in[2]; }
static std::optional<Scalar> keep(Operation &, Operands in) { return in[0]; }
static std::optional<Scalar> resize(Operation &op, Operands in) {
  // Sign extension and truncation; a boolean extends to -1.
  bool boolean = widthOf(op.getOperand(0).getType()) == 1;
  return wrap(boolean ? -in[0].integer : in[0].integer, op.getResult(0).getType());
}
static std::optional<Scalar> extendUnsigned(Operation &op, Operands in) {
  return wrap(bitsOf(in[0].integer, op.getOperand(0).getType()), op.getResult(0).getType());
}
static std::optional<Scalar> signedToReal(Operation &op, Operands in) {
  bool boolean = widthOf(op.getOperand(0).getType()) == 1;
  return Scalar::ofReal(boolean ? -in[0].integer : in[0].integer);
}
static std::optional<Scalar> unsignedToReal(Operation &op, Operands in) {
  return Scalar::ofReal(static_cast<double>(bitsOf(in[0].integer, op.getOperand(0).getType())));
}
static std::optional<Scalar> realToInteger(Operation &op, Operands in) {
  // Out of range is undefined in arith.
  if (!(std::fabs(in[0].real) < 9.0e18))
    return std::nullopt;
  return wrap(static_cast<int64_t>(in[0].real), op.getResult(0).getType());
}
static std::optional<Scalar> reinterpret(Operation &op, Operands in) {
  Type from = op.getOperand(0).getType(), to = op.getResult(0).getType();
  if (from.isF32() && to.isInteger(32))
    return wrap(llvm::bit_cast<int32_t>(static_cast<float>(in[0].real)), to);
  if (from.isInteger(32) && to.isF32())
    return Scalar::ofReal(llvm::bit_cast<float>(static_cast<int32_t>(in[0].integer)));
  return std::nullopt;
}
static std::optional<Scalar> fusedMultiplyAdd(Operation &, Operands in) {
  return Scalar::ofReal(std::fma(in[0].real, in[1].real, in[2].real));
}
static std::optional<Scalar> raiseToInteger(Operation &, Operands in) {
  return Scalar::ofReal(std::pow(in[0].real, static_cast<double>(in[1].integer)));
}
static std::optional<Scalar> absoluteInteger(Operation &op, Operands in) {
  return wrap(in[0].integer < 0 ? -in[0].integer : in[0].integer, op.getResult(0).getType());
}

ScalarRule heddle::attn::lookupScalarRule(StringRef name) {
  static const llvm::StringMap<ScalarRule> rules = {
      {"arith.constant", constant},
      {"arith.addf", real2<add>},
      {"arith.subf", real2<subtract>},
      {"arith.mulf", real2<multiply>},
      {"arith.divf", real2<divide>},
      {"arith.remf", real2<std::fmod>},
      {"arith.negf", real1<negate>},
      {"arith.maximumf", real2<maximum>},
      {"arith.minimumf", real2<minimum>},
      {"arith.maxnumf", real2<std::fmax>},
      {"arith.minnumf", real2<std::fmin>},
      {"arith.addi", signed2<addInteger>},
      {"arith.subi", signed2<subInteger>},
      {"arith.muli", signed2<mulInteger>},
      {"arith.divsi", signed2<divSigned>},
      {"arith.remsi", signed2<remSigned>},
      {"arith.floordivsi", signed2<floorDiv>},
      {"arith.ceildivsi", signed2<ceilDiv>},
      {"arith.divui", unsigned2<divUnsigned>},
      {"arith.ceildivui", unsigned2<ceilDivUnsigned>},
      {"arith.remui", unsigned2<remUnsigned>},
      {"arith.minsi", signed2<minSigned>},
      {"arith.maxsi", signed2<maxSigned>},
      {"arith.minui", unsigned2<minUnsigned>},
      {"arith.maxui", unsigned2<maxUnsigned>},
      {"arith.andi", signed2<bitAnd>},
      {"arith.ori", signed2<bitOr>},
      {"arith.xori", signed2<bitXor>},
      {"arith.shli", unsigned2<shiftLeft>},
      {"arith.shrui", unsigned2<shiftRight>},
      {"arith.shrsi", signed2<shiftRightSigned>},
      {"arith.cmpi", compareIntegers},
      {"arith.cmpf", compareReals},
      {"arith.select", choose},
      {"arith.extf", keep},
      {"arith.truncf", keep},
      {"arith.extsi", resize},
      {"arith.trunci", resize},
      {"arith.index_cast", resize},
      {"arith.extui", extendUnsigned},
      {"arith.index_castui", extendUnsigned},
      {"arith.sitofp", signedToReal},
      {"arith.uitofp", unsignedToReal},
      {"arith.fptosi", realToInteger},
      {"arith.fptoui", realToInteger},
      {"arith.bitcast", reinterpret},
      {"math.absf", real1<std::fabs>},
      {"math.absi", absoluteInteger},
      {"math.atan", real1<std::atan>},
      {"math.atan2", real2<std::atan2>},
      {"math.ceil", real1<std::ceil>},
      {"math.copysign", real2<std::copysign>},
      {"math.cos", real1<std::cos>},
      {"math.cosh", real1<std::cosh>},
      {"math.erf", real1<std::erf>},
      {"math.exp", real1<std::exp>},
      {"math.exp2", real1<std::exp2>},
      {"math.expm1", real1<std::expm1>},
      {"math.floor", real1<std::floor>},
      {"math.fma", fusedMultiplyAdd},
      {"math.fpowi", raiseToInteger},
      {"math.log", real1<std::log>},
      {"math.log1p", real1<std::log1p>},
      {"math.log2", real1<std::log2>},
      {"math.powf", real2<std::pow>},
      {"math.round", real1<std::round>},
      {"math.roundeven", real1<std::nearbyint>},
      {"math.rsqrt", real1<reciprocalRoot>},
      {"math.sin", real1<std::sin>},
      {"math.sinh", real1<std::sinh>},
      {"math.sqrt", real1<std::sqrt>},
      {"math.tan", real1<std::tan>},
      {"math.tanh", real1<std::tanh>},
      {"math.trunc", real1<std::trunc>},
  };
  return rules.lookup(name);
}
