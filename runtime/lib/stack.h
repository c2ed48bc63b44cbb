/* stack.h - whether the calling thread has room for a CPU kernel. */
#ifndef HEDDLE_RT_LIB_STACK_H
#define HEDDLE_RT_LIB_STACK_H

/* 1 if at least HEDDLE_CPU_STACK bytes are left below this frame. A thread on a stack that is not its own (a
 * coroutine) has no known room: 0. */
int heddle_stack_has_room(void);

#endif
