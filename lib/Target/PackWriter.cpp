//===- PackWriter.cpp - compiled entries as one block of bytes --------------===//
//
// Strings, expressions and images that are equal are stored once: variants of an
// entry differ in their kernels, hardly in their plans.
//
//===----------------------------------------------------------------------===//
#include "heddle/Target/PackWriter.h"
#include "heddle/Support/Hash.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/Alignment.h"
#include <cstddef>
#include <cstring>
#include <map>

using namespace heddle;

namespace {
constexpr uint32_t kBlobAlignment = 64;

class Writer {
public:
  void add(const CompiledEntry &entry);
  std::string finish(uint64_t contentHash);

private:
  uint32_t string(llvm::StringRef text);
  uint32_t expression(const Expression &value);
  uint32_t expression(const std::optional<Expression> &value) { return value ? expression(*value) : HEDDLE_NO_EXPR; }
  void add(const CompiledVariant &variant);
  void addLaunch(const PlanLaunch &launch, uint32_t kernel);
  uint64_t blob(llvm::StringRef bytes);
  uint32_t addImages(llvm::ArrayRef<KernelImage> added);

  template <typename Record> void appendTable(std::string &pack, unsigned index, const std::vector<Record> &records) {
    appendTable(pack, index, records.data(), records.size(), sizeof(Record));
  }
  void appendTable(std::string &pack, unsigned index, const void *data, size_t count, size_t recordBytes,
                   size_t alignment = 8);

  std::string strings, blobs;
  llvm::StringMap<uint32_t> stringOffsets;
  std::map<std::string, uint64_t> blobOffsets;
  std::vector<uint32_t> code;
  std::map<llvm::SmallVector<uint32_t>, uint32_t> codeOffsets;
  std::vector<heddle_entry_record> entries;
  std::vector<heddle_param_record> parameters;
  std::vector<heddle_variant_record> variants;
  std::vector<heddle_buffer_record> buffers;
  std::vector<heddle_node_record> nodes;
  std::vector<heddle_slot_record> slots;
  std::vector<heddle_kernel_record> kernels;
  std::vector<heddle_image_record> images;
  std::vector<heddle_tensor_map_record> tensorMaps;
  std::vector<heddle_requirement_record> requirements;
  heddle_pack_header header = {};
};
} // namespace

uint32_t Writer::string(llvm::StringRef text) {
  auto [entry, isNew] = stringOffsets.try_emplace(text, strings.size());
  if (isNew)
    strings.append(text.data(), text.size()).push_back('\0');
  return entry->second;
}

uint32_t Writer::expression(const Expression &value) {
  llvm::SmallVector<uint32_t> words = value.words();
  auto [entry, isNew] = codeOffsets.try_emplace(words, code.size());
  if (isNew)
    code.insert(code.end(), words.begin(), words.end());
  return entry->second;
}

uint64_t Writer::blob(llvm::StringRef bytes) {
  auto [entry, isNew] = blobOffsets.try_emplace(bytes.str(), llvm::alignTo(blobs.size(), kBlobAlignment));
  if (isNew) {
    blobs.resize(entry->second);
    blobs.append(bytes.data(), bytes.size());
  }
  return entry->second;
}

void Writer::addLaunch(const PlanLaunch &launch, uint32_t kernel) {
  heddle_node_record node = {};
  node.kind = HEDDLE_NODE_LAUNCH;
  node.kernel = kernel;
  node.condition = expression(launch.condition);
  for (unsigned axis = 0; axis < 3; ++axis)
    node.grid[axis] = expression(launch.grid[axis]);
  node.first_slot = slots.size();
  node.slot_count = launch.slots.size();
  for (const PlanSlot &slot : launch.slots)
    slots.push_back({uint32_t(slot.kind), slot.value ? expression(*slot.value) : slot.index, 0, 0});
  nodes.push_back(node);
}

uint32_t Writer::addImages(llvm::ArrayRef<KernelImage> added) {
  uint32_t first = images.size();
  for (const KernelImage &image : added) {
    heddle_image_record record = {};
    record.kind = image.kind;
    record.min_driver = image.minimumDriver;
    record.offset = blob(image.bytes);
    record.bytes = image.bytes.size();
    record.blob_alignment = kBlobAlignment;
    images.push_back(record);
  }
  return first;
}

void Writer::add(const CompiledVariant &variant) {
  heddle_variant_record record = {};
  record.device = variant.device;
  record.arch = variant.capability;
  record.arch_exact = variant.exactCapability;
  record.cpu_features = variant.cpuFeatures;
  record.guard = expression(variant.guard);
  record.note = string(variant.note);
  record.status_buffer = variant.plan.statusBuffer.value_or(HEDDLE_NO_EXPR);
  record.first_buffer = buffers.size();
  record.buffer_count = variant.plan.buffers.size();
  for (const PlanBuffer &buffer : variant.plan.buffers)
    buffers.push_back({expression(buffer.bytes), buffer.zeroed});

  uint32_t shared = addImages(variant.images);
  llvm::StringMap<uint32_t> kernelIndices;
  for (const CompiledKernel &kernel : variant.kernels) {
    kernelIndices[kernel.symbol] = kernels.size();
    heddle_kernel_record kernelRecord = {};
    kernelRecord.symbol = string(kernel.symbol);
    const std::vector<KernelImage> &own = kernel.images;
    kernelRecord.first_image = own.empty() ? shared : addImages(own);
    kernelRecord.image_count = kernel.isAbsent ? 0 : own.empty() ? variant.images.size() : own.size();
    for (unsigned axis = 0; axis < 3; ++axis)
      kernelRecord.threads[axis] = kernel.threads[axis];
    kernelRecord.dynamic_shared_bytes = kernel.dynamicSharedBytes;
    kernelRecord.registers = kernel.registers;
    kernelRecord.first_tensor_map = tensorMaps.size();
    kernelRecord.tensor_map_count = kernel.tensorMaps.size();
    kernelRecord.waits = kernel.waits;
    llvm::append_range(tensorMaps, kernel.tensorMaps);
    kernels.push_back(kernelRecord);
  }
  record.first_node = nodes.size();
  record.node_count = variant.plan.launches.size();
  for (const PlanLaunch &launch : variant.plan.launches)
    addLaunch(launch, kernelIndices.at(launch.kernel));
  variants.push_back(record);
}

void Writer::add(const CompiledEntry &entry) {
  heddle_entry_record record = {};
  record.name = string(entry.name);
  record.spec = string(entry.spec);
  record.first_param = parameters.size();
  record.param_count = entry.parameters.size();
  for (const PlanParameter &parameter : entry.parameters) {
    heddle_param_record parameterRecord = {};
    parameterRecord.name = string(parameter.name);
    parameterRecord.role = parameter.role;
    parameterRecord.dtype = parameter.type;
    parameterRecord.rank = parameter.sizes.size();
    std::copy(parameter.sizes.begin(), parameter.sizes.end(), parameterRecord.sizes);
    parameters.push_back(parameterRecord);
  }
  record.first_requirement = requirements.size();
  record.requirement_count = entry.requirements.size();
  for (const PlanRequirement &required : entry.requirements)
    requirements.push_back(
        {expression(required.condition), string(required.text), expression(required.left), expression(required.right)});
  record.first_variant = variants.size();
  record.variant_count = entry.variants.size();
  entries.push_back(record);
  for (const CompiledVariant &variant : entry.variants)
    add(variant);
}

void Writer::appendTable(std::string &pack, unsigned index, const void *data, size_t count, size_t recordBytes,
                         size_t alignment) {
  pack.resize(llvm::alignTo(pack.size(), alignment));
  header.tables[index] = {pack.size(), uint32_t(count), uint32_t(recordBytes)};
  if (count)
    pack.append(static_cast<const char *>(data), count * recordBytes);
}

std::string Writer::finish(uint64_t contentHash) {
  std::memcpy(header.magic, HEDDLE_PACK_MAGIC, sizeof(header.magic));
  header.version = HEDDLE_PACK_VERSION;
  header.header_bytes = sizeof(header);
  header.content_hash = contentHash;
  std::string pack(sizeof(header), '\0');
  appendTable(pack, HEDDLE_TABLE_ENTRIES, entries);
  appendTable(pack, HEDDLE_TABLE_PARAMS, parameters);
  appendTable(pack, HEDDLE_TABLE_VARIANTS, variants);
  appendTable(pack, HEDDLE_TABLE_BUFFERS, buffers);
  appendTable(pack, HEDDLE_TABLE_NODES, nodes);
  appendTable(pack, HEDDLE_TABLE_SLOTS, slots);
  appendTable(pack, HEDDLE_TABLE_KERNELS, kernels);
  appendTable(pack, HEDDLE_TABLE_IMAGES, images);
  appendTable(pack, HEDDLE_TABLE_TENSOR_MAPS, tensorMaps);
  appendTable(pack, HEDDLE_TABLE_REQUIREMENTS, requirements);
  appendTable(pack, HEDDLE_TABLE_CODE, code);
  appendTable(pack, HEDDLE_TABLE_STRINGS, strings.data(), strings.size(), 1);
  appendTable(pack, HEDDLE_TABLE_BLOBS, blobs.data(), blobs.size(), 1, kBlobAlignment);
  pack.resize(llvm::alignTo(pack.size(), 8));
  header.total_bytes = pack.size();
  std::memcpy(pack.data(), &header, sizeof(header));
  constexpr size_t checkedFrom = offsetof(heddle_pack_header, checksum) + sizeof(header.checksum);
  header.checksum = Fnv1a().add(llvm::StringRef(pack).drop_front(checkedFrom)).value();
  std::memcpy(pack.data(), &header, sizeof(header));
  return pack;
}

std::string heddle::writePack(llvm::ArrayRef<CompiledEntry> entries, uint64_t contentHash) {
  Writer writer;
  for (const CompiledEntry &entry : entries)
    writer.add(entry);
  return writer.finish(contentHash);
}
