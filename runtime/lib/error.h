/* error.h - the message behind a status. Every failing path ends in `return heddle_fail(...)`. */
#ifndef HEDDLE_RT_LIB_ERROR_H
#define HEDDLE_RT_LIB_ERROR_H

#include "heddle_rt/heddle_rt.h"

/* Keep the message for heddle_last_error() of this thread and return the status. */
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
heddle_status heddle_fail(heddle_status status, const char *format, ...);

/* Put "<context>: " before the message kept last. */
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
heddle_status heddle_fail_in(heddle_status status, const char *context, ...);

#endif
