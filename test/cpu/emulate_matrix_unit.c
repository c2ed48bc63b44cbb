/* What the matrix unit computes, in plain C: tiles of 16 rows of 64 bytes, as 256 words. */
#include <stdint.h>
#include <string.h>

void emulate_load(uint32_t *tile, uint16_t rows, uint16_t bytes, const char *from, int64_t stride) {
  for (int r = 0; r < rows; ++r)
    memcpy(tile + 16 * r, from + r * stride, bytes);
}

void emulate_store(const uint32_t *tile, uint16_t rows, uint16_t bytes, char *to, int64_t stride) {
  for (int r = 0; r < rows; ++r)
    memcpy(to + r * stride, tile + 16 * r, bytes);
}

static float widen(uint32_t bits) {
  float value;
  memcpy(&value, &bits, 4);
  return value;
}

void emulate_product(float *sums, const uint32_t *left, const uint32_t *right, uint16_t rows, uint16_t bytes,
                     uint16_t depth) {
  for (int r = 0; r < rows; ++r)
    for (int k = 0; k < depth / 4; ++k)
      for (int c = 0; c < bytes / 4; ++c) {
        uint32_t a = left[16 * r + k], b = right[16 * k + c];
        sums[16 * r + c] += widen(a << 16) * widen(b << 16) + widen(a & 0xffff0000u) * widen(b & 0xffff0000u);
      }
}
