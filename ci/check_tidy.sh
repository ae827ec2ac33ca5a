#!/usr/bin/env bash
# clang-tidy under .clang-tidy, two jobs.
#
#   ci/check_tidy.sh BUILD_DIR --all           every source of the product in BUILD_DIR/compile_commands.json
#   ci/check_tidy.sh BUILD_DIR --since COMMIT  only what changed since COMMIT or is not committed, and the sources that
#                                              include a changed header directly
#   ci/check_tidy.sh --self-test
set -uo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/ci/lib.sh"

tool=$(command -v clang-tidy-14 || command -v clang-tidy) || {
    echo "check_tidy: no clang-tidy-14: run ci/setup" >&2
    exit 2
}
product='^(core|net_real|net_sim|apps|sim)/.*\.c$'

# Sources that are compiled in BUILD_DIR, as paths from the root.
compiled() { # BUILD_DIR
    sed -nE 's|^ *"file": "(.*)",?$|\1|p' "$1/compile_commands.json" | sed "s|^$root/||" | sort -u
}

changed() { # COMMIT
    local header
    { git diff --name-only "$1" -- && git ls-files --others --exclude-standard; } | sort -u >"$scratch/changed" || return 1
    grep -E '\.c$' "$scratch/changed"
    grep -E '\.h$' "$scratch/changed" | while IFS= read -r header; do
        project_c_files . | grep -E '\.c$' | xargs -r -d '\n' grep -lF "#include \"$header\""
    done
    true
}

tidy() { # BUILD_DIR, files on standard input
    xargs -r -d '\n' -n 1 -P 2 "$tool" -p "$1" --quiet 2>"$scratch/stderr" |
        grep -vE '^[0-9]+ warnings? generated|^Suppressed '
    local rc=${PIPESTATUS[0]}
    [ "$rc" -eq 0 ] || grep -vE 'warnings? (generated|treated)|^Suppressed|^Use -|^$' "$scratch/stderr"
    return "$rc"
}

self_test() {
    local code
    cp "$root/.clang-tidy" "$scratch"
    printf '[{"directory": "%s", "command": "cc -c a.c", "file": "%s/a.c"}]\n' "$scratch" "$scratch" \
        >"$scratch/compile_commands.json"
    code='#include <stdlib.h>
        int f(void);
        int f(void) { int *p = malloc(sizeof *p); if (p == NULL) return 1; *p = 2; free(p); '
    printf '%s return 0; }\n' "$code" >"$scratch/a.c"
    echo "$scratch/a.c" | tidy "$scratch" || { echo "self-test: good code was refused"; return 1; }
    printf '%s return *p; }\n' "$code" >"$scratch/a.c"
    echo "$scratch/a.c" | tidy "$scratch" >/dev/null && { echo "self-test: a use after free was accepted"; return 1; }
    echo "check_tidy self-test: good code passes, a use after free does not"
}

make_scratch
cd "$root" || exit 2
if [ "${1:-}" = --self-test ]; then
    self_test
    exit
fi

build=${1:-}
[ -f "$build/compile_commands.json" ] || { echo "check_tidy: no $build/compile_commands.json: configure a build first" >&2; exit 2; }
compiled "$build" | grep -E "$product" >"$scratch/files"
case ${2:-} in
--all) ;;
--since)
    changed "${3:?COMMIT}" | sort -u >"$scratch/wanted" || exit 2
    grep -xFf "$scratch/wanted" "$scratch/files" >"$scratch/some"
    mv "$scratch/some" "$scratch/files"
    ;;
*)
    echo "usage: ci/check_tidy.sh BUILD_DIR --all | --since COMMIT" >&2
    exit 2
    ;;
esac
echo "check_tidy: $(wc -l <"$scratch/files") files"
tidy "$build" <"$scratch/files"
