/* mutations.c - ten thousand damaged packs. Without a new checksum each is refused. With one, a pack is refused or
 * every question about it can be answered: strings end, plans evaluate inside their arrays (a sanitizer build watches).
 * What a sealed pack's kernels then do is the writer's word, so nothing is run.
 */
#include "expect.h"
#include "pack_writer.h"
#include "runtime/lib/arguments.h"
#include "runtime/lib/plan.h"
#include "sample_pack.h"

#include <stdlib.h>

static uint64_t state = 20240615; /* a sequence that once found nodes shared by entries of other ranks */
static uint64_t draw(uint64_t below) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state % below;
}

static int64_t sizes[][4] = {{4, 8}, {4, 8}, {1}, {2, 3, 4}, {1, 1, 2, 64}};
static float numbers[32];
static double total;
static int64_t integers[64];

/* Arguments that fit the sample's entries as they were. */
static uint32_t arguments_of(uint32_t entry, heddle_arg *args) {
  heddle_arg vector = tensor(HEDDLE_I64, 1, integers, sizes[2], NULL);
  heddle_arg matrix = tensor(HEDDLE_F32, 2, numbers, sizes[0], NULL);
  heddle_arg table[9][4] = {
      {matrix, number(2), matrix, tensor(HEDDLE_F64, 1, &total, sizes[2], NULL)},
      {tensor(HEDDLE_I64, 3, integers, sizes[3], NULL)},
      {integer(25), vector},
      {integer(3), vector},
      {vector},
      {integer(3), vector},
      {matrix, integer(3), number(1), tensor(HEDDLE_F32, 1, numbers, sizes[2], NULL)},
      {vector},
      {tensor(HEDDLE_BF16, 4, integers, sizes[4], NULL), integer(3), matrix,
       tensor(HEDDLE_F32, 1, numbers, sizes[2], NULL)},
  };
  static const uint32_t counts[9] = {4, 1, 2, 2, 1, 2, 4, 1, 4};
  memcpy(args, table[entry], sizeof table[entry]);
  return counts[entry];
}

static uint64_t planned, asked, letters;

static heddle_status plan(const heddle_pack *pack, uint32_t index, const heddle_machine *machine,
                          const heddle_arg *args) {
  heddle_plan plan;
  heddle_status status = heddle_plan_make(pack, &pack->entries[index], machine, args, &plan);
  if (status != HEDDLE_OK)
    return status;
  const heddle_variant_record *variant = heddle_plan_variant(&plan);
  /* Exactly as large as promised, so that a sanitizer sees the first slot too many. */
  heddle_launch *launches = malloc(variant->node_count * sizeof *launches + 1);
  int64_t *slots = malloc(pack->variant_slots[plan.variant] * sizeof *slots + 1);
  uint32_t count = 0;
  status = heddle_plan_launches(&plan, 1 << 20, launches, slots, &count);
  for (uint32_t i = 0; i < count && status == HEDDLE_OK; ++i) {
    const heddle_kernel_record *kernel = &pack->kernels[launches[i].kernel];
    /* What follows the slots is written when the launch is made: the maps of memrefs among them. */
    if (launches[i].slots + heddle_words_count(launches[i].slot_count, kernel->tensor_map_count) >
        slots + pack->variant_slots[plan.variant])
      EXPECT(0 && "room for the launch");
    for (uint32_t j = 0; j < kernel->tensor_map_count; ++j) {
      const heddle_tensor_map_record *map = &pack->tensor_maps[kernel->first_tensor_map + j];
      letters += (uint64_t)launches[i].slots[map->first_slot + 2 * map->rank];
    }
  }
  free(launches);
  free(slots);
  return status;
}

static void ask_everything(const heddle_pack *pack) {
  const heddle_machine cpu = {.device = HEDDLE_DEVICE_CPU, .cpu_features = ~(uint64_t)0, .machine = 8};
  const heddle_machine cuda = {
      .device = HEDDLE_DEVICE_CUDA, .capability = 90, .driver = 99999, .tensor_maps = 1, .machine = 132};
  uint32_t found;
  for (uint32_t i = 0; i < heddle_entry_count(pack); ++i) {
    letters += strlen(heddle_entry_name(pack, i)) + strlen(heddle_entry_spec(pack, i));
    EXPECT_OK(heddle_find(pack, heddle_entry_name(pack, i), &found));
    if (i >= 9) /* the entries that have arguments here */
      continue;
    heddle_arg args[4];
    uint32_t count = arguments_of(i, args);
    ++asked;
    if (heddle_arguments_check(pack, &pack->entries[i], args, count) != HEDDLE_OK)
      continue;
    planned += plan(pack, i, &cpu, args) == HEDDLE_OK;
    planned += plan(pack, i, &cuda, args) == HEDDLE_OK;
    const heddle_variant_record *variants = &pack->variants[pack->entries[i].first_variant];
    for (uint32_t j = 0; j < pack->entries[i].variant_count; ++j)
      letters += strlen(heddle_pack_string(pack, variants[j].note));
  }
}

static const uint32_t words[] = {0, 1, 2, 3, 7, 8, 9, 64, 255, 256, 4095, 4096, 0x7fff, 0x8000, 1024, 0x10000};
static const uint32_t extremes[] = {0x7fffffff, 0x80000000, 0xffffffff, 0xfffffffe, 0xfffffff0};

/* Change some bits, a word or an aligned word to a telling value; before `end`. */
static void damage(unsigned char *bytes, size_t end) {
  for (uint64_t i = 1 + draw(3); i-- > 0;) {
    uint32_t word;
    size_t at = draw(end);
    switch (at / 4 * 4 + 4 <= end ? draw(4) : 3) {
    case 0:
      word = words[draw(sizeof words / sizeof *words)];
      memcpy(bytes + at / 4 * 4, &word, 4);
      break;
    case 1:
      word = extremes[draw(sizeof extremes / sizeof *extremes)];
      memcpy(bytes + at / 4 * 4, &word, 4);
      break;
    default:
      bytes[at] ^= (unsigned char)(1 << draw(8));
    }
  }
}

int main(int argc, char **argv) {
  if (argc < 2)
    return 1;
  state += argc > 2 ? strtoull(argv[2], NULL, 10) * 2 : 0; /* another sequence, by hand */
  size_t size, accepted = 0, refused = 0;
  unsigned char *original = sample_pack_bytes(argv[1], &size);
  heddle_pack_header header;
  memcpy(&header, original, sizeof header);
  size_t blobs = header.tables[HEDDLE_TABLE_BLOBS].offset;
  heddle_pack *pack;
  EXPECT_OK(heddle_load(original, size, &pack));
  ask_everything(pack);
  EXPECT_EQ(asked, 9);
  EXPECT_EQ(planned, 9);
  heddle_unload(pack);
  for (int i = 0; i < 10000; ++i) {
    int sealed = i % 2;
    size_t length = i % 8 < 2 ? draw(size) : size;
    unsigned char *bytes = malloc(length + 1); /* its own block: a read past the end is seen */
    memcpy(bytes, original, length);
    /* The unsealed damage goes anywhere, the sealed to the records. */
    if (length == size || sealed)
      damage(bytes, length == 0 ? 1 : sealed && length > blobs ? blobs : length);
    if (sealed && length >= sizeof header) {
      uint64_t total = length;
      if (draw(16))
        memcpy(bytes + offsetof(heddle_pack_header, total_bytes), &total, 8);
      writer_seal(bytes, length);
    }
    int same = length == size && memcmp(bytes, original, size) == 0;
    heddle_status status = heddle_load(bytes, length, &pack);
    free(bytes);
    if (status == HEDDLE_OK) {
      ++accepted;
      if (!sealed && !same)
        EXPECT(0 && "damage was seen");
      ask_everything(pack);
      heddle_unload(pack);
    } else {
      ++refused;
      EXPECT(status == HEDDLE_BAD_PACK && pack == NULL && *heddle_last_error() != 0);
    }
  }
  printf("%zu refused, %zu sealed ones accepted, %llu plans made, %llu letters read\n", refused, accepted,
         (unsigned long long)planned, (unsigned long long)letters);
  EXPECT(refused > 5000 && accepted > 500 && planned > 1000);
  /* Newer packs say so. */
  original[offsetof(heddle_pack_header, version)] = HEDDLE_PACK_VERSION + 1;
  writer_seal(original, size);
  EXPECT_STATUS(heddle_load(original, size, &pack), HEDDLE_BAD_PACK,
                "expected a pack of version 1 to 6, got version 7: it needs a newer runtime");
  original[0] = 'h';
  EXPECT_STATUS(heddle_load(original, size, &pack), HEDDLE_BAD_PACK, "expected a pack that starts with HEDDLEPK");
  EXPECT_STATUS(heddle_load(original, 20, &pack), HEDDLE_BAD_PACK, "expected a pack of at least 216 bytes, got 20");
  free(original);
  return expect_summary();
}
