#!/bin/bash
# All of test/gpu in one call: run_all.sh DIR
#
# Builds every pack into DIR on all cores, then checks and times them one script after another; reports go to $OUT (DIR/out).
# Needs `import heddle`, PyTorch of a CUDA build and pytest, heddle-compile, heddle-opt and ptxas in PATH, and RUNTIME=libheddle_rt.so.1.
# The hand-written tile programs are built where LLVM's mlir-translate is; elsewhere bring DIR/kernels along (build_kernels.py).
# FLEX=--flex times FlexAttention, too. Ends with the names of the scripts that failed, and their number as status.
here=$(cd "$(dirname "$0")" && pwd)
work=$(mkdir -p "$1" && cd "$1" && pwd)
export OUT=${OUT:-$work/out} TORCHINDUCTOR_COMPILE_THREADS=1
mkdir -p "$OUT"
cd "$here" || exit 1

each() { # SCRIPT FOLDER NAMES..: a building process for each name
  local script=$1 folder=$2; shift 2
  for name in "$@"; do echo "python3 $script build $work/$folder ${option:---name} $name"; done
}
names() { python3 -c "import $1; print(*[*$2])" | tr ' ' "${separator:- }"; } # MODULE LIST
start=$SECONDS
{ each matrix.py matrix $(names matrix matrix.rows.ROWS)
  each views.py views $(names views views.CASES)
  each random_suite.py random $(names random_suite random_suite.ROWS)
  each recurrences.py recur $(names recurrences "recurrences.CASES, *recurrences.ROWS")
  option=--key each mechanisms.py mechanisms $(names mechanisms "sorted({key for key, _, _ in mechanisms.cases().values()})")
  echo "python3 million_tokens.py build $work/million"
  echo "python3 recur_pairs.py build $work/pairs"
  echo "python3 check_packs.py $work/packs --build"
  [ -e /usr/lib/llvm-22/bin/mlir-translate ] && echo "python3 build_kernels.py $(command -v heddle-opt) $work/kernels sm_90a"
} | xargs -P "$(nproc)" -I{} bash -c '{} > /dev/null 2> >(tail -5 >&2) || echo "failed: {}"' 2>&1 | tee "$OUT/build.txt"
echo "built in $((SECONDS - start)) s"
failed=()
grep -q "^failed:" "$OUT/build.txt" && failed+=(build)
ln -sf "$RUNTIME" "$work/packs/libheddle_rt.so"

check() { # NAME SECONDS COMMAND..
  local name=$1 limit=$2 begin=$SECONDS; shift 2
  timeout "$limit" "$@" > "$OUT/$name.log" 2>&1 || failed+=("$name")
  tail -1 "$OUT/$name.log"
  echo "$name: $((SECONDS - begin)) s"
}
check test_attend 120 python3 -m pytest -q -p no:cacheprovider .
check check_packs 60 python3 check_packs.py "$work/packs"
check check_kernels 120 python3 check_kernels.py "$work/kernels"
check random_suite 200 python3 random_suite.py run "$work/random" --runtime "$RUNTIME" --processes 14
check random_recurrences 200 python3 recurrences.py run "$work/recur" --runtime "$RUNTIME" --processes 14 --name "$(separator=, names recurrences recurrences.ROWS)"
check mechanisms 240 python3 mechanisms.py run "$work/mechanisms" --runtime "$RUNTIME" --processes 14
check million_tokens 60 python3 million_tokens.py run "$work/million" --runtime "$RUNTIME"
check views 120 python3 views.py run "$work/views" --runtime "$RUNTIME"
check recurrences 300 python3 recurrences.py run "$work/recur" --runtime "$RUNTIME" --name "$(separator=, names recurrences recurrences.CASES)"
check recur_launches 60 python3 recur_launches.py run "$work/recur" --runtime "$RUNTIME"
check recur_pairs 60 python3 recur_pairs.py run "$work/pairs" --runtime "$RUNTIME"
check matrix 400 python3 matrix.py run "$work/matrix" --runtime "$RUNTIME" --limit 60 $FLEX
echo "${#failed[@]} failed: ${failed[*]}"
exit ${#failed[@]}
