/* sample_pack.h - the pack that most tests run: its entries use every kind of record. */
#ifndef HEDDLE_TEST_RUNTIME_SAMPLE_PACK_H
#define HEDDLE_TEST_RUNTIME_SAMPLE_PACK_H

#include "heddle_rt/heddle_rt.h"

#include <stddef.h>

/* scale(a: ?x? f32, factor: f32) -> out: ?x? f32, total: 1 f64: two nodes and a workspace
 * where() -> out: ?x?x? i64: a grid of three dimensions
 * dirty(words: i32) -> out: 1 i64: a zeroed buffer beside one that is not
 * checked(word: i32) -> out: 1 i64: a status word, raised when word is not 0
 * frames() -> out: ? i64: blocks with large frames
 * busy(turns: i64) -> out: ? i64: blocks that take their time
 * device(a: ?x8 f32, n: i32, x: f32) -> out: ? f32: CUDA only, for the fake driver of cuda_launch.c
 * floats() -> out: ? i64: the floating-point state of each block
 * mapped(q: ?x?x?x64 bf16, n: i32, k: ?x? f32) -> out: ? f32: CUDA only, a kernel with tensor maps of q and k */
unsigned char *sample_pack_bytes(const char *library, size_t *size);
heddle_pack *sample_pack_load(const char *library);

/* Arguments. Sizes and strides are kept by the caller. */
heddle_arg tensor(uint32_t dtype, uint32_t rank, void *data, const int64_t *sizes, const int64_t *strides);
heddle_arg integer(int64_t value);
heddle_arg number(double value);

extern const heddle_device cpu_device;

/* An entry's index, or the end of the test. */
uint32_t entry_of(const heddle_pack *pack, const char *name);

#endif
