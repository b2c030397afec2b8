#!/usr/bin/env python3
"""Rules of the source tree that a program can check. Speaks TAP; see also .clang-format."""
import json
import os
import re
import shutil
import subprocess
import sys

SOURCE = os.environ.get("BEOFARM_SOURCE") or os.path.dirname(
    os.path.dirname(os.path.abspath(__file__)))
FOLDERS = ["common", "launch", "master", "worker", "client", "examples", "tests", "benchmarks"]
PROGRAMS = ["launch", "master", "worker"]  # these never include each other
LINES_MAX = 600
COLUMNS_MAX = 100
TEST_LINES_MAX = 1200  # tables of cases and their rigs stay together
GENERATED = ["common/farm_schema.c", "common/seismic/survey_schema.c"]  # where the build is in the source tree
PUBLIC_HEADERS = ["worker/beofarm_runner.h", "client/beofarm_driver.h"]

# Functions that cannot be used safely, or not in these programs, and what to use instead.
FORBIDDEN = {
    "strcpy": "snprintf or buf_append_text",
    "strcat": "buf_append_text",
    "sprintf": "snprintf",
    "vsprintf": "vsnprintf",
    "gets": "fgets",
    "scanf": "strtol and strtod",
    "sscanf": "strtol and strtod, which tell overflow",
    "fscanf": "strtol and strtod",
    "strtok": "strcspn",
    "atoi": "strtol, which tells errors",
    "atol": "strtol",
    "atof": "strtod",
    "system": "posix_spawn without a shell",
    "popen": "posix_spawn without a shell",
    "alloca": "a buf",
    "tmpnam": "mkstemp",
    "mktemp": "mkstemp",
    "rand": "a generator with a seed of its own",
    "srand": "a generator with a seed of its own",
    "gmtime": "gmtime_r",
    "localtime": "localtime_r",
    "abort": "an error: programs never abort on input",
}
# Tests and benchmarks read only what they have written themselves, and may stop at once.
FINE_IN_TESTS = {"strcpy", "strcat", "sscanf", "atoi", "atol", "atof", "system", "abort"}
CALL = re.compile(r"(?<![\w.>])(" + "|".join(FORBIDDEN) + r")\s*\(")
INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.M)


def walk(*folders, ends):
    for folder in folders:
        for where, names, files in os.walk(os.path.join(SOURCE, folder)):
            names[:] = sorted(n for n in names if not n.startswith(("build", ".", "_")))
            for name in sorted(files):
                if name.endswith(ends):
                    yield os.path.relpath(os.path.join(where, name), SOURCE)


def c_files(*folders):
    found = walk(*(folders or FOLDERS), ends=(".c", ".h"))
    return [path for path in found if path not in GENERATED]


def text_of(path):
    with open(os.path.join(SOURCE, path), encoding="utf-8") as file:
        return file.read()


def code_of(path):
    """The C code of a file: comments and texts blanked, lines kept."""
    pattern = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)

    def blank(match):
        return re.sub(r"[^\n]", " ", match.group())

    return pattern.sub(blank, text_of(path))


def programs_never_include_each_other():
    for path in c_files("common", *PROGRAMS):
        home = path.split("/")[0]
        for name in INCLUDE.findall(text_of(path)):
            to = name.split("/")[0]
            if to in PROGRAMS and to != home:
                yield f"{path} includes {name}"


def headers_are_included_by_full_path():
    for path in c_files():
        for name in INCLUDE.findall(text_of(path)):
            if name != "config.h" and not os.path.exists(os.path.join(SOURCE, name)):
                yield f'{path} includes "{name}", which is no path from the root'


def functions_that_are_forbidden_are_not_called():
    for path in c_files():
        for number, line in enumerate(code_of(path).split("\n"), 1):
            for name in CALL.findall(line):
                if name in FINE_IN_TESTS and path.startswith(("tests/", "benchmarks/")):
                    continue
                yield f"{path}:{number}: {name}: use {FORBIDDEN[name]}"


def files_stay_short():
    for path in c_files():
        lines = text_of(path).count("\n")
        most = TEST_LINES_MAX if path.startswith("tests/") else LINES_MAX
        if lines > most:
            yield f"{path} has {lines} lines, more than {most}: which noun could move out?"


def lines_stay_short():
    """clang-format leaves comments alone."""
    for path in c_files():
        for number, line in enumerate(text_of(path).split("\n"), 1):
            if len(line) > COLUMNS_MAX:
                yield f"{path}:{number} has {len(line)} columns, more than {COLUMNS_MAX}"


def headers_guard_themselves_by_their_path():
    for path in walk(*FOLDERS, ends=".h"):
        if path in PUBLIC_HEADERS:  # users include them by their names alone
            guard = re.sub(r"\W", "_", os.path.basename(path)).upper()
        else:
            guard = "BEOFARM_" + re.sub(r"\W", "_", path).upper()
        if f"#ifndef {guard}\n#define {guard}\n" not in text_of(path):
            yield f"{path} has no guard named after its path ({guard})"


def text_files_end_lines_cleanly():
    for path in list(walk(".", ends=(".c", ".h", ".py", ".am", ".ac", ".md", ".json"))):
        text = text_of(path)
        if text and not text.endswith("\n"):
            yield f"{path} does not end with a newline"
        for number, line in enumerate(text.split("\n"), 1):
            if line != line.rstrip():
                yield f"{path}:{number} ends in blanks"
            if "\t" in line and path.endswith((".c", ".h", ".py")):
                yield f"{path}:{number} has a tab"


def every_source_file_is_built():
    fragments = "".join(text_of(path) for path in walk(".", ends=".am"))
    for path in c_files():
        if not re.search(rf"(?<![\w/]){re.escape(path)}(?!\w)", fragments):
            yield f"{path} stands in no fragment.am"


def every_module_has_its_place_in_the_architecture():
    document = text_of("docs/architecture.md")
    for folder in ["common", *PROGRAMS]:
        named = set()
        section = re.search(rf"^### {folder}/\n(.*?)(?=^##|\Z)", document, re.M | re.S)
        for row in section.group(1).splitlines() if section else []:
            if row.startswith("| `"):
                named.update(re.findall(r"`([\w/]+)`", row.split("|")[1]))
        modules = {os.path.splitext(os.path.relpath(path, folder))[0]
                   for path in c_files(folder) if not path.endswith("_private.h")}
        for module in sorted(modules ^ named):
            what = "does not list" if module in modules else "lists, but there is no"
            yield f"docs/architecture.md {what} {folder}/{module}"


def links_in_documents_lead_somewhere():
    for path in walk(".", ends=".md"):
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text_of(path)):
            if re.match(r"\w+:", target):
                continue
            if not os.path.exists(os.path.join(SOURCE, os.path.dirname(path), target)):
                yield f"{path} links to {target}, which is not there"


def keys_of(schema):
    """The names of all properties, at any depth."""
    keys = set()
    if isinstance(schema, dict):
        keys.update(schema.get("properties", {}))
        for part in schema.values():
            keys |= keys_of(part)
    elif isinstance(schema, list):
        for part in schema:
            keys |= keys_of(part)
    return keys


def every_key_of_our_files_is_explained():
    for schema, page in (("farm", "docs/farmfile.md"), ("survey", "docs/shots.md")):
        document = text_of(page)
        for key in sorted(keys_of(json.loads(text_of(f"common/{schema}.schema.json")))):
            if f"`{key}`" not in document:
                yield f"{page} does not explain `{key}`"


def run_tool(*command):
    done = subprocess.run(command, cwd=SOURCE, capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).splitlines() if done.returncode else []


def c_files_are_formatted():
    tool = shutil.which("clang-format-14") or shutil.which("clang-format")
    if not tool:
        return "clang-format is not installed"
    version = subprocess.run([tool, "--version"], capture_output=True, text=True, check=True)
    if " 14." not in version.stdout:  # other versions lay out some lines differently
        return f"needs clang-format 14, found {version.stdout.strip()}"
    return run_tool(tool, "--dry-run", "--Werror", *c_files())


def shell_scripts_pass_shellcheck():
    if not shutil.which("shellcheck"):
        return "shellcheck is not installed"
    scripts = ["quickstart", "tests/run", ".ci/run"]
    scripts += list(walk("tests", "benchmarks", "examples", ends=".sh"))
    return run_tool("shellcheck", *(s for s in scripts if os.path.exists(os.path.join(SOURCE, s))))


def python_compiles():
    for path in walk(".", ends=".py"):
        try:
            compile(text_of(path), path, "exec")
        except SyntaxError as error:
            yield f"{path}:{error.lineno}: {error.msg}"


RULES = [
    programs_never_include_each_other,
    headers_are_included_by_full_path,
    functions_that_are_forbidden_are_not_called,
    files_stay_short,
    lines_stay_short,
    headers_guard_themselves_by_their_path,
    text_files_end_lines_cleanly,
    every_source_file_is_built,
    every_module_has_its_place_in_the_architecture,
    links_in_documents_lead_somewhere,
    every_key_of_our_files_is_explained,
    c_files_are_formatted,
    shell_scripts_pass_shellcheck,
    python_compiles,
]


def main():
    print(f"1..{len(RULES)}")
    failed = False
    for number, rule in enumerate(RULES, 1):
        found = rule()
        if isinstance(found, str):  # why it cannot be checked here
            print(f"ok {number} - {rule.__name__} # SKIP {found}")
            continue
        found = list(found)
        for line in found[:40]:
            print(f"# {line}")
        if len(found) > 40:
            print(f"# and {len(found) - 40} more")
        print(f"{'not ' if found else ''}ok {number} - {rule.__name__}")
        failed = failed or bool(found)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
