/* plan.c - variant, buffers, slots and grids from the arguments of one call. */
#include "plan.h"

#include "arguments.h"
#include "error.h"

#include <stdio.h>
#include <string.h>

enum { BUFFER_ALIGNMENT = 256 };

int heddle_image_fits(const heddle_variant_record *variant, const heddle_image_record *image,
                      const heddle_machine *machine) {
  if (image->min_driver > machine->driver)
    return 0;
  return image->kind != HEDDLE_IMAGE_CUBIN || machine->capability / 10 == variant->arch / 10;
}

/* Device, architecture and features: all but the guard. */
static int machine_fits(const heddle_pack *pack, const heddle_variant_record *variant, const heddle_machine *machine) {
  if (variant->device != machine->device)
    return 0;
  if (machine->device == HEDDLE_DEVICE_CPU)
    return (variant->cpu_features & ~machine->cpu_features) == 0;
  if (variant->arch_exact ? machine->capability != variant->arch : machine->capability < variant->arch)
    return 0;
  for (uint32_t i = 0; i < variant->node_count; ++i) {
    const heddle_kernel_record *kernel = &pack->kernels[pack->nodes[variant->first_node + i].kernel];
    int fits = 0;
    if (kernel->tensor_map_count && !machine->tensor_maps)
      return 0;
    for (uint32_t j = 0; j < kernel->image_count && !fits; ++j)
      fits = heddle_image_fits(variant, &pack->images[kernel->first_image + j], machine);
    if (!fits && kernel->image_count)
      return 0;
  }
  return 1;
}

static int has_tensor_maps(const heddle_pack *pack, const heddle_variant_record *variant) {
  for (uint32_t i = 0; i < variant->node_count; ++i)
    if (pack->kernels[pack->nodes[variant->first_node + i].kernel].tensor_map_count)
      return 1;
  return 0;
}

/* "expected a variant for <this machine>, got <what the pack holds>" */
static heddle_status no_variant(const heddle_pack *pack, const heddle_entry_record *entry,
                                const heddle_machine *machine, uint32_t guarded) {
  const char *name = heddle_pack_string(pack, entry->name);
  if (guarded)
    return heddle_fail(HEDDLE_UNSUPPORTED,
                       "%s: expected arguments that one of %u variants for this device takes, got "
                       "none whose guard holds",
                       name, guarded);
  char held[512] = "none";
  size_t used = 0;
  for (uint32_t i = 0; i < entry->variant_count && used < sizeof held; ++i) {
    const heddle_variant_record *variant = &pack->variants[entry->first_variant + i];
    const char *comma = i ? ", " : "";
    if (variant->device == HEDDLE_DEVICE_CPU)
      used += (size_t)snprintf(held + used, sizeof held - used, "%scpu with features 0x%llx", comma,
                               (unsigned long long)variant->cpu_features);
    else
      used += (size_t)snprintf(held + used, sizeof held - used, "%scuda %s %u.%u%s", comma,
                               variant->arch_exact ? "exactly" : "from", variant->arch / 10, variant->arch % 10,
                               has_tensor_maps(pack, variant) ? " with tensor maps" : "");
  }
  if (machine->device == HEDDLE_DEVICE_CPU)
    return heddle_fail(HEDDLE_UNSUPPORTED, "%s: expected a variant for a cpu with features 0x%llx, got: %s", name,
                       (unsigned long long)machine->cpu_features, held);
  return heddle_fail(HEDDLE_UNSUPPORTED, "%s: expected a variant for cuda capability %u.%u and driver %u%s, got: %s",
                     name, machine->capability / 10, machine->capability % 10, machine->driver,
                     machine->tensor_maps ? "" : " without tensor maps", held);
}

static heddle_status choose(heddle_plan *plan, const heddle_machine *machine) {
  uint32_t guarded = 0;
  for (uint32_t i = 0; i < plan->entry->variant_count; ++i) {
    const heddle_variant_record *variant = &plan->pack->variants[plan->entry->first_variant + i];
    if (!machine_fits(plan->pack, variant, machine))
      continue;
    int64_t applies;
    heddle_status status = heddle_evaluate_or(&plan->scope, variant->guard, 1, &applies);
    if (status != HEDDLE_OK)
      return heddle_fail_in(status, "%s: guard of variant %u", heddle_pack_string(plan->pack, plan->entry->name), i);
    if (applies) {
      plan->variant = plan->entry->first_variant + i;
      return HEDDLE_OK;
    }
    ++guarded;
  }
  return no_variant(plan->pack, plan->entry, machine, guarded);
}

static heddle_status check_sizes(const heddle_plan *plan) {
  const char *name = heddle_pack_string(plan->pack, plan->entry->name);
  for (uint32_t i = 0; i < plan->entry->requirement_count; ++i) {
    const heddle_requirement_record *required = &plan->pack->requirements[plan->entry->first_requirement + i];
    int64_t holds, left = 0, right = 0;
    heddle_status status = heddle_evaluate_or(&plan->scope, required->condition, 1, &holds);
    if (status == HEDDLE_OK && holds)
      continue;
    if (status == HEDDLE_OK)
      status = heddle_evaluate_or(&plan->scope, required->left, 0, &left);
    if (status == HEDDLE_OK)
      status = heddle_evaluate_or(&plan->scope, required->right, 0, &right);
    const char *text = heddle_pack_string(plan->pack, required->text);
    if (status != HEDDLE_OK)
      return heddle_fail_in(status, "%s: %s", name, text);
    return heddle_fail(HEDDLE_BAD_ARGUMENT, "%s: expected %s, got %lld and %lld", name, text, (long long)left,
                       (long long)right);
  }
  return HEDDLE_OK;
}

static heddle_status lay_out(heddle_plan *plan) {
  const heddle_variant_record *variant = heddle_plan_variant(plan);
  const char *name = heddle_pack_string(plan->pack, plan->entry->name);
  uint64_t offset = 0;
  for (uint32_t i = 0; i < variant->buffer_count; ++i) {
    int64_t bytes;
    heddle_status status =
        heddle_evaluate_or(&plan->scope, plan->pack->buffers[variant->first_buffer + i].bytes, 0, &bytes);
    if (status != HEDDLE_OK)
      return heddle_fail_in(status, "%s: size of buffer %u", name, i);
    if (bytes < 0 || bytes > INT64_MAX / 2 || offset > INT64_MAX / 2 - (uint64_t)bytes)
      return heddle_fail(HEDDLE_BAD_ARGUMENT, "%s: expected a workspace within 62 bits, got %lld bytes for buffer %u",
                         name, (long long)bytes, i);
    if (i == variant->status_buffer && bytes < 4)
      return heddle_fail(HEDDLE_BAD_PACK, "%s: expected a status buffer of at least 4 bytes, got %lld", name,
                         (long long)bytes);
    plan->offsets[i] = offset;
    offset += ((uint64_t)bytes + BUFFER_ALIGNMENT - 1) / BUFFER_ALIGNMENT * BUFFER_ALIGNMENT;
  }
  plan->offsets[variant->buffer_count] = offset;
  return HEDDLE_OK;
}

heddle_status heddle_plan_make(const heddle_pack *pack, const heddle_entry_record *entry, const heddle_machine *machine,
                               const heddle_arg *args, heddle_plan *plan) {
  plan->pack = pack;
  plan->entry = entry;
  plan->scope.code = pack->code;
  plan->scope.params = &pack->params[entry->first_param];
  plan->scope.args = args;
  plan->scope.machine = machine->machine;
  heddle_status status = check_sizes(plan);
  if (status == HEDDLE_OK)
    status = choose(plan, machine);
  return status == HEDDLE_OK ? lay_out(plan) : status;
}

static int64_t scalar_slot(const heddle_param_record *param, const heddle_arg *arg) {
  if (param->dtype != HEDDLE_F32)
    return arg->i64;
  float value = (float)arg->f64;
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return (int64_t)(uint64_t)bits;
}

static int64_t *tensor_slots(const heddle_arg *arg, int64_t *slots) {
  uint32_t rank = arg->rank;
  slots[0] = (int64_t)(uintptr_t)arg->data;
  memcpy(slots + 1, arg->sizes, rank * sizeof *slots);
  int64_t contiguous = 1;
  for (uint32_t axis = rank; axis-- > 0;) {
    slots[1 + rank + axis] = arg->strides ? arg->strides[axis] : contiguous;
    contiguous = (int64_t)((uint64_t)contiguous * (uint64_t)arg->sizes[axis]);
  }
  slots[2 * rank] = 1;
  return slots + heddle_tensor_slots(rank);
}

static heddle_status fill_slots(const heddle_plan *plan, const heddle_node_record *node, uint64_t workspace,
                                int64_t *slots) {
  const heddle_slot_record *records = &plan->pack->slots[node->first_slot];
  for (uint32_t i = 0; i < node->slot_count; ++i) {
    uint32_t a = records[i].a;
    switch (records[i].kind) {
    case HEDDLE_SLOT_PARAM_TENSOR:
      slots = tensor_slots(&plan->scope.args[a], slots);
      break;
    case HEDDLE_SLOT_PARAM_SCALAR:
      *slots++ = scalar_slot(&plan->scope.params[a], &plan->scope.args[a]);
      break;
    case HEDDLE_SLOT_PARAM_ADDRESS:
      *slots++ = (int64_t)(uintptr_t)plan->scope.args[a].data;
      break;
    case HEDDLE_SLOT_BUFFER:
      *slots++ = (int64_t)(workspace + plan->offsets[a]);
      break;
    default: { /* HEDDLE_SLOT_EXPR */
      heddle_status status = heddle_evaluate(&plan->scope, a, slots++);
      if (status != HEDDLE_OK)
        return heddle_fail_in(status, "parameter %u", i);
    }
    }
  }
  return HEDDLE_OK;
}

/* Returns with blocks == 0 when the grid is empty. */
static heddle_status find_grid(const heddle_plan *plan, const heddle_node_record *node, heddle_launch *launch) {
  static const int64_t cuda_limits[3] = {0x7fffffff, 65535, 65535};
  int cuda = heddle_plan_variant(plan)->device == HEDDLE_DEVICE_CUDA;
  launch->blocks = 1;
  for (int i = 0; i < 3; ++i) {
    heddle_status status = heddle_evaluate_or(&plan->scope, node->grid[i], 1, &launch->grid[i]);
    if (status != HEDDLE_OK)
      return heddle_fail_in(status, "grid dimension %d", i);
    int64_t limit = cuda ? cuda_limits[i] : INT64_MAX;
    if (launch->grid[i] < 0 || launch->grid[i] > limit)
      return heddle_fail(HEDDLE_BAD_ARGUMENT, "expected 0 to %lld blocks in grid dimension %d, got %lld",
                         (long long)limit, i, (long long)launch->grid[i]);
  }
  if (!launch->grid[0] || !launch->grid[1] || !launch->grid[2]) {
    launch->blocks = 0;
    return HEDDLE_OK;
  }
  if (__builtin_mul_overflow(launch->grid[0], launch->grid[1], &launch->blocks) ||
      __builtin_mul_overflow(launch->blocks, launch->grid[2], &launch->blocks) || launch->blocks > INT64_MAX / 2)
    return heddle_fail(HEDDLE_BAD_ARGUMENT, "expected fewer than 2^62 blocks, got a grid of %lld x %lld x %lld",
                       (long long)launch->grid[0], (long long)launch->grid[1], (long long)launch->grid[2]);
  return HEDDLE_OK;
}

/* Condition and grid of a node. Returns with blocks == 0 when nothing is to be launched. */
static heddle_status find_launch(const heddle_plan *plan, const heddle_node_record *node, heddle_launch *launch) {
  int64_t wanted;
  heddle_status status = heddle_evaluate_or(&plan->scope, node->condition, 1, &wanted);
  launch->kernel = node->kernel;
  launch->blocks = 0;
  return status == HEDDLE_OK && wanted ? find_grid(plan, node, launch) : status;
}

static const char *kernel_name(const heddle_plan *plan, uint32_t kernel) {
  return heddle_pack_string(plan->pack, plan->pack->kernels[kernel].symbol);
}

static heddle_status fail_in_node(const heddle_plan *plan, const heddle_node_record *node, heddle_status status) {
  return heddle_fail_in(status, "%s: kernel %s", heddle_pack_string(plan->pack, plan->entry->name),
                        kernel_name(plan, node->kernel));
}

heddle_status heddle_plan_launches(const heddle_plan *plan, uint64_t workspace, heddle_launch *launches, int64_t *slots,
                                   uint32_t *count) {
  const heddle_variant_record *variant = heddle_plan_variant(plan);
  uint64_t end = 0; /* of the parameters so far */
  *count = 0;
  for (uint32_t i = 0; i < variant->node_count; ++i) {
    const heddle_node_record *node = &plan->pack->nodes[variant->first_node + i];
    heddle_launch *launch = &launches[*count];
    uint32_t map_count = plan->pack->kernels[node->kernel].tensor_map_count;
    uint64_t start = heddle_words_start(end, map_count);
    heddle_status status = find_launch(plan, node, launch);
    if (status == HEDDLE_OK && !launch->blocks)
      continue;
    if (status == HEDDLE_OK)
      status = fill_slots(plan, node, workspace, slots + start);
    if (status != HEDDLE_OK)
      return fail_in_node(plan, node, status);
    launch->slots = slots + start;
    launch->slot_count = plan->pack->node_slots[variant->first_node + i];
    end = start + heddle_words_count(launch->slot_count, map_count);
    ++*count;
  }
  return HEDDLE_OK;
}

heddle_status heddle_plan_needed(const heddle_plan *plan, char *text, size_t capacity) {
  const heddle_variant_record *variant = heddle_plan_variant(plan);
  size_t used = 0;
  text[0] = 0;
  for (uint32_t i = 0; i < variant->node_count; ++i) {
    const heddle_node_record *node = &plan->pack->nodes[variant->first_node + i];
    heddle_launch launch;
    heddle_status status = find_launch(plan, node, &launch);
    if (status != HEDDLE_OK)
      return fail_in_node(plan, node, status);
    if (!launch.blocks)
      continue;
    used += (size_t)snprintf(text + used, capacity - used, "%s%u:%s", used ? "," : "",
                             plan->variant - plan->entry->first_variant, kernel_name(plan, node->kernel));
    if (used >= capacity)
      return heddle_fail(HEDDLE_SYSTEM, "%s: expected names of kernels within %zu bytes, got more",
                         heddle_pack_string(plan->pack, plan->entry->name), capacity);
  }
  return HEDDLE_OK;
}

heddle_status heddle_plan_present(const heddle_plan *plan) {
  const heddle_variant_record *variant = heddle_plan_variant(plan);
  for (uint32_t i = 0; i < variant->node_count; ++i) {
    const heddle_node_record *node = &plan->pack->nodes[variant->first_node + i];
    if (!heddle_kernel_absent(plan->pack, node->kernel))
      continue;
    heddle_launch launch;
    heddle_status status = find_launch(plan, node, &launch);
    if (status != HEDDLE_OK)
      return fail_in_node(plan, node, status);
    if (launch.blocks)
      return heddle_fail(HEDDLE_ABSENT,
                         "%s: expected kernel %s of variant %u in the pack, got one that was made without it "
                         "(heddle-compile --only)",
                         heddle_pack_string(plan->pack, plan->entry->name), kernel_name(plan, node->kernel),
                         plan->variant - plan->entry->first_variant);
  }
  return HEDDLE_OK;
}
