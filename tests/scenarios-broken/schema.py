#!/usr/bin/env python3
"""dfs-sim schema against python3-jsonschema, a validator of its own.

  - the schema is a valid JSON Schema
  - it accepts every scenario file of sim/scenarios
  - it refuses each file here but those of not-in-schema, which are the mistakes that it leaves to the reader: it accepts those
  - what the reader accepts it accepts: shown by some hundred scenarios in which one thing was changed
"""
import copy
import json
import pathlib
import random
import subprocess
import sys
import tempfile

import jsonschema

SIM = pathlib.Path(sys.argv[1]).resolve()
HERE = pathlib.Path(__file__).parent
SCENARIOS = sorted((HERE.parent.parent / "sim/scenarios").rglob("*.json"))
VARIANTS = 400

schema = json.loads(subprocess.run([SIM, "schema"], check=True, capture_output=True).stdout)
validator = jsonschema.Draft202012Validator(schema)
failed = False


def fail(words):
    global failed
    failed = True
    print(f"schema: {words}")


def places(value, path=()):
    """Every place in a document, as the list of keys that leads there."""
    yield path
    if isinstance(value, dict):
        for key in value:
            yield from places(value[key], path + (key,))
    elif isinstance(value, list):
        for index, element in enumerate(value):
            yield from places(element, path + (index,))


def changed(document, draw):
    """The document with one thing changed: a key gone or misspelt, a value of another kind, drawn, or from elsewhere."""
    result = copy.deepcopy(document)
    every = [path for path in places(result) if path]
    path = draw.choice(every)
    owner = result
    for key in path[:-1]:
        owner = owner[key]
    key = path[-1]
    way = draw.randrange(5)
    if way == 0:
        del owner[key]
    elif way == 1 and isinstance(owner, dict):
        owner[key + "x"] = owner.pop(key)
    elif way == 2:
        owner[key] = draw.choice([0, 1, -1, 0.5, "1s", "1KB", "d1", "c1", "data", "all", "", True, None, [], {}, ["d1", "d2"], "zone-0"])
    elif way == 3:
        owner[key] = {draw.choice(["one_of", "between"]): [owner[key], owner[key]]}
    else:
        other = result
        for step in draw.choice(every):
            other = other[step]
        owner[key] = copy.deepcopy(other)
    return result


jsonschema.Draft202012Validator.check_schema(schema)

for file in SCENARIOS:
    for error in validator.iter_errors(json.loads(file.read_text())):
        fail(f"{file.name} is right, and refused: {list(error.path)}: {error.message[:200]}")

cannot_say = {line.split()[0] for line in (HERE / "not-in-schema").read_text().splitlines() if line and line[0] != "#"}
for file in sorted(HERE.glob("*.json")):
    try:
        document = json.loads(file.read_text())
    except ValueError:
        continue  # no schema is asked about what is not JSON
    if validator.is_valid(document) != (file.stem in cannot_say):
        fail(f"{file.name} is {'refused though it stands in' if file.stem in cannot_say else 'accepted and does not stand in'} not-in-schema")
for name in cannot_say:
    if not (HERE / f"{name}.json").exists():
        fail(f"not-in-schema names {name}, which is not there")

draw = random.Random(1)
with tempfile.TemporaryDirectory() as folder:
    variants = {}
    for number in range(VARIANTS):
        document = changed(json.loads(draw.choice(SCENARIOS).read_text()), draw)
        variants[f"{number}.json"] = document
        (pathlib.Path(folder) / f"{number}.json").write_text(json.dumps(document))
    said = subprocess.run([SIM, "check", *variants], cwd=folder, capture_output=True, text=True)
    refused = {line.split(":")[0] for line in said.stderr.splitlines()}
    accepted = [name for name in variants if name not in refused]
    for name in accepted:
        error = jsonschema.exceptions.best_match(validator.iter_errors(variants[name]))
        if error is not None:
            fail(f"the reader accepts and the schema refuses, at {list(error.path)}: {error.message[:200]}\n  {json.dumps(variants[name])[:600]}")
    by_both = sum(not validator.is_valid(variants[name]) for name in refused)
    if not (VARIANTS / 10 < len(accepted) < VARIANTS * 9 / 10):
        fail(f"{len(accepted)} of {VARIANTS} changed scenarios are accepted: that shows nothing")

print(f"{len(SCENARIOS)} scenarios accepted; of {VARIANTS} changed ones the reader refuses {len(refused)}, the schema {by_both} of those and none of the others")
sys.exit(1 if failed else 0)
