/* compile_and_run.c - text to numbers through the two C interfaces.
 *
 * Two threads compile the same spec and must get the same bytes. The pack and the pack of the reference semantics are
 * run on the CPU and compared with attention written out below.
 */
#include "heddle-c/Heddle.h"
#include "heddle_rt/artifact.h"
#include "heddle_rt/heddle_rt.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { B = 2, H = 3, T = 37, D = 16 };

static const char spec[] = "!X = tensor<?x?x?x16xf32>\n"
                           "func.func @attend(%q: !X, %k: !X, %v: !X, %scale: f32) -> !X {\n"
                           "  %o = attn.attend dot(%q, %k) value(%v) normalize @softmax\n"
                           "    score(%s, %b, %h, %i, %j) {\n"
                           "      %x = arith.mulf %s, %scale : f32\n"
                           "      attn.yield %x : f32\n"
                           "    } mask(%b, %h, %i, %j) {\n"
                           "      %m = arith.cmpi sle, %j, %i : index\n"
                           "      attn.yield %m : i1\n"
                           "    } : (!X, !X, !X) -> !X\n"
                           "  return %o : !X\n"
                           "}\n";

static int failures;
#define EXPECT(condition, ...)                                                                                         \
  do {                                                                                                                 \
    if (!(condition)) {                                                                                                \
      ++failures;                                                                                                      \
      printf("%s:%d: ", __FILE__, __LINE__);                                                                           \
      printf(__VA_ARGS__);                                                                                             \
      printf("\n");                                                                                                    \
    }                                                                                                                  \
  } while (0)

static void print_message(void *user, int severity, const char *file, unsigned line, unsigned column,
                          const char *text) {
  (void)user;
  printf("%s:%u:%u: severity %d: %s\n", file, line, column, severity, text);
}

typedef struct {
  int errors;
  unsigned line;
  char text[256];
} seen_message;

static void keep_message(void *user, int severity, const char *file, unsigned line, unsigned column, const char *text) {
  seen_message *seen = user;
  (void)file;
  (void)column;
  if (severity != 3 || seen->errors++)
    return;
  seen->line = line;
  snprintf(seen->text, sizeof seen->text, "%s", text);
}

static void *compile_in_thread(void *result) {
  heddle_compile_options options = heddle_compile_options_default();
  options.handler = print_message;
  if (heddle_compile(spec, sizeof spec - 1, &options, result))
    EXPECT(0, "expected the spec to compile");
  return NULL;
}

static void expect_attention(const float *q, const float *k, const float *v, float scale, const float *o,
                             const char *who) {
  for (int bh = 0; bh < B * H; ++bh)
    for (int i = 0; i < T; ++i) {
      double sum = 0, out[D] = {0};
      for (int j = 0; j <= i; ++j) {
        double s = 0;
        for (int c = 0; c < D; ++c)
          s += (double)q[(bh * T + i) * D + c] * k[(bh * T + j) * D + c];
        double w = exp(s * scale);
        sum += w;
        for (int c = 0; c < D; ++c)
          out[c] += w * v[(bh * T + j) * D + c];
      }
      for (int c = 0; c < D; ++c) {
        double wanted = out[c] / sum, got = o[(bh * T + i) * D + c];
        if (!(fabs(got - wanted) <= 1e-5)) {
          EXPECT(0, "%s: expected %g, got %g in block %d, row %d, column %d", who, wanted, got, bh, i, c);
          return;
        }
      }
    }
}

static void run(const heddle_bytes *bytes, const char *who) {
  static float q[B * H * T * D], k[B * H * T * D], v[B * H * T * D], o[B * H * T * D];
  for (int n = 0; n < B * H * T * D; ++n) {
    q[n] = rand() / (float)RAND_MAX - 0.5f;
    k[n] = rand() / (float)RAND_MAX - 0.5f;
    v[n] = rand() / (float)RAND_MAX - 0.5f;
    o[n] = NAN;
  }
  const int64_t sizes[4] = {B, H, T, D};
  heddle_arg arguments[5];
  memset(arguments, 0, sizeof arguments);
  float *tensors[5] = {q, k, v, NULL, o};
  for (int a = 0; a < 5; ++a) {
    arguments[a].kind = tensors[a] ? HEDDLE_ARG_TENSOR : HEDDLE_ARG_F64;
    arguments[a].dtype = HEDDLE_F32;
    arguments[a].rank = 4;
    arguments[a].data = tensors[a];
    arguments[a].sizes = sizes;
    arguments[a].f64 = 2.0;
  }
  heddle_device device = {HEDDLE_DEVICE_CPU, 0};
  heddle_pack *pack = NULL;
  uint32_t entry = 0;
  size_t workspace_bytes = 0;
  if (heddle_load(bytes->data, bytes->size, &pack) || heddle_find(pack, "attend", &entry) ||
      heddle_workspace_bytes(pack, entry, device, arguments, 5, &workspace_bytes)) {
    EXPECT(0, "%s: %s", who, heddle_last_error());
    return;
  }
  char *memory = malloc(workspace_bytes + 256);
  void *workspace = (void *)(((uintptr_t)memory + 255) & ~(uintptr_t)255);
  heddle_status status = heddle_run(pack, entry, device, arguments, 5, workspace, workspace_bytes, NULL);
  EXPECT(status == HEDDLE_OK, "%s: %s", who, heddle_last_error());
  if (status == HEDDLE_OK)
    expect_attention(q, k, v, 2.0f, o, who);
  free(memory);
  heddle_unload(pack);
}

static void test_messages(void) {
  seen_message seen = {0, 0, ""};
  heddle_compile_options options = heddle_compile_options_default();
  options.handler = keep_message;
  options.user = &seen;
  heddle_bytes pack;
  options.targets = "sm_42";
  EXPECT(heddle_compile(spec, sizeof spec - 1, &options, &pack) == 1, "expected an unknown target to fail");
  EXPECT(seen.errors == 1 && strstr(seen.text, "got 'sm_42'"), "expected one error about sm_42, got %d: %s",
         seen.errors, seen.text);

  seen.errors = 0;
  options.targets = NULL;
  const char broken[] = "func.func @f(%q: tensor<4xf32>) -> tensor<4xf32> {\n  return %x : tensor<4xf32>\n}\n";
  EXPECT(heddle_compile(broken, sizeof broken - 1, &options, &pack) == 1, "expected broken text to fail");
  EXPECT(seen.errors == 1 && seen.line == 2, "expected one error in line 2, got %d in line %u", seen.errors, seen.line);
}

static void test_keys(void) {
  heddle_compile_options options = heddle_compile_options_default();
  uint64_t a = 0, b = 0, c = 0, d = 0;
  heddle_content_key(spec, sizeof spec - 1, &options, &a);
  heddle_content_key(spec, sizeof spec - 1, NULL, &b);
  heddle_content_key(spec, sizeof spec - 2, &options, &c);
  options.targets = "cpu:generic";
  heddle_content_key(spec, sizeof spec - 1, &options, &d);
  EXPECT(a == b, "expected the same key for the same input");
  EXPECT(a != c && a != d, "expected other keys for other text and other targets");
}

int main(void) {
  heddle_bytes packs[2] = {{NULL, 0}, {NULL, 0}}, reference = {NULL, 0};
  pthread_t threads[2];
  for (int n = 0; n < 2; ++n)
    pthread_create(&threads[n], NULL, compile_in_thread, &packs[n]);
  for (int n = 0; n < 2; ++n)
    pthread_join(threads[n], NULL);
  EXPECT(packs[0].size && packs[0].size == packs[1].size && !memcmp(packs[0].data, packs[1].data, packs[0].size),
         "expected both threads to make the same %zu bytes, got %zu", packs[0].size, packs[1].size);
  if (packs[0].size)
    run(&packs[0], "compiled");

  heddle_compile_options options = heddle_compile_options_default();
  options.handler = print_message;
  EXPECT(heddle_compile_reference(spec, sizeof spec - 1, &options, &reference) == 0, "expected reference semantics");
  if (reference.size)
    run(&reference, "reference");
  test_messages();
  test_keys();
  for (int n = 0; n < 2; ++n)
    heddle_bytes_free(&packs[n]);
  heddle_bytes_free(&reference);
  printf("%s (%s)\n", failures ? "failed" : "passed", heddle_version());
  return failures != 0;
}
