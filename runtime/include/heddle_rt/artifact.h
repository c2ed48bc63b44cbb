/* artifact.h - the pack: compiled kernels and the plan that launches them, as data.
 *
 * The only header that compiler and runtime share. A pack is one little-endian block of bytes, loadable from any
 * 8-byte aligned address and never modified. All offsets count from the start of the pack; every table is an array of
 * the fixed-size records below; a string is an offset into the string section (NUL-terminated).
 *
 * Compatibility: a reader accepts packs whose `version` is not above its own. Records only grow at the end; a table
 * stores its record size, so an old reader's records are a prefix of a new writer's, and fields an old pack lacks read
 * 0.
 */
#ifndef HEDDLE_RT_ARTIFACT_H
#define HEDDLE_RT_ARTIFACT_H

#include <stdint.h>

#define HEDDLE_PACK_MAGIC "HEDDLEPK" /* 8 bytes, no NUL */
#define HEDDLE_PACK_VERSION 6u /* 2: kernels may have tensor maps; 3: and may wait for others; 4: may be absent; */
                               /* 5: slots may hold the address of a tensor alone; 6: entries may require sizes */
#define HEDDLE_MAX_RANK 8

/* Limits that a reader enforces, so that a run needs no allocation and a load takes time linear in the pack. Ranges of
 * different entries, variants and nodes do not overlap; expressions, kernels and images may be shared. */
#define HEDDLE_MAX_EXPR_WORDS 4096
#define HEDDLE_MAX_EXPR_DEPTH 64
#define HEDDLE_MAX_BUFFERS 64       /* of a variant */
#define HEDDLE_MAX_SLOTS 4095       /* 64-bit slots of one launch: what a CUDA parameter buffer takes */
#define HEDDLE_MAX_MAPPED_SLOTS 512 /* the same where tensor maps are parameters, too; a map counts as 16 */
#define HEDDLE_MAX_TENSOR_MAPS 16   /* of a kernel */
#define HEDDLE_CPU_STACK (4 << 20)  /* bytes of stack that a CPU kernel may use */

/* A table: `count` records of `record_bytes` each, from `offset`. For raw sections record_bytes is 1. */
typedef struct {
  uint64_t offset;
  uint32_t count;
  uint32_t record_bytes;
} heddle_table;

/* Index into heddle_pack_header.tables. */
enum {
  HEDDLE_TABLE_STRINGS,      /* raw bytes */
  HEDDLE_TABLE_CODE,         /* uint32_t words of expressions */
  HEDDLE_TABLE_ENTRIES,      /* heddle_entry_record */
  HEDDLE_TABLE_PARAMS,       /* heddle_param_record */
  HEDDLE_TABLE_VARIANTS,     /* heddle_variant_record */
  HEDDLE_TABLE_BUFFERS,      /* heddle_buffer_record */
  HEDDLE_TABLE_NODES,        /* heddle_node_record */
  HEDDLE_TABLE_SLOTS,        /* heddle_slot_record */
  HEDDLE_TABLE_KERNELS,      /* heddle_kernel_record */
  HEDDLE_TABLE_IMAGES,       /* heddle_image_record */
  HEDDLE_TABLE_BLOBS,        /* raw bytes: cubins, PTX, shared objects */
  HEDDLE_TABLE_TENSOR_MAPS,  /* heddle_tensor_map_record; since version 2: the header of version 1 ends before it */
  HEDDLE_TABLE_REQUIREMENTS, /* heddle_requirement_record; since version 6: earlier headers end before it */
  HEDDLE_TABLE_COUNT
};

typedef struct {
  char magic[8];
  uint32_t version;
  uint32_t header_bytes;
  uint64_t total_bytes;
  uint64_t checksum;     /* FNV-1a 64 over all bytes after this field */
  uint64_t content_hash; /* of spec, options and compiler; names the pack in the cache and in messages */
  heddle_table tables[HEDDLE_TABLE_COUNT];
} heddle_pack_header;

/* An expression is a run of 32-bit words for a stack of int64_t: an opcode, then its operands. Evaluating one either
 * leaves exactly one value or is an error. Division by zero is an error. Results wrap (two's complement). */
typedef enum {
  HEDDLE_OP_END = 0,   /* stop */
  HEDDLE_OP_CONST,     /* lo, hi: push a 64-bit constant */
  HEDDLE_OP_SIZE,      /* param, axis: size of an entry parameter */
  HEDDLE_OP_STRIDE,    /* param, axis: its stride in elements */
  HEDDLE_OP_SCALAR,    /* param: value of an integer scalar parameter */
  HEDDLE_OP_ALIGNMENT, /* param: largest power of two, at most 4096, that divides its address and every stride in bytes
                          but the last */
  HEDDLE_OP_MACHINE,   /* multiprocessors of the device, or threads of the pool */
  HEDDLE_OP_ADD,
  HEDDLE_OP_SUB,
  HEDDLE_OP_MUL,
  HEDDLE_OP_FLOORDIV,
  HEDDLE_OP_CEILDIV,
  HEDDLE_OP_MOD, /* divisor > 0 required; MOD is never negative */
  HEDDLE_OP_MIN,
  HEDDLE_OP_MAX,
  HEDDLE_OP_LT,
  HEDDLE_OP_LE,
  HEDDLE_OP_EQ, /* push 0 or 1 */
  HEDDLE_OP_AND,
  HEDDLE_OP_OR,
  HEDDLE_OP_NOT,   /* logical */
  HEDDLE_OP_SELECT /* a b c -> a ? b : c; all three are evaluated */
} heddle_opcode;
#define HEDDLE_NO_EXPR 0xFFFFFFFFu /* as a guard or condition: always; as a grid dimension: 1; as a size: 0 */

typedef enum {
  HEDDLE_F32 = 1,
  HEDDLE_F16,
  HEDDLE_BF16,
  HEDDLE_F64,
  HEDDLE_I32,
  HEDDLE_I64,
  HEDDLE_I8,
  HEDDLE_I1
} heddle_dtype;
typedef enum { HEDDLE_PARAM_INPUT = 1, HEDDLE_PARAM_OUTPUT, HEDDLE_PARAM_SCALAR } heddle_param_role;
typedef enum { HEDDLE_DEVICE_CPU = 1, HEDDLE_DEVICE_CUDA = 2 } heddle_device_kind;

/* a function that can be run */
typedef struct {
  uint32_t name;
  uint32_t first_param, param_count;     /* inputs and scalars in order, then outputs */
  uint32_t first_variant, variant_count; /* tried in order: first whose device, machine and guard fit */
  uint32_t spec;                         /* string: the attn text it was compiled from, for explain and verify */
  uint32_t first_requirement, requirement_count; /* since version 6 */
} heddle_entry_record;

/* what must be true of the sizes of a call, whatever the variant */
typedef struct {
  uint32_t condition;   /* expression: where it is 0 the call is refused with */
  uint32_t text;        /* what was expected, a string, */
  uint32_t left, right; /* and the values of these expressions */
} heddle_requirement_record;

typedef struct {
  uint32_t name;
  uint32_t role;  /* heddle_param_role */
  uint32_t dtype; /* heddle_dtype; for a scalar F32, I32 or I64 */
  uint32_t rank;
  int64_t sizes[HEDDLE_MAX_RANK]; /* -1: any */
} heddle_param_record;

/* one way to run an entry */
typedef struct {
  uint32_t device;     /* heddle_device_kind */
  uint32_t arch;       /* CUDA: compute capability * 10 (90); CPU: 0 */
  uint32_t arch_exact; /* CUDA: nonzero when the code runs on that capability only (sm_90a) */
  uint32_t reserved;
  uint64_t cpu_features; /* heddle_cpu_feature bits that must be present */
  uint32_t guard;        /* expression, nonzero means it applies */
  uint32_t first_buffer, buffer_count;
  uint32_t first_node, node_count;
  uint32_t note;          /* string shown by explain: schedule, budget, rejected candidates */
  uint32_t status_buffer; /* index (in this variant) of the buffer that holds the status word, or HEDDLE_NO_EXPR; that
                             buffer is zeroed and has at least 4 bytes */
  uint32_t reserved2;
} heddle_variant_record;

/* heddle_cpu_feature */
enum {
  HEDDLE_CPU_AVX2 = 1 << 0,
  HEDDLE_CPU_FMA = 1 << 1,
  HEDDLE_CPU_F16C = 1 << 2,
  HEDDLE_CPU_AVX512F = 1 << 3, /* with BW, DQ, VL */
  HEDDLE_CPU_AVX512_BF16 = 1 << 4,
  HEDDLE_CPU_AMX_BF16 = 1 << 5, /* permission granted by the kernel, too */
  HEDDLE_CPU_NEON = 1 << 6
};

/* workspace; buffers of a variant are laid out one after another, 256-byte aligned */
typedef struct {
  uint32_t bytes;  /* expression */
  uint32_t zeroed; /* nonzero: set to zero before the first node of every run */
} heddle_buffer_record;

typedef enum { HEDDLE_NODE_LAUNCH = 1 } heddle_node_kind;

/* a step of the plan, in order on the caller's stream */
typedef struct {
  uint32_t kind;
  uint32_t kernel;
  uint32_t condition; /* expression; when 0 the node is skipped and its other expressions are not evaluated */
  uint32_t grid[3];   /* expressions; a grid with a 0 is not launched, one below 0 is an error */
  uint32_t first_slot, slot_count; /* the kernel's parameters, see below */
} heddle_node_record;

/* What fills a kernel's 64-bit parameter slots. A memref of rank r takes 1 + 2r of them: address, sizes, strides. */
typedef enum {
  HEDDLE_SLOT_PARAM_TENSOR = 1, /* a = entry parameter: fills 1 + 2 * rank slots from the caller's descriptor */
  HEDDLE_SLOT_PARAM_SCALAR,     /* a = entry parameter: one slot */
  HEDDLE_SLOT_BUFFER,           /* a = buffer of the variant: one slot, its address */
  HEDDLE_SLOT_EXPR,             /* a = expression: one slot */
  HEDDLE_SLOT_PARAM_ADDRESS     /* a = entry parameter, a tensor: one slot, the address of its first element. Since
                                   version 5: sizes and strides of a view of it are expressions */
} heddle_slot_kind;

typedef struct {
  uint32_t kind, a, b, c;
} heddle_slot_record;

typedef struct {
  uint32_t symbol;
  uint32_t first_image, image_count; /* the same kernel as cubin, then as PTX: the first that the driver takes. Since
                                        version 4 there may be none: the pack was made without the kernel, of which
                                        then nothing but the name is known. That changes no choice of a variant: a
                                        run that needs the kernel is refused */
  uint32_t threads[3];               /* CUDA block shape; CPU: 1 1 1 */
  uint32_t dynamic_shared_bytes;
  uint32_t registers;                          /* as assembled, for explain */
  uint32_t first_tensor_map, tensor_map_count; /* since version 2; CUDA only */
  uint32_t waits; /* since version 3; CUDA only. Nonzero: it waits (griddepcontrol.wait) before it touches memory, so it
                     may be launched while what is before it on the stream still runs */
} heddle_kernel_record;

enum { HEDDLE_MAX_TENSOR_MAP_RANK = 5 };

/* A CUDA tensor map (CUtensorMap) of a memref among the kernel's slots, made anew for every launch. A kernel's maps are
 * parameters behind its slots, in order, each 128 bytes by value and aligned to 64. Where they lie in the parameter
 * buffer depends on the architecture (the alignment is that of the address, and the buffer starts at 0x160 on 8.0, at
 * 0x210 on 9.0), so a launch passes each parameter by its address. Elements outside of the memref read 0. */
typedef struct {
  uint32_t argument;   /* of the kernel, for messages */
  uint32_t first_slot; /* of the memref in the kernel's 64-bit slots: its address */
  uint32_t dtype;      /* heddle_dtype: F32, F16 or BF16 */
  uint32_t rank;       /* of the memref: 2 to 5 */
  uint32_t swizzle;    /* 0, 32, 64 or 128 bytes; unless 0, no less than the last dimension of the box */
  uint32_t box[HEDDLE_MAX_TENSOR_MAP_RANK]; /* elements of a copy, in the memref's order: 1 to 256 in each of its
                                               dimensions, whole units of 16 bytes in the last */
} heddle_tensor_map_record;

typedef enum { HEDDLE_IMAGE_CUBIN = 1, HEDDLE_IMAGE_PTX, HEDDLE_IMAGE_ELF } heddle_image_kind;

/* A cubin is tried on devices of the variant's major architecture only, PTX on every later one. */
typedef struct {
  uint32_t kind;
  uint32_t min_driver;    /* CUDA driver API version, e.g. 13000; 0 for ELF */
  uint64_t offset, bytes; /* in the blob section, counted from its start */
  uint32_t blob_alignment, reserved;
} heddle_image_record;

#endif
