/* fork_child.c - a forked child runs kernels with workers of its own, whatever its parent was doing. */
#include "expect.h"
#include "heddle_rt/artifact.h"
#include "sample_pack.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static heddle_pack *pack;
static _Atomic int stop;

static int runs(void) {
  int64_t out[30 * 8] = {0}, sizes[] = {1, 8, 30}, wrong = 0;
  heddle_arg arg = tensor(HEDDLE_I64, 3, out, sizes, NULL);
  if (heddle_run(pack, entry_of(pack, "where"), cpu_device, &arg, 1, NULL, 0, NULL) != HEDDLE_OK)
    return 0;
  for (int64_t i = 0; i < 240; ++i)
    wrong += out[i] != ((i % 30 + 1000 * (i / 30)) << 8) + 1;
  return wrong == 0;
}

/* Leaves by exit, so that the child's shutdown is tested, too. */
static int child_runs(int depth) {
  fflush(stdout); /* else the child prints it again */
  pid_t child = fork();
  if (child == 0) {
    alarm(20);
    exit(!(runs() && runs() && (depth == 0 || child_runs(depth - 1)) && runs()));
  }
  int result = -1;
  waitpid(child, &result, 0);
  return WIFEXITED(result) && WEXITSTATUS(result) == 0;
}

static void *keep_running(void *unused) {
  (void)unused;
  int64_t out[16], sizes[] = {16};
  heddle_arg args[] = {integer(2000), tensor(HEDDLE_I64, 1, out, sizes, NULL)};
  while (!stop)
    heddle_run(pack, entry_of(pack, "busy"), cpu_device, args, 2, NULL, 0, NULL);
  return NULL;
}

/* A child that leaves while threads of its own run: the pool ends, it does not wait for them. */
static int child_leaves_running(size_t stack) {
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    pthread_t thread;
    pthread_attr_t attributes;
    alarm(20);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, stack);
    pthread_create(&thread, &attributes, keep_running, NULL);
    usleep(5000);
    exit(0);
  }
  int result = -1;
  waitpid(child, &result, 0);
  return WIFEXITED(result) && WEXITSTATUS(result) == 0;
}

int main(int argc, char **argv) {
  if (argc != 2)
    return 1;
  alarm(100);
  pack = sample_pack_load(argv[1]);
  heddle_set_num_threads(3);
  EXPECT(child_runs(0)); /* before the parent has a pool */
  EXPECT(runs());
  EXPECT(child_runs(0));
  EXPECT(child_runs(2));
  EXPECT(runs());
  for (int i = 0; i < 5; ++i) {
    EXPECT(child_leaves_running(8 << 20));
    EXPECT(child_leaves_running(512 << 10)); /* its blocks run on workers */
  }
  pthread_t threads[2];
  for (int i = 0; i < 2; ++i)
    pthread_create(&threads[i], NULL, keep_running, NULL);
  for (int i = 0; i < 30; ++i)
    EXPECT(child_runs(0)); /* forked amid the runs of others */
  stop = 1;
  for (int i = 0; i < 2; ++i)
    pthread_join(threads[i], NULL);
  EXPECT(runs());
  heddle_unload(pack);
  return expect_summary();
}
