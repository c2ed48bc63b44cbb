/* Heddle.h - the compiler as a C library. Hides LLVM: nothing of it is in this interface or in the exported symbols. */
#ifndef HEDDLE_C_H
#define HEDDLE_C_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define HEDDLE_API __attribute__((visibility("default")))
#else
#define HEDDLE_API
#endif

/* Bytes owned by the library; free with heddle_bytes_free. Text results are NUL-terminated (not counted in size). */
typedef struct {
  char *data;
  size_t size;
} heddle_bytes;
HEDDLE_API void heddle_bytes_free(heddle_bytes *bytes);

/* A diagnostic with the place it points at. severity: 0 note, 1 remark, 2 warning, 3 error. A note belongs to the last
 * diagnostic before it that is not a note. line and column are 1-based, 0 when unknown. Strings live during the call.
 */
typedef void (*heddle_diagnostic_handler)(void *user, int severity, const char *file, unsigned line, unsigned column,
                                          const char *message);

typedef struct {
  size_t struct_size;  /* sizeof(heddle_compile_options): fields are only appended */
  const char *targets; /* comma separated: "cpu", "cpu:avx2", "cpu:avx512", "cpu:amx", "sm_80", "sm_89", "sm_90a"; NULL:
                          "cpu" */
  const char *dump_dir;  /* write every rung as numbered files here; NULL: do not */
  const char *schedule;  /* override of the chooser, e.g. "rows=64,keys=64"; NULL: choose */
  const char *file_name; /* name of the text in diagnostics; NULL: "<spec>" */
  heddle_diagnostic_handler handler;
  void *user;
  const char *ptxas; /* path of the assembler; NULL: on the PATH, then in /usr/local/cuda/bin */
  const char
      *only; /* the kernels to compile, as the runtime's heddle_needed names them: "0:attend_0,0:attend_1"; "none":
                the plan alone; NULL: all. A pack without a kernel names it, and is refused where a run needs it */
} heddle_compile_options;

/* The options' defaults ("cpu" is this machine's best path). */
HEDDLE_API heddle_compile_options heddle_compile_options_default(void);

/* Compile attn text to a pack (artifact.h). Returns 0, or 1 after at least one error was reported. */
HEDDLE_API int heddle_compile(const char *text, size_t size, const heddle_compile_options *options, heddle_bytes *pack);

/* The text of one rung for the first target: "attn", "tile", "warp", "nvvm", "ptx", "llvm", "asm"; or, as
 * text, "pack" and (made without code) "plan". */
HEDDLE_API int heddle_emit(const char *text, size_t size, const char *rung, const heddle_compile_options *options,
                           heddle_bytes *result);

/* The chooser's choice, budget and rejected candidates for each target, as text. */
HEDDLE_API int heddle_explain_spec(const char *text, size_t size, const heddle_compile_options *options,
                                   heddle_bytes *result);

/* The reference semantics: lowered to plain loops in f64, compiled for this CPU, as a pack whose entries take the same
 * arguments. An oracle only for what is above `attn`; independent checks compare with other code. */
HEDDLE_API int heddle_compile_reference(const char *text, size_t size, const heddle_compile_options *options,
                                        heddle_bytes *pack);

/* 64-bit hash that names the pack in the cache: of the text, the options, this compiler's build and the resolved
 * targets. */
HEDDLE_API int heddle_content_key(const char *text, size_t size, const heddle_compile_options *options, uint64_t *key);

HEDDLE_API const char *heddle_version(void);

#ifdef __cplusplus
}
#endif
#endif
