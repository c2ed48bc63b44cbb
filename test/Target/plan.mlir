// RUN: heddle-compile %s --target=cpu:generic,sm_90a --emit=plan | FileCheck %s

// CHECK-LABEL: entry split
// CHECK-NEXT:  input q ?x?x?x128xbf16
// CHECK-NEXT:  input lengths ?xi32
// CHECK-NEXT:  scalar scale f32
// CHECK-NEXT:  scalar window i64
// CHECK-NEXT:  output o ?x?x?x128xbf16
func.func @split(%q: memref<?x?x?x128xbf16, strided<[?, ?, ?, 1], offset: ?>>, %lengths: memref<?xi32, strided<[1], offset: ?>>,
                 %scale: f32, %window: index, %o: memref<?x?x?x128xbf16, strided<[?, ?, ?, 1], offset: ?>>)
    attributes {tile.plan, tile.results = 1 : i64} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c4 = arith.constant 4 : index
  %half = arith.constant 0.5 : f32
  %t = memref.dim %q, %c2 : memref<?x?x?x128xbf16, strided<[?, ?, ?, 1], offset: ?>>
  %h = memref.dim %q, %c1 : memref<?x?x?x128xbf16, strided<[?, ?, ?, 1], offset: ?>>
  %units = tile.machine
  %splits = arith.ceildivsi %units, %c4 : index
  // CHECK-NEXT:  variant cpu features
  // CHECK-NEXT:  buffer0 bytes ((ceildiv(machine, 4) * (size(q, 2) * 96)) * 4)
  %partial = memref.alloc(%splits, %t) : memref<?x?x96xf32>
  // CHECK-NEXT:  buffer1 bytes 4 zeroed status
  %status = memref.alloc() {tile.status} : memref<1xi32>
  %few = arith.cmpi sgt, %splits, %h : index
  scf.if %few {
    // The strides of a buffer are those of contiguous memory; a constant f32 is its bits.
    // CHECK-NEXT: if (size(q, 1) < ceildiv(machine, 4)) launch part grid(ceildiv(size(q, 2), 64), ceildiv(machine, 4), 1)
    // CHECK-SAME: slots(tensor q, buffer0, ceildiv(machine, 4), size(q, 2), 96, (size(q, 2) * 96), 96, 1, scalar scale, (window + 4), 1056964608)
    %next = arith.addi %window, %c4 : index
    tile.launch @part(%q, %partial, %scale, %next, %half)
      : memref<?x?x?x128xbf16, strided<[?, ?, ?, 1], offset: ?>>, memref<?x?x96xf32>, f32, index, f32
  } else {
    // CHECK-NEXT: if !(size(q, 1) < ceildiv(machine, 4)) launch whole grid(1, size(lengths, 0), 1)
    // CHECK-SAME: slots(tensor lengths, tensor o, buffer1, 1, 1)
    tile.launch @whole(%lengths, %o, %status)
      : memref<?xi32, strided<[1], offset: ?>>, memref<?x?x?x128xbf16, strided<[?, ?, ?, 1], offset: ?>>, memref<1xi32>
  }
  return
}
// The kernel of wide rows is guarded; the table of lengths is not.
// CHECK: variant cuda 90 exactly if ((16 <= alignment(q)) && (16 <= alignment(o)))

func.func @part(%q: memref<?x?x?x128xbf16, strided<[?, ?, ?, 1], offset: ?>>, %partial: memref<?x?x96xf32>, %scale: f32,
                %n: index, %half: f32) attributes {tile.kernel} {
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %c64 = arith.constant 64 : index
  %x = arith.mulf %scale, %half : f32
  %t = memref.dim %q, %c2 : memref<?x?x?x128xbf16, strided<[?, ?, ?, 1], offset: ?>>
  %rows = arith.ceildivsi %t, %c64 : index
  %splits = memref.dim %partial, %c0 : memref<?x?x96xf32>
  scf.forall (%i, %s) in (%rows, %splits) {
  }
  return
}

func.func @whole(%lengths: memref<?xi32, strided<[1], offset: ?>>, %o: memref<?x?x?x128xbf16, strided<[?, ?, ?, 1], offset: ?>>,
                 %status: memref<1xi32>) attributes {tile.kernel} {
  %c0 = arith.constant 0 : index
  %n = memref.dim %lengths, %c0 : memref<?xi32, strided<[1], offset: ?>>
  scf.forall (%i, %b) in (1, %n) {
  }
  return
}

// Rows by residue: a view of the caller's memory has its address, and sizes and strides of its own. What it is a view of
// must be aligned, not the view's last dimension.
// CHECK-LABEL: entry grouped
// CHECK: launch byResidue grid(ceildiv(size(k, 2), 4), 4, 1) threads(1, 1, 1) shared 0
// CHECK-SAME: slots(address k, size(k, 0), size(k, 1), ceildiv(size(k, 2), 4), 4, 64, stride(k, 0), stride(k, 1), (stride(k, 2) * 4), stride(k, 2), stride(k, 3),
// CHECK-SAME: address lse, ceildiv(size(lse, 0), 4), 4, (stride(lse, 0) * 4), stride(lse, 0))
// CHECK: variant cuda 90 exactly if (16 <= alignment(k))
func.func @grouped(%k: memref<?x?x?x64xbf16, strided<[?, ?, ?, 1], offset: ?>>, %lse: memref<?xf32, strided<[1], offset: ?>>)
    attributes {tile.plan, tile.results = 1 : i64} {
  %x = tile.residues %k dim 2 by 4 : memref<?x?x?x64xbf16, strided<[?, ?, ?, 1], offset: ?>> to memref<?x?x?x4x64xbf16, strided<[?, ?, ?, ?, 1], offset: ?>>
  %y = tile.residues %lse dim 0 by 4 : memref<?xf32, strided<[1], offset: ?>> to memref<?x4xf32, strided<[4, 1], offset: ?>>
  tile.launch @byResidue(%x, %y) : memref<?x?x?x4x64xbf16, strided<[?, ?, ?, ?, 1], offset: ?>>, memref<?x4xf32, strided<[4, 1], offset: ?>>
  return
}
func.func @byResidue(%k: memref<?x?x?x4x64xbf16, strided<[?, ?, ?, ?, 1], offset: ?>>, %lse: memref<?x4xf32, strided<[?, 1], offset: ?>>)
    attributes {tile.kernel} {
  %c2 = arith.constant 2 : index
  %c3 = arith.constant 3 : index
  %t = memref.dim %k, %c2 : memref<?x?x?x4x64xbf16, strided<[?, ?, ?, ?, 1], offset: ?>>
  %m = memref.dim %k, %c3 : memref<?x?x?x4x64xbf16, strided<[?, ?, ?, ?, 1], offset: ?>>
  scf.forall (%i, %r) in (%t, %m) {
  }
  return
}
