/* temporary_image.c - where anonymous files are forbidden (this program's memfd_create says so), images go through a
 * temporary file that is gone afterwards; where nothing can be written, the message says that.
 */
#include "expect.h"
#include "sample_pack.h"

#include "heddle_rt/artifact.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

int memfd_create(const char *name, unsigned flags); /* takes the place of the C library's */
static int asked;
int memfd_create(const char *name, unsigned flags) {
  (void)name, (void)flags;
  ++asked;
  errno = EPERM;
  return -1;
}

static heddle_status run(heddle_pack *pack, int64_t *out) {
  static const int64_t sizes[] = {1, 1, 1};
  heddle_arg arg = tensor(HEDDLE_I64, 3, out, sizes, NULL);
  return heddle_run(pack, entry_of(pack, "where"), cpu_device, &arg, 1, NULL, 0, NULL);
}

static int files_in(const char *folder) {
  int count = 0;
  DIR *open = opendir(folder);
  for (struct dirent *entry; (entry = readdir(open));)
    count += entry->d_name[0] != '.';
  closedir(open);
  return count;
}

int main(int argc, char **argv) {
  char folder[] = "/tmp/heddle-test-XXXXXX";
  if (argc != 2 || !mkdtemp(folder))
    return 1;
  int64_t out = 0;
  setenv("TMPDIR", folder, 1);
  heddle_pack *pack = sample_pack_load(argv[1]), *other = sample_pack_load(argv[1]);
  EXPECT_OK(run(pack, &out));
  EXPECT_EQ(out, 1);
  EXPECT(asked > 0);
  EXPECT_EQ(files_in(folder), 0);
  rmdir(folder);
  EXPECT_STATUS(run(other, &out), HEDDLE_SYSTEM, "kernel where: expected to load a shared object, got: ");
  EXPECT_EQ(out, 1);
  EXPECT_OK(run(pack, &out)); /* loaded is loaded */
  heddle_unload(pack);
  heddle_unload(other);
  return expect_summary();
}
