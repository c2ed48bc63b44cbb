/* arguments.c - every bad argument is an error that names it, and leaves the output alone. */
#include "expect.h"
#include "heddle_rt/artifact.h"
#include "sample_pack.h"

static _Alignas(256) unsigned char workspace[1024];
static float a[64], out[64];
static double total;
static int64_t in_sizes[] = {4, 8}, out_sizes[] = {4, 8}, in_strides[] = {8, 1}, out_strides[] = {8, 1}, one[] = {1};
static heddle_arg args[4];
static heddle_pack *pack;

/* Good arguments of `scale`; each case spoils one. */
static void reset(void) {
  in_sizes[0] = out_sizes[0] = 4, in_sizes[1] = out_sizes[1] = 8;
  in_strides[0] = out_strides[0] = 8, in_strides[1] = out_strides[1] = 1;
  args[0] = tensor(HEDDLE_F32, 2, a, in_sizes, in_strides);
  args[1] = number(2);
  args[2] = tensor(HEDDLE_F32, 2, out, out_sizes, out_strides);
  args[3] = tensor(HEDDLE_F64, 1, &total, one, NULL);
}

static void refused(heddle_status expected, const char *message) {
  size_t bytes;
  const char *text;
  uint32_t word;
  total = 77;
  for (int i = 0; i < 64; ++i)
    out[i] = 77;
  EXPECT_STATUS(heddle_run(pack, 0, cpu_device, args, 4, workspace, sizeof workspace, NULL), expected, message);
  int touched = total != 77;
  for (int i = 0; i < 64; ++i)
    touched += out[i] != 77;
  EXPECT_EQ(touched, 0);
  /* The calls that only ask refuse the same. */
  EXPECT_STATUS(heddle_workspace_bytes(pack, 0, cpu_device, args, 4, &bytes), expected, message);
  EXPECT_STATUS(heddle_explain(pack, 0, cpu_device, args, 4, &text), expected, message);
  EXPECT_STATUS(heddle_prepare(pack, 0, cpu_device, args, 4), expected, message);
  EXPECT_STATUS(heddle_status_word(pack, 0, cpu_device, args, 4, workspace, NULL, &word), expected, message);
  reset();
}

static void tensors(void) {
  args[0].kind = HEDDLE_ARG_I64;
  refused(HEDDLE_BAD_ARGUMENT, "scale: argument 0 (a): expected a tensor, got a scalar");
  args[2].kind = 0;
  refused(HEDDLE_BAD_ARGUMENT, "scale: argument 2 (out): expected a tensor, got an argument of no kind");
  args[0].dtype = HEDDLE_BF16;
  refused(HEDDLE_BAD_ARGUMENT, "argument 0 (a): expected dtype f32, got bf16");
  args[0].dtype = 1000;
  refused(HEDDLE_BAD_ARGUMENT, "argument 0 (a): expected dtype f32, got an unknown dtype");
  args[0].rank = 3;
  refused(HEDDLE_BAD_ARGUMENT, "argument 0 (a): expected rank 2, got 3");
  args[2].rank = 0xffffffff;
  refused(HEDDLE_BAD_ARGUMENT, "argument 2 (out): expected rank 2, got 4294967295");
  args[0].sizes = NULL;
  refused(HEDDLE_BAD_ARGUMENT, "argument 0 (a): expected sizes, got null");
  in_sizes[1] = -1;
  refused(HEDDLE_BAD_ARGUMENT, "argument 0 (a): expected a size of at least 0 in dimension 1, got -1");
  args[3].sizes = in_sizes;
  refused(HEDDLE_BAD_ARGUMENT, "argument 3 (total): expected size 1 in dimension 0, got 4");
  args[0].data = NULL;
  refused(HEDDLE_BAD_ARGUMENT, "argument 0 (a): expected data, got null");
  args[2].data = (char *)out + 2;
  refused(HEDDLE_BAD_ARGUMENT, "argument 2 (out): expected an address that is a multiple of 4, got 0x");
  in_strides[1] = 2;
  refused(HEDDLE_BAD_ARGUMENT, "argument 0 (a): expected stride 1 in the last dimension, got 2");
  in_strides[1] = 0;
  refused(HEDDLE_BAD_ARGUMENT, "argument 0 (a): expected stride 1 in the last dimension, got 0");
  out_strides[0] = 0;
  refused(HEDDLE_BAD_ARGUMENT,
          "argument 2 (out): expected an output with distinct elements, got stride 0 in dimension 0 "
          "of size 4");
  in_strides[0] = INT64_MAX;
  refused(HEDDLE_BAD_ARGUMENT, "argument 0 (a): expected offsets that fit in 63 bits, got size 4 and stride "
                               "9223372036854775807 in dimension 0");
  in_strides[0] = INT64_MIN;
  refused(HEDDLE_BAD_ARGUMENT, "expected offsets that fit in 63 bits");
  in_sizes[0] = in_sizes[1] = (int64_t)1 << 31;
  args[0].strides = NULL;
  refused(HEDDLE_BAD_ARGUMENT, "expected offsets that fit in 63 bits");
  in_sizes[1] = 2; /* the entry's own requirement */
  refused(HEDDLE_BAD_ARGUMENT, "scale: expected dimension 1 of a to equal dimension 1 of out, got 2 and 8");
  in_sizes[0] = 3; /* the variant's own guard */
  refused(HEDDLE_UNSUPPORTED, "scale: expected arguments that one of 1 variants for this device takes, got none whose "
                              "guard holds");
}

static void scalars(void) {
  args[1] = integer(2);
  refused(HEDDLE_BAD_ARGUMENT, "argument 1 (factor): expected a floating-point scalar, got an integer scalar");
  args[1] = args[0];
  refused(HEDDLE_BAD_ARGUMENT, "argument 1 (factor): expected a floating-point scalar, got a tensor");
  int64_t dirty = 0;
  heddle_arg others[] = {integer((int64_t)1 << 31), tensor(HEDDLE_I64, 1, &dirty, one, NULL)};
  uint32_t entry = entry_of(pack, "dirty");
  EXPECT_STATUS(heddle_run(pack, entry, cpu_device, others, 2, workspace, sizeof workspace, NULL), HEDDLE_BAD_ARGUMENT,
                "dirty: argument 0 (words): expected a value that fits in 32 bits, got 2147483648");
  others[0] = integer(-1);
  EXPECT_STATUS(heddle_run(pack, entry, cpu_device, others, 2, workspace, sizeof workspace, NULL), HEDDLE_BAD_ARGUMENT,
                "dirty: expected a workspace within 62 bits, got -4 bytes for buffer 0");
  others[0] = number(1);
  EXPECT_STATUS(heddle_run(pack, entry, cpu_device, others, 2, workspace, sizeof workspace, NULL), HEDDLE_BAD_ARGUMENT,
                "argument 0 (words): expected an integer scalar, got a floating-point scalar");
}

static void calls(void) {
  uint32_t entry = 99, word;
  heddle_device nowhere = {7, 0};
  EXPECT_STATUS(heddle_run(pack, 0, cpu_device, args, 3, workspace, sizeof workspace, NULL), HEDDLE_BAD_ARGUMENT,
                "scale: expected 4 arguments, got 3");
  EXPECT_STATUS(heddle_run(pack, 0, cpu_device, NULL, 4, workspace, sizeof workspace, NULL), HEDDLE_BAD_ARGUMENT,
                "scale: expected 4 arguments, got null");
  EXPECT_STATUS(heddle_run(pack, 9, cpu_device, args, 4, workspace, sizeof workspace, NULL), HEDDLE_NOT_FOUND,
                "expected an entry below 9, got 9");
  EXPECT_STATUS(heddle_run(NULL, 0, cpu_device, args, 4, workspace, sizeof workspace, NULL), HEDDLE_BAD_ARGUMENT,
                "expected a pack, got null");
  EXPECT_STATUS(heddle_run(pack, 0, nowhere, args, 4, workspace, sizeof workspace, NULL), HEDDLE_BAD_ARGUMENT,
                "expected device kind 1 (cpu) or 2 (cuda), got 7");
  EXPECT_STATUS(heddle_run(pack, 0, cpu_device, args, 4, NULL, 0, NULL), HEDDLE_WORKSPACE,
                "scale: expected a workspace of at least 256 bytes, got 0 at null");
  EXPECT_STATUS(heddle_run(pack, 0, cpu_device, args, 4, workspace, 255, NULL), HEDDLE_WORKSPACE,
                "scale: expected a workspace of at least 256 bytes, got 255");
  EXPECT_STATUS(heddle_run(pack, 0, cpu_device, args, 4, workspace + 64, 512, NULL), HEDDLE_WORKSPACE,
                "scale: expected a workspace aligned to 256 bytes, got 0x");
  EXPECT_STATUS(heddle_find(pack, "scael", &entry), HEDDLE_NOT_FOUND,
                "expected one of the entries 'scale', 'where', 'dirty', 'checked', 'frames', 'busy', 'device', "
                "'floats', 'mapped', got 'scael'");
  EXPECT_EQ(entry, 99);
  EXPECT_STATUS(heddle_find(NULL, "scale", &entry), HEDDLE_BAD_ARGUMENT, "got null");
  EXPECT_STATUS(heddle_workspace_bytes(pack, 0, cpu_device, args, 4, NULL), HEDDLE_BAD_ARGUMENT, "got null");
  EXPECT_STATUS(heddle_explain(pack, 0, cpu_device, args, 4, NULL), HEDDLE_BAD_ARGUMENT, "got null");
  EXPECT_STATUS(heddle_status_word(pack, 0, cpu_device, args, 4, workspace, NULL, NULL), HEDDLE_BAD_ARGUMENT,
                "got null");
  EXPECT_STATUS(heddle_status_word(pack, 0, cpu_device, args, 4, NULL, NULL, &word), HEDDLE_WORKSPACE, "at null");
  EXPECT_STATUS(heddle_load(NULL, 0, &pack), HEDDLE_BAD_PACK, "expected the bytes of a pack, got null");
  EXPECT_STATUS(heddle_load("", 0, NULL), HEDDLE_BAD_ARGUMENT, "got null");
  EXPECT_STATUS(heddle_load_file(NULL, &pack), HEDDLE_BAD_ARGUMENT, "got null");
}

/* What is unusual and allowed. */
static void accepted(void) {
  in_sizes[1] = out_sizes[1] = 1; /* any last stride */
  in_strides[1] = 77, out_strides[1] = 0;
  EXPECT_OK(heddle_run(pack, 0, cpu_device, args, 4, workspace, sizeof workspace, NULL));
  EXPECT_EQ(out[24], 2 * 24);
  reset();
  in_sizes[1] = out_sizes[1] = 0; /* no elements, no address */
  in_sizes[0] = out_sizes[0] = 5;
  args[0].data = args[2].data = NULL;
  EXPECT_OK(heddle_run(pack, 0, cpu_device, args, 4, workspace, sizeof workspace, NULL));
  EXPECT(total == 0);
  in_sizes[0] = out_sizes[0] = 0; /* a grid of 0: only the sum runs */
  total = 5;
  EXPECT_OK(heddle_run(pack, 0, cpu_device, args, 4, NULL, 0, NULL));
  EXPECT(total == 0);
  reset();
}

int main(int argc, char **argv) {
  if (argc != 2)
    return 1;
  pack = sample_pack_load(argv[1]);
  heddle_pack *loaded = pack;
  for (int i = 0; i < 64; ++i)
    a[i] = (float)i;
  reset();
  tensors();
  scalars();
  accepted();
  calls();
  heddle_unload(loaded);
  return expect_summary();
}
