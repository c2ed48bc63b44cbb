/* error.c - the thread-local message and the names of the statuses. */
#include "error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local char message[1024];

heddle_status heddle_fail(heddle_status status, const char *format, ...) {
  va_list values;
  va_start(values, format);
  vsnprintf(message, sizeof message, format, values);
  va_end(values);
  return status;
}

heddle_status heddle_fail_in(heddle_status status, const char *context, ...) {
  char prefixed[sizeof message];
  va_list values;
  va_start(values, context);
  int length = vsnprintf(prefixed, sizeof prefixed, context, values);
  va_end(values);
  if (length < 0)
    return status;
  size_t used = (size_t)length < sizeof prefixed ? (size_t)length : sizeof prefixed - 1;
  snprintf(prefixed + used, sizeof prefixed - used, ": %.*s", (int)sizeof message, message);
  memcpy(message, prefixed, sizeof message);
  return status;
}

const char *heddle_last_error(void) { return message; }

uint32_t heddle_rt_version(void) { return HEDDLE_RT_VERSION; }

const char *heddle_status_name(heddle_status status) {
  switch (status) {
  case HEDDLE_OK:
    return "ok";
  case HEDDLE_BAD_PACK:
    return "bad pack";
  case HEDDLE_BAD_ARGUMENT:
    return "bad argument";
  case HEDDLE_NOT_FOUND:
    return "not found";
  case HEDDLE_UNSUPPORTED:
    return "unsupported";
  case HEDDLE_WORKSPACE:
    return "workspace";
  case HEDDLE_DRIVER:
    return "driver";
  case HEDDLE_VALUE:
    return "value";
  case HEDDLE_SYSTEM:
    return "system";
  case HEDDLE_ABSENT:
    return "absent";
  }
  return "unknown status";
}
