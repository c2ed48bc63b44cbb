/* tensor_maps_absent.c - a driver that makes no tensor maps gets the variant without any, or a message that says so.
 * LD_LIBRARY_PATH holds such a driver.
 */
#include "expect.h"
#include "heddle_rt/artifact.h"
#include "pack_writer.h"
#include "sample_pack.h"

#include <stdlib.h>

static const heddle_device cuda = {HEDDLE_DEVICE_CUDA, 0};

static void falls_back(const char *library) {
  heddle_pack *pack = sample_pack_load(library);
  static _Alignas(256) unsigned char workspace[256];
  float numbers[64] = {0};
  int64_t q_sizes[] = {1, 1, 1, 64}, k_sizes[] = {1, 32}, one[] = {1};
  heddle_arg args[] = {tensor(HEDDLE_BF16, 4, numbers, q_sizes, NULL), integer(6),
                       tensor(HEDDLE_F32, 2, numbers, k_sizes, NULL), tensor(HEDDLE_F32, 1, numbers, one, NULL)};
  uint32_t entry = entry_of(pack, "mapped");
  const char *note = "";
  EXPECT_OK(heddle_explain(pack, entry, cuda, args, 4, &note));
  EXPECT(strcmp(note, "no maps") == 0);
  EXPECT_OK(heddle_run(pack, entry, cuda, args, 4, workspace, sizeof workspace, NULL));
  heddle_unload(pack);
}

static void is_refused(void) {
  pack_writer *writer = writer_new();
  uint32_t kernel = writer_kernel(writer, "k", writer_image(writer, HEDDLE_IMAGE_PTX, 12000, "PTX k", 5));
  writer_tensor_map(writer, kernel, (heddle_tensor_map_record){0, 0, HEDDLE_F32, 2, 0, {8, 8}});
  writer_entry(writer, "f");
  writer_param(writer, "t", HEDDLE_PARAM_INPUT, HEDDLE_F32, 2);
  writer_variant(writer, HEDDLE_DEVICE_CUDA, "")->arch = 90;
  writer_node(writer, kernel);
  writer_slot(writer, HEDDLE_SLOT_PARAM_TENSOR, 0);
  size_t size;
  unsigned char *bytes = writer_finish(writer, &size);
  heddle_pack *pack;
  EXPECT_OK(heddle_load(bytes, size, &pack));
  free(bytes);
  float number = 0;
  int64_t ones[] = {1, 1};
  heddle_arg arg = tensor(HEDDLE_F32, 2, &number, ones, NULL);
  EXPECT_STATUS(heddle_run(pack, 0, cuda, &arg, 1, NULL, 0, NULL), HEDDLE_UNSUPPORTED,
                "f: expected a variant for cuda capability 9.0 and driver 13000 without tensor maps, got: "
                "cuda from 9.0 with tensor maps");
  heddle_unload(pack);
}

int main(int argc, char **argv) {
  if (argc != 2)
    return 1;
  falls_back(argv[1]);
  is_refused();
  return expect_summary();
}
