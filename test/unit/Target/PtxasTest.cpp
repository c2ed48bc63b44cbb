//===- PtxasTest.cpp - what is read from the assembler's output -------------===//
#include "heddle/Target/Ptxas.h"
#include <gtest/gtest.h>

using namespace heddle;

static const char *const output = R"(ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function 'attend_0' for 'sm_90a'
ptxas info    : Function properties for attend_0
    24 bytes stack frame, 16 bytes spill stores, 20 bytes spill loads
ptxas info    : Used 168 registers, used 1 barriers, 24 bytes cumulative stack size
ptxas info    : (C7519) Potential Performance Loss: wait injected in 'attend_0'
ptxas info    : (C7520) Potential Performance Loss: wgmma.mma_async instructions are serialized in function 'attend_0'
)";

TEST(Ptxas, ReadsNumbersPerKernel) {
  PtxasReport report = readPtxasOutput(output);
  ASSERT_EQ(report.kernels.count("attend_0"), 1u);
  PtxasKernel kernel = report.kernels["attend_0"];
  EXPECT_EQ(kernel.registers, 168);
  EXPECT_EQ(kernel.spillStoreBytes, 16);
  EXPECT_EQ(kernel.spillLoadBytes, 20);
  EXPECT_EQ(kernel.stackBytes, 24);
}

TEST(Ptxas, TellsSerializedProductsFromOtherWarnings) {
  PtxasReport report = readPtxasOutput(output);
  ASSERT_EQ(report.serialized.size(), 1u);
  EXPECT_NE(report.serialized[0].find("C7520"), std::string::npos);
  ASSERT_EQ(report.warnings.size(), 1u);
  EXPECT_NE(report.warnings[0].find("C7519"), std::string::npos);
}

TEST(Ptxas, SaysWhereItLooked) {
  llvm::Expected<std::string> path = findPtxas("/nowhere/ptxas");
  ASSERT_FALSE(path);
  EXPECT_EQ(llvm::toString(path.takeError()), "expected ptxas at '/nowhere/ptxas', got no program there");
}
