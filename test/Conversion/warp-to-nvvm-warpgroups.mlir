// RUN: heddle-opt %s --convert-warp-to-nvvm --split-input-file | FileCheck %s

#acc = #warp.frag<acc, warps = 4>
!S = tensor<64x64xf32, #acc>
!Slot = !warp.slot<64x64xbf16, <swizzle = 128>>
!Ring = !warp.ring<1 of 64x64xbf16, <swizzle = 128>, bulk>

// Both operands in slots, the contracted index contiguous in both: 16 of it are 32 bytes of a row (2 in a descriptor, which
// counts in 16 bytes), 8 rows are 1024 bytes (64) apart, and swizzle 128 is mode 1 in the two highest bits.

// CHECK-LABEL: llvm.func @slots
func.func @slots(%o: memref<?x64xf32>, %c: i32) attributes {warp.kernel, warp.threads = 128 : i64, warp.shared_bytes = 0 : i64} {
  %c0 = arith.constant 0 : index
  %zero = arith.constant dense<0.0> : !S
  %q = warp.ring {offset = 0, barriers = 16384} : !Ring
  %qs = warp.receive %q at %c : !Ring -> !Slot
  // CHECK-DAG: %[[SWIZZLE:.+]] = arith.constant 1073741888 : i32
  // CHECK-DAG: %[[LEADING:.+]] = arith.constant 65536 : i32
  // CHECK: %[[WORD:.+]] = arith.ori %{{.+}}, %[[LEADING]]
  // CHECK: nvvm.wgmma.fence.aligned
  // The first step starts from nothing: its predicate is false.
  // CHECK: llvm.inline_asm has_side_effects asm_dialect = att "{{.*}}setp.ne.b32 p, 0, 0;{{.*}}wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 {{.*}}, $64, $65, p, 1, 1, 0, 0;
  // CHECK: arith.addi %[[WORD]], %c2_i32
  // CHECK: setp.ne.b32 p, 1, 0;
  // CHECK: arith.addi %[[WORD]], %c4_i32
  // CHECK: arith.addi %[[WORD]], %c6_i32
  // CHECK: nvvm.wgmma.commit.group.sync.aligned
  %s = warp.mma %qs, %qs, %zero {transB, async} : !Slot, !Slot -> !S
  // CHECK: "wgmma.wait_group.sync.aligned 0;", "=f,
  %d = warp.wait %s : !S
  tile.store %d, %o[%c0, %c0] : !S, memref<?x64xf32>
  return
}

// -----

#acc = #warp.frag<acc, warps = 4>
#a = #warp.frag<a, warps = 4>
!S = tensor<64x64xf32, #acc>
!A = tensor<64x64xf16, #a>
!Slot = !warp.slot<64x64xf16, <swizzle = 64>>
!Ring = !warp.ring<1 of 64x64xf16, <swizzle = 64>, bulk>

// A left operand in registers, four words a step; columns contiguous on the right: panels of 32 columns are 64 * 64 bytes (256)
// apart, 8 contracted rows 512 bytes (32), 16 of them 1024 (64); swizzle 64 is mode 2. Of two products the first is waited for
// while the second goes on.

// CHECK-LABEL: llvm.func @registers
func.func @registers(%o: memref<?x64xf32>, %x: memref<?x64xf16>, %c: i32)
    attributes {warp.kernel, warp.threads = 128 : i64, warp.shared_bytes = 0 : i64} {
  %c0 = arith.constant 0 : index
  %v = warp.ring {offset = 0, barriers = 16384} : !Ring
  %vs = warp.receive %v at %c : !Ring -> !Slot
  %start = tile.load %o[%c0, %c0] : memref<?x64xf32> -> !S
  %a = tile.load %x[%c0, %c0] : memref<?x64xf16> -> tensor<64x64xf16, #acc>
  %left = warp.convert %a : tensor<64x64xf16, #acc> -> !A
  // CHECK-DAG: %{{.+}} = arith.constant -2147483616 : i32
  // CHECK-DAG: %[[LEADING:.+]] = arith.constant 16777216 : i32
  // CHECK: %[[WORD:.+]] = arith.ori %{{.+}}, %[[LEADING]]
  // CHECK: setp.ne.b32 p, 1, 0;{{.*}}m64n64k16.f32.f16.f16 {{.*}}{$64, $65, $66, $67}, $68, p, 1, 1, 1;
  // CHECK: arith.addi %[[WORD]], %c64_i32
  // CHECK: arith.addi %[[WORD]], %c128_i32
  %s = warp.mma %left, %vs, %start {async} : !A, !Slot -> !S
  // CHECK: nvvm.wgmma.commit.group.sync.aligned
  // CHECK: nvvm.wgmma.commit.group.sync.aligned
  %t = warp.mma %left, %vs, %start {async} : !A, !Slot -> !S
  // CHECK: "wgmma.wait_group.sync.aligned 1;"
  %sd = warp.wait %s : !S
  // CHECK: "wgmma.wait_group.sync.aligned 0;"
  %td = warp.wait %t : !S
  %r = arith.addf %sd, %td : !S
  tile.store %r, %o[%c0, %c0] : !S, memref<?x64xf32>
  return
}

// -----

#acc = #warp.frag<acc, warps = 8>
!S = tensor<128x16xf32, #acc>
!Left = !warp.slot<128x16xbf16, <swizzle = 32>>
!Right = !warp.slot<16x16xbf16, <swizzle = 32>>

// Swizzle 32 is mode 3, 8 rows 256 bytes (16). The second group of warps has rows 64 and on: 2048 bytes further.

// CHECK-LABEL: llvm.func @groups
func.func @groups(%o: memref<?x16xf32>, %c: i32) attributes {warp.kernel, warp.threads = 256 : i64, warp.shared_bytes = 0 : i64} {
  %c0 = arith.constant 0 : index
  %zero = arith.constant dense<0.0> : !S
  %q = warp.ring {offset = 0, barriers = 8192} : !warp.ring<1 of 128x16xbf16, <swizzle = 32>, bulk>
  %k = warp.ring {offset = 4096, barriers = 8208} : !warp.ring<1 of 16x16xbf16, <swizzle = 32>, bulk>
  %qs = warp.receive %q at %c : !warp.ring<1 of 128x16xbf16, <swizzle = 32>, bulk> -> !Left
  %ks = warp.receive %k at %c : !warp.ring<1 of 16x16xbf16, <swizzle = 32>, bulk> -> !Right
  // CHECK-DAG: arith.constant -1073741808 : i32
  // CHECK: %[[GROUP:.+]] = arith.shrui %{{.+}}, %c2_i32
  // CHECK: arith.muli %[[GROUP]], %c2048_i32
  // CHECK: m64n16k16.f32.bf16.bf16
  // CHECK-NOT: wgmma.mma_async
  %s = warp.mma %qs, %ks, %zero {transB, async} : !Left, !Right -> !S
  // CHECK: wgmma.wait_group
  %d = warp.wait %s : !S
  tile.store %d, %o[%c0, %c0] : !S, memref<?x16xf32>
  return
}

// -----

#a = #warp.frag<a, warps = 4>
!Slot = !warp.slot<64x32xbf16, <swizzle = 64>>
!Ring = !warp.ring<1 of 64x32xbf16, <swizzle = 64>, bulk>

// A left operand from a swizzled slot: piece p of row r lies at p xor (r / 2 mod 4).

// CHECK-LABEL: llvm.func @held
// CHECK: %[[TURN:.+]] = arith.divui %{{.+}}, %c2_i32
// CHECK: arith.remui %[[TURN]], %c4_i32
// CHECK: arith.xori
// CHECK-COUNT-2: nvvm.ldmatrix %{{.+}} {eltType = #nvvm.ld_st_matrix_elt_type<b16>, layout = #nvvm.mma_layout<row>, num = 4 : i32
// CHECK-NOT: nvvm.ldmatrix
func.func @held(%c: i32) attributes {warp.kernel, warp.threads = 128 : i64, warp.shared_bytes = 0 : i64} {
  %ring = warp.ring {offset = 0, barriers = 4096} : !Ring
  %s = warp.receive %ring at %c : !Ring -> !Slot
  %x = warp.load %s[0, 0] : !Slot -> tensor<64x32xbf16, #a>
  return
}

// -----

#acc = #warp.frag<acc, warps = 8>
!S = tensor<128x64xf32, #acc>
!B = tensor<128x64xbf16, #acc>
!Slot = !warp.slot<64x128xbf16, <swizzle = 128>>
!Right = !warp.slot<64x64xbf16, <swizzle = 128>>
!Put = !warp.slot<128x64xbf16, <swizzle = 128>>
!Ring = !warp.ring<1 of 64x128xbf16, <swizzle = 128>, bulk>
!RightRing = !warp.ring<1 of 64x64xbf16, <swizzle = 128>, bulk>
!PutRing = !warp.ring<1 of 128x64xbf16, <swizzle = 128>>

// A left operand whose rows are contiguous: a group's 64 of them are one panel, 64 rows of 128 bytes, 16 contracted rows
// 2048 bytes (128) on. A tile goes to a swizzled slot by matrix stores, and products may read it behind the fence and the
// barrier. The transpose of a slot comes as fragments.

// CHECK-LABEL: llvm.func @rows_contiguous
func.func @rows_contiguous(%o: memref<?x64xf32>, %c: i32) attributes {warp.kernel, warp.threads = 384 : i64, warp.shared_bytes = 0 : i64} {
  %c0 = arith.constant 0 : index
  %zero = arith.constant dense<0.0> : !S
  %a = warp.ring {offset = 0, barriers = 65536} : !Ring
  %b = warp.ring {offset = 16384, barriers = 65552} : !RightRing
  %p = warp.ring {offset = 24576} : !PutRing
  warp.roles 8 registers 0, 0 consumer {
    %as = warp.receive %a at %c : !Ring -> !Slot
    %bs = warp.receive %b at %c : !RightRing -> !Right
    // CHECK: %[[GROUP:.+]] = arith.shrui %{{.+}}, %{{c2_i32.*}}
    // CHECK: arith.muli %[[GROUP]], %{{c8192_i32.*}}
    // CHECK: wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 {{.*}}, p, 1, 1, 1, 1;
    // CHECK: arith.addi %{{.+}}, %{{c128_i32.*}}
    %s = warp.mma %as, %bs, %zero {transA, async} : !Slot, !Right -> !S
    %d = warp.wait %s : !S
    %n = arith.truncf %d : !S to !B
    %w = warp.acquire %p : !PutRing -> !Put
    // CHECK-COUNT-4: stmatrix.sync.aligned.m8n8.x4.shared.b16
    // CHECK: fence.proxy.async.shared::cta
    // CHECK: nvvm.barrier id = %{{.+}} number_of_threads = %{{c256_i32.*}}
    warp.put %n to %w[0] : !B to !Put
    %f = warp.receive %p : !PutRing -> !Put
    // CHECK-COUNT-4: nvvm.ldmatrix {{.*}}layout = #nvvm.mma_layout<col>
    %t = warp.load %as[0, 0] transposed : !Slot -> !B
    %x = arith.extf %t : !B to !S
    tile.store %x, %o[%c0, %c0] : !S, memref<?x64xf32>
  } producer {
    warp.acquire %a at %c : !Ring -> !Slot
  }
  return
}

// -----

#acc = #warp.frag<acc, warps = 8>
!S = tensor<128x64xf32, #acc>
!Left = !warp.slot<128x64xbf16, <swizzle = 128>>
!Slot = !warp.slot<64x64xbf16, <swizzle = 128>>
!Ring = !warp.ring<1 of 128x64xbf16, <swizzle = 128>, bulk>
!RightRing = !warp.ring<1 of 64x64xbf16, <swizzle = 128>, bulk>

// Fewer rows than the consumers have: the third and fourth group multiply what the first and second do.

// CHECK-LABEL: llvm.func @repeated
// CHECK: %[[GROUP:.+]] = arith.shrui %{{.+}}, %{{c2_i32.*}}
// CHECK: %[[PART:.+]] = arith.remui %[[GROUP]], %{{c2_i32.*}}
// CHECK: arith.muli %[[PART]], %{{c8192_i32.*}}
func.func @repeated(%o: memref<?x64xf32>, %c: i32) attributes {warp.kernel, warp.threads = 640 : i64, warp.shared_bytes = 0 : i64} {
  %c0 = arith.constant 0 : index
  %zero = arith.constant dense<0.0> : !S
  %a = warp.ring {offset = 0, barriers = 65536} : !Ring
  %b = warp.ring {offset = 16384, barriers = 65552} : !RightRing
  warp.roles 16 registers 0, 0 consumer {
    %as = warp.receive %a at %c : !Ring -> !Left
    %bs = warp.receive %b at %c : !RightRing -> !Slot
    %s = warp.mma %as, %bs, %zero {transB, async} : !Left, !Slot -> !S
    %d = warp.wait %s : !S
    tile.store %d, %o[%c0, %c0] : !S, memref<?x64xf32>
  } producer {
    warp.acquire %a at %c : !Ring -> !Left
  }
  return
}

// -----

#acc = #warp.frag<acc, warps = 4>
!Slot = !warp.slot<64x32xbf16, <swizzle = 64>>
!Ring = !warp.ring<1 of 64x32xbf16, <swizzle = 64>, bulk>

// A tile for element-wise work is read by matrix loads, whose words are pairs of an accumulator's registers; each half of
// a pair is the upper half of its f32.
// CHECK-LABEL: llvm.func @elementwise
func.func @elementwise(%m: memref<64x32xf32>, %cursor: i32)
    attributes {warp.kernel, warp.threads = 128 : i64, warp.shared_bytes = 8192 : i64} {
  %c0 = arith.constant 0 : index
  %ring = warp.ring {offset = 0 : i64, barriers = 4096 : i64} : !Ring
  %slot = warp.receive %ring at %cursor : !Ring -> !Slot
  // CHECK-COUNT-2: nvvm.ldmatrix {{.*}}num = 4
  %tile = warp.load %slot[0, 0] : !Slot -> tensor<64x32xbf16, #acc>
  // CHECK-NOT: extf
  // CHECK-COUNT-8: arith.shli
  %wide = arith.extf %tile : tensor<64x32xbf16, #acc> to tensor<64x32xf32, #acc>
  tile.store %wide, %m[%c0, %c0] : tensor<64x32xf32, #acc>, memref<64x32xf32>
  return
}

// -----

#acc = #warp.frag<acc, warps = 4>
!S = tensor<64x64xf32, #acc>
!Slot = !warp.slot<64x64xbf16, <swizzle = 128>>
!Ring = !warp.ring<1 of 64x64xbf16, <swizzle = 128>, bulk>

// Products end in order: where the second is done the first is, and its wait lets nothing go on.

// CHECK-LABEL: llvm.func @second_first
// CHECK: "wgmma.wait_group.sync.aligned 0;"
// CHECK: "wgmma.wait_group.sync.aligned 0;"
func.func @second_first(%o: memref<?x64xf32>, %c: i32) attributes {warp.kernel, warp.threads = 128 : i64, warp.shared_bytes = 0 : i64} {
  %c0 = arith.constant 0 : index
  %zero = arith.constant dense<0.0> : !S
  %v = warp.ring {offset = 0, barriers = 16384} : !Ring
  %vs = warp.receive %v at %c : !Ring -> !Slot
  %s = warp.mma %vs, %vs, %zero {async} : !Slot, !Slot -> !S
  %t = warp.mma %vs, %vs, %zero {transB, async} : !Slot, !Slot -> !S
  %td = warp.wait %t : !S
  %sd = warp.wait %s : !S
  %r = arith.addf %sd, %td : !S
  tile.store %r, %o[%c0, %c0] : !S, memref<?x64xf32>
  return
}
