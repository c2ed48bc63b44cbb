//===- EmbeddedPack.cpp - a pack as an object, with its C header ------------===//
//
// Written by LLVM, so that no C compiler is needed to build one.
//
//===----------------------------------------------------------------------===//
#include "heddle/Target/EmbeddedPack.h"
#include "heddle/Target/CodeGeneration.h"
#include "heddle_rt/artifact.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/GlobalVariable.h"
#include "llvm/Support/FormatVariadic.h"

using namespace heddle;

std::string heddle::identifierOf(llvm::StringRef name) {
  std::string result = name.str();
  for (char &c : result)
    if (!llvm::isAlnum(c))
      c = '_';
  if (result.empty() || llvm::isDigit(result.front()))
    result.insert(result.begin(), '_');
  return result;
}

llvm::Expected<std::string> heddle::emitPackObject(llvm::StringRef pack, llvm::StringRef name) {
  llvm::Expected<KnownTarget> target = findTarget("cpu:generic");
  if (!target)
    return target.takeError();
  llvm::Expected<CodeGenerator> generator = CodeGenerator::create(*target);
  if (!generator)
    return generator.takeError();
  llvm::LLVMContext context;
  llvm::Module module("pack", context);
  generator->describe(module);
  auto add = [&](llvm::Constant *value, const std::string &symbol, uint64_t alignment) {
    auto *global = new llvm::GlobalVariable(module, value->getType(), /*isConstant=*/true,
                                            llvm::GlobalValue::ExternalLinkage, value, symbol);
    global->setAlignment(llvm::Align(alignment));
  };
  std::string identifier = identifierOf(name);
  add(llvm::ConstantDataArray::getString(context, pack, /*AddNull=*/false), identifier + "_pack", 64);
  add(llvm::ConstantInt::get(llvm::Type::getInt64Ty(context), pack.size()), identifier + "_pack_size", 8);
  return generator->emit(module, CodeKind::Object);
}

namespace {
struct PackView {
  llvm::StringRef bytes;
  template <typename Record> const Record *table(unsigned index) const {
    auto *header = reinterpret_cast<const heddle_pack_header *>(bytes.data());
    return reinterpret_cast<const Record *>(bytes.data() + header->tables[index].offset);
  }
  uint32_t count(unsigned index) const {
    return reinterpret_cast<const heddle_pack_header *>(bytes.data())->tables[index].count;
  }
  llvm::StringRef string(uint32_t offset) const { return table<char>(HEDDLE_TABLE_STRINGS) + offset; }
};
} // namespace

/// One line of a comment: `tensor q: ? x ? x ? x 128, bf16, input`.
static std::string describeParameter(const PackView &view, const heddle_param_record &parameter) {
  static const char *const types[] = {"?", "f32", "f16", "bf16", "f64", "i32", "i64", "i8", "i1"};
  llvm::StringRef name = view.string(parameter.name);
  const char *type = types[parameter.dtype];
  if (parameter.role == HEDDLE_PARAM_SCALAR)
    return llvm::formatv("scalar {0}: {1} (HEDDLE_ARG_{2})", name, type,
                         parameter.dtype == HEDDLE_F32 ? "F64, rounded to f32" : "I64");
  llvm::SmallVector<std::string> sizes;
  for (uint32_t axis = 0; axis < parameter.rank; ++axis)
    sizes.push_back(parameter.sizes[axis] < 0 ? "?" : std::to_string(parameter.sizes[axis]));
  return llvm::formatv("tensor {0}: {1}, {2}, {3}", name, llvm::join(sizes, " x "), type,
                       parameter.role == HEDDLE_PARAM_OUTPUT ? "output" : "input");
}

std::string heddle::emitPackHeader(llvm::StringRef pack, llvm::StringRef name) {
  PackView view{pack};
  std::string id = identifierOf(name), guard = llvm::StringRef(id).upper() + "_H";
  std::string text;
  llvm::raw_string_ostream stream(text);
  stream << "/* " << id << ".h - made by heddle-compile; needs heddle_rt.h and the Heddle runtime. */\n"
         << "#ifndef " << guard << "\n#define " << guard << "\n\n#include \"heddle_rt/heddle_rt.h\"\n\n"
         << "#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n"
         << "extern const unsigned char " << id << "_pack[];\nextern const uint64_t " << id << "_pack_size;\n\n"
         << "/* Load the pack; give it back with heddle_unload. */\n"
         << "static inline heddle_status " << id << "_load(heddle_pack **pack) {\n"
         << "  return heddle_load(" << id << "_pack, (size_t)" << id << "_pack_size, pack);\n}\n";
  for (uint32_t i = 0; i < view.count(HEDDLE_TABLE_ENTRIES); ++i) {
    const auto &entry = view.table<heddle_entry_record>(HEDDLE_TABLE_ENTRIES)[i];
    std::string function = id + "_" + identifierOf(view.string(entry.name));
    stream << "\n/* " << view.string(entry.name) << ": " << entry.param_count << " arguments\n";
    for (uint32_t p = 0; p < entry.param_count; ++p)
      stream << " *   [" << p << "] "
             << describeParameter(view, view.table<heddle_param_record>(HEDDLE_TABLE_PARAMS)[entry.first_param + p])
             << "\n";
    stream << " */\n#define " << llvm::StringRef(function).upper() << "_ARGUMENTS " << entry.param_count << "\n"
           << "static inline heddle_status " << function << "_workspace(heddle_pack *pack, heddle_device device,\n"
           << "    const heddle_arg *arguments, size_t *bytes) {\n"
           << "  return heddle_workspace_bytes(pack, " << i << ", device, arguments, " << entry.param_count
           << ", bytes);\n}\n"
           << "static inline heddle_status " << function << "(heddle_pack *pack, heddle_device device,\n"
           << "    const heddle_arg *arguments, void *workspace, size_t workspace_bytes, void *stream) {\n"
           << "  return heddle_run(pack, " << i << ", device, arguments, " << entry.param_count
           << ", workspace, workspace_bytes, stream);\n}\n";
  }
  stream << "\n#ifdef __cplusplus\n}\n#endif\n#endif\n";
  return text;
}
