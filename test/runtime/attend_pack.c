/* attend_pack.c - writes the pack of a hand-written attention kernel, so that runtime/example is run by the tests
 * whether or not a compiler was built. Usage: attend_pack LIBRARY PACK
 */
#include "pack_writer.h"

#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
  if (argc != 3)
    return 1;
  pack_writer *writer = writer_new();
  uint32_t kernel = writer_kernel(writer, "attend_row", writer_image_file(writer, argv[1]));
  writer_entry(writer, "attend");
  for (uint32_t i = 0; i < 5; ++i)
    if (i == 3)
      writer_param(writer, "scale", HEDDLE_PARAM_SCALAR, HEDDLE_F32, 0);
    else
      writer_param(writer, &"q\0k\0v\0-\0o"[2 * i], i < 3 ? HEDDLE_PARAM_INPUT : HEDDLE_PARAM_OUTPUT, HEDDLE_F32, 4)
          ->sizes[3] = 64;
  writer_variant(writer, HEDDLE_DEVICE_CPU, "a query per block");
  heddle_node_record *node = writer_node(writer, kernel);
  for (uint32_t i = 0; i < 3; ++i)
    node->grid[i] = writer_size(writer, 4, 2 - i);
  for (uint32_t i = 0; i < 5; ++i)
    writer_slot(writer, i == 3 ? HEDDLE_SLOT_PARAM_SCALAR : HEDDLE_SLOT_PARAM_TENSOR, i);
  size_t size;
  unsigned char *bytes = writer_finish(writer, &size);
  FILE *file = fopen(argv[2], "wb");
  int written = file && fwrite(bytes, 1, size, file) == size && fclose(file) == 0;
  free(bytes);
  return !written;
}
