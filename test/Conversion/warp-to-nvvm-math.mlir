// RUN: heddle-compile %s --target=sm_90a --emit=ptx | FileCheck %s
// RUN: heddle-compile %s --target=sm_90a --emit=nvvm | FileCheck %s --check-prefix=NVVM

!T = tensor<?x?x?x64xf32>

// Every function that scalar code may have is instructions: a device has no library.

// CHECK-NOT: .extern .func
// CHECK: .visible .entry
// NVVM-LABEL: llvm.func @functions_0
// NVVM-NOT: math.{{(atan|cos|erf|exp|fpowi|log|pow|rsqrt|sin|sqrt|tan)}}
func.func @functions(%x: !T, %y: !T, %n: tensor<?x?x?x64xi32>) -> !T {
  %0 = math.atan2 %x, %y : !T
  %1 = math.atan %0 : !T
  %2 = math.erf %1 : !T
  %3 = math.powf %2, %y : !T
  %4 = math.fpowi %3, %n : !T, tensor<?x?x?x64xi32>
  %5 = math.sinh %4 : !T
  %6 = math.cosh %5 : !T
  %7 = math.tan %6 : !T
  %8 = math.roundeven %7 : !T
  %9 = math.copysign %8, %y : !T
  %10 = math.log1p %9 : !T
  %11 = math.expm1 %10 : !T
  %12 = math.tanh %11 : !T
  %13 = math.rsqrt %12 : !T
  return %13 : !T
}
