/* validate.c - what the records of a pack may say. After this nothing that is read through a pack can lie outside it,
 * whoever wrote it. The work is linear in the pack: the ranges of entries, variants and nodes do not overlap, and an
 * expression has at most HEDDLE_MAX_EXPR_WORDS words.
 */
#include "arguments.h"
#include "error.h"
#include "expression.h"

#include <stdlib.h>

/* Which records some range holds: what is computed per node and variant belongs to one entry. */
typedef struct {
  unsigned char *params, *variants, *buffers, *nodes, *slots, *requirements;
} usage;

static heddle_status check_range(const char *what, uint32_t first, uint32_t count, uint32_t table) {
  if ((uint64_t)first + count > table)
    return heddle_fail(HEDDLE_BAD_PACK, "%s: expected a range within %u records, got %u from %u", what, table, count,
                       first);
  return HEDDLE_OK;
}

/* A range that no other may share: marks its records. */
static heddle_status take_range(const char *what, uint32_t first, uint32_t count, uint32_t table, unsigned char *used) {
  heddle_status status = check_range(what, first, count, table);
  for (uint32_t i = 0; i < count && status == HEDDLE_OK; ++i) {
    if (used[first + i])
      status =
          heddle_fail(HEDDLE_BAD_PACK, "%s: expected ranges that do not overlap, got record %u twice", what, first + i);
    used[first + i] = 1;
  }
  return status;
}

static heddle_status check_string(const heddle_pack *pack, const char *what, uint32_t offset, int named) {
  if (offset >= pack->string_bytes)
    return heddle_fail(HEDDLE_BAD_PACK, "%s: expected a string below byte %u, got %u", what, pack->string_bytes,
                       offset);
  if (named && pack->strings[offset] == 0)
    return heddle_fail(HEDDLE_BAD_PACK, "%s: expected a name, got an empty string", what);
  return HEDDLE_OK;
}

static heddle_status check_param(const heddle_pack *pack, const heddle_param_record *param) {
  heddle_status status = check_string(pack, "parameter", param->name, 0);
  if (status != HEDDLE_OK)
    return status;
  if (param->role == HEDDLE_PARAM_SCALAR) {
    if (param->rank != 0 || (param->dtype != HEDDLE_F32 && param->dtype != HEDDLE_I32 && param->dtype != HEDDLE_I64))
      return heddle_fail(HEDDLE_BAD_PACK,
                         "parameter: expected a scalar of rank 0 and type f32, i32 or i64, got rank %u "
                         "and type %u",
                         param->rank, param->dtype);
    return HEDDLE_OK;
  }
  if (param->role != HEDDLE_PARAM_INPUT && param->role != HEDDLE_PARAM_OUTPUT)
    return heddle_fail(HEDDLE_BAD_PACK, "parameter: expected a role of 1 to 3, got %u", param->role);
  if (!heddle_dtype_bytes(param->dtype))
    return heddle_fail(HEDDLE_BAD_PACK, "parameter: expected a dtype of 1 to 8, got %u", param->dtype);
  if (param->rank < 1 || param->rank > HEDDLE_MAX_RANK)
    return heddle_fail(HEDDLE_BAD_PACK, "parameter: expected a rank of 1 to %d, got %u", HEDDLE_MAX_RANK, param->rank);
  for (uint32_t axis = 0; axis < param->rank; ++axis)
    if (param->sizes[axis] < -1)
      return heddle_fail(HEDDLE_BAD_PACK, "parameter: expected a size of at least -1, got %lld",
                         (long long)param->sizes[axis]);
  return HEDDLE_OK;
}

static heddle_status check_image(const heddle_pack *pack, const heddle_image_record *image) {
  if (image->kind < HEDDLE_IMAGE_CUBIN || image->kind > HEDDLE_IMAGE_ELF)
    return heddle_fail(HEDDLE_BAD_PACK, "image: expected a kind of 1 to 3, got %u", image->kind);
  if (image->bytes == 0 || image->offset > pack->blob_bytes || image->bytes > pack->blob_bytes - image->offset)
    return heddle_fail(HEDDLE_BAD_PACK, "image: expected bytes within %u, got %llu from %llu", pack->blob_bytes,
                       (unsigned long long)image->bytes, (unsigned long long)image->offset);
  return HEDDLE_OK;
}

static heddle_status check_tensor_map(const heddle_tensor_map_record *map) {
  if (map->rank < 2 || map->rank > HEDDLE_MAX_TENSOR_MAP_RANK)
    return heddle_fail(HEDDLE_BAD_PACK, "tensor map: expected a rank of 2 to %d, got %u",
                       (int)HEDDLE_MAX_TENSOR_MAP_RANK, map->rank);
  if (map->dtype != HEDDLE_F32 && map->dtype != HEDDLE_F16 && map->dtype != HEDDLE_BF16)
    return heddle_fail(HEDDLE_BAD_PACK, "tensor map: expected a dtype of 1 to 3, got %u", map->dtype);
  if (map->swizzle != 0 && map->swizzle != 32 && map->swizzle != 64 && map->swizzle != 128)
    return heddle_fail(HEDDLE_BAD_PACK, "tensor map: expected a swizzle of 0, 32, 64 or 128 bytes, got %u",
                       map->swizzle);
  for (uint32_t axis = 0; axis < map->rank; ++axis)
    if (map->box[axis] < 1 || map->box[axis] > 256)
      return heddle_fail(HEDDLE_BAD_PACK, "tensor map: expected a box of 1 to 256 elements in dimension %u, got %u",
                         axis, map->box[axis]);
  uint32_t row = map->box[map->rank - 1] * heddle_dtype_bytes(map->dtype);
  if (row % 16 != 0 || (map->swizzle && row > map->swizzle))
    return heddle_fail(HEDDLE_BAD_PACK, "tensor map: expected rows of 16-byte units up to its swizzle of %u, got %u",
                       map->swizzle, row);
  return HEDDLE_OK;
}

static heddle_status check_kernel(const heddle_pack *pack, const heddle_kernel_record *kernel) {
  heddle_status status = check_string(pack, "kernel", kernel->symbol, 1);
  if (status == HEDDLE_OK)
    status = check_range("kernel images", kernel->first_image, kernel->image_count, pack->image_count);
  if (status == HEDDLE_OK)
    status =
        check_range("kernel tensor maps", kernel->first_tensor_map, kernel->tensor_map_count, pack->tensor_map_count);
  if (status != HEDDLE_OK)
    return status;
  if (kernel->image_count > 64)
    return heddle_fail(HEDDLE_BAD_PACK, "kernel: expected at most 64 images, got %u", kernel->image_count);
  if (kernel->tensor_map_count > HEDDLE_MAX_TENSOR_MAPS)
    return heddle_fail(HEDDLE_BAD_PACK, "kernel: expected at most %d tensor maps, got %u", HEDDLE_MAX_TENSOR_MAPS,
                       kernel->tensor_map_count);
  uint64_t threads = 1;
  for (int i = 0; i < 3; ++i) {
    if (kernel->threads[i] < 1 || kernel->threads[i] > 1024)
      return heddle_fail(HEDDLE_BAD_PACK, "kernel: expected 1 to 1024 threads in dimension %d, got %u", i,
                         kernel->threads[i]);
    threads *= kernel->threads[i];
  }
  if (threads > 1024)
    return heddle_fail(HEDDLE_BAD_PACK, "kernel: expected at most 1024 threads, got %llu", (unsigned long long)threads);
  return HEDDLE_OK;
}

static heddle_status check_slot(const heddle_pack *pack, const heddle_entry_record *entry,
                                const heddle_variant_record *variant, const heddle_slot_record *slot,
                                uint32_t *flattened) {
  *flattened = 1;
  switch (slot->kind) {
  case HEDDLE_SLOT_PARAM_TENSOR:
  case HEDDLE_SLOT_PARAM_ADDRESS:
  case HEDDLE_SLOT_PARAM_SCALAR: {
    if (slot->a >= entry->param_count)
      return heddle_fail(HEDDLE_BAD_PACK, "slot: expected a parameter below %u, got %u", entry->param_count, slot->a);
    const heddle_param_record *param = &pack->params[entry->first_param + slot->a];
    if ((param->role == HEDDLE_PARAM_SCALAR) != (slot->kind == HEDDLE_SLOT_PARAM_SCALAR))
      return heddle_fail(HEDDLE_BAD_PACK, "slot: expected a parameter of the slot's kind, got the other for %u",
                         slot->a);
    if (slot->kind == HEDDLE_SLOT_PARAM_TENSOR)
      *flattened = heddle_tensor_slots(param->rank);
    return HEDDLE_OK;
  }
  case HEDDLE_SLOT_BUFFER:
    if (slot->a >= variant->buffer_count)
      return heddle_fail(HEDDLE_BAD_PACK, "slot: expected a buffer below %u, got %u", variant->buffer_count, slot->a);
    return HEDDLE_OK;
  case HEDDLE_SLOT_EXPR:
    if (slot->a == HEDDLE_NO_EXPR)
      return heddle_fail(HEDDLE_BAD_PACK, "slot: expected an expression, got none");
    return heddle_expression_check(pack, entry, slot->a, "slot");
  default:
    return heddle_fail(HEDDLE_BAD_PACK, "slot: expected a kind of 1 to 5, got %u", slot->kind);
  }
}

/* A node's maps lie within its slots. */
static heddle_status check_mapped_slots(const heddle_pack *pack, const heddle_variant_record *variant,
                                        const heddle_kernel_record *kernel, uint32_t slot_count) {
  if (!kernel->tensor_map_count)
    return HEDDLE_OK;
  if (variant->device != HEDDLE_DEVICE_CUDA)
    return heddle_fail(HEDDLE_BAD_PACK, "node: expected no tensor maps but on cuda, got %u", kernel->tensor_map_count);
  uint64_t words = heddle_words_count(slot_count, kernel->tensor_map_count);
  if (words > HEDDLE_MAX_MAPPED_SLOTS)
    return heddle_fail(HEDDLE_BAD_PACK, "node: expected at most %d parameter slots with tensor maps, got %llu",
                       HEDDLE_MAX_MAPPED_SLOTS, (unsigned long long)words);
  for (uint32_t i = 0; i < kernel->tensor_map_count; ++i) {
    const heddle_tensor_map_record *map = &pack->tensor_maps[kernel->first_tensor_map + i];
    if ((uint64_t)map->first_slot + heddle_tensor_slots(map->rank) > slot_count)
      return heddle_fail(HEDDLE_BAD_PACK, "tensor map: expected a memref of rank %u within %u slots, got one from %u",
                         map->rank, slot_count, map->first_slot);
  }
  return HEDDLE_OK;
}

static heddle_status check_node(heddle_pack *pack, const heddle_entry_record *entry,
                                const heddle_variant_record *variant, uint32_t index, usage *used) {
  const heddle_node_record *node = &pack->nodes[index];
  if (node->kind != HEDDLE_NODE_LAUNCH)
    return heddle_fail(HEDDLE_BAD_PACK, "node: expected kind 1, got %u", node->kind);
  if (node->kernel >= pack->kernel_count)
    return heddle_fail(HEDDLE_BAD_PACK, "node: expected a kernel below %u, got %u", pack->kernel_count, node->kernel);
  const heddle_kernel_record *kernel = &pack->kernels[node->kernel];
  for (uint32_t i = 0; i < kernel->image_count; ++i) {
    int elf = pack->images[kernel->first_image + i].kind == HEDDLE_IMAGE_ELF;
    if (elf != (variant->device == HEDDLE_DEVICE_CPU))
      return heddle_fail(HEDDLE_BAD_PACK, "node: expected images for the variant's device, got another kind");
  }
  heddle_status status = heddle_expression_check(pack, entry, node->condition, "condition");
  for (int i = 0; i < 3 && status == HEDDLE_OK; ++i)
    status = heddle_expression_check(pack, entry, node->grid[i], "grid");
  if (status == HEDDLE_OK)
    status = take_range("node slots", node->first_slot, node->slot_count, pack->slot_count, used->slots);
  if (status != HEDDLE_OK)
    return status;
  uint64_t total = 0;
  for (uint32_t i = 0; i < node->slot_count; ++i) {
    uint32_t flattened;
    status = check_slot(pack, entry, variant, &pack->slots[node->first_slot + i], &flattened);
    if (status != HEDDLE_OK)
      return status;
    if ((total += flattened) > HEDDLE_MAX_SLOTS)
      return heddle_fail(HEDDLE_BAD_PACK, "node: expected at most %d parameter slots, got more", HEDDLE_MAX_SLOTS);
  }
  pack->node_slots[index] = (uint32_t)total;
  return check_mapped_slots(pack, variant, kernel, (uint32_t)total);
}

static heddle_status check_variant(heddle_pack *pack, const heddle_entry_record *entry, uint32_t index, usage *used) {
  const heddle_variant_record *variant = &pack->variants[index];
  if (variant->device != HEDDLE_DEVICE_CPU && variant->device != HEDDLE_DEVICE_CUDA)
    return heddle_fail(HEDDLE_BAD_PACK, "variant: expected device 1 or 2, got %u", variant->device);
  heddle_status status = check_string(pack, "variant note", variant->note, 0);
  if (status == HEDDLE_OK)
    status = heddle_expression_check(pack, entry, variant->guard, "guard");
  if (status == HEDDLE_OK)
    status =
        take_range("variant buffers", variant->first_buffer, variant->buffer_count, pack->buffer_count, used->buffers);
  if (status == HEDDLE_OK)
    status = take_range("variant nodes", variant->first_node, variant->node_count, pack->node_count, used->nodes);
  if (status != HEDDLE_OK)
    return status;
  if (variant->buffer_count > HEDDLE_MAX_BUFFERS)
    return heddle_fail(HEDDLE_BAD_PACK, "variant: expected at most %d buffers, got %u", HEDDLE_MAX_BUFFERS,
                       variant->buffer_count);
  for (uint32_t i = 0; i < variant->buffer_count && status == HEDDLE_OK; ++i)
    status = heddle_expression_check(pack, entry, pack->buffers[variant->first_buffer + i].bytes, "buffer");
  if (status != HEDDLE_OK)
    return status;
  if (variant->status_buffer != HEDDLE_NO_EXPR) {
    if (variant->status_buffer >= variant->buffer_count)
      return heddle_fail(HEDDLE_BAD_PACK, "variant: expected a status buffer below %u, got %u", variant->buffer_count,
                         variant->status_buffer);
    if (!pack->buffers[variant->first_buffer + variant->status_buffer].zeroed)
      return heddle_fail(HEDDLE_BAD_PACK, "variant: expected a status buffer that is zeroed, got one that is not");
  }
  uint64_t slots = 0;
  for (uint32_t i = 0; i < variant->node_count && status == HEDDLE_OK; ++i) {
    uint32_t node = variant->first_node + i;
    status = check_node(pack, entry, variant, node, used);
    if (status != HEDDLE_OK)
      break;
    uint32_t map_count = pack->kernels[pack->nodes[node].kernel].tensor_map_count;
    slots = heddle_words_start(slots, map_count) + heddle_words_count(pack->node_slots[node], map_count);
  }
  if (status == HEDDLE_OK && slots > UINT32_MAX)
    return heddle_fail(HEDDLE_BAD_PACK, "variant: expected fewer parameter slots, got %llu", (unsigned long long)slots);
  pack->variant_slots[index] = (uint32_t)slots;
  return status;
}

static heddle_status check_requirement(const heddle_pack *pack, const heddle_entry_record *entry,
                                       const heddle_requirement_record *requirement) {
  heddle_status status = check_string(pack, "requirement", requirement->text, 1);
  const uint32_t expressions[] = {requirement->condition, requirement->left, requirement->right};
  for (int i = 0; i < 3 && status == HEDDLE_OK; ++i)
    status = heddle_expression_check(pack, entry, expressions[i], "requirement");
  return status;
}

static heddle_status check_entry(heddle_pack *pack, const heddle_entry_record *entry, usage *used) {
  heddle_status status = check_string(pack, "entry", entry->name, 1);
  if (status == HEDDLE_OK)
    status = check_string(pack, "entry spec", entry->spec, 0);
  if (status == HEDDLE_OK)
    status = take_range("entry parameters", entry->first_param, entry->param_count, pack->param_count, used->params);
  if (status == HEDDLE_OK)
    status =
        take_range("entry variants", entry->first_variant, entry->variant_count, pack->variant_count, used->variants);
  if (status == HEDDLE_OK)
    status = take_range("entry requirements", entry->first_requirement, entry->requirement_count,
                        pack->requirement_count, used->requirements);
  int outputs = 0;
  for (uint32_t i = 0; i < entry->param_count && status == HEDDLE_OK; ++i) {
    const heddle_param_record *param = &pack->params[entry->first_param + i];
    status = check_param(pack, param);
    if (status == HEDDLE_OK && outputs && param->role != HEDDLE_PARAM_OUTPUT)
      return heddle_fail(HEDDLE_BAD_PACK,
                         "entry: expected outputs after all other parameters, got parameter %u behind "
                         "one",
                         i);
    outputs |= param->role == HEDDLE_PARAM_OUTPUT;
  }
  for (uint32_t i = 0; i < entry->requirement_count && status == HEDDLE_OK; ++i)
    status = check_requirement(pack, entry, &pack->requirements[entry->first_requirement + i]);
  for (uint32_t i = 0; i < entry->variant_count && status == HEDDLE_OK; ++i)
    status = check_variant(pack, entry, entry->first_variant + i, used);
  return status;
}

static heddle_status check_entries(heddle_pack *pack) {
  /* One block, a byte for each record of the six tables. */
  unsigned char *bytes = calloc((size_t)pack->param_count + pack->variant_count + pack->buffer_count +
                                    pack->node_count + pack->slot_count + pack->requirement_count + 1,
                                1);
  if (!bytes)
    return heddle_fail(HEDDLE_SYSTEM, "expected memory to check a pack, got none");
  usage used;
  used.params = bytes;
  used.variants = used.params + pack->param_count;
  used.buffers = used.variants + pack->variant_count;
  used.nodes = used.buffers + pack->buffer_count;
  used.slots = used.nodes + pack->node_count;
  used.requirements = used.slots + pack->slot_count;
  heddle_status status = HEDDLE_OK;
  for (uint32_t i = 0; i < pack->entry_count && status == HEDDLE_OK; ++i) {
    status = check_entry(pack, &pack->entries[i], &used);
    if (status != HEDDLE_OK)
      heddle_fail_in(status, "entry %u", i);
  }
  free(bytes);
  return status;
}

heddle_status heddle_pack_validate(heddle_pack *pack) {
  /* One NUL at the end closes every string that starts inside. */
  if (pack->string_bytes && pack->strings[pack->string_bytes - 1] != 0)
    return heddle_fail(HEDDLE_BAD_PACK, "expected a string section that ends in NUL, got byte %d",
                       pack->strings[pack->string_bytes - 1]);
  heddle_status status = HEDDLE_OK;
  for (uint32_t i = 0; i < pack->image_count && status == HEDDLE_OK; ++i)
    status = check_image(pack, &pack->images[i]);
  for (uint32_t i = 0; i < pack->tensor_map_count && status == HEDDLE_OK; ++i)
    status = check_tensor_map(&pack->tensor_maps[i]);
  for (uint32_t i = 0; i < pack->kernel_count && status == HEDDLE_OK; ++i)
    status = check_kernel(pack, &pack->kernels[i]);
  return status == HEDDLE_OK ? check_entries(pack) : status;
}
