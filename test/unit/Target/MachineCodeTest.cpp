//===- MachineCodeTest.cpp - from the llvm dialect to a pack that runs ------===//
#include "heddle/Target/CodeGeneration.h"
#include "heddle/Target/PackWriter.h"
#include "heddle/Target/Ptxas.h"
#include "heddle_rt/heddle_rt.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Parser/Parser.h"
#include <cmath>
#include <gtest/gtest.h>

using namespace heddle;

/// out[x] = exp(in[x * stride]) + scale, a kernel of contract 3. exp is not in libc proper.
static const char *const cpuKernel = R"(
llvm.func @exp(f64) -> f64
llvm.func @helper(%x: f64) -> f64 {
  %y = llvm.call @exp(%x) : (f64) -> f64
  llvm.return %y : f64
}
llvm.func @kernel(%slots: !llvm.ptr, %x: i64, %y: i64, %z: i64) {
  %in = llvm.load %slots : !llvm.ptr -> !llvm.ptr
  %p2 = llvm.getelementptr %slots[2] : (!llvm.ptr) -> !llvm.ptr, i64
  %stride = llvm.load %p2 : !llvm.ptr -> i64
  %p3 = llvm.getelementptr %slots[3] : (!llvm.ptr) -> !llvm.ptr, i64
  %scale = llvm.load %p3 : !llvm.ptr -> f32
  %p4 = llvm.getelementptr %slots[4] : (!llvm.ptr) -> !llvm.ptr, i64
  %out = llvm.load %p4 : !llvm.ptr -> !llvm.ptr
  %offset = llvm.mul %x, %stride : i64
  %from = llvm.getelementptr %in[%offset] : (!llvm.ptr, i64) -> !llvm.ptr, f32
  %value = llvm.load %from : !llvm.ptr -> f32
  %wide = llvm.fpext %value : f32 to f64
  %e = llvm.call @helper(%wide) : (f64) -> f64
  %narrow = llvm.fptrunc %e : f64 to f32
  %sum = llvm.fadd %narrow, %scale : f32
  %to = llvm.getelementptr %out[%x] : (!llvm.ptr, i64) -> !llvm.ptr, f32
  llvm.store %sum, %to : f32, !llvm.ptr
  llvm.return
})";

static const char *const gpuKernel = R"(
llvm.func @kernel(%out: !llvm.ptr) attributes {nvvm.kernel, nvvm.maxntid = array<i32: 128>} {
  %x = nvvm.read.ptx.sreg.tid.x : i32
  %to = llvm.getelementptr %out[%x] : (!llvm.ptr, i32) -> !llvm.ptr, i32
  llvm.store %x, %to : i32, !llvm.ptr
  llvm.return
})";

namespace {
struct MachineCode : testing::Test {
  std::unique_ptr<llvm::Module> translate(const CodeGenerator &generator, const char *text) {
    mlir::DialectRegistry registry;
    registry.insert<mlir::LLVM::LLVMDialect, mlir::NVVM::NVVMDialect>();
    context.appendDialectRegistry(registry);
    module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
    return module ? generator.translate(*module, llvmContext) : nullptr;
  }
  /// A plan that launches `kernel` once per element: in, scale -> out.
  Plan elementwisePlan() {
    Plan plan;
    plan.name = "expplus";
    plan.parameters = {{"in", HEDDLE_PARAM_INPUT, HEDDLE_F32, {-1}},
                       {"scale", HEDDLE_PARAM_SCALAR, HEDDLE_F32, {}},
                       {"out", HEDDLE_PARAM_OUTPUT, HEDDLE_F32, {-1}}};
    PlanLaunch launch;
    launch.kernel = "kernel";
    launch.grid = {Expression::size(0, 0), Expression::constant(1), Expression::constant(1)};
    launch.slots = {
        {HEDDLE_SLOT_PARAM_TENSOR, 0, {}}, {HEDDLE_SLOT_PARAM_SCALAR, 1, {}}, {HEDDLE_SLOT_PARAM_TENSOR, 2, {}}};
    plan.launches.push_back(launch);
    return plan;
  }

  mlir::MLIRContext context{mlir::MLIRContext::Threading::DISABLED};
  llvm::LLVMContext llvmContext;
  mlir::OwningOpRef<mlir::ModuleOp> module;
};
} // namespace

TEST_F(MachineCode, CpuKernelRunsInTheRuntime) {
  llvm::Expected<KnownTarget> target = findTarget("cpu");
  ASSERT_TRUE(bool(target));
  auto generator = cantFail(CodeGenerator::create(*target));
  std::unique_ptr<llvm::Module> code = translate(generator, cpuKernel);
  ASSERT_TRUE(code);
  generator.optimize(*code, {"kernel"});
  std::string object = cantFail(generator.emit(*code, CodeKind::Object));
  llvm::Expected<std::string> image = linkSharedObject(llvm::StringRef(object), *target);
  ASSERT_TRUE(bool(image)) << llvm::toString(image.takeError());

  CompiledVariant variant;
  variant.device = HEDDLE_DEVICE_CPU;
  variant.cpuFeatures = target->featureBits;
  variant.plan = elementwisePlan();
  variant.images.push_back({HEDDLE_IMAGE_ELF, 0, *image});
  variant.kernels.emplace_back().symbol = "kernel";
  variant.note = "made by a test";
  std::string bytes = writePack({{"expplus", variant.plan.parameters, {variant}, "spec"}}, 42);

  heddle_pack *pack = nullptr;
  ASSERT_EQ(heddle_load(bytes.data(), bytes.size(), &pack), HEDDLE_OK) << heddle_last_error();
  EXPECT_EQ(heddle_content_hash(pack), 42u);
  uint32_t entry = 0;
  ASSERT_EQ(heddle_find(pack, "expplus", &entry), HEDDLE_OK) << heddle_last_error();
  std::vector<float> in(7), out(7, NAN);
  for (size_t i = 0; i < in.size(); ++i)
    in[i] = 0.25f * i - 1;
  int64_t size = 7, stride = 1;
  heddle_arg arguments[3] = {};
  arguments[0] = {HEDDLE_ARG_TENSOR, HEDDLE_F32, 1, 0, in.data(), &size, &stride, 0, 0};
  arguments[1].kind = HEDDLE_ARG_F64;
  arguments[1].f64 = 0.5;
  arguments[2] = {HEDDLE_ARG_TENSOR, HEDDLE_F32, 1, 0, out.data(), &size, nullptr, 0, 0};
  heddle_device device = {HEDDLE_DEVICE_CPU, 0};
  ASSERT_EQ(heddle_run(pack, entry, device, arguments, 3, nullptr, 0, nullptr), HEDDLE_OK) << heddle_last_error();
  for (size_t i = 0; i < out.size(); ++i)
    EXPECT_FLOAT_EQ(out[i], std::exp(in[i]) + 0.5f);
  heddle_unload(pack);
}

TEST_F(MachineCode, OnlyKernelsAreExported) {
  KnownTarget target = cantFail(findTarget("cpu:generic"));
  auto generator = cantFail(CodeGenerator::create(target));
  std::unique_ptr<llvm::Module> code = translate(generator, cpuKernel);
  ASSERT_TRUE(code);
  generator.optimize(*code, {"kernel"});
  for (const llvm::Function &function : *code)
    if (!function.isDeclaration() && function.getName() != "kernel")
      EXPECT_TRUE(function.hasLocalLinkage()) << function.getName().str();
  EXPECT_FALSE(code->getFunction("kernel")->hasLocalLinkage());
}

TEST_F(MachineCode, GpuKernelsAreEntriesOfTheWantedArchitecture) {
  for (const char *name : {"sm_80", "sm_89", "sm_90a"}) {
    KnownTarget target = cantFail(findTarget(name));
    auto generator = cantFail(CodeGenerator::create(target));
    std::unique_ptr<llvm::Module> code = translate(generator, gpuKernel);
    ASSERT_TRUE(code);
    generator.optimize(*code, {"kernel"});
    std::string ptx = cantFail(generator.emit(*code, CodeKind::Assembly));
    EXPECT_NE(ptx.find(".target " + std::string(name)), std::string::npos) << ptx;
    EXPECT_NE(ptx.find(".visible .entry kernel("), std::string::npos) << ptx;
    EXPECT_NE(ptx.find(".maxntid 128"), std::string::npos) << ptx;

    llvm::Expected<std::string> ptxas = findPtxas("");
    if (!ptxas) {
      llvm::consumeError(ptxas.takeError());
      continue;
    }
    PtxasReport report;
    llvm::Expected<std::string> cubin = runPtxas(*ptxas, ptx, name, report);
    ASSERT_TRUE(bool(cubin)) << llvm::toString(cubin.takeError());
    EXPECT_EQ(cubin->substr(0, 4), "\x7f"
                                   "ELF");
    EXPECT_GT(report.kernels["kernel"].registers, 0);
  }
}

TEST_F(MachineCode, LinkerSaysWhatIsWrong) {
  llvm::Expected<std::string> image =
      linkSharedObject(llvm::StringRef("no object"), cantFail(findTarget("cpu:generic")));
  ASSERT_FALSE(image);
  llvm::consumeError(image.takeError());
}
