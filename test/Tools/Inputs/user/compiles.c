/* compiles.c - compile the spec of the command line and look for its entry, with what is installed. */
#include "heddle-c/Heddle.h"
#include "heddle_rt/heddle_rt.h"

#include <stdio.h>

int main(int argc, char **argv) {
  static char spec[1 << 16];
  FILE *file = argc == 3 ? fopen(argv[1], "r") : NULL;
  size_t size = file ? fread(spec, 1, sizeof spec, file) : 0;
  heddle_bytes bytes;
  heddle_pack *pack = NULL;
  uint32_t entry = 9;
  if (heddle_compile(spec, size, NULL, &bytes) || heddle_load(bytes.data, bytes.size, &pack) ||
      heddle_find(pack, argv[2], &entry)) {
    printf("failed: %s\n", heddle_last_error());
    return 1;
  }
  printf("entry %u of %u: %s\n", entry, heddle_entry_count(pack), heddle_entry_name(pack, entry));
  heddle_unload(pack);
  heddle_bytes_free(&bytes);
  return 0;
}
