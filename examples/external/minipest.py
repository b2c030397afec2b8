#!/usr/bin/env python3
"""minipest - a small stand-in for BeoPEST and PEST++: one program, master or worker by its /h.

    python3 minipest.py case.json /h :4004          the master: listens, hands out model runs
    python3 minipest.py case.json /h HOST:4004      a worker: connects, runs the model, answers

The master draws parameter sets, sends one to each idle worker, gives a lost worker's run to
another, and at the end writes CASE.results.csv and prints the best set. As with the real ones,
the wire is the program's own affair (here a JSON text per line), and nothing in it knows beofarm.
"""
import csv
import json
import random
import re
import selectors
import socket
import subprocess
import sys
import time

CONNECT_PATIENCE_S = 60  # a worker may be up before its master
LINE_MAX = 1 << 20       # bytes; more than any message here has


class Peer:
    """A worker, as the master sees it."""

    def __init__(self, sock, name):
        self.sock = sock
        self.name = name
        self.run = None  # the number of the run it has
        self.bytes = b""

    def send(self, message):
        self.sock.sendall(json.dumps(message).encode() + b"\n")


class Master:
    def __init__(self, case, address):
        rng = random.Random(case["seed"])
        self.sets = [{name: rng.uniform(*limits) for name, limits in case["parameters"].items()}
                     for _ in range(case["runs"])]
        self.waiting = list(range(case["runs"]))
        self.misfits = {}
        self.peers = {}
        self.selector = selectors.DefaultSelector()
        self.listener = socket.create_server(address)
        self.selector.register(self.listener, selectors.EVENT_READ)

    def accept(self):
        sock, name = self.listener.accept()
        sock.settimeout(10)  # for sending to a worker that does not read
        self.selector.register(sock, selectors.EVENT_READ)
        self.peers[sock] = Peer(sock, f"{name[0]}:{name[1]}")
        print(f"worker {self.peers[sock].name} has joined", flush=True)

    def lose(self, peer):
        self.selector.unregister(peer.sock)
        del self.peers[peer.sock]
        peer.sock.close()
        if peer.run is not None:
            self.waiting.insert(0, peer.run)
            print(f"worker {peer.name} is lost; run {peer.run} goes to another", flush=True)

    def receive(self, peer):
        try:
            got = peer.sock.recv(1 << 16)
        except OSError:
            got = b""
        peer.bytes += got
        if not got or len(peer.bytes) > LINE_MAX:
            self.lose(peer)
            return
        *lines, peer.bytes = peer.bytes.split(b"\n")
        for line in lines:
            answer = json.loads(line)
            self.misfits[answer["run"]] = answer["misfit"]
            peer.run = None

    def hand_out(self):
        for peer in [p for p in self.peers.values() if p.run is None]:
            if not self.waiting:
                return
            peer.run = self.waiting.pop(0)
            try:
                peer.send({"run": peer.run, "parameters": self.sets[peer.run]})
            except OSError:
                self.lose(peer)

    def work(self):
        while len(self.misfits) < len(self.sets):
            self.hand_out()
            for key, _ in self.selector.select():
                if key.fileobj is self.listener:
                    self.accept()
                else:
                    self.receive(self.peers[key.fileobj])
        for peer in self.peers.values():
            peer.sock.close()  # tells the workers that all is done

    def report(self, path):
        best = min(self.misfits, key=self.misfits.get)
        with open(path, "w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(["run", *self.sets[0], "misfit"])
            for run, parameters in enumerate(self.sets):
                table.writerow([run, *parameters.values(), self.misfits[run]])
        places = ", ".join(f"{name} = {value:.4f}" for name, value in self.sets[best].items())
        print(f"{len(self.sets)} runs; the best is run {best}: {places}, "
              f"misfit {self.misfits[best]:.4f}", flush=True)


def run_model(case, parameters):
    """Fill the model's input, run it, and compare its output with what was observed."""
    with open(case["input"], "w", encoding="utf-8") as file:
        for name, value in parameters.items():
            file.write(f"{name} {value!r}\n")
    subprocess.run(case["model"], check=True, stdin=subprocess.DEVNULL)
    with open(case["output"], encoding="utf-8") as file:
        simulated = [float(line) for line in file]
    return sum((s - o) ** 2 for s, o in zip(simulated, case["observed"], strict=True)) ** 0.5


def connect(host, port):
    deadline = time.monotonic() + CONNECT_PATIENCE_S
    while True:
        try:
            return socket.create_connection((host, port))
        except OSError as error:
            if time.monotonic() > deadline:
                sys.exit(f"minipest: no master at {host}:{port}: {error}")
            time.sleep(0.1)


def work_for_master(case, host, port):
    with connect(host, port) as sock, sock.makefile("r", encoding="utf-8") as lines:
        try:
            for line in lines:
                message = json.loads(line)
                misfit = run_model(case, message["parameters"])
                sock.sendall(json.dumps({"run": message["run"], "misfit": misfit}).encode() + b"\n")
        except OSError:
            pass  # the master has ended


def main():
    place = re.fullmatch(r"(.*):(\d+)", sys.argv[3]) if len(sys.argv) == 4 else None
    if not place or sys.argv[2].lower() != "/h":
        sys.exit("usage: minipest.py CASE.json /h [HOST]:PORT")
    host, port = place[1], int(place[2])
    with open(sys.argv[1], encoding="utf-8") as file:
        case = json.load(file)
    if host:
        work_for_master(case, host, port)
        return
    master = Master(case, ("", port))
    master.work()
    master.report(sys.argv[1].removesuffix(".json") + ".results.csv")


if __name__ == "__main__":
    main()
