//===- TensorMapsTest.cpp - from a kernel's attribute to the pack ------------===//
#include "heddle/Target/TensorMaps.h"
#include "heddle_rt/heddle_rt.h"
#include "mlir/AsmParser/AsmParser.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/raw_ostream.h"
#include <gtest/gtest.h>

using namespace heddle;

namespace {
struct TensorMaps : testing::Test {
  TensorMaps() {
    context.loadDialect<mlir::LLVM::LLVMDialect>();
    context.allowUnregisteredDialects();
  }

  /// The maps of a kernel (f32, memref of bf16, memref of f32) with the attribute `maps`.
  mlir::FailureOr<std::vector<heddle_tensor_map_record>> read(llvm::StringRef maps) {
    std::string text = "llvm.func @kernel() attributes {warp.tensor_maps = " + maps.str() + "} { llvm.return }";
    module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
    mlir::Type types[] = {mlir::parseType("f32", &context),
                          mlir::parseType("memref<?x?x?x64xbf16, strided<[?, ?, ?, 1], offset: ?>>", &context),
                          mlir::parseType("memref<?x128xf32, strided<[?, 1], offset: ?>>", &context)};
    return readTensorMaps(*module->getOps<mlir::LLVM::LLVMFuncOp>().begin(), types);
  }
  std::string refusal(llvm::StringRef maps) {
    std::string message;
    mlir::ScopedDiagnosticHandler handler(&context, [&](mlir::Diagnostic &diagnostic) { message = diagnostic.str(); });
    EXPECT_TRUE(failed(read(maps)));
    return message;
  }

  mlir::MLIRContext context{mlir::MLIRContext::Threading::DISABLED};
  mlir::OwningOpRef<mlir::ModuleOp> module;
};

bool contains(const std::string &text, llvm::StringRef part) { return llvm::StringRef(text).contains(part); }
} // namespace

static const char *const two = "[{argument = 1 : i64, box = array<i64: 1, 1, 128, 64>, swizzle = 128 : i64}, "
                               "{argument = 2 : i64, box = array<i64: 32, 8>, swizzle = 0 : i64}]";

TEST_F(TensorMaps, AreWrittenBehindAGuard) {
  auto maps = read(two);
  ASSERT_TRUE(succeeded(maps));
  CompiledKernel kernel;
  kernel.symbol = "kernel";
  kernel.tensorMaps = *maps;
  CompiledVariant variant;
  variant.device = HEDDLE_DEVICE_CUDA;
  variant.capability = 90;
  variant.kernels = {kernel};
  variant.images.push_back({HEDDLE_IMAGE_PTX, 12000, "ptx"});
  Plan &plan = variant.plan;
  plan.name = "f";
  plan.parameters = {{"x", HEDDLE_PARAM_SCALAR, HEDDLE_F32, {}},
                     {"q", HEDDLE_PARAM_INPUT, HEDDLE_BF16, {-1, -1, -1, 64}}};
  plan.buffers.push_back({Expression::constant(512), false});
  PlanLaunch launch;
  launch.kernel = "kernel";
  launch.grid.assign(3, Expression::constant(1));
  launch.slots = {{HEDDLE_SLOT_PARAM_SCALAR, 0, {}}, {HEDDLE_SLOT_PARAM_TENSOR, 1, {}}, {HEDDLE_SLOT_BUFFER, 0, {}}};
  for (int64_t value : {1, 128, 128, 1})
    launch.slots.push_back({HEDDLE_SLOT_EXPR, 0, Expression::constant(value)});
  plan.launches.push_back(launch);
  // Only the caller's strides can be negative, not those of the workspace behind the second map.
  variant.guard = tensorMapGuard(plan, variant.kernels);
  std::string bytes = writePack({{"f", plan.parameters, {variant}, "spec"}}, 1), text;
  llvm::raw_string_ostream stream(text);
  printPack(bytes, stream);
  EXPECT_TRUE(contains(
      text,
      "variant cuda 90 or later if ((16 <= alignment(q)) && (1 <= min(min(((size(q, 0) <= 1) ? 1 : stride(q, 0)), "
      "((size(q, 1) <= 1) ? 1 : stride(q, 1))), ((size(q, 2) <= 1) ? 1 : stride(q, 2)))))"))
      << text;
  EXPECT_TRUE(contains(text, " tensor maps(argument 1 at slot 1 bf16 box 1x1x128x64 swizzle 128, "
                             "argument 2 at slot 10 f32 box 32x8 swizzle 0)\n"))
      << text;
  heddle_pack *pack = nullptr;
  ASSERT_EQ(heddle_load(bytes.data(), bytes.size(), &pack), HEDDLE_OK) << heddle_last_error();
  heddle_unload(pack);
}

TEST_F(TensorMaps, GuardAsksNothingWithoutMaps) {
  auto maps = read("[]");
  ASSERT_TRUE(succeeded(maps));
  EXPECT_TRUE(maps->empty());
  EXPECT_FALSE(tensorMapGuard(Plan(), {}).has_value());
}

TEST_F(TensorMaps, AreRefused) {
  auto map = [](int argument, llvm::StringRef box, int swizzle) {
    return "[{argument = " + std::to_string(argument) + " : i64, box = array<i64: " + box.str() +
           ">, swizzle = " + std::to_string(swizzle) + " : i64}]";
  };
  EXPECT_TRUE(contains(refusal("[{argument = 1 : i64}]"), "expected a tensor map with argument, box and swizzle"));
  EXPECT_TRUE(contains(refusal("3 : i64"), "expected an array of up to 16 tensor maps, got 3"));
  for (int argument : {-1, 0, 3})
    EXPECT_TRUE(contains(refusal(map(argument, "8", 0)), "expected a tensor map of a memref of rank 2 to 5"));
  EXPECT_TRUE(contains(refusal(map(2, "8", 0)), "expected a box of 2 sizes from 1 to 256 for 'memref<?x128xf32"));
  EXPECT_TRUE(contains(refusal(map(2, "257, 8", 0)), "expected a box of 2 sizes"));
  EXPECT_TRUE(contains(refusal(map(2, "8, 8", 16)), "expected a swizzle of 0, 32, 64 or 128 bytes, got 16"));
  EXPECT_TRUE(contains(refusal(map(2, "8, 64", 128)), "expected rows of 16-byte units up to the swizzle of 128 bytes"));
  EXPECT_TRUE(contains(refusal(map(2, "8, 6", 0)), "expected rows of 16-byte units"));
}
