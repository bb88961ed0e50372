#!/bin/sh
# All that wants a GPU, by one command on a machine that has one: the tests, the
# same under compute-sanitizer, the figures against PyTorch, and search.
#
#   tests/gpu.sh [BUILD] [--only STEP[,STEP]..] [--report FILE]
#
# BUILD (build/, made where it is missing) has cli/akin and libakin-cuda.so.
# STEP is tests, sanitizer, speed or search; each has its own limit of time, and
# what one breaks leaves the others running. --report writes a section for
# docs/gpu.md. $PYTHON (python3) is one with PyTorch, transformers, numpy and
# Pillow, $AKIN_GPU_SPEED more options of bench/gpu.py. The last line is
# "N passed, N failed"; ends with 1 when something failed and with 77 where no
# card is.
set -u

top=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-python3}
build=$top/build
steps=tests,sanitizer,speed,search
report=

say() { printf '== %s\n' "$*"; }

die() {
    code=$1
    shift
    printf 'gpu.sh: %s\n' "$*" >&2
    exit "$code"
}

while [ $# -gt 0 ]; do
    case $1 in
    --only | --report)
        [ $# -gt 1 ] || die 2 "$1 wants a value"
        if [ "$1" = --only ]; then steps=$2; else report=$2; fi
        shift
        ;;
    -*) die 2 "no option '$1': it takes BUILD, --only and --report" ;;
    *) build=$(cd "$1" 2>/dev/null && pwd) || die 3 "$1: no such folder" ;;
    esac
    shift
done
for step in $(printf %s "$steps" | tr , ' '); do
    case $step in
    tests | sanitizer | speed | search) ;;
    *) die 2 "no step '$step': tests, sanitizer, speed, search" ;;
    esac
done

# -------------------------------------------------------------------- machine

card=$(nvidia-smi --query-gpu=name,driver_version,memory.total \
    --format=csv,noheader 2>/dev/null | head -n 1)
case $card in
*,*) ;;
*)
    say "no NVIDIA card is at hand (nvidia-smi names none): nothing was tried"
    exit 77
    ;;
esac

[ -x "$build/cli/akin" ] || {
    [ "$build" = "$top/build" ] || die 3 "$build: has no cli/akin"
    "$top/run" build || die 5 "./run build did not end well"
}
[ -e "$build/libakin-cuda.so" ] ||
    die 5 "$build has no libakin-cuda.so: it is built where nvcc is" \
        "(meson configure $build -Dcuda=enabled says why not)"

# cuBLASLt: where the loader looks, else PyTorch's, else the toolkit's.
blas=$(ldd "$build/libakin-cuda.so" | sed -n 's/.*libcublasLt.*=> \(\/[^ ]*\).*/\1/p')
[ -n "$blas" ] || for folder in \
    "$($python -c 'import nvidia.cu13 as n; print(list(n.__path__)[0])' \
        2>/dev/null)/lib" \
    /usr/local/cuda/lib64 /usr/local/cuda/targets/x86_64-linux/lib; do
    for file in "$folder"/libcublasLt.so.*; do
        [ -n "$blas" ] || ! [ -e "$file" ] || {
            blas=$file
            export LD_LIBRARY_PATH="$folder${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
        }
    done
done

export AKIN_SOURCE="$top" AKIN_BUILD="$build" PYTHONUNBUFFERED=1
unset AKIN_TEST_DEVICE AKIN_CUDA_PLUGIN
scratch=$(mktemp -d) || die 5 "no room for scratch files"
trap 'rm -rf "$scratch"' EXIT
results=$scratch/results # lines "ok|not ok|skip STEP: NAME"
: >"$results"

sanitizer=$(command -v compute-sanitizer ||
    ls /usr/local/cuda/bin/compute-sanitizer 2>/dev/null)
cuda=$( ($(command -v nvcc || echo /usr/local/cuda/bin/nvcc) --version) \
    2>/dev/null | sed -n 's/.*release \([0-9.]*\).*/\1/p')
torch=$($python -c 'import torch, transformers as t
print(f"{torch.__version__}, transformers {t.__version__}")' 2>/dev/null)

machine() {
    cat <<END
card, driver, memory: $card
driver's CUDA: $(nvidia-smi 2>/dev/null | sed -n 's/.*CUDA Version: *\([0-9.]*\).*/\1/p' | head -n 1)
CUDA toolkit: ${cuda:-none}
cuBLASLt: ${blas:-not found}
processor: $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(nproc) of them
memory: $(sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo | awk '{printf "%.0f GB", $1 / 1e6}')
system: $(uname -sr), $(sed -n 's/^PRETTY_NAME="\(.*\)"/\1/p' /etc/os-release)
PyTorch: ${torch:-none}
akin: $("$build/cli/akin" --version 2>/dev/null | head -n 1), $(git -C "$top" describe --always --dirty 2>/dev/null || echo 'no git')
END
}

# ---------------------------------------------------------------------- steps

# left: seconds that the step still has.
left() { echo $((until - $(date +%s))); }

# run SECONDS NAME COMMAND...: into $log, within what is left of the step.
run() {
    limit=$1 name=$2
    shift 2
    log=$scratch/$step-$(printf %s "$name" | tr -c 'A-Za-z0-9\n' -).log
    : >"$log"
    [ "$limit" -le "$(left)" ] || limit=$(left)
    [ "$limit" -gt 2 ] || {
        code=124
        return
    }
    say "$step: $name"
    begin=$(date +%s)
    timeout -k 5 "$limit" "$@" >"$log" 2>&1
    code=$?
    cat "$log"
    say "$step: $name: code $code after $(($(date +%s) - begin)) s"
}

# Ended by timeout: it or, when it would not end, kill.
is_late() { [ "$code" = 124 ] || [ "$code" = 137 ]; }

# try SECONDS NAME COMMAND...: its lines of TAP become results; a program that
# breaks, or says nothing, is a result of its own. Here is a card: a test that
# finds no way to it has failed.
try() {
    run "$@"
    sed -n -e 's/^ok *[0-9]* *-* *\(.*\) # SKIP *\(.*\)/skip STEP: \1 (\2)/p;t' \
        -e 's/^1\.\.0 # SKIP *\(.*\)/skip STEP: NAME (\1)/p;t' \
        -e 's/^\(not ok\|ok\) *[0-9]* *-* *\(.*\)/\1 STEP: \2/p' "$log" |
        sed -e "s|STEP: NAME|$step: $name|" -e "s|STEP:|$step:|" \
            -e 's/^skip \(.*(no \(plugin\|card\|NVIDIA\)\)/not ok \1/' \
            >"$scratch/found"
    cat "$scratch/found" >>"$results"
    if is_late; then
        echo "not ok $step: $name was not done in $limit s" >>"$results"
    elif [ $code != 0 ] && ! grep -q '^not ok' "$scratch/found"; then
        echo "not ok $step: $name ended with $code" >>"$results"
    elif [ ! -s "$scratch/found" ]; then
        echo "ok $step: $name" >>"$results"
    fi
}

# The C tests that talk to the card.
programs() {
    for program in "$build"/tests/test_cuda*; do
        if [ -f "$program" ] && [ -x "$program" ]; then
            echo "$program"
        fi
    done
}

do_tests() {
    for program in $(programs); do
        try 60 "$(basename "$program")" "$program"
    done
    try 120 gpu_test "$python" "$top/tests/tap.py" "$top/tests/gpu_test.py"
}

# check TOOL SECONDS NAME COMMAND...: it found nothing, and it did look. The
# decoders, processes of their own that use no card, are left alone. racecheck
# does not know what orders the copies of Hopper's in cuBLASLt's kernels: what
# it says of them alone does not count.
check() {
    tool=$1 seconds=$2 what="$1, $3" wrong=9
    shift 3
    [ "$tool" != racecheck ] || wrong=0
    run "$seconds" "$what" env AKIN_SANDBOX=off "$sanitizer" --tool "$tool" \
        --target-processes application-only --error-exitcode $wrong \
        --print-limit 100 "$@"
    ours=$(grep -E 'Race reported|and .* access at' "$log" |
        grep -cvE 'nvjet|xmma|gemm|cublas|cutlass')
    if is_late; then
        echo "not ok $step: $what was not done in $limit s" >>"$results"
    elif [ $code = 0 ] && [ "$ours" = 0 ] &&
        grep -qE 'ERROR SUMMARY: 0 |RACECHECK SUMMARY' "$log" &&
        ! grep -qE '# SKIP no |Internal Sanitizer Error' "$log"; then
        echo "ok $step: $what" >>"$results"
    else
        echo "not ok $step: $what ended with $code:" \
            "$(grep 'SUMMARY' "$log" | tail -n 1)" >>"$results"
    fi
}

do_sanitizer() {
    [ -n "$sanitizer" ] || {
        echo "skip $step: compute-sanitizer is not installed" >>"$results"
        return
    }
    models=$scratch/tiny
    # shellcheck disable=SC2015 # whichever of the two fails
    "$python" "$top/tools/make_tiny.py" "$models" tiny-clip tiny-dinov2 \
        tiny-dinov2-swiglu tiny-dinov2-registers >/dev/null &&
        "$python" - "$scratch" <<'END' || {
import sys
import numpy as np
import PIL.Image
for i, size in enumerate(((300, 200), (97, 61), (224, 500))):
    noise = np.random.default_rng(i).integers(0, 256, (*size[::-1], 3))
    PIL.Image.fromarray(noise.astype('u1')).save(f'{sys.argv[1]}/{i}.jpg')
END
        echo "not ok $step: no tiny models" >>"$results"
        return
    }
    for program in $(programs); do
        for tool in memcheck synccheck; do
            check $tool 40 "$(basename "$program") few" "$program" few
        done
        check racecheck 40 "$(basename "$program") few rows" "$program" few rows
    done
    for precision in f32 bf16; do
        for model in tiny-clip tiny-dinov2-swiglu tiny-dinov2-registers; do
            check memcheck 30 "akin embed, $model $precision" \
                "$build/cli/akin" embed "$scratch"/?.jpg --device cuda \
                --precision $precision --model "$models/$model" --format npy \
                -o "$scratch/v.npy"
        done
    done
    # In f32 cuBLASLt's kernels alone take it minutes.
    check racecheck 30 "akin embed, tiny-dinov2 bf16" \
        "$build/cli/akin" embed "$scratch/1.jpg" --device cuda \
        --precision bf16 --model "$models/tiny-dinov2" \
        --format npy -o "$scratch/v.npy"
}

do_speed() {
    # shellcheck disable=SC2086 # options on purpose
    try 600 bench/gpu.py "$python" "$top/bench/gpu.py" ${AKIN_GPU_SPEED:-}
}

do_search() {
    if [ -f "$top/bench/gpu_search.py" ]; then
        try 600 bench/gpu_search.py "$python" "$top/bench/gpu_search.py"
    else
        echo "skip $step: there is no bench/gpu_search.py" >>"$results"
    fi
}

# Seconds that a step has; together they fit ten minutes.
seconds_of() {
    case $1 in
    tests) echo 130 ;;
    sanitizer) echo 120 ;;
    speed) echo 240 ;;
    search) echo 100 ;;
    esac
}

count() { grep -c "^$1 " "$results"; }

write_report() {
    printf '## %s, %s\n\n' "${card%%,*}" "$(date +%Y-%m-%d)"
    # shellcheck disable=SC2016 # backquotes on purpose
    printf 'By `tests/gpu.sh --only %s`: %s passed, %s failed, %s skipped.\n\n' \
        "$steps" "$(count ok)" "$(count 'not ok')" "$(count skip)"
    printf '| what | |\n| --- | --- |\n'
    machine | sed 's/^\([^:]*\): \(.*\)/| \1 | \2 |/'
    for log in "$scratch"/speed-*.log "$scratch"/search-*.log; do
        [ ! -f "$log" ] || ! grep -q '^|' "$log" || {
            echo
            grep '^|' "$log"
        }
    done
    printf '\n| check | result |\n| --- | --- |\n'
    sed -e 's/|/\\|/g' -e 's/^not ok \(.*\)/| \1 | **failed** |/' \
        -e 's/^ok \(.*\)/| \1 | passed |/' \
        -e 's/^skip \(.*\)/| \1 | skipped |/' "$results"
}

say "this machine"
machine
for step in $(printf %s "$steps" | tr , ' '); do
    until=$(($(date +%s) + $(seconds_of "$step")))
    "do_$step"
done
[ -z "$report" ] || write_report >"$report" || say "$report: not written"
say "results"
grep -v '^ok ' "$results"
failed=$(count 'not ok')
echo "$(count ok) passed, $failed failed"
[ "$failed" = 0 ]
