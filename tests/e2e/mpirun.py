#!/usr/bin/env python3
"""Tasks of several nodes, and `beofarm mpirun`: real ranks of Open MPI, on this machine and on the
nodes of an emulated Azure Batch, which share no files and know no ssh."""
import csv
import math
import os
import shutil
import signal
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import azure_farm  # noqa: E402
import external  # noqa: E402
import farms  # noqa: E402
import harness  # noqa: E402
from harness import test, test_plainly, wait_until  # noqa: E402

SOURCE = r"""
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
int main(int argc, char **argv)
{
    int rank, size, sum, from = 0;
    char host[256], path[300], (*hosts)[256];
    FILE *in = fopen("deep/in.txt", "r"), *out;
    if (!in || fscanf(in, "%d", &from) != 1) { fprintf(stderr, "no input here\n"); return 9; }
    fclose(in);
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    MPI_Allreduce(&from, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
    gethostname(host, sizeof host);
    hosts = malloc(256 * (size_t)size);
    MPI_Gather(host, 256, MPI_CHAR, hosts, 256, MPI_CHAR, 0, MPI_COMM_WORLD);
    snprintf(path, sizeof path, "ranks/%d.txt", rank);
    out = fopen(path, "w");
    if (out) { fprintf(out, "%s %s\n", host, argc > 1 ? argv[1] : ""); fclose(out); }
    if (rank == 0) {
        printf("size = %d\nsum = %d\n", size, sum);
        for (int i = 0; i < size; i++) printf("host %s\n", hosts[i]);
        if (argc > 2) { out = fopen("deep/in.txt", "w"); fprintf(out, "77\n"); fclose(out); }
    }
    fflush(stdout);
    if (argc > 2 && strcmp(argv[2], "sleep") == 0) sleep(600);
    MPI_Finalize();
    return argc > 2 ? atoi(argv[2]) : 0;
}
"""


def build(case):
    """The program, compiled."""
    farms.need_mpi(case)
    if not shutil.which("mpicc"):
        raise harness.Skip("mpicc is not here")
    case.write("program.c", SOURCE)
    subprocess.run(["mpicc", "-O1", "-o", case.path("program"), case.path("program.c")], check=True,
                   timeout=200)
    os.remove(case.path("program.c"))
    for folder in ("deep", "ranks"):
        os.makedirs(case.path(folder), exist_ok=True)
    case.write("deep/in.txt", "5\n")
    case.write("ranks/keep", "")


def sweep(nodes, ranks, words=(1, 2), **more):
    """Work that asks for nodes."""
    return {"kind": "sweep", "nodes": nodes, "ranks": ranks,
            "command": ["mpirun", "./program", "{word}"], "params": farms.grid(word=words),
            "values": [{"name": "size", "regex": "^size = ([0-9]+)"},
                       {"name": "sum", "regex": "^sum = ([0-9]+)"}],
            "outputs": ["stdout.txt", "ranks/*.txt"], **more}


def check_rows(farm, ranks, words=(1, 2)):
    """Results of a sweep of it."""
    for row in farm.rows(expect=len(words), status="ok"):
        assert int(row["size"]) == ranks and int(row["sum"]) == 5 * ranks, row
        for rank in range(ranks):
            found = farm.output(int(row["task"]), f"ranks/{rank}.txt")
            assert found.split()[1] == row["word"], (row, found)


@test
def a_sweep_of_mpi_runs_on_this_machine(case):
    build(case)
    work = sweep(3, 3, shell=True,
                 command="cat $BEOFARM_HOSTFILE; echo $BEOFARM_HOSTFILE >ranks/file.txt; "
                         "echo $AZ_BATCH_HOST_LIST >ranks/list.txt; mpirun ./program {word}")
    farm = farms.Farm(case, {"name": "toy", "work": work, "files": ["."],
                             "backend": {"kind": "local", "workers": 1}})
    case.beofarm("run", farm.file, expect=0)
    check_rows(farm, 3)
    assert farm.output(1, "stdout.txt").startswith("localhost slots=3\n")
    assert farm.output(1, "ranks/list.txt") == "localhost,localhost,localhost\n"
    assert not os.path.exists(farm.output(1, "ranks/file.txt").strip()), "it is left behind"


@test
def the_example_computes_what_is_known(case):
    farms.need_mpi(case)
    program = os.path.join(harness.BUILD, "examples/nodes/integral")
    if not os.path.exists(program):
        raise harness.Skip("examples/nodes is not built")
    shutil.copy(program, case.folder)
    farm = external.without_comments(os.path.join(harness.SOURCE, "examples/nodes/farm.json"))
    # In a sanitized build the program is sanitized too, and Open MPI's plugins leak.
    farm["work"].setdefault("env", {})["ASAN_OPTIONS"] = "detect_leaks=0"
    case.write("farm.json", farm)
    readme = case.beofarm("mpirun", "-n", "4", "--nodes", "2", "--", "./integral", "2", expect=0,
                          limit_s=120, env={"ASAN_OPTIONS": "detect_leaks=0"})
    assert readme.out.startswith("ranks = 4\nintegral = 1.2533141373"), readme
    case.beofarm("run", "farm.json", "--run-dir", "runs/sweep", expect=0)
    done = case.beofarm("results", expect=0)
    with open(case.path("runs/sweep/results.csv"), newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3, done
    for row in rows:
        # The sum of 4e6 rounded terms of one sign: 4e6 * 2^-53 * 2.5 at the very most.
        assert abs(float(row["integral"]) - math.sqrt(math.pi / float(row["a"]))) < 1.2e-9, row
        assert int(row["ranks"]) == 4, row


def lines(text, word):
    """What stands behind that word in the program's output."""
    return [line.split()[-1] for line in text.splitlines() if line.startswith(word)]


@test
def a_program_runs_as_if_its_nodes_were_here(case):
    build(case)
    case.write(".farmignore", "secret.*\n")
    case.write("secret.txt", "stays")
    done = case.beofarm("mpirun", "-n", "3", "--nodes", "2", "--", "./program", "it's {a}", "0",
                        limit_s=120, expect=0)
    assert lines(done.out, "size") == ["3"] and lines(done.out, "sum") == ["15"], done
    assert len(done.out.splitlines()) == 5, f"stdout is the program's: {done.out}"
    for rank in range(3):
        assert case.read(f"ranks/{rank}.txt").split(" ", 1)[1] == "it's {a}\n"
    assert case.read("deep/in.txt") == "77\n", "a file that it has changed comes home"
    assert not [f for f in os.listdir(case.folder) if "beofarm-mpirun" in f]
    assert not os.path.exists(case.path("runs/program-001/out/1/secret.txt"))
    case.write("deep/in.txt", "5\n")
    done = case.beofarm("mpirun", "-n", "2", "-q", "--", "./program", "x", "3")
    assert done.code == 3 and lines(done.out, "size") == ["2"], done
    os.remove(case.path("deep/in.txt"))
    done = case.beofarm("mpirun", "-n", "1", "--", "./program")
    assert done.code == 9 and "no input here" in done.err, done


TALK = """#!/bin/sh
[ "${OMPI_COMM_WORLD_RANK:-0}" = 0 ] || exit 0
echo "first words"; echo "first doubts" >&2
while [ -e "$LAB/closed" ]; do sleep 0.05; done
echo "last words"; echo "last doubts" >&2
exit 6
"""


def talk_start(case, words, env, err=None):
    """beofarm in the folder work; with `err`, stdout and stderr go to files."""
    if err is None:
        return case.start_beofarm(*words, cwd=case.path("work"), env=env)
    process = subprocess.Popen(
        [harness.program("beofarm"), *words], cwd=case.path("work"), env={**case.environment, **env},
        stdin=subprocess.DEVNULL, stdout=open(case.path("heard.out"), "wb"), stderr=err, text=True,
        start_new_session=True)
    process.out, process.err, process.began = "heard.out", err, 0
    case.started.append(process)
    return process


def hear(case, process, err):
    """What the program says before it may end, and how it ends."""
    wait_until(lambda: "first words\n" in case.read("heard.out") and
               "first doubts\n" in case.read("heard.err"), "the program is heard")
    assert process.poll() is None and "last" not in case.read("heard.out"), "it has not ended"
    os.remove(case.path("closed"))
    done = case.finish(process, 120)
    err.close()
    assert done.code == 6, f"{done} {case.read('heard.err')}"
    assert done.out == "first words\nlast words\n", done
    said = case.read("heard.err")
    assert said.count("first doubts") == 1 and said.count("last doubts") == 1, said


@test
def what_it_prints_is_shown_as_it_comes(case):
    farms.need_mpi(case)
    case.write("closed", "")
    case.write("work/talk", TALK, 0o755)
    process = talk_start(case, ["mpirun", "-n", "2", "--", "./talk"], {"LAB": case.folder},
                         open(case.path("heard.err"), "wb"))
    hear(case, process, process.err)


@test
def what_cannot_be_run_is_told_beforehand(case):
    case.write("data", "1")
    for words, text in (
            ([], "name the program"), (["--nodes", "3", "-n", "2", "--", "true"], "no rank"),
            (["--", "./data"], "chmod +x"), (["--", "./gone"], 'no program "./gone" here'),
            (["--", "a b"], 'no program "a b" on this machine\'s PATH, nor in this folder; the program and each'),
            (["--", "/no/such program"], 'no program "/no/such program" on this machine; the program and each'),
            (["--", "no-such-program"], 'no program "no-such-program" on this machine\'s PATH'),
            (["--nodes", "0", "--", "true"], "from 1"),
            (["--backend", "gone.json", "--", "true"], "gone.json"),
            (["--backend", "data", "--", "true"], 'no "backend"'),
            (["--timeout", "-3", "--", "true"], "from 1")):
        done = case.beofarm("mpirun", *words)
        assert done.code > 0 and text in done.err, (words, done)
    path = os.path.dirname(harness.program("beofarm"))
    done = case.beofarm("mpirun", "--", "true", env={"PATH": path})
    assert done.code == 2 and "no mpirun is on this machine's PATH" in done.err, done
    assert not os.path.exists(case.path("runs")), "nothing was begun"
    for work, more, text in (
            ({"ranks": 4}, {}, 'needs "nodes"'), ({"nodes": 4, "ranks": 2}, {}, "some would have none"),
            ({"nodes": 2, "runner": "persistent"}, {}, '"process"'),
            ({"nodes": 2}, {"worker": {"slots": 2}}, "is 1 where tasks have nodes"),
            ({"nodes": 60}, {"backend": {"kind": "azure", "workers": 2,
                                         "pool": {"vm_size": "Standard_D2s_v3"}}}, "100 at most"),
            ({"nodes": 2}, {"backend": {"kind": "azure", "workers": 2,
                                        "pool": {"vm_size": "Standard_D2s_v3", "min": 1,
                                                 "inter_node": False}}}, "counts such a task as one")):
        case.write("farm.json", {"name": "toy", "work": {
            "kind": "sweep", "command": ["mpirun", "true"], "params": farms.grid(k=[1]), **work}, **more})
        done = case.beofarm("check", "farm.json")
        assert done.code > 0 and text in done.out + done.err, (text, done)


def start_mpirun(cloud, *words, err=None):
    """`beofarm mpirun` on two nodes of that cloud."""
    case = cloud.case
    case.write("cloud/backend.json", {"backend": {
        "kind": "azure", "container": "farm", "bundle": "../bundle.tar.gz",
        "pool": {"vm_size": "Standard_D2s_v3", "start": {"kind": "none"}},
        "waits": {"poll_s": 0.1, "nodes_s": 0.2}},
        "transport": "tcp", "limits": {"heartbeat_timeout_s": 3}})
    azure_farm.bundle(case)
    case.write("work/.farmignore", "*.o\n")
    for name in ("program", "deep", "ranks"):
        shutil.move(case.path(name), case.path("work", name))
    return talk_start(case, ["mpirun", "-n", "4", "-N", "2", "-b", "../cloud/backend.json", "--",
                             *words], cloud.environment, err)


@test
def a_program_runs_on_rented_nodes_which_are_given_back(case):
    build(case)
    cloud = azure_farm.Cloud(case)
    done = case.finish(start_mpirun(cloud, "./program", "x", "4"), azure_farm.LIMIT_S)
    assert done.code == 4, f"{done}\n{cloud.described()}"
    assert len(set(lines(done.out, "host"))) == 2 and lines(done.out, "sum") == ["20"], done
    assert case.read("work/deep/in.txt") == "77\n"
    hosts = [case.read(f"work/ranks/{rank}.txt").split()[0] for rank in range(4)]
    assert sorted(hosts) == sorted(lines(done.out, "host")), (hosts, done)
    cloud.wait_nothing()
    cloud.search()


@harness.test_plainly
def what_it_prints_on_rented_nodes_is_shown_as_it_comes(case):
    farms.need_mpi(case)
    cloud = azure_farm.Cloud(case)
    case.write("closed", "")
    case.write("program", TALK.replace("$LAB", case.folder), 0o755)
    for name in ("deep", "ranks"):
        os.makedirs(case.path(name))
    process = start_mpirun(cloud, "./program", err=open(case.path("heard.err"), "wb"))
    hear(case, process, process.err)
    cloud.wait_nothing()
    cloud.search()


def programs(case):
    """Processes of the program, wherever they run."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
            with open(f"/proc/{pid}/environ", "rb") as file:
                environment = file.read()
        except OSError:
            continue
        if words[0] == b"./program" and case.folder.encode() in environment:
            found.append(int(pid))
    return found


@test
def a_sweep_of_mpi_runs_on_nodes_of_batch_and_ends_on_all_of_them(case):
    build(case)
    cloud = azure_farm.Cloud(case)
    rows = [{"word": 1, "more": "sleep"}, {"word": 2, "more": "0"}, {"word": 3, "more": "0"}]
    farm = cloud.write(work=sweep(2, 3, command=["mpirun", "./program", "{word}", "{more}"],
                                  env={"LAB": case.folder}, params={"list": rows}),
                       limits={"task_timeout_s": 12, "attempts": 1}, backend={"workers": 2},
                       files=["program", {"path": "deep", "copy": True}, "ranks"],
                       worker={"slots": 1}, transport="tcp")
    cloud.start()
    wait_until(lambda: len(programs(case)) >= 3, "ranks run", azure_farm.LIMIT_S)
    cloud.end(expect=1)
    found = farm.rows(expect=3)
    assert [row["status"] for row in found] == ["timeout", "ok", "ok"], found
    assert "task_timeout_s" in found[0]["error"], found
    for row in found[1:]:
        assert (row["size"], row["sum"]) == ("3", "15"), row
        hosts = {farm.output(int(row["task"]), f"ranks/{rank}.txt").split()[0] for rank in range(3)}
        assert len(hosts) == 2, hosts
    assert not programs(case)
    cloud.wait_nothing()
    cloud.search()


@test_plainly
def a_node_that_is_lost_costs_an_attempt(case):
    build(case)
    cloud = azure_farm.Cloud(case)
    case.write("closed", "")
    farm = cloud.write(work=sweep(2, 2, words=(1,), shell=True, env={"LAB": case.folder}, command=
                                  "mpirun ./program {word}; "
                                  "while [ -e $LAB/closed ]; do touch $LAB/waits; sleep 0.05; done"),
                       limits={"attempts": 3}, backend={"workers": 1},
                       files=["program", "deep", "ranks"], worker={"slots": 1}, transport="tcp")
    cloud.start()
    wait_until(lambda: os.path.exists(case.path("waits")), "the task runs", azure_farm.LIMIT_S)
    mates = [pid for pid in filter(str.isdigit, os.listdir("/proc")) if is_mate(pid, case)]
    assert mates, "somebody stands in for the worker on its other node"
    os.kill(min(map(int, mates)), signal.SIGKILL)  # the other is its guard
    os.remove(case.path("closed"))
    cloud.end()
    check_rows(farm, 2, (1,))
    cloud.wait_nothing()


def is_mate(pid, case):
    """Is it a mate of this case's farm?"""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            mate = b"--mate" in file.read().split(b"\0")
        with open(f"/proc/{pid}/environ", "rb") as file:
            return mate and b"BEOFARM_FARM=toy" in file.read()
    except OSError:
        return False


if __name__ == "__main__":
    harness.main(globals())
