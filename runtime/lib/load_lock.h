/* load_lock.h - one lock for all that happens once: the driver, devices, images. Held across fork, so that a child
 * never inherits it from a thread that no longer exists. Never taken while the pool's lock is held.
 */
#ifndef HEDDLE_RT_LIB_LOAD_LOCK_H
#define HEDDLE_RT_LIB_LOAD_LOCK_H

void heddle_load_lock(void);
void heddle_load_unlock(void);

#endif
