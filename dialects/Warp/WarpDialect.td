//===- WarpDialect.td - a kernel scheduled for a GPU ------------------------===//
#ifndef HEDDLE_WARP_DIALECT
#define HEDDLE_WARP_DIALECT

include "mlir/IR/DialectBase.td"

def Warp_Dialect : Dialect {
  let name = "warp";
  let cppNamespace = "::heddle::warp";
  let summary = "The tile program scheduled for a GPU: layouts, shared memory, asynchronous copies.";
  let description = [{
    The same function as in `tile`, with an encoding on every tensor that says which thread's registers hold which
    element. Memory that crosses threads is a ring of slots in shared memory. `tile`, `arith` and `math` ops stay as they
    are on encoded tensors; this dialect has what they lack. Born in `tile-to-warp`, gone after `convert-warp-to-nvvm`.

    Attributes of a kernel: `warp.kernel` (it is one), `warp.threads` (threads of a block), `warp.shared_bytes` and `warp.registers` (what
    `warp-plan-resources` found). `warp.pairs` on a `tile.load` or `tile.store` says that pairs of columns are aligned,
    `warp.pieces` on a `tile.store` that pieces of 16 bytes are.
    On a lowered kernel: `warp.consumers` (warps of the first role), `warp.tensor_maps` (the maps of its bulk copies, contract 3)
    and `warp.waits` (it waits for the launches before it before it touches memory, contract 3).
  }];
  let useDefaultAttributePrinterParser = 1;
  let useDefaultTypePrinterParser = 1;
  let usePropertiesForAttributes = 1;
  let extraClassDeclaration = [{
    void registerAttributes();
    void registerTypes();
    static constexpr llvm::StringLiteral kernelAttr = "warp.kernel";
    static constexpr llvm::StringLiteral threadsAttr = "warp.threads";
    static constexpr llvm::StringLiteral sharedBytesAttr = "warp.shared_bytes";
    static constexpr llvm::StringLiteral pairsAttr = "warp.pairs";
    static constexpr llvm::StringLiteral piecesAttr = "warp.pieces";
    static constexpr llvm::StringLiteral registersAttr = "warp.registers";
    static constexpr llvm::StringLiteral consumersAttr = "warp.consumers";
    static constexpr llvm::StringLiteral tensorMapsAttr = "warp.tensor_maps";
    static constexpr llvm::StringLiteral pendingAttr = "warp.pending";
    static constexpr llvm::StringLiteral waitsAttr = "warp.waits";
    /// Warps of the role that copies: one group, which is what registers can be taken from.
    static constexpr int64_t copyingWarps = 4;
  }];
}
#endif
