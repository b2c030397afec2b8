#!/usr/bin/env python3
"""What a shell's ulimit leaves too little of gets a sentence: open files, sizes of files, stacks."""
import os
import shlex
import shutil

import harness
from farms import Farm, grid, held, release, shell
from harness import Skip, program, test, test_plainly, wait_until

NOBODY = 61234  # nobody else's, so that nobody else's processes count

CONTROL = """pcf
* control data
restart estimation
1 1 1 0 1
1 1 single point
10.0 -3.0 0.3 0.03 10
10.0 10.0 0.001
0.1
3 0.005 4 4 0.005 4
0 0 0
* parameter groups
g relative 0.01 0 switch 2 parabolic
* parameter data
k1 none factor 0.5 0.1 100 g 1 0 1
* observation groups
obs
* observation data
h1 1 1 obs
* model command line
cp in.dat out.dat
* model input/output
a.tpl in.dat
out.ins out.dat
"""


def limited(case, limit, *words, **more):
    """A command under `ulimit LIMIT`, to its end."""
    return case.run("bash", "-c", f"ulimit {limit} && exec " + shlex.join(map(str, words)), **more)


def roles(farm):
    """The command line of each program that is started with such a limit: a run, a master, a worker."""
    secret = {"BEOFARM_SECRET": "07" * 32}
    return [([program("beofarm"), "run", farm.file], {}), ([program("beofarm-master"), farm.file], secret),
            ([program("beofarm-worker"), "--farm", "toy", "127.0.0.1:9"], secret)]


@test
def too_few_open_files_are_told_before_anything_begins(case):
    farm = Farm(case, shell("true", grid(x=range(3)), transport="auto"))
    for count in (20, 32, 64):
        for words, secret in roles(farm):
            done = limited(case, f"-n {count}", *words, env=secret, expect=4)
            assert f"{count} files and connections may be open at once here" in done.err, done
            assert "ulimit -n" in done.err and len(done.err.splitlines()) == 1, done
    # A soft limit is raised; what is asked for is enough.
    limited(case, "-Sn 20", program("beofarm"), "run", farm.file, expect=0)
    assert len(farm.rows(3, "ok")) == 3


@test
def the_fewest_open_files_that_are_allowed_are_enough(case):
    farm = Farm(case, shell("true", grid(x=range(8)), transport="auto"))
    limited(case, "-n 128", program("beofarm"), "run", farm.file, expect=0)
    assert len(farm.rows(8, "ok")) == 8


@test
def slots_for_which_there_are_too_few_open_files_are_told(case):
    farm = Farm(case, shell("true", grid(x=range(8)), backend={"workers": 1}, worker={"slots": 40, "pin": False}))
    done = limited(case, "-n 128", program("beofarm"), "run", farm.file, expect=None)
    assert done.code != 0 and "a worker with 40 slots: 128 files and connections" in farm.logs() + str(done), done


@test
def models_get_the_limits_that_the_worker_was_given(case):
    farm = Farm(case, shell("echo n=$(ulimit -Sn)/$(ulimit -f)", work_values=[{"name": "n", "regex": "n=(.*)"}]))
    limited(case, "-Sn 200 && ulimit -f 60000", program("beofarm"), "run", farm.file, expect=0)
    assert [row["n"] for row in farm.rows(1, "ok")] == ["200/120000"], farm.rows()


@test_plainly
def a_small_stack_is_told_before_anything_begins(case):
    farm = Farm(case, shell("true", grid(x=range(3)), transport="auto"))
    for words, secret in roles(farm):
        done = limited(case, "-s 128", *words, env=secret, expect=4)
        assert "stacks may have 128 KiB here" in done.err and "ulimit -s" in done.err, done
    limited(case, "-s 256", program("beofarm"), "run", farm.file, expect=0)
    assert len(farm.rows(3, "ok")) == 3


@test_plainly
def too_little_address_space_for_linear_algebra_is_told(case):
    """OpenBLAS would try for ever to get some, from before main on."""
    one_thread = {"OPENBLAS_NUM_THREADS": "1"}
    farm = Farm(case, shell("true", grid(x=range(3))))
    for words in (["check", farm.file], ["run", farm.file]):
        done = limited(case, "-v 90000", program("beofarm"), *words, env=one_thread, expect=4)
        assert "the address space of a program may have 90000 KiB here" in done.err, done
        assert "ulimit -v" in done.err and len(done.err.splitlines()) == 1, done
    limited(case, "-v 250000", program("beofarm"), "run", farm.file, env=one_thread, expect=0)
    assert len(farm.rows(3, "ok")) == 3
    case.write("case.pst", CONTROL)
    case.write("a.tpl", "ptf ~\n~  k1    ~\n")
    case.write("out.ins", "pif @\nl1 !h1!\n")
    pest = case.write("pest.json", {"name": "toy", "transport": "tcp", "port": 0,
                                    "work": {"kind": "pest", "control": "case.pst"}})
    done = limited(case, "-v 250000", program("beofarm"), "run", "--run-dir", "pest", pest,
                   env=one_thread, expect=4)
    assert "the linear algebra needs" in done.out + done.err and "ulimit -v" in done.out + done.err, done
    limited(case, "-v unlimited", program("beofarm"), "run", "--resume", "pest", expect=0)


@test
def a_worker_that_may_make_no_process_waits(case):
    """Root may make any number, so the worker is somebody else's then."""
    if not shutil.which("prlimit"):
        raise Skip("prlimit is not here (Debian package util-linux)")
    other = {}
    if os.geteuid() == 0:
        other = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        os.chmod(case.folder, 0o711)
        os.mkdir(case.path("hand"))
        os.chown(case.path("hand"), NOBODY, NOBODY)
    farm = Farm(case, shell(held(case) + "echo v=$x", grid(x=range(8)), backend={"workers": 0},
                            worker={"disk_wait_s": 300}, limits={"attempts": 1},
                            work_values=[{"name": "v", "regex": "v=(.*)"}])).start()
    where = f"127.0.0.1:{farm.port()}"
    try:
        os.makedirs(case.path("hand"), exist_ok=True)
        worker = case.start(program("beofarm-worker"), "--farm", "toy", where, cwd=case.path("hand"),
                            env={"BEOFARM_SECRET": farm.read("secret"), "BEOFARM_NETWORK": "lo"}, **other)
    except PermissionError as problem:
        raise Skip(f"another user cannot start a worker here: {problem}") from problem
    wait_until(lambda: farm.events("progress") and farm.events("progress")[-1]["running"] == 1, "one runs")
    case.run("prlimit", "--pid", worker.pid, "--nproc=1:", expect=0, **other)
    release(case)
    wait_until(lambda: farm.events("notice") or farm.events("end"), "the pause is told")
    notice = farm.events("notice")[0]["sentence"]
    assert "takes no tasks" in notice and "cannot make a process" in notice, notice
    case.run("prlimit", "--pid", worker.pid, "--nproc=4096:", expect=0, **other)
    farm.end()
    assert all(row["attempts"] == "1" for row in farm.rows(8, "ok")), farm.rows()


@test
def a_journal_that_may_not_be_made_is_told(case):
    farm = Farm(case, shell("true", grid(x=range(3)), transport="auto"))
    done = limited(case, "-f 4", program("beofarm"), "run", farm.file, expect=4)
    assert "journal.db (disk I/O error): File too large" in done.out + done.err, done
    farm.resume()
    assert len(farm.rows(3, "ok")) == 3


@test
def a_farm_whose_journal_may_not_grow_is_not_done(case):
    """All tasks have ended, but what they came to is not durable: that is said, and waited for."""
    farm = Farm(case, shell("true", grid(x=range(400))))
    words = shlex.join([program("beofarm"), "run", "--json", farm.file])
    farm.process = case.start("bash", "-c", f"ulimit -f 72 && exec {words}", out="run.out")
    farm.wait_event("notice")
    farm.wait_event("progress", done=400)
    assert not farm.events("end") and farm.process.poll() is None
    assert "File too large" in farm.events("notice")[0]["sentence"], farm.events("notice")
    farm.process.send_signal(2)
    done = farm.end(expect=130)
    lost = farm.events("end")[0]["unwritten"]
    assert f"what was finished is kept, but for {lost} unjournaled results, to be" in done.out, done
    assert lost >= 400 - len(farm.rows()) > 0, (lost, len(farm.rows()))
    farm.resume()
    assert len(farm.rows(400, "ok")) == 400


@test
def a_shot_that_may_not_be_written_is_told(case):
    case.write("survey.json", {
        "model": {"velocity": 1500, "grid": {"points": [40, 40], "spacing_m": [10, 10]}},
        "wavelet": {"kind": "ricker", "peak_hz": 10}, "record": {"length_s": 2},
        "geometry": {"sources": {"points": [[50, 50]]},
                     "receivers": {"line": {"start": [0, 20], "end": [390, 20], "count": 40}}}})
    done = limited(case, "-f 4", program("beofarm-shot"), "--survey", "survey.json", "--shot", "1", "--operation",
                   "model", "--output", "s.segy", "--threads", "1", expect=4)
    assert "File too large" in done.err, done


if __name__ == "__main__":
    harness.main(globals())
