//===- ScalarInterpreterTest.cpp - regions evaluated in double precision ----===//
#include "dialects/Attn/ScalarInterpreter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Parser/Parser.h"
#include "gtest/gtest.h"
#include <cmath>

using namespace mlir;
using namespace heddle::attn;

namespace {
/// A function stands for a region: its body is one block that yields what it returns.
class ScalarInterpreterTest : public ::testing::Test {
protected:
  ScalarInterpreterTest() {
    context.loadDialect<arith::ArithDialect, func::FuncDialect, math::MathDialect, scf::SCFDialect,
                        tensor::TensorDialect>();
  }

  std::optional<SmallVector<Scalar>> evaluate(StringRef text, ArrayRef<Scalar> arguments,
                                              ScalarInterpreter interpreter = ScalarInterpreter()) {
    module = parseSourceString<ModuleOp>(text, &context);
    EXPECT_TRUE(module);
    if (!module)
      return std::nullopt;
    return interpreter.evaluate((*module->getOps<func::FuncOp>().begin()).getBody(), arguments);
  }

  /// The value of `operation` applied to i32 arguments.
  int64_t integer(StringRef operation, int64_t a, int64_t b) {
    auto result = evaluate(
        ("func.func @f(%a: i32, %b: i32) -> i32 {\n%c = arith." + operation + " %a, %b : i32\nreturn %c : i32\n}")
            .str(),
        {Scalar::ofInteger(a), Scalar::ofInteger(b)});
    EXPECT_TRUE(result);
    return result ? result->front().integer : 0;
  }

  MLIRContext context;
  OwningOpRef<ModuleOp> module;
};
} // namespace

TEST_F(ScalarInterpreterTest, IntegersWrapAtTheirWidth) {
  EXPECT_EQ(integer("addi", INT32_MAX, 1), INT32_MIN);
  EXPECT_EQ(integer("muli", 1 << 20, 1 << 20), 0);
  EXPECT_EQ(integer("subi", INT32_MIN, 1), INT32_MAX);
}

TEST_F(ScalarInterpreterTest, DivisionsRoundAsTheyAreNamed) {
  EXPECT_EQ(integer("divsi", -7, 2), -3);
  EXPECT_EQ(integer("floordivsi", -7, 2), -4);
  EXPECT_EQ(integer("ceildivsi", 7, 2), 4);
  EXPECT_EQ(integer("remsi", -7, 2), -1);
  EXPECT_EQ(integer("divui", -1, 2), INT32_MAX);
}

TEST_F(ScalarInterpreterTest, DivisionByZeroHasNoValue) {
  EXPECT_FALSE(evaluate("func.func @f(%a: i32, %b: i32) -> i32 {\n%c = arith.remsi %a, %b : i32\nreturn %c : i32\n}",
                        {Scalar::ofInteger(1), Scalar::ofInteger(0)}));
}

TEST_F(ScalarInterpreterTest, ComparisonsRespectSignAndNaN) {
  auto result = evaluate(R"(func.func @f(%a: i32, %b: i32, %x: f32, %y: f32) -> (i1, i1, i1, i1) {
    %s = arith.cmpi slt, %a, %b : i32
    %u = arith.cmpi ult, %a, %b : i32
    %o = arith.cmpf olt, %x, %y : f32
    %n = arith.cmpf une, %x, %y : f32
    return %s, %u, %o, %n : i1, i1, i1, i1
  })",
                         {Scalar::ofInteger(-1), Scalar::ofInteger(1), Scalar::ofReal(NAN), Scalar::ofReal(1)});
  ASSERT_TRUE(result);
  EXPECT_EQ((*result)[0].integer, 1);
  EXPECT_EQ((*result)[1].integer, 0);
  EXPECT_EQ((*result)[2].integer, 0);
  EXPECT_EQ((*result)[3].integer, 1);
}

TEST_F(ScalarInterpreterTest, FloatsAreDoubles) {
  auto result =
      evaluate("func.func @f(%x: f32) -> f32 {\n%y = math.exp %x : f32\nreturn %y : f32\n}", {Scalar::ofReal(-200)});
  ASSERT_TRUE(result);
  EXPECT_DOUBLE_EQ(result->front().real, std::exp(-200.0)); // 0 in f32
}

TEST_F(ScalarInterpreterTest, BooleansExtendBothWays) {
  auto result = evaluate(R"(func.func @f(%p: i1) -> (i32, i32, f32) {
    %s = arith.extsi %p : i1 to i32
    %u = arith.extui %p : i1 to i32
    %f = arith.uitofp %p : i1 to f32
    return %s, %u, %f : i32, i32, f32
  })",
                         {Scalar::ofInteger(1)});
  ASSERT_TRUE(result);
  EXPECT_EQ((*result)[0].integer, -1);
  EXPECT_EQ((*result)[1].integer, 1);
  EXPECT_EQ((*result)[2].real, 1.0);
}

TEST_F(ScalarInterpreterTest, LoopsCarryAndBranchesChoose) {
  auto result = evaluate(R"(func.func @f(%x: f32, %p: i1) -> f32 {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c5 = arith.constant 5 : index
    %y = scf.for %i = %c0 to %c5 step %c1 iter_args(%a = %x) -> f32 {
      %n = arith.index_cast %i : index to i32
      %f = arith.sitofp %n : i32 to f32
      %b = arith.addf %a, %f : f32
      scf.yield %b : f32
    }
    %z = scf.if %p -> f32 {
      scf.yield %y : f32
    } else {
      scf.yield %x : f32
    }
    return %z : f32
  })",
                         {Scalar::ofReal(0.5), Scalar::ofInteger(1)});
  ASSERT_TRUE(result);
  EXPECT_EQ(result->front().real, 10.5);
}

TEST_F(ScalarInterpreterTest, ElementsAreAskedFor) {
  StringRef text = R"(func.func @f(%t: tensor<?x?xi32>, %i: index) -> i32 {
    %x = tensor.extract %t[%i, %i] : tensor<?x?xi32>
    return %x : i32
  })";
  Scalar arguments[] = {Scalar(), Scalar::ofInteger(3)};
  EXPECT_FALSE(evaluate(text, arguments));
  ScalarInterpreter interpreter([](Value, ArrayRef<int64_t> at) { return Scalar::ofInteger(10 * at[0] + at[1]); });
  auto result = evaluate(text, arguments, interpreter);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->front().integer, 33);
}

TEST_F(ScalarInterpreterTest, AnOperationWithoutARuleHasNoValue) {
  EXPECT_FALSE(
      evaluate("func.func @f(%x: f32) -> f32 {\n%y = math.cbrt %x : f32\nreturn %y : f32\n}", {Scalar::ofReal(8)}));
}
