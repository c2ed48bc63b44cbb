// RUN: heddle-opt %s --split-input-file | heddle-opt --split-input-file | FileCheck %s

// CHECK-LABEL: func.func @some
func.func @some(%x: tensor<64x128xf32, #warp.frag<acc, warps = 4>>, %limit: tensor<64x8xf32, #warp.frag<acc, warps = 4>>) -> i1 {
  // CHECK: %[[PART:.+]] = warp.fold max %{{.+}} : tensor<64x128xf32, #warp.frag<acc, warps = 4>> -> tensor<64x8xf32, #warp.frag<acc, warps = 4>>
  %part = warp.fold max %x : tensor<64x128xf32, #warp.frag<acc, warps = 4>> -> tensor<64x8xf32, #warp.frag<acc, warps = 4>>
  %above = arith.cmpf ogt, %part, %limit : tensor<64x8xf32, #warp.frag<acc, warps = 4>>
  // CHECK: warp.any %{{.+}} : tensor<64x8xi1, #warp.frag<acc, warps = 4>>
  %some = warp.any %above : tensor<64x8xi1, #warp.frag<acc, warps = 4>>
  return %some : i1
}

// -----

#acc = #warp.frag<acc, warps = 4>
#a = #warp.frag<a, warps = 4>
!Slot = !warp.slot<64x128xbf16, <pad = 16>>
!Ring = !warp.ring<2 of 64x128xbf16, <pad = 16>>

// CHECK-LABEL: func.func @rings
// CHECK-SAME: %[[MEMORY:[a-z0-9]+]]: memref<?x128xbf16>, %[[I:[a-z0-9]+]]: index, %[[STAGE:[a-z0-9]+]]: i32
func.func @rings(%memory: memref<?x128xbf16>, %i: index, %stage: i32) {
  // CHECK: %[[RING:.+]] = warp.ring {offset = 1024 : i64} : <2 of 64x128xbf16, <pad = 16>>
  %ring = warp.ring {offset = 1024} : !Ring
  // CHECK: %[[FREE:.+]] = warp.acquire %[[RING]] at %[[STAGE]] ordered : <2 of 64x128xbf16, <pad = 16>> -> <64x128xbf16, <pad = 16>>
  %free = warp.acquire %ring at %stage ordered : !Ring -> !Slot
  // CHECK: warp.copy %[[MEMORY]][%[[I]], %[[I]]] limit(%[[I]]) to %[[FREE]] by 16
  warp.copy %memory[%i, %i] limit(%i) to %free by 16 : memref<?x128xbf16> to !Slot
  // CHECK: warp.receive %[[RING]] at %[[STAGE]] :
  %full = warp.receive %ring at %stage : !Ring -> !Slot
  warp.sync
  return
}

// -----

#acc = #warp.frag<acc, warps = 4>
#a = #warp.frag<a, warps = 4>
!Slot = !warp.slot<64x128xbf16, <pad = 16>>

// CHECK-LABEL: func.func @products
func.func @products(%x: tensor<64x128xbf16, #acc>, %slot: !Slot, %zero: tensor<64x64xf32, #acc>) -> tensor<64x64xf32, #acc> {
  warp.put %x to %slot[0] : tensor<64x128xbf16, #acc> to !Slot
  // CHECK: warp.load %{{.+}}[0, 0] transposed : <64x128xbf16, <pad = 16>> -> tensor<128x64xbf16, #warp.frag<acc, warps = 4>>
  %t = warp.load %slot[0, 0] transposed : !Slot -> tensor<128x64xbf16, #acc>
  // CHECK: %[[LEFT:.+]] = warp.convert
  %left = warp.convert %x : tensor<64x128xbf16, #acc> -> tensor<64x128xbf16, #a>
  // CHECK: warp.mma %[[LEFT]], %{{.+}}, %{{.+}} {transB}
  %s = warp.mma %left, %slot, %zero {transB} : tensor<64x128xbf16, #a>, !Slot -> tensor<64x64xf32, #acc>
  return %s : tensor<64x64xf32, #acc>
}

// -----

#acc = #warp.frag<acc, warps = 4>
!Slot = !warp.slot<64x128xbf16, <swizzle = 128>>
!Ring = !warp.ring<2 of 64x128xbf16, <swizzle = 128>, bulk>

// CHECK-LABEL: func.func @roles
func.func @roles(%memory: memref<?x128xbf16>, %i: index, %zero: tensor<64x64xf32, #acc>) {
  // CHECK: %[[CURSOR:.+]] = arith.constant 0 : i32
  %cursor = arith.constant 0 : i32
  // CHECK: %[[RING:.+]] = warp.ring {barriers = 32768 : i64, offset = 0 : i64} : <2 of 64x128xbf16, <swizzle = 128>, bulk>
  %ring = warp.ring {offset = 0, barriers = 32768} : !Ring
  // CHECK: warp.roles 4 registers 240, 24 consumer {
  warp.roles 4 registers 240, 24 consumer {
    // CHECK: %[[FULL:.+]] = warp.receive %[[RING]] at %[[CURSOR]] : <2 of 64x128xbf16, <swizzle = 128>, bulk> -> <64x128xbf16, <swizzle = 128>>
    %full = warp.receive %ring at %cursor : !Ring -> !Slot
    // CHECK: %[[S:.+]] = warp.mma %[[FULL]], %[[FULL]], %{{.+}} {async, transB}
    %s = warp.mma %full, %full, %zero {async, transB} : !Slot, !Slot -> tensor<64x64xf32, #acc>
    // CHECK: warp.wait %[[S]] : tensor<64x64xf32, #warp.frag<acc, warps = 4>>
    %done = warp.wait %s : tensor<64x64xf32, #acc>
    // CHECK: warp.release %[[RING]] at %[[CURSOR]] : <2 of
    warp.release %ring at %cursor : !Ring
  // CHECK: } producer {
  } producer {
    %free = warp.acquire %ring at %cursor : !Ring -> !Slot
    warp.copy %memory[%i, %i] to %free by 16 : memref<?x128xbf16> to !Slot
    // CHECK: warp.advance %[[CURSOR]] of 2
    %next = warp.advance %cursor of 2
  }
  return
}

// -----

!Ring = !warp.ring<2 of 1x2xi32, <>, bulk>

// CHECK-LABEL: func.func @numbers
func.func @numbers(%counter: memref<1xi32>, %i: index, %x: f32) -> index {
  %cursor = arith.constant 0 : i32
  // CHECK: %[[RING:.+]] = warp.ring : <2 of 1x2xi32, <>, bulk>
  %ring = warp.ring : !Ring
  // CHECK: %[[NUMBER:.+]] = warp.next_item %{{.+}}[%{{.+}}] : memref<1xi32>
  %number = warp.next_item %counter[%i] : memref<1xi32>
  // CHECK: warp.send %[[NUMBER]], %{{.+}} to %[[RING]] at %{{.+}} : i32, f32 to <2 of
  warp.send %number, %x to %ring at %cursor : i32, f32 to !Ring
  // CHECK: %{{.+}}:2 = warp.take %[[RING]] at %{{.+}} : <2 of 1x2xi32, <>, bulk> -> i32, f32
  %n, %y = warp.take %ring at %cursor : !Ring -> i32, f32
  // CHECK: tile.next_item %{{.+}}[%{{.+}}] : memref<1xi32>
  %m = tile.next_item %counter[%i] : memref<1xi32>
  return %m : index
}
