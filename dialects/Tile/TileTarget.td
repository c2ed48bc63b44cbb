//===- TileTarget.td - what a program is compiled for, and its blocks -------===//
#ifndef HEDDLE_TILE_TARGET
#define HEDDLE_TILE_TARGET

include "dialects/Tile/TileOps.td"
include "mlir/Dialect/SCF/IR/DeviceMappingInterface.td"
include "mlir/IR/AttrTypeBase.td"

def Tile_TargetAttr : AttrDef<Tile_Dialect, "Target"> {
  let mnemonic = "target";
  let summary = "what a program is compiled for, as numbers and capabilities";
  let description = [{
    Sits on the module as `tile.target`, put there by the compiler or by `--attach-target=name=sm_90a`. The rows are in
    `lib/Target/KnownTargets.cpp`. Passes ask for what they need (`hasBulkCopy`, `sharedBytesPerBlock`); none compares the
    name, which is for messages only. Fields that a kind of machine lacks are 0.

    Example: `#tile.target<name = "cpu:avx2", units = 1, vectorBytes = 32, vectorRegisters = 16, hasFma = true>`
  }];
  let parameters = (ins
    StringRefParameter<"as the user writes it">:$name,
    DefaultValuedParameter<"bool", "false", "blocks of many threads with shared memory">:$isGpu,
    DefaultValuedParameter<"int64_t", "0", "multiprocessors, when the machine is not asked">:$units,

    // GPU
    DefaultValuedParameter<"int64_t", "0", "ten times the compute capability">:$capability,
    DefaultValuedParameter<"int64_t", "0", "PTX version times ten that the instructions need">:$ptxVersion,
    DefaultValuedParameter<"int64_t", "0">:$sharedBytesPerBlock,
    DefaultValuedParameter<"int64_t", "0">:$sharedBytesPerUnit,
    DefaultValuedParameter<"int64_t", "0", "32-bit registers of a multiprocessor">:$registersPerUnit,
    DefaultValuedParameter<"int64_t", "0">:$registersPerThread,
    DefaultValuedParameter<"int64_t", "0">:$threadsPerBlock,
    DefaultValuedParameter<"int64_t", "0">:$threadsPerUnit,
    DefaultValuedParameter<"bool", "false", "cp.async">:$hasAsyncCopy,
    DefaultValuedParameter<"bool", "false", "tensor maps and transaction barriers">:$hasBulkCopy,
    DefaultValuedParameter<"bool", "false", "asynchronous products by four warps from shared memory">:$hasWarpgroupMma,
    DefaultValuedParameter<"bool", "false", "registers can move between warps of a block">:$hasRegisterReallocation,
    DefaultValuedParameter<"bool", "false", "a kernel may start while the one before it ends, and waits for that itself">:$hasLaunchOverlap,

    // CPU
    DefaultValuedParameter<"int64_t", "0", "bytes of the widest vector register">:$vectorBytes,
    DefaultValuedParameter<"int64_t", "0">:$vectorRegisters,
    DefaultValuedParameter<"int64_t", "0", "first-level data cache of a core">:$level1Bytes,
    DefaultValuedParameter<"int64_t", "0", "second-level cache: of a core, or of the whole GPU">:$level2Bytes,
    DefaultValuedParameter<"bool", "false">:$hasFma,
    DefaultValuedParameter<"bool", "false", "vscalefps, vreduceps, masked loads and stores">:$hasMaskedVectors,
    DefaultValuedParameter<"bool", "false", "vdpbf16ps">:$hasBf16Dot,
    DefaultValuedParameter<"bool", "false", "8 tile registers of 16 rows x 64 bytes with bf16 products">:$hasTileMma);
  let assemblyFormat = "`<` struct(params) `>`";
}

def Tile_BlockAttr : AttrDef<Tile_Dialect, "Block", [DeclareAttrInterfaceMethods<DeviceMappingAttrInterface>]> {
  let mnemonic = "block";
  let summary = "a dimension of the grid of a kernel's blocks";
  let description = [{
    The `mapping` of a kernel's `scf.forall`, which keeps it one: a loop that upstream takes for a plain one is gone
    where each of its dimensions has a single iteration, and its body moves to where only sizes may be.
    Example: `scf.forall (%x, %y) in (%n, %h) {..} {mapping = [#tile.block<0>, #tile.block<1>]}`
  }];
  let parameters = (ins "int64_t":$dim);
  let assemblyFormat = "`<` $dim `>`";
}
#endif
