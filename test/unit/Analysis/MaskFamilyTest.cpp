//===- MaskFamilyTest.cpp - masks that people write are solved exactly -----===//
//
// For each: over random sizes and run-time values, the key blocks inside `may` are
// exactly those with a visible pair, and those inside `full` exactly those without
// an invisible one.
//
//===----------------------------------------------------------------------===//
#include "RandomMask.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Parser/Parser.h"
#include "gtest/gtest.h"

using namespace heddle;
using namespace heddle::test;
using namespace mlir;

namespace {
enum class TableKind { None, Rising, RowStarts, Any };

struct Family {
  const char *name;
  const char *body;           // of a function (b, h, i, j, %x, %y: index, %t: tensor<?xi32>) -> i1
  int64_t low = 1, high = 40; // of the scalars
  TableKind table = TableKind::None;
  bool exact = true; // false where a last, shorter block may be empty
};

void PrintTo(const Family &family, std::ostream *os) { *os << family.name; }

const Family families[] = {
    {"Past", R"(%m = arith.cmpi sle, %j, %i : index)"},
    {"PastOfRunTimeDiagonal", R"(%d = arith.addi %i, %x : index
       %m = arith.cmpi sle, %j, %d : index)",
     -40, 40},
    {"Window", R"(%past = arith.cmpi sle, %j, %i : index
       %d = arith.subi %i, %j : index
       %near = arith.cmpi slt, %d, %x : index
       %m = arith.andi %past, %near : i1)"},
    {"WindowBehindFirstKeys", R"(%past = arith.cmpi sle, %j, %i : index
       %d = arith.subi %i, %j : index
       %near = arith.cmpi slt, %d, %x : index
       %first = arith.cmpi slt, %j, %y : index
       %n = arith.ori %first, %near : i1
       %m = arith.andi %past, %n : i1)",
     0, 40},
    {"PrefixOrPast", R"(%past = arith.cmpi sle, %j, %i : index
       %prefix = arith.cmpi slt, %j, %x : index
       %m = arith.ori %past, %prefix : i1)",
     0, 80},
    {"Distance", R"(%d = arith.subi %i, %j : index
       %a = math.absi %d : index
       %m = arith.cmpi sle, %a, %x : index)",
     0, 40},
    {"FarAway", R"(%d = arith.subi %i, %j : index
       %a = math.absi %d : index
       %m = arith.cmpi sgt, %a, %x : index)",
     0, 40},
    {"BlockTerraces", R"(%bi = arith.floordivsi %i, %x : index
       %bj = arith.floordivsi %j, %x : index
       %m = arith.cmpi sle, %bj, %bi : index)"},
    {"BlockDiagonal", R"(%bi = arith.divsi %i, %x : index
       %bj = arith.divsi %j, %x : index
       %m = arith.cmpi eq, %bj, %bi : index)"},
    {"OwnAndPreviousBlock", R"(%c1 = arith.constant 1 : index
       %c16 = arith.constant 16 : index
       %bi = arith.floordivsi %i, %c16 : index
       %bj = arith.floordivsi %j, %c16 : index
       %lo = arith.subi %bi, %c1 : index
       %a = arith.cmpi sge, %bj, %lo : index
       %b2 = arith.cmpi sle, %bj, %bi : index
       %m = arith.andi %a, %b2 : i1)"},
    {"CoarseRows", R"(%k = arith.muli %i, %x : index
       %m = arith.cmpi sle, %j, %k : index)",
     0, 5},
    {"CoarseKeys", R"(%k = arith.muli %j, %x : index
       %m = arith.cmpi sle, %k, %i : index)",
     -2, 5},
    {"Documents", R"(%ei = tensor.extract %t[%i] : tensor<?xi32>
       %ej = tensor.extract %t[%j] : tensor<?xi32>
       %m = arith.cmpi eq, %ei, %ej : i32)",
     1, 40, TableKind::Rising},
    {"PastOfDocuments", R"(%ei = tensor.extract %t[%i] : tensor<?xi32>
       %ej = tensor.extract %t[%j] : tensor<?xi32>
       %same = arith.cmpi eq, %ei, %ej : i32
       %past = arith.cmpi sle, %j, %i : index
       %m = arith.andi %same, %past : i1)",
     1, 40, TableKind::Rising},
    {"OtherDocuments", R"(%ei = tensor.extract %t[%i] : tensor<?xi32>
       %ej = tensor.extract %t[%j] : tensor<?xi32>
       %m = arith.cmpi ne, %ei, %ej : i32)",
     1, 40, TableKind::Rising},
    {"RowLimits", R"(%ei = tensor.extract %t[%i] : tensor<?xi32>
       %e = arith.index_cast %ei : i32 to index
       %m = arith.cmpi slt, %j, %e : index)",
     1, 40, TableKind::Any},
    {"RisingRowStarts", R"(%ei = tensor.extract %t[%i] : tensor<?xi32>
       %e = arith.index_cast %ei : i32 to index
       %a = arith.cmpi sge, %j, %e : index
       %past = arith.cmpi sle, %j, %i : index
       %m = arith.andi %a, %past : i1)",
     1, 40, TableKind::RowStarts},
    {"NotWindow", R"(%true = arith.constant true
       %d = arith.subi %i, %j : index
       %zero = arith.constant 0 : index
       %a = arith.cmpi sge, %d, %zero : index
       %near = arith.cmpi slt, %d, %x : index
       %in = arith.andi %a, %near : i1
       %m = arith.xori %in, %true : i1)"},
    {"OneOfTwoPrefixes", R"(%a = arith.cmpi slt, %j, %x : index
       %b2 = arith.cmpi slt, %j, %y : index
       %m = arith.xori %a, %b2 : i1)",
     0, 80},
    {"FlagSwitchesThePast", R"(%zero = arith.constant 0 : index
       %flag = arith.cmpi sgt, %x, %zero : index
       %past = arith.cmpi sle, %j, %i : index
       %future = arith.cmpi sge, %j, %i : index
       %m = arith.select %flag, %past, %future : i1)",
     -1, 1},
    {"EvenKeys", R"(%c2 = arith.constant 2 : index
       %zero = arith.constant 0 : index
       %r = arith.remsi %j, %c2 : index
       %m = arith.cmpi eq, %r, %zero : index)",
     1, 40, TableKind::None, /*exact=*/false},
    {"UnsignedDistance", R"(%d = arith.subi %i, %j : index
       %m = arith.cmpi ult, %d, %x : index)",
     1, 40},
};

class MaskFamily : public testing::TestWithParam<Family> {
protected:
  MaskFamily() {
    context.loadDialect<arith::ArithDialect, func::FuncDialect, math::MathDialect, scf::SCFDialect,
                        tensor::TensorDialect>();
  }
  MLIRContext context{MLIRContext::Threading::DISABLED};
};

Table makeTable(TableKind kind, Random &random, int64_t extent) {
  Table table{{extent}, {}};
  for (int64_t k = 0, document = -1; k < extent; ++k) {
    document += pick(random, 0, 14) == 0;
    int64_t start = k / 3 + (k % 3) * 0;
    table.entries.push_back(kind == TableKind::Any         ? pick(random, -3, extent + 3)
                            : kind == TableKind::RowStarts ? start
                                                           : document);
  }
  return table;
}
} // namespace

TEST_P(MaskFamily, IsExactToTheBlock) {
  const Family &family = GetParam();
  std::string text = std::string("func.func @mask(%b: index, %h: index, %i: index, %j: index, %x: index, %y: index, "
                                 "%t: tensor<?xi32>) -> i1 {\n") +
                     family.body + "\nreturn %m : i1\n}\n";
  OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(text, &context);
  ASSERT_TRUE(module) << text;
  MaskCase mask;
  mask.function = *module->getOps<func::FuncOp>().begin();
  Block &body = mask.function.getBody().front();
  MaskAnalysis analysis = MaskAnalysis::compute(mask.function.getBody());
  std::string algebra;
  llvm::raw_string_ostream os(algebra);
  analysis.print(os);
  EXPECT_FALSE(analysis.needsEvaluation()) << algebra;

  Random random(11);
  Interpreter interpreter(body);
  for (int64_t k = 0; k < 60; ++k) {
    mask.rows = pick(random, 1, 90);
    mask.keys = pick(random, 0, 90);
    mask.scalars = {{4, pick(random, family.low, family.high)}, {5, pick(random, family.low, family.high)}};
    mask.tables[6] = makeTable(family.table, random, 90);
    mask.bind(interpreter);
    MaskOnHost host(analysis, mask.captures(), mask.keys);
    int64_t rowBlock = pick(random, 1, 24), keyBlock = pick(random, 2, 24);
    std::vector<bool> visible(mask.rows * mask.keys);
    for (int64_t i = 0; i < mask.rows; ++i)
      for (int64_t j = 0; j < mask.keys; ++j) {
        interpreter.bind(body.getArgument(2), i);
        interpreter.bind(body.getArgument(3), j);
        visible[i * mask.keys + j] = interpreter.run()[0];
      }
    MaskPicture picture = host.picture(0, 0, mask.rows, rowBlock, keyBlock);
    for (int64_t m = 0; m * rowBlock < mask.rows; ++m) {
      int64_t begin = m * rowBlock, end = std::min(begin + rowBlock, mask.rows);
      HostRanges ranges = host.ranges(0, 0, begin, end);
      for (int64_t n = 0; n * keyBlock < mask.keys; ++n) {
        int64_t first = n * keyBlock, last = std::min(first + keyBlock, mask.keys);
        int64_t seen = 0;
        for (int64_t i = begin; i < end; ++i)
          for (int64_t j = first; j < last; ++j)
            seen += visible[i * mask.keys + j];
        bool inMay = false, inFull = false;
        for (auto [may, full] : llvm::zip(ranges.may, ranges.full)) {
          inMay |= may.begin < last && first < may.end && may.begin < may.end;
          inFull |= full.begin <= first && last <= full.end;
        }
        bool all = seen == (end - begin) * (last - first);
        std::string where = algebra + "rows [" + std::to_string(begin) + ", " + std::to_string(end) + ") keys [" +
                            std::to_string(first) + ", " + std::to_string(last) + ") x " +
                            std::to_string(mask.scalars[4]) + " y " + std::to_string(mask.scalars[5]);
        if (family.exact) {
          ASSERT_EQ(inMay, seen > 0) << where;
          ASSERT_EQ(inFull, all) << where;
        } else {
          ASSERT_TRUE((inMay || seen == 0) && (!inFull || all)) << where;
        }
        BlockState state = all ? BlockState::Full : seen ? BlockState::Partial : BlockState::Empty;
        ASSERT_EQ(picture.states[m * picture.keyBlocks + n], state) << where;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, MaskFamily, testing::ValuesIn(families),
                         [](const testing::TestParamInfo<Family> &info) { return info.param.name; });
