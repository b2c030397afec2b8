"""An account of Azure for tests: Batch by tests/batch_emulator, Blob by Azurite, each a process.

    with Emulator(case, "--hurry", "60") as batch:
        status, body = batch.ask("GET", "/pools")
        batch.fault("status", status=503, times=2)
        run("...", env=batch.environment())

Azurite and Microsoft's client are npm packages (tests/npm/package.json); `./quickstart test` installs
them in build-npm/ where npm is there. Tests that need them are skipped where they are not.
"""
import atexit
import base64
import email.utils
import http.client
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import tempfile
import time

import harness
from harness import Skip, wait_until

sys.path.insert(0, os.path.join(harness.SOURCE, "tests"))
from batch_emulator_parts import identity, wire  # noqa: E402

ACCOUNT, STORAGE = "henry", "data"
KEY = base64.b64encode(b"TOPSECRET-batch-key-of-the-emulator-01234567").decode()
STORAGE_KEY = base64.b64encode(b"TOPSECRET-storage-key-of-azurite-0123456789").decode()
SECRETS = [KEY, STORAGE_KEY, "TOPSECRET"]
VERSION = "2025-06-01"
IMAGE = {"publisher": "canonical", "offer": "ubuntu-24_04-lts", "sku": "server",
         "version": "latest"}
POOL = {"id": "p1", "vmSize": "standard_d2s_v3", "targetDedicatedNodes": 1,
        "virtualMachineConfiguration": {"imageReference": IMAGE,
                                        "nodeAgentSKUId": "batch.node.ubuntu 24.04"}}


def node_modules():
    """Where npm packages are; skips the test where they are not."""
    if not shutil.which("node"):
        raise Skip("node is not installed (Debian package nodejs)")
    path = os.environ.get("BEOFARM_NODE_MODULES") or os.path.join(harness.SOURCE, "build-npm",
                                                                  "node_modules")
    if not os.path.isdir(os.path.join(path, "azurite")):
        raise Skip(f"the packages of tests/npm are not in {path}: ./quickstart test installs them")
    return path


def search(text, where):
    """Nothing secret may be in a text."""
    for secret in SECRETS:
        assert secret not in text, f"a secret in {where}: {text[:2000]}"
    assert not re.search(r"sig=(?!\.\.\.)[\w%]", text), f"a signature in {where}: {text[:2000]}"
    assert not re.search(r"SharedKey \w+:(?!\.\.\.)", text), f"a signature in {where}"


def hold_against_swagger(*records):
    """Do recorded exchanges fit Batch's OpenAPI description, where BEOFARM_BATCH_SWAGGER names it?"""
    swagger = os.environ.get("BEOFARM_BATCH_SWAGGER")
    if swagger:
        tool = os.path.join(harness.SOURCE, "tests/swagger_check.py")
        done = subprocess.run([sys.executable, tool, swagger, *records], capture_output=True,
                              text=True, check=False, timeout=200)
        assert done.returncode == 0, done.stdout


class _Service:
    """A process that says on its first lines where it listens."""

    def __init__(self, case, words, env=None):
        self.case = case
        self.process = case.start(*words, env=env)

    def url_of(self, pattern):
        said = ""
        while True:
            line = self.process.stdout.readline()
            said += line
            match = re.search(pattern, line)
            if match:
                return match[1]
            assert line, f"{self.process.args}: {said}{self.process.stderr.read()}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.case.finish(self.process)


class Azurite:
    """A Storage account of its own, with one Blob service for all tests of a program: to start it takes
    more than many a test."""
    process = address = None
    accounts = iter([f"{STORAGE}{number}" for number in range(100)])

    def __init__(self, case):
        if not Azurite.process or Azurite.process.poll() is not None:
            Azurite._start()
        self.case = case
        self.account = next(Azurite.accounts)
        self.url = f"http://{self.address}/{self.account}"

    @staticmethod
    def _start():
        script = os.path.join(node_modules(), "azurite/dist/src/blob/main.js")
        accounts = ";".join(f"{STORAGE}{number}:{STORAGE_KEY}" for number in range(100))
        said = tempfile.TemporaryFile("w+")
        process = subprocess.Popen(
            ["node", script, "--blobHost", "127.0.0.1", "--blobPort", "0", "--inMemoryPersistence",
             "--disableTelemetry", "--silent"],
            env={**os.environ, "AZURITE_ACCOUNTS": accounts}, stdin=subprocess.DEVNULL, stdout=said,
            stderr=said)
        atexit.register(process.kill)

        def address():
            said.seek(0)
            text = said.read()
            assert process.poll() is None, text
            return re.search(r"successfully listens on http://(\S+)", text)
        Azurite.address = wait_until(address, "Azurite listens")[1]
        Azurite.process = process

    def environment(self):
        """What programs need to use it."""
        return {"AZURE_STORAGE_ACCOUNT": self.account, "AZURE_STORAGE_KEY": STORAGE_KEY,
                "AZURE_STORAGE_BLOB_ENDPOINT": self.url, "no_proxy": "*"}

    def sas(self, container, permissions="rwlc", life_s=3600):
        """URL of a container with a signature."""
        begin = time.time() - 600
        start, end = (time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(t))
                      for t in (begin, time.time() + life_s))
        fields = [permissions, start, end, f"/blob/{self.account}/{container}", "", "", "",
                  "2021-12-02", "c", "", "", "", "", "", "", ""]
        mac = identity.signature(STORAGE_KEY, "\n".join(fields))
        quote = wire.urllib.parse.quote
        return (f"{self.url}/{container}?sp={permissions}&st={quote(start)}&se={quote(end)}"
                f"&sv=2021-12-02&sr=c&sig={quote(mac, safe='')}")

    def ask(self, method, path, body=b"", **headers):
        """(status, body) of a signed request; path begins with the container."""
        target = f"/{self.account}/{path}"
        named = {"x-ms-date": email.utils.formatdate(usegmt=True), "x-ms-version": "2021-12-02",
                 **{k.replace("_", "-"): v for k, v in headers.items()}}
        bare, _, query = target.partition("?")
        lines = [method, "", "", str(len(body)) if body else "", "", "", "", "", "", "", "", ""]
        lines += [f"{k}:{named[k]}" for k in sorted(named) if k.startswith("x-ms-")]
        text = "\n".join(lines) + f"\n/{self.account}{bare}"
        for part in sorted(filter(None, query.split("&"))):
            name, _, value = part.partition("=")
            text += f"\n{name}:{wire.urllib.parse.unquote(value)}"
        named["Authorization"] = f"SharedKey {self.account}:{identity.signature(STORAGE_KEY, text)}"
        line = http.client.HTTPConnection(self.address, timeout=150)
        line.request(method, target, body or None, named)
        answer = line.getresponse()
        return answer.status, answer.read()

    def put(self, path, body):
        status, said = self.ask("PUT", path, body, x_ms_blob_type="BlockBlob")
        assert status == 201, (status, said)

    def make(self, container):
        status, said = self.ask("PUT", f"{container}?restype=container")
        assert status == 201, (status, said)


class Emulator(_Service):
    """The Batch account."""

    def __init__(self, case, *options, storage=None, key=KEY):
        self.key = key
        words = [os.path.join(harness.SOURCE, "tests/batch_emulator"), "--account", ACCOUNT,
                 "--key", key, "--root", case.path(f"emulator-{len(case.started)}")]
        words += ["--forward", storage.address] if storage else []
        passed = [n for n in os.environ if n.endswith("SAN_OPTIONS")]
        words += [word for name in passed for word in ("--pass", name)]
        super().__init__(case, [sys.executable, *words, *options])
        self.url = self.url_of(r"ready: account \S+ at (\S+)")
        self.address = self.url.partition("://")[2]

    def environment(self):
        """What programs need to use it."""
        return {"AZURE_BATCH_ACCOUNT": ACCOUNT, "AZURE_BATCH_ENDPOINT": self.url,
                "AZURE_BATCH_ACCESS_KEY": self.key, "no_proxy": "*"}

    # --- requests ----------------------------------------------------------------------------------------

    def send(self, method, target, body=None, headers=None, sign=True):
        """(status, headers, bytes); `target` as it goes out, api-version included."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        named = {"ocp-date": email.utils.formatdate(usegmt=True), **(headers or {})}
        if data is not None:
            named.setdefault("content-type", wire.JSON_TYPE)
        if data is not None or method in ("POST", "PUT", "PATCH"):
            named["content-length"] = str(len(data or b""))
        if sign:
            request = wire.Request(method, target, list(named.items()), data or b"")
            mac = identity.signature(self.key, identity.string_to_sign(ACCOUNT, request))
            named["authorization"] = f"SharedKey {ACCOUNT}:{mac}"
        line = http.client.HTTPConnection(self.address, timeout=150) if \
            self.url.startswith("http:") else http.client.HTTPSConnection(
                self.address, timeout=150, context=ssl._create_unverified_context())
        try:
            line.putrequest(method, target, skip_accept_encoding=True)
            for name, value in named.items():
                line.putheader(name, value)
            line.endheaders(data)
            answer = line.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
        finally:
            line.close()

    def ask(self, method, path, body=None, **headers):
        """(status, JSON or bytes)"""
        sign = "&" if "?" in path else "?"
        named = {k.replace("_", "-"): v for k, v in headers.items()}
        status, kind, data = self.send(method, f"{path}{sign}api-version={VERSION}", body, named)
        is_json = kind.get("content-type", "").startswith("application/json; odata") and data
        return status, json.loads(data) if is_json else data

    def need(self, method, path, body=None, expect=(200, 201, 202, 204), **headers):
        """The answer to a request that must succeed."""
        status, found = self.ask(method, path, body, **headers)
        assert status in expect, (method, path, status, found)
        return found

    def refused(self, status, code, method, path, body=None, **headers):
        """A request that must be refused so; its error."""
        found, error = self.ask(method, path, body, **headers)
        assert (found, error["code"]) == (status, code), (method, path, found, error)
        return error

    def pool(self, **more):
        """Make a pool, and wait until its nodes are idle."""
        body = {**POOL, **more}
        self.need("POST", "/pools", body)
        count = body["targetDedicatedNodes"] + body.get("targetLowPriorityNodes", 0)
        return self.wait_nodes(body["id"], ["idle"] * count)

    def nodes(self, pool="p1"):
        return self.need("GET", f"/pools/{pool}/nodes")["value"]

    def wait_nodes(self, pool, states, limit_s=100):
        """Wait until the states of the nodes are these."""
        def look():
            nodes = self.nodes(pool)
            return (nodes or True) if sorted(n["state"] for n in nodes) == sorted(states) else None
        return wait_until(look, f"nodes of {pool} are {states}", limit_s)

    def job(self, name="j1", pool="p1", **more):
        self.need("POST", "/jobs", {"id": name, "poolInfo": {"poolId": pool}, **more})

    def task(self, name, line, job="j1", **more):
        self.need("POST", f"/jobs/{job}/tasks", {"id": name, "commandLine": line, **more})

    def wait_task(self, name, state="completed", job="j1", limit_s=100):
        def look():
            found = self.need("GET", f"/jobs/{job}/tasks/{name}")
            return found if found["state"] == state else None
        return wait_until(look, f"task {name} is {state}", limit_s)

    def file(self, task, name="stdout.txt", job="j1"):
        return self.need("GET", f"/jobs/{job}/tasks/{task}/files/{name}").decode()

    # --- the emulator's own ------------------------------------------------------------------------------

    def own(self, method, path, body=None):
        status, _, data = self.send(method, f"/emulator{path}", body, sign=False)
        found = json.loads(data)
        assert status == 200, (path, found)
        return found

    def fault(self, name, **more):
        self.own("POST", "/faults", {"fault": name, **more})

    def settings(self, **values):
        self.own("POST", "/settings", values)

    def look(self):
        return self.own("GET", "")

    def log(self):
        return self.own("GET", "/log")["requests"]
