#!/usr/bin/env python3
"""Evaluations by the driver socket: round trips with one in flight, and the rate with a thousand.

The model is a persistent runner that answers at once (benchmarks/noop_runner), so a round trip is
what the farm adds to an evaluation: client, socket, master, worker, runner, and back. BENCH_SCALE
multiplies the number of evaluations.
"""

import json
import socket
import statistics
import time

import lib

WINDOW = 1000


class Client:
    """A client with so many evaluations in flight."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.lines = self.socket.makefile("rb")
        self.next_id = 0
        hello = json.loads(self.lines.readline())
        self.zeros = [0] * len(hello["params"])

    def submit(self, count):
        sets = [{"id": self.next_id + i, "params": self.zeros} for i in range(count)]
        self.next_id += count
        self.socket.sendall(json.dumps({"do": "submit", "sets": sets}).encode() + b"\n")

    def result(self):
        while True:
            line = self.lines.readline()
            if not line:
                raise RuntimeError("the master has closed the socket")
            if b'"event":"result"' in line:
                result = json.loads(line)
                if result["status"] != "ok":
                    raise RuntimeError(f"an evaluation failed: {result}")
                return result

    def finish(self):
        self.socket.sendall(b'{"do":"finish"}\n')
        for _ in self.lines:
            pass


def trips(client, count):
    """Seconds of each of `count` evaluations, one after the other."""
    taken = []
    for _ in range(count):
        began = time.perf_counter()
        client.submit(1)
        client.result()
        taken.append(time.perf_counter() - began)
    return taken


def rate(client, count):
    """Evaluations per second, WINDOW of them in flight."""
    began = time.perf_counter()
    client.submit(min(WINDOW, count))
    left = count - min(WINDOW, count)
    for done in range(1, count + 1):
        client.result()
        # Half a window at a time, as an optimiser does that looks at what has come.
        if left and done % (WINDOW // 2) == 0:
            more = min(left, WINDOW // 2)
            client.submit(more)
            left -= more
    return count / (time.perf_counter() - began)


def run(transport):
    work = {
        "kind": "socket",
        "runner": "persistent",
        "command": [lib.built("benchmarks/noop_runner")],
        "params": ["a", "b", "c"],
        "values": [],
    }
    with lib.Farm(work, transport=transport) as farm:
        farm.start()
        said = farm.wait_for(lambda e: e["event"] == "notice" and " at the socket " in e["sentence"])
        joined = 0
        while joined < lib.WORKERS:
            farm.wait_for(lambda e: e.get("state") == "joined")
            joined += 1
        client = Client(said["sentence"].rpartition(" at the socket ")[2])
        trips(client, 50)  # the runners start with the first tasks
        taken = sorted(trips(client, lib.scaled(1000)))
        fast = rate(client, lib.scaled(20000))
        client.finish()
        farm.process.wait()
    return taken, fast


def main():
    lib.title("Evaluations by the driver socket")
    for transport in lib.transports():
        medians, tails, rates = [], [], []
        for _ in range(lib.ROUNDS):
            taken, fast = run(transport)
            medians.append(statistics.median(taken) * 1e6)
            tails.append(taken[int(len(taken) * 0.99)] * 1e6)
            rates.append(fast)
        print(f"  {transport}: round trip {statistics.median(medians):,.0f} us (p99 "
              f"{statistics.median(tails):,.0f} us), {1e6 / statistics.median(medians):,.0f} "
              f"per second with 1 in flight")
        print(f"  {transport}: {statistics.median(rates):,.0f} evaluations per second with "
              f"{WINDOW} in flight", flush=True)
        lib.verdict("round trip", statistics.median(medians) / 1000, 1, "ms", min)


lib.main(main)
