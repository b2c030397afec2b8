#!/usr/bin/env python3
"""Hold recorded exchanges with Azure Batch against its OpenAPI description.

    tests/swagger_check.py SWAGGER.json RECORD...

A record is what BEOFARM_HTTP_RECORD and `batch_emulator --record` write. For each exchange: is there
such an operation, are its required query parameters there, is the status known, and do the bodies of
request and response fit their definitions: types, enumerations, required members, and no member that
the description does not know. Prints what does not fit; exits with 1 if anything did not.

The description may be older than the version that is spoken: NEWER lists what later versions have
added; `odata.metadata` is in none; numbers of 64 bits may be strings.
"""
import json
import re
import sys

NEWER = {"PoolPatchParameter": {"displayName", "vmSize", "taskSlotsPerNode",
                                "taskSchedulingPolicy", "enableInterNodeCommunication",
                                "virtualMachineConfiguration", "networkConfiguration",
                                "mountConfiguration", "userAccounts", "upgradePolicy"},
         "ComputeNode": {"ipv6Address"}}


class Checker:
    """One description."""

    def __init__(self, swagger):
        self.definitions = swagger["definitions"]
        self.parameters = swagger.get("parameters", {})
        self.operations = []
        for path, methods in swagger["paths"].items():
            pattern = re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path)))
            self.operations += [(pattern, method.upper(), operation)
                                for method, operation in methods.items()]

    def find(self, method, path):
        for pattern, its, operation in self.operations:
            if its == method and pattern.fullmatch(path):
                return operation
        return None

    def exchange(self, line):
        """Sentences about what is wrong with an exchange."""
        request, response = line["request"], line["response"]
        path, _, query = request["url"].partition("?")
        operation = self.find(request["method"], path)
        if not operation:
            yield f"{request['method']} {path}: no such operation"
            return
        where = operation["operationId"]
        names = {part.partition("=")[0].replace("%24", "$") for part in query.split("&")}
        for parameter in operation["parameters"]:
            parameter = self.resolve(parameter)
            if parameter["in"] == "query":
                if parameter.get("required") and parameter["name"] not in names:
                    yield f"{where}: the query parameter {parameter['name']} is missing"
            elif parameter["in"] == "body":
                if "body" in request:
                    yield from self.check(request["body"], parameter["schema"], f"{where} request")
                elif parameter.get("required"):
                    yield f"{where}: the request has no body"
        yield from self.response(operation, response, where)

    def response(self, operation, response, where):
        answers = operation["responses"]
        status = str(response["statusCode"])
        if status not in answers and response["statusCode"] < 400:
            yield f"{where}: status {status} is unknown"
            return
        schema = answers.get(status, answers["default"]).get("schema")
        if schema and "body" in response:
            yield from self.check(response["body"], schema, f"{where} {status}")
        elif "body" in response and schema is None:
            yield f"{where}: a body was not expected with {status}"

    def resolve(self, item):
        if "$ref" not in item:
            return item
        kind, name = item["$ref"].split("/")[1:]
        return (self.definitions if kind == "definitions" else self.parameters)[name]

    def check(self, value, schema, where):
        name = schema.get("$ref", "").rpartition("/")[2]
        schema = self.resolve(schema)
        kind = schema.get("type") or ("object" if "properties" in schema else None)
        if kind == "object" or "properties" in schema:
            yield from self.check_object(value, schema, name, where)
        elif kind == "array":
            if not isinstance(value, list):
                yield f"{where}: an array is wanted, not {value!r}"
                return
            for number, item in enumerate(value):
                yield from self.check(item, schema["items"], f"{where}[{number}]")
        else:
            yield from self.check_plain(value, schema, kind, where)

    def check_object(self, value, schema, name, where):
        if not isinstance(value, dict):
            yield f"{where}: an object is wanted, not {value!r}"
            return
        known = schema.get("properties", {})
        for member in schema.get("required", []):
            if member not in value:
                yield f"{where}: {member} is missing"
        for member, item in value.items():
            if member in known:
                yield from self.check(item, known[member], f"{where}.{member}")
            elif member != "odata.metadata" and member not in NEWER.get(name, ()) and known:
                yield f"{where}: {member} is unknown in {name or 'it'}"

    @staticmethod
    def check_plain(value, schema, kind, where):
        wanted = {"string": str, "boolean": bool, "integer": int, "number": (int, float)}.get(kind)
        if schema.get("format") == "int64" and isinstance(value, str) and value.isdigit():
            return
        if wanted and (not isinstance(value, wanted) or
                       isinstance(value, bool) != (kind == "boolean")):
            yield f"{where}: {value!r} is no {kind}"
        elif "enum" in schema and value not in schema["enum"]:
            yield f"{where}: {value!r} is none of {schema['enum']}"
        elif schema.get("format") == "date-time" and not re.fullmatch(
                r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", value):
            yield f"{where}: {value!r} is no time"
        elif schema.get("format") == "duration" and not re.fullmatch(r"P[\dYMDTHS.W]+", value):
            yield f"{where}: {value!r} is no duration"


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    with open(sys.argv[1], encoding="utf-8") as file:
        checker = Checker(json.load(file))
    count, wrong = 0, {}
    for path in sys.argv[2:]:
        with open(path, encoding="utf-8") as file:
            for line in file:
                count += 1
                for sentence in checker.exchange(json.loads(line)):
                    wrong[sentence] = wrong.get(sentence, 0) + 1
    for sentence, times in wrong.items():
        print(f"{sentence} ({times} times)")
    print(f"{count} exchanges, {sum(wrong.values())} mistakes")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
