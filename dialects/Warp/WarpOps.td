#ifndef HEDDLE_WARP_OPS
#define HEDDLE_WARP_OPS

include "mlir/IR/OpBase.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Warp_Dialect : Dialect {
  let name = "warp";
  let cppNamespace = "::heddle::warp";
  let usePropertiesForAttributes = 1;
}

class Warp_Op<string mnemonic, list<Trait> traits = []> : Op<Warp_Dialect, mnemonic, traits>;

#endif
