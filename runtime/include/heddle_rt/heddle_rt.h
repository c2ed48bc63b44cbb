/* heddle_rt.h - load and run packs. C99; needs libc and libdl only (libcuda is opened when a CUDA pack first runs).
 *
 * Every function returns a status; on failure heddle_last_error() (per thread) says what was expected and what was
 * found. The caller owns outputs and workspace; no call allocates device memory, creates streams or synchronises, so
 * a run may be captured in a CUDA graph. All functions are thread-safe.
 */
#ifndef HEDDLE_RT_H
#define HEDDLE_RT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define HEDDLE_RT_API __attribute__((visibility("default")))
#else
#define HEDDLE_RT_API
#endif

#define HEDDLE_RT_VERSION 1

typedef enum {
  HEDDLE_OK = 0,
  HEDDLE_BAD_PACK,     /* truncated, damaged or newer than this runtime */
  HEDDLE_BAD_ARGUMENT, /* count, rank, shape, dtype or stride of an argument */
  HEDDLE_NOT_FOUND,    /* no such entry */
  HEDDLE_UNSUPPORTED,  /* no variant runs on this device */
  HEDDLE_WORKSPACE,    /* workspace missing or too small */
  HEDDLE_DRIVER,       /* the CUDA driver said no */
  HEDDLE_VALUE,        /* a value on the device is out of range (found under HEDDLE_CHECK=1) */
  HEDDLE_SYSTEM,       /* the operating system said no */
  HEDDLE_ABSENT        /* the pack was made without a kernel that the run needs; see heddle_needed */
} heddle_status;

typedef struct heddle_pack heddle_pack;

/* An argument. Tensors: data already includes any byte offset; strides are in elements. Scalars: kind != tensor. */
typedef enum { HEDDLE_ARG_TENSOR = 1, HEDDLE_ARG_I64, HEDDLE_ARG_F64 } heddle_arg_kind;
typedef struct {
  uint32_t kind;  /* heddle_arg_kind */
  uint32_t dtype; /* heddle_dtype of artifact.h, tensors only */
  uint32_t rank;
  uint32_t reserved;
  void *data;
  const int64_t *sizes;
  const int64_t *strides; /* NULL: contiguous */
  int64_t i64;
  double f64;
} heddle_arg;

typedef struct {
  uint32_t kind; /* heddle_device_kind of artifact.h */
  int32_t index; /* CUDA ordinal; 0 for the CPU */
} heddle_device;

HEDDLE_RT_API uint32_t heddle_rt_version(void);
HEDDLE_RT_API const char *heddle_last_error(void);
HEDDLE_RT_API const char *heddle_status_name(heddle_status status);

/* The bytes are copied (load) or read from a file. Images are loaded on first use, once per device. */
HEDDLE_RT_API heddle_status heddle_load(const void *bytes, size_t size, heddle_pack **pack);
HEDDLE_RT_API heddle_status heddle_load_file(const char *path, heddle_pack **pack);
HEDDLE_RT_API void heddle_unload(heddle_pack *pack);

/* entry: index of a name, for use below. */
HEDDLE_RT_API heddle_status heddle_find(const heddle_pack *pack, const char *name, uint32_t *entry);
HEDDLE_RT_API uint64_t heddle_content_hash(const heddle_pack *pack);

/* The entries by index, and the attn text each was compiled from; NULL beyond the last. Valid until unload. */
HEDDLE_RT_API uint32_t heddle_entry_count(const heddle_pack *pack);
HEDDLE_RT_API const char *heddle_entry_name(const heddle_pack *pack, uint32_t entry);
HEDDLE_RT_API const char *heddle_entry_spec(const heddle_pack *pack, uint32_t entry);

/* Bytes that heddle_run needs as workspace for these arguments (0 is common). */
HEDDLE_RT_API heddle_status heddle_workspace_bytes(heddle_pack *pack, uint32_t entry, heddle_device device,
                                                   const heddle_arg *args, uint32_t count, size_t *bytes);

/* Load what heddle_run would load on first use for these arguments; after it, even a first run may be captured. */
HEDDLE_RT_API heddle_status heddle_prepare(heddle_pack *pack, uint32_t entry, heddle_device device,
                                           const heddle_arg *args, uint32_t count);

/* Run an entry: inputs and scalars in order, then outputs. stream: a CUstream (NULL: the default stream); ignored on
 * the CPU, where the call returns when the work is done. workspace: 256-byte aligned memory of the device. */
HEDDLE_RT_API heddle_status heddle_run(heddle_pack *pack, uint32_t entry, heddle_device device, const heddle_arg *args,
                                       uint32_t count, void *workspace, size_t workspace_bytes, void *stream);

/* heddle_run for callers that have an allocator of their own (a framework's): the call is planned once, `allocate` is
 * asked for its workspace (at most once, never for 0 bytes) and what it gives must stay until the run's work is done.
 * NULL from it is HEDDLE_WORKSPACE. */
typedef void *(*heddle_allocate)(void *user, size_t bytes);
HEDDLE_RT_API heddle_status heddle_run_allocating(heddle_pack *pack, uint32_t entry, heddle_device device,
                                                  const heddle_arg *args, uint32_t count, heddle_allocate allocate,
                                                  void *user, void *stream);

/* The status word that kernels raise when they clamp a bad value (a length beyond its array, say); 0: none. Reads the
 * workspace of a finished run; on CUDA synchronises `stream`. */
HEDDLE_RT_API heddle_status heddle_status_word(heddle_pack *pack, uint32_t entry, heddle_device device,
                                               const heddle_arg *args, uint32_t count, const void *workspace,
                                               void *stream, uint32_t *word);

/* Which variant would run, as text for people (schedule, budget, rejected candidates). Valid until unload. */
HEDDLE_RT_API heddle_status heddle_explain(heddle_pack *pack, uint32_t entry, heddle_device device,
                                           const heddle_arg *args, uint32_t count, const char **text);

/* The kernels that such a run launches, in the words of heddle-compile's --only ("0:attend_0,0:attend_1": the number of
 * the variant in its entry, the kernel), whether the pack has them or not. Valid until the thread's next call of it. */
HEDDLE_RT_API heddle_status heddle_needed(heddle_pack *pack, uint32_t entry, heddle_device device,
                                          const heddle_arg *args, uint32_t count, const char **text);

/* CPU features of this machine (heddle_cpu_feature bits; AMX only if the kernel grants it), and the pool's width. */
HEDDLE_RT_API uint64_t heddle_cpu_features(void);
HEDDLE_RT_API uint32_t heddle_num_threads(void); /* HEDDLE_NUM_THREADS, else the CPUs this process may use */
HEDDLE_RT_API void heddle_set_num_threads(uint32_t threads); /* 0: back to the default */

/* Whether a run waits for its end, reads the status word and returns HEDDLE_VALUE when it is raised: 1 yes, 0 no,
 * -1 back to the default, which is the environment's HEDDLE_CHECK=1. A run that is being captured is never checked. */
HEDDLE_RT_API void heddle_set_check(int check);

/* CUDA: 1 if a driver and at least one device are there. Compute capability times ten, multiprocessors. */
HEDDLE_RT_API int heddle_cuda_available(void);
HEDDLE_RT_API heddle_status heddle_cuda_device(int32_t index, uint32_t *capability, uint32_t *multiprocessors);

#ifdef __cplusplus
}
#endif
#endif
