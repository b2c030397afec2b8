"""What tests of the driver socket share: a client, a farm with a socket, a master started by hand."""
import json
import os
import secrets
import socket

from farms import Farm
from harness import program, wait_until


class Client:
    """A connection; `results` are those told so far, by id."""

    def __init__(self, path, name=None, limit_s=150, **place):
        self.socket = wait_until(lambda: self.dial(path), "the socket answers")
        self.socket.settimeout(limit_s)
        self.lines = self.socket.makefile("rb")
        self.results, self.accepted, self.seqs = {}, set(), []
        self.hello = self.event("hello")
        self.attached = None
        if name:
            self.say(do="attach", client=name, **place)
            self.attached = self.event("attached")

    @staticmethod
    def dial(path):
        attempt = socket.socket(socket.AF_UNIX)
        try:
            attempt.connect(path)
            return attempt
        except OSError:
            attempt.close()
            return None

    def send(self, data):
        self.socket.sendall(data)

    def say(self, **request):
        self.send(json.dumps(request).encode() + b"\n")

    def submit(self, sets, **more):
        """{id: x}"""
        self.say(do="submit", sets=[{"id": i, "params": {"x": x}} for i, x in sets.items()], **more)

    def read(self):
        """The next event; None at the end."""
        line = self.lines.readline()
        if not line:
            return None
        event = json.loads(line)
        if event["event"] == "result":
            assert event["seq"] == 0 or event["id"] not in self.results or (
                event["seq"] <= max(self.seqs)), f"told twice: {event}"
            self.results[event["id"]] = event
            self.seqs.append(event["seq"])
        elif event["event"] == "accepted":
            self.accepted.update(event["ids"])
        return event

    def event(self, name):
        """The next event of this name; results and acceptances that come before are kept."""
        while True:
            event = self.read()
            assert event, f"the connection ended before {name}"
            if event["event"] == name:
                return event
            assert event["event"] in ("result", "accepted"), f"instead of {name}: {event}"

    def wait_accepted(self, ids):
        while not self.accepted.issuperset(ids):
            assert self.read(), "the connection ended before all was accepted"

    def wait(self, ids):
        while any(i not in self.results for i in ids):
            assert self.read(), f"the connection ended with {len(self.results)} results"
        return [self.results[i] for i in ids]

    def finish(self, **more):
        self.say(do="finish", **more)
        self.event("finishing")
        return self.event("end")

    def close(self):
        self.lines.close()
        self.socket.close()


def start(case, farm):
    running = Farm(case, farm).start()
    running.socket = running.path("driver.sock")
    wait_until(lambda: os.path.exists(running.socket) or running.process.poll() is not None,
               "the socket is there")
    assert running.process.poll() is None, case.finish(running.process)
    return running


def kill_master(farm):
    farm.kill("master")
    farm.end(expect=None)


class Master:
    """beofarm-master in a folder, with a worker."""

    def __init__(self, case, farm, *args, name="farm.json", **env):
        self.case = case
        self.env = {"BEOFARM_SECRET": secrets.token_hex(32), "BEOFARM_NETWORK": "lo",
                    "BEOFARM_FARM": "toy", **env}
        case.write(name, farm)
        self.process = case.start(program("beofarm-master"), *args, env=self.env, out="master.out")

    def start_worker(self):
        def listening():
            for line in self.case.read("master.out").splitlines()[1:]:
                if "listening" in line:
                    return json.loads(line)
            return None
        port = wait_until(listening, "the master listens")["port"]
        os.mkdir(self.case.path("worker"))
        self.case.start(program("beofarm-worker"), f"127.0.0.1:{port}", env=self.env,
                        cwd=self.case.path("worker"))

    def end(self, expect):
        done = self.case.finish(self.process)
        assert done.code == expect, done
        return done
