#!/usr/bin/env python3
"""Whatever is wrong gets a sentence and an exit code, and what was finished stays."""
import json
import os
import random
import signal
import socket
import stat
import subprocess

import harness
from farms import (Farm, count, counter, everything_written, grid, have_mpi, held, need_mpi,
                   need_root, release, shell, sweep)
from harness import Skip, program, test, wait_until

GOOD = sweep(["true"])


def check(case, farm, code, *texts):
    """The farm file is refused by check and run alike, with these texts in the sentence."""
    path = case.write("farm.json", farm)
    for command in ("check", "run"):
        done = case.beofarm(command, path, expect=code)
        for text in texts:
            assert text in done.err, f"{text!r} is not in: {done}"
        assert len(done.err.splitlines()) < 10, done
    assert not os.path.exists(case.path("runs")), "a run directory was made"


# ---- the farm file


@test
def malformed_json_names_line_and_column(case):
    check(case, '{\n "name": "toy",\n "work": {"kind" "sweep"}\n}', 3, "farm.json", "3")
    check(case, "", 3, "farm.json")
    check(case, '{"name": "toy"', 3, "farm.json")
    check(case, '{"name":"a","name":"b"}', 3, "name")
    check(case, "[" * 100000, 3, "farm.json")
    check(case, '{"name": "\udcff\udcfe"}', 3, "farm.json")
    check(case, '["an", "array"]', 3, "found an array")
    with open(case.path("farm.json"), "wb") as file:
        file.write(bytes(random.Random(1).randbytes(5000)))
    done = case.beofarm("check", case.path("farm.json"), expect=3)
    assert "farm.json" in done.err and len(done.err) < 1000, done


@test
def unknown_keys_and_values_name_the_nearest(case):
    check(case, {**GOOD, "limitz": {}}, 3, "$.limitz", '"limits"')
    check(case, {**GOOD, "limits": {"task_timeout": 3}}, 3, "$.limits.task_timeout",
          "task_timeout_s")
    check(case, {**GOOD, "work": {**GOOD["work"], "ouputs": []}}, 3, "$.work.ouputs", "outputs")
    check(case, {**GOOD, "work": {**GOOD["work"], "kind": "sweeep"}}, 3, "$.work.kind", "sweep")
    check(case, {**GOOD, "transport": "tpc"}, 3, "$.transport", "tcp")
    check(case, {**GOOD, "backend": {"kind": "locl"}}, 3, "$.backend.kind", "local")
    check(case, {**GOOD, "backend": {"kind": "local", "workers": -1}}, 3, "$.backend.workers")
    check(case, {**GOOD, "backend": {"kind": "local", "workers": "2"}}, 3, "$.backend.workers")
    check(case, {**GOOD, "limits": {"attempts": 1e99}}, 3, "$.limits.attempts")
    check(case, {"name": "../../etc", "work": GOOD["work"]}, 3, "$.name")
    check(case, {"name": "toy"}, 3, "work")


@test
def odd_names_of_files_are_shown_on_one_line(case):
    name = case.path("a\nb\x1b[31m\t")
    os.makedirs(name)
    path = os.path.join(name, "farm.json")
    for words in (["check", path], ["run", path], ["check", os.path.join(name, "case.pst")],
                  ["results", name], ["status", path], ["plot", "model", path]):
        done = case.beofarm(*words)
        assert done.code not in (0, 1), done
        assert "\x1b" not in done.err and len(done.err.splitlines()) == 1, done
        assert "a\\nb\\x1b[31m\\t" in done.err, done
    control = case.write(os.path.join(name, "case.pst"), "pcf\n* control data\nnonsense\n")
    done = case.beofarm("pest", "check", control, expect=3)
    assert "\x1b" not in done.out + done.err and "a\\nb\\x1b[31m\\t/case.pst:3: " in done.err, done
    assert all("/case.pst" in line for line in done.err.splitlines()), done
    case.write(path, GOOD)
    odd = case.beofarm("run", "--run-dir", os.path.join(name, "r"), path, expect=0).out
    assert "\x1b" not in odd and "a\\nb\\x1b[31m\\t/r/results.csv\n" in odd, odd
    run = os.path.join(name, "r")
    for words in (["status", run], ["run", "--dry-run", path], ["report", run],
                  ["logs", run, "task", "1"], ["clean", "--yes", "--all", run]):
        done = case.beofarm(*words, expect=0)
        assert "\x1b" not in done.out + done.err, done
    said = case.beofarm("check", path, expect=0).out
    assert said.splitlines()[0].endswith("a\\nb\\x1b[31m\\t/farm.json is good"), said
    for farm in ("one.json", "two.json"):  # the second finds a survey.json
        said = case.beofarm("init", "shots", "-o", os.path.join(name, farm), expect=0).out
        assert "\x1b" not in said and len(said.splitlines()) == 2, said
    long = case.beofarm("check", "/first/" + 5000 * "a" + "/farm.json")
    assert long.code not in (0, 1) and "File name too long" in long.err and len(long.err) < 600, long
    assert "/first/aaa" in long.err and "aaa/farm.json" in long.err, long


@test
def wrong_tables_are_named_by_line(case):
    farm = sweep(["true"], {"csv": "p.csv"})
    check(case, farm, 3, "p.csv")
    for text, sentence in (("x,y\n1,2\n3\n", "p.csv:3"), ('x\n"open\n', "p.csv:2"), ("", "p.csv"),
                           ("x,x\n1,2\n", "x"), ("x,\n1,2\n", "p.csv"),
                           ('x\n"a"b\n', "p.csv:2"), ("x,task\n1,2\n", "task")):
        case.write("p.csv", text)
        check(case, farm, 3, sentence)
    with open(case.path("p.csv"), "wb") as file:
        file.write(b"x\n\0\xff\n")
    check(case, farm, 3, "p.csv")
    os.unlink(case.path("p.csv"))
    os.mkdir(case.path("p.csv"))
    check(case, farm, 3, "p.csv")


@test
def wrong_places_and_rules_are_named(case):
    check(case, sweep(["echo", "{K}"], grid(x=[1])), 3, "$.work.command[1]", "K")
    check(case, sweep(["echo", "{x"], grid(x=[1])), 3, "$.work.command[1]")
    check(case, sweep(["echo", "{x:%n}"], grid(x=[1])), 3, "$.work.command[1]")
    check(case, sweep(["true"], work_values=[{"name": "v", "regex": "(("}]), 3,
          "$.work.values[0].regex")
    check(case, sweep(["true"], work_values=[{"name": "v"}]), 3, "$.work.values[0]")
    check(case, sweep(["true"], work_values=[{"name": "task", "regex": "x"}]), 3, "task")
    check(case, sweep(["true"], work_templates=[{"from": "no.tpl", "to": "a"}]), 3, "no.tpl")
    check(case, sweep(["true"], files=["nothere"]), 3, "$.files[0]", "nothere")
    check(case, sweep(["true"], work_inputs=[{"from": "{x}.dat", "to": "a"}]), 3, "{x}.dat")


@test
def a_place_in_an_input_may_not_leave_the_folder(case):
    case.write("outside.dat", "x")
    case.write("inner/good.dat", "x")
    farm = Farm(case, sweep(["true"], {"list": [{"x": "../outside"}, {"x": "good"}]},
                            limits={"attempts": 1},
                            work_inputs=[{"from": "{x}.dat", "to": "a"}]), name="inner/farm.json")
    farm.run(expect=1)
    rows = {row["x"]: row for row in farm.rows(2)}
    assert rows["good"]["status"] == "ok" and "lead out" in rows["../outside"]["error"], rows
    farm = Farm(case, sweep(["true"], {"list": [{"x": "../../../evil"}]}, files=["t"],
                            limits={"attempts": 1},
                            work_templates=[{"from": "t", "to": "{x}"}]))
    case.write("t", "content")
    done = farm.run(expect=None)
    assert done.code in (1, 3), done
    assert not [p for p, _ in everything_written(case.folder) if p.endswith("evil")]


# ---- the machine


@test
def an_unwritable_run_directory_gets_a_sentence(case):
    path = case.write("farm.json", GOOD)
    case.write("runs", "a file is in the way")
    done = case.beofarm("run", path, cwd=case.folder)
    assert done.code == 4 and "runs" in done.err, done
    done = case.beofarm("run", path, "--run-dir", "/proc/nothing")
    assert done.code == 4 and "/proc/nothing" in done.err, done


@test
def a_read_only_disk_gets_a_sentence(case):
    need_root()
    os.makedirs(case.path("disk"))
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", case.path("disk")],
                             capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        raise Skip(f"no read-only disk can be made: {mounted.stderr.strip()}")
    try:
        path = case.write("farm.json", GOOD)
        done = case.beofarm("run", path, "--run-dir", case.path("disk", "run"))
        assert done.code == 4 and "Read-only" in done.err, done
    finally:
        subprocess.run(["umount", "-l", case.path("disk")], check=False)


@test
def a_port_in_use_means_another_port(case):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        farm = Farm(case, {**shell("true", grid(x=range(5))), "port": port})
        farm.run()
        farm.rows(5, "ok")
        assert farm.port() != port


@test
def a_hostname_that_does_not_resolve_is_no_hindrance(case):
    need_root()
    if subprocess.run(["unshare", "--uts", "true"], capture_output=True, check=False).returncode:
        raise Skip("unshare --uts does not work here")
    for transport in ("tcp", "auto"):
        farm = Farm(case, {**shell("true", grid(x=range(5))), "transport": transport},
                    name=f"{transport}/farm.json")
        done = case.run("unshare", "--uts", "sh", "-c",
                        'hostname no-such-host-17.invalid && exec "$@"', "sh", program("beofarm"),
                        "run", "-q", farm.file, cwd=farm.folder)
        assert done.code == 0, f"{done}\n{farm.logs()}"
        farm.rows(5, "ok")
        assert "no-such-host-17" in farm.read("backend/tasks/master/stdout.txt")


@test
def transport_mpi_without_mpi_gets_a_sentence(case):
    if have_mpi(case):
        raise Skip("this build has MPI")
    farm = Farm(case, {**GOOD, "transport": "mpi"})
    done = farm.run(expect=None)
    assert done.code not in (0, 1) and "mpi" in (done.out + done.err).lower(), done
    Farm(case, {**GOOD, "transport": "auto"}, name="auto/farm.json").run()


@test
def programs_by_hand_without_their_environment_say_what_is_missing(case):
    case.write("farm.json", GOOD)
    done = case.run(program("beofarm-master"))
    assert done.code == 2 and "BEOFARM_SECRET" in done.err, done
    done = case.run(program("beofarm-worker"))
    assert done.code == 2 and len(done.err) > 20, done
    done = case.run(program("beofarm-worker"), "127.0.0.1:1", "--wait", "0.2",
                    env={"BEOFARM_SECRET": "a" * 64, "BEOFARM_FARM": "toy"})
    assert done.code == 5 and "127.0.0.1" in done.err, done
    done = case.run(program("beofarm-worker"), "127.0.0.1:99999")
    assert done.code == 2, done
    case.write("secret", "not hexadecimal\n")
    done = case.run(program("beofarm-worker"), "--secret-file", "secret", "--farm", "toy",
                    "127.0.0.1:1")
    assert done.code != 0 and "secret" in done.err and "not hexadecimal" not in done.err, done


# ---- the rendezvous


@test
def a_wrong_secret_is_refused_and_the_farm_is_unharmed(case):
    for transport in ("tcp", "auto"):
        farm = Farm(case, {**shell(held(case, 20, f"gate-{transport}") + "sleep 0.05",
                                   grid(x=range(40))), "transport": transport},
                    name=f"{transport}/farm.json")
        farm.start()
        case.write("wrong", "0" * 64)
        stranger = case.run(program("beofarm-worker"), "--secret-file", "wrong",
                            f"127.0.0.1:{farm.port()}",
                            env={"BEOFARM_FARM": "toy", "BEOFARM_NETWORK": "lo"})
        assert stranger.code == 6 and "secret" in stranger.err, stranger
        other = farm.start_worker("other", "--farm", "other-farm")
        done = case.finish(other)
        assert done.code != 0, done
        release(case, f"gate-{transport}")
        farm.end()
        farm.rows(40, "ok")


@test
def random_bytes_and_half_open_connections_harm_nobody(case):
    side = counter(case)
    farm = Farm(case, {**shell(f"printf x >>{side}; {held(case, 20)}sleep 0.05", grid(x=range(60))),
                       "backend": {"kind": "local", "workers": 1}})
    farm.start()
    port = farm.port()
    rng = random.Random(4004)
    idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(200)]
    for i in range(60):
        with socket.create_connection(("127.0.0.1", port)) as peer:
            try:
                peer.sendall(rng.randbytes(rng.choice([1, 4, 63, 64, 65, 1000, 70000])))
                if i % 3 == 0:
                    peer.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # it has hung up on us, rightly
    for text in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\0" * 100, b"\xff" * 100):
        with socket.create_connection(("127.0.0.1", port)) as peer:
            try:
                peer.sendall(text)
            except OSError:
                pass
    # A worker that knows the secret gets in past all of them.
    hand = farm.start_worker("hand")
    farm.wait_workers("joined", 2)
    release(case)
    farm.end()
    farm.rows(60, "ok")
    assert count(side) <= 62
    for peer in idle:
        peer.close()
    assert case.finish(hand).code == 0


@test
def half_open_connections_are_turned_away_in_time(case):
    farm = Farm(case, {**shell(held(case), grid(x=[1])), "limits": {"join_timeout_s": 1}})
    farm.start()
    with socket.create_connection(("127.0.0.1", farm.port())) as peer:
        peer.settimeout(100)
        while True:
            try:
                if not peer.recv(4096):
                    break
            except ConnectionResetError:
                break
    assert farm.process.poll() is None, "it was turned away before the farm's end"
    release(case)
    farm.end()


# ---- the secret


@test
def the_secret_is_in_its_file_and_nowhere_else(case):
    for transport in ("tcp", "auto"):
        gate = f"gate-{transport}"
        farm = Farm(case, {**shell(held(case, 0, gate) +
                                   "env; cat /proc/$PPID/cmdline | tr '\\0' ' '; exit $x",
                                   grid(x=[0, 1]), work_outputs=["stdout.txt"]),
                           "transport": transport}, name=f"{transport}/farm.json")
        case.environment["BEOFARM_LOG"] = "debug"
        farm.start()
        hand = farm.start_worker("hand-" + transport)
        farm.wait_workers("joined", 3)
        release(case, gate)
        done = farm.end(expect=1)
        last = case.finish(hand)
        secret = farm.read("secret").strip()
        assert len(secret) == 64 and stat.S_IMODE(os.stat(farm.path("secret")).st_mode) == 0o600
        said = [done.out, done.err, last.out, last.err]
        for command in (["status", farm.run_dir], ["logs", farm.run_dir], ["results", farm.run_dir],
                        ["status", "--json", farm.run_dir], ["logs", farm.run_dir, "task", "2"]):
            shown = case.beofarm(*command, expect=0)
            said += [shown.out, shown.err]
        assert not [text for text in said if secret in text]
        binary = bytes.fromhex(secret)
        for path, content in everything_written(case.folder):
            if path != farm.path("secret"):
                assert secret.encode() not in content and binary not in content, path


# ---- what a crash leaves


@test
def a_crash_in_the_middle_of_a_line_of_results_is_mended(case):
    farm = Farm(case, shell("sleep 0.05; echo v=$x", grid(x=range(60)),
                            work_values=[{"name": "v", "regex": "v=(.*)"}]))
    farm.start()
    wait_until(lambda: farm.try_read("results.csv").count("\n") > 5, "rows came")
    farm.process.send_signal(signal.SIGKILL)
    farm.process.wait()
    farm.kill("master")
    size = os.path.getsize(farm.path("results.csv"))
    os.truncate(farm.path("results.csv"), size - 7)
    with open(farm.path("results.csv"), "a", encoding="utf-8") as file:
        file.write('"broken')
    farm.resume()
    assert all(row["v"] == row["x"] for row in farm.rows(60, "ok"))


@test
def a_master_that_mpi_ends_is_no_farm_with_failed_tasks(case):
    need_mpi(case)
    farm = Farm(case, {**shell("echo v=$x", grid(x=[1])), "transport": "mpi"})
    done = farm.run(expect=7, env={"OMPI_MCA_pml": "bogus"})
    assert "--resume" in done.out, done


@test
def a_master_that_joined_by_mpi_says_why_it_ends(case):
    need_mpi(case)
    farm = Farm(case, {**shell("echo v=$x", grid(x=[1])), "transport": "mpi"})
    farm.run()
    with open(farm.path("journal.db"), "wb") as journal:
        journal.write(b"no database" * 1000)
    done = farm.resume(expect=4)
    assert "journal.db" in done.out + done.err, done


if __name__ == "__main__":
    harness.main(globals())
