/* plan.h - the plan of an entry for one call: which variant, where its buffers lie, what it launches. Nothing here
 * touches a device; all that can fail because of the arguments fails here, before anything is written.
 */
#ifndef HEDDLE_RT_LIB_PLAN_H
#define HEDDLE_RT_LIB_PLAN_H

#include "expression.h"

/* What a variant may ask of the machine. */
typedef struct {
  uint32_t device;       /* heddle_device_kind */
  uint32_t capability;   /* CUDA */
  uint32_t driver;       /* CUDA driver API version */
  uint64_t cpu_features; /* CPU */
  uint32_t tensor_maps;  /* CUDA: whether the driver makes them */
  int64_t machine;       /* multiprocessors or threads */
} heddle_machine;

typedef struct {
  const heddle_pack *pack;
  const heddle_entry_record *entry;
  uint32_t variant;
  heddle_scope scope;
  uint64_t offsets[HEDDLE_MAX_BUFFERS + 1]; /* of each buffer; the last is the size of the workspace */
} heddle_plan;

typedef struct {
  uint32_t kernel;
  uint32_t slot_count;
  int64_t grid[3];
  int64_t blocks; /* product of grid, at least 1 */
  int64_t *slots; /* the kernel's parameters; room for its tensor maps follows, see heddle_words_count */
} heddle_launch;

/* Whether a CUDA image can run there: a cubin on its own major architecture, PTX on any later one. */
int heddle_image_fits(const heddle_variant_record *variant, const heddle_image_record *image,
                      const heddle_machine *machine);

/* Choose the variant and lay out its buffers. `args` are checked and outlive the plan. */
heddle_status heddle_plan_make(const heddle_pack *pack, const heddle_entry_record *entry, const heddle_machine *machine,
                               const heddle_arg *args, heddle_plan *plan);

static inline const heddle_variant_record *heddle_plan_variant(const heddle_plan *plan) {
  return &plan->pack->variants[plan->variant];
}

static inline uint64_t heddle_plan_workspace(const heddle_plan *plan) {
  return plan->offsets[heddle_plan_variant(plan)->buffer_count];
}

/* Evaluate the nodes. `launches` has room for every node of the variant, `slots` for variant_slots; aligned to 64 bytes
 * where tensor maps are to be made. */
heddle_status heddle_plan_launches(const heddle_plan *plan, uint64_t workspace, heddle_launch *launches, int64_t *slots,
                                   uint32_t *count);

/* The kernels of those launches as text: "0:one,0:two". `capacity` counts the NUL. */
heddle_status heddle_plan_needed(const heddle_plan *plan, char *text, size_t capacity);
/* HEDDLE_ABSENT if the pack was made without the kernel of one of them. */
heddle_status heddle_plan_present(const heddle_plan *plan);

#endif
