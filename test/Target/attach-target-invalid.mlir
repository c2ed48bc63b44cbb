// RUN: heddle-opt %s --attach-target=name=sm_42 --verify-diagnostics

// expected-error @below {{expected one of sm_80, sm_89, sm_90a, cpu:amx, cpu:avx512, cpu:avx2, cpu:generic, cpu, got 'sm_42'}}
module {}
