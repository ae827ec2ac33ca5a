#!/usr/bin/env python3
"""One page of the two reports: in words what no machine ever did, paths of the machines by machine, lines and branches by folder, functions that nothing
runs. Self-contained; only "each line" leads to gcovr's own pages beside it.

    coverage/page.py FOLDER DFS_SIM SEEDS   reads FOLDER/coverage.json, summary.json and lines.html (gcovr), FOLDER/paths/*.paths; writes FOLDER/index.html.
                                            SEEDS: of the swarm, for the heading
"""

import glob
import html
import json
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import folders  # noqa: E402
import path_set  # noqa: E402

FUNCTIONS_SHOWN = 40

# In the words about where a path was seen: more of them are counted.
SCENARIOS_NAMED = 3

# A function of core needs a row in exclusions.md when it was never called, or when so many of its lines were never run.
LINES_UNEXPLAINED_MAX = 3

# Lines that are there so that the compiler names a forgotten case, and that nothing may reach.
NOT_MEANT_TO_RUN = re.compile(r"^(case \w+:|default:|break;|dfs_unreachable\(.*)(\s*/\*.*\*/)?$")

STYLE = """
:root { --ink: #1c2430; --soft: #5b6675; --line: #dde3ea; --page: #f6f8fa; --card: #fff; --good: #1a7f5a; --fair: #b7791f; --poor: #c0392b;
        --good-soft: #d8f0e4; --poor-soft: #fbe3df; --accent: #2457a7; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e9f0; --soft: #98a4b3; --line: #2c3542; --page: #12171e; --card: #1a212b; --good: #4cc38a; --fair: #e0b252; --poor: #ec7b6d;
          --good-soft: #173d2d; --poor-soft: #47231f; --accent: #7fb0ff; } }
* { box-sizing: border-box; }
body { margin: 0; font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--page); }
main { max-width: 1180px; margin: 0 auto; padding: 28px 24px 80px; }
h1 { font-size: 26px; margin: 0; letter-spacing: -0.01em; }
h2 { font-size: 19px; margin: 44px 0 4px; }
h3 { font-size: 15px; margin: 0; }
p.note { color: var(--soft); margin: 2px 0 14px; max-width: 80ch; }
a { color: var(--accent); text-decoration: none; } a:hover { text-decoration: underline; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(200px, 1fr)); gap: 14px; margin: 22px 0 0; }
a.card { color: inherit; } a.card:hover { text-decoration: none; border-color: var(--accent); }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 14px 16px; }
.card b { display: block; font-size: 28px; font-weight: 650; letter-spacing: -0.02em; }
.card span { color: var(--soft); font-size: 13px; }
table { border-collapse: collapse; width: 100%; background: var(--card); border: 1px solid var(--line); border-radius: 10px; overflow: hidden; }
th, td { padding: 6px 12px; text-align: left; border-top: 1px solid var(--line); font-variant-numeric: tabular-nums; }
thead th { border-top: 0; color: var(--soft); font-weight: 550; font-size: 13px; }
td.number, th.number { text-align: right; } td.number, th.number, td.calls { white-space: nowrap; } td.calls { color: var(--soft); }
tr.top td { font-weight: 600; }
code { font: 13px/1.4 ui-monospace, monospace; }
.bar { display: inline-block; width: 110px; height: 8px; border-radius: 4px; background: var(--line); overflow: hidden; vertical-align: middle; margin-right: 10px; }
.bar i { display: block; height: 100%; background: var(--good); }
.bar.fair i { background: var(--fair); } .bar.poor i { background: var(--poor); }
details { background: var(--card); border: 1px solid var(--line); border-radius: 10px; margin: 10px 0; }
summary { cursor: pointer; padding: 10px 14px; display: flex; align-items: center; gap: 12px; list-style: none; }
summary::-webkit-details-marker { display: none; }
summary::before { content: "\\25B8"; color: var(--soft); } details[open] > summary::before { content: "\\25BE"; }
summary > span:last-child { min-width: 84px; text-align: right; font-variant-numeric: tabular-nums; }
summary .who { color: var(--soft); flex: 1; }
.role { font-size: 12px; color: var(--soft); border: 1px solid var(--line); border-radius: 20px; padding: 0 9px; }
.inside { padding: 2px 14px 16px; overflow-x: auto; }
.matrix { width: auto; border-radius: 6px; } .matrix th, .matrix td { padding: 3px 9px; font-size: 13px; border: 1px solid var(--line); }
.matrix td.state { font-weight: 600; white-space: nowrap; }
.took { background: var(--good-soft); } .none, .matrix span.none { background: var(--poor-soft); } .matrix span.none { border-radius: 4px; padding: 0 4px; margin: 0 -4px; }
.took span, .none span { white-space: nowrap; } .count { color: var(--soft); margin-left: 6px; }
ul.never { columns: 2; column-gap: 34px; margin: 8px 0 0; padding: 0 0 0 18px; } ul.never li { break-inside: avoid; margin: 0 0 5px; }
@media (max-width: 800px) { ul.never { columns: 1; } }
.legend span { display: inline-block; padding: 0 9px; border-radius: 4px; margin-right: 8px; font-size: 13px; }
summary a { font-size: 13px; }
footer { color: var(--soft); margin-top: 50px; font-size: 13px; }
"""


def say(text):
    return html.escape(str(text))


def with_code(text):
    """What stands between backticks is code."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", say(text))


def percent(covered, total):
    return 100.0 * covered / total if total else 100.0


def bar(share, good, fair):
    kind = "" if share >= good else " fair" if share >= fair else " poor"
    return f'<span class="bar{kind}"><i style="width:{share:.1f}%"></i></span>'


def count_in_words(count):
    for size, unit in ((10 ** 9, "G"), (10 ** 6, "M"), (10 ** 3, "k")):
        if count >= 10 * size:
            return f"{count // size} {unit}"
    return str(count)


# Lines ------------------------------------------------------------------------------------------------------------------


class Lines:
    """What gcovr counted."""

    def __init__(self, folder):
        with open(os.path.join(folder, "coverage.json"), encoding="utf-8") as file:
            self.files = json.load(file)["files"]
        with open(os.path.join(folder, "summary.json"), encoding="utf-8") as file:
            summary = json.load(file)["files"]
        with open(os.path.join(folder, "lines.html"), encoding="utf-8") as file:
            found = re.findall(r'<a href="([^"]+)">\s*([^<\s]+)\s*</a>', file.read())
        self.pages = {name: page for page, name in found}
        self.sums = {}
        for entry in summary:
            self.add(entry)

    def add(self, entry):
        folder = os.path.dirname(entry["filename"])
        for name in {folder, folder.split("/")[0]}:
            row = self.sums.setdefault(name, [0, 0, 0, 0])
            for place, figure in enumerate(("line_covered", "line_total", "branch_covered", "branch_total")):
                row[place] += entry[figure]

    def uncovered_functions(self, prefix):
        """[(lines never run, lines, file, function, first line, ever called)], those never called, then the largest gaps. Lines that are not meant to run do not
        count."""
        result = []
        for entry in self.files:
            if not entry["file"].startswith(prefix):
                continue
            starts = sorted((function["lineno"], function["name"], function["execution_count"])
                            for function in entry["functions"])
            with open(os.path.join(os.path.dirname(HERE), entry["file"]), encoding="utf-8") as file:
                source = file.read().split("\n")
            lines = sorted((line["line_number"], line["count"]) for line in entry["lines"] if not line.get("gcovr/noncode")
                           and not (line["count"] == 0 and NOT_MEANT_TO_RUN.match(source[line["line_number"] - 1].strip())))
            for index, (first, name, calls) in enumerate(starts):
                end = starts[index + 1][0] if index + 1 < len(starts) else 10 ** 9
                inside = [count for number, count in lines if first <= number < end]
                missed = sum(count == 0 for count in inside)
                if missed > 0:
                    result.append((missed, len(inside), entry["file"], name, first, calls))
        return sorted(result, key=lambda row: (row[5] > 0, -row[0], row[2], row[4]))


def reasons():
    """{(file, function): why} of the last table in exclusions.md."""
    with open(os.path.join(HERE, "exclusions.md"), encoding="utf-8") as file:
        rows = re.findall(r"^\| `(core/[^`]+)` \| `([^`]+)` \| (.+) \|$", file.read(), re.M)
    return {(path, function): why for path, functions, why in rows for function in functions.split()}


def unexplained(gaps, why):
    """What is wrong with exclusions.md: gaps without a reason, reasons without a gap."""
    known = {(gap[2], gap[3]) for gap in gaps}
    wrong = [f"no reason in coverage/exclusions.md: {file}:{first} {name}: {missed} lines never run"
             for missed, _, file, name, first, calls in gaps
             if (missed > LINES_UNEXPLAINED_MAX or calls == 0) and (file, name) not in why]
    wrong += [f"coverage/exclusions.md: {file} {name} is covered now: take the row out" for file, name in sorted(set(why) - known)]
    return wrong


def folder_table(lines, least):
    rows = []
    for name in sorted(lines.sums):
        covered, total, taken, branches = lines.sums[name]
        if total == 0:
            continue
        top = "/" not in name
        line, branch = percent(covered, total), percent(taken, branches)
        rows.append(f'<tr{" class=top" if top else ""}><td>{"" if top else "&emsp;"}<code>{say(name)}/</code></td>'
                    f'<td>{bar(line, least["line"], least["line"] - 15)}{line:.1f} %</td><td class=number>{total - covered:,} of {total:,}</td>'
                    f'<td>{bar(branch, least["branch"], least["branch"] - 15)}{branch:.1f} %</td>'
                    f'<td class=number>{branches - taken:,} of {branches:,}</td></tr>')
    return ('<table><thead><tr><th>folder</th><th>lines</th><th class=number>never run</th><th>branches</th>'
            f'<th class=number>never taken</th></tr></thead><tbody>{"".join(rows)}</tbody></table>')


def function_table(lines):
    rows = []
    gaps = lines.uncovered_functions("core/")
    why = reasons()
    for missed, total, file, name, first, calls in gaps[:FUNCTIONS_SHOWN]:
        page = lines.pages.get(file)
        where = f'<a href="{say(page)}#l{first}">{say(file)}:{first}</a>' if page else f"{say(file)}:{first}"
        rows.append(f'<tr><td><code>{say(name)}</code></td><td>{where}</td><td class=number>{missed} of {total}</td>'
                    f'<td class=calls>{"never called" if calls == 0 else f"called {count_in_words(calls)} times"}</td>'
                    f'<td>{with_code(why.get((file, name), ""))}</td></tr>')
    more = len(gaps) - min(len(gaps), FUNCTIONS_SHOWN)
    rest = f'<p class=note>{more} more functions of core have lines that were never run, {sum(gap[0] for gap in gaps[FUNCTIONS_SHOWN:])} in all.</p>' if more else ""
    return ('<table><thead><tr><th>function</th><th>where</th><th class=number>never run</th><th></th><th>why</th></tr></thead>'
            f'<tbody>{"".join(rows)}</tbody></table>{rest}')


# Paths ------------------------------------------------------------------------------------------------------------------


def seen_where(sources):
    """{"units": 3, "scenario-brake": 1, ...} in words."""
    scenarios = sorted(source[len("scenario-"):] for source in sources if source.startswith("scenario-"))
    words = ["unit tests and stories"] if any(source.startswith("units") for source in sources) else []

    if len(scenarios) > SCENARIOS_NAMED:
        words.append(f"{len(scenarios)} scenarios")
    elif scenarios:
        words.append(f"{'scenario' if len(scenarios) == 1 else 'scenarios'} {', '.join(scenarios)}")
    if "swarm" in sources:
        words.append("one seed of the swarm" if sources["swarm"] == 1 else f"{sources['swarm']} seeds of the swarm")
    return "; ".join(words)


def cell(machine, state, event, afters, taken):
    parts = []
    for after in afters:
        path = (machine["machine"], state, event, after)
        count = taken.counts.get(path, 0)
        name = "stays" if after == state else after
        kind = f' title="{say(seen_where(taken.sources[path]))}"' if count else " class=none"
        parts.append(f'<span{kind}>{say(name)}<span class=count>{count_in_words(count) if count else "never"}</span></span>')
    some = any((machine["machine"], state, event, after) in taken.counts for after in afters)
    return f'<td class={"took" if some else "none"}>{"<br>".join(parts)}</td>'


def matrix(machine, taken):
    by = {}
    for state, event, after in machine["paths"]:
        by.setdefault((state, event), []).append(after)
    states = [state for state in machine["states"] if any(key[0] == state for key in by)]
    head = "".join(f"<th>{say(state)}</th>" for state in states)
    rows = []
    for event in machine["events"]:
        cells = "".join(cell(machine, state, event, by[state, event], taken) if (state, event) in by else "<td></td>"
                        for state in states)
        rows.append(f'<tr><td class=state title="{say(machine["events"][event]["kind"])}">{say(event)}</td>{cells}</tr>')
    return f'<table class=matrix><thead><tr><th>event</th>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'


def machine_blocks(declared, taken):
    blocks = []
    for machine, (_, have, total) in zip(declared.machines, path_set.figures(declared, taken)):
        share = percent(have, total)
        blocks.append(f'<details><summary><h3>{say(machine["machine"])}</h3><span class=role>{say(machine["role"])}</span>'
                      f'<span class=who>{say(machine["who"])}</span>{bar(share, 90, 60)}<span>{have} of {total}</span></summary>'
                      f'<div class=inside id="machine-{say(machine["machine"])}">{matrix(machine, taken)}</div></details>')
    return "".join(blocks)


def never_lists(declared, taken):
    blocks = []
    for name, sentences, paths in path_set.never(declared, taken):
        machine = declared.by_name[name]
        items = "".join(f"<li>{say(sentence)}</li>" for sentence in sentences)
        blocks.append(f'<details open><summary><h3>{say(name)}</h3><span class=role>{say(machine["role"])}</span><span class=who>{say(machine["who"])}</span>'
                      f'<a href="#machine-{say(name)}">all its paths</a><span>{paths} of {len(machine["paths"])}</span></summary>'
                      f'<div class=inside><ul class=never>{items}</ul></div></details>')
    whole = [name for name, have, total in path_set.figures(declared, taken) if have == total]
    rest = f'<p class=note>Every declared path was taken of {", ".join(f"<code>{say(name)}</code>" for name in whole)}.</p>' if whole else ""
    return "".join(blocks) + rest


# The page ---------------------------------------------------------------------------------------------------------------


def commit():
    done = subprocess.run(["git", "-C", HERE, "describe", "--always", "--dirty"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          text=True, check=False)
    return done.stdout.strip() or "no commit"


def card(figure, words, where):
    return f'<a class=card href="#{where}"><b>{figure}</b><span>{words}</span></a>'


def page(lines, declared, taken, least, sources):
    core = lines.sums.get("core", [0, 0, 0, 0])
    line, branch = percent(core[0], core[1]), percent(core[2], core[3])
    have = sum(path in taken.counts for path in declared.all)
    gaps = lines.uncovered_functions("core/")
    never_called = sum(gap[5] == 0 for gap in gaps)
    cards = "".join((
        card(f"{len(declared.all) - have}", f"of {len(declared.all)} paths of the machines were never taken: here they are in words", "never"),
        card(f"{have}", "paths of the machines were taken: which, and how often", "paths"),
        card(f"{line:.1f} %", f"of {core[1]:,} lines of core were run, {branch:.1f} % of {core[3]:,} branches taken "
             f"(at least {least['line']:g} and {least['branch']:g} %)", "lines"),
        card(f"{never_called}", f"{'function' if never_called == 1 else 'functions'} of core {'was' if never_called == 1 else 'were'} never called", "gaps"),
    ))
    return f"""<!doctype html>
<html lang=en><head><meta charset=utf-8><meta name=viewport content="width=device-width, initial-scale=1"><title>dfs: what is proved</title>
<style>{STYLE}</style></head><body><main>
<h1>dfs: what was run, and what never was</h1>
<p class=note>Commit {say(commit())}. Counted over {say(sources)}. <a href="lines.html">Each line of each file</a> stands beside this page;
why some of core is not covered stands in <code>coverage/exclusions.md</code>.</p>
<div class=cards>{cards}</div>
<h2 id=never>What never happened</h2>
<p class=note>Legal, and declared so beside the machine's gate; none of it was seen in these runs. Capitals are states, messages and statuses as the source names them.</p>
{never_lists(declared, taken)}
<h2 id=paths>Paths of the machines</h2>
<p class=note>What may come in which state, and where it leads. In a cell the next state and how often it was taken; point at it to see by what.
<span class=legend><span class=took>taken</span><span class=none>never taken</span></span></p>
{machine_blocks(declared, taken)}
<h2 id=lines>Lines and branches by folder</h2>
<p class=note>Only the failing side of an assertion is taken out.</p>
{folder_table(lines, least)}
<h2 id=gaps>The largest gaps in core</h2>
<p class=note>Functions that were never called, then by the number of their lines that nothing has run; the listed cases of an enum, and what stands behind them, are not
meant to run. Why: <code>coverage/exclusions.md</code>, which has to name whatever was never called or has more than {LINES_UNEXPLAINED_MAX} such lines.</p>
{function_table(lines)}
<footer>coverage/report</footer>
</main></body></html>
"""


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    folder, program, seeds = sys.argv[1:]
    declared = path_set.Declared(program)
    taken = path_set.Taken()
    files = sorted(glob.glob(os.path.join(folder, "paths", "*.paths")))

    for file in files:
        taken.read(file, os.path.splitext(os.path.basename(file))[0])
    scenarios = sum(os.path.basename(file).startswith("scenario-") for file in files)
    sources = f"all unit tests and stories, {scenarios} scenarios, the seeds {seeds} of the swarm, and real daemons (which count for lines, not for paths)"
    lines = Lines(folder)
    with open(os.path.join(folder, "index.html"), "w", encoding="utf-8") as file:
        file.write(page(lines, declared, taken, folders.thresholds(os.path.join(HERE, "gcovr.cfg")), sources))
    wrong = unexplained(lines.uncovered_functions("core/"), reasons())
    for line in wrong:
        print(line)
    undeclared = taken.undeclared(declared)
    for path in undeclared:
        print(f"undeclared path: {' '.join(path)} (seen in {', '.join(sorted(taken.sources[path]))})")
    have = sum(path in taken.counts for path in declared.all)
    print(f"{have} of {len(declared.all)} paths of the machines taken")
    return 1 if undeclared or wrong else 0


if __name__ == "__main__":
    sys.exit(main())
