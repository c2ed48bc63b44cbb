//===- PackPrinter.cpp - a pack as text -------------------------------------===//
//
// Reads the bytes, not what they were written from: what is printed is what the
// runtime will see. Only for packs that this compiler just wrote; packs from
// elsewhere are checked by the runtime.
//
//===----------------------------------------------------------------------===//
#include "heddle/Target/PackWriter.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/raw_ostream.h"

using namespace heddle;

namespace {
class Printer {
public:
  Printer(llvm::StringRef bytes, llvm::raw_ostream &stream) : bytes(bytes), stream(stream) {}
  void print();

private:
  const heddle_table &table(unsigned index) const {
    return reinterpret_cast<const heddle_pack_header *>(bytes.data())->tables[index];
  }
  template <typename Record> llvm::ArrayRef<Record> records(unsigned index, size_t first, size_t count) const {
    return {reinterpret_cast<const Record *>(bytes.data() + table(index).offset) + first, count};
  }
  template <typename Record> llvm::ArrayRef<Record> records(unsigned index) const {
    return records<Record>(index, 0, table(index).count);
  }
  const char *string(uint32_t offset) const { return bytes.data() + table(HEDDLE_TABLE_STRINGS).offset + offset; }
  std::string expression(uint32_t offset) const {
    return printExpression(records<uint32_t>(HEDDLE_TABLE_CODE).drop_front(offset), names);
  }
  void printEntry(const heddle_entry_record &entry);
  void printVariant(const heddle_variant_record &variant);
  void printNode(const heddle_node_record &node);
  void printTensorMap(const heddle_tensor_map_record &map);

  llvm::StringRef bytes;
  llvm::raw_ostream &stream;
  std::vector<std::string> names; // of the current entry's parameters
};
} // namespace

static const char *typeName(uint32_t type) {
  static const char *const names[] = {"?", "f32", "f16", "bf16", "f64", "i32", "i64", "i8", "i1"};
  return type < std::size(names) ? names[type] : "?";
}

void Printer::printTensorMap(const heddle_tensor_map_record &map) {
  stream << "argument " << map.argument << " at slot " << map.first_slot << " " << typeName(map.dtype) << " box ";
  llvm::interleave(llvm::ArrayRef(map.box).take_front(map.rank), stream, "x");
  stream << " swizzle " << map.swizzle;
}

void Printer::printNode(const heddle_node_record &node) {
  const auto &kernel = records<heddle_kernel_record>(HEDDLE_TABLE_KERNELS)[node.kernel];
  stream << "    ";
  if (node.condition != HEDDLE_NO_EXPR)
    stream << "if " << expression(node.condition) << " ";
  stream << "launch " << string(kernel.symbol) << " grid(";
  llvm::interleaveComma(node.grid, stream, [&](uint32_t size) { stream << expression(size); });
  stream << ") threads(" << kernel.threads[0] << ", " << kernel.threads[1] << ", " << kernel.threads[2] << ") shared "
         << kernel.dynamic_shared_bytes << " slots(";
  llvm::interleaveComma(records<heddle_slot_record>(HEDDLE_TABLE_SLOTS, node.first_slot, node.slot_count), stream,
                        [&](const heddle_slot_record &slot) {
                          switch (slot.kind) {
                          case HEDDLE_SLOT_BUFFER:
                            stream << "buffer" << slot.a;
                            break;
                          case HEDDLE_SLOT_EXPR:
                            stream << expression(slot.a);
                            break;
                          case HEDDLE_SLOT_PARAM_ADDRESS:
                            stream << "address " << names[slot.a];
                            break;
                          default:
                            stream << (slot.kind == HEDDLE_SLOT_PARAM_TENSOR ? "tensor " : "scalar ") << names[slot.a];
                          }
                        });
  stream << ")";
  if (!kernel.image_count)
    stream << " absent";
  if (kernel.tensor_map_count) {
    stream << " tensor maps(";
    llvm::interleaveComma(
        records<heddle_tensor_map_record>(HEDDLE_TABLE_TENSOR_MAPS, kernel.first_tensor_map, kernel.tensor_map_count),
        stream, [&](const heddle_tensor_map_record &map) { printTensorMap(map); });
    stream << ")";
  }
  if (kernel.waits)
    stream << " waits";
  stream << "\n";
}

void Printer::printVariant(const heddle_variant_record &variant) {
  if (variant.device == HEDDLE_DEVICE_CUDA)
    stream << "  variant cuda " << variant.arch << (variant.arch_exact ? " exactly" : " or later");
  else
    stream << "  variant cpu features " << llvm::format_hex(variant.cpu_features, 4);
  if (variant.guard != HEDDLE_NO_EXPR)
    stream << " if " << expression(variant.guard);
  stream << "\n";
  for (auto [index, buffer] :
       llvm::enumerate(records<heddle_buffer_record>(HEDDLE_TABLE_BUFFERS, variant.first_buffer, variant.buffer_count)))
    stream << "    buffer" << index << " bytes " << expression(buffer.bytes) << (buffer.zeroed ? " zeroed" : "")
           << (index == variant.status_buffer ? " status" : "") << "\n";
  for (const auto &node : records<heddle_node_record>(HEDDLE_TABLE_NODES, variant.first_node, variant.node_count))
    printNode(node);
  for (llvm::StringRef line : llvm::split(llvm::StringRef(string(variant.note)).rtrim(), '\n'))
    if (!line.empty())
      stream << "    # " << line << "\n";
}

void Printer::printEntry(const heddle_entry_record &entry) {
  static const char *const roles[] = {"?", "input", "output", "scalar"};
  stream << "entry " << string(entry.name) << "\n";
  names.clear();
  for (const auto &parameter :
       records<heddle_param_record>(HEDDLE_TABLE_PARAMS, entry.first_param, entry.param_count)) {
    names.push_back(string(parameter.name));
    stream << "  " << roles[parameter.role < std::size(roles) ? parameter.role : 0] << " " << names.back() << " ";
    for (uint32_t axis = 0; axis < parameter.rank; ++axis)
      stream << (parameter.sizes[axis] < 0 ? "?" : std::to_string(parameter.sizes[axis])) << "x";
    stream << typeName(parameter.dtype) << "\n";
  }
  for (const auto &required :
       records<heddle_requirement_record>(HEDDLE_TABLE_REQUIREMENTS, entry.first_requirement, entry.requirement_count))
    stream << "  requires " << string(required.text) << "\n";
  for (const auto &variant :
       records<heddle_variant_record>(HEDDLE_TABLE_VARIANTS, entry.first_variant, entry.variant_count))
    printVariant(variant);
}

void Printer::print() {
  for (const auto &entry : records<heddle_entry_record>(HEDDLE_TABLE_ENTRIES))
    printEntry(entry);
  static const char *const kinds[] = {"?", "cubin", "ptx", "elf"};
  for (const auto &image : records<heddle_image_record>(HEDDLE_TABLE_IMAGES)) {
    stream << "image " << kinds[image.kind < std::size(kinds) ? image.kind : 0];
    if (image.min_driver)
      stream << " driver " << image.min_driver;
    stream << "\n";
  }
}

void heddle::printPack(llvm::StringRef bytes, llvm::raw_ostream &stream) { Printer(bytes, stream).print(); }
