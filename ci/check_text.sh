#!/usr/bin/env bash
# What no text of the project may contain: notes of unfinished work, paths of one person's machine, blanks at line ends.
#
#   ci/check_text.sh [ROOT]
#   ci/check_text.sh --self-test
set -uo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/ci/lib.sh"

# Written so that this file does not match itself.
unfinished='\b(TO''DO|FIX''ME|XX''X)\b'
machine='(^|[^[:alnum:]_.$}*~-])/(wo''rk|ro''ot)/'

check() { # ROOT
    local bad=0
    cd "$1" || exit 2
    # A patch marks an unchanged empty line by one blank.
    project_files . | grep -vE '^tests/(golden|fuzz/corpus)/|\.patch$' >"$scratch/files"
    search() { # PATTERN WHAT
        xargs -r -d '\n' -a "$scratch/files" grep -nIHE "$1" -- >"$scratch/found" && {
            sed "s/\$/    <- $2/" "$scratch/found"
            bad=1
        }
    }
    search "$unfinished" "unfinished"
    search "$machine" "a path of this machine"
    search '[[:blank:]]+$' "blanks at the end of the line"
    return $bad
}

self_test() {
    local wrong=0 tree=$scratch/tree
    expect() { # RC TEXT
        mkdir -p "$tree" && printf "$2\n" >"$tree/a.md"
        (check "$tree") >/dev/null
        [ $? -eq "$1" ] || { echo "self-test: expected exit $1 for: $2"; wrong=1; }
    }
    expect 0 'good text, mkstemp("nameXXXXXX"), core/work/a.c, https://example.org/x/'
    expect 1 'TO''DO: later'
    expect 1 '/* FIX''ME */'
    expect 1 'XX''X'
    expect 1 'see /wo''rk/main'
    expect 1 'open("/ro''ot/.profile")'
    expect 1 'blanks  '
    [ $wrong -eq 0 ] && echo "check_text self-test: every planted line was judged right"
    return $wrong
}

make_scratch
case ${1:-} in
--self-test) self_test ;;
*) check "${1:-$root}" ;;
esac
