/* arguments.c - checks of what the caller passes, before anything runs. */
#include "arguments.h"

#include "error.h"

#include <limits.h>

uint32_t heddle_dtype_bytes(uint32_t dtype) {
  static const unsigned char bytes[] = {0, 4, 2, 2, 8, 4, 8, 1, 1};
  return dtype < sizeof bytes ? bytes[dtype] : 0;
}

static const char *dtype_name(uint32_t dtype) {
  static const char *const names[] = {"no dtype", "f32", "f16", "bf16", "f64", "i32", "i64", "i8", "i1"};
  return dtype < sizeof names / sizeof *names ? names[dtype] : "an unknown dtype";
}

int64_t heddle_stride(const heddle_arg *arg, uint32_t axis) {
  if (axis + 1 == arg->rank)
    return 1; /* a last dimension of size 1 may come with any stride */
  if (arg->strides)
    return arg->strides[axis];
  uint64_t stride = 1; /* unsigned: the sizes of an empty tensor are not bounded */
  for (uint32_t i = arg->rank; --i > axis;)
    stride *= (uint64_t)arg->sizes[i];
  return (int64_t)stride;
}

int64_t heddle_alignment(const heddle_arg *arg) {
  uint64_t bits = 4096 | (uint64_t)(uintptr_t)arg->data;
  for (uint32_t axis = 0; axis + 1 < arg->rank; ++axis)
    bits |= (uint64_t)heddle_stride(arg, axis) * heddle_dtype_bytes(arg->dtype);
  return (int64_t)(bits & (~bits + 1)); /* the lowest bit set */
}

static heddle_status check_scalar(const heddle_param_record *param, const heddle_arg *arg) {
  uint32_t kind = param->dtype == HEDDLE_F32 ? HEDDLE_ARG_F64 : HEDDLE_ARG_I64;
  if (arg->kind != kind)
    return heddle_fail(HEDDLE_BAD_ARGUMENT, "expected %s, got %s",
                       kind == HEDDLE_ARG_F64 ? "a floating-point scalar" : "an integer scalar",
                       arg->kind == HEDDLE_ARG_TENSOR ? "a tensor"
                       : arg->kind == HEDDLE_ARG_I64  ? "an integer scalar"
                       : arg->kind == HEDDLE_ARG_F64  ? "a floating-point scalar"
                                                      : "an argument of no kind");
  if (param->dtype == HEDDLE_I32 && (arg->i64 < INT32_MIN || arg->i64 > INT32_MAX))
    return heddle_fail(HEDDLE_BAD_ARGUMENT, "expected a value that fits in 32 bits, got %lld", (long long)arg->i64);
  return HEDDLE_OK;
}

/* Sizes against the parameter, and that no element's offset in bytes overflows. */
static heddle_status check_shape(const heddle_param_record *param, const heddle_arg *arg, int *empty) {
  *empty = 0;
  for (uint32_t axis = 0; axis < param->rank; ++axis) {
    int64_t size = arg->sizes[axis], expected = param->sizes[axis];
    if (expected >= 0 && size != expected)
      return heddle_fail(HEDDLE_BAD_ARGUMENT, "expected size %lld in dimension %u, got %lld", (long long)expected, axis,
                         (long long)size);
    if (size < 0)
      return heddle_fail(HEDDLE_BAD_ARGUMENT, "expected a size of at least 0 in dimension %u, got %lld", axis,
                         (long long)size);
    *empty |= size == 0;
  }
  if (*empty)
    return HEDDLE_OK;
  int64_t reach = heddle_dtype_bytes(param->dtype), contiguous = 1;
  for (uint32_t axis = param->rank; axis-- > 0;) {
    int64_t size = arg->sizes[axis], stride = arg->strides ? arg->strides[axis] : contiguous, span;
    if (__builtin_mul_overflow(contiguous, size, &contiguous) || stride == INT64_MIN ||
        __builtin_mul_overflow(stride < 0 ? -stride : stride, size, &span) ||
        __builtin_mul_overflow(span, (int64_t)heddle_dtype_bytes(param->dtype), &span) ||
        __builtin_add_overflow(reach, span, &reach))
      return heddle_fail(HEDDLE_BAD_ARGUMENT,
                         "expected offsets that fit in 63 bits, got size %lld and stride %lld in "
                         "dimension %u",
                         (long long)size, (long long)stride, axis);
  }
  return HEDDLE_OK;
}

static heddle_status check_strides(const heddle_param_record *param, const heddle_arg *arg) {
  if (!arg->strides)
    return HEDDLE_OK;
  uint32_t last = param->rank - 1;
  if (arg->sizes[last] > 1 && arg->strides[last] != 1)
    return heddle_fail(HEDDLE_BAD_ARGUMENT, "expected stride 1 in the last dimension, got %lld",
                       (long long)arg->strides[last]);
  if (param->role != HEDDLE_PARAM_OUTPUT)
    return HEDDLE_OK;
  for (uint32_t axis = 0; axis < last; ++axis)
    if (arg->sizes[axis] > 1 && arg->strides[axis] == 0)
      return heddle_fail(HEDDLE_BAD_ARGUMENT,
                         "expected an output with distinct elements, got stride 0 in dimension %u "
                         "of size %lld",
                         axis, (long long)arg->sizes[axis]);
  return HEDDLE_OK;
}

static heddle_status check_tensor(const heddle_param_record *param, const heddle_arg *arg) {
  if (arg->kind != HEDDLE_ARG_TENSOR)
    return heddle_fail(HEDDLE_BAD_ARGUMENT, "expected a tensor, got %s",
                       arg->kind == HEDDLE_ARG_I64 || arg->kind == HEDDLE_ARG_F64 ? "a scalar"
                                                                                  : "an argument of no kind");
  if (arg->dtype != param->dtype)
    return heddle_fail(HEDDLE_BAD_ARGUMENT, "expected dtype %s, got %s", dtype_name(param->dtype),
                       dtype_name(arg->dtype));
  if (arg->rank != param->rank)
    return heddle_fail(HEDDLE_BAD_ARGUMENT, "expected rank %u, got %u", param->rank, arg->rank);
  if (!arg->sizes)
    return heddle_fail(HEDDLE_BAD_ARGUMENT, "expected sizes, got null");
  int empty;
  heddle_status status = check_shape(param, arg, &empty);
  if (status == HEDDLE_OK && !empty)
    status = check_strides(param, arg);
  if (status != HEDDLE_OK || empty)
    return status;
  if (!arg->data)
    return heddle_fail(HEDDLE_BAD_ARGUMENT, "expected data, got null");
  if ((uintptr_t)arg->data % heddle_dtype_bytes(param->dtype) != 0)
    return heddle_fail(HEDDLE_BAD_ARGUMENT, "expected an address that is a multiple of %u, got %p",
                       heddle_dtype_bytes(param->dtype), arg->data);
  return HEDDLE_OK;
}

heddle_status heddle_arguments_check(const heddle_pack *pack, const heddle_entry_record *entry, const heddle_arg *args,
                                     uint32_t count) {
  const char *name = heddle_pack_string(pack, entry->name);
  if (count != entry->param_count)
    return heddle_fail(HEDDLE_BAD_ARGUMENT, "%s: expected %u arguments, got %u", name, entry->param_count, count);
  if (count && !args)
    return heddle_fail(HEDDLE_BAD_ARGUMENT, "%s: expected %u arguments, got null", name, count);
  const heddle_param_record *params = &pack->params[entry->first_param];
  for (uint32_t i = 0; i < count; ++i) {
    heddle_status status =
        params[i].role == HEDDLE_PARAM_SCALAR ? check_scalar(&params[i], &args[i]) : check_tensor(&params[i], &args[i]);
    if (status != HEDDLE_OK)
      return heddle_fail_in(status, "%s: argument %u (%s)", name, i, heddle_pack_string(pack, params[i].name));
  }
  return HEDDLE_OK;
}
