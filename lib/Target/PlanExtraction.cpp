//===- PlanExtraction.cpp - a plan function as data -------------------------===//
//
// In:  the plan and the kernels of a tile module.
// Out: Plan. The grid of a launch is what the kernel computes before its forall,
//      with the kernel's arguments replaced by the launch's operands:
//
//   tile.launch @k(%q, %scale)            launch k grid(ceildiv(size(q, 2), 64),
//   func @k(%x, %s) {                                   size(q, 1), size(q, 0))
//     %n = ceildivsi (dim %x, 2), 64        slots q, scale
//     scf.forall (..) in (%n, %h, %b)
//
// Test: test/Target/plan.mlir, plan-invalid.mlir
//===----------------------------------------------------------------------===//
#include "dialects/Tile/TileOps.h"
#include "heddle/Target/Plan.h"
#include "heddle/Target/SizeEvaluator.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace heddle;

static std::optional<heddle_dtype> typeOf(Type type) {
  if (type.isF32())
    return HEDDLE_F32;
  if (type.isF16())
    return HEDDLE_F16;
  if (type.isBF16())
    return HEDDLE_BF16;
  if (type.isF64())
    return HEDDLE_F64;
  if (type.isInteger(32))
    return HEDDLE_I32;
  if (type.isInteger(64) || type.isIndex())
    return HEDDLE_I64;
  if (type.isInteger(8))
    return HEDDLE_I8;
  if (type.isInteger(1))
    return HEDDLE_I1;
  return std::nullopt;
}

static int64_t byteWidth(Type type) { return type.isIndex() ? 8 : llvm::divideCeil(type.getIntOrFloatBitWidth(), 8); }

namespace {
class PlanReader {
public:
  PlanReader(func::FuncOp function, ArrayRef<std::string> names) : function(function), names(names) {}
  FailureOr<Plan> read();

private:
  LogicalResult readParameters();
  LogicalResult readBlock(Block &block, std::optional<Expression> condition);
  LogicalResult readAlloc(memref::AllocOp alloc, const std::optional<Expression> &condition);
  LogicalResult readRequirement(tile::RequireOp require);
  LogicalResult readIf(scf::IfOp branch, std::optional<Expression> condition);
  LogicalResult readLaunch(tile::LaunchOp launch, std::optional<Expression> condition);
  LogicalResult addSlots(Value operand, PlanLaunch &result);
  FailureOr<std::vector<Expression>> readGrid(tile::LaunchOp launch, func::FuncOp kernel);

  func::FuncOp function;
  ArrayRef<std::string> names;
  SizeEvaluator evaluator;
  Plan plan;
};
} // namespace

LogicalResult PlanReader::readParameters() {
  auto results = function->getAttrOfType<IntegerAttr>("tile.results");
  int64_t count = function.getNumArguments();
  if (!results || results.getInt() < 0 || results.getInt() > count)
    return function.emitError("expected 'tile.results' to say how many of the ") << count << " arguments are outputs";
  int64_t firstResult = count - results.getInt();
  for (auto [index, argument] : llvm::enumerate(function.getArguments())) {
    bool isOutput = int64_t(index) >= firstResult;
    PlanParameter parameter;
    parameter.name = index < names.size()
                         ? names[index]
                         : (isOutput ? "result" + std::to_string(index - firstResult) : "arg" + std::to_string(index));
    auto memref = dyn_cast<MemRefType>(argument.getType());
    std::optional<heddle_dtype> type = typeOf(memref ? memref.getElementType() : argument.getType());
    bool isScalar = !memref && (argument.getType().isIndex() || argument.getType().isInteger(32) ||
                                argument.getType().isInteger(64) || argument.getType().isF32());
    if (!type || (!memref && (!isScalar || isOutput)) ||
        (memref && (!memref.getRank() || memref.getRank() > HEDDLE_MAX_RANK)))
      return function.emitError("expected argument ")
             << index << " to be a memref of rank 1 to " << HEDDLE_MAX_RANK
             << (isOutput ? "" : ", index, i32, i64 or f32") << ", got " << argument.getType();
    parameter.type = *type;
    parameter.role = memref ? (isOutput ? HEDDLE_PARAM_OUTPUT : HEDDLE_PARAM_INPUT) : HEDDLE_PARAM_SCALAR;
    if (memref) {
      PlanMemory memory{/*isParameter=*/true, uint32_t(index), {}, {}};
      for (auto [axis, size] : llvm::enumerate(memref.getShape())) {
        bool isKnown = !ShapedType::isDynamic(size);
        parameter.sizes.push_back(isKnown ? size : -1);
        memory.sizes.push_back(isKnown ? Expression::constant(size) : Expression::size(index, axis));
      }
      evaluator.bind(argument, std::move(memory));
    } else if (argument.getType().isIntOrIndex()) {
      evaluator.bind(argument, Expression::scalar(index));
    }
    plan.parameters.push_back(std::move(parameter));
  }
  return success();
}

/// What only a branch needs is empty where that is not taken.
LogicalResult PlanReader::readAlloc(memref::AllocOp alloc, const std::optional<Expression> &condition) {
  MemRefType type = alloc.getType();
  if (!type.getLayout().isIdentity() || !typeOf(type.getElementType()) || type.getRank() == 0 ||
      type.getRank() > HEDDLE_MAX_RANK)
    return alloc.emitError("expected a contiguous memref of rank 1 to ")
           << HEDDLE_MAX_RANK << " as workspace, got " << type;
  PlanMemory memory{/*isParameter=*/false, uint32_t(plan.buffers.size()), {}, {}};
  auto dynamicSizes = alloc.getDynamicSizes().begin();
  Expression elements = Expression::constant(1);
  for (int64_t size : type.getShape()) {
    FailureOr<Expression> expression = ShapedType::isDynamic(size) ? evaluator.evaluate(*dynamicSizes++)
                                                                   : FailureOr<Expression>(Expression::constant(size));
    if (failed(expression))
      return failure();
    memory.sizes.push_back(*expression);
  }
  for (const Expression &size : llvm::reverse(memory.sizes)) {
    memory.strides.insert(memory.strides.begin(), elements);
    elements = size * elements;
  }
  bool isStatus = alloc->hasAttr("tile.status");
  if (isStatus) {
    if (plan.statusBuffer || type.getNumElements() != 1 || !type.getElementType().isInteger(32))
      return alloc.emitError("expected one status word of type memref<1xi32> in a plan, got ") << type;
    plan.statusBuffer = memory.index;
  }
  Expression bytes = elements * Expression::constant(byteWidth(type.getElementType()));
  if (condition)
    bytes = Expression::select(*condition, bytes, Expression::constant(0));
  plan.buffers.push_back({bytes, isStatus || alloc->hasAttr("tile.zeroed")});
  evaluator.bind(alloc, std::move(memory));
  return success();
}

LogicalResult PlanReader::addSlots(Value operand, PlanLaunch &result) {
  if (isa<MemRefType>(operand.getType())) {
    FailureOr<PlanMemory> memory = evaluator.memory(operand);
    if (failed(memory))
      return failure();
    if (memory->isParameter && memory->strides.empty()) {
      result.slots.push_back({HEDDLE_SLOT_PARAM_TENSOR, memory->index, {}});
      return success();
    }
    result.slots.push_back({memory->isParameter ? HEDDLE_SLOT_PARAM_ADDRESS : HEDDLE_SLOT_BUFFER, memory->index, {}});
    for (const Expression &size : memory->sizes)
      result.slots.push_back({HEDDLE_SLOT_EXPR, 0, size});
    for (const Expression &stride : memory->strides)
      result.slots.push_back({HEDDLE_SLOT_EXPR, 0, stride});
    return success();
  }
  auto argument = dyn_cast<BlockArgument>(operand);
  if (argument && argument.getOwner() == &function.front()) {
    result.slots.push_back({HEDDLE_SLOT_PARAM_SCALAR, argument.getArgNumber(), {}});
    return success();
  }
  FailureOr<Expression> value = evaluator.evaluate(operand);
  if (failed(value))
    return failure();
  result.slots.push_back({HEDDLE_SLOT_EXPR, 0, *value});
  return success();
}

FailureOr<std::vector<Expression>> PlanReader::readGrid(tile::LaunchOp launch, func::FuncOp kernel) {
  SizeEvaluator inKernel;
  for (auto [argument, operand] : llvm::zip_equal(kernel.getArguments(), launch.getArgs())) {
    if (isa<MemRefType>(operand.getType())) {
      FailureOr<PlanMemory> memory = evaluator.memory(operand);
      if (failed(memory))
        return failure();
      inKernel.bind(argument, *memory);
    } else if (operand.getType().isIntOrIndex()) {
      FailureOr<Expression> value = evaluator.evaluate(operand);
      if (failed(value))
        return failure();
      inKernel.bind(argument, *value);
    }
  }
  auto loops = kernel.getBody().front().getOps<scf::ForallOp>();
  if (!llvm::hasSingleElement(loops))
    return kernel.emitError("expected one scf.forall in a kernel, got ") << std::distance(loops.begin(), loops.end());
  scf::ForallOp loop = *loops.begin();
  if (loop.getRank() < 1 || loop.getRank() > 3 || !loop.isNormalized())
    return loop.emitError("expected 1 to 3 dimensions that count from 0 by 1, got ") << loop.getRank();
  std::vector<Expression> grid;
  OpBuilder builder(kernel.getContext());
  for (OpFoldResult bound : loop.getMixedUpperBound()) {
    FailureOr<Expression> size;
    if (auto value = dyn_cast<Value>(bound))
      size = inKernel.evaluate(value);
    else
      size = Expression::constant(cast<IntegerAttr>(cast<Attribute>(bound)).getInt());
    if (failed(size))
      return failure();
    grid.push_back(*size);
  }
  grid.resize(3, Expression::constant(1));
  return grid;
}

LogicalResult PlanReader::readLaunch(tile::LaunchOp launch, std::optional<Expression> condition) {
  auto kernel = SymbolTable::lookupNearestSymbolFrom<func::FuncOp>(launch, launch.getKernelAttr());
  if (!kernel || !kernel->hasAttr(tile::kKernelAttr) || kernel.isExternal())
    return launch.emitError("expected the name of a function with '")
           << tile::kKernelAttr << "', got @" << launch.getKernel();
  if (kernel.getNumArguments() != launch.getArgs().size())
    return launch.emitError("expected ") << kernel.getNumArguments() << " arguments for @" << launch.getKernel()
                                         << ", got " << launch.getArgs().size();
  for (auto [index, types] : llvm::enumerate(llvm::zip_equal(kernel.getArgumentTypes(), launch.getArgs().getTypes()))) {
    auto [wanted, given] = types;
    auto wantedMemory = dyn_cast<MemRefType>(wanted), givenMemory = dyn_cast<MemRefType>(given);
    bool fits = wanted == given || (wantedMemory && givenMemory && wantedMemory.getRank() == givenMemory.getRank() &&
                                    wantedMemory.getElementType() == givenMemory.getElementType());
    if (!fits)
      return launch.emitError("expected argument ") << index << " of type " << wanted << ", got " << given;
  }
  PlanLaunch result;
  result.kernel = launch.getKernel().str();
  result.condition = std::move(condition);
  FailureOr<std::vector<Expression>> grid = readGrid(launch, kernel);
  if (failed(grid))
    return failure();
  result.grid = std::move(*grid);
  for (Value operand : launch.getArgs())
    if (failed(addSlots(operand, result)))
      return failure();
  plan.launches.push_back(std::move(result));
  return success();
}

/// "dimension 1 of k", or the arithmetic.
static std::string describe(const Expression &size, ArrayRef<std::string> names) {
  SmallVector<uint32_t> words = size.words();
  if (words.size() == 4 && words[0] == HEDDLE_OP_SIZE)
    return "dimension " + std::to_string(words[2]) + " of " + names[words[1]];
  return printExpression(words, names);
}

LogicalResult PlanReader::readRequirement(tile::RequireOp require) {
  FailureOr<Expression> left = evaluator.evaluate(require.getLhs()), right = evaluator.evaluate(require.getRhs());
  if (failed(left) || failed(right))
    return failure();
  Expression holds = Expression::binary(HEDDLE_OP_EQ, *left, *right);
  Expression zero = Expression::constant(0), one = Expression::constant(1);
  auto either = [&](const Expression &other) { holds = Expression::binary(HEDDLE_OP_OR, holds, other); };
  StringRef relation = " to equal ";
  switch (require.getRelation()) {
  case tile::SizeRelation::Equals:
    break;
  case tile::SizeRelation::IsOneOr:
    relation = " to be 1 or ";
    either(Expression::binary(HEDDLE_OP_EQ, *left, one));
    break;
  case tile::SizeRelation::Divides:
    relation = " to divide ";
    Expression remainder = Expression::binary(HEDDLE_OP_MOD, *right, Expression::binary(HEDDLE_OP_MAX, *left, one));
    either(Expression::binary(HEDDLE_OP_AND, Expression::binary(HEDDLE_OP_LT, zero, *left),
                              Expression::binary(HEDDLE_OP_EQ, remainder, zero)));
    break;
  }
  SmallVector<std::string> parameterNames;
  for (const PlanParameter &parameter : plan.parameters)
    parameterNames.push_back(parameter.name);
  std::string text = describe(*left, parameterNames) + relation.str() + describe(*right, parameterNames);
  plan.requirements.push_back({*left, *right, holds, std::move(text)});
  return success();
}

LogicalResult PlanReader::readIf(scf::IfOp branch, std::optional<Expression> condition) {
  FailureOr<Expression> here = evaluator.evaluate(branch.getCondition());
  if (failed(here))
    return failure();
  auto also = [&](const Expression &other) {
    return condition ? Expression::binary(HEDDLE_OP_AND, *condition, other) : other;
  };
  if (failed(readBlock(*branch.thenBlock(), also(*here))))
    return failure();
  return branch.elseBlock() ? readBlock(*branch.elseBlock(), also(Expression::logicalNot(*here))) : success();
}

LogicalResult PlanReader::readBlock(Block &block, std::optional<Expression> condition) {
  for (Operation &op : block) {
    LogicalResult result =
        llvm::TypeSwitch<Operation *, LogicalResult>(&op)
            .Case([&](memref::AllocOp alloc) { return readAlloc(alloc, condition); })
            .Case([&](tile::LaunchOp launch) { return readLaunch(launch, condition); })
            .Case([&](tile::RequireOp require) { return readRequirement(require); })
            .Case([&](scf::IfOp branch) { return readIf(branch, condition); })
            // Workspace belongs to the caller: there is nothing to free, and values are evaluated where they are used.
            .Case<memref::DeallocOp, memref::DimOp, memref::CastOp, tile::MachineOp, tile::ResiduesOp, scf::YieldOp,
                  func::ReturnOp>([](Operation *) { return success(); })
            .Default([](Operation *other) -> LogicalResult {
              if (isa<arith::ArithDialect>(other->getDialect()))
                return success();
              return other->emitError("expected memref.dim, memref.alloc, integer arith, scf.if, tile.machine, "
                                      "tile.require, tile.residues or tile.launch in a plan, got '")
                     << other->getName() << "'";
            });
    if (failed(result))
      return failure();
  }
  return success();
}

FailureOr<Plan> PlanReader::read() {
  plan.name = function.getSymName().str();
  if (!llvm::hasSingleElement(function.getBody()))
    return function.emitError("expected one block in a plan, got ") << function.getBody().getBlocks().size();
  if (failed(readParameters()) || failed(readBlock(function.front(), std::nullopt)))
    return failure();
  if (plan.launches.empty())
    return function.emitError("expected a plan to launch a kernel, got none");
  return std::move(plan);
}

FailureOr<std::vector<Plan>> heddle::extractPlans(ModuleOp module, const ParameterNames &names) {
  std::vector<Plan> plans;
  for (auto function : module.getOps<func::FuncOp>()) {
    if (!function->hasAttr(tile::kPlanAttr))
      continue;
    auto known = names.find(function.getSymName());
    ArrayRef<std::string> parameterNames;
    if (known != names.end())
      parameterNames = known->second;
    FailureOr<Plan> plan = PlanReader(function, parameterNames).read();
    if (failed(plan))
      return failure();
    plans.push_back(std::move(*plan));
  }
  if (plans.empty())
    return module.emitError("expected a function with '") << tile::kPlanAttr << "', got none";
  return plans;
}
