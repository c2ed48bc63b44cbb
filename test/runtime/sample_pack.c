/* sample_pack.c - see sample_pack.h. */
#include "sample_pack.h"

#include "pack_writer.h"

#include <stdio.h>
#include <stdlib.h>

const heddle_device cpu_device = {HEDDLE_DEVICE_CPU, 0};

static void add_scale(pack_writer *writer, uint32_t image) {
  writer_entry(writer, "scale")->spec = writer_string(writer, "func.func @scale(...)");
  writer_param(writer, "a", HEDDLE_PARAM_INPUT, HEDDLE_F32, 2);
  writer_param(writer, "factor", HEDDLE_PARAM_SCALAR, HEDDLE_F32, 0);
  writer_param(writer, "out", HEDDLE_PARAM_OUTPUT, HEDDLE_F32, 2);
  writer_param(writer, "total", HEDDLE_PARAM_OUTPUT, HEDDLE_F64, 1)->sizes[0] = 1;
  heddle_requirement_record *requirement =
      writer_requirement(writer, WRITER_EXPR(writer, HEDDLE_OP_SIZE, 0, 1, HEDDLE_OP_SIZE, 2, 1, HEDDLE_OP_EQ),
                         "dimension 1 of a to equal dimension 1 of out");
  requirement->left = writer_size(writer, 0, 1);
  requirement->right = writer_size(writer, 2, 1);
  heddle_variant_record *variant = writer_variant(writer, HEDDLE_DEVICE_CPU, "a row per block, then one sum");
  variant->guard = WRITER_EXPR(writer, HEDDLE_OP_SIZE, 0, 0, HEDDLE_OP_SIZE, 2, 0, HEDDLE_OP_EQ, HEDDLE_OP_SIZE, 0, 1,
                               HEDDLE_OP_SIZE, 2, 1, HEDDLE_OP_EQ, HEDDLE_OP_AND);
  writer_buffer(writer, WRITER_EXPR(writer, HEDDLE_OP_SIZE, 0, 0, CONST_WORDS(8), HEDDLE_OP_MUL), 0);
  writer_node(writer, writer_kernel(writer, "scale_row", image))->grid[0] = writer_size(writer, 0, 0);
  writer_slot(writer, HEDDLE_SLOT_PARAM_TENSOR, 0);
  writer_slot(writer, HEDDLE_SLOT_PARAM_SCALAR, 1);
  writer_slot(writer, HEDDLE_SLOT_PARAM_TENSOR, 2);
  writer_slot(writer, HEDDLE_SLOT_BUFFER, 0);
  writer_node(writer, writer_kernel(writer, "add_sums", image));
  writer_slot(writer, HEDDLE_SLOT_BUFFER, 0);
  writer_slot(writer, HEDDLE_SLOT_EXPR, writer_size(writer, 0, 0));
  writer_slot(writer, HEDDLE_SLOT_PARAM_TENSOR, 3);
}

static void add_where(pack_writer *writer, uint32_t image) {
  writer_entry(writer, "where");
  writer_param(writer, "out", HEDDLE_PARAM_OUTPUT, HEDDLE_I64, 3);
  writer_variant(writer, HEDDLE_DEVICE_CPU, "");
  heddle_node_record *node = writer_node(writer, writer_kernel(writer, "where", image));
  for (uint32_t i = 0; i < 3; ++i)
    node->grid[i] = writer_size(writer, 0, 2 - i);
  writer_slot(writer, HEDDLE_SLOT_PARAM_TENSOR, 0);
}

static void add_dirty(pack_writer *writer, uint32_t image) {
  writer_entry(writer, "dirty");
  writer_param(writer, "words", HEDDLE_PARAM_SCALAR, HEDDLE_I32, 0);
  writer_param(writer, "out", HEDDLE_PARAM_OUTPUT, HEDDLE_I64, 1)->sizes[0] = 1;
  writer_variant(writer, HEDDLE_DEVICE_CPU, "");
  uint32_t bytes = WRITER_EXPR(writer, HEDDLE_OP_SCALAR, 0, CONST_WORDS(4), HEDDLE_OP_MUL);
  uint32_t kernel = writer_kernel(writer, "count_dirty", image);
  for (uint32_t i = 0; i < 4; ++i)
    writer_buffer(writer, bytes, i == 1 || i == 2);
  for (uint32_t i = 1; i < 3; ++i) {
    writer_node(writer, kernel);
    writer_slot(writer, HEDDLE_SLOT_PARAM_TENSOR, 1);
    writer_slot(writer, HEDDLE_SLOT_BUFFER, i);
    writer_slot(writer, HEDDLE_SLOT_EXPR, bytes);
  }
}

static void add_checked(pack_writer *writer, uint32_t image) {
  writer_entry(writer, "checked");
  writer_param(writer, "word", HEDDLE_PARAM_SCALAR, HEDDLE_I32, 0);
  writer_param(writer, "out", HEDDLE_PARAM_OUTPUT, HEDDLE_I64, 1)->sizes[0] = 1;
  heddle_variant_record *variant = writer_variant(writer, HEDDLE_DEVICE_CPU, "");
  variant->status_buffer = 1;
  writer_buffer(writer, writer_const(writer, 1000), 0);
  writer_buffer(writer, writer_const(writer, 4), 1);
  uint32_t word = WRITER_EXPR(writer, HEDDLE_OP_SCALAR, 0);
  writer_node(writer, writer_kernel(writer, "raise_status", image))->condition = word;
  writer_slot(writer, HEDDLE_SLOT_BUFFER, 1);
  writer_slot(writer, HEDDLE_SLOT_PARAM_SCALAR, 0);
}

static void add_line(pack_writer *writer, const char *name, const char *kernel, uint32_t image, int scalar) {
  writer_entry(writer, name);
  if (scalar)
    writer_param(writer, "turns", HEDDLE_PARAM_SCALAR, HEDDLE_I64, 0);
  writer_param(writer, "out", HEDDLE_PARAM_OUTPUT, HEDDLE_I64, 1);
  writer_variant(writer, HEDDLE_DEVICE_CPU, "");
  uint32_t out = scalar ? 1 : 0;
  writer_node(writer, writer_kernel(writer, kernel, image))->grid[0] = writer_size(writer, out, 0);
  writer_slot(writer, HEDDLE_SLOT_PARAM_TENSOR, out);
  if (scalar)
    writer_slot(writer, HEDDLE_SLOT_PARAM_SCALAR, 0);
}

/* The kernel "first" with the shared memory of a big tile, as cubin for driver 12.0 and as PTX for 13.0. */
static uint32_t add_big_kernel(pack_writer *writer) {
  uint32_t cubin = writer_image(writer, HEDDLE_IMAGE_CUBIN, 12000, "CUBIN first", 11);
  writer_image(writer, HEDDLE_IMAGE_PTX, 13000, "PTX first", 9);
  uint32_t kernel = writer_kernel(writer, "first", cubin);
  writer->kernels[kernel].image_count = 2;
  writer->kernels[kernel].threads[0] = 128;
  writer->kernels[kernel].threads[1] = 2;
  writer->kernels[kernel].dynamic_shared_bytes = 100000;
  writer->kernels[kernel].waits = 1;
  return kernel;
}

static void add_device_nodes(pack_writer *writer, uint32_t first, uint32_t second) {
  writer->variants[writer->variant_count - 1].status_buffer = 2;
  writer_buffer(writer, writer_const(writer, 100), 0);
  writer_buffer(writer, writer_const(writer, 300), 1);
  writer_buffer(writer, writer_const(writer, 4), 1);
  heddle_node_record *node = writer_node(writer, first);
  node->grid[0] = writer_size(writer, 0, 0);
  node->grid[1] = WRITER_EXPR(writer, HEDDLE_OP_SCALAR, 1);
  writer_slot(writer, HEDDLE_SLOT_PARAM_TENSOR, 0);
  writer_slot(writer, HEDDLE_SLOT_PARAM_SCALAR, 1);
  writer_slot(writer, HEDDLE_SLOT_PARAM_SCALAR, 2);
  writer_slot(writer, HEDDLE_SLOT_BUFFER, 1);
  node = writer_node(writer, second);
  writer_slot(writer, HEDDLE_SLOT_BUFFER, 2);
  writer_slot(writer, HEDDLE_SLOT_EXPR, WRITER_EXPR(writer, HEDDLE_OP_MACHINE));
  writer_slot(writer, HEDDLE_SLOT_PARAM_TENSOR, 3);
}

static void add_device(pack_writer *writer) {
  writer_entry(writer, "device");
  writer_param(writer, "a", HEDDLE_PARAM_INPUT, HEDDLE_F32, 2)->sizes[1] = 8;
  writer_param(writer, "n", HEDDLE_PARAM_SCALAR, HEDDLE_I32, 0);
  writer_param(writer, "x", HEDDLE_PARAM_SCALAR, HEDDLE_F32, 0);
  writer_param(writer, "out", HEDDLE_PARAM_OUTPUT, HEDDLE_F32, 1);
  uint32_t first = add_big_kernel(writer);
  uint32_t second = writer_kernel(writer, "second", writer_image(writer, HEDDLE_IMAGE_PTX, 12000, "PTX second", 10));
  heddle_variant_record *exact = writer_variant(writer, HEDDLE_DEVICE_CUDA, "for 9.0 alone, 16-byte rows");
  exact->arch = 90;
  exact->arch_exact = 1;
  exact->guard = WRITER_EXPR(writer, CONST_WORDS(16), HEDDLE_OP_ALIGNMENT, 0, HEDDLE_OP_LE);
  add_device_nodes(writer, first, second);
  writer_variant(writer, HEDDLE_DEVICE_CUDA, "from 8.0")->arch = 80;
  add_device_nodes(writer, first, second);
}

/* "second" with three slots, then "mapped" on 17 with the maps of q and k; and a variant that has no maps. */
static void add_mapped(pack_writer *writer) {
  writer_entry(writer, "mapped");
  writer_param(writer, "q", HEDDLE_PARAM_INPUT, HEDDLE_BF16, 4)->sizes[3] = 64;
  writer_param(writer, "n", HEDDLE_PARAM_SCALAR, HEDDLE_I32, 0);
  writer_param(writer, "k", HEDDLE_PARAM_INPUT, HEDDLE_F32, 2);
  writer_param(writer, "out", HEDDLE_PARAM_OUTPUT, HEDDLE_F32, 1);
  uint32_t second = writer_kernel(writer, "second", writer_image(writer, HEDDLE_IMAGE_PTX, 12000, "PTX second", 10));
  uint32_t mapped = writer_kernel(writer, "mapped", writer_image(writer, HEDDLE_IMAGE_PTX, 12000, "PTX mapped", 10));
  writer->kernels[second].waits = writer->kernels[mapped].waits = 1;
  writer_tensor_map(writer, mapped, (heddle_tensor_map_record){0, 0, HEDDLE_BF16, 4, 128, {1, 2, 128, 64}});
  writer_tensor_map(writer, mapped, (heddle_tensor_map_record){2, 10, HEDDLE_F32, 2, 64, {32, 16}});
  for (int with_maps = 1; with_maps >= 0; --with_maps) {
    heddle_variant_record *variant = writer_variant(writer, HEDDLE_DEVICE_CUDA, with_maps ? "maps" : "no maps");
    variant->arch = with_maps ? 90 : 80;
    variant->status_buffer = 0;
    variant->guard = WRITER_EXPR(writer, HEDDLE_OP_SCALAR, 1, CONST_WORDS(with_maps ? 10 : 20), HEDDLE_OP_LT);
    writer_buffer(writer, writer_const(writer, 4), 1);
    writer_node(writer, second);
    writer_slot(writer, HEDDLE_SLOT_PARAM_TENSOR, 3);
    if (!with_maps)
      continue;
    writer_node(writer, mapped);
    writer_slot(writer, HEDDLE_SLOT_PARAM_TENSOR, 0);
    writer_slot(writer, HEDDLE_SLOT_PARAM_SCALAR, 1);
    writer_slot(writer, HEDDLE_SLOT_PARAM_TENSOR, 2);
    writer_slot(writer, HEDDLE_SLOT_BUFFER, 0);
    writer_slot(writer, HEDDLE_SLOT_EXPR, writer_const(writer, -1));
  }
}

unsigned char *sample_pack_bytes(const char *library, size_t *size) {
  pack_writer *writer = writer_new();
  uint32_t image = writer_image_file(writer, library);
  add_scale(writer, image);
  add_where(writer, image);
  add_dirty(writer, image);
  add_checked(writer, image);
  add_line(writer, "frames", "big_frame", image, 0);
  add_line(writer, "busy", "busy", image, 1);
  add_device(writer);
  add_line(writer, "floats", "float_state", image, 0);
  add_mapped(writer);
  return writer_finish(writer, size);
}

heddle_pack *sample_pack_load(const char *library) {
  size_t size;
  unsigned char *bytes = sample_pack_bytes(library, &size);
  heddle_pack *pack;
  if (heddle_load(bytes, size, &pack) != HEDDLE_OK) {
    printf("expected the sample pack to load, got: %s\n", heddle_last_error());
    exit(1);
  }
  free(bytes);
  return pack;
}

heddle_arg tensor(uint32_t dtype, uint32_t rank, void *data, const int64_t *sizes, const int64_t *strides) {
  heddle_arg arg = {
      .kind = HEDDLE_ARG_TENSOR, .dtype = dtype, .rank = rank, .data = data, .sizes = sizes, .strides = strides};
  return arg;
}

heddle_arg integer(int64_t value) {
  heddle_arg arg = {.kind = HEDDLE_ARG_I64, .i64 = value};
  return arg;
}

heddle_arg number(double value) {
  heddle_arg arg = {.kind = HEDDLE_ARG_F64, .f64 = value};
  return arg;
}

uint32_t entry_of(const heddle_pack *pack, const char *name) {
  uint32_t entry = 0;
  if (heddle_find(pack, name, &entry) != HEDDLE_OK) {
    printf("expected the entry %s, got: %s\n", name, heddle_last_error());
    exit(1);
  }
  return entry;
}
