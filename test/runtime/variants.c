/* variants.c - the first variant whose device, features and guard fit is chosen; conditions and grids decide what of it
 * runs; whatever the plan cannot do is said before anything ran.
 */
#include "expect.h"
#include "pack_writer.h"
#include "sample_pack.h"

#include <stdlib.h>

static int64_t out[4];
static const int64_t four[] = {4};
static uint32_t put;

static void add_put(pack_writer *writer, int64_t value, int64_t at) {
  writer_slot(writer, HEDDLE_SLOT_PARAM_TENSOR, 1);
  writer_slot(writer, HEDDLE_SLOT_EXPR, writer_const(writer, value));
  writer_slot(writer, HEDDLE_SLOT_EXPR, writer_const(writer, at));
}

static heddle_variant_record *add_variant(pack_writer *writer, uint32_t device, const char *note, uint32_t guard) {
  heddle_variant_record *variant = writer_variant(writer, device, note);
  variant->guard = guard;
  return variant;
}

static pack_writer *begin(const char *library) {
  pack_writer *writer = writer_new();
  put = writer_kernel(writer, "put", writer_image_file(writer, library));
  writer_entry(writer, "f");
  writer_param(writer, "n", HEDDLE_PARAM_SCALAR, HEDDLE_I64, 0);
  writer_param(writer, "out", HEDDLE_PARAM_OUTPUT, HEDDLE_I64, 1);
  return writer;
}

static heddle_pack *end(pack_writer *writer) {
  size_t size;
  unsigned char *bytes = writer_finish(writer, &size);
  heddle_pack *pack;
  EXPECT_OK(heddle_load(bytes, size, &pack));
  free(bytes);
  return pack;
}

static heddle_status run(heddle_pack *pack, int64_t n) {
  heddle_arg args[] = {integer(n), tensor(HEDDLE_I64, 1, out, four, NULL)};
  for (int i = 0; i < 4; ++i)
    out[i] = -1;
  return heddle_run(pack, 0, cpu_device, args, 2, NULL, 0, NULL);
}

static const char *note(heddle_pack *pack, int64_t n) {
  heddle_arg args[] = {integer(n), tensor(HEDDLE_I64, 1, out, four, NULL)};
  const char *text = "none";
  EXPECT_OK(heddle_explain(pack, 0, cpu_device, args, 2, &text));
  return text;
}

static void choice(const char *library) {
  pack_writer *writer = begin(library);
  uint32_t small = WRITER_EXPR(writer, HEDDLE_OP_SCALAR, 0, CONST_WORDS(10), HEDDLE_OP_LT);
  uint32_t medium = WRITER_EXPR(writer, HEDDLE_OP_SCALAR, 0, CONST_WORDS(100), HEDDLE_OP_LT);
  add_variant(writer, HEDDLE_DEVICE_CUDA, "another device", HEDDLE_NO_EXPR)->arch = 90;
  add_variant(writer, HEDDLE_DEVICE_CPU, "features of no cpu", HEDDLE_NO_EXPR)->cpu_features = (uint64_t)1 << 63;
  add_variant(writer, HEDDLE_DEVICE_CPU, "small", small)->cpu_features = heddle_cpu_features();
  writer_node(writer, put);
  add_put(writer, 1, 0);
  add_variant(writer, HEDDLE_DEVICE_CPU, "medium", medium);
  writer_node(writer, put);
  add_put(writer, 2, 0);
  heddle_pack *pack = end(writer);
  EXPECT_OK(run(pack, 9));
  EXPECT_EQ(out[0], 1);
  EXPECT(strcmp(note(pack, 9), "small") == 0);
  EXPECT_OK(run(pack, 10));
  EXPECT_EQ(out[0], 2);
  EXPECT(strcmp(note(pack, 10), "medium") == 0);
  EXPECT_STATUS(run(pack, 100), HEDDLE_UNSUPPORTED,
                "f: expected arguments that one of 2 variants for this device takes");
  EXPECT_EQ(out[0], -1);
  heddle_unload(pack);

  writer = begin(library);
  add_variant(writer, HEDDLE_DEVICE_CUDA, "", HEDDLE_NO_EXPR)->arch = 80;
  heddle_variant_record *exact = add_variant(writer, HEDDLE_DEVICE_CUDA, "", HEDDLE_NO_EXPR);
  exact->arch = 90, exact->arch_exact = 1;
  add_variant(writer, HEDDLE_DEVICE_CPU, "", HEDDLE_NO_EXPR)->cpu_features = (uint64_t)1 << 63;
  pack = end(writer);
  EXPECT_STATUS(run(pack, 0), HEDDLE_UNSUPPORTED, "f: expected a variant for a cpu with features 0x");
  EXPECT(strstr(heddle_last_error(), "got: cuda from 8.0, cuda exactly 9.0, cpu with features 0x8000000000000000"));
  heddle_unload(pack);
}

static const char *needed(heddle_pack *pack, int64_t n) {
  heddle_arg args[] = {integer(n), tensor(HEDDLE_I64, 1, out, four, NULL)};
  const char *text = "unknown";
  EXPECT_OK(heddle_needed(pack, 0, cpu_device, args, 2, &text));
  return text;
}

/* A kernel without images: the choice of the variant is the same, and a run that needs it is refused before anything
 * ran.
 */
static void absence(const char *library) {
  pack_writer *writer = begin(library);
  uint32_t absent = writer_kernel(writer, "absent", 0);
  writer->kernels[absent].image_count = 0;
  uint32_t small = WRITER_EXPR(writer, HEDDLE_OP_SCALAR, 0, CONST_WORDS(10), HEDDLE_OP_LT);
  uint32_t tiny = WRITER_EXPR(writer, HEDDLE_OP_SCALAR, 0, CONST_WORDS(5), HEDDLE_OP_LT);
  add_variant(writer, HEDDLE_DEVICE_CPU, "small", small);
  writer_node(writer, put);
  add_put(writer, 1, 0);
  heddle_node_record *node = writer_node(writer, absent);
  node->condition = tiny;
  node->grid[0] = WRITER_EXPR(writer, HEDDLE_OP_SCALAR, 0);
  add_put(writer, 2, 1);
  add_variant(writer, HEDDLE_DEVICE_CPU, "any", HEDDLE_NO_EXPR);
  writer_node(writer, put);
  add_put(writer, 3, 0);
  heddle_pack *pack = end(writer);
  heddle_arg args[] = {integer(3), tensor(HEDDLE_I64, 1, out, four, NULL)};
  EXPECT_STATUS(run(pack, 3), HEDDLE_ABSENT,
                "f: expected kernel absent of variant 0 in the pack, got one that was made");
  EXPECT_EQ(out[0], -1);
  EXPECT_STATUS(heddle_prepare(pack, 0, cpu_device, args, 2), HEDDLE_ABSENT, "f: expected kernel absent of variant 0");
  EXPECT(strcmp(note(pack, 3), "small") == 0);
  EXPECT(strcmp(needed(pack, 3), "0:put,0:absent") == 0);
  EXPECT_OK(run(pack, 0)); /* an empty grid needs no kernel */
  EXPECT_EQ(out[0], 1);
  EXPECT_OK(run(pack, 7)); /* a false condition needs none either */
  EXPECT_EQ(out[0], 1);
  EXPECT(strcmp(needed(pack, 7), "0:put") == 0);
  EXPECT_OK(run(pack, 10));
  EXPECT_EQ(out[0], 3);
  EXPECT(strcmp(needed(pack, 10), "1:put") == 0);
  EXPECT_STATUS(heddle_needed(pack, 0, cpu_device, args, 2, NULL), HEDDLE_BAD_ARGUMENT,
                "expected a place for the text");
  heddle_unload(pack);
}

/* out[0] when n is not 0, out[1] always, out[2] for every of n blocks, out[3] in a grid of 1 x n x 1. */
static void nodes(const char *library) {
  pack_writer *writer = begin(library);
  uint32_t n = WRITER_EXPR(writer, HEDDLE_OP_SCALAR, 0);
  add_variant(writer, HEDDLE_DEVICE_CPU, "", HEDDLE_NO_EXPR);
  for (int i = 0; i < 4; ++i) {
    heddle_node_record *node = writer_node(writer, put);
    if (i == 0) { /* the other expressions of a skipped node are not evaluated: this divides by n */
      node->condition = n;
      node->grid[0] =
          WRITER_EXPR(writer, CONST_WORDS(1), HEDDLE_OP_SCALAR, 0, CONST_WORDS(0), HEDDLE_OP_MAX, HEDDLE_OP_CEILDIV);
    } else if (i >= 2) {
      node->grid[i - 2] = n;
    }
    add_put(writer, 5, i);
  }
  heddle_pack *pack = end(writer);
  EXPECT_OK(run(pack, 0));
  EXPECT_EQ(out[0], -1);
  EXPECT_EQ(out[1], 5);
  EXPECT_EQ(out[2], -1);
  EXPECT_EQ(out[3], -1);
  EXPECT_OK(run(pack, 3));
  for (int i = 0; i < 4; ++i)
    EXPECT_EQ(out[i], 5);
  /* A later node's error comes before the first one runs. */
  EXPECT_STATUS(run(pack, -1), HEDDLE_BAD_ARGUMENT,
                "f: kernel put: grid dimension 0: expected a divisor of at least 1, got 0");
  EXPECT_EQ(out[1], -1);
  heddle_unload(pack);

  writer = begin(library);
  n = WRITER_EXPR(writer, HEDDLE_OP_SCALAR, 0);
  add_variant(writer, HEDDLE_DEVICE_CPU, "", HEDDLE_NO_EXPR);
  writer_node(writer, put);
  add_put(writer, 1, 0);
  heddle_node_record *node = writer_node(writer, put);
  node->grid[0] = node->grid[2] = n;
  add_put(writer, 2, 0);
  pack = end(writer);
  EXPECT_STATUS(run(pack, -1), HEDDLE_BAD_ARGUMENT,
                "f: kernel put: expected 0 to 9223372036854775807 blocks in grid dimension 0, got -1");
  EXPECT_EQ(out[0], -1);
  EXPECT_STATUS(run(pack, (int64_t)1 << 32), HEDDLE_BAD_ARGUMENT,
                "f: kernel put: expected fewer than 2^62 blocks, got a grid of 4294967296 x 1 x 4294967296");
  EXPECT_EQ(out[0], -1);
  heddle_unload(pack);
}

static void symbols(const char *library) {
  pack_writer *writer = begin(library);
  uint32_t missing = writer_kernel(writer, "no_such_kernel", 0);
  add_variant(writer, HEDDLE_DEVICE_CPU, "", HEDDLE_NO_EXPR);
  writer_node(writer, put);
  add_put(writer, 1, 0);
  writer_node(writer, missing);
  heddle_pack *pack = end(writer);
  for (int i = 0; i < 2; ++i)
    EXPECT_STATUS(run(pack, 0), HEDDLE_BAD_PACK, "expected the symbol 'no_such_kernel' in its shared object, got none");
  EXPECT_EQ(out[0], -1);
  heddle_unload(pack);

  writer = begin(library);
  const char junk[100] = "not a shared object", *foreign = "\177ELF\2\1\1\0\0\0\0\0\0\0\0\0\3\0\x12\0";
  char other[100] = {0};
  memcpy(other, foreign, 20);
  writer_entry(writer, "junk");
  add_variant(writer, HEDDLE_DEVICE_CPU, "", HEDDLE_NO_EXPR);
  writer_node(writer, writer_kernel(writer, "k", writer_image(writer, HEDDLE_IMAGE_ELF, 0, junk, sizeof junk)));
  writer_entry(writer, "foreign");
  add_variant(writer, HEDDLE_DEVICE_CPU, "", HEDDLE_NO_EXPR);
  writer_node(writer, writer_kernel(writer, "k", writer_image(writer, HEDDLE_IMAGE_ELF, 0, other, sizeof other)));
  pack = end(writer);
  EXPECT_STATUS(heddle_run(pack, 1, cpu_device, NULL, 0, NULL, 0, NULL), HEDDLE_BAD_PACK,
                "kernel k: expected a shared object, got an image without an ELF header");
  EXPECT_STATUS(heddle_run(pack, 2, cpu_device, NULL, 0, NULL, 0, NULL), HEDDLE_UNSUPPORTED,
                "kernel k: expected a shared object for machine");
  heddle_unload(pack);
}

/* More nodes and slots than a run keeps on its stack. */
static void long_plan(const char *library) {
  pack_writer *writer = begin(library);
  add_variant(writer, HEDDLE_DEVICE_CPU, "", HEDDLE_NO_EXPR);
  for (int i = 0; i < 60; ++i) {
    writer_node(writer, put);
    add_put(writer, i, i % 4);
  }
  heddle_pack *pack = end(writer);
  EXPECT_OK(run(pack, 0));
  for (int i = 0; i < 4; ++i)
    EXPECT_EQ(out[i], 56 + i);
  heddle_unload(pack);
}

int main(int argc, char **argv) {
  if (argc != 2)
    return 1;
  choice(argv[1]);
  absence(argv[1]);
  nodes(argv[1]);
  symbols(argv[1]);
  long_plan(argv[1]);
  return expect_summary();
}
