#!/usr/bin/env bash
# core/ is pure: its objects call nothing outside themselves but what ci/pure_allow.txt names, and change no variable
# of their own. So no socket, file, clock, thread or source of randomness can be reached from a machine.
#
#   ci/check_pure.sh [BUILD_DIR | ARCHIVE]   an uninstrumented build; default build/release
#   ci/check_pure.sh --self-test             plants impure objects and expects to see each
set -uo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
allow_file=$root/ci/pure_allow.txt

# The pattern of the allow list that decides about a symbol: prints nothing when it is allowed, else the reason.
judge() {
    local symbol=$1 pattern allowed=
    for pattern in "${allow[@]}"; do
        if [[ $pattern == !* ]]; then
            # shellcheck disable=SC2053  # the right side is a glob on purpose
            [[ $symbol == ${pattern#!} ]] && { echo "forbidden by $pattern"; return; }
        elif [[ -z $allowed && $symbol == $pattern ]]; then
            allowed=yes
        fi
    done
    [ -n "$allowed" ] || echo "not in ci/pure_allow.txt"
}

check() {
    local archive=$1 symbol users why bad=0
    mapfile -t allow < <(sed -E 's/#.*//; /^writable /d; s/[[:space:]]+$//; /^$/d' "$allow_file")
    mapfile -t writable < <(sed -nE 's/^writable +([^ ]+).*/\1/p' "$allow_file")

    if nm "$archive" 2>/dev/null | grep -qE ' (__asan_|__tsan_|__ubsan_|__gcov_|__sanitizer_)'; then
        echo "check_pure: $archive is instrumented; give it a plain release build" >&2
        return 2
    fi

    # Undefined in some member, defined in none.
    while read -r symbol users; do
        why=$(judge "$symbol")
        [ -z "$why" ] || { echo "$users: $symbol: $why"; bad=1; }
    done < <(nm -A "$archive" | awk '
        { split($1, at, ":"); kind = $(NF - 1); name = $NF }
        kind ~ /^[BCDGRSTVW]$/ { defined[name] = 1 }
        kind ~ /^[Uwv]$/ { users[name] = users[name] (users[name] ? "," : "") at[2] }
        END { for (name in users) if (!(name in defined)) print name, users[name] }' | sort)

    # Variables in .data, .bss, thread-local or common storage (constants with pointers in .data.rel.ro are constant).
    while read -r symbol users; do
        # A function's static variable carries a number: seen.1 is named by "seen".
        if [[ " ${writable[*]} " != *" ${symbol%%.*} "* ]]; then
            echo "$users: $symbol: core keeps no variables of its own (a machine's state is in its struct)"
            bad=1
        fi
    done < <(objdump -t "$archive" | awk '
        /file format/ { member = $1; sub(/:$/, "", member) }
        / O |\*COM\*/ && $(NF - 2) ~ /^(\.data|\.data\..*|\.bss|\.bss\..*|\.tdata.*|\.tbss.*|\*COM\*)$/ &&
            $(NF - 2) !~ /^\.data\.rel\.ro/ { print $NF, member }' | sort)
    return $bad
}

self_test() {
    local dir wrong=0
    dir=$(mktemp -d) || exit 2
    # shellcheck disable=SC2064  # the name of now
    trap "rm -rf '$dir'" EXIT

    expect() { # RC NAME WORDS CODE...
        local rc=$1 name=$2 words=$3 out
        printf '%s\n' "$4" >"$dir/a.c"
        rm -f "$dir/a.a"
        cc -std=gnu11 -O1 -fPIC -c "$dir/a.c" -o "$dir/a.o" ${5:-} && ar rcs "$dir/a.a" "$dir/a.o" || { wrong=1; return; }
        out=$(check "$dir/a.a" 2>&1)
        if [ $? -ne "$rc" ] || [[ $out != *"$words"* ]]; then
            echo "self-test: $name: expected exit $rc and '$words', got: $out"
            wrong=1
        fi
    }
    expect 0 'pure code' '' '#include <string.h>
        static const char *const words[] = {"a", "b"};
        const char *f(const char *s, int i) { return strcmp(s, "x") ? words[i] : s; }'
    expect 1 'a clock' 'clock_gettime' '#include <time.h>
        long f(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec; }'
    expect 1 'a socket' 'socket' '#include <sys/socket.h>
        int f(void) { return socket(AF_INET, SOCK_STREAM, 0); }'
    expect 1 'a file' 'fopen' '#include <stdio.h>
        FILE *f(void) { return fopen("a", "r"); }'
    expect 1 'a thread' 'pthread_create' '#include <pthread.h>
        int f(void *(*g)(void *)) { pthread_t t; return pthread_create(&t, 0, g, 0); }'
    expect 1 'randomness of the OS' 'getrandom' '#include <sys/random.h>
        long f(void *p) { return getrandom(p, 1, 0); }'
    expect 1 'randomness of OpenSSL' 'RAND_bytes' 'int RAND_bytes(unsigned char *, int);
        int f(unsigned char *p) { return RAND_bytes(p, 1); }'
    expect 1 'what a glob would let in' 'forbidden by !json_load_file' 'void *json_load_file(const char *);
        void *f(void) { return json_load_file("a"); }'
    expect 1 'a variable' 'no variables' 'static int seen; int f(void) { return ++seen; }'
    expect 1 'a variable in a function' 'no variables' 'int f(void) { static int seen = 1; return ++seen; }'
    expect 1 'a common variable' 'no variables' 'int seen; int f(void) { return ++seen; }' -fcommon
    expect 2 'an instrumented object' 'instrumented' 'int f(int *p) { return *p; }' -fsanitize=address
    [ $wrong -eq 0 ] && echo "check_pure self-test: every planted object was judged right"
    return $wrong
}

case ${1:-} in
--self-test)
    self_test
    exit
    ;;
esac

archive=${1:-$root/build/release}
[ -d "$archive" ] && archive=$archive/core/libdfs_core.a
[ -f "$archive" ] || { echo "check_pure: no $archive: build the release preset first" >&2; exit 2; }
check "$archive"
