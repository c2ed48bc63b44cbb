!M = memref<?x?xf32, strided<[?, 1], offset: ?>>

// Every row of 32, scaled.
func.func @scale_0(%x: !M, %y: !M, %factor: f32) attributes {tile.kernel} {
  %c0 = arith.constant 0 : index
  %c32 = arith.constant 32 : index
  %rows = memref.dim %x, %c0 : !M
  %blocks = arith.ceildivsi %rows, %c32 : index
  scf.forall (%block) in (%blocks) {
    %first = arith.muli %block, %c32 : index
    %t = tile.load %x[%first, %c0] limit(%rows) : !M -> tensor<32x32xf32>
    %f = tensor.splat %factor : tensor<32x32xf32>
    %s = arith.mulf %t, %f : tensor<32x32xf32>
    tile.store %s, %y[%first, %c0] limit(%rows) : tensor<32x32xf32>, !M
  }
  return
}
