//===- MaskPartsTest.cpp - parts of random masks against brute force --------===//
//
// Every pair that the mask shows is seen by one part, and once; ranges of a class are as
// true of its pairs as those of whole masks are.
//
//===----------------------------------------------------------------------===//
#include "RandomMask.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "gtest/gtest.h"
#include <cstdio>

using namespace heddle;
using namespace heddle::test;
using namespace mlir;

namespace {
class MaskParts : public ::testing::Test {
protected:
  MaskParts() { context.loadDialect<arith::ArithDialect, func::FuncDialect, tensor::TensorDialect>(); }
  MLIRContext context{MLIRContext::Threading::DISABLED};
};

/// (a * i + shift - j) mod m = 0 in one of the ways to write it.
Value residueTruth(OpBuilder &b, Location loc, Block &body, Random &random) {
  auto constant = [&](int64_t v) -> Value { return arith::ConstantIndexOp::create(b, loc, v); };
  Value i = body.getArgument(2), j = body.getArgument(3), m = constant(pick(random, 2, 9));
  Value left = arith::MulIOp::create(b, loc, i, constant(pick(random, 0, 4) ? 1 : pick(random, -2, 3)));
  Value shift = pick(random, 0, 1) ? constant(pick(random, -3, 3)) : body.getArgument(pick(random, 0, 4));
  left = arith::AddIOp::create(b, loc, left, shift);
  Value difference = arith::SubIOp::create(b, loc, left, j);
  switch (pick(random, 0, 2)) {
  case 0:
    difference = arith::RemSIOp::create(b, loc, difference, m);
    break;
  case 1: {
    Value quotient = arith::FloorDivSIOp::create(b, loc, difference, m);
    difference = arith::SubIOp::create(b, loc, difference, arith::MulIOp::create(b, loc, quotient, m));
    break;
  }
  default: {
    auto modulo = [&](Value x) -> Value {
      Value rest = arith::RemSIOp::create(b, loc, x, m);
      Value isNegative = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt, rest, constant(0));
      return arith::SelectOp::create(b, loc, isNegative, arith::AddIOp::create(b, loc, rest, m), rest);
    };
    difference = arith::SubIOp::create(b, loc, modulo(left), modulo(j));
  }
  }
  return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, difference, constant(0));
}

/// Puts a residue class into a mask: beside it, or as one side of it.
void insertResidues(func::FuncOp function, Random &random) {
  Block &body = function.getBody().front();
  Operation *terminator = body.getTerminator();
  OpBuilder b(terminator);
  Location loc = function.getLoc();
  Value mask = terminator->getOperand(0), residues = residueTruth(b, loc, body, random);
  if (pick(random, 0, 1)) {
    mask = arith::AndIOp::create(b, loc, mask, residues);
  } else {
    mask = arith::OrIOp::create(b, loc, mask, residues);
    if (pick(random, 0, 1)) {
      Value past = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::sle, body.getArgument(3), body.getArgument(2));
      mask = arith::AndIOp::create(b, loc, mask, past);
    }
  }
  terminator->setOperand(0, mask);
}

/// What a class of rows sees of its keys, and whether the ranges of blocks of rows are true of it.
struct ClassCheck {
  MaskOnHost host;
  const MaskCase &mask;
  int64_t modulus, residue, keyResidue = 0;

  ClassCheck(const MaskAnalysis &part, const MaskCase &mask, int64_t residue)
      : host(part, mask.captures(), mask.keys), mask(mask), modulus(part.getModulus()), residue(residue) {
    if (modulus != 1)
      keyResidue = host.enterClass(mask.batch, mask.head, residue);
  }

  int64_t countOf(int64_t all, int64_t first) const {
    return std::max<int64_t>(all - first + modulus - 1, 0) / modulus;
  }

  testing::AssertionResult check(std::vector<int> &seen, int64_t block) {
    int64_t rows = countOf(mask.rows, residue), keys = countOf(mask.keys, keyResidue);
    for (int64_t begin = 0; begin < rows; begin += block) {
      int64_t end = std::min(begin + block, rows);
      HostRanges ranges = host.ranges(mask.batch, mask.head, begin, end);
      for (int64_t i = begin; i < end; ++i)
        for (int64_t j = 0; j < keys; ++j) {
          bool isVisible = host.isVisible(mask.batch, mask.head, i, j), isVisited = false, isFull = false;
          for (auto [may, full] : llvm::zip(ranges.may, ranges.full)) {
            isVisited |= may.begin <= j && j < may.end;
            isFull |= full.begin <= j && j < full.end;
          }
          if ((isVisible && !isVisited) || (isFull && !isVisible))
            return testing::AssertionFailure() << "row " << i << " and key " << j << " of residue " << residue;
          seen[(residue + modulus * i) * mask.keys + keyResidue + modulus * j] += isVisible;
        }
    }
    return testing::AssertionSuccess();
  }
};
} // namespace

TEST_F(MaskParts, SeeEveryPairOnce) {
  constexpr int64_t masks = 6000, extent = 24;
  Random random(20261126);
  int64_t divided = 0, unions = 0;
  for (int64_t k = 0; k < masks; ++k) {
    OwningOpRef<ModuleOp> module = ModuleOp::create(UnknownLoc::get(&context));
    MaskCase mask = makeRandomMask(*module, random, extent, /*opaque=*/false);
    for (int64_t count = pick(random, 0, 3) ? 1 : 2; count > 0; --count)
      insertResidues(mask.function, random);
    std::vector<MaskAnalysis> parts = MaskAnalysis::computeParts(mask.function.getBody());
    if (parts.empty())
      continue;
    ++divided;
    unions += parts.size() > 1;
    Interpreter interpreter(mask.function.getBody().front());
    mask.bind(interpreter);
    std::vector<int> seen(mask.rows * mask.keys);
    int64_t block = pick(random, 1, 9);
    for (const MaskAnalysis &part : parts)
      for (int64_t residue = 0; residue < part.getModulus(); ++residue)
        ASSERT_TRUE(ClassCheck(part, mask, residue).check(seen, block)) << "mask " << k;
    for (int64_t i = 0; i < mask.rows; ++i)
      for (int64_t j = 0; j < mask.keys; ++j) {
        auto at = [&](unsigned argument, int64_t value) {
          interpreter.bind(mask.function.getArgument(argument), value);
        };
        at(0, mask.batch), at(1, mask.head), at(2, i), at(3, j);
        ASSERT_EQ(seen[i * mask.keys + j], interpreter.run()[0] != 0) << "mask " << k << " at " << i << ", " << j;
      }
  }
  std::printf("%ld of %ld masks are divided, %ld of them unions\n", long(divided), long(masks), long(unions));
  EXPECT_GT(divided, masks / 4);
  EXPECT_GT(unions, masks / 20);
}
