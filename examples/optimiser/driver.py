"""A connection to a farm's driver socket (docs/driver-socket.md), in Python's standard library."""
import json
import socket
import time


class Farm:
    """Evaluations by a farm: ask for sets by id, then take results as they come.

    Everything this client has ever been told is in `results`, by id, also what an earlier process
    of the same client name asked for. So an optimiser that always asks for the same sets by the
    same ids can simply be started again: what was computed before is not computed twice. Wishes are
    for the results of a PEST case: observations=["a"], groups=["g"], check=True.
    """

    def __init__(self, path, client, patience_s=10, **wishes):
        self.path, self.client, self.patience_s, self.wishes = path, client, patience_s, wishes
        self.results, self.asked, self.place = {}, {}, {"since": 0}
        self.connect()

    def connect(self):
        deadline = time.monotonic() + self.patience_s
        while True:
            self.socket = socket.socket(socket.AF_UNIX)
            try:
                self.socket.connect(self.path)
                break
            except OSError:  # the master is not there yet
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
        self.lines = self.socket.makefile("rb")
        self.say(do="attach", client=self.client, **self.place, **self.wishes)
        if self.asked:  # what was not accepted before is unknown; asking twice does no harm
            self.say(do="submit", sets=list(self.asked.values()))

    def say(self, **request):
        try:
            self.socket.sendall(json.dumps(request).encode() + b"\n")
        except OSError:
            pass  # whoever waits for the answer will see that the connection is lost

    def events(self):
        """What the master says, until the farm has ended."""
        while True:
            try:
                for line in self.lines:
                    event = json.loads(line)
                    if event["event"] == "end" and event["finished"]:
                        return
                    yield event
            except OSError:
                pass
            self.connect()  # the master died; the run is resumed

    def ask(self, sets):
        """Have {id: {parameter: value}} evaluated, without waiting."""
        new = {i: {"id": i, "params": p} for i, p in sets.items() if i not in self.results}
        self.asked.update(new)
        if new:
            self.say(do="submit", sets=list(new.values()))

    def take(self, event):
        """What every event means for what is known."""
        if event["event"] == "error":
            raise RuntimeError(event["sentence"])
        if event["event"] == "attached":
            self.place["generation"] = event["generation"]
        elif event["event"] == "result":
            self.results[event["id"]] = event
            self.asked.pop(event["id"], None)
            self.place["since"] = max(self.place["since"], event["seq"])

    def case(self):
        """What a PEST case is: its parameters and observations, with bounds, weights and so on."""
        self.say(do="case")
        for event in self.events():
            if event["event"] == "case":
                return event
            self.take(event)
            if event["event"] == "attached":
                self.say(do="case")  # perhaps nobody heard the first

    def wait(self, ids):
        """Wait until all these have ended."""
        missing = {i for i in ids if i not in self.results}
        if not missing:
            return
        for event in self.events():
            if event["event"] == "left" and missing & set(event["ids"]):
                raise RuntimeError(event["sentence"])  # there will be no results of these
            self.take(event)
            missing.discard(event.get("id"))
            if not missing:
                return

    def finish(self):
        """Nothing more is wanted; the farm ends when all its clients have said so."""
        self.say(do="finish")
        for event in self.events():
            if event["event"] == "attached":
                self.say(do="finish")  # perhaps nobody heard the first
