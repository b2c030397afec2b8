#!/usr/bin/env python3
"""Write farm.json.5 and survey.json.5 from common/*.schema.json, so that page and rules never disagree.

    docs/man/write_farm_json.py >docs/man/farm.json.5
    docs/man/write_farm_json.py survey >docs/man/survey.json.5
"""
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))

FARM_HEAD = r'''.\" Written by write_farm_json.py from common/farm.schema.json.
.TH FARM.JSON 5 "" "beofarm" "File Formats"
.SH NAME
farm.json \- what a farm computes, and on what
.SH DESCRIPTION
A farm file is one JSON object.
Comments (// and /* */) are allowed.
Paths in it are relative to its folder.
An unknown key is an error, which names the nearest known key.
.B "beofarm init"
writes a farm file to start from,
.B "beofarm check"
checks one, and
.I farm.schema.json
among beofarm's data holds the same rules for editors.
.SH KEYS'''

FARM_EXAMPLE = '''{
  "name": "henry",
  "backend": { "kind": "local", "workers": 2 },
  "work": {
    "kind": "sweep",
    "command": ["./henry", "--k={K}"],
    "params": { "grid": { "K": [0.1, 1, 10] } },
    "values": [{ "name": "head", "regex": "head = ([-+.0-9eE]+)" }]
  },
  "files": ["henry", "grid/*.dat"],
  "limits": { "attempts": 3, "task_timeout_s": 600 }
}'''

FARM_TAIL = r'''.SH "SEE ALSO"
.BR beofarm (1),
.BR beofarm\-worker (1)'''

SURVEY_HEAD = r'''.\" Written by write_farm_json.py from common/survey.schema.json.
.TH SURVEY.JSON 5 "" "beofarm" "File Formats"
.SH NAME
survey.json \- a seismic survey, and what is computed of it
.SH DESCRIPTION
A survey file is one JSON object.
Comments (// and /* */) are allowed.
Paths in it are relative to its folder.
Coordinates are in metres, z down: x, y, z, or in 2-D x, z.
An unknown key is an error, which names the nearest known key.
A farm file names it with
.B work.survey
of kind shots.
.SH KEYS'''

SURVEY_EXAMPLE = '''{
  "operation": "gradient",
  "model": { "velocity": "vp.json" },
  "wavelet": { "kind": "ricker", "peak_hz": 10 },
  "data": "observed.segy",
  "aperture": { "limit_m": true, "buffer_m": 500 },
  "memory": { "budget_gib": 8 }
}'''

SURVEY_TAIL = r'''.SH "SEE ALSO"
.BR beofarm (1),
.BR farm.json (5)'''

PAGES = {"farm": (FARM_HEAD, FARM_EXAMPLE, FARM_TAIL),
         "survey": (SURVEY_HEAD, SURVEY_EXAMPLE, SURVEY_TAIL)}

TYPES = {"boolean": "true or false", "integer": "a whole number", "number": "a number",
         "string": "a text", "object": "an object", "array": "an array"}


def escape(text):
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + text if text[:1] in (".", "'") else text


class Page:
    def __init__(self, schema):
        self.defs = schema["$defs"]
        self.lines = []
        self.waiting = []  # (path, object schema) whose keys are still to be written
        self.written = set()

    def resolve(self, schema):
        """The schema with what its $ref points to filled in."""
        if "$ref" not in schema:
            return schema
        base = dict(self.resolve(self.defs[schema["$ref"].split("/")[-1]]))
        base.update({k: v for k, v in schema.items() if k != "$ref"})
        return base

    def alternatives(self, schema):
        return [self.resolve(part) for key in ("anyOf", "oneOf") for part in schema.get(key, [])]

    def kind_of_value(self, schema):
        if "enum" in schema:
            return " or ".join(json.dumps(value) for value in schema["enum"])
        if "const" in schema:
            return json.dumps(schema["const"])
        kind = schema.get("type")
        if isinstance(kind, list):
            return " or ".join(TYPES[k] for k in kind)
        if kind:
            return TYPES[kind]
        names = [s.get("title") or self.kind_of_value(s) for s in self.alternatives(schema)]
        return ", or ".join(dict.fromkeys(names))

    def bounds(self, key, schema, required):
        if key in required:
            yield "required"
        elif schema.get("default") not in (None, {}, []):
            yield f"default {json.dumps(schema['default'])}"
        for bound, words in (("minimum", "at least"), ("exclusiveMinimum", "more than"),
                             ("maximum", "at most")):
            if bound in schema and abs(schema[bound]) < 1e9:
                yield f"{words} {schema[bound]}"

    def nested(self, path, schema):
        """Queue the objects in or under this value."""
        found = [schema, *self.alternatives(schema)]
        for inner in ("items", "additionalProperties"):
            if isinstance(schema.get(inner), dict):
                value = self.resolve(schema[inner])
                found += [value, *self.alternatives(value)]
        self.waiting += [(path, s) for s in found if s.get("properties")]

    def keys(self, path, schema):
        for key, value in schema["properties"].items():
            value = self.resolve(value)
            facts = [self.kind_of_value(value),
                     *self.bounds(key, value, schema.get("required", []))]
            self.lines += [".TP", f".B {escape(key)}", escape(f"({'; '.join(filter(None, facts))})")]
            if value.get("description"):
                self.lines.append(escape(value["description"]))
            if value.get("examples"):
                example = json.dumps(value["examples"][0], ensure_ascii=False)
                self.lines += [".br", "Example: " + escape(example)]
            self.nested(f"{path}.{key}" if path else key, value)

    def section(self, path, schema):
        identity = json.dumps(sorted(schema["properties"])) + path
        if identity in self.written:
            return
        self.written.add(identity)
        kind = self.resolve(schema["properties"].get("kind", {})).get("const")
        self.lines.append(f'.SS "{escape(path)}{f" of kind {kind}" if kind else ""}"')
        if schema.get("description"):
            self.lines.append(escape(schema["description"]))
        self.keys(path, schema)


def main():
    name = sys.argv[1] if len(sys.argv) > 1 else "farm"
    head, example, tail = PAGES[name]
    path = os.path.join(HERE, "..", "..", "common", f"{name}.schema.json")
    with open(path, encoding="utf-8") as file:
        schema = json.load(file)
    page = Page(schema)
    page.keys("", schema)
    while page.waiting:
        page.section(*page.waiting.pop(0))
    print("\n".join([head, *page.lines, ".SH EXAMPLE", ".nf",
                     *map(escape, example.split("\n")), ".fi", tail]))


if __name__ == "__main__":
    main()
