/* expressions.c - every opcode gives its value, and what cannot be evaluated is refused when the pack loads. */
#include "expect.h"
#include "pack_writer.h"
#include "sample_pack.h"

#include <stdlib.h>

/* Parameters of every entry here: 0 t: 4096-aligned tensor 3x4x8 f16, 1 n: i64 scalar, 2 x: f32 scalar, 3 out: ? i64.
 */
static void add_params(pack_writer *writer) {
  writer_param(writer, "t", HEDDLE_PARAM_INPUT, HEDDLE_F16, 3);
  writer_param(writer, "n", HEDDLE_PARAM_SCALAR, HEDDLE_I64, 0);
  writer_param(writer, "x", HEDDLE_PARAM_SCALAR, HEDDLE_F32, 0);
  writer_param(writer, "out", HEDDLE_PARAM_OUTPUT, HEDDLE_I64, 1);
}

/* A pack that puts the expression's value into out[0]. */
static heddle_status load(const char *library, uint32_t count, const uint32_t *words, int end, heddle_pack **pack) {
  pack_writer *writer = writer_new();
  uint32_t image = writer_image_file(writer, library);
  writer_entry(writer, "value");
  add_params(writer);
  writer_variant(writer, HEDDLE_DEVICE_CPU, "");
  writer_node(writer, writer_kernel(writer, "put", image));
  uint32_t zero = writer_const(writer, 0), one = writer_const(writer, 1);
  uint32_t expression = writer_words(writer, count, words);
  writer->words -= end ? 0 : 1;
  /* A view of one element of out: the address is its own, size and stride are expressions. */
  writer_slot(writer, HEDDLE_SLOT_PARAM_ADDRESS, 3);
  writer_slot(writer, HEDDLE_SLOT_EXPR, one);
  writer_slot(writer, HEDDLE_SLOT_EXPR, one);
  writer_slot(writer, HEDDLE_SLOT_EXPR, expression);
  writer_slot(writer, HEDDLE_SLOT_EXPR, zero);
  size_t size;
  unsigned char *bytes = writer_finish(writer, &size);
  heddle_status status = heddle_load(bytes, size, pack);
  free(bytes);
  return status;
}

static _Alignas(4096) unsigned char data[8192];
static int64_t strides[] = {64, 16, 1};

static heddle_status evaluate(const char *library, uint32_t count, const uint32_t *words, int64_t offset,
                              int64_t *out) {
  int64_t sizes[] = {3, 4, 8}, one[] = {1};
  heddle_arg args[] = {tensor(HEDDLE_F16, 3, data + offset, sizes, strides), integer(-7), number(1.5),
                       tensor(HEDDLE_I64, 1, out, one, NULL)};
  heddle_pack *pack;
  heddle_status status = load(library, count, words, 1, &pack);
  if (status == HEDDLE_OK)
    status = heddle_run(pack, 0, cpu_device, args, 4, NULL, 0, NULL);
  heddle_unload(status == HEDDLE_BAD_PACK ? NULL : pack);
  return status;
}

#define WORDS(...)                                                                                                     \
  sizeof((const uint32_t[]){__VA_ARGS__}) / 4, (const uint32_t[]) { __VA_ARGS__ }
#define VALUE(expected, offset, ...)                                                                                   \
  do {                                                                                                                 \
    int64_t out = 12345;                                                                                               \
    EXPECT_OK(evaluate(library, WORDS(__VA_ARGS__), offset, &out));                                                    \
    EXPECT_EQ(out, expected);                                                                                          \
  } while (0)
#define BINARY(opcode, a, b, expected) VALUE(expected, 0, CONST_WORDS(a), CONST_WORDS(b), opcode)
#define RUN_ERROR(message, ...)                                                                                        \
  do {                                                                                                                 \
    int64_t out = 12345;                                                                                               \
    EXPECT_STATUS(evaluate(library, WORDS(__VA_ARGS__), 0, &out), HEDDLE_BAD_ARGUMENT, message);                       \
    EXPECT_EQ(out, 12345);                                                                                             \
  } while (0)
#define LOAD_ERROR(message, ...)                                                                                       \
  do {                                                                                                                 \
    heddle_pack *pack;                                                                                                 \
    EXPECT_STATUS(load(library, WORDS(__VA_ARGS__), 1, &pack), HEDDLE_BAD_PACK, message);                              \
  } while (0)

static void leaves(const char *library) {
  VALUE(0, 0, CONST_WORDS(0));
  VALUE(-1, 0, CONST_WORDS(-1));
  VALUE(INT64_MIN, 0, CONST_WORDS(INT64_MIN));
  VALUE(0x123456789abcdef0, 0, CONST_WORDS(0x123456789abcdef0));
  VALUE(3, 0, HEDDLE_OP_SIZE, 0, 0);
  VALUE(8, 0, HEDDLE_OP_SIZE, 0, 2);
  VALUE(1, 0, HEDDLE_OP_SIZE, 3, 0);
  VALUE(64, 0, HEDDLE_OP_STRIDE, 0, 0);
  VALUE(16, 0, HEDDLE_OP_STRIDE, 0, 1);
  VALUE(1, 0, HEDDLE_OP_STRIDE, 0, 2);
  VALUE(-7, 0, HEDDLE_OP_SCALAR, 1);
  VALUE(heddle_num_threads(), 0, HEDDLE_OP_MACHINE);
  VALUE(32, 0, HEDDLE_OP_ALIGNMENT, 0); /* stride 16 of 2 bytes */
  VALUE(16, 16, HEDDLE_OP_ALIGNMENT, 0);
  VALUE(2, 2, HEDDLE_OP_ALIGNMENT, 0);
  strides[0] = 4096, strides[1] = -2048;
  VALUE(4096, 0, HEDDLE_OP_ALIGNMENT, 0);
  strides[0] = 3 << 20, strides[1] = 0;
  VALUE(4096, 0, HEDDLE_OP_ALIGNMENT, 0);
  strides[0] = 7;
  VALUE(2, 0, HEDDLE_OP_ALIGNMENT, 0);
  strides[0] = 64, strides[1] = 16;
}

static void arithmetic(const char *library) {
  BINARY(HEDDLE_OP_ADD, 5, -9, -4);
  BINARY(HEDDLE_OP_ADD, INT64_MAX, 1, INT64_MIN);
  BINARY(HEDDLE_OP_SUB, 5, -9, 14);
  BINARY(HEDDLE_OP_SUB, INT64_MIN, 1, INT64_MAX);
  BINARY(HEDDLE_OP_MUL, 5, -9, -45);
  BINARY(HEDDLE_OP_MUL, (int64_t)1 << 62, 4, 0);
  BINARY(HEDDLE_OP_MUL, INT64_MIN, -1, INT64_MIN);
  const int64_t dividends[] = {-9, -8, -1, 0, 1, 7, 8, 9, INT64_MAX, INT64_MIN}, divisors[] = {1, 2, 4, INT64_MAX};
  for (int i = 0; i < 10; ++i)
    for (int j = 0; j < 4; ++j) {
      int64_t a = dividends[i], b = divisors[j], floor = a / b - (a % b < 0);
      BINARY(HEDDLE_OP_FLOORDIV, a, b, floor);
      BINARY(HEDDLE_OP_CEILDIV, a, b, floor + (a % b != 0));
      BINARY(HEDDLE_OP_MOD, a, b, (int64_t)((uint64_t)a - (uint64_t)floor * (uint64_t)b));
    }
  BINARY(HEDDLE_OP_MIN, -3, 2, -3);
  BINARY(HEDDLE_OP_MAX, -3, 2, 2);
  BINARY(HEDDLE_OP_LT, -3, 2, 1);
  BINARY(HEDDLE_OP_LT, 2, 2, 0);
  BINARY(HEDDLE_OP_LE, 2, 2, 1);
  BINARY(HEDDLE_OP_LE, 3, 2, 0);
  BINARY(HEDDLE_OP_EQ, 2, 2, 1);
  BINARY(HEDDLE_OP_EQ, 2, (int64_t)1 << 32 | 2, 0);
  BINARY(HEDDLE_OP_AND, 2, 4, 1);
  BINARY(HEDDLE_OP_AND, 2, 0, 0);
  BINARY(HEDDLE_OP_OR, 0, 4, 1);
  BINARY(HEDDLE_OP_OR, 0, 0, 0);
  VALUE(1, 0, CONST_WORDS(0), HEDDLE_OP_NOT);
  VALUE(0, 0, CONST_WORDS((int64_t)1 << 40), HEDDLE_OP_NOT);
  VALUE(10, 0, CONST_WORDS(-5), CONST_WORDS(10), CONST_WORDS(20), HEDDLE_OP_SELECT);
  VALUE(20, 0, CONST_WORDS(0), CONST_WORDS(10), CONST_WORDS(20), HEDDLE_OP_SELECT);
  RUN_ERROR("value: kernel put: parameter 3: expected a divisor of at least 1, got 0", CONST_WORDS(1), CONST_WORDS(0),
            HEDDLE_OP_FLOORDIV);
  RUN_ERROR("expected a divisor of at least 1, got -7", CONST_WORDS(1), HEDDLE_OP_SCALAR, 1, HEDDLE_OP_CEILDIV);
  RUN_ERROR("expected a divisor of at least 1, got -1", CONST_WORDS(INT64_MIN), CONST_WORDS(-1), HEDDLE_OP_MOD);
}

static void ill_formed(const char *library) {
  LOAD_ERROR("slot: expected an expression that leaves 1 value, got 0", HEDDLE_OP_END);
  LOAD_ERROR("slot: expected an expression that leaves 1 value, got 2", CONST_WORDS(1), CONST_WORDS(1));
  LOAD_ERROR("slot: expected 2 values for opcode 7, got 1", CONST_WORDS(1), HEDDLE_OP_ADD);
  LOAD_ERROR("slot: expected 1 values for opcode 20, got 0", HEDDLE_OP_NOT);
  LOAD_ERROR("slot: expected 3 values for opcode 21, got 2", CONST_WORDS(1), CONST_WORDS(1), HEDDLE_OP_SELECT);
  LOAD_ERROR("slot: expected an opcode up to 21, got 22", CONST_WORDS(1), 22);
  LOAD_ERROR("slot: expected an opcode up to 21, got 4294967295", 0xffffffff);
  LOAD_ERROR("slot: expected a parameter below 4, got 4", HEDDLE_OP_SIZE, 4, 0);
  LOAD_ERROR("slot: expected a parameter below 4, got 4294967295", HEDDLE_OP_ALIGNMENT, 0xffffffff);
  LOAD_ERROR("slot: expected an axis below 3, got 3", HEDDLE_OP_STRIDE, 0, 3);
  LOAD_ERROR("slot: expected an axis below 3, got 4294967295", HEDDLE_OP_SIZE, 0, 0xffffffff);
  LOAD_ERROR("slot: expected a tensor, got scalar parameter 1", HEDDLE_OP_SIZE, 1, 0);
  LOAD_ERROR("slot: expected an integer scalar, got parameter 2 of another kind", HEDDLE_OP_SCALAR, 2);
  LOAD_ERROR("slot: expected an integer scalar, got parameter 0 of another kind", HEDDLE_OP_SCALAR, 0);
  heddle_pack *pack;
  EXPECT_STATUS(load(library, WORDS(CONST_WORDS(1)), 0, &pack), HEDDLE_BAD_PACK,
                "slot: expected an expression that ends within 4096 words, got none");
  EXPECT_STATUS(load(library, WORDS(HEDDLE_OP_CONST, 1), 0, &pack), HEDDLE_BAD_PACK, "got none");

  static uint32_t words[12400];
  uint32_t count = 0;
  for (int i = 0; i < 64; ++i) /* as deep as it may be, and one more */
    words[count++] = HEDDLE_OP_MACHINE;
  for (int i = 0; i < 63; ++i)
    words[count++] = HEDDLE_OP_ADD;
  int64_t out = 0;
  EXPECT_OK(evaluate(library, count, words, 0, &out));
  EXPECT_EQ(out, 64 * (int64_t)heddle_num_threads());
  words[64] = HEDDLE_OP_MACHINE;
  EXPECT_STATUS(load(library, count, words, 1, &pack), HEDDLE_BAD_PACK,
                "slot: expected at most 64 values on the stack, got more");
  words[0] = HEDDLE_OP_MACHINE; /* as long as it may be, and two more */
  for (count = 1; count < 4097; count += 2)
    words[count] = HEDDLE_OP_MACHINE, words[count + 1] = HEDDLE_OP_MAX;
  EXPECT_OK(evaluate(library, 4095, words, 0, &out));
  EXPECT_STATUS(load(library, 4097, words, 1, &pack), HEDDLE_BAD_PACK,
                "slot: expected an expression that ends within 4096 words, got none");
}

int main(int argc, char **argv) {
  if (argc != 2)
    return 1;
  leaves(argv[1]);
  arithmetic(argv[1]);
  ill_formed(argv[1]);
  return expect_summary();
}
