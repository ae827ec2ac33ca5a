#!/usr/bin/env python3
"""Line and branch figures by folder, and whether core/ is above the thresholds of gcovr.cfg.

    coverage/folders.py SUMMARY.json GCOVR.cfg     0: above, 1: below
"""

import json
import os
import re
import sys


def thresholds(path):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    return {kind: float(re.search(rf"^fail-under-{kind} *= *([\d.]+)", text, re.M).group(1))
            for kind in ("line", "branch")}


def percent(covered, total):
    return 100.0 * covered / total if total else 100.0


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        files = json.load(file)["files"]
    least = thresholds(sys.argv[2])

    sums = {}
    for entry in files:
        folder = os.path.dirname(entry["filename"])
        for name in {folder, folder.split("/")[0]}:
            row = sums.setdefault(name, {"line": [0, 0], "branch": [0, 0]})
            for kind, pair in row.items():
                pair[0] += entry[f"{kind}_covered"]
                pair[1] += entry[f"{kind}_total"]

    print(f"{'folder':<24}{'lines':>20}{'branches':>20}")
    for name in sorted(sums):
        cells = [f"{percent(*sums[name][kind]):6.1f} % of {sums[name][kind][1]:>6}" if sums[name][kind][1] else "none"
                 for kind in ("line", "branch")]
        print(f"{name + '/':<24}{cells[0]:>20}{cells[1]:>20}")

    core = sums.get("core")
    if core is None:
        print("no file of core/ was measured")
        return 1
    below = [kind for kind in least if percent(*core[kind]) < least[kind]]
    for kind in below:
        print(f"core/ {kind} coverage is {percent(*core[kind]):.1f} %, below {least[kind]:g} %")
    return 1 if below else 0


if __name__ == "__main__":
    sys.exit(main())
