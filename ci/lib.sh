# Shared by the scripts of ci/: sourced, never run.

# Files of the project at ROOT, one a line: what git tracks or would track; a plain walk where there is no git.
project_files() { # ROOT
    (
        cd "$1" || exit 2
        git ls-files --cached --others --exclude-standard 2>/dev/null ||
            find . -type f -not -path './build/*' -not -path './reports/*' -not -path './.git/*' | sed 's|^\./||'
    ) | sort -u | while IFS= read -r file; do
        [ -f "$1/$file" ] && [ ! -L "$1/$file" ] && printf '%s\n' "$file"
    done
}

# The same, C sources and headers only.
project_c_files() { # ROOT
    project_files "$1" | grep -E '\.[ch]$'
}

# A scratch directory that goes when the script ends: $scratch.
make_scratch() {
    scratch=$(mktemp -d) || exit 2
    trap 'rm -rf "$scratch"' EXIT
}
