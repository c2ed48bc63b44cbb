/* stack.c - bounds of the calling thread's stack, asked for once per thread (for a main thread it costs a read of
 * /proc/self/maps).
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* pthread_getattr_np */
#endif
#include "stack.h"

#include "heddle_rt/artifact.h"

#include <pthread.h>

static _Thread_local uintptr_t low, high;

static void find_bounds(void) {
  pthread_attr_t attributes;
  void *address = NULL;
  size_t size = 0, guard = 0;
  high = 1; /* asked; nothing fits if the answer is an error */
  if (pthread_getattr_np(pthread_self(), &attributes) != 0)
    return;
  if (pthread_attr_getstack(&attributes, &address, &size) == 0) {
    pthread_attr_getguardsize(&attributes, &guard);
    low = (uintptr_t)address + guard;
    high = (uintptr_t)address + size;
  }
  pthread_attr_destroy(&attributes);
}

int heddle_stack_has_room(void) {
  if (!high)
    find_bounds();
  uintptr_t here = (uintptr_t)__builtin_frame_address(0);
  return here > low && here <= high && here - low >= HEDDLE_CPU_STACK;
}
