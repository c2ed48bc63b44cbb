/* pack.c - from bytes to a heddle_pack: header, checksum and tables. What the records say is checked in validate.c. */
#include "pack.h"
#include "cpu_image.h"
#include "cuda.h"
#include "error.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "packs are little-endian and read in place"
#endif

/* The sizes of version 1, and of what versions 2 and 6 added. Records grow at the end, so these never change: a smaller
 * record is no pack of ours. */
enum {
  HEADER_BYTES_V1 = 40 + 16 * 11,
  HEADER_BYTES_V2 = 40 + 16 * 12,
  HEADER_BYTES_V6 = 40 + 16 * 13,
  ENTRY_BYTES_V1 = 24,
  PARAM_BYTES_V1 = 80,
  VARIANT_BYTES_V1 = 56,
  BUFFER_BYTES_V1 = 8,
  NODE_BYTES_V1 = 32,
  SLOT_BYTES_V1 = 16,
  KERNEL_BYTES_V1 = 32,
  IMAGE_BYTES_V1 = 32,
  TENSOR_MAP_BYTES_V2 = 40,
  REQUIREMENT_BYTES_V6 = 16
};
_Static_assert(sizeof(heddle_pack_header) == HEADER_BYTES_V6, "the header of a version is frozen");
_Static_assert(sizeof(heddle_entry_record) >= ENTRY_BYTES_V1, "records only grow");
_Static_assert(sizeof(heddle_param_record) >= PARAM_BYTES_V1, "records only grow");
_Static_assert(sizeof(heddle_variant_record) >= VARIANT_BYTES_V1, "records only grow");
_Static_assert(sizeof(heddle_buffer_record) >= BUFFER_BYTES_V1, "records only grow");
_Static_assert(sizeof(heddle_node_record) >= NODE_BYTES_V1, "records only grow");
_Static_assert(sizeof(heddle_slot_record) >= SLOT_BYTES_V1, "records only grow");
_Static_assert(sizeof(heddle_kernel_record) >= KERNEL_BYTES_V1, "records only grow");
_Static_assert(sizeof(heddle_image_record) >= IMAGE_BYTES_V1, "records only grow");
_Static_assert(sizeof(heddle_tensor_map_record) >= TENSOR_MAP_BYTES_V2, "records only grow");
_Static_assert(sizeof(heddle_requirement_record) >= REQUIREMENT_BYTES_V6, "records only grow");

static uint64_t checksum(const unsigned char *bytes, uint64_t size) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (uint64_t i = 0; i < size; ++i)
    hash = (hash ^ bytes[i]) * 0x100000001b3u;
  return hash;
}

static heddle_status check_header(const unsigned char *bytes, uint64_t size, heddle_pack_header *header) {
  if (size < HEADER_BYTES_V1)
    return heddle_fail(HEDDLE_BAD_PACK, "expected a pack of at least %d bytes, got %llu", (int)HEADER_BYTES_V1,
                       (unsigned long long)size);
  memset(header, 0, sizeof *header);
  memcpy(header, bytes, HEADER_BYTES_V1);
  if (memcmp(header->magic, HEDDLE_PACK_MAGIC, sizeof header->magic) != 0)
    return heddle_fail(HEDDLE_BAD_PACK, "expected a pack that starts with " HEDDLE_PACK_MAGIC ", got other bytes");
  if (header->version == 0 || header->version > HEDDLE_PACK_VERSION)
    return heddle_fail(HEDDLE_BAD_PACK, "expected a pack of version 1 to %u, got version %u: it needs a newer runtime",
                       HEDDLE_PACK_VERSION, header->version);
  /* The checksum does not cover this field; the version fixes it. */
  uint32_t expected = header->version == 1 ? HEADER_BYTES_V1 : header->version < 6 ? HEADER_BYTES_V2 : HEADER_BYTES_V6;
  if (header->header_bytes != expected)
    return heddle_fail(HEDDLE_BAD_PACK, "expected a pack header of %u bytes, got %u", expected, header->header_bytes);
  if (header->total_bytes != size)
    return heddle_fail(HEDDLE_BAD_PACK, "expected a pack of %llu bytes, got %llu: it is truncated or damaged",
                       (unsigned long long)header->total_bytes, (unsigned long long)size);
  if (size < expected)
    return heddle_fail(HEDDLE_BAD_PACK, "expected a pack of at least %u bytes, got %llu", expected,
                       (unsigned long long)size);
  size_t covered = offsetof(heddle_pack_header, checksum) + sizeof header->checksum;
  uint64_t found = checksum(bytes + covered, size - covered);
  if (found != header->checksum)
    return heddle_fail(HEDDLE_BAD_PACK, "expected checksum %016llx, got %016llx: the pack is damaged",
                       (unsigned long long)header->checksum, (unsigned long long)found);
  memcpy(header, bytes, expected);
  /* None, but of a good size. */
  if (header->version == 1)
    header->tables[HEDDLE_TABLE_TENSOR_MAPS].record_bytes = TENSOR_MAP_BYTES_V2;
  if (header->version < 6)
    header->tables[HEDDLE_TABLE_REQUIREMENTS].record_bytes = REQUIREMENT_BYTES_V6;
  return HEDDLE_OK;
}

/* least: bytes of a version 1 record; exact: records cannot grow (raw sections). */
static heddle_status check_table(const heddle_table *table, const char *name, uint64_t size, uint32_t least,
                                 int exact) {
  if (table->record_bytes < least || (exact && table->record_bytes != least))
    return heddle_fail(HEDDLE_BAD_PACK, "table '%s': expected records of %s%u bytes, got %u", name,
                       exact ? "" : "at least ", least, table->record_bytes);
  uint64_t bytes = (uint64_t)table->count * table->record_bytes; /* cannot overflow: two 32-bit factors */
  if (table->offset > size || bytes > size - table->offset)
    return heddle_fail(HEDDLE_BAD_PACK, "table '%s': expected to end within %llu bytes, got offset %llu and %llu bytes",
                       name, (unsigned long long)size, (unsigned long long)table->offset, (unsigned long long)bytes);
  return HEDDLE_OK;
}

/* Copy a table into an array of this runtime's records. */
static void *copy_table(const unsigned char *bytes, const heddle_table *table, size_t record_bytes) {
  unsigned char *records = calloc(table->count ? table->count : 1, record_bytes);
  if (!records)
    return NULL;
  size_t shared = table->record_bytes < record_bytes ? table->record_bytes : record_bytes;
  for (uint32_t i = 0; i < table->count; ++i)
    memcpy(records + i * record_bytes, bytes + table->offset + (uint64_t)i * table->record_bytes, shared);
  return records;
}

/* table index, field stem, element type, bytes of the first version's record, whether records may not grow */
#define HEDDLE_COPIED_TABLES(TABLE)                                                                                    \
  TABLE(HEDDLE_TABLE_CODE, code, code, uint32_t, 4, 1)                                                                 \
  TABLE(HEDDLE_TABLE_ENTRIES, entries, entry, heddle_entry_record, ENTRY_BYTES_V1, 0)                                  \
  TABLE(HEDDLE_TABLE_PARAMS, params, param, heddle_param_record, PARAM_BYTES_V1, 0)                                    \
  TABLE(HEDDLE_TABLE_VARIANTS, variants, variant, heddle_variant_record, VARIANT_BYTES_V1, 0)                          \
  TABLE(HEDDLE_TABLE_BUFFERS, buffers, buffer, heddle_buffer_record, BUFFER_BYTES_V1, 0)                               \
  TABLE(HEDDLE_TABLE_NODES, nodes, node, heddle_node_record, NODE_BYTES_V1, 0)                                         \
  TABLE(HEDDLE_TABLE_SLOTS, slots, slot, heddle_slot_record, SLOT_BYTES_V1, 0)                                         \
  TABLE(HEDDLE_TABLE_KERNELS, kernels, kernel, heddle_kernel_record, KERNEL_BYTES_V1, 0)                               \
  TABLE(HEDDLE_TABLE_IMAGES, images, image, heddle_image_record, IMAGE_BYTES_V1, 0)                                    \
  TABLE(HEDDLE_TABLE_TENSOR_MAPS, tensor_maps, tensor_map, heddle_tensor_map_record, TENSOR_MAP_BYTES_V2, 0)           \
  TABLE(HEDDLE_TABLE_REQUIREMENTS, requirements, requirement, heddle_requirement_record, REQUIREMENT_BYTES_V6, 0)

static heddle_status read_tables(heddle_pack *pack, const heddle_pack_header *header) {
  const heddle_table *strings = &header->tables[HEDDLE_TABLE_STRINGS], *blobs = &header->tables[HEDDLE_TABLE_BLOBS];
  heddle_status status = check_table(strings, "strings", header->total_bytes, 1, 1);
  if (status == HEDDLE_OK)
    status = check_table(blobs, "blobs", header->total_bytes, 1, 1);
  if (status != HEDDLE_OK)
    return status;
  pack->strings = (const char *)pack->bytes + strings->offset;
  pack->string_bytes = strings->count;
  pack->blobs = pack->bytes + blobs->offset;
  pack->blob_bytes = blobs->count;
  pack->content_hash = header->content_hash;

#define TABLE(index, field, stem, type, least, exact)                                                                  \
  status = check_table(&header->tables[index], #field, header->total_bytes, least, exact);                             \
  if (status != HEDDLE_OK)                                                                                             \
    return status;                                                                                                     \
  pack->stem##_count = header->tables[index].count;                                                                    \
  pack->field = copy_table(pack->bytes, &header->tables[index], sizeof(type));                                         \
  if (!pack->field)                                                                                                    \
    return heddle_fail(HEDDLE_SYSTEM, "expected memory for table '%s', got none", #field);
  HEDDLE_COPIED_TABLES(TABLE)
#undef TABLE

  pack->node_slots = calloc(pack->node_count + (size_t)1, sizeof *pack->node_slots);
  pack->variant_slots = calloc(pack->variant_count + (size_t)1, sizeof *pack->variant_slots);
  pack->cpu_kernels = calloc(pack->kernel_count + (size_t)1, sizeof *pack->cpu_kernels);
  pack->cpu_images = calloc(pack->image_count + (size_t)1, sizeof *pack->cpu_images);
  if (!pack->node_slots || !pack->variant_slots || !pack->cpu_kernels || !pack->cpu_images)
    return heddle_fail(HEDDLE_SYSTEM, "expected memory for a pack of %u kernels, got none", pack->kernel_count);
  return HEDDLE_OK;
}

static void free_pack(heddle_pack *pack) {
#define TABLE(index, field, stem, type, least, exact) free(pack->field);
  HEDDLE_COPIED_TABLES(TABLE)
#undef TABLE
  free(pack->node_slots);
  free(pack->variant_slots);
  free(pack->cpu_kernels);
  free(pack->cpu_images);
  free(pack->bytes);
  free(pack);
}

/* Takes over `bytes`. */
static heddle_status load_owned(unsigned char *bytes, uint64_t size, heddle_pack **result) {
  heddle_pack_header header;
  heddle_status status = check_header(bytes, size, &header);
  if (status != HEDDLE_OK) {
    free(bytes);
    return status;
  }
  heddle_pack *pack = calloc(1, sizeof *pack);
  if (!pack) {
    free(bytes);
    return heddle_fail(HEDDLE_SYSTEM, "expected memory for a pack, got none");
  }
  pack->bytes = bytes;
  status = read_tables(pack, &header);
  if (status == HEDDLE_OK)
    status = heddle_pack_validate(pack);
  if (status != HEDDLE_OK) {
    free_pack(pack);
    return status;
  }
  *result = pack;
  return HEDDLE_OK;
}

heddle_status heddle_load(const void *bytes, size_t size, heddle_pack **pack) {
  if (!pack)
    return heddle_fail(HEDDLE_BAD_ARGUMENT, "expected a place for the pack, got null");
  *pack = NULL;
  if (!bytes)
    return heddle_fail(HEDDLE_BAD_PACK, "expected the bytes of a pack, got null");
  unsigned char *copy = malloc(size ? size : 1);
  if (!copy)
    return heddle_fail(HEDDLE_SYSTEM, "expected memory for a pack of %zu bytes, got none", size);
  memcpy(copy, bytes, size);
  return load_owned(copy, size, pack);
}

/* Grows as it reads, so that pipes work and a file that changes under us is only a damaged pack. */
static unsigned char *read_file(FILE *file, size_t *size) {
  size_t capacity = 1 << 16, used = 0;
  unsigned char *bytes = malloc(capacity);
  while (bytes) {
    used += fread(bytes + used, 1, capacity - used, file);
    if (used < capacity)
      break;
    unsigned char *larger = realloc(bytes, capacity *= 2);
    if (!larger)
      free(bytes);
    bytes = larger;
  }
  if (bytes && ferror(file)) {
    free(bytes);
    return NULL;
  }
  *size = used;
  return bytes;
}

heddle_status heddle_load_file(const char *path, heddle_pack **pack) {
  if (!pack)
    return heddle_fail(HEDDLE_BAD_ARGUMENT, "expected a place for the pack, got null");
  *pack = NULL;
  if (!path)
    return heddle_fail(HEDDLE_BAD_ARGUMENT, "expected the path of a pack, got null");
  FILE *file = fopen(path, "rbe");
  if (!file)
    return heddle_fail(HEDDLE_SYSTEM, "expected a readable pack at '%s', got: %s", path, strerror(errno));
  size_t size = 0;
  unsigned char *bytes = read_file(file, &size);
  int error = errno;
  fclose(file);
  if (!bytes)
    return heddle_fail(HEDDLE_SYSTEM, "expected to read the pack '%s', got: %s", path, strerror(error));
  heddle_status status = load_owned(bytes, size, pack);
  return status == HEDDLE_OK ? status : heddle_fail_in(status, "'%s'", path);
}

void heddle_unload(heddle_pack *pack) {
  if (!pack)
    return;
  heddle_cuda_unload(pack);
  heddle_cpu_images_close(pack);
  free_pack(pack);
}

heddle_status heddle_find(const heddle_pack *pack, const char *name, uint32_t *entry) {
  if (!pack || !name || !entry)
    return heddle_fail(HEDDLE_BAD_ARGUMENT, "expected a pack, a name and a place for the entry, got null");
  for (uint32_t i = 0; i < pack->entry_count; ++i)
    if (strcmp(heddle_pack_string(pack, pack->entries[i].name), name) == 0) {
      *entry = i;
      return HEDDLE_OK;
    }
  char names[512] = "";
  size_t used = 0;
  for (uint32_t i = 0; i < pack->entry_count && used < sizeof names; ++i)
    used += (size_t)snprintf(names + used, sizeof names - used, "%s'%s'", i ? ", " : "",
                             heddle_pack_string(pack, pack->entries[i].name));
  return heddle_fail(HEDDLE_NOT_FOUND, "expected one of the entries %s, got '%.200s'",
                     pack->entry_count ? names : "(none)", name);
}

uint64_t heddle_content_hash(const heddle_pack *pack) { return pack ? pack->content_hash : 0; }

uint32_t heddle_entry_count(const heddle_pack *pack) { return pack ? pack->entry_count : 0; }

const char *heddle_entry_name(const heddle_pack *pack, uint32_t entry) {
  return pack && entry < pack->entry_count ? heddle_pack_string(pack, pack->entries[entry].name) : NULL;
}

const char *heddle_entry_spec(const heddle_pack *pack, uint32_t entry) {
  return pack && entry < pack->entry_count ? heddle_pack_string(pack, pack->entries[entry].spec) : NULL;
}
