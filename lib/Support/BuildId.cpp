//===- BuildId.cpp - which build of the compiler this is --------------------===//
//
// A cached kernel must not outlive the compiler that made it. A version number
// changes too rarely and a configure-time stamp goes stale, so we read the build
// id that the linker computed over this very object.
//
//===----------------------------------------------------------------------===//
#include "heddle/Support/BuildId.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Config/llvm-config.h"

#if defined(__linux__)
#include <cstring>
#include <elf.h>
#include <link.h>
#endif

using namespace heddle;

#if defined(__linux__)
namespace {
struct Search {
  uintptr_t address; // something in our own object
  std::string id;
};

/// The build id in one segment of notes; empty when there is none.
std::string findInNotes(const char *notes, size_t size) {
  while (size >= sizeof(ElfW(Nhdr))) {
    ElfW(Nhdr) header;
    std::memcpy(&header, notes, sizeof(header));
    size_t nameBytes = (header.n_namesz + 3) & ~size_t(3), contentBytes = (header.n_descsz + 3) & ~size_t(3);
    size_t total = sizeof(header) + nameBytes + contentBytes;
    if (total > size)
      break;
    const char *name = notes + sizeof(header);
    if (header.n_type == NT_GNU_BUILD_ID && header.n_namesz == 4 && std::memcmp(name, "GNU", 4) == 0)
      return llvm::toHex(llvm::StringRef(name + nameBytes, header.n_descsz), /*LowerCase=*/true);
    notes += total;
    size -= total;
  }
  return {};
}

int visitObject(dl_phdr_info *info, size_t, void *data) {
  Search &search = *static_cast<Search *>(data);
  bool isOurs = false;
  for (unsigned i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr) &segment = info->dlpi_phdr[i];
    uintptr_t start = info->dlpi_addr + segment.p_vaddr;
    isOurs |= segment.p_type == PT_LOAD && search.address - start < segment.p_memsz;
  }
  if (!isOurs)
    return 0;
  for (unsigned i = 0; i < info->dlpi_phnum && search.id.empty(); ++i)
    if (info->dlpi_phdr[i].p_type == PT_NOTE)
      search.id = findInNotes(reinterpret_cast<const char *>(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr),
                              info->dlpi_phdr[i].p_memsz);
  return 1;
}
} // namespace
#endif

llvm::StringRef heddle::buildId() {
  static const std::string id = [] {
    std::string found;
#if defined(__linux__)
    Search search{reinterpret_cast<uintptr_t>(&buildId), {}};
    dl_iterate_phdr(visitObject, &search);
    found = search.id;
#endif
    return HEDDLE_VERSION "-llvm" LLVM_VERSION_STRING "-" + found;
  }();
  return id;
}
