/* records.c - one field of a good pack is changed at a time, and the loader names what is wrong with it. */
#include "expect.h"
#include "pack_writer.h"
#include "sample_pack.h"

#include <stdlib.h>

static unsigned char *original;
static size_t size;

/* Bytes of a field of a record. */
static unsigned char *at(unsigned char *bytes, int table, uint32_t index, size_t field) {
  const heddle_table *tables = ((const heddle_pack_header *)(const void *)bytes)->tables;
  return bytes + tables[table].offset + index * tables[table].record_bytes + field;
}

static void refused(int table, uint32_t index, size_t field, size_t width, int64_t value, const char *message) {
  unsigned char *bytes = malloc(size);
  heddle_pack *pack;
  memcpy(bytes, original, size);
  memcpy(table < 0 ? bytes + field : at(bytes, table, index, field), &value, width);
  writer_seal(bytes, size);
  EXPECT_STATUS(heddle_load(bytes, size, &pack), HEDDLE_BAD_PACK, message);
  EXPECT(pack == NULL);
  free(bytes);
}

#define FIELD(type, member) offsetof(type, member), sizeof(((type *)0)->member)
#define ENTRY(index, member, value, message)                                                                           \
  refused(HEDDLE_TABLE_ENTRIES, index, FIELD(heddle_entry_record, member), value, message)
#define PARAM(index, member, value, message)                                                                           \
  refused(HEDDLE_TABLE_PARAMS, index, FIELD(heddle_param_record, member), value, message)
#define VARIANT(index, member, value, message)                                                                         \
  refused(HEDDLE_TABLE_VARIANTS, index, FIELD(heddle_variant_record, member), value, message)
#define NODE(index, member, value, message)                                                                            \
  refused(HEDDLE_TABLE_NODES, index, FIELD(heddle_node_record, member), value, message)
#define SLOT(index, member, value, message)                                                                            \
  refused(HEDDLE_TABLE_SLOTS, index, FIELD(heddle_slot_record, member), value, message)
#define KERNEL(index, member, value, message)                                                                          \
  refused(HEDDLE_TABLE_KERNELS, index, FIELD(heddle_kernel_record, member), value, message)
#define IMAGE(index, member, value, message)                                                                           \
  refused(HEDDLE_TABLE_IMAGES, index, FIELD(heddle_image_record, member), value, message)
#define MAP(index, member, value, message)                                                                             \
  refused(HEDDLE_TABLE_TENSOR_MAPS, index, FIELD(heddle_tensor_map_record, member), value, message)
#define REQUIREMENT(index, member, value, message)                                                                     \
  refused(HEDDLE_TABLE_REQUIREMENTS, index, FIELD(heddle_requirement_record, member), value, message)
#define HEADER(member, value, message) refused(-1, 0, FIELD(heddle_pack_header, member), value, message)

/* In the sample: entry 0 is scale(a, factor, out, total), entry 1 where(out); variants 0 and 1 are theirs; nodes 0, 1
 * and 2; slots 0 to 3 are node 0's (a, factor, out, buffer 0), 4 to 6 node 1's. */
static void header(void) {
  HEADER(header_bytes, 216, "expected a pack header of 248 bytes, got 216");
  HEADER(version, 0, "expected a pack of version 1 to 6, got version 0");
  HEADER(total_bytes, 1000, "expected a pack of 1000 bytes, got ");
  HEADER(tables[HEDDLE_TABLE_NODES].offset, (int64_t)1 << 63, "table 'nodes': expected to end within ");
  HEADER(tables[HEDDLE_TABLE_CODE].count, 0xffffffff, "table 'code': expected to end within ");
  HEADER(tables[HEDDLE_TABLE_BLOBS].count, 0xffffffff, "table 'blobs': expected to end within ");
  HEADER(tables[HEDDLE_TABLE_PARAMS].record_bytes, 79, "table 'params': expected records of at least 80 bytes, got 79");
  HEADER(tables[HEDDLE_TABLE_STRINGS].record_bytes, 2, "table 'strings': expected records of 1 bytes, got 2");
  HEADER(tables[HEDDLE_TABLE_CODE].record_bytes, 8, "table 'code': expected records of 4 bytes, got 8");
  HEADER(tables[HEDDLE_TABLE_TENSOR_MAPS].record_bytes, 39,
         "table 'tensor_maps': expected records of at least 40 bytes, got 39");
  HEADER(tables[HEDDLE_TABLE_TENSOR_MAPS].count, 0x7fffffff, "table 'tensor_maps': expected to end within ");
  HEADER(tables[HEDDLE_TABLE_STRINGS].count, 3, "expected a string section that ends in NUL, got byte ");
}

static void requirements(void) {
  REQUIREMENT(0, text, 0, "requirement: expected a name, got an empty string");
  REQUIREMENT(0, condition, 0x7fffffff, "requirement: expected an expression below word ");
  REQUIREMENT(0, left, 0x7fffffff, "requirement: expected an expression below word ");
  ENTRY(0, requirement_count, 1000, "entry requirements: expected a range within ");
  HEADER(tables[HEDDLE_TABLE_REQUIREMENTS].record_bytes, 15,
         "table 'requirements': expected records of at least 16 bytes, got 15");
}

static void entries(void) {
  ENTRY(0, name, 0, "entry 0: entry: expected a name, got an empty string");
  ENTRY(0, name, 0x7fffffff, "entry 0: entry: expected a string below byte ");
  ENTRY(1, spec, 0xffffffff, "entry 1: entry spec: expected a string below byte ");
  ENTRY(0, first_param, 0xffffffff, "entry parameters: expected a range within ");
  ENTRY(0, param_count, 0xffffffff, "entry parameters: expected a range within ");
  ENTRY(0, variant_count, 1000, "entry variants: expected a range within ");
  ENTRY(1, first_variant, 0, "entry 1: entry variants: expected ranges that do not overlap, got record 0 twice");
  ENTRY(1, first_param, 3, "entry 1: entry parameters: expected ranges that do not overlap, got record 3 twice");
}

static void params(void) {
  PARAM(0, role, 0, "parameter: expected a role of 1 to 3, got 0");
  PARAM(0, role, HEDDLE_PARAM_OUTPUT, "entry: expected outputs after all other parameters, got parameter 1 behind one");
  PARAM(0, dtype, 9, "parameter: expected a dtype of 1 to 8, got 9");
  PARAM(0, dtype, 0, "parameter: expected a dtype of 1 to 8, got 0");
  PARAM(0, rank, 0, "parameter: expected a rank of 1 to 8, got 0");
  PARAM(0, rank, 9, "parameter: expected a rank of 1 to 8, got 9");
  PARAM(0, sizes[1], -2, "parameter: expected a size of at least -1, got -2");
  PARAM(1, dtype, HEDDLE_F16, "parameter: expected a scalar of rank 0 and type f32, i32 or i64, got rank 0 and type 2");
  PARAM(1, rank, 1, "parameter: expected a scalar of rank 0 and type f32, i32 or i64, got rank 1 and type 1");
}

static void variants(void) {
  VARIANT(0, device, 3, "variant: expected device 1 or 2, got 3");
  VARIANT(0, device, HEDDLE_DEVICE_CUDA, "node: expected images for the variant's device, got another kind");
  VARIANT(0, note, 0xfffffff0, "variant note: expected a string below byte ");
  VARIANT(0, guard, 0xfffffff0, "guard: expected an expression below word ");
  VARIANT(0, buffer_count, 1000, "variant buffers: expected a range within ");
  VARIANT(0, first_node, 1000, "variant nodes: expected a range within ");
  VARIANT(1, first_node, 0, "entry 1: variant nodes: expected ranges that do not overlap, got record 0 twice");
  VARIANT(0, status_buffer, 1, "variant: expected a status buffer below 1, got 1");
  VARIANT(0, status_buffer, 0, "variant: expected a status buffer that is zeroed, got one that is not");
}

static void nodes(void) {
  NODE(0, kind, 2, "node: expected kind 1, got 2");
  NODE(0, kernel, 0xffffffff, "node: expected a kernel below ");
  NODE(0, condition, 0x7fffffff, "condition: expected an expression below word ");
  NODE(0, grid[2], 0x7fffffff, "grid: expected an expression below word ");
  NODE(0, slot_count, 1000, "node slots: expected a range within ");
  NODE(1, first_slot, 3, "node slots: expected ranges that do not overlap, got record 3 twice");
  SLOT(0, kind, 0, "slot: expected a kind of 1 to 5, got 0");
  SLOT(0, kind, 6, "slot: expected a kind of 1 to 5, got 6");
  SLOT(1, kind, HEDDLE_SLOT_PARAM_ADDRESS, "slot: expected a parameter of the slot's kind, got the other for 1");
  SLOT(0, a, 4, "slot: expected a parameter below 4, got 4");
  SLOT(0, a, 1, "slot: expected a parameter of the slot's kind, got the other for 1");
  SLOT(1, a, 0, "slot: expected a parameter of the slot's kind, got the other for 0");
  SLOT(3, a, 1, "slot: expected a buffer below 1, got 1");
  SLOT(5, a, HEDDLE_NO_EXPR, "slot: expected an expression, got none");
  refused(HEDDLE_TABLE_BUFFERS, 0, FIELD(heddle_buffer_record, bytes), 0x7fffffff,
          "buffer: expected an expression below word ");
}

static void kernels(void) {
  KERNEL(0, symbol, 0, "kernel: expected a name, got an empty string");
  KERNEL(0, first_image, 1000, "kernel images: expected a range within ");
  KERNEL(0, threads[1], 0, "kernel: expected 1 to 1024 threads in dimension 1, got 0");
  KERNEL(0, threads[2], 1025, "kernel: expected 1 to 1024 threads in dimension 2, got 1025");
  IMAGE(0, kind, 4, "image: expected a kind of 1 to 3, got 4");
  IMAGE(0, bytes, 0, "image: expected bytes within ");
  IMAGE(0, bytes, -1, "image: expected bytes within ");
  IMAGE(0, offset, -1, "image: expected bytes within ");
  IMAGE(0, kind, HEDDLE_IMAGE_PTX, "node: expected images for the variant's device, got another kind");
}

/* Kernel 11, the last, has both maps: of 9 slots from 0 and of 5 from 10. */
static void tensor_maps(void) {
  MAP(0, rank, 1, "tensor map: expected a rank of 2 to 5, got 1");
  MAP(1, rank, 6, "tensor map: expected a rank of 2 to 5, got 6");
  MAP(0, dtype, HEDDLE_F64, "tensor map: expected a dtype of 1 to 3, got 4");
  MAP(0, swizzle, 16, "tensor map: expected a swizzle of 0, 32, 64 or 128 bytes, got 16");
  MAP(0, box[1], 0, "tensor map: expected a box of 1 to 256 elements in dimension 1, got 0");
  MAP(0, box[2], 257, "tensor map: expected a box of 1 to 256 elements in dimension 2, got 257");
  MAP(0, box[3], 72, "tensor map: expected rows of 16-byte units up to its swizzle of 128, got 144");
  MAP(1, box[1], 6, "tensor map: expected rows of 16-byte units up to its swizzle of 64, got 24");
  MAP(1, first_slot, 13, "tensor map: expected a memref of rank 2 within 17 slots, got one from 13");
  MAP(1, first_slot, 0xffffffff, "tensor map: expected a memref of rank 2 within 17 slots, got one from 4294967295");
  KERNEL(11, first_tensor_map, 1, "kernel tensor maps: expected a range within 2 records, got 2 from 1");
  KERNEL(11, tensor_map_count, 0xffffffff, "kernel tensor maps: expected a range within 2 records, got 4294967295");
  KERNEL(0, tensor_map_count, 1, "node: expected no tensor maps but on cuda, got 1");
}

/* What a single field cannot break. */
static void wholes(void) {
  heddle_pack *pack;
  size_t bytes_count;
  pack_writer *writer = writer_new();
  uint32_t kernel = writer_kernel(writer, "k", writer_image(writer, HEDDLE_IMAGE_ELF, 0, "ELF", 4));
  writer->kernels[kernel].threads[0] = writer->kernels[kernel].threads[1] = 33;
  unsigned char *bytes = writer_finish(writer, &bytes_count);
  EXPECT_STATUS(heddle_load(bytes, bytes_count, &pack), HEDDLE_BAD_PACK,
                "kernel: expected at most 1024 threads, got 1089");
  free(bytes);

  writer = writer_new();
  writer_entry(writer, "f");
  writer_variant(writer, HEDDLE_DEVICE_CPU, "");
  for (int i = 0; i < 65; ++i)
    writer_buffer(writer, HEDDLE_NO_EXPR, 0);
  bytes = writer_finish(writer, &bytes_count);
  EXPECT_STATUS(heddle_load(bytes, bytes_count, &pack), HEDDLE_BAD_PACK,
                "variant: expected at most 64 buffers, got 65");
  free(bytes);

  writer = writer_new();
  kernel = writer_kernel(writer, "k", writer_image(writer, HEDDLE_IMAGE_ELF, 0, "ELF", 4));
  writer_entry(writer, "f");
  writer_param(writer, "t", HEDDLE_PARAM_INPUT, HEDDLE_F32, 8);
  writer_variant(writer, HEDDLE_DEVICE_CPU, "");
  writer_node(writer, kernel);
  for (int i = 0; i < 241; ++i) /* of 17 each */
    writer_slot(writer, HEDDLE_SLOT_PARAM_TENSOR, 0);
  bytes = writer_finish(writer, &bytes_count);
  EXPECT_STATUS(heddle_load(bytes, bytes_count, &pack), HEDDLE_BAD_PACK,
                "node: expected at most 4095 parameter slots, got more");
  free(bytes);

  for (int maps = 1; maps <= 17; maps += 16) { /* 510 slots and a map, or too many maps */
    writer = writer_new();
    kernel = writer_kernel(writer, "k", writer_image(writer, HEDDLE_IMAGE_PTX, 12000, "PTX k", 5));
    for (int i = 0; i < maps; ++i)
      writer_tensor_map(writer, kernel, (heddle_tensor_map_record){0, 0, HEDDLE_F32, 2, 0, {256, 256}});
    writer_entry(writer, "f");
    writer_param(writer, "t", HEDDLE_PARAM_INPUT, HEDDLE_F32, 8);
    writer_variant(writer, HEDDLE_DEVICE_CUDA, "");
    writer_node(writer, kernel);
    for (int i = 0; i < 30; ++i)
      writer_slot(writer, HEDDLE_SLOT_PARAM_TENSOR, 0);
    bytes = writer_finish(writer, &bytes_count);
    EXPECT_STATUS(heddle_load(bytes, bytes_count, &pack), HEDDLE_BAD_PACK,
                  maps == 1 ? "node: expected at most 512 parameter slots with tensor maps, got 528"
                            : "kernel: expected at most 16 tensor maps, got 17");
    free(bytes);
  }

  /* An empty pack is one. */
  bytes = writer_finish(writer_new(), &bytes_count);
  EXPECT_OK(heddle_load(bytes, bytes_count, &pack));
  uint32_t entry;
  EXPECT_STATUS(heddle_find(pack, "f", &entry), HEDDLE_NOT_FOUND, "expected one of the entries (none), got 'f'");
  heddle_unload(pack);
  free(bytes);
}

int main(int argc, char **argv) {
  if (argc != 2)
    return 1;
  heddle_pack *pack;
  original = sample_pack_bytes(argv[1], &size);
  EXPECT_OK(heddle_load(original, size, &pack));
  heddle_unload(pack);
  header();
  requirements();
  entries();
  params();
  variants();
  nodes();
  kernels();
  tensor_maps();
  wholes();
  free(original);
  return expect_summary();
}
