#!/usr/bin/env python3
"""Does our schema checker say the same of documents as Python's jsonschema does? Good farm files
are taken apart at random (seeded): keys dropped, renamed and moved, values replaced. Speaks TAP."""
import copy
import json
import os
import random
import subprocess
import sys

BUILD = os.environ.get("BEOFARM_BUILD", ".")
SOURCE = os.environ.get("BEOFARM_SOURCE", ".")
DOCUMENTS = 1500

GOOD = [
    {"name": "henry", "backend": {"kind": "local", "workers": 2},
     "worker": {"slots": "auto", "threads_per_slot": 2, "pin": True, "smt": False, "gpus": "none",
                "drain_s": 0, "rejoin_s": 1.5, "disk_wait_s": 60, "dir": "/tmp"},
     "work": {"kind": "sweep", "command": ["./m", "{K}"], "params": {"csv": "p.csv"},
              "templates": [{"from": "a", "to": "b", "open": "<<", "close": ">>"}],
              "inputs": [{"from": "a{K}", "to": "b"}], "outputs": ["o*"], "env": {"A": "1"},
              "values": [{"name": "head", "regex": "h=(.*)"},
                         {"name": "q", "from": "o.json", "path": "$.q[0]"}],
              "rlimits": {"memory_mb": 100, "core_mb": 0}, "stdin": "in"},
     "files": [".", {"path": "b", "copy": True}],
     "limits": {"attempts": 2, "task_timeout_s": 0.5, "tasks": 3, "duplicates": False,
                "heartbeat_timeout_s": 0.1, "idle_stop_s": 9}},
    {"name": "pest", "transport": "tcp", "network": "lo", "port": 0,
     "mpi": {"mca": {"btl": "self,tcp"}},
     "work": {"kind": "external", "master": {"command": "m", "shell": True, "env": {}},
              "worker": {"command": ["w"], "per": "slot"}, "port": 4005}},
    {"name": "grid", "work": {"kind": "sweep", "command": "x", "runner": "persistent", "stall_s": 1,
                              "params": {"grid": {"K": {"from": 1, "to": 2, "count": 3,
                                                        "scale": "log"}, "S": [1, "a"]}}}},
    {"name": "list", "work": {"kind": "sweep", "command": ["x"],
                              "params": {"list": [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]}}},
    {"name": "random", "work": {"kind": "sweep", "command": ["x"], "params": {"random": {
        "count": 5, "seed": 0, "params": {
            "a": {"uniform": [0, 1]}, "b": {"log_uniform": [1, 2]}, "c": {"normal": [0, 1]},
            "d": {"choice": ["x", 3]}}}}}},
]
# No text ends in a newline: Python's $ matches before one, POSIX's and ECMAScript's do not.
VALUES = [None, True, False, 0, 1, -1, 2.0, 0.5, 1e9, 1e10, 4097, 65536, "", "x", "auto", "tcp",
          "local", "sweep", "a:b", "a b", "é" * 64, "n" * 65, "é" * 300, [], [1], [1, 2],
          ["x"], [[]], {}, {"x": 1}, {"a": {"uniform": [0]}}, {"path": "p"}]
NAMES = ["x", "kind", "name", "from", "to", "csv", "grid", "list", "path", "regex", "per", "a=b",
         "1a", "é"]


def containers(item):
    """Every object and array that has something in it, at any depth."""
    found = [item] if item else []
    for part in (item.values() if isinstance(item, dict) else item):
        if isinstance(part, (dict, list)):
            found += containers(part)
    return found


def mutate(document, chance):
    """One change, somewhere."""
    places = containers(document)
    if not places:
        return
    place = chance.choice(places)
    key = chance.choice(list(place) if isinstance(place, dict) else range(len(place)))
    kind = chance.randrange(5)
    if kind == 0:
        del place[key]
    elif kind == 1:
        place[key] = copy.deepcopy(chance.choice(VALUES))
    elif kind == 2 and isinstance(place, dict):
        place[chance.choice(NAMES)] = place.pop(key)
    elif kind == 3 and isinstance(place, dict):
        place[chance.choice(NAMES)] = copy.deepcopy(chance.choice(VALUES))
    else:
        part = copy.deepcopy(chance.choice(containers(chance.choice(GOOD))))
        place[key] = part


def documents():
    chance = random.Random(2)
    made = [copy.deepcopy(good) for good in GOOD] + copy.deepcopy(VALUES)
    while len(made) < DOCUMENTS:
        document = copy.deepcopy(chance.choice(GOOD))
        for _ in range(chance.choice([1, 1, 1, 2, 3])):
            mutate(document, chance)
        made.append(document)
    return made


def main():
    try:
        import jsonschema
        validator_class = jsonschema.Draft202012Validator
    except (ImportError, AttributeError):
        print("1..0 # SKIP python3-jsonschema, version 4 or later, is not installed")
        return 0
    with open(os.path.join(SOURCE, "common/farm.schema.json"), encoding="utf-8") as file:
        schema = json.load(file)
    print("1..3")
    validator_class.check_schema(schema)
    print("ok 1 - farm.schema.json is a JSON Schema")
    made = documents()
    lines = "".join(json.dumps(document) + "\n" for document in made)
    done = subprocess.run([os.path.join(BUILD, "tests/common/schema_verdict")], input=lines,
                          capture_output=True, text=True, check=False)
    ours = done.stdout.split()
    for line in done.stderr.splitlines():
        print("#", line)
    validator = validator_class(schema)
    theirs = ["valid" if validator.is_valid(document) else "invalid" for document in made]
    differing = [number for number in range(len(made))
                 if number >= len(ours) or ours[number] != theirs[number]]
    for number in differing[:10]:
        print(f"# jsonschema says {theirs[number]}: {json.dumps(made[number])}")
    same = not differing and done.returncode == 0
    print(f"{'' if same else 'not '}ok 2 - {len(made)} documents get the same verdict")
    telling = min(theirs.count("valid"), theirs.count("invalid")) >= len(made) // 20
    print(f"# {theirs.count('valid')} of them are valid")
    print(f"{'' if telling else 'not '}ok 3 - there are many of both kinds")
    return 0 if same and telling else 1


if __name__ == "__main__":
    sys.exit(main())
