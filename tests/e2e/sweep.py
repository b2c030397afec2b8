#!/usr/bin/env python3
"""Sweeps through the command line: parameters in, files in, values and outputs home."""
import csv
import io
import json
import math
import os
import re
import threading

import harness
from farms import Farm, grid, need_mpi, shell, sweep
from harness import test, wait_until


# ---- parameters


@test
def csv_rows_become_tasks_with_quotes_and_crlf(case):
    case.write("params.csv", 'name,K\r\n"a ""b"", c",1e-5\r\n"two\nlines",2\r\nplain,3.50\r\n')
    farm = Farm(case, shell('printf "%s|%s" "$name" "$K"', {"csv": "params.csv"},
                            work_outputs=["stdout.txt"]))
    farm.run()
    rows = sorted(farm.rows(3, "ok"), key=lambda row: int(row["task"]))
    assert [r["name"] for r in rows] == ['a "b", c', "two\nlines", "plain"], rows
    assert [farm.output(t, "stdout.txt") for t in (1, 2, 3)] == [
        'a "b", c|1e-5', "two\nlines|2", "plain|3.50"]


@test
def a_grid_has_every_combination_and_the_last_changes_fastest(case):
    farm = Farm(case, shell("echo r=$x-$y-$z", {"grid": {
        "x": [1, 2], "y": {"from": 0.01, "to": 1, "count": 3, "scale": "log"},
        "z": ["a", "b"]}}, work_values=[{"name": "r", "regex": "r=(.*)"}]))
    farm.run()
    rows = sorted(farm.rows(12, "ok"), key=lambda row: int(row["task"]))
    assert [(r["x"], r["z"]) for r in rows[:3]] == [("1", "a"), ("1", "b"), ("1", "a")], rows
    # Computed through logarithms, so the last digit may differ.
    for row, wanted in zip(rows, [y for _ in (1, 2) for y in (0.01, 0.1, 1) for _ in "ab"]):
        assert math.isclose(float(row["y"]), wanted, rel_tol=1e-12), row
        assert row["r"] == "-".join((row["x"], row["y"], row["z"])), row


@test
def random_samples_keep_to_their_distributions_and_their_seed(case):
    params = {"random": {"count": 60, "seed": 7, "params": {
        "u": {"uniform": [-1, 2]}, "l": {"log_uniform": [1e-6, 1]}, "n": {"normal": [100, 5]},
        "c": {"choice": ["sand", 2, "clay"]}}}}
    tables = []
    for seed in (7, 7, 8):
        params["random"]["seed"] = seed
        farm = Farm(case, sweep(["true"], params), name=f"{len(tables)}/farm.json")
        farm.run()
        rows = sorted(farm.rows(60, "ok"), key=lambda row: int(row["task"]))
        tables.append([[r[n] for n in "ulnc"] for r in rows])
    assert tables[0] == tables[1] and tables[0] != tables[2]
    for u, l, n, c in tables[0]:
        # A normal deviate beyond 6 standard deviations comes once in 5e8 draws; we draw 60.
        assert -1 <= float(u) <= 2 and 1e-6 <= float(l) <= 1 and abs(float(n) - 100) < 30
        assert c in ("sand", "2", "clay")
    assert {row[3] for row in tables[0]} == {"sand", "2", "clay"}


@test
def a_list_with_names_that_no_variable_can_have_goes_by_places(case):
    farm = Farm(case, sweep(["printf", "%s,%s,{{}}", "{K:8.3f}", "{two words}"], {"list": [
        {"K": 1.23456, "two words": "ü ß"}, {"K": 2, "two words": "'\"$(reboot)`\\"}]},
        work_outputs=["stdout.txt"]))
    farm.run()
    farm.rows(2, "ok")
    assert farm.output(1, "stdout.txt") == "   1.235,ü ß,{}"
    assert farm.output(2, "stdout.txt") == "   2.000,'\"$(reboot)`\\,{}"


@test
def environment_templates_and_places_say_the_same(case):
    case.write("model.in.tpl", "K = {K:.2e}\nname = '{soil}'\nbraces {{}}\n")
    case.write("angle.tpl", "{\n  \"K\": <<K>>\n}\n")
    farm = Farm(case, shell(
        'cat in/model-$soil.in angle.json; echo "env=$LABEL, $K"; echo arg=$0',
        {"list": [{"K": 1.5e-5, "soil": "sand"}, {"K": 3, "soil": "clay"}]},
        work_env={"LABEL": "<{soil}>"}, work_outputs=["stdout.txt"],
        work_templates=[{"from": "model.in.tpl", "to": "in/model-{soil}.in"},
                        {"from": "angle.tpl", "to": "angle.json", "open": "<<", "close": ">>"}]))
    text = json.loads(case.read("farm.json"))
    text["work"]["command"].append("{soil}")
    case.write("farm.json", text)
    farm.run()
    farm.rows(2, "ok")
    assert farm.output(1, "stdout.txt") == (
        "K = 1.50e-05\nname = 'sand'\nbraces {}\n{\n  \"K\": 1.5e-05\n}\n"
        "env=<sand>, 1.5e-05\narg=sand\n"), farm.output(1, "stdout.txt")
    assert "env=<clay>, 3\n" in farm.output(2, "stdout.txt")


@test
def a_byte_order_mark_is_no_part_of_any_file(case):
    """Editors of Windows put one before what they save."""
    case.write("model.in.tpl", "\ufeffx = {x}\n")
    case.write("params.csv", "\ufeffx\n1\n2\n")
    farm = Farm(case, shell("cp model.in out.txt; printf '\\357\\273\\277v=%s\\n' $x >log; cat log",
                            {"csv": "params.csv"}, work_outputs=["out.txt"],
                            work_values=[{"name": "said", "regex": "^v=(.*)"},
                                         {"name": "wrote", "regex": "^v=(.*)", "from": "log"}],
                            work_templates=[{"from": "model.in.tpl", "to": "model.in"}]))
    case.write("farm.json", "\ufeff" + case.read("farm.json"))
    farm.run()
    rows = farm.rows(2, "ok")
    assert [(row["x"], row["said"], row["wrote"]) for row in rows] == [("1", "1", "1"), ("2", "2", "2")], rows
    assert farm.output(2, "out.txt") == "x = 2\n", farm.output(2, "out.txt")


# ---- files


@test
def common_files_are_linked_or_copied_and_inputs_laid_over_them(case):
    case.write("model.sh", "#!/bin/sh\ncat field.dat >>heads.bin && cat heads.bin common/deep/a\n",
               0o755)
    case.write("heads.bin", "heads\n")
    case.write("common/deep/a", "deep\n")
    case.write("field.dat", "the common field\n")
    for name in ("one", "two"):
        case.write(f"fields/{name}.dat", f"field {name}\n")
    farm = Farm(case, sweep(["./model.sh"], {"list": [{"f": "one"}, {"f": "two"}, {"f": "one"}]},
                            work_inputs=[{"from": "fields/{f}.dat", "to": "field.dat"}],
                            work_outputs=["stdout.txt", "heads.bin"],
                            files=["model.sh", "common", "field.dat",
                                   {"path": "heads.bin", "copy": True}]))
    farm.run()
    farm.rows(3, "ok")
    for task, name in ((1, "one"), (2, "two"), (3, "one")):
        assert farm.output(task, "stdout.txt") == f"heads\nfield {name}\ndeep\n"
        assert farm.output(task, "heads.bin") == f"heads\nfield {name}\n"
    assert case.read("heads.bin") == "heads\n"


@test
def a_model_that_writes_into_a_shared_input_harms_nobody(case):
    case.write("shared.dat", "pure\n")
    farm = Farm(case, shell("cat shared.dat; echo spoiled >>shared.dat", grid(x=range(6)),
                            files=["shared.dat"], work_outputs=["stdout.txt"]))
    farm.run()
    for row in farm.rows(6, "ok"):
        assert farm.output(row["task"], "stdout.txt") == "pure\n", row
    assert case.read("shared.dat") == "pure\n"


@test
def outputs_come_home_by_name_and_glob(case):
    farm = Farm(case, shell(
        "mkdir -p plots/a; echo 1 >plots/a/1.png; echo 2 >plots/2.png; : >empty; "
        "head -c 3000000 /dev/zero >big.bin; echo no >not.this; chmod 700 plots/2.png",
        work_outputs=["plots/**/*.png", "empty", "big.bin"]))
    farm.run()
    farm.rows(1, "ok")
    found = sorted(os.path.relpath(os.path.join(where, name), farm.path("out/1"))
                   for where, _, files in os.walk(farm.path("out/1")) for name in files)
    assert found == ["big.bin", "empty", "plots/2.png", "plots/a/1.png"], found
    assert os.path.getsize(farm.path("out/1/big.bin")) == 3000000
    assert os.stat(farm.path("out/1/plots/2.png")).st_mode & 0o777 == 0o700
    assert not os.path.exists(farm.path("out/.partial")) or not os.listdir(
        farm.path("out/.partial"))


@test
def a_missing_output_or_value_fails_the_task_and_is_named(case):
    for more, sentence in (({"work_outputs": ["nothere.csv"]}, "nothere.csv"),
                           ({"work_values": [{"name": "head", "regex": "head=(.*)"}]}, "head")):
        farm = Farm(case, shell("echo hi", limits={"attempts": 1}, **more),
                    name=f"{sentence}/farm.json")
        farm.run(expect=1)
        row = farm.rows(1, "no-value")[0]
        assert sentence in row["error"], row


# ---- values


@test
def values_are_picked_by_regex_and_json_path(case):
    farm = Farm(case, shell(
        "echo head = 1.5D-3 m; echo head = $x; echo nothing; "
        # The shell's braces are doubled, for {x} is a place.
        'printf \'{{"wells":[{{"head":%s}},{{"name":"a\\\\"b"}}],"ok":true}}\' 1 >out.json; '
        "echo 'RMSE: 1e400' >report.txt; echo 'text: a, \"b\"' >>report.txt",
        grid(x=["2.25", "1.5D-3"]),
        work_values=[{"name": "head", "regex": "^head = ([-+.0-9DdEe]+)"},
                     {"name": "whole", "regex": "nothing"},
                     {"name": "text", "from": "report.txt", "regex": "^text: (.*)$"},
                     {"name": "json", "from": "out.json", "path": "$.wells[1].name"},
                     {"name": "ok", "from": "out.json", "path": "$.ok"}]))
    farm.run()
    rows = sorted(farm.rows(2, "ok"), key=lambda row: int(row["task"]))
    assert [float(r["head"]) for r in rows] == [2.25, 0.0015], rows
    assert [(r["whole"], r["text"], r["json"]) for r in rows] == [
        ("nothing", 'a, "b"', 'a"b')] * 2, rows
    columns = list(rows[0])
    assert columns == ["task", "x", "head", "whole", "text", "json", "ok", "status", "code",
                       "elapsed_s", "worker", "attempts", "error"], columns


@test
def the_results_command_prints_the_table(case):
    farm = Farm(case, shell("echo v=$(($x * $x))", grid(x=range(5)),
                            work_values=[{"name": "v", "regex": "v=(.*)"}]))
    farm.run()
    table = case.beofarm("results", farm.run_dir, expect=0).out
    rows = list(csv.DictReader(io.StringIO(table)))
    assert sorted(int(r["v"]) for r in rows) == [0, 1, 4, 9, 16], table
    os.unlink(farm.path("results.csv"))
    case.run(harness.program("beofarm-master"), "--results", farm.run_dir, expect=0)
    assert [r["v"] for r in farm.rows(5, "ok")] == ["0", "1", "4", "9", "16"]


@test
def elapsed_is_what_the_model_took(case):
    farm = Farm(case, shell("sleep $x", grid(x=[0, 0.3])))
    farm.run()
    rows = {row["x"]: float(row["elapsed_s"]) for row in farm.rows(2, "ok")}
    # A machine under load adds to both, but never takes away. Nothing starts a shell in 0.2 ms.
    assert 0.0002 < rows["0"] and 0.3 <= rows["0.3"] < 100, rows


# ---- odd names and many things


ODD = "it's a \"näme\"\n\twith $(all) *.日本"


@test
def odd_names_in_values_files_and_paths(case):
    folder = ODD + "/in ner"
    farm = Farm(case, sweep(["sh", "-c", 'cat "$1" "$2" >"$x.out"', "sh", f"{ODD}.dat",
                             "laid {x}"],
                            {"list": [{"x": "a b"}, {"x": "c\nd\"'é"}]},
                            files=["."], work_outputs=["*.out"],
                            work_inputs=[{"from": "per {x}.in", "to": "laid {x}"}]),
                name=f"{folder}/farm.json")
    case.write(f"{folder}/{ODD}.dat", "common\n")
    for x in ("a b", "c\nd\"'é"):
        case.write(f"{folder}/per {x}.in", f"mine {x}\n")
    farm.run()
    rows = {row["x"]: row for row in farm.rows(2, "ok")}
    assert set(rows) == {"a b", "c\nd\"'é"}, rows
    for x, row in rows.items():
        assert farm.output(row["task"], f"{x}.out") == f"common\nmine {x}\n"
    assert case.beofarm("status", farm.run_dir, expect=0).out
    assert case.beofarm("results", farm.run_dir, expect=0).out.startswith("task,x,")


@test
def shell_commands_quote_what_places_bring(case):
    farm = Farm(case, sweep("echo v={x}; touch done", {"list": [{"x": "a'b; touch evil $(id)"}]},
                            work_shell=True, work_outputs=["done"],
                            work_values=[{"name": "v", "regex": "v=(.*)"}]))
    farm.run()
    assert farm.rows(1, "ok")[0]["v"] == "a'b; touch evil $(id)"


@test
def five_thousand_tasks_of_bin_true(case):
    farm = Farm(case, sweep(["/bin/true"], {"grid": {"x": {"from": 1, "to": 5000, "count": 5000}}},
                            worker={"slots": 2}))
    done = farm.run()
    farm.rows(5000, "ok")
    print(f"# 5000 tasks in {done.elapsed_s:.1f} s")


@test
def a_gibibyte_of_stderr_is_drained_and_its_end_kept(case):
    farm = Farm(case, shell("head -c 1073741824 /dev/zero >&2; echo the end >&2; exit 3",
                            limits={"attempts": 1}, backend={"workers": 1}))
    peak = {}

    def watch():
        pid = farm.pid("worker-1")
        while True:
            try:
                with open(f"/proc/{pid}/status", encoding="ascii") as file:
                    peak["kb"] = int(re.search(r"VmHWM:\s+(\d+)", file.read())[1])
            except (FileNotFoundError, ProcessLookupError, TypeError):
                return
            if stop.wait(0.05):
                return

    stop = threading.Event()
    farm.start()
    watcher = threading.Thread(target=watch)
    watcher.start()
    farm.end(expect=1)
    stop.set()
    watcher.join()
    farm.rows(1, "exit")
    said = case.beofarm("logs", farm.run_dir, "task", "1", expect=0).out
    assert "the end" in said, said[-200:]
    assert peak["kb"] < 100_000, peak  # 64 KiB are kept; hwloc, OpenSSL and SQLite take the rest


@test
def a_work_directory_of_many_files(case):
    names = "".join(f"{i} " for i in range(20000))
    case.write("names", names)
    farm = Farm(case, shell("touch $(cat names); mkdir d; mv 1* d; ls d | wc -l",
                            files=["names"], work_outputs=["d/1??", "0"], backend={"workers": 1},
                            work_values=[{"name": "n", "regex": "([0-9]+)"}]))
    farm.run()
    assert farm.rows(1, "ok")[0]["n"] == "11111"
    assert len(os.listdir(farm.path("out/1/d"))) == 100
    left = [where for where, _, files in os.walk(farm.path("backend")) if len(files) > 1000]
    wait_until(lambda: not [w for w in left if os.path.exists(w)], "the work directory is removed")


@test
def limit_runs_the_first_tasks_only(case):
    farm = Farm(case, shell("true", grid(x=range(50))))
    farm.run("--limit", "7")
    farm.rows(7, "ok")


@test
def the_table_runs_over_mpi_too(case):
    need_mpi(case)
    case.write("input.dat", "x" * 2_000_000)
    farm = Farm(case, shell("cat input.dat input.dat >out.dat; echo v=$x", grid(x=range(40)),
                            transport="mpi", files=["input.dat"], work_outputs=["out.dat"],
                            work_values=[{"name": "v", "regex": "v=(.*)"}]))
    farm.start()
    farm.end(limit_s=60)
    for row in farm.rows(40, "ok"):
        assert row["v"] == row["x"]
        assert os.path.getsize(farm.path("out", row["task"], "out.dat")) == 4_000_000
    assert {e["transport"] for e in farm.events("worker") if "transport" in e} == {"mpi"}


# ---- logs


@test
def what_becomes_of_every_attempt_is_logged_for_who_debugs(case):
    case.environment["BEOFARM_LOG"] = "debug"
    farm = Farm(case, shell("exit $x", grid(x=[0, 3]), backend={"workers": 1},
                            limits={"attempts": 1}))
    farm.run(expect=1)
    master = case.beofarm("logs", farm.run_dir, "master", expect=0).out
    worker = case.beofarm("logs", farm.run_dir, "worker-1", expect=0).out
    for task, end in ((1, "ok"), (2, "exit")):
        assert f"task {task}, attempt 1: goes to worker" in master, master
        assert f"task {task}, attempt 1: begins in slot" in worker, worker
        assert f"task {task}, attempt 1: {end} in" in master, master


if __name__ == "__main__":
    harness.main(globals())
