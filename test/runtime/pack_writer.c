/* pack_writer.c - see pack_writer.h. */
#include "pack_writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

pack_writer *writer_new(void) {
  pack_writer *writer = calloc(1, sizeof *writer);
  writer->string_bytes = 1; /* offset 0 is the empty string */
  return writer;
}

static void full(const char *what) {
  fprintf(stderr, "expected fewer %s in a test's pack, got more\n", what);
  abort();
}

uint32_t writer_string(pack_writer *writer, const char *text) {
  size_t bytes = strlen(text) + 1;
  if (writer->string_bytes + bytes > WRITER_TEXT)
    full("strings");
  memcpy(writer->strings + writer->string_bytes, text, bytes);
  writer->string_bytes += (uint32_t)bytes;
  return writer->string_bytes - (uint32_t)bytes;
}

uint32_t writer_words(pack_writer *writer, uint32_t count, const uint32_t *words) {
  if (writer->words + count + 1 > WRITER_WORDS)
    full("words");
  uint32_t first = writer->words;
  memcpy(writer->code + first, words, count * sizeof *words);
  writer->words += count;
  writer->code[writer->words++] = HEDDLE_OP_END;
  return first;
}

uint32_t writer_const(pack_writer *writer, int64_t value) { return WRITER_EXPR(writer, CONST_WORDS(value)); }

uint32_t writer_size(pack_writer *writer, uint32_t param, uint32_t axis) {
  return WRITER_EXPR(writer, HEDDLE_OP_SIZE, param, axis);
}

/* A zeroed record of a table. */
#define ADD(writer, table, count)                                                                                      \
  ((writer)->count < sizeof((writer)->table) / sizeof(*(writer)->table) ? (void)0 : full(#table),                      \
   &(writer)->table[(writer)->count++])

uint32_t writer_image(pack_writer *writer, uint32_t kind, uint32_t min_driver, const void *bytes, size_t size) {
  size_t offset = (writer->blob_bytes + 63) / 64 * 64;
  writer->blobs = realloc(writer->blobs, offset + size);
  memset(writer->blobs + writer->blob_bytes, 0, offset - writer->blob_bytes);
  memcpy(writer->blobs + offset, bytes, size);
  writer->blob_bytes = offset + size;
  heddle_image_record *image = ADD(writer, images, image_count);
  image->kind = kind;
  image->min_driver = min_driver;
  image->offset = offset;
  image->bytes = size;
  image->blob_alignment = 64;
  return writer->image_count - 1;
}

uint32_t writer_image_file(pack_writer *writer, const char *path) {
  static unsigned char bytes[1 << 20];
  FILE *file = fopen(path, "rb");
  size_t size = file ? fread(bytes, 1, sizeof bytes, file) : 0;
  if (!size || size == sizeof bytes) {
    fprintf(stderr, "expected a shared object at %s, got none\n", path);
    abort();
  }
  fclose(file);
  return writer_image(writer, HEDDLE_IMAGE_ELF, 0, bytes, size);
}

uint32_t writer_kernel(pack_writer *writer, const char *symbol, uint32_t image) {
  heddle_kernel_record *kernel = ADD(writer, kernels, kernel_count);
  kernel->symbol = writer_string(writer, symbol);
  kernel->first_image = image;
  kernel->image_count = 1;
  kernel->threads[0] = kernel->threads[1] = kernel->threads[2] = 1;
  return writer->kernel_count - 1;
}

void writer_tensor_map(pack_writer *writer, uint32_t kernel, heddle_tensor_map_record map) {
  if (!writer->kernels[kernel].tensor_map_count++)
    writer->kernels[kernel].first_tensor_map = writer->tensor_map_count;
  *ADD(writer, tensor_maps, tensor_map_count) = map;
}

heddle_entry_record *writer_entry(pack_writer *writer, const char *name) {
  heddle_entry_record *entry = ADD(writer, entries, entry_count);
  entry->name = writer_string(writer, name);
  entry->first_param = writer->param_count;
  entry->first_variant = writer->variant_count;
  entry->first_requirement = writer->requirement_count;
  return entry;
}

heddle_param_record *writer_param(pack_writer *writer, const char *name, uint32_t role, uint32_t dtype, uint32_t rank) {
  heddle_param_record *param = ADD(writer, params, param_count);
  ++writer->entries[writer->entry_count - 1].param_count;
  param->name = writer_string(writer, name);
  param->role = role;
  param->dtype = dtype;
  param->rank = rank;
  for (int axis = 0; axis < HEDDLE_MAX_RANK; ++axis)
    param->sizes[axis] = -1;
  return param;
}

heddle_requirement_record *writer_requirement(pack_writer *writer, uint32_t condition, const char *text) {
  heddle_requirement_record *requirement = ADD(writer, requirements, requirement_count);
  ++writer->entries[writer->entry_count - 1].requirement_count;
  requirement->condition = requirement->left = requirement->right = condition;
  requirement->text = writer_string(writer, text);
  return requirement;
}

heddle_variant_record *writer_variant(pack_writer *writer, uint32_t device, const char *note) {
  heddle_variant_record *variant = ADD(writer, variants, variant_count);
  ++writer->entries[writer->entry_count - 1].variant_count;
  variant->device = device;
  variant->guard = HEDDLE_NO_EXPR;
  variant->note = writer_string(writer, note);
  variant->first_buffer = writer->buffer_count;
  variant->first_node = writer->node_count;
  variant->status_buffer = HEDDLE_NO_EXPR;
  return variant;
}

heddle_buffer_record *writer_buffer(pack_writer *writer, uint32_t bytes, uint32_t zeroed) {
  heddle_buffer_record *buffer = ADD(writer, buffers, buffer_count);
  ++writer->variants[writer->variant_count - 1].buffer_count;
  buffer->bytes = bytes;
  buffer->zeroed = zeroed;
  return buffer;
}

heddle_node_record *writer_node(pack_writer *writer, uint32_t kernel) {
  heddle_node_record *node = ADD(writer, nodes, node_count);
  ++writer->variants[writer->variant_count - 1].node_count;
  node->kind = HEDDLE_NODE_LAUNCH;
  node->kernel = kernel;
  node->condition = HEDDLE_NO_EXPR;
  node->grid[0] = node->grid[1] = node->grid[2] = HEDDLE_NO_EXPR;
  node->first_slot = writer->slot_count;
  return node;
}

heddle_slot_record *writer_slot(pack_writer *writer, uint32_t kind, uint32_t a) {
  heddle_slot_record *slot = ADD(writer, slots, slot_count);
  ++writer->nodes[writer->node_count - 1].slot_count;
  slot->kind = kind;
  slot->a = a;
  return slot;
}

void writer_seal(unsigned char *bytes, size_t size) {
  size_t from = offsetof(heddle_pack_header, checksum) + 8;
  uint64_t hash = 14695981039346656037u;
  for (size_t i = from; i < size; ++i) {
    hash ^= bytes[i];
    hash *= 1099511628211u;
  }
  memcpy(bytes + from - 8, &hash, 8);
}

unsigned char *writer_finish(pack_writer *writer, size_t *size) {
  const struct {
    const void *records;
    size_t count, record_bytes;
  } tables[HEDDLE_TABLE_COUNT] = {
      {writer->strings, writer->string_bytes, 1},
      {writer->code, writer->words, sizeof *writer->code},
      {writer->entries, writer->entry_count, sizeof *writer->entries},
      {writer->params, writer->param_count, sizeof *writer->params},
      {writer->variants, writer->variant_count, sizeof *writer->variants},
      {writer->buffers, writer->buffer_count, sizeof *writer->buffers},
      {writer->nodes, writer->node_count, sizeof *writer->nodes},
      {writer->slots, writer->slot_count, sizeof *writer->slots},
      {writer->kernels, writer->kernel_count, sizeof *writer->kernels},
      {writer->images, writer->image_count, sizeof *writer->images},
      {writer->blobs, writer->blob_bytes, 1},
      {writer->tensor_maps, writer->tensor_map_count, sizeof *writer->tensor_maps},
      {writer->requirements, writer->requirement_count, sizeof *writer->requirements},
  };
  heddle_pack_header header = {
      .version = HEDDLE_PACK_VERSION, .header_bytes = sizeof header, .content_hash = 0x1234abcd5678ef90};
  memcpy(header.magic, HEDDLE_PACK_MAGIC, 8);
  size_t end = sizeof header;
  for (int i = 0; i < HEDDLE_TABLE_COUNT; ++i) {
    end = (end + 63) / 64 * 64;
    header.tables[i].offset = end;
    header.tables[i].count = (uint32_t)tables[i].count;
    header.tables[i].record_bytes = (uint32_t)tables[i].record_bytes;
    end += tables[i].count * tables[i].record_bytes;
  }
  header.total_bytes = end;
  unsigned char *bytes = calloc(1, end);
  memcpy(bytes, &header, sizeof header);
  for (int i = 0; i < HEDDLE_TABLE_COUNT; ++i)
    if (tables[i].count)
      memcpy(bytes + header.tables[i].offset, tables[i].records, tables[i].count * tables[i].record_bytes);
  writer_seal(bytes, end);
  free(writer->blobs);
  free(writer);
  *size = end;
  return bytes;
}
