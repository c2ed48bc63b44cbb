// RUN: not heddle-compile %s --target=sm_42 --emit=plan 2>&1 | FileCheck %s --check-prefix=TARGET
// RUN: not heddle-compile %s --target= --emit=plan 2>&1 | FileCheck %s --check-prefix=EMPTY
// RUN: not heddle-compile %s --emit=sass 2>&1 | FileCheck %s --check-prefix=RUNG
// RUN: not heddle-compile %s -o %t.zip 2>&1 | FileCheck %s --check-prefix=OUTPUT
// RUN: not heddle-compile %t.absent --emit=attn 2>&1 | FileCheck %s --check-prefix=ABSENT
// RUN: echo "func.func @f(" | not heddle-compile --emit=attn 2>&1 | FileCheck %s --check-prefix=TEXT
// RUN: echo "" | not heddle-compile --emit=attn 2>&1 | FileCheck %s --check-prefix=NOTHING

// TARGET: error: expected one of sm_80, sm_89, sm_90a, cpu:amx, cpu:avx512, cpu:avx2, cpu:generic, cpu, got 'sm_42'
// EMPTY: cpu, got ''
// RUNG: error: expected one of attn, tile, warp, nvvm, llvm, ptx, asm, plan, pack, got 'sass'
// OUTPUT: error: expected -o name.pack, name.so or name.o, or --emit, got '{{.*}}.zip'
// ABSENT: error: expected a spec at '{{.*}}.absent', got: {{[Nn]}}o such file
// TEXT: <stdin>:1:14: error:
// NOTHING: error: expected at least one func.func, got none
func.func @f() {
  return
}
