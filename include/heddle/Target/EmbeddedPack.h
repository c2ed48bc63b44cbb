//===- EmbeddedPack.h - a pack as an object, with its C header --------------===//
#ifndef HEDDLE_TARGET_EMBEDDEDPACK_H
#define HEDDLE_TARGET_EMBEDDEDPACK_H

#include "heddle/Target/KnownTargets.h"

namespace heddle {

/// `name` as a C identifier: other characters become underscores.
std::string identifierOf(llvm::StringRef name);

/// An object for this machine with the symbols `name_pack` and `name_pack_size`.
llvm::Expected<std::string> emitPackObject(llvm::StringRef pack, llvm::StringRef name);

/// The C header of that object: the symbols, and per entry what its arguments are and a wrapper that runs it.
std::string emitPackHeader(llvm::StringRef pack, llvm::StringRef name);

} // namespace heddle

#endif
