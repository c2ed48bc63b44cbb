/* pack_writer.h - packs for tests, written from artifact.h alone. Records are added depth first: an entry, its
 * parameters, a variant, its buffers, its nodes with their slots, then the next variant or entry.
 */
#ifndef HEDDLE_TEST_RUNTIME_PACK_WRITER_H
#define HEDDLE_TEST_RUNTIME_PACK_WRITER_H

#include "heddle_rt/artifact.h"

#include <stddef.h>

enum { WRITER_CAPACITY = 64, WRITER_TEXT = 1 << 13, WRITER_WORDS = 1 << 14 };

typedef struct {
  char strings[WRITER_TEXT];
  uint32_t code[WRITER_WORDS];
  heddle_entry_record entries[WRITER_CAPACITY];
  heddle_param_record params[WRITER_CAPACITY];
  heddle_variant_record variants[WRITER_CAPACITY];
  heddle_buffer_record buffers[2 * WRITER_CAPACITY];
  heddle_node_record nodes[WRITER_CAPACITY];
  heddle_slot_record slots[8 * WRITER_CAPACITY];
  heddle_kernel_record kernels[WRITER_CAPACITY];
  heddle_image_record images[WRITER_CAPACITY];
  heddle_tensor_map_record tensor_maps[WRITER_CAPACITY];
  heddle_requirement_record requirements[WRITER_CAPACITY];
  uint32_t string_bytes, words, entry_count, param_count, variant_count, buffer_count, node_count, slot_count,
      kernel_count, image_count, tensor_map_count, requirement_count;
  unsigned char *blobs;
  size_t blob_bytes;
} pack_writer;

pack_writer *writer_new(void);
/* The bytes, to be freed; frees the writer. */
unsigned char *writer_finish(pack_writer *writer, size_t *size);
/* Set the checksum of (changed) bytes. */
void writer_seal(unsigned char *bytes, size_t size);

uint32_t writer_string(pack_writer *writer, const char *text);
uint32_t writer_image(pack_writer *writer, uint32_t kind, uint32_t min_driver, const void *bytes, size_t size);
uint32_t writer_image_file(pack_writer *writer, const char *path);
/* One image; its record can be changed for more. */
uint32_t writer_kernel(pack_writer *writer, const char *symbol, uint32_t image);
/* All of a kernel's maps before those of the next. */
void writer_tensor_map(pack_writer *writer, uint32_t kernel, heddle_tensor_map_record map);

heddle_entry_record *writer_entry(pack_writer *writer, const char *name);
heddle_param_record *writer_param(pack_writer *writer, const char *name, uint32_t role, uint32_t dtype, uint32_t rank);
/* The condition alone is left and right, too. */
heddle_requirement_record *writer_requirement(pack_writer *writer, uint32_t condition, const char *text);
heddle_variant_record *writer_variant(pack_writer *writer, uint32_t device, const char *note);
heddle_buffer_record *writer_buffer(pack_writer *writer, uint32_t bytes, uint32_t zeroed);
/* One block, no condition; the record can be changed. */
heddle_node_record *writer_node(pack_writer *writer, uint32_t kernel);
heddle_slot_record *writer_slot(pack_writer *writer, uint32_t kind, uint32_t a);

/* Words and an END. */
uint32_t writer_words(pack_writer *writer, uint32_t count, const uint32_t *words);
#define WRITER_EXPR(writer, ...)                                                                                       \
  writer_words(writer, sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t), (const uint32_t[]){__VA_ARGS__})
#define CONST_WORDS(value) HEDDLE_OP_CONST, (uint32_t)(uint64_t)(value), (uint32_t)((uint64_t)(value) >> 32)
uint32_t writer_const(pack_writer *writer, int64_t value);
uint32_t writer_size(pack_writer *writer, uint32_t param, uint32_t axis);

#endif
