#!/usr/bin/env bash
# What dfs-sim does when the world does not take what it writes: exit 7 and one line, never a silent 0; and it takes away nothing that it has not made.
set -euo pipefail
sim=$(realpath "$BUILD_RELEASE/bin/dfs-sim")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
mkdir "a folder"
cat >"a folder/a file.json" <<'JSON'
{"dfs_scenario": 1, "duration": "5s", "workload": [{"at": "1s", "put": "a/one"}], "faults": [{"at": "6s", "crash": "d1"}]}
JSON
file="a folder/a file.json"

# ends CODE WORDS COMMAND...: it ends with CODE, and standard error has WORDS
ends() {
    local want=$1 words=$2 code=0
    shift 2
    "$@" >out 2>err || code=$?
    [ "$code" -eq "$want" ] && { [ -z "$words" ] || grep -qF -- "$words" err; } || { echo "exit $code instead of $want, or without \"$words\": $*"; cat err; exit 1; }
}

for option in trace html pcap perfetto record; do
    ends 7 "cannot write /dev/full: No space left" "$sim" run "$file" --$option /dev/full
    ends 7 "cannot write none/file: No such file" "$sim" run "$file" --$option none/file
done
for option in junit coverage; do
    ends 7 "cannot write /dev/full: No space left" "$sim" sweep "$file" --seeds 1 --$option /dev/full
    ends 7 "cannot write none/file: No such file" "$sim" sweep "$file" --seeds 1 --$option none/file
    [ ! -s out ] || { echo "sweep --$option none/file has run first"; exit 1; }
done
ends 3 "" "$sim" run "$file" --record /dev/null
ends 7 "no plain file" "$sim" shrink "$file" -o /dev/full
[ -c /dev/full ] && [ -c /dev/null ] || { echo "a device was taken away"; exit 1; }

# Results that nobody got are no pass.
full() { "$sim" "$@" >/dev/full; }
closed() { "$sim" "$@" >&-; }
for how in full closed; do
    for words in "schema" "check a_file" "sweep a_file --seeds 1 --json" "run b_file" "run b_file --json" "run --help"; do
        read -ra arguments <<<"$words"
        arguments=("${arguments[@]/#a_file/$file}")
        sed 's/, "faults".*/}/' "$file" >b_file
        [ "${arguments[0]}" = sweep ] && want=3 || want=7
        ends "$want" "cannot write standard output" "$how" "${arguments[@]}"
    done
done
ends 7 "cannot write standard output" closed run b_file --trace trace
! grep -q verdict trace || { echo "the result stands in the trace"; exit 1; }

# A run that does not fail leaves the scenario alone, even when the result should replace it.
cp b_file kept
ends 2 "there is no failure to shrink" "$sim" shrink b_file -o b_file
cmp b_file kept
ends 0 "" "$sim" shrink "$file" -o "$file"
ends 3 "" "$sim" run "$file"
[ ! -e "$file.record" ] || { echo "the record was left behind"; exit 1; }

# The least that can be said is said once.
ends 7 "dfs-sim: cannot read none: No such file or directory" "$sim" diverge none
[ "$(wc -l <err)" -eq 1 ] || { echo "diverge says it twice"; exit 1; }
ends 7 "diverge: /bin/true shows no events: is it a dfs-sim?" "$sim" diverge "$file" --against /bin/true
ends 2 "is not a whole number from 0 to 9223372036854775807" "$sim" run "$file" --seed 18446744073709551615
ends 2 "seeds are from 0 to 9223372036854775807" "$sim" sweep "$file" --seeds 1..18446744073709551615
echo "files that cannot be written, standard output that is full or closed, shrinking in place"
