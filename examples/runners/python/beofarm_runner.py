"""Write a persistent runner for beofarm in Python: standard library only, one file to copy.

    import beofarm_runner

    def compute(task):
        return {"head": model(task.params["K"])}

    beofarm_runner.serve(compute)

`compute` is called for one task after another and returns the values, a dict of numbers and texts,
or (values, outputs) with outputs a list of files it wrote in task.dir. An exception fails the
task, not the runner: its message reaches the user, and the traceback is kept with standard error.

Standard output belongs to the replies. `serve` takes it away, so that a print() in the model goes
to standard error and does no harm.
"""

import json
import os
import sys
import traceback
from collections import namedtuple

Task = namedtuple("Task", "number attempt params dir")


def _reply(compute, task):
    """What to answer: a dict that becomes one JSON line."""
    try:
        result = compute(task)
        values, outputs = result if isinstance(result, tuple) else (result, [])
        reply = {"task": task.number, "ok": True, "values": dict(values or {})}
        if outputs:
            reply["outputs"] = [str(path) for path in outputs]
        json.dumps(reply)  # a value that JSON has not fails the task here, not the runner below
        return reply
    except Exception as error:  # whatever the model raises is its task's failure
        traceback.print_exc()
        return {"task": task.number, "ok": False, "error": f"{type(error).__name__}: {error}"}


def serve(compute):
    """Answer tasks until beofarm has no more."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    for line in sys.stdin.buffer:
        fields = json.loads(line)
        task = Task(fields["task"], fields["attempt"], fields["params"], fields.get("dir"))
        print(json.dumps(_reply(compute, task)), file=replies, flush=True)
