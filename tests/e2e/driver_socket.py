#!/usr/bin/env python3
"""Parameter sets from clients of a Unix socket: what they may do wrong, and what may die."""
import json
import os
import secrets
import signal
import socket
import stat
import struct
import subprocess
import sys

import harness
from clients import Client, Master, kill_master, start
from farms import Farm, counter, count, kill, kill_and_wait
from harness import program, test, wait_until

VALUE = [{"name": "v", "regex": "v=(.*)"}]


def work(script, **more):
    """A farm that runs a script of the shell for every x that is submitted."""
    keys = {"kind": "socket", "command": ["sh", "-c", script], "params": ["x"], "values": VALUE}
    farm = {"name": "toy", "backend": {"kind": "local", "workers": more.pop("workers", 2)},
            "transport": "tcp", "port": 0, "worker": {"slots": 1},
            "limits": {"task_timeout_s": 120, "attempts": 1, "duplicates": False}}
    farm["limits"].update(more.pop("limits", {}))
    keys.update(more)
    return {**farm, "work": keys}


def fast(case, **more):
    """The same with a runner that answers at once: v = x + 1."""
    case.write("model.py", "import json, sys\n"
               "for line in sys.stdin:\n"
               "    task = json.loads(line)\n"
               "    print(json.dumps({'task': task['task'], 'ok': True,\n"
               "                      'values': {'v': task['params']['x'] + 1}}), flush=True)\n")
    return {**work("", runner="persistent", command=[sys.executable, "model.py"],
                   values=[{"name": "v"}], **more), "files": ["model.py"]}


@test
def results_come_back_over_the_socket(case):
    farm = start(case, work("echo v=$x"))
    client = Client(farm.socket, "one")
    assert client.hello["params"] == ["x"] and client.hello["values"] == ["v"], client.hello
    assert stat.S_IMODE(os.stat(farm.socket).st_mode) == 0o600
    client.say(do="submit", id="a", params={"x": 1.5}, tag="t")
    client.say(do="submit", id=7, params=["text with \"quotes\" and \u00e9"])
    first, second = client.wait(["a", 7])
    assert first["status"] == "ok" and first["values"] == {"v": 1.5} and first["tag"] == "t", first
    assert second["values"] == {"v": "text with \"quotes\" and \u00e9"}, second
    assert {first["seq"], second["seq"]} == {1, 2} and first["attempts"] == 1 and first["worker"]
    client.wait_accepted(["a", 7])
    client.say(do="status")
    status = client.event("status")  # the second worker may not have joined yet
    assert (status["ended"], status["waiting"]) == (2, 0) and status["slots"] >= 1, status
    assert client.finish()["finished"]
    assert client.read() is None
    farm.end()
    assert not os.path.exists(farm.socket)
    farm.rows(2, "ok")


@test
def a_failed_evaluation_is_told_and_does_not_fail_the_farm(case):
    farm = start(case, work("echo wrong >&2; exit 3"))
    client = Client(farm.socket)
    client.submit({"a": 1})
    result = client.wait(["a"])[0]
    assert result["status"] == "exit" and result["code"] == 3, result
    assert "status 3" in result["sentence"] and "values" not in result, result
    client.finish()
    farm.end(expect=0)


REFUSED = [
    ({"do": "submit", "params": {"x": 1}}, "\"id\""),
    ({"do": "submit", "id": None, "params": {"x": 1}}, "\"id\""),
    ({"do": "submit", "id": 1.5, "params": {"x": 1}}, "\"id\""),
    ({"do": "submit", "id": "i" * 1025, "params": {"x": 1}}, "1024"),
    ({"do": "submit", "id": "r"}, "\"params\""),
    ({"do": "submit", "id": "r", "params": {}}, "\"x\" is missing"),
    ({"do": "submit", "id": "r", "params": {"X": 1}}, "did you mean \"x\"?"),
    ({"do": "submit", "id": "r", "params": {"x": None}}, "params.x"),
    ({"do": "submit", "id": "r", "params": {"x": [1]}}, "params.x"),
    ({"do": "submit", "id": "r", "params": [1, 2]}, "2 values"),
    ({"do": "submit", "id": "r", "params": {"x": "t" * (1 << 20) + "t"}}, "params.x"),
    ({"do": "submit", "id": "r", "params": {"x": 1}, "priority": "high"}, "\"priority\""),
    ({"do": "submit", "id": "r", "params": {"x": 1}, "tag": {}}, "\"tag\""),
    ({"do": "submit", "sets": {}}, "\"sets\""),
    ({"do": "submit", "sets": [1]}, "a set"),
    ({"do": "submit", "sets": [], "params": {}}, "\"sets\""),
    ({"do": "cancel"}, "\"all\""),
    ({"do": "cancel", "id": "nobody"}, "nobody"),
    ({"do": "cancel", "id": "a", "all": True}, "\"all\""),
    ({"do": "cancel", "ids": 3}, "\"ids\""),
    ({"do": "results", "since": -1}, "\"since\""),
    ({"do": "results", "since": "x"}, "\"since\""),
    ({"do": "attach", "client": ""}, "\"client\""),
    ({"do": "attach"}, "\"client\""),
    ({"do": "sumbit"}, "did you mean \"submit\"?"),
    ({"do": 3}, "\"do\""),
    ({}, "\"do\""),
    ([], "\"do\""),
    (None, "\"do\""),
]


@test
def what_is_wrong_gets_a_sentence_and_the_rest_is_done(case):
    farm = start(case, work("echo v=$x"))
    client = Client(farm.socket)
    for number, (request, words) in enumerate(REFUSED, 1):
        client.send(json.dumps(request).encode() + b"\n")
        event = client.event("error")
        assert words in event["sentence"] and event["line"] == number, (request, event)
    client.say(do="submit", sets=[{"id": 1, "params": [1]}, {"id": 2, "params": [1, 2]},
                                  {"id": 3, "params": [3]}])
    assert client.event("error")["id"] == 2
    client.wait([1, 3])
    client.say(do="attach", client="late")
    assert "first" in client.event("error")["sentence"]
    client.finish()
    farm.end()
    farm.rows(2, "ok")


GARBAGE = [b"\xff\xfe\x00\x01\n", b"{\"do\":\"submit\"\n", b"[" * 5000 + b"\n", b"nan\n", b"{}{}\n",
           b"\"\\ud800\"\n", b"{\"do\":\"status\",\"do\":\"status\"}\n", b"\x00\n",
           b"{\"do\":\"submit\",\"id\":\"\\u0000\",\"params\":{\"x\":1}}\n",
           b"{\"do\":\"submit\",\"id\":1e400,\"params\":{\"x\":1}}\n"]


@test
def garbage_never_kills_the_master(case):
    farm = start(case, work("echo v=$x"))
    client = Client(farm.socket)
    for garbage in GARBAGE:
        client.send(garbage)
        assert client.event("error")["sentence"], garbage
    client.send(b"\n \r\n")  # nothing
    client.send(b"x" * (5 << 20) + b"\n")
    assert "longer than" in client.event("error")["sentence"]
    client.submit({"a": 1})
    client.wait(["a"])
    # Others go away in the middle of everything.
    for data in (b"", b"{\"do\"", b"x" * (5 << 20), b"{\"do\":\"status\"}\n" * 20000):
        other = Client(farm.socket)
        other.socket.settimeout(1)  # who does not read is not read
        try:
            other.send(data)
        except OSError:
            pass
        other.close()
    many = [Client.dial(farm.socket) for _ in range(300)]
    answers = [one.recv(1000) for one in many if one]
    assert any(b"too many clients" in answer for answer in answers), answers[-1]
    for one in many:
        if one:
            one.close()
    client.submit({"b": 2})
    client.wait(["b"])
    client.finish()
    farm.end()


@test
def a_known_id_is_the_same_evaluation(case):
    side = counter(case)
    farm = start(case, work(f"printf x >>{side}; echo v=$x"))
    client = Client(farm.socket, "one")
    client.submit({"a": 1})
    client.wait(["a"])
    client.submit({"a": 1})
    while client.seqs != [1, 0]:
        client.read()
    client.submit({"a": 2})
    assert "other parameters" in client.event("error")["sentence"]
    other = Client(farm.socket, "two")
    other.submit({"a": 2})  # another client's ids are others
    assert other.wait(["a"])[0]["values"] == {"v": 2}
    client.say(do="finish")
    client.event("finishing")
    client.submit({"new": 1})
    assert "finish" in client.event("error")["sentence"]
    other.finish()
    farm.end()
    assert count(side) == 2


@test
def a_client_that_comes_back_finds_its_results(case):
    farm = start(case, work("echo v=$x"))
    client = Client(farm.socket, "one")
    client.submit({i: i for i in range(20)})
    while len(client.results) < 5:
        client.read()
    client.wait_accepted(range(20))
    last = max(client.seqs)
    client.close()
    again = Client(farm.socket, "one", since=last)
    while len(again.results) < 20 - len(client.results):
        again.read()
    assert not set(again.results) & set(client.results)
    assert sorted(again.seqs) == list(range(last + 1, 21)), again.seqs
    again.results.clear()
    again.say(do="results", since=0)
    again.wait(range(20))
    whole = Client(farm.socket, "one")
    assert whole.attached["seq"] == 20
    whole.wait(range(20))
    assert whole.seqs == list(range(1, 21))
    stranger = Client(farm.socket, "two")
    stranger.say(do="status")
    stranger.event("status")
    assert not stranger.results
    stranger.finish(all=True)
    farm.end()


@test
def a_client_that_says_no_more_still_hears(case):
    farm = start(case, work("sleep 0.2; echo v=$x"))
    client = Client(farm.socket)
    client.submit({i: i for i in range(4)})
    client.socket.shutdown(socket.SHUT_WR)
    client.wait(range(4))
    assert client.read() is None
    Client(farm.socket).finish()
    farm.end()


@test
def two_clients_share_the_slots_and_end_together(case):
    farm = start(case, fast(case))
    one, two = Client(farm.socket, "one"), Client(farm.socket, "two")
    one.submit({i: i for i in range(300)})
    two.submit({i: 1000 + i for i in range(300)})
    for client, base in ((one, 0), (two, 1000)):
        for i, result in enumerate(client.wait(range(300))):
            assert result["values"] == {"v": base + i + 1}, result
    one.say(do="finish")
    one.event("finishing")
    two.submit({"late": 1})
    two.wait(["late"])
    two.finish()
    assert one.event("end")["finished"]
    farm.end()
    farm.rows(601, "ok")


@test
def priorities_decide_who_is_next(case):
    go = case.path("go")
    farm = start(case, work(f"while [ $x = 0 ] && [ ! -e {go} ]; do sleep 0.02; done; echo v=$x",
                            workers=1))
    client = Client(farm.socket)
    client.submit({"block": 0})
    client.say(do="status")
    while client.event("status")["running"] == 0:
        client.say(do="status")
    client.submit({"low": 1}, priority=-1)
    client.submit({"a": 2, "b": 3})
    client.say(do="submit", priority=5, sets=[{"id": "high", "params": [4]},
                                              {"id": "highest", "params": [5], "priority": 5.5}])
    client.wait_accepted(["low", "a", "b", "high", "highest"])
    case.write("go", "")
    client.wait(["low", "a", "b", "high", "highest"])
    order = sorted(client.results, key=lambda i: client.results[i]["seq"])
    assert order == ["block", "highest", "high", "a", "b", "low"], order
    client.finish()
    farm.end()


@test
def what_is_cancelled_ends_at_once(case):
    side = counter(case)
    farm = start(case, work(f"echo $$ >>{side}; test $x = 0 || exec sleep 100; echo v=0"))
    client = Client(farm.socket)
    client.submit({"r1": 1, "r2": 1, "w1": 1, "w2": 1})
    client.submit({"t1": 1, "t2": 1}, tag="many")
    client.submit({"z1": 1, "z2": 1})
    wait_until(lambda: len(case.read("count").split()) == 2, "two run")
    pids = [int(pid) for pid in case.read("count").split()]

    def cancelled(expected, number, **what):
        client.say(do="cancel", **what)
        assert client.event("cancelled")["count"] == number, what
        for result in client.wait(expected):
            assert result["status"] == "cancelled", result

    cancelled(["w1"], 1, id="w1")
    cancelled(["w1"], 0, id="w1")
    cancelled(["t1", "t2"], 2, tag="many")
    assert "task" not in client.results["t1"]
    cancelled(["r1", "w2"], 2, ids=["r1", "w2", "w1"])
    assert client.results["r1"]["task"] and client.results["r1"]["attempts"] == 1
    cancelled(["r2", "z1", "z2"], 3, all=True)
    wait_until(lambda: not any(harness.alive(pid) for pid in pids), "what ran is killed")
    client.submit({"good": 0})
    assert client.wait(["good"])[0]["status"] == "ok"
    client.say(do="status")
    status = client.event("status")
    mine, = [each for each in status["clients"] if each["submitted"]]
    for each in (status, mine):
        assert (each["ended"], each["failed"], each["cancelled"]) == (9, 0, 8), status
    client.finish()
    end = farm.end().lines()[-1]
    rows = [row["status"] for row in farm.rows()]
    assert set(rows) == {"ok", "cancelled"}, rows
    assert (end["done"], end["failed"], end["cancelled"]) == (1, 0, rows.count("cancelled")), end


def is_sanitized():
    """Is the master built with a sanitizer, which keeps what is freed?"""
    with open(program("beofarm-master"), "rb") as file:
        return b"__asan_init" in file.read()


def rss(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS")) * 1024


@test
def who_does_not_read_costs_nothing(case):
    """Results of 100 kB each: more than the socket and a bounded buffer hold."""
    case.write("model.py", "import json, sys\n"
               "for line in sys.stdin:\n"
               "    task = json.loads(line)\n"
               "    print(json.dumps({'task': task['task'], 'ok': True,\n"
               "                      'values': {'v': 'x' * 100000}}), flush=True)\n")
    farm = start(case, {**work("", runner="persistent", command=[sys.executable, "model.py"],
                               values=[{"name": "v"}]), "files": ["model.py"]})
    quick = Client(farm.socket, "quick")
    quick.submit({"warm": 0})
    quick.wait(["warm"])
    master = farm.pid("master")
    before = rss(master)
    slow = Client(farm.socket, "slow")
    slow.submit({i: i for i in range(2400)})

    def ended():
        quick.say(do="status")
        clients = {c["client"]: c for c in quick.event("status")["clients"]}
        return clients["slow"]["ended"] == 2400
    wait_until(ended, "all 240 MB of results are there", 250)
    # Far less than the results; the journal's queue alone may have 128 MiB (master/farm.c).
    most = 10**12 if is_sanitized() else before + (150 << 20)
    wait_until(lambda: rss(master) < most, f"the master is small ({rss(master) >> 20} MiB)")
    quick.submit({"more": 1})
    quick.wait(["more"])
    for result in slow.wait(range(2400)):
        assert len(result["values"]["v"]) == 100000
    # One that asks and asks, and never reads, is not read either.
    rude = Client(farm.socket, "rude")
    rude.socket.settimeout(1)
    try:
        for _ in range(10000):
            rude.send(b"{\"do\":\"status\"}\n" * 100)
        raise AssertionError("a million requests were read from a client that does not read")
    except TimeoutError:
        pass
    assert rss(master) < most, (rss(master), before)
    rude.close()
    slow.say(do="finish")
    slow.event("finishing")
    quick.finish()
    farm.end()


@test
def ten_thousand_evaluations(case):
    farm = start(case, fast(case))
    client = Client(farm.socket, "one")
    client.submit({i: i for i in range(1000)})
    for i in range(1000, 10000, 100):
        client.wait([i - 1000])
        client.submit({j: j for j in range(i, i + 100)})
    for i, result in enumerate(client.wait(range(10000))):
        assert result["values"] == {"v": i + 1}, result
    assert sorted(client.seqs) == list(range(1, 10001))
    client.finish()
    farm.end()
    farm.rows(10000, "ok")


@test
def a_killed_master_knows_all_that_was_accepted(case):
    side = counter(case)
    farm = start(case, work(f"printf x >>{side}; sleep 0.02; echo v=$x"))
    client = Client(farm.socket, "one")
    client.submit({i: i for i in range(200)})
    client.wait_accepted(range(200))
    client.say(do="cancel", ids=list(range(190, 200)))
    client.wait(range(190, 200))
    while len(client.results) < 60:
        client.read()
    kill_master(farm)
    while client.read():
        pass
    told = dict(client.results)
    farm.start("--resume")
    again = Client(farm.socket, "one", since=max(client.seqs))
    assert again.attached["seq"] >= max(client.seqs)
    while len(told) + len(again.results) < 200:
        assert again.read()
    assert not set(told) & set(again.results), set(told) & set(again.results)
    assert sorted(client.seqs + again.seqs) == list(range(1, 201))
    told.update(again.results)
    for i in range(190):
        assert told[i]["status"] == "ok" and told[i]["values"] == {"v": i}, told[i]
    assert all(told[i]["status"] == "cancelled" for i in range(190, 200))
    again.finish()
    end = farm.end().lines()[-1]
    by_task = {row["task"]: row for row in farm.rows()}
    gone = sum(row["status"] == "cancelled" for row in by_task.values())
    assert (end["done"], end.get("cancelled")) == (len(by_task) - gone, gone), end
    for result in told.values():  # results.csv says of every task what the client was told
        if "task" in result:
            assert by_task[str(result["task"])]["status"] == result["status"], result
            assert float(by_task[str(result["task"])]["x"]) == result["id"], result
    assert count(side) <= 190 + 30, count(side)


@test
def masters_killed_again_and_again_lose_no_submission(case):
    farm = start(case, fast(case))
    known, seq = {}, 0
    for generation in range(4):
        client = Client(farm.socket, "one", since=seq)
        ids = range(generation * 300, generation * 300 + 300)
        client.submit({i: i for i in ids})
        client.wait_accepted(ids)
        while len(client.results) < 100:
            client.read()
        farm.kill("master" if generation == 0 else f"master-{generation + 1}")
        farm.end(expect=None)
        while client.read():
            pass
        assert not set(known) & set(client.results)
        known.update(client.results)
        seq = max(client.seqs)
        farm.start("--resume")
    client = Client(farm.socket, "one", since=seq)
    while len(known) + len(client.results) < 1200:
        assert client.read()
    assert not set(known) & set(client.results)
    known.update(client.results)
    assert all(known[i]["values"] == {"v": i + 1} for i in range(1200))
    client.finish()
    farm.end()
    farm.rows(status="ok")


def sum_of(kind, body):
    number = ((2166136261 ^ kind) * 16777619) & 0xffffffff
    for byte in body:
        number = ((number ^ byte) * 16777619) & 0xffffffff
    return number


def records(path):
    """(kind, body) of a ledger (master/socket/ledger.h)."""
    with open(path, "rb") as file:
        assert file.read(17) == b"beofarm ledger 1\n"
        while head := file.read(9):
            size, check, kind = struct.unpack("<IIB", head)
            body = file.read(size)
            assert check == sum_of(kind, body)
            yield kind, body


@test
def after_a_power_cut_no_number_is_used_for_two_sets(case):
    farm = start(case, fast(case))
    client = Client(farm.socket, "one")
    client.submit({i: i for i in range(20)})
    client.wait(range(20))
    client.wait_accepted(range(20))
    kill_master(farm)
    # As if another machine had been at it, the last ten ends and what followed never been synced,
    # and the last record written by half.
    kept, ends = [], 0
    for kind, body in records(farm.path("driver.ledger")):
        ends += kind == 6
        if ends > 10:
            break
        kept.append((kind, b"\x0belsewhere  " if kind == 1 else body))
    with open(farm.path("driver.ledger"), "wb") as file:
        file.write(b"beofarm ledger 1\n")
        for kind, body in kept:
            file.write(struct.pack("<IIB", len(body), sum_of(kind, body), kind) + body)
        file.write(b"\x99\x00\x00\x00half")
    farm.start("--resume")
    again = Client(farm.socket, "one", since=20, generation=client.attached["generation"])
    assert again.attached["generation"] == client.attached["generation"] + 1
    for i, result in enumerate(again.wait(range(20))):  # not only those after 20
        assert result["values"] == {"v": i + 1}, result
    again.submit({"new": 5})
    new = again.wait(["new"])[0]
    assert new["values"] == {"v": 6} and new["task"] > 200, new
    assert any("driver.ledger" in e["sentence"] for e in farm.events("notice", "master-2"))
    again.finish()
    farm.end()
    # Numbers of which neither ledger nor journal knew any more were given up; no row mixes two sets.
    rows = farm.rows()
    good = [row for row in rows if row["status"] == "ok"]
    assert all(float(row["v"]) == float(row["x"]) + 1 for row in good), good
    assert {float(row["x"]) for row in good} == set(range(20)), good
    assert all(row["status"] == "cancelled" and not row["x"] for row in rows if row not in good)


@test
def what_was_said_while_too_much_was_unacknowledged_is_done_though_nothing_follows(case):
    farm = start(case, fast(case))
    client = Client(farm.socket, "one")
    sets = [{"id": i, "params": {"x": i}} for i in range(66000)]  # over 65,536: no line is done then
    lines = "".join(json.dumps(line) + "\n" for line in [{"do": "submit", "sets": sets},
                                                         {"do": "status"}])
    client.send(lines.encode())
    client.socket.shutdown(socket.SHUT_WR)
    assert client.event("status")
    client.close()
    Client(farm.socket, "two").finish(all=True)
    farm.end()


@test
def a_stopped_farm_says_so_and_goes_on(case):
    farm = start(case, work("sleep 0.05; echo v=$x"))
    client = Client(farm.socket, "one")
    client.submit({i: i for i in range(40)})
    client.wait_accepted(range(40))
    farm.process.send_signal(signal.SIGTERM)
    end = client.event("end")
    assert not end["finished"] and "resumed" in end["sentence"], end
    farm.end(expect=130)
    farm.start("--resume")
    again = Client(farm.socket, "one", since=max(client.seqs, default=0))
    again.wait([i for i in range(40) if i not in client.results])
    again.finish()
    farm.end()
    farm.resume()  # all is done: nobody is waited for
    farm.rows(40, "ok")


# -- masters started by hand

@test
def a_sweep_is_driven_by_hand(case):
    farm = work("echo v=$x")
    farm["work"].update(kind="sweep", params={"list": [{"x": 1}, {"x": 2}]})
    path = case.path("s")
    master = Master(case, farm, "--driver-socket", path, "hand.json", name="hand.json")
    master.start_worker()
    client = Client(path)
    assert client.hello["params"] == ["x"]
    client.submit({"a": 12})
    assert client.wait(["a"])[0]["values"] == {"v": 12}
    client.finish()
    master.end(expect=0)


@test
def a_dead_masters_socket_is_replaced_and_nothing_else_is(case):
    path = case.path("s")
    farm = work("echo v=$x")
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(path)
    dead.close()
    master = Master(case, farm, "--driver-socket", path)
    client = Client(path)
    os.mkdir(case.path("other"))
    farm["name"] = "other"
    second = case.run(program("beofarm-master"), "--driver-socket", path, "--run-dir",
                      case.path("other"), env=master.env)
    assert second.code == 4 and "another process listens" in second.err, second
    client.say(do="status")
    client.event("status")  # the first is still there
    kill_and_wait(master.process.pid)
    os.remove(path)
    case.write("s", "a file")
    third = case.run(program("beofarm-master"), "--driver-socket", path, env=master.env)
    assert third.code == 4 and "is no socket" in third.err, third
    assert case.read("s") == "a file"


@test
def a_path_that_is_too_long_gets_a_sentence(case):
    farm = work("echo v=$x")
    env = {"BEOFARM_SECRET": secrets.token_hex(32), "BEOFARM_NETWORK": "lo"}
    case.write("farm.json", farm)
    done = case.run(program("beofarm-master"), "--driver-socket", "/tmp/" + "p" * 110, env=env)
    assert done.code == 3 and "107" in done.err, done
    farm["work"]["path"] = "/tmp/" + "p" * 110
    case.write("farm.json", farm)
    done = case.beofarm("check", "farm.json", expect=3)
    assert "path" in done.err + done.out, done
    external = {"name": "toy", "work": {"kind": "external", "master": {"command": ["true"]},
                                        "worker": {"command": ["true"]}}}
    case.write("farm.json", external)
    done = case.run(program("beofarm-master"), "--driver-socket", "s", env=env)
    assert done.code == 2 and "\"external\"" in done.err, done


# -- the example and the library

def example(case):
    folder = os.path.join(harness.BUILD, "examples", "optimiser")
    for name in ("theis", "scan", "calibrate.py", "driver.py", "farm.json"):
        source = os.path.join(folder, name)
        if not os.path.exists(source):
            raise harness.Skip("the example is not built")
        os.symlink(source, case.path(name))
    farm = Farm(case, {"name": "optimiser"}, name="unused.json")
    farm.file = case.path("farm.json")
    farm.start()
    farm.socket = farm.path("driver.sock")
    return farm


@test
def the_example_calibrates_though_its_master_is_killed(case):
    farm = example(case)
    wait_until(lambda: os.path.exists(farm.socket), "the socket is there")
    optimiser = case.start(sys.executable, "calibrate.py", farm.socket)
    wait_until(lambda: len(farm.try_read("results.csv").splitlines()) > 500, "it is under way")
    kill_master(farm)
    farm.start("--resume")
    done = case.finish(optimiser)
    assert done.code == 0, done
    farm.end()
    found = {line.split(":")[0]: float(line.split()[1].rstrip(","))
             for line in done.out.splitlines() if "in truth" in line}
    # 12 observations with 1 % of noise: transmissivity is known to about 1 %, the others to 5 %.
    for name, truth in (("transmissivity", 420), ("storativity", 2.5e-3), ("river", 300)):
        assert abs(found[name] / truth - 1) < 0.05, done


@test
def an_optimiser_in_c_finds_the_same_aquifer(case):
    farm = example(case)
    wait_until(lambda: os.path.exists(farm.socket), "the socket is there")
    done = case.run(case.path("scan"), farm.socket, "1.5", expect=0)
    farm.end()
    rows = farm.rows(200, "ok")
    best = min(rows, key=lambda row: abs(float(row["drawdown"]) - 1.5))
    assert abs(float(done.out.split()[1]) / float(best["transmissivity"]) - 1) < 1e-3, done


C_CLIENT = r"""
#include <beofarm_driver.h>
#include <stdio.h>
#include <string.h>

#define CHECK(x) do { if (!(x)) { fprintf(stderr, "line %d: %s\n", __LINE__, \
    beofarm_driver_error(d)); return 1; } } while (0)

int main(int argc, char **argv)
{
    struct beofarm_result r;
    struct beofarm_driver *d = beofarm_driver_open("/nowhere/at/all", "c", 0);
    CHECK(d && beofarm_driver_is_lost(d) && strstr(beofarm_driver_error(d), "/nowhere/at/all"));
    double x = 0.1, wrong[2] = {1, 2};
    CHECK(beofarm_driver_submit(d, "a", &x, 1) < 0);
    beofarm_driver_close(d);
    d = beofarm_driver_open(argv[argc - 1], "c", 0);
    CHECK(d && !beofarm_driver_is_lost(d) && beofarm_driver_fd(d) >= 0);
    CHECK(beofarm_driver_param_count(d) == 1 && !strcmp(beofarm_driver_param_name(d, 0), "x"));
    CHECK(beofarm_driver_value_count(d) == 1 && !strcmp(beofarm_driver_value_name(d, 0), "v"));
    CHECK(beofarm_driver_next(d, 0, &r) == 0);
    CHECK(beofarm_driver_submit(d, "a", &x, 1) == 0);
    CHECK(beofarm_driver_wait_accepted(d, -1) == 1 && beofarm_driver_unaccepted(d) == 0);
    CHECK(beofarm_driver_next(d, -1, &r) == 1 && r.ok && !strcmp(r.id, "a"));
    CHECK(r.values[0] == 0.1 + 1 && r.seq == 1 && r.attempts == 1 && *r.worker && r.task == 1);
    CHECK(beofarm_driver_submit(d, "b", wrong, 2) == 0);
    CHECK(beofarm_driver_next(d, -1, &r) == 1 && !r.ok && !strcmp(r.status, "refused"));
    CHECK(strstr(r.sentence, "2 values") && beofarm_driver_unaccepted(d) == 0);
    cJSON *params = cJSON_Parse("{\"x\": 5}"), *status;
    CHECK(beofarm_driver_submit_json(d, "c", params, 2.5, "tagged") == 0);
    cJSON_Delete(params);
    CHECK(beofarm_driver_next(d, -1, &r) == 1 && r.ok && r.values[0] == 6);
    CHECK(!strcmp(r.tag, "tagged"));
    /* Far more than sockets and buffers hold, without reading in between. */
    char id[32];
    for (int i = 0; i < 30000; i++) {
        x = i;
        snprintf(id, sizeof(id), "%d", i);
        CHECK(beofarm_driver_submit(d, id, &x, 1) == 0);
    }
    for (int i = 0; i < 30000; i++)
        CHECK(beofarm_driver_next(d, -1, &r) == 1 && r.ok && r.values[0] == strtod(r.id, NULL) + 1);
    CHECK(beofarm_driver_status(d, -1, &status) == 1);
    CHECK(cJSON_GetObjectItem(status, "ended")->valuedouble == 30002);
    cJSON_Delete(status);
    CHECK(beofarm_driver_cancel(d, "nobody") == 0);
    CHECK(beofarm_driver_next(d, -1, &r) == -1 && strstr(beofarm_driver_error(d), "nobody"));
    CHECK(beofarm_driver_cancel_all(d) == 0 && beofarm_driver_cancel_tag(d, "tagged") == 0);
    CHECK(beofarm_driver_reopen(d) == 0);
    CHECK(beofarm_driver_next(d, 200, &r) == 0); /* all was read before */
    CHECK(beofarm_driver_finish(d, false) == 0);
    CHECK(beofarm_driver_next(d, -1, &r) == 0 && beofarm_driver_is_over(d));
    beofarm_driver_close(d);
    return 0;
}
"""


def build_client(case, text):
    """A client in C, with the library."""
    library = os.path.join(harness.BUILD, "libbeofarm_driver.a")
    if not os.path.exists(library):
        raise harness.Skip("libbeofarm_driver.a is not built")
    case.write("client.c", "#include <stdlib.h>\n" + text)
    flags = os.environ.get("CFLAGS", "").split()
    built = subprocess.run([os.environ.get("CC", "cc"), "-std=c11", "-Wall", "-Wextra", *flags,
                            "-I" + os.path.join(harness.SOURCE, "client"), "-o",
                            case.path("client"), case.path("client.c"), library, "-lcjson", "-lm"],
                           capture_output=True, text=True, check=False)
    if built.returncode and "asan" in built.stderr + built.stdout:
        raise harness.Skip("the library is built with sanitizers")
    assert built.returncode == 0 and "warning" not in built.stderr, built.stderr


@test
def the_c_library_does_what_its_header_says(case):
    build_client(case, C_CLIENT)
    farm = start(case, fast(case))
    wait_until(lambda: os.path.exists(farm.socket), "the socket is there")
    done = case.run(case.path("client"), farm.socket)
    assert done.code == 0, f"{done}\n{farm.logs()}"
    farm.end()


C_LIMITED = r"""
#include <beofarm_driver.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    struct beofarm_driver *d = beofarm_driver_open(argv[argc - 1], "c", 0);
    struct beofarm_result r;
    double x[3] = {1, 2, 3};
    int rc = 0;
    for (int i = 0; i < 3; i++)
        rc |= beofarm_driver_submit(d, (const char *[]){"a", "b", "c"}[i], &x[i], 1);
    for (int i = 0; rc == 0 && i < 3 && beofarm_driver_next(d, -1, &r) == 1; i++)
        printf("%s %s %s\n", r.id, r.status, strstr(r.sentence, "limits.tasks") ? "limited" : "");
    beofarm_driver_close(d);
}
"""


@test
def a_client_in_c_learns_what_the_limit_leaves(case):
    build_client(case, C_LIMITED)
    farm = start(case, fast(case, limits={"tasks": 1}))
    done = case.run(case.path("client"), farm.socket, expect=0)
    assert sorted(done.out.splitlines()) == ["a ok ", "b left limited", "c left limited"], done
    farm.end()


if __name__ == "__main__":
    harness.main(globals())
