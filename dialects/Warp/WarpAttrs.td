//===- WarpAttrs.td - where the elements of a tile live ---------------------===//
//
// A closed set of layouts behind one interface. A layout of registers says, for
// thread (warp, lane) and register number, which element that register holds:
//
//   element = origin(lane, warp) + offset(register)
//
// Both halves are data (an affine map and a pair of constants), so a lowering
// needs no knowledge of any particular layout, and a new layout is a new class.
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_WARP_ATTRS
#define HEDDLE_WARP_ATTRS

include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/TensorEncoding.td"
include "dialects/Warp/WarpDialect.td"

def Warp_LayoutInterface : AttrInterface<"LayoutInterface"> {
  let cppNamespace = "::heddle::warp";
  let description = [{
    How the elements of a tile of rank 2 are spread over the registers of a block's threads. An element may live in
    several threads; all copies are equal. Positions at or beyond the shape hold unspecified values.
  }];
  let methods = [
    InterfaceMethod<"Registers per thread, in elements.", "int64_t", "registers", (ins "::mlir::ArrayRef<int64_t>":$shape)>,
    InterfaceMethod<"The constant part of the coordinates of a register.", "::std::array<int64_t, 2>", "offset",
                    (ins "int64_t":$index, "::mlir::ArrayRef<int64_t>":$shape)>,
    InterfaceMethod<"The thread's part: a map (lane, warp) -> (row, column).", "::mlir::AffineMap", "origin",
                    (ins "::mlir::ArrayRef<int64_t>":$shape)>,
    InterfaceMethod<"Neighbouring registers (a power of two) that hold neighbouring columns, the first an even one.",
                    "int64_t", "vectorWidth", (ins)>,
  ];
}

class Warp_Attr<string name, string mnemonicName, list<Trait> traits = []> : AttrDef<Warp_Dialect, name, traits> {
  let mnemonic = mnemonicName;
}
class Warp_Layout<string name, string mnemonicName> : Warp_Attr<name, mnemonicName, [
    DeclareAttrInterfaceMethods<Warp_LayoutInterface>, DeclareAttrInterfaceMethods<VerifiableTensorEncoding>]>;

def Warp_FragKind : I32EnumAttr<"FragKind", "what a fragment is for", [
    I32EnumAttrCase<"acc", 0>, I32EnumAttrCase<"a", 1>]> {
  let cppNamespace = "::heddle::warp";
  let genSpecializedAttr = 0;
}

def Warp_FragAttr : Warp_Layout<"Frag", "frag"> {
  let summary = "fragments of the matrix unit";
  let description = [{
    Rows are split evenly over `warps` warps (warp w takes part w mod `warps`; further warps hold copies); a warp's part
    is made of 16x8 atoms, row-major, in which lane l holds rows l/4 and l/4 + 8, columns 2(l mod 4) and the next:
    register (r / 8) * 2 + c mod 2. `acc` is how products accumulate. `a` is the same elements in the order that the left
    operand is fed in: for 16-bit elements two atoms side by side make one 16x16 atom of four packed words. So `acc` to
    `a` only renames registers.
  }];
  let parameters = (ins EnumParameter<Warp_FragKind>:$kind, "int64_t":$warps);
  let assemblyFormat = "`<` $kind `,` `warps` `=` $warps `>`";
}

def Warp_SliceAttr : Warp_Layout<"Slice", "slice"> {
  let summary = "a layout with one dimension reduced to size 1";
  let description = [{
    A vector that goes with tiles laid out as `parent`: an element is held by every thread that holds an element of its
    row (dim 1 reduced) or column (dim 0 reduced).
  }];
  let parameters = (ins "int64_t":$dim, Warp_FragAttr:$parent);
  let assemblyFormat = "`<` $dim `,` $parent `>`";
  let genVerifyDecl = 1;
}

def Warp_UniformAttr : Warp_Layout<"Uniform", "uniform"> {
  let summary = "one element, held by every thread";
}

def Warp_SharedAttr : Warp_Attr<"Shared", "shared"> {
  let summary = "rows in shared memory, padded or swizzled";
  let description = [{
    `<pad = 16>`: a row takes its bytes rounded up to 16, plus `pad`. With 16 bytes of padding eight consecutive rows
    start in different banks, so that a matrix load has no conflicts and every address inside a tile is lane base +
    constant. Read by `mma.sync` and written by threads.

    `<swizzle = 128>` (or 64, 32): panels side by side, each of all rows and of `swizzle` bytes of columns, one row after
    the other. The 16-byte pieces of a panel's row are exchanged: piece p of row r lies at p xor (r * swizzle / 128 mod
    (swizzle / 16)). This is what a bulk copy with a tensor map writes and what a warpgroup's products read; threads
    write it with `put`.
  }];
  let parameters = (ins DefaultValuedParameter<"int64_t", "0">:$pad, DefaultValuedParameter<"int64_t", "0">:$swizzle);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
}

class Warp_Type<string name, string mnemonicName> : TypeDef<Warp_Dialect, name> {
  let mnemonic = mnemonicName;
}

def Warp_SlotType : Warp_Type<"Slot", "slot"> {
  let summary = "a tile in shared memory";
  let description = [{ `!warp.slot<64x128xbf16, <pad = 16>>` }];
  let parameters = (ins ArrayRefParameter<"int64_t">:$shape, "::mlir::Type":$elementType, Warp_SharedAttr:$layout);
  let hasCustomAssemblyFormat = 1;
  let extraClassDeclaration = [{
    /// Bytes of an element as stored (an i1 takes one).
    int64_t getElementBytes() const;
    bool isSwizzled() const { return getLayout().getSwizzle() != 0; }
    /// Bytes from a row to the next (of the same panel).
    int64_t getPitch() const;
    /// Columns of a panel (all of them if not swizzled), and bytes from a panel to the next.
    int64_t getPanelColumns() const;
    int64_t getPanelBytes() const { return getPitch() * getShape()[0]; }
    int64_t getBytes() const;
  }];
}

def Warp_RingType : Warp_Type<"Ring", "ring"> {
  let summary = "slots that are filled in turn";
  let description = [{
    `!warp.ring<2 of 64x128xbf16, <pad = 16>>`: two slots. With `bulk` (`!warp.ring<2 of 64x128xbf16, <swizzle = 128>,
    bulk>`) each slot has a pair of barriers in shared memory, full and empty: it is filled by bulk copies of one role and
    read by another. With `bulk, gathered` it is filled by the threads of that role, row by row (`warp.gather`) or, if it
    is a vector, element by element: each arrives at the full barrier, and a reader lets the products see what threads
    have written.
  }];
  let parameters = (ins "int64_t":$stages, "SlotType":$slot, DefaultValuedParameter<"bool", "false">:$bulk,
                        DefaultValuedParameter<"bool", "false">:$gathered);
  let hasCustomAssemblyFormat = 1;
}
#endif
