// RUN: heddle-opt %s --split-input-file --verify-diagnostics --verify-tile

// expected-error @+1 {{expected either tile.plan or tile.kernel on a function}}
func.func @neither() { return }

// -----

// expected-error @+1 {{expected a forall in a kernel, got none}}
func.func @no_forall() attributes {tile.kernel} { return }

// -----

func.func @two(%n: index) attributes {tile.kernel} {
  scf.forall (%i) in (%n) {}
  // expected-error @+1 {{expected one forall in a kernel, got another}}
  scf.forall (%i) in (%n) {}
  return
}

// -----

func.func @load_first(%m: memref<?xf32>, %n: index) attributes {tile.kernel} {
  // expected-error @+1 {{expected sizes and numbers before the forall of a kernel}}
  %x = memref.load %m[%n] : memref<?xf32>
  scf.forall (%i) in (%n) {}
  return
}

// -----

func.func @offset(%n: index) attributes {tile.kernel} {
  // expected-error @+1 {{expected a forall from 0 with step 1, 1 to 3 dimensions and no results}}
  scf.forall (%i) = (1) to (%n) step (1) {}
  return
}

// -----

func.func @tensor(%n: index, %x: f32) attributes {tile.kernel} {
  scf.forall (%i) in (%n) {
    // expected-error @+1 {{expected tiles of static shape and rank 2, got 'tensor<4xf32>'}}
    %t = tensor.splat %x : tensor<4xf32>
  }
  return
}

// -----

// expected-error @+1 {{expected memory with unit stride in the last dimension, got}}
func.func @strided(%m: memref<?x?xf32, strided<[?, ?], offset: ?>>, %n: index) attributes {tile.kernel} {
  scf.forall (%i) in (%n) {}
  return
}

// -----

// expected-error @+1 {{expected arguments to be memrefs, index, i32 or f32, got 'f64'}}
func.func @argument(%x: f64) attributes {tile.plan} { return }

// -----

func.func @math_in_plan(%x: f32) attributes {tile.plan} {
  // expected-error @+1 {{expected sizes, workspace and launches in a plan, got math.exp}}
  %e = math.exp %x : f32
  return
}

// -----

func.func @launch_in_kernel(%n: index) attributes {tile.kernel} {
  scf.forall (%i) in (%n) {
    // expected-error @+1 {{expected it in a plan, got it in a kernel}}
    tile.launch @launch_in_kernel(%n) : index
  }
  return
}

// -----

func.func @foreign(%n: index, %t: tensor<2x2xf32>) attributes {tile.kernel} {
  scf.forall (%i) in (%n) {
    // expected-error @+1 {{expected tile, arith, math, memref and scf in a tile module, got tensor.extract}}
    %x = tensor.extract %t[%i, %i] : tensor<2x2xf32>
  }
  return
}

// -----

func.func @pairs(%m: memref<64x96xbf16>, %n: index) attributes {tile.kernel} {
  %c0 = arith.constant 0 : index
  scf.forall (%i) in (%n) {
    %x = tile.load %m[%c0, %c0] : memref<64x96xbf16> -> tensor<64x96xbf16>
    // expected-error @+1 {{expected pairs of rows of 'tensor<64x96xbf16>' in whole strips of columns, got 'tensor<192x16xbf16>'}}
    %p = tile.pair %x : tensor<64x96xbf16> -> tensor<192x16xbf16>
  }
  return
}

// -----

func.func @unpaired(%m: memref<64x32xbf16>, %n: index) attributes {tile.kernel} {
  %c0 = arith.constant 0 : index
  scf.forall (%i) in (%n) {
    %x = tile.load %m[%c0, %c0] : memref<64x32xbf16> -> tensor<64x32xbf16>
    // expected-error @+1 {{expected pairs of rows of 'tensor<63x32xbf16>' in whole strips of columns, got 'tensor<64x32xbf16>'}}
    %p = tile.unpair %x : tensor<64x32xbf16> -> tensor<63x32xbf16>
  }
  return
}

// -----

func.func @residues_in_kernel(%m: memref<?x64xf32, strided<[?, 1], offset: ?>>, %n: index) attributes {tile.kernel} {
  scf.forall (%i) in (%n) {
    // expected-error @+1 {{expected it in a plan, got it in a kernel}}
    %x = tile.residues %m dim 0 by 4 : memref<?x64xf32, strided<[?, 1], offset: ?>> to memref<?x4x64xf32, strided<[?, ?, 1], offset: ?>>
  }
  return
}

// -----

func.func @modulus(%m: memref<8x64xf32>) attributes {tile.plan} {
  // expected-error @+1 {{expected a modulus of at least 2 and a dimension of 'memref<8x64xf32>', got 1 and 0}}
  %x = tile.residues %m dim 0 by 1 : memref<8x64xf32> to memref<8x1x64xf32, strided<[64, 64, 1]>>
  return
}

// -----

func.func @dimension(%m: memref<8x64xf32>) attributes {tile.plan} {
  // expected-error @+1 {{expected a modulus of at least 2 and a dimension of 'memref<8x64xf32>', got 4 and 2}}
  %x = tile.residues %m dim 2 by 4 : memref<8x64xf32> to memref<8x64xf32>
  return
}

// -----

// The last group may lack positions.
func.func @grouped(%m: memref<9x64xf32>) attributes {tile.plan} {
  %x = tile.residues %m dim 0 by 4 : memref<9x64xf32> to memref<3x4x64xf32, strided<[256, 64, 1]>>
  // expected-error @+1 {{expected a result of type 'memref<3x4x64xf32, strided<[256, 64, 1]>>', got 'memref<2x4x64xf32, strided<[256, 64, 1]>>'}}
  %y = tile.residues %m dim 0 by 4 : memref<9x64xf32> to memref<2x4x64xf32, strided<[256, 64, 1]>>
  return
}
