/* arguments.h - the caller's arguments: checked against an entry, then read by the plan. */
#ifndef HEDDLE_RT_LIB_ARGUMENTS_H
#define HEDDLE_RT_LIB_ARGUMENTS_H

#include "pack.h"

/* Bytes of an element, 0 for what is no dtype. */
uint32_t heddle_dtype_bytes(uint32_t dtype);

/* Count, kinds, dtypes, ranks, sizes, strides and addresses. Nothing is related across arguments: equal `?` sizes are
 * the business of the pack's guards. */
heddle_status heddle_arguments_check(const heddle_pack *pack, const heddle_entry_record *entry, const heddle_arg *args,
                                     uint32_t count);

/* Stride in elements; of the last dimension always 1. */
int64_t heddle_stride(const heddle_arg *arg, uint32_t axis);

/* Largest power of two, at most 4096, that divides the address and every stride in bytes but the last. */
int64_t heddle_alignment(const heddle_arg *arg);

#endif
