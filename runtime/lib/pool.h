/* pool.h - the threads that run CPU blocks. */
#ifndef HEDDLE_RT_LIB_POOL_H
#define HEDDLE_RT_LIB_POOL_H

#include "plan.h"

/* Make sure that some thread can run blocks: the caller, if its stack has room for a kernel, or a worker. */
heddle_status heddle_pool_prepare(void);

/* Run every block of a launch; returns when all are done. After heddle_pool_prepare it cannot fail. */
void heddle_pool_run(const heddle_launch *launch, heddle_cpu_kernel kernel);

#endif
