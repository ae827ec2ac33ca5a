#!/usr/bin/env python3
"""The arrows between the folders, as data. An include that follows no arrow fails the build.

    ci/check_layers.py [--root DIR]     0: every include follows an arrow; 1: some do not
    ci/check_layers.py --self-test      plants violations and expects to see each of them
"""

import argparse
import fnmatch
import os
import re
import subprocess
import sys
import tempfile

ROLES = ("core/auth", "core/meta", "core/data", "core/client")
PURE = ("blockmap", "index", "keyring", "namespace", "paths", "placement", "pool", "repair",
        "repair_choice", "repair_inside", "repair_queues")  # decision files of core/meta

# Layer -> what its files may include, beside their own layer. The longest matching path is the layer of a file.
ARROWS = {
    "core/base": (),
    "core/env": ("core/base",),
    "core/wire": ("core/base", "core/env"),
    "core/conf": ("core/base",),
    **{role: ("core/base", "core/env", "core/wire") for role in ROLES},
    "core/setup": ("core",),  # settings to configurations: the one place that knows both; apps and sim use it
    "net_real": ("core/base", "core/env"),
    "net_sim": ("core/base", "core/env"),
    "apps": ("core", "net_real"),
    "sim": ("core", "net_sim"),
    "tests": ("core", "net_real", "net_sim", "apps", "sim"),
}

# Single headers that a layer may include beside its arrows.
EXCEPTIONS = {
    # Everyone checks tokens; the client also logs in.
    "core/auth/token.h": ("core/meta", "core/data", "core/client"),
    "core/auth/auth_client.h": ("core/client",),
}

# The pure decision files: these and each other, nothing else.
PURE_FILES = tuple(f"core/meta/{noun}.{suffix}" for noun in PURE for suffix in ("c", "h"))
PURE_MAY = ("core/base/*",) + tuple(f"core/meta/{noun}.h" for noun in PURE)

# Headers of libraries and of the system that only some files may include.
ONLY = {
    "jwt.h": ("core/auth/token_jwt.c",),
    "jansson.h": ("core/conf/*", "apps/*", "sim/*", "tests/*"),
    "uv.h": ("net_real/*", "apps/*", "tests/*"),
    "microhttpd.h": ("apps/*",),
    "cmocka.h": ("tests/*",),
}

# What core may not include: the world comes through core/env alone.
NOT_IN_CORE = (
    "sys/*", "netinet/*", "net/*", "arpa/*", "linux/*", "netdb.h", "poll.h", "unistd.h", "fcntl.h", "dirent.h",
    "pthread.h", "threads.h", "stdatomic.h", "semaphore.h", "signal.h", "time.h", "locale.h", "setjmp.h",
    "openssl/ssl.h", "openssl/bio.h", "openssl/rand.h",
)

SOURCE = re.compile(r"\.(c|h|def)$")
# Comments, string and character literals; what is left of a line may be a directive.
NOISE = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
DIRECTIVE = re.compile(r"^[ \t]*#[ \t]*(\w+)[ \t]*(.*)$", re.M)


def sources(root):
    """Paths of the project's C files; git knows best, a plain walk serves for a tree without it."""
    listing = subprocess.run(
        ["git", "-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard"], capture_output=True)
    if listing.returncode == 0:
        paths = [p for p in listing.stdout.decode().split("\0") if p]
    else:
        paths = []
        for folder, folders, files in os.walk(root):
            folders[:] = [f for f in folders if not f.startswith(".") and f not in ("build", "reports")]
            paths += [os.path.relpath(os.path.join(folder, f), root) for f in files]
    return sorted({p for p in paths if SOURCE.search(p) and os.path.exists(os.path.join(root, p))})


def layer_of(path):
    layers = [layer for layer in ARROWS if path.startswith(layer + "/")]
    return max(layers, key=len) if layers else None


def matches(path, patterns):
    return any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)


def directives(text):
    """(line number, name, rest) of each preprocessor directive, comments and continued lines taken out."""
    text = text.replace("\\\n", "  ")  # offsets stay, line numbers are counted in the original

    def blank(match):
        found = match.group()
        return re.sub(r"[^\n]", " ", found) if found[0] == "/" else found

    for match in DIRECTIVE.finditer(NOISE.sub(blank, text)):
        yield match.start(1), match.group(1), match.group(2).strip()


def is_guard(found, at):
    """Whether directive number `at` is the #ifndef NAME of an include guard: first of all, #define NAME next."""
    return at == 0 and len(found) > 2 and found[0][1] == "ifndef" and found[1][1] == "define" \
        and found[0][2] == found[1][2].split(" ")[0] and found[-1][1] == "endif"


def check_conditionals(found, complain):
    for at, (offset, name, rest) in enumerate(found):
        if name in ("if", "ifdef", "ifndef", "elif"):
            plain = rest.replace("(", " ").replace(")", " ").split()
            if not is_guard(found, at) and plain not in (["__cplusplus"], ["defined", "__cplusplus"]):
                complain(offset, f"#{name} {rest}: core has no conditional compilation (one archive for both worlds)")


def check_include(path, header, quoted, root, complain):
    layer = layer_of(path)
    if not quoted:
        if header in ONLY and not matches(path, ONLY[header]):
            complain(f"<{header}> is for {', '.join(ONLY[header])} only")
        if path.startswith("core/") and matches(header, NOT_IN_CORE):
            complain(f"<{header}> is of the world; core reaches it through core/env")
        return

    if not os.path.isfile(os.path.join(root, header)):
        complain(f'"{header}" does not exist; includes are written from the root of the project')
        return
    target = layer_of(header)
    if target is None:
        complain(f'"{header}" is in no layer')
    elif path in PURE_FILES:
        if not matches(header, PURE_MAY):
            complain(f'"{header}": a pure decision file includes core/base and its own kind only')
    elif target != layer and not any(header.startswith(may + "/") for may in ARROWS[layer]) \
            and layer not in EXCEPTIONS.get(header, ()):
        complain(f'"{header}": no arrow leads from {layer} to {target}')


def check(root):
    """List of complaints, one a line: FILE:LINE: WHAT."""
    complaints = []
    for path in sources(root):
        layer = layer_of(path)
        if layer is None:
            complaints.append(f"{path}:1: is in no layer; the layers are {', '.join(ARROWS)}")
            continue
        with open(os.path.join(root, path), encoding="utf-8", errors="replace") as file:
            text = file.read()
        found = list(directives(text))

        def complain(offset, what):
            complaints.append(f"{path}:{text.count(chr(10), 0, offset) + 1}: {what}")

        if path.startswith("core/"):
            check_conditionals(found, complain)
        for offset, name, rest in found:
            if name != "include":
                continue
            header = re.match(r'"([^"]*)"|<([^>]*)>', rest)
            if header is None:
                complain(offset, f"#include {rest}: name the file")
            else:
                check_include(path, header.group(1) or header.group(2), rest[0] == '"', root,
                              lambda what, offset=offset: complain(offset, what))
    return complaints


PLANTED = {  # file, text, and the words that have to be in the complaint (None: has to pass)
    "base reaches up": ("core/base/a.c", '#include "core/env/env.h"\n', "no arrow"),
    "role to role": ("core/data/a.c", '#include "core/meta/keyring.h"\n', "no arrow"),
    "token exception": ("core/data/a.c", '#include "core/auth/token.h"\n', None),
    "token in wire": ("core/wire/a.c", '#include "core/auth/token.h"\n', "no arrow"),
    "auth_client in meta": ("core/meta/a.c", '#include "core/auth/auth_client.h"\n', "no arrow"),
    "auth_client in client": ("core/client/a.c", '#include "core/auth/auth_client.h"\n', None),
    "pure file and env": ("core/meta/repair.c", '#include "core/env/env.h"\n', "pure decision"),
    "pure file and its kind": ("core/meta/repair.c", '#include "core/meta/keyring.h"\n', None),
    "conf in a role": ("core/client/a.c", '#include "core/conf/conf.h"\n', "no arrow"),
    "conf in apps": ("apps/a.c", '#include "core/conf/conf.h"\n', None),
    "net_sim in net_real": ("net_real/a.c", '#include "net_sim/world.h"\n', "no arrow"),
    "role in net_real": ("net_real/a.c", '#include "core/meta/keyring.h"\n', "no arrow"),
    "net_sim in apps": ("apps/a.c", '#include "net_sim/world.h"\n', "no arrow"),
    "net_real in sim": ("sim/a.c", '#include "net_real/loop.h"\n', "no arrow"),
    "apps in sim": ("sim/checkers/a.c", '#include "apps/app.h"\n', "no arrow"),
    "core in sim": ("sim/checkers/a.c", '#include "core/meta/keyring.h"\n', None),
    "relative include": ("core/meta/a.c", '#include "keyring.h"\n', "does not exist"),
    "jwt elsewhere": ("core/auth/a.c", "#include <jwt.h>\n", "token_jwt.c only"),
    "jwt at home": ("core/auth/token_jwt.c", "#include <jwt.h>\n", None),
    "jansson in a role": ("core/meta/a.c", "#include <jansson.h>\n", "only"),
    "sockets in core": ("core/base/a.c", "#include <sys/socket.h>\n", "of the world"),
    "conditional in core": ("core/base/a.c", "int x;\n#ifdef FAST\n#endif\n", "conditional compilation"),
    "conditional on a continued line": ("core/base/a.c", "int x;\n#if defined \\\n  (FAST)\n#endif\n", "conditional"),
    "guard": ("core/base/a.h", "#ifndef A_H\n#define A_H\n#include <stdint.h>\n#endif\n", None),
    "second guard": ("core/base/a.h", "#ifndef A_H\n#define A_H\n#ifndef B\n#define B\n#endif\n#endif\n", "conditional"),
    "__cplusplus": ("core/base/a.h", '#ifdef __cplusplus\nextern "C" {\n#endif\n', None),
    "conditional outside": ("net_real/a.c", "#ifdef __linux__\n#endif\n", None),
    "include in a comment": ("core/base/a.c", '/*\n#include "apps/app.h"\n*/\n// #include <jwt.h>\n', None),
    "comment in a string": ("core/base/a.c", 'const char *a = "/*";\n#include <jwt.h>\nconst char *b = "*/";\n', "only"),
    "no layer": ("tools/a.c", "int x;\n", "in no layer"),
}

HEADERS = ("core/base/status.h", "core/env/env.h", "core/auth/token.h", "core/auth/auth_client.h",
           "core/meta/keyring.h", "core/conf/conf.h", "net_sim/world.h", "net_real/loop.h", "apps/app.h")


def self_test():
    wrong = 0
    for name, (path, text, expected) in PLANTED.items():
        with tempfile.TemporaryDirectory() as root:
            for file, content in [(header, "") for header in HEADERS] + [(path, text)]:
                os.makedirs(os.path.join(root, os.path.dirname(file)), exist_ok=True)
                with open(os.path.join(root, file), "w", encoding="utf-8") as out:
                    out.write(content)
            complaints = check(root)
        right = not complaints if expected is None else len(complaints) == 1 and expected in complaints[0]
        if not right:
            wrong += 1
            print(f"self-test: {name}: expected {expected or 'no complaint'}, got {complaints}")
    print(f"check_layers self-test: {len(PLANTED) - wrong} of {len(PLANTED)} as expected")
    return 1 if wrong else 0


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    options.add_argument("--root", default=os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    options.add_argument("--self-test", action="store_true")
    given = options.parse_args()
    if given.self_test:
        return self_test()
    complaints = check(given.root)
    for complaint in complaints:
        print(complaint)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
