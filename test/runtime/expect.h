/* expect.h - checks that count. A test's main ends in `return expect_summary();`. */
#ifndef HEDDLE_TEST_RUNTIME_EXPECT_H
#define HEDDLE_TEST_RUNTIME_EXPECT_H

#include "heddle_rt/heddle_rt.h"

#include <stdio.h>
#include <string.h>

static int expect_passed, expect_failed;

#define EXPECT(condition) expect_(!!(condition), #condition, __FILE__, __LINE__)
#define EXPECT_EQ(found, expected) expect_eq_((long long)(found), (long long)(expected), #found, __FILE__, __LINE__)
/* A status that is not HEDDLE_OK comes with a message that contains the text. */
#define EXPECT_STATUS(status, expected, text) expect_status_((status), (expected), (text), #status, __FILE__, __LINE__)
#define EXPECT_OK(status) EXPECT_STATUS(status, HEDDLE_OK, "")

static inline int expect_(int holds, const char *text, const char *file, int line) {
  holds ? ++expect_passed : ++expect_failed;
  if (!holds)
    printf("%s:%d: expected %s\n", file, line, text);
  return holds;
}

static inline int expect_eq_(long long found, long long expected, const char *text, const char *file, int line) {
  if (expect_(found == expected, text, file, line))
    return 1;
  printf("%s:%d: expected %lld, got %lld\n", file, line, expected, found);
  return 0;
}

static inline int expect_status_(heddle_status status, heddle_status expected, const char *message, const char *text,
                                 const char *file, int line) {
  const char *found = heddle_last_error();
  int holds = status == expected && (status == HEDDLE_OK || strstr(found, message));
  if (expect_(holds, text, file, line))
    return 1;
  printf("%s:%d: expected status '%s' and \"%s\", got '%s' and \"%s\"\n", file, line, heddle_status_name(expected),
         message, heddle_status_name(status), found);
  return 0;
}

static inline int expect_summary(void) {
  printf("%d passed, %d failed\n", expect_passed, expect_failed);
  return expect_failed || !expect_passed;
}

#endif
