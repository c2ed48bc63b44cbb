//===- Hash.h - FNV-1a, the hash of packs and cache keys --------------------===//
#ifndef HEDDLE_SUPPORT_HASH_H
#define HEDDLE_SUPPORT_HASH_H

#include "llvm/ADT/StringRef.h"

namespace heddle {

/// 64-bit FNV-1a. Not cryptographic: it names artifacts and finds damage.
class Fnv1a {
public:
  Fnv1a &add(llvm::StringRef bytes) {
    for (unsigned char byte : bytes)
      state = (state ^ byte) * 0x100000001b3ull;
    return *this;
  }
  /// A field of a key: its length goes in too, so that ("ab", "c") and ("a", "bc") differ.
  Fnv1a &addField(llvm::StringRef bytes) {
    uint64_t size = bytes.size();
    add({reinterpret_cast<const char *>(&size), sizeof(size)});
    return add(bytes);
  }
  uint64_t value() const { return state; }

private:
  uint64_t state = 0xcbf29ce484222325ull;
};

} // namespace heddle

#endif
