/* run.c - the calls that need a device: plan first, then load what is missing, then run. Whatever can be wrong with the
 * arguments is found by the plan, so an error leaves every output as it was.
 */
#include "arguments.h"
#include "cpu_image.h"
#include "cuda.h"
#include "error.h"
#include "pool.h"

#include <stdlib.h>
#include <string.h>

/* One call: the pack's entry on a device. */
typedef struct {
  heddle_pack *pack;
  heddle_device device;
  const heddle_cuda_device_state *cuda; /* NULL on the CPU */
  heddle_plan plan;
} run_call;

static _Atomic int check_setting = -1;

void heddle_set_check(int check) {
  atomic_store_explicit(&check_setting, check < 0 ? -1 : check != 0, memory_order_relaxed);
}

static int checked(void) {
  int setting = atomic_load_explicit(&check_setting, memory_order_relaxed);
  if (setting < 0) {
    const char *text = getenv("HEDDLE_CHECK");
    setting = text && *text && strcmp(text, "0") != 0;
    atomic_store_explicit(&check_setting, setting, memory_order_relaxed);
  }
  return setting;
}

static heddle_status find_machine(run_call *call, heddle_machine *machine) {
  memset(machine, 0, sizeof *machine);
  machine->device = call->device.kind;
  call->cuda = NULL;
  if (call->device.kind == HEDDLE_DEVICE_CPU) {
    machine->cpu_features = heddle_cpu_features();
    machine->machine = heddle_num_threads();
    return HEDDLE_OK;
  }
  if (call->device.kind != HEDDLE_DEVICE_CUDA)
    return heddle_fail(HEDDLE_BAD_ARGUMENT, "expected device kind 1 (cpu) or 2 (cuda), got %u", call->device.kind);
  heddle_status status;
  call->cuda = heddle_cuda_device_open(call->device.index, &status);
  if (!call->cuda)
    return status;
  machine->capability = call->cuda->capability;
  machine->driver = heddle_cuda_driver_version();
  machine->tensor_maps = heddle_cuda_driver()->tensor_map_encode != NULL;
  machine->machine = call->cuda->multiprocessors;
  return HEDDLE_OK;
}

static heddle_status begin(run_call *call, heddle_pack *pack, uint32_t entry, heddle_device device,
                           const heddle_arg *args, uint32_t count) {
  if (!pack)
    return heddle_fail(HEDDLE_BAD_ARGUMENT, "expected a pack, got null");
  if (entry >= pack->entry_count)
    return heddle_fail(HEDDLE_NOT_FOUND, "expected an entry below %u, got %u", pack->entry_count, entry);
  call->pack = pack;
  call->device = device;
  heddle_machine machine;
  heddle_status status = heddle_arguments_check(pack, &pack->entries[entry], args, count);
  if (status == HEDDLE_OK)
    status = find_machine(call, &machine);
  if (status == HEDDLE_OK)
    status = heddle_plan_make(pack, &pack->entries[entry], &machine, args, &call->plan);
  return status;
}

heddle_status heddle_workspace_bytes(heddle_pack *pack, uint32_t entry, heddle_device device, const heddle_arg *args,
                                     uint32_t count, size_t *bytes) {
  if (!bytes)
    return heddle_fail(HEDDLE_BAD_ARGUMENT, "expected a place for the size, got null");
  run_call call;
  heddle_status status = begin(&call, pack, entry, device, args, count);
  if (status == HEDDLE_OK)
    *bytes = heddle_plan_workspace(&call.plan);
  return status;
}

heddle_status heddle_explain(heddle_pack *pack, uint32_t entry, heddle_device device, const heddle_arg *args,
                             uint32_t count, const char **text) {
  if (!text)
    return heddle_fail(HEDDLE_BAD_ARGUMENT, "expected a place for the text, got null");
  run_call call;
  heddle_status status = begin(&call, pack, entry, device, args, count);
  if (status == HEDDLE_OK)
    *text = heddle_pack_string(pack, heddle_plan_variant(&call.plan)->note);
  return status;
}

heddle_status heddle_needed(heddle_pack *pack, uint32_t entry, heddle_device device, const heddle_arg *args,
                            uint32_t count, const char **text) {
  static _Thread_local char needed[4096];
  if (!text)
    return heddle_fail(HEDDLE_BAD_ARGUMENT, "expected a place for the text, got null");
  run_call call;
  heddle_status status = begin(&call, pack, entry, device, args, count);
  if (status == HEDDLE_OK)
    status = heddle_plan_needed(&call.plan, needed, sizeof needed);
  if (status == HEDDLE_OK)
    *text = needed;
  return status;
}

/* Those that the pack has. On CUDA: in the device's context. */
static heddle_status load_kernels(run_call *call) {
  const heddle_variant_record *variant = heddle_plan_variant(&call->plan);
  if (call->cuda)
    return heddle_cuda_kernels_load(call->pack, call->device.index, call->cuda, variant);
  heddle_status status = heddle_cpu_kernels_load(call->pack, variant);
  return status == HEDDLE_OK ? heddle_pool_prepare() : status;
}

heddle_status heddle_prepare(heddle_pack *pack, uint32_t entry, heddle_device device, const heddle_arg *args,
                             uint32_t count) {
  run_call call;
  int pushed = 0;
  heddle_status status = begin(&call, pack, entry, device, args, count);
  if (status == HEDDLE_OK)
    status = heddle_plan_present(&call.plan);
  if (status == HEDDLE_OK && call.cuda)
    status = heddle_cuda_enter(call.cuda, &pushed);
  if (status != HEDDLE_OK)
    return status;
  status = load_kernels(&call);
  heddle_cuda_leave(pushed);
  return status;
}

static heddle_status check_workspace(const run_call *call, const void *workspace, size_t bytes) {
  uint64_t needed = heddle_plan_workspace(&call->plan);
  if (!needed)
    return HEDDLE_OK;
  const char *name = heddle_pack_string(call->pack, call->plan.entry->name);
  if (!workspace || bytes < needed)
    return heddle_fail(HEDDLE_WORKSPACE, "%s: expected a workspace of at least %llu bytes, got %zu%s", name,
                       (unsigned long long)needed, bytes, workspace ? "" : " at null");
  if ((uintptr_t)workspace % 256 != 0)
    return heddle_fail(HEDDLE_WORKSPACE, "%s: expected a workspace aligned to 256 bytes, got %p", name, workspace);
  return HEDDLE_OK;
}

static heddle_status zero(const run_call *call, uint64_t address, uint64_t bytes, void *stream) {
  if (call->cuda)
    return heddle_cuda_zero(address, bytes, stream);
  memset((void *)(uintptr_t)address, 0, bytes);
  return HEDDLE_OK;
}

/* Neighbouring buffers are zeroed together. */
static heddle_status zero_buffers(const run_call *call, uint64_t workspace, void *stream) {
  const heddle_variant_record *variant = heddle_plan_variant(&call->plan);
  const heddle_buffer_record *buffers = &call->pack->buffers[variant->first_buffer];
  const uint64_t *offsets = call->plan.offsets;
  heddle_status status = HEDDLE_OK;
  for (uint32_t i = 0; i < variant->buffer_count && status == HEDDLE_OK; ++i) {
    if (!buffers[i].zeroed)
      continue;
    uint64_t first = offsets[i];
    while (i + 1 < variant->buffer_count && buffers[i + 1].zeroed)
      ++i;
    if (offsets[i + 1] > first)
      status = zero(call, workspace + first, offsets[i + 1] - first, stream);
  }
  return status;
}

/* 0 without a status buffer. On CUDA: in the device's context. */
static heddle_status read_status(const run_call *call, uint64_t workspace, void *stream, uint32_t *word) {
  uint32_t buffer = heddle_plan_variant(&call->plan)->status_buffer;
  *word = 0;
  if (buffer == HEDDLE_NO_EXPR)
    return HEDDLE_OK;
  uint64_t address = workspace + call->plan.offsets[buffer];
  if (call->cuda)
    return heddle_cuda_read(word, address, sizeof *word, stream);
  memcpy(word, (const void *)(uintptr_t)address, sizeof *word);
  return HEDDLE_OK;
}

static heddle_status check_values(const run_call *call, uint64_t workspace, void *stream) {
  uint32_t word;
  if (call->cuda && heddle_cuda_capturing(stream))
    return HEDDLE_OK;
  heddle_status status = read_status(call, workspace, stream, &word);
  if (status == HEDDLE_OK && call->cuda && heddle_plan_variant(&call->plan)->status_buffer == HEDDLE_NO_EXPR)
    status = heddle_cuda_read(NULL, 0, 0, stream); /* no word, but faults of the kernels show here */
  if (status == HEDDLE_OK && word)
    return heddle_fail(HEDDLE_VALUE,
                       "%s: expected values within their arrays, got status word %u: a kernel clamped one "
                       "(a length or an offset)",
                       heddle_pack_string(call->pack, call->plan.entry->name), word);
  return status;
}

/* On CUDA: in the device's context. */
static heddle_status launch_all(run_call *call, const heddle_launch *launches, uint32_t count, uint64_t workspace,
                                void *stream) {
  heddle_status status = load_kernels(call);
  if (status == HEDDLE_OK && call->cuda)
    status = heddle_cuda_tensor_maps(call->pack, launches, count);
  if (status == HEDDLE_OK)
    status = zero_buffers(call, workspace, stream);
  for (uint32_t i = 0; i < count && status == HEDDLE_OK; ++i) {
    if (call->cuda)
      status = heddle_cuda_launch(call->pack, call->device.index, &launches[i], stream);
    else
      heddle_pool_run(&launches[i], heddle_cpu_kernel_of(call->pack, launches[i].kernel));
  }
  if (status == HEDDLE_OK && checked())
    status = check_values(call, workspace, stream);
  return status;
}

static heddle_status plan_and_launch(run_call *call, heddle_launch *launches, int64_t *slots, uint64_t workspace,
                                     void *stream) {
  uint32_t count = 0;
  int pushed = 0;
  heddle_status status = heddle_plan_launches(&call->plan, workspace, launches, slots, &count);
  if (status == HEDDLE_OK && call->cuda)
    status = heddle_cuda_enter(call->cuda, &pushed);
  if (status != HEDDLE_OK)
    return status;
  status = launch_all(call, launches, count, workspace, stream);
  heddle_cuda_leave(pushed);
  return status;
}

/* What was planned, in a workspace that is checked. */
static heddle_status run_planned(run_call *call, void *workspace, void *stream) {
  /* Common plans fit on the stack; a rare long one costs an allocation. */
  enum { FEW_LAUNCHES = 16, FEW_SLOTS = 512, MAP_ALIGNMENT = 64 };
  heddle_launch few_launches[FEW_LAUNCHES];
  _Alignas(MAP_ALIGNMENT) int64_t few_slots[FEW_SLOTS];
  uint32_t node_count = heddle_plan_variant(&call->plan)->node_count;
  uint32_t slot_count = call->pack->variant_slots[call->plan.variant];
  if (node_count <= FEW_LAUNCHES && slot_count <= FEW_SLOTS)
    return plan_and_launch(call, few_launches, few_slots, (uint64_t)(uintptr_t)workspace, stream);
  heddle_launch *launches = malloc(node_count * sizeof *launches);
  size_t slot_bytes = (slot_count * sizeof(int64_t) / MAP_ALIGNMENT + 1) * MAP_ALIGNMENT;
  int64_t *slots = aligned_alloc(MAP_ALIGNMENT, slot_bytes);
  heddle_status status;
  if (launches && slots)
    status = plan_and_launch(call, launches, slots, (uint64_t)(uintptr_t)workspace, stream);
  else
    status = heddle_fail(HEDDLE_SYSTEM, "expected memory for %u launches, got none", node_count);
  free(launches);
  free(slots);
  return status;
}

heddle_status heddle_run(heddle_pack *pack, uint32_t entry, heddle_device device, const heddle_arg *args,
                         uint32_t count, void *workspace, size_t workspace_bytes, void *stream) {
  run_call call;
  heddle_status status = begin(&call, pack, entry, device, args, count);
  if (status == HEDDLE_OK)
    status = heddle_plan_present(&call.plan);
  if (status == HEDDLE_OK)
    status = check_workspace(&call, workspace, workspace_bytes);
  return status == HEDDLE_OK ? run_planned(&call, workspace, stream) : status;
}

heddle_status heddle_run_allocating(heddle_pack *pack, uint32_t entry, heddle_device device, const heddle_arg *args,
                                    uint32_t count, heddle_allocate allocate, void *user, void *stream) {
  if (!allocate)
    return heddle_fail(HEDDLE_BAD_ARGUMENT, "expected a function that allocates, got null");
  run_call call;
  heddle_status status = begin(&call, pack, entry, device, args, count);
  if (status == HEDDLE_OK)
    status = heddle_plan_present(&call.plan);
  if (status != HEDDLE_OK)
    return status;
  size_t bytes = heddle_plan_workspace(&call.plan);
  void *workspace = bytes ? allocate(user, bytes) : NULL;
  status = check_workspace(&call, workspace, bytes);
  return status == HEDDLE_OK ? run_planned(&call, workspace, stream) : status;
}

heddle_status heddle_status_word(heddle_pack *pack, uint32_t entry, heddle_device device, const heddle_arg *args,
                                 uint32_t count, const void *workspace, void *stream, uint32_t *word) {
  if (!word)
    return heddle_fail(HEDDLE_BAD_ARGUMENT, "expected a place for the status word, got null");
  run_call call;
  int pushed = 0;
  heddle_status status = begin(&call, pack, entry, device, args, count);
  if (status == HEDDLE_OK)
    status = check_workspace(&call, workspace, SIZE_MAX);
  if (status == HEDDLE_OK && call.cuda)
    status = heddle_cuda_enter(call.cuda, &pushed);
  if (status != HEDDLE_OK)
    return status;
  status = read_status(&call, (uint64_t)(uintptr_t)workspace, stream, word);
  heddle_cuda_leave(pushed);
  return status;
}
