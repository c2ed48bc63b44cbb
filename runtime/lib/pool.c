/* pool.c - a thread pool that several callers may use at once.
 *
 * A launch is a job on its caller's stack. Jobs hang in a list under one lock; workers join the first that has blocks
 * left and room for a helper, and take blocks from an atomic counter. The caller works, too, and leaves when its last
 * helper has. Nobody waits for a job that does not progress, so jobs may be nested and concurrent.
 *
 * A worker that finds no job spins for some microseconds (plans launch kernels in quick succession), then sleeps.
 * After fork the child starts without workers and makes its own on first use.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* sched_getaffinity */
#endif
#include "pool.h"

#include "error.h"
#include "load_lock.h"
#include "stack.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum {
  MAX_THREADS = 1024,
  WORKER_STACK = 2 * HEDDLE_CPU_STACK,
  SPINS = 400,            /* pauses of 10 to 50 ns each */
  CHUNKS_PER_THREAD = 32, /* below this many blocks per thread they are handed out one by one */
  MAX_CHUNK = 16,
  FANOUT = 2 /* sleepers that one thread wakes; each wakes as many in turn */
};

typedef struct pool_job {
  heddle_cpu_kernel kernel;
  const int64_t *slots;
  int64_t columns, rows, blocks, chunk; /* columns: grid[0], rows: grid[1] */
  _Atomic int64_t next;                 /* first block that nobody took */
  _Atomic uint32_t helpers;             /* workers inside; changes under the lock */
  uint32_t helper_limit;
  struct pool_job *following;
} pool_job;

static pthread_mutex_t pool_lock = PTHREAD_MUTEX_INITIALIZER, load_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t work = PTHREAD_COND_INITIALIZER, left = PTHREAD_COND_INITIALIZER;
static pthread_once_t fork_handlers = PTHREAD_ONCE_INIT;

/* Under pool_lock, but for what is atomic. */
static pool_job *jobs;
static pthread_t *threads;
static uint32_t thread_count, sleeping;
static int stopping;
static _Atomic uint32_t submissions; /* changes with every job: what a spinning worker looks at */
static _Atomic uint32_t width, cpus; /* 0: not yet known */

static void pause_briefly(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

static void before_fork(void) {
  pthread_mutex_lock(&load_lock);
  pthread_mutex_lock(&pool_lock);
}

static void after_fork_in_parent(void) {
  pthread_mutex_unlock(&pool_lock);
  pthread_mutex_unlock(&load_lock);
}

static void after_fork_in_child(void) {
  /* Only the forking thread lives on: no workers, no sleepers, and jobs of threads that are gone. */
  pthread_cond_t fresh = PTHREAD_COND_INITIALIZER;
  pthread_mutex_t unlocked = PTHREAD_MUTEX_INITIALIZER;
  jobs = NULL;
  thread_count = sleeping = 0;
  work = left = fresh;
  pool_lock = load_lock = unlocked;
}

static void install_fork_handlers(void) { pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child); }

void heddle_load_lock(void) {
  pthread_once(&fork_handlers, install_fork_handlers);
  pthread_mutex_lock(&load_lock);
}

void heddle_load_unlock(void) { pthread_mutex_unlock(&load_lock); }

static uint32_t usable_cpus(void) {
  uint32_t known = atomic_load_explicit(&cpus, memory_order_relaxed);
  if (known)
    return known;
  size_t bytes = CPU_ALLOC_SIZE(MAX_THREADS * 8);
  cpu_set_t *set = CPU_ALLOC(MAX_THREADS * 8);
  int count = 1;
  if (set && sched_getaffinity(0, bytes, set) == 0)
    count = CPU_COUNT_S(bytes, set);
  CPU_FREE(set);
  known = count < 1 ? 1 : count > MAX_THREADS ? MAX_THREADS : (uint32_t)count;
  atomic_store_explicit(&cpus, known, memory_order_relaxed);
  return known;
}

static uint32_t default_width(void) {
  const char *text = getenv("HEDDLE_NUM_THREADS");
  char *end;
  long asked = text ? strtol(text, &end, 10) : 0;
  if (asked < 1 || *end)
    return usable_cpus();
  return asked > MAX_THREADS ? MAX_THREADS : (uint32_t)asked;
}

uint32_t heddle_num_threads(void) {
  uint32_t known = atomic_load_explicit(&width, memory_order_relaxed);
  if (!known) {
    known = default_width();
    atomic_store_explicit(&width, known, memory_order_relaxed);
  }
  return known;
}

void heddle_set_num_threads(uint32_t count) {
  if (count == 0) /* the default is asked for anew */
    atomic_store_explicit(&cpus, 0, memory_order_relaxed);
  atomic_store_explicit(&width, count > MAX_THREADS ? MAX_THREADS : count, memory_order_relaxed);
}

/* Blocks run in one floating-point state, whoever called and whichever thread they land on: round to nearest, denormals
 * kept, no traps (a masked lane may well divide by zero). */
#if defined(__x86_64__)
enum { PLAIN_STATE = 0x1f80, FLAGS = 0x3f };

static unsigned enter_float_state(void) {
  unsigned callers = __builtin_ia32_stmxcsr();
  if ((callers & ~FLAGS) != PLAIN_STATE) /* mostly it is: loading the state is slow */
    __builtin_ia32_ldmxcsr(PLAIN_STATE);
  return callers;
}

static void leave_float_state(unsigned callers) {
  if ((callers & ~FLAGS) != PLAIN_STATE)
    __builtin_ia32_ldmxcsr(callers);
}
#else
static unsigned enter_float_state(void) { return 0; }
static void leave_float_state(unsigned callers) { (void)callers; }
#endif

/* Take blocks until none is left. */
static void take_blocks(pool_job *job) {
  for (;;) {
    int64_t first = atomic_fetch_add_explicit(&job->next, job->chunk, memory_order_relaxed);
    if (first >= job->blocks)
      return;
    int64_t end = job->blocks - first < job->chunk ? job->blocks : first + job->chunk;
    for (int64_t block = first; block < end; ++block) {
      int64_t line = block / job->columns;
      job->kernel(job->slots, block % job->columns, line % job->rows, line / job->rows);
    }
  }
}

static void run_blocks(pool_job *job) {
  unsigned callers = enter_float_state();
  take_blocks(job);
  leave_float_state(callers);
}

/* Under the lock. */
static pool_job *find_job(void) {
  for (pool_job *each = jobs; each; each = each->following)
    if (atomic_load_explicit(&each->next, memory_order_relaxed) < each->blocks &&
        atomic_load_explicit(&each->helpers, memory_order_relaxed) < each->helper_limit)
      return each;
  return NULL;
}

/* Under the lock, and with it again on return. */
static void wait_for_work(void) {
  uint32_t seen = atomic_load_explicit(&submissions, memory_order_relaxed);
  if (heddle_num_threads() <= usable_cpus()) {
    pthread_mutex_unlock(&pool_lock);
    for (int i = 0; i < SPINS && atomic_load_explicit(&submissions, memory_order_relaxed) == seen; ++i)
      pause_briefly();
    pthread_mutex_lock(&pool_lock);
    if (atomic_load_explicit(&submissions, memory_order_relaxed) != seen || stopping)
      return;
  }
  ++sleeping;
  pthread_cond_wait(&work, &pool_lock);
  --sleeping;
}

/* Under the lock. */
static void wake_workers(void) {
  for (uint32_t i = 0; i < FANOUT && i < sleeping; ++i)
    pthread_cond_signal(&work);
}

static void *worker(void *unused) {
  (void)unused;
  pthread_mutex_lock(&pool_lock);
  while (!stopping) { /* jobs of threads that still run when the process ends are left to them */
    pool_job *found = find_job();
    if (found) {
      atomic_fetch_add_explicit(&found->helpers, 1, memory_order_relaxed);
      if (find_job())
        wake_workers();
      pthread_mutex_unlock(&pool_lock);
      run_blocks(found);
      pthread_mutex_lock(&pool_lock);
      /* The owner may return as soon as it sees 0: release what this worker wrote, and touch the job no more. */
      if (atomic_fetch_sub_explicit(&found->helpers, 1, memory_order_release) == 1)
        pthread_cond_broadcast(&left);
    } else {
      wait_for_work();
    }
  }
  pthread_mutex_unlock(&pool_lock);
  return NULL;
}

/* Under the lock: have at least `wanted` workers, or as many as the system gives. */
static void have_workers(uint32_t wanted) {
  if (thread_count >= wanted || stopping)
    return;
  pthread_t *larger = realloc(threads, wanted * sizeof *threads);
  pthread_attr_t attributes;
  if (!larger || pthread_attr_init(&attributes) != 0)
    return;
  threads = larger;
  pthread_attr_setstacksize(&attributes, WORKER_STACK);
  sigset_t all, before; /* signals are for the application's threads */
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  while (thread_count < wanted && pthread_create(&threads[thread_count], &attributes, worker, NULL) == 0)
    ++thread_count;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attributes);
}

heddle_status heddle_pool_prepare(void) {
  if (heddle_stack_has_room())
    return HEDDLE_OK;
  pthread_once(&fork_handlers, install_fork_handlers);
  pthread_mutex_lock(&pool_lock);
  have_workers(heddle_num_threads());
  uint32_t count = thread_count;
  pthread_mutex_unlock(&pool_lock);
  if (count)
    return HEDDLE_OK;
  return heddle_fail(HEDDLE_SYSTEM, "expected %d bytes of stack or a worker thread, got neither", HEDDLE_CPU_STACK);
}

static void submit(pool_job *job, uint32_t workers) {
  pthread_mutex_lock(&pool_lock);
  have_workers(workers);
  pool_job **end = &jobs;
  while (*end)
    end = &(*end)->following;
  *end = job;
  atomic_fetch_add_explicit(&submissions, 1, memory_order_relaxed);
  wake_workers();
  pthread_mutex_unlock(&pool_lock);
}

/* Wait until every block is taken and every helper gone, then take the job off the list. */
static void finish(pool_job *job) {
  /* Helpers mostly finish within a block's time of the caller: look before sleeping. */
  for (int i = 0; i < SPINS && atomic_load_explicit(&job->helpers, memory_order_acquire); ++i)
    pause_briefly();
  pthread_mutex_lock(&pool_lock);
  while (atomic_load_explicit(&job->next, memory_order_relaxed) < job->blocks ||
         atomic_load_explicit(&job->helpers, memory_order_acquire))
    pthread_cond_wait(&left, &pool_lock);
  pool_job **link = &jobs;
  while (*link != job)
    link = &(*link)->following;
  *link = job->following;
  pthread_mutex_unlock(&pool_lock);
}

void heddle_pool_run(const heddle_launch *launch, heddle_cpu_kernel kernel) {
  uint32_t threads_wanted = heddle_num_threads();
  if (launch->blocks < threads_wanted)
    threads_wanted = (uint32_t)launch->blocks;
  int caller_works = heddle_stack_has_room();
  uint32_t workers = threads_wanted - (caller_works ? 1 : 0);
  pool_job job = {.kernel = kernel,
                  .slots = launch->slots,
                  .columns = launch->grid[0],
                  .rows = launch->grid[1],
                  .blocks = launch->blocks,
                  .helper_limit = workers};
  job.chunk = launch->blocks / ((int64_t)threads_wanted * CHUNKS_PER_THREAD);
  job.chunk = job.chunk < 1 ? 1 : job.chunk > MAX_CHUNK ? MAX_CHUNK : job.chunk;
  if (!workers) {
    run_blocks(&job);
    return;
  }
  pthread_once(&fork_handlers, install_fork_handlers);
  submit(&job, workers);
  if (caller_works)
    run_blocks(&job);
  finish(&job);
}

/* When the process ends or the library is closed: let workers end what they have taken, then join them. */
__attribute__((destructor)) static void stop_workers(void) {
  pthread_mutex_lock(&pool_lock);
  uint32_t count = thread_count;
  pthread_t *stopped = threads;
  stopping = 1;
  thread_count = 0;
  threads = NULL;
  pthread_cond_broadcast(&work);
  pthread_mutex_unlock(&pool_lock);
  for (uint32_t i = 0; i < count; ++i)
    pthread_join(stopped[i], NULL);
  free(stopped);
  pthread_mutex_lock(&pool_lock);
  stopping = 0; /* a run from a later destructor may start anew */
  pthread_mutex_unlock(&pool_lock);
}
