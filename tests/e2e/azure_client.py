"""The client of Azure against tests/batch_emulator and a mock of Blob and Entra: signatures, tokens,
SAS, faults; and that it keeps secrets.

Every byte that the client writes in any of these tests, and its command lines, are searched for
their secrets and for signatures.
"""
import datetime
import email.utils
import json
import os
import re
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from azure_mock import CLIENT_SECRET, SECRETS, Mock  # noqa: E402
from batch_emulator_tools import ACCOUNT, KEY, POOL, Emulator, search  # noqa: E402
from harness import test  # noqa: E402

STILL = {**POOL, "targetDedicatedNodes": 0}


class Azure:
    """Batch, Blob and Entra. `certificate`: all speak TLS."""

    def __init__(self, case, certificate=None):
        tls = ["--certificate", certificate, "--host", "localhost"] if certificate else []
        self.batch = Emulator(case, "--nodes", "loopback", *tls)
        self.mock = Mock(key=KEY, certificate=certificate)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.mock.stop()
        self.batch.stop()

    def environment(self, how="key"):
        found = {**self.mock.environment(how), **self.batch.environment()}
        if how != "key":
            del found["AZURE_BATCH_ACCESS_KEY"]
        return found


def exchange(azure, *words, how="key", expect=0, env=None, body=""):
    """One request by the client; `azure` is an Azure or, where Batch is not needed, a Mock."""
    command = [harness.program("tests/launch/azure/exchange"), *words]
    done = subprocess.run(
        command, capture_output=True, timeout=200, check=False, input=body.encode(),
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", **azure.environment(how),
             **(env or {}),
             **{k: v for k, v in os.environ.items() if k.endswith("SAN_OPTIONS")}})
    out, err = done.stdout.decode(), done.stderr.decode()
    for secret in SECRETS:
        assert secret not in out + err, f"a secret in {words}"
    search(out + err, " ".join(words))
    search(" ".join(command), "the command line")
    assert done.returncode == expect, (words, done.returncode, out, err)
    return out if expect == 0 else err


def run_task(azure, line):
    """Run a task "t1" of job "j1" on a node of a pool "p1"."""
    exchange(azure, "batch", "POST", "/pools", json.dumps({**POOL, "displayName": "äö"}))
    exchange(azure, "batch", "POST", "/jobs", '{"id":"j1","poolInfo":{"poolId":"p1"}}')
    azure.batch.task("t1", line)
    azure.batch.wait_task("t1")


@test
def requests_are_signed_as_the_services_check_them(case):
    with Azure(case) as azure:
        run_task(azure, "/bin/sh -c 'printf hello >\"out put.txt\"'")
        pool = json.loads(exchange(azure, "batch", "GET", "/pools/P1?$select=id,displayName&$filter="))
        assert pool["displayName"] == "äö" and "vmSize" not in pool, pool
        exchange(azure, "batch", "HEAD", "/pools/p1?timeout=30")
        exchange(azure, "batch", "PATCH", "/pools/p1", '{"metadata":[]}')
        assert exchange(azure, "batch", "GET",
                        "/jobs/j1/tasks/t1/files/wd%2Fout%20put.txt") == "hello"
        exchange(azure, "batch", "POST", "/jobs/j1/terminate")
        exchange(azure, "batch", "DELETE", "/pools/p1")
        exchange(azure, "storage", "PUT", "/farm?restype=container")
        exchange(azure, "storage", "PUT", "/farm/in/a%20b%C3%A4.txt", "hello")
        exchange(azure, "storage", "PUT", "/farm/empty", "")
        assert exchange(azure, "storage", "GET", "/farm/in/a%20b%C3%A4.txt") == "hello"
        assert "a bä.txt" in exchange(
            azure, "storage", "GET",
            "/farm?restype=container&comp=list&prefix=in%2F&marker=&maxresults=5&Delimiter=%7C")
        exchange(azure, "storage", "DELETE", "/farm/in/a%20b%C3%A4.txt")
        ids = [r["headers"].get("x-ms-client-request-id") for r in azure.mock.log]
        # The test's own requests have none.
        ids += [r["id"] for r in azure.batch.log() if r["id"]]
        assert len(set(ids)) == len(ids) >= 13 and None not in ids, ids


@test
def a_refused_key_is_told_with_what_to_do(case):
    with Azure(case) as azure:
        wrong = {"AZURE_BATCH_ACCESS_KEY": "VE9QU0VDUkVU"}
        said = exchange(azure, "batch", "GET", "/pools", expect=6, env=wrong)
        assert "AuthenticationFailed (403)" in said and "was renewed: copy it again" in said, said
        assert "SharedKey of batch account henry, from the environment" in said, said
        assert "[request " in said, said
        assert len(azure.batch.log()) == 1, "a 403 is not retried"


@test
def a_wrong_clock_is_told(case):
    with Azure(case) as azure:
        azure.mock.clock_ahead_s = 3600
        azure.batch.settings(clock_ahead_s=3600)
        said = exchange(azure, "batch", "GET", "/pools", expect=6)
        assert re.search("clock is (59|60) minutes behind Azure's", said) and "timedatectl" in said, said
        said = exchange(azure, "storage", "GET", "/farm/x", expect=6)
        assert "timedatectl" in said, said


@test
def busy_and_broken_answers_are_asked_for_again(case):
    with Azure(case) as azure:
        exchange(azure, "storage", "PUT", "/farm?restype=container")
        exchange(azure, "storage", "PUT", "/farm/big", "x" * 100000)
        for fault in [{"status": 500}, {"status": 503}, {"status": 408}, {"status": 429},
                      {"drop": True}, {"cut": 0}, {"cut": 50000}]:
            before = len(azure.mock.log)
            azure.mock.fault(times=2, path="/farm/big", **fault)
            assert len(exchange(azure, "storage", "GET", "/farm/big")) == 100000
            assert len(azure.mock.log) >= before + 3, fault
        azure.batch.fault("status", times=99, status=503)
        said = exchange(azure, "batch", "GET", "/pools", expect=7)
        assert "ServerBusy (503)" in said and "try again later" in said, said


@test
def retry_after_is_waited_for(case):
    with Azure(case) as azure:
        start = time.monotonic()
        azure.batch.fault("status", status=429, retry_after=1)
        exchange(azure, "batch", "GET", "/pools")
        assert time.monotonic() - start >= 0.9
        later = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
        later += datetime.timedelta(seconds=2)
        azure.batch.fault("status", status=429,
                          retry_after=email.utils.format_datetime(later, usegmt=True))
        exchange(azure, "batch", "GET", "/pools")
        # The client may round the wait to its own clock's ticks.
        early = datetime.timedelta(seconds=0.1)
        assert datetime.datetime.now(datetime.timezone.utc) >= later - early


@test
def a_principal_signs_in_once_for_each_service(case):
    with Azure(case) as azure:
        cache = os.path.join(case.folder, "tokens.json")
        for _ in range(2):
            exchange(azure, "--cache", cache, "batch", "GET", "/pools", how="principal")
        asked = [r for r in azure.mock.log if r["service"] == "entra"]
        assert len(asked) == 1 and "client_secret" in asked[0]["body"].decode(), asked
        assert os.stat(cache).st_mode & 0o777 == 0o600
        exchange(azure, "--cache", cache, "storage", "PUT", "/farm?restype=container",
                 how="principal")
        said = exchange(azure, "batch", "GET", "/pools", how="principal", expect=6,
                        env={"AZURE_CLIENT_SECRET": CLIENT_SECRET + "x"})
        assert "AADSTS7000215 (401)" in said and "give its value, not its id" in said, said


@test
def a_sas_does_what_it_may_and_no_more(case):
    with Azure(case) as azure:
        exchange(azure, "storage", "PUT", "/farm?restype=container")
        exchange(azure, "storage", "PUT", "/farm/in/a%20b.txt", "hello")
        for how in ("key", "principal"):
            assert exchange(azure, "sas", "r", "600", "GET", "farm", "in/a b.txt",
                            how=how) == "hello"
            assert "in/a b.txt" in exchange(azure, "sas", "rl", "600", "GET", "farm", how=how)
            said = exchange(azure, "sas", "r", "600", "DELETE", "farm", "in/a b.txt", how=how,
                            expect=6)
            assert "AuthorizationPermissionMismatch" in said, said
            said = exchange(azure, "sas", "r", "-600", "GET", "farm", "in/a b.txt", how=how,
                            expect=6)
            assert "The SAS has expired" in said, said
        said = exchange(azure, "sas", "r", "999999", "GET", "farm", how="principal", expect=3)
        assert "six days" in said, said


@test
def exchanges_are_recorded_without_secrets(case):
    path = os.path.join(case.folder, "record")
    job = {"id": "j2", "poolInfo": {"poolId": "p2"}}
    body = {"id": "t2", "commandLine": "x", "resourceFiles": [
        {"httpUrl": "https://h/c/b?sv=1&sig=TOPSECRET%2F1", "filePath": "b"}],
        "environmentSettings": [{"name": "BEOFARM_SECRET", "value": "TOPSECRET"},
                                {"name": "BEOFARM_FARM", "value": "henry"}]}
    with Azure(case) as azure:
        env = {"BEOFARM_HTTP_RECORD": path}
        run_task(azure, "echo hello")
        azure.batch.fault("status", status=503)
        exchange(azure, "batch", "POST", "/jobs", json.dumps(job), env=env)
        exchange(azure, "batch", "POST", "/jobs/j2/tasks", "-", body=json.dumps(body), env=env)
        exchange(azure, "batch", "GET", "/jobs/j1/tasks/t1/files/stdout.txt", env=env)
        exchange(azure, "batch", "GET", "/pools/p2", env=env, expect=7)
        exchange(azure, "storage", "PUT", "/farm?restype=container", env=env)
    with open(path, encoding="utf-8") as file:
        text = file.read()
    search(text, "the record")
    assert os.stat(path).st_mode & 0o777 == 0o600
    lines = [json.loads(line) for line in text.splitlines()]
    assert [line["response"]["statusCode"] for line in lines] == [503, 201, 201, 200, 404], lines
    assert lines[0]["request"]["body"] == job
    assert lines[2]["request"]["url"] == "/jobs/j2/tasks?api-version=2025-06-01"
    assert "authorization" not in lines[2]["request"]["headers"]
    assert lines[2]["request"]["headers"]["content-type"].startswith("application/json")
    sent = lines[2]["request"]["body"]
    assert sent["environmentSettings"][1]["value"] == "henry"
    assert sent["environmentSettings"][0]["value"] == "..."
    assert sent["resourceFiles"][0]["httpUrl"] == "https://h/c/b?sv=1&sig=..."
    assert "body" not in lines[3]["response"], "contents of files are left out"
    assert lines[4]["response"]["body"]["code"] == "PoolNotFound"


def certificate_make(case, name):
    """A PEM file with a self-signed certificate for `name`, and its key."""
    if not shutil.which("openssl"):
        raise harness.Skip("the program openssl is not there to make a certificate")
    path = os.path.join(case.folder, f"{name}.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                    "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}",
                    "-keyout", path + ".key", "-out", path], check=True, capture_output=True)
    with open(path, "a", encoding="utf-8") as whole, open(path + ".key", encoding="utf-8") as key:
        whole.write(key.read())
    return path


@test
def certificates_are_verified(case):
    good, other = certificate_make(case, "localhost"), certificate_make(case, "elsewhere")
    with Azure(case, certificate=good) as azure:
        said = exchange(azure, "batch", "GET", "/pools", expect=5)
        assert "ca-certificates" in said and "SSL_CERT_FILE" in said, said
        assert not azure.batch.log(), "nothing is said to a stranger"
        exchange(azure, "batch", "GET", "/pools", env={"SSL_CERT_FILE": good})
    with Azure(case, certificate=other) as azure:  # trusted, but not for this name
        exchange(azure, "batch", "GET", "/pools", expect=5, env={"SSL_CERT_FILE": other})
        assert not azure.batch.log(), "nothing is said to a stranger"


@test
def long_lists_come_in_pages_whose_links_are_signed_as_they_stand(case):
    with Azure(case) as azure:
        azure.batch.settings(page_size=2)
        for name in ("a", "b", "c"):
            exchange(azure, "batch", "POST", "/pools", json.dumps({**STILL, "id": name}))
        first = json.loads(exchange(azure, "batch", "GET", "/pools"))
        link = first["odata.nextLink"].replace("&api-version=2025-06-01", "")
        link = link.split("?")[1]
        second = json.loads(exchange(azure, "batch", "GET", "/pools?" + link))
        assert [p["id"] for p in first["value"] + second["value"]] == ["a", "b", "c"]


if __name__ == "__main__":
    harness.main(globals())
