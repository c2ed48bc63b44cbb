/* cuda_absent.c - without a usable driver: no device, and a message that says why. The second argument is a part of it;
 * LD_LIBRARY_PATH holds a libcuda.so.1 that cannot be used.
 */
#include "expect.h"
#include "heddle_rt/artifact.h"
#include "sample_pack.h"

int main(int argc, char **argv) {
  if (argc != 3)
    return 1;
  heddle_pack *pack = sample_pack_load(argv[1]);
  heddle_device cuda = {HEDDLE_DEVICE_CUDA, 0};
  float numbers[8] = {7};
  int64_t matrix[] = {1, 8}, one[] = {1};
  heddle_arg args[] = {tensor(HEDDLE_F32, 2, numbers, matrix, NULL), integer(1), number(1),
                       tensor(HEDDLE_F32, 1, numbers, one, NULL)};
  uint32_t entry = entry_of(pack, "device"), capability = 0;
  for (int i = 0; i < 2; ++i) { /* said the same way every time */
    EXPECT_EQ(heddle_cuda_available(), 0);
    EXPECT_STATUS(heddle_run(pack, entry, cuda, args, 4, NULL, 0, NULL), HEDDLE_DRIVER, argv[2]);
    EXPECT_STATUS(heddle_cuda_device(0, &capability, NULL), HEDDLE_DRIVER, argv[2]);
  }
  EXPECT(numbers[0] == 7);
  EXPECT_STATUS(heddle_run(pack, entry, cpu_device, args, 4, NULL, 0, NULL), HEDDLE_UNSUPPORTED,
                "got: cuda exactly 9.0");
  heddle_unload(pack);
  return expect_summary();
}
