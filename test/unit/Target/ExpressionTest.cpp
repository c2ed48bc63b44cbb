//===- ExpressionTest.cpp - constants fold as the runtime evaluates ---------===//
#include "heddle/Target/Expression.h"
#include <gtest/gtest.h>

using namespace heddle;

static std::optional<int64_t> folded(heddle_opcode opcode, int64_t a, int64_t b) {
  return Expression::binary(opcode, Expression::constant(a), Expression::constant(b)).known();
}

TEST(Expression, DivisionRoundsAsItsNameSays) {
  EXPECT_EQ(folded(HEDDLE_OP_FLOORDIV, -7, 2), -4);
  EXPECT_EQ(folded(HEDDLE_OP_CEILDIV, -7, 2), -3);
  EXPECT_EQ(folded(HEDDLE_OP_CEILDIV, 7, 2), 4);
  EXPECT_EQ(folded(HEDDLE_OP_MOD, -7, 4), 1);
}

TEST(Expression, DivisionByZeroIsLeftToTheRuntime) {
  EXPECT_FALSE(folded(HEDDLE_OP_FLOORDIV, 1, 0));
  EXPECT_FALSE(folded(HEDDLE_OP_MOD, 1, -3));
}

TEST(Expression, ArithmeticWraps) { EXPECT_EQ(folded(HEDDLE_OP_ADD, INT64_MAX, 1), INT64_MIN); }

TEST(Expression, NeutralElementsVanish) {
  Expression size = Expression::size(0, 2);
  EXPECT_EQ((size * Expression::constant(1)).words(), size.words());
  EXPECT_EQ((Expression::constant(0) + size).words(), size.words());
}

TEST(Expression, ConstantsKeepAll64Bits) {
  auto words = Expression::constant(-2).words();
  ASSERT_EQ(words.size(), 4u);
  EXPECT_EQ(words[1], 0xfffffffeu);
  EXPECT_EQ(words[2], 0xffffffffu);
  EXPECT_EQ(printExpression(words, {}), "-2");
}

TEST(Expression, PrintsWithNames) {
  Expression blocks = Expression::binary(HEDDLE_OP_CEILDIV, Expression::size(1, 2), Expression::constant(64));
  Expression guard = Expression::binary(HEDDLE_OP_LE, Expression::constant(16), Expression::alignment(0));
  std::string names[] = {"q", "k"};
  EXPECT_EQ(printExpression(blocks.words(), names), "ceildiv(size(k, 2), 64)");
  EXPECT_EQ(printExpression(Expression::select(guard, blocks, Expression::machine()).words(), names),
            "((16 <= alignment(q)) ? ceildiv(size(k, 2), 64) : machine)");
}
