#!/usr/bin/env python3
"""Microsoft's own client of Azure Batch, unmodified, in a session with tests/batch_emulator."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import batch_emulator_tools as emulator  # noqa: E402
import harness  # noqa: E402
from harness import test  # noqa: E402


def session(case, *versions):
    modules = emulator.node_modules()
    record = case.path("record")
    with emulator.Emulator(case, "--record", record) as batch:
        script = os.path.join(harness.SOURCE, "tests/e2e/azure_sdk.js")
        done = case.run("node", script, batch.url, emulator.ACCOUNT, modules, *versions,
                        env=batch.environment(), limit_s=120)
        assert done.code == 0, done
        assert done.json()["tasks"] == 200, done
        assert not batch.look()["pools"], "something was not given back"
    text = case.read("record")
    emulator.search(text, "the record")
    return record


@test
def pools_jobs_tasks_and_files_as_microsofts_client_wants_them(case):
    emulator.hold_against_swagger(session(case, "2025-06-01"))


if __name__ == "__main__":
    harness.main(globals())
