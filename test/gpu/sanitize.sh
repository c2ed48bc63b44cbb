#!/bin/bash
# compute-sanitizer on kernels of each family: sanitize.sh DIR, where run_all.sh has left its packs
#
# A process for each tool and case, a few at a time; a report of errors, a hang or a wrong result is a failure. Logs go to $OUT.
here=$(cd "$(dirname "$0")" && pwd)
work=$(cd "$1" && pwd)
export OUT=${OUT:-$work/out} CUDA_MODULE_LOADING=EAGER
mkdir -p "$OUT/sanitize"
cd "$here" || exit 1
cases() {
  for name in causal_bf16_128 causal_bf16_64 full_bf16_256 causal_f32_64 causal_lag_bf16_128 documents_bf16_128 window_bf16_128 dilated_bf16_128 \
      strided_bf16_128 blocks_bf16_128 bias_bf16_128 relative_bf16_128; do echo matrix.py matrix "$name"; done
  for name in packed pages_16 pages_64 lengths decode decode_pages_16; do echo views.py views "$name"; done
  for name in none_bf16_128 head_bf16_128 token_bf16_128 token_bf16_128_step token_bf16_192_stateless token_bf16_128_exp channel_bf16_128; do echo recurrences.py recur "$name"; done
}
one() { # TOOL SCRIPT FOLDER NAME
  local log="$OUT/sanitize/$1-$4.log"
  if timeout 150 compute-sanitizer --tool "$1" --error-exitcode 9 python3 "$2" one "$work/$3" --runtime "$RUNTIME" --name "$4" --check-only > "$log" 2>&1 &&
      ! grep -q '"errors".*false' "$log"; then echo "$1 $4: ok"; else echo "$1 $4: FAILED ($(grep -c '=========.*rror' "$log") reports, or over time)"; fi
}
export -f one
export work
for tool in memcheck racecheck synccheck; do cases | sed "s/^/$tool /"; done | xargs -P 8 -L 1 bash -c 'one "$@"' _ | sort | tee "$OUT/sanitize.txt"
! grep -q FAILED "$OUT/sanitize.txt"
