/* old_pack.c - a pack written by version 1 still loads and, on its machine, runs; and so does one of the same version
 * whose records have grown. `old_pack --write LIBRARY PACK` wrote Inputs/version-1.pack; it is never written again.
 */
#include "expect.h"
#include "pack_writer.h"
#include "sample_pack.h"

#include <stdlib.h>

static void check(heddle_pack *pack) {
  EXPECT_EQ(heddle_content_hash(pack), 0x1234abcd5678ef90);
  EXPECT(strcmp(heddle_entry_spec(pack, entry_of(pack, "scale")), "func.func @scale(...)") == 0);
  int64_t out[6] = {0}, sizes[] = {1, 2, 3};
  heddle_arg arg = tensor(HEDDLE_I64, 3, out, sizes, NULL);
#if defined(__x86_64__)
  EXPECT_OK(heddle_run(pack, entry_of(pack, "where"), cpu_device, &arg, 1, NULL, 0, NULL));
  for (int64_t i = 0; i < 6; ++i)
    EXPECT_EQ(out[i], ((i % 3 + 1000 * (i / 3)) << 8) + 1);
#else
  EXPECT_STATUS(heddle_run(pack, entry_of(pack, "where"), cpu_device, &arg, 1, NULL, 0, NULL), HEDDLE_UNSUPPORTED,
                "expected a shared object for machine");
#endif
}

/* The same pack with 24 more bytes at the end of every record that this reader knows nothing of, as a later writer of
 * this version might leave it. */
static unsigned char *grow(const unsigned char *bytes, size_t *size) {
  heddle_pack_header header;
  enum { HEADER_BYTES = 216, TABLES = 11 }; /* of version 1 */
  memcpy(&header, bytes, HEADER_BYTES);
  unsigned char *grown = calloc(4, *size);
  size_t end = HEADER_BYTES;
  for (int i = 0; i < TABLES; ++i) {
    heddle_table *table = &header.tables[i];
    uint32_t known = i == HEDDLE_TABLE_KERNELS   ? sizeof(heddle_kernel_record)
                     : i == HEDDLE_TABLE_ENTRIES ? sizeof(heddle_entry_record)
                                                 : table->record_bytes;
    uint32_t wide = table->record_bytes > 4 ? known + 24 : known; /* raw sections and words are what they are */
    end = (end + 63) / 64 * 64;
    for (uint32_t j = 0; j < table->count; ++j) {
      unsigned char *record = grown + end + (size_t)j * wide;
      memcpy(record, bytes + table->offset + (size_t)j * table->record_bytes, table->record_bytes);
      memset(record + known, 0xab, wide - known);
    }
    table->offset = end;
    table->record_bytes = wide;
    end += (size_t)table->count * table->record_bytes;
  }
  header.total_bytes = *size = end;
  memcpy(grown, &header, HEADER_BYTES);
  writer_seal(grown, end);
  return grown;
}

static int write_pack(const char *library, const char *path) {
  size_t size;
  unsigned char *bytes = sample_pack_bytes(library, &size);
  FILE *file = fopen(path, "wb");
  int written = file && fwrite(bytes, 1, size, file) == size && fclose(file) == 0;
  free(bytes);
  return !written;
}

int main(int argc, char **argv) {
  if (argc == 4 && strcmp(argv[1], "--write") == 0)
    return write_pack(argv[2], argv[3]);
  if (argc != 2)
    return 1;
  static unsigned char bytes[1 << 20];
  heddle_pack *pack;
  EXPECT_OK(heddle_load_file(argv[1], &pack));
  check(pack);
  heddle_unload(pack);
  FILE *file = fopen(argv[1], "rb");
  size_t size = fread(bytes, 1, sizeof bytes, file);
  fclose(file);
  unsigned char *grown = grow(bytes, &size);
  EXPECT_OK(heddle_load(grown, size, &pack));
  check(pack);
  heddle_unload(pack);
  free(grown);
  return expect_summary();
}
