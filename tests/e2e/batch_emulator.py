#!/usr/bin/env python3
"""tests/batch_emulator by plain requests: what it refuses, its limits, its states, its nodes."""
import email.utils
import http.client
import json
import os
import signal
import socket
import sys
import time
import urllib.parse
import urllib.request
import zipfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from batch_emulator_tools import Azurite, Emulator, KEY, POOL, VERSION, identity, search, wire  # noqa: E402
from batch_emulator_parts import autoscale, odata  # noqa: E402
from harness import test, wait_until  # noqa: E402

SH = "/bin/sh -c '{}'"


@test
def the_signing_vectors_all_come_out(_case):
    path = os.path.join(harness.SOURCE, "tests/launch/azure/vectors/batch_sharedkey.json")
    with open(path, encoding="utf-8") as file:
        known = json.load(file)
    for vector in known["vectors"]:
        url = urllib.parse.urlsplit(vector["url"])
        body = (vector["body"] or "").encode()
        headers = list(vector["headers"].items())
        if vector["body"] is not None or vector["method"] == "POST":
            headers.append(("Content-Length", str(len(body))))
        request = wire.Request(vector["method"], f"{url.path}?{url.query}", headers, body)
        text = identity.string_to_sign(known["account"], request)
        assert text == vector["stringToSign"], (vector["name"], text)
        mac = identity.signature(known["key"], text)
        assert vector["authorization"] == f"SharedKey {known['account']}:{mac}", vector["name"]
    assert len(known["vectors"]) == 12


@test
def it_says_one_line_when_it_is_ready_and_records_what_it_is_asked(case):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = case.start(os.path.join(harness.SOURCE, "tests/batch_emulator"), "--port", port,
                         "--account", "henry", "--key", KEY, "--record", case.path("record"))
    ready = process.stdout.readline()
    assert ready.startswith(f"batch_emulator ready: account henry at http://127.0.0.1:{port}"), ready
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=150)
    line.request("GET", f"/pools?api-version={VERSION}")
    assert line.getresponse().status in (401, 403)
    process.send_signal(signal.SIGTERM)
    done = case.finish(process)
    assert (done.code, done.out) == (0, ""), done
    exchange, = [json.loads(text) for text in case.read("record").splitlines()]
    assert sorted(exchange) == ["request", "response"], exchange
    assert set(exchange["request"]) == {"method", "url", "headers"}, "it had no body"
    assert exchange["request"]["url"] == f"/pools?api-version={VERSION}"
    assert set(exchange["response"]) == {"statusCode", "headers", "body"}, exchange
    assert exchange["response"]["body"]["code"], exchange
    for side in exchange.values():
        assert all(name == name.lower() for name in side["headers"]), side


@test
def who_is_not_known_is_refused(case):
    with Emulator(case) as batch:
        assert batch.ask("GET", "/pools")[0] == 200
        batch.key = "d3Jvbmc="
        error = batch.refused(403, "AuthenticationFailed", "GET", "/pools")
        detail = {v["key"]: v["value"] for v in error["values"]}["AuthenticationErrorDetail"]
        assert "GET\n\n\n" in detail and "/henry/pools\napi-version:2025-06-01" in detail, detail
        batch.key = KEY
        late = email.utils.formatdate(time.time() - 16 * 60, usegmt=True)
        batch.refused(403, "AuthenticationFailed", "GET", "/pools", ocp_date=late)
        status, _, _ = batch.send("GET", "/pools?api-version=2025-06-01", sign=False)
        assert status == 401
        for version, code in (("2019-01-01", "UnsupportedRequestVersion"),
                              ("soon", "InvalidQueryParameterValue")):
            status, _, data = batch.send("GET", f"/pools?api-version={version}")
            assert (status, json.loads(data)["code"]) == (400, code)
        assert batch.send("GET", "/pools")[0] == 400
        batch.settings(clock_ahead_s=3600)
        batch.refused(403, "AuthenticationFailed", "GET", "/pools")


def token(batch, scope="https://batch.core.windows.net//.default", secret="s1"):
    form = urllib.parse.urlencode({"grant_type": "client_credentials", "client_id": "c1",
                                   "client_secret": secret, "scope": scope}).encode()
    status, _, data = batch.send("POST", "/t1/oauth2/v2.0/token", form, {
        "content-type": "application/x-www-form-urlencoded"}, sign=False)
    return json.loads(data)["access_token"] if status == 200 else status


@test
def tokens_must_be_for_batch_and_in_time(case):
    with Emulator(case, "--principal", "t1:c1:s1", "--no-shared-key") as batch:
        def pools(bearer):
            return batch.send("GET", "/pools?api-version=2025-06-01", None,
                              {"authorization": f"Bearer {bearer}"}, sign=False)[0]
        batch.refused(403, "AuthenticationFailed", "GET", "/pools")
        good = token(batch)
        assert pools(good) == 200
        assert pools(token(batch, "https://batch.core.windows.net/.default")) == 200
        assert pools(token(batch, "https://storage.azure.com/.default")) == 401
        assert pools(good[:-2] + "AA") == 401 and pools("x") == 401
        assert token(batch, secret="no") == 401
        batch.settings(clock_ahead_s=7200)
        assert pools(good) == 401


@test
def bodies_and_conditions_are_checked(case):
    with Emulator(case) as batch:
        still = {**POOL, "targetDedicatedNodes": 0}
        for bad, code, name in [
                ({**still, "id": "p 1"}, "InvalidPropertyValue", "id"),
                ({**still, "id": "p" * 65}, "InvalidPropertyValue", "id"),
                ({**still, "nodes": 1}, "InvalidRequestBody", "nodes"),
                ({"id": "p1"}, "MissingRequiredProperty", "vmSize"),
                ({**still, "vmSize": "big"}, "InvalidPropertyValue", "vmSize"),
                ({**still, "taskSlotsPerNode": 9}, "InvalidPropertyValue", "taskSlotsPerNode"),
                ({**still, "resizeTimeout": "PT4M"}, "InvalidPropertyValue", "resizeTimeout"),
                ({**still, "targetDedicatedNodes": "1"}, "InvalidRequestBody",
                 "targetDedicatedNodes"),
                ({**still, "mountConfiguration": [1]}, "InvalidPropertyValue",
                 "mountConfiguration"),
                ({**still, "virtualMachineConfiguration": {
                    "imageReference": {"publisher": "a", "offer": "b", "sku": "c"},
                    "nodeAgentSKUId": "d"}}, "InvalidPropertyValue", "imageReference")]:
            error = batch.refused(400, code, "POST", "/pools", bad)
            assert {"key": "PropertyName", "value": name} in error["values"], error
        batch.refused(415, "UnsupportedMediaType", "POST", "/pools", still,
                      content_type="application/json")
        for odd in (b"{", b"[]", b"\xff", b"", b'{"id":1}', b"null"):
            status, error = batch.ask("POST", "/pools", odd)
            assert status == 400, (odd, status, error)
        for odd in ("/%FF", "/pools/%00", "/jobs/a%2Fb/tasks", "/pools/p1/nodes/x/files/%2E%2E",
                    "/jobs?maxresults=0", "/jobs?maxresults=x", "/jobs?$skiptoken=x"):
            assert batch.ask("GET", odd)[0] in (400, 404), odd
        batch.refused(400, "InvalidPropertyValue", "POST", "/jobschedules", {"id": "s"})
        assert batch.need("GET", "/jobschedules")["value"] == []
        batch.need("POST", "/pools", still)
        batch.refused(409, "PoolExists", "POST", "/pools", {**still, "id": "P1"})
        pool = batch.need("GET", "/pools/P1")
        assert (pool["id"], pool["state"], pool["allocationState"]) == ("p1", "active", "steady")
        batch.need("PATCH", "/pools/p1", {"metadata": [{"name": "a", "value": "b"}]},
                   if_match=pool["eTag"])
        batch.refused(412, "ConditionNotMet", "PATCH", "/pools/p1", {"metadata": []},
                      if_match=pool["eTag"])
        assert batch.ask("GET", "/pools/p1", if_none_match=batch.need(
            "GET", "/pools/p1")["eTag"])[0] == 304
        batch.refused(404, "PoolNotFound", "GET", "/pools/none")
        assert batch.ask("HEAD", "/pools/none") == (404, b"")
        batch.refused(405, "UnsupportedHttpVerb", "PUT", "/pools/p1", {})
        batch.fault("image-refused")
        batch.refused(400, "InvalidPropertyValue", "POST", "/pools", {**still, "id": "p2"})
        batch.settings(pool_quota=1, job_quota=0)
        batch.refused(409, "PoolQuotaReached", "POST", "/pools", {**still, "id": "p2"})
        batch.refused(409, "ActiveJobAndScheduleQuotaReached", "POST", "/jobs",
                      {"id": "j1", "poolInfo": {"poolId": "p1"}})


@test
def posts_must_say_how_long_they_are(case):
    with Emulator(case) as batch:
        line = http.client.HTTPConnection(batch.address, timeout=150)
        line.putrequest("POST", "/jobs/j1/terminate?api-version=2025-06-01")
        line.endheaders()
        answer = line.getresponse()
        assert (answer.status, json.load(answer)["code"]) == (411, "MissingContentLengthHeader")
        line.close()


@test
def tasks_are_taken_in_lots_and_told_in_pages(case):
    with Emulator(case) as batch:
        batch.job(pool="later")
        lot = [{"id": f"t{i}", "commandLine": "true"} for i in range(100)]
        said = batch.need("POST", "/jobs/j1/addtaskcollection", {"value": lot})["value"]
        assert {s["status"] for s in said} == {"success"} and len(said) == 100
        batch.refused(413, "RequestBodyTooLarge", "POST", "/jobs/j1/addtaskcollection",
                      {"value": lot + lot[:1]})
        big = [{"id": "big", "commandLine": "x", "environmentSettings": [
            {"name": f"v{i}", "value": "y" * 30000} for i in range(36)]}]
        batch.refused(413, "RequestBodyTooLarge", "POST", "/jobs/j1/addtaskcollection",
                      {"value": big})
        batch.fault("servererror", times=1)
        mixed = [{"id": "new", "commandLine": "x"}, {"id": "T5", "commandLine": "x"},
                 {"id": "a b", "commandLine": "x"}, {"id": "new", "commandLine": "x"}]
        said = batch.need("POST", "/jobs/j1/addtaskcollection", {"value": mixed})["value"]
        codes = [s.get("error", {}).get("code") for s in said[::-1]]
        assert codes == ["InternalError", "TaskExists", "InvalidPropertyValue", None], said
        batch.refused(409, "TaskExists", "POST", "/jobs/j1/tasks", lot[0])
        link, found = f"{batch.url}/jobs/j1/tasks?maxresults=30&$select=id&api-version=2025-06-01", []
        while link:
            status, _, data = batch.send("GET", link.removeprefix(batch.url))
            page = json.loads(data)
            assert status == 200 and len(page["value"]) <= 30 and set(page["value"][0]) == {"id"}
            found += [item["id"] for item in page["value"]]
            link = page.get("odata.nextLink")
        assert sorted(found) == sorted([t["id"] for t in lot] + ["new"])
        some = batch.need("GET", "/jobs/j1/tasks?$filter=state%20eq%20%27active%27%20and%20"
                                 "startswith(id,%27t9%27)")["value"]
        assert len(some) == 11, [t["id"] for t in some]
        batch.refused(400, "InvalidQueryParameterValue", "GET", "/jobs/j1/tasks?$filter=state%20eq")
        assert batch.need("GET", "/jobs/j1/taskcounts")["taskCounts"]["active"] == 101


@test
def filters_are_read_as_odata_writes_them(_case):
    item = {"state": "Running", "n": 5, "info": {"result": None, "at": "2026-11-21T09:00:00.5Z"}}
    for text, wanted in [
            ("state eq 'running'", True), ("not (state eq 'running')", False),
            ("n ge 5 and n lt 6", True), ("n eq 4 or n eq 5", True), ("info/result eq null", True),
            ("info/at gt 2026-11-21T09:00:00Z", True), ("info/at lt datetime'2026-11-21T09:00:00Z'",
                                                       False),
            ("startswith(state,'RUN')", True), ("none eq 'x'", False), ("state ne 'it''s'", True)]:
        assert odata.Filter(text).accepts(item) == wanted, text
    for text in ("state", "state eq", "(n eq 1", "n is 4", "eq eq eq", "'"):
        try:
            odata.Filter(text)
        except wire.Refusal:
            continue
        raise AssertionError(f"{text!r} was taken")


SAMPLES = {"$PendingTasks": [(0, 4), (30, 8)], "$Cold": []}
TARGETS = {"$TargetDedicatedNodes": 3.0, "$TargetLowPriorityNodes": 0.0,
           "$NodeDeallocationOption": "requeue"}


@test
def formulas_are_evaluated(_case):
    for formula, name, wanted in [
            ("$TargetDedicatedNodes = 2 + 3 * 4 - 6 / 2;", "$TargetDedicatedNodes", 11),
            ("x = max($PendingTasks.GetSample(1)); $TargetDedicatedNodes = x", "x", 8),
            ("x = avg($PendingTasks.GetSample(TimeInterval_Minute * 2));", "x", 6),
            ("x = $PendingTasks.GetSamplePercent(TimeInterval_Minute * 2) < 70 ? 1 : 2;", "x", 1),
            ("x = $PendingTasks.GetSample(2) * 2;", "x", [8, 16]),
            ("x = val($PendingTasks.GetSample(2), 1) >= 8 && !(1 == 2) ? -1 : 0", "x", -1),
            ("x = time().hour * 60 + time().minute; // now", "x", 1),
            ("x = (time() - time(\"1970-01-01\")) / TimeInterval_Second;", "x", 60),
            ("x = std($PendingTasks.GetSample(2)); stop(); x = 9", "x", 8 ** 0.5),
            ("$TargetDedicatedNodes = min(2.9, 7); $NodeDeallocationOption = taskcompletion;",
             "$TargetDedicatedNodes", 2),
            ("$TargetLowPriorityNodes = $TargetDedicatedNodes - 5;", "$TargetLowPriorityNodes", 0)]:
        found = autoscale.evaluate(formula, SAMPLES, 30, 60, TARGETS)[name]
        assert found == wanted, (formula, found)
    for formula, code in [
            ("$TargetDedicatedNodes = ;", "SyntaxError"), ("x = f(1);", "SyntaxError"),
            ("1 = x;", "SyntaxError"), ("x = (1;", "SyntaxError"), ("", "SyntaxError"),
            ("x = 1;" * 101, "SyntaxError"), ("x = 'a" + "b" * 9000 + "';", "SyntaxError"),
            ("x = y;", "EvaluationError"), ("x = 1 / 0;", "EvaluationError"),
            ("x = $Cold.GetSample(1);", "EvaluationError"),
            ("$NodeDeallocationOption = 3;", "EvaluationError"),
            ("$TargetDedicatedNodes = 'two';", "EvaluationError")]:
        try:
            autoscale.evaluate(formula, SAMPLES, 30, 60, TARGETS)
        except autoscale.FormulaError as problem:
            assert problem.code.endswith(code), (formula, problem.code)
            continue
        raise AssertionError(f"{formula} was taken")


@test
def pools_grow_shrink_and_say_what_they_lack(case):
    start = {"commandLine": SH.format("echo $AZ_BATCH_NODE_ID; exit $(cat $F 2>/dev/null || echo 0)"),
             "maxTaskRetryCount": 1, "waitForSuccess": True}
    with Emulator(case, "--spot-cores", "4") as batch:
        batch.fault("start-task", times=3)
        batch.fault("node-unusable")
        batch.need("POST", "/pools", {**POOL, "targetDedicatedNodes": 3, "startTask": start})
        # One of three never comes up; of the two others' start tasks, three fail of four tries.
        nodes = batch.wait_nodes("p1", ["idle", "starttaskfailed", "unusable"])
        by_state = {node["state"]: node for node in nodes}
        info = by_state["starttaskfailed"]["startTaskInfo"]
        assert (info["exitCode"], info["retryCount"], info["result"]) == (1, 1, "failure"), info
        assert info["failureInfo"]["code"] == "FailureExitCode"
        assert by_state["unusable"]["errors"][0]["code"] == "NodeBecameUnusable"
        name = by_state["starttaskfailed"]["id"]
        said = batch.need("GET", f"/pools/p1/nodes/{name}/files/startup/stderr.txt")
        assert b"made to fail" in said
        batch.need("POST", "/pools/p1/removenodes", {"nodeList": [name, by_state["unusable"]["id"]]})
        batch.wait_nodes("p1", ["idle"])
        wait_until(lambda: batch.need("GET", "/pools/p1")["allocationState"] == "steady", "steady")
        batch.refused(409, "OperationInvalidForCurrentState", "POST", "/pools/p1/stopresize")
        batch.need("POST", "/pools/p1/resize", {"targetLowPriorityNodes": 3})
        batch.wait_nodes("p1", ["idle"] * 3)
        pool = batch.need("GET", "/pools/p1")
        assert (pool["currentDedicatedNodes"], pool["currentLowPriorityNodes"]) == (1, 2), pool
        assert pool["resizeErrors"][0]["code"] == "AccountLowPriorityCoreQuotaReached"
        name, booted = (batch.nodes()[0][key] for key in ("id", "lastBootTime"))
        batch.need("POST", f"/pools/p1/nodes/{name}/reboot", {"nodeRebootOption": "requeue"})
        batch.wait_nodes("p1", ["idle"] * 3)
        assert batch.need("GET", f"/pools/p1/nodes/{name}")["lastBootTime"] > booted
        batch.need("DELETE", "/pools/p1")
        status, error = batch.ask("PATCH", "/pools/p1", {"metadata": []})
        # It may be gone by now: on a busy machine a request is as slow as that.
        assert (status, error["code"]) in ((409, "PoolBeingDeleted"), (404, "PoolNotFound")), error
        wait_until(lambda: batch.ask("GET", "/pools/p1")[0] == 404, "the pool is gone")


@test
def a_formula_makes_a_pool_follow_its_work_down_to_zero(case):
    formula = ("$n = $PendingTasks.GetSamplePercent(TimeInterval_Minute * 2) < 50 ? 0 : "
               "max($PendingTasks.GetSample(TimeInterval_Minute));"
               "$TargetDedicatedNodes = min(2, $n); $NodeDeallocationOption = taskcompletion;")
    scaled = {k: v for k, v in POOL.items() if k != "targetDedicatedNodes"}
    with Emulator(case, "--hurry", "600") as batch:
        batch.need("POST", "/pools", {**scaled, "enableAutoScale": True,
                                      "autoScaleFormula": formula,
                                      "autoScaleEvaluationInterval": "PT5M"})
        batch.refused(409, "OperationInvalidForCurrentState", "POST", "/pools/p1/resize",
                      {"targetDedicatedNodes": 1})
        batch.job()
        for name in ("a", "b", "c"):
            batch.task(name, SH.format("until [ -e $AZ_BATCH_NODE_SHARED_DIR/go ]; do sleep 0.05; "
                                       f"[ -e {case.path('go')} ] && exit 0; done"))
        wait_until(lambda: len([n for n in batch.nodes() if n["state"] == "running"]) == 2,
                   "two nodes run tasks")
        case.write("go", "")
        for name in ("a", "b", "c"):
            assert batch.wait_task(name)["executionInfo"]["exitCode"] == 0
        batch.wait_nodes("p1", [])
        run = batch.need("GET", "/pools/p1")["autoScaleRun"]
        assert run["results"].startswith("$TargetDedicatedNodes="), run


SHOW = SH.format('env | sort; pwd; hostname; cat "in put"; echo oops >&2; mkdir out; '
                 "echo result >out/r.csv; echo no >out/r.txt")


@test
def tasks_find_what_batch_promises_them(case):
    with zipfile.ZipFile(case.path("tool.zip"), "w") as archive:
        archive.writestr("bin/tool", "a tool")
    with Emulator(case, "--int64-strings", "--package",
                  f"tool:1.0={case.path('tool.zip')}") as batch:
        node = batch.pool(taskSlotsPerNode=2, applicationPackageReferences=[
            {"applicationId": "/subscriptions/s/applications/tool", "version": "1.0"}])[0]
        batch.job(commonEnvironmentSettings=[{"name": "A", "value": "job"},
                                             {"name": "B", "value": "job"}])
        batch.task("t1", SHOW, environmentSettings=[{"name": "A", "value": "task $B"}])
        done = batch.wait_task("t1")
        assert done["executionInfo"]["exitCode"] == 0, batch.file("t1", "stderr.txt")
        said = batch.file("t1")
        variables = dict(line.split("=", 1) for line in said.splitlines() if "=" in line)
        root = variables["AZ_BATCH_NODE_ROOT_DIR"]
        for name, wanted in {
                "A": "task $B", "B": "job", "AZ_BATCH_ACCOUNT_NAME": "henry",
                "AZ_BATCH_POOL_ID": "p1", "AZ_BATCH_JOB_ID": "j1", "AZ_BATCH_TASK_ID": "t1",
                "AZ_BATCH_NODE_ID": node["id"], "AZ_BATCH_NODE_IS_DEDICATED": "true",
                "AZ_BATCH_NODE_SHARED_DIR": f"{root}/shared",
                "AZ_BATCH_NODE_STARTUP_DIR": f"{root}/startup",
                "AZ_BATCH_APP_PACKAGE_tool_1_0": f"{root}/apppackages/tool1.0",
                "AZ_BATCH_TASK_DIR": f"{root}/workitems/j1/job-1/t1",
                "AZ_BATCH_TASK_WORKING_DIR": f"{root}/workitems/j1/job-1/t1/wd"}.items():
            assert variables[name] == wanted, (name, variables[name])
        assert f"{root}/workitems/j1/job-1/t1/wd" in said.splitlines()
        assert "AZ_BATCH_HOST_LIST" not in variables, "ordinary tasks get no list of nodes"
        assert "BEOFARM_SOURCE" not in variables, "what the emulator was started with stays away"
        assert "oops" in batch.file("t1", "stderr.txt")
        assert batch.need("GET", f"/pools/p1/nodes/{node['id']}/files/apppackages/tool1.0/bin/tool"
                          ) == b"a tool"
        sizes = {f["name"]: f["properties"]["contentLength"] for f in batch.need(
            "GET", "/jobs/j1/tasks/t1/files?recursive=true")["value"] if not f["isDirectory"]}
        assert sizes["wd/out/r.csv"] == "7", sizes
        assert batch.file("t1", "wd%2Fout/r.csv") == "result\n"
        status, headers, data = batch.send(
            "GET", "/jobs/j1/tasks/t1/files/wd/out/r.csv?api-version=2025-06-01", None,
            {"ocp-range": "bytes=2-100"})
        assert (status, data) == (200, b"sult\n"), "a range is answered by 200, as the service does"
        batch.refused(416, "InvalidRange", "GET", "/jobs/j1/tasks/t1/files/wd/out/r.csv",
                      ocp_range="bytes=7-")
        status, headers, _ = batch.send(
            "HEAD", "/jobs/j1/tasks/t1/files/wd/out/r.csv?api-version=2025-06-01")
        assert (status, headers["content-length"]) == (200, "7"), headers
        assert headers["ocp-batch-file-isdirectory"] == "False"
        batch.refused(404, "FileNotFound", "GET", "/jobs/j1/tasks/t1/files/none")
        batch.refused(404, "FileNotFound", "GET", "/jobs/j1/tasks/t1/files/..%2F..%2F..%2Fshared")


@test
def files_come_from_blobs_and_go_there(case):
    storage = Azurite(case)
    with Emulator(case, storage=storage) as batch:
        storage.make("farm")
        storage.put("farm/in", b"hello")
        storage.put("farm/set/a", b"1")
        storage.put("farm/set/b/c", b"2")
        url = storage.sas("farm")
        batch.pool()
        batch.job()
        base, _, query = url.partition("?")
        resources = [{"httpUrl": f"{base}/in?{query}", "filePath": "in put", "fileMode": "0755"},
                     {"storageContainerUrl": url, "blobPrefix": "set/", "filePath": "all"}]
        outputs = [{"filePattern": pattern, "destination": {"container": {
            "containerUrl": url, "path": path}}, "uploadOptions": {"uploadCondition": condition}}
                   for pattern, path, condition in (
                       ("../std*.txt", "logs/t1", "taskcompletion"),
                       ("out/**/*.csv", "csv", "tasksuccess"), ("in put", "one", "tasksuccess"),
                       ("out/r.txt", "never", "taskfailure"))]
        batch.task("t1", SHOW + " ; find", resourceFiles=resources, outputFiles=outputs)
        done = batch.wait_task("t1")
        assert done["executionInfo"]["result"] == "success", done
        assert "hello" in batch.file("t1") and batch.file("t1", "wd/all/set/b/c") == "2"
        assert storage.ask("GET", "farm/logs/t1/stdout.txt")[1] == batch.file("t1").encode()
        assert storage.ask("GET", "farm/csv/r.csv")[1] == b"result\n"
        assert storage.ask("GET", "farm/one")[1] == b"hello"
        assert storage.ask("GET", "farm/never")[0] == 404
        late = storage.sas("farm", life_s=-60)
        for name, body, code in (
                ("late", {"resourceFiles": [{"storageContainerUrl": late}]},
                 "BlobContainerAccessDenied"),
                ("lost", {"resourceFiles": [{"httpUrl": f"{base}/none?{query}", "filePath": "x"}]},
                 "BlobNotFound"),
                ("out", {"outputFiles": [{**outputs[0], "destination": {"container": {
                    "containerUrl": late}}}]}, "FileUploadAccessDenied")):
            batch.task(name, "true", **body)
            failure = batch.wait_task(name)["executionInfo"]["failureInfo"]
            assert failure["code"] == code, failure
            search(json.dumps(failure), "a failure")
        batch.fault("expired-sas")
        batch.task("expired", "true", resourceFiles=resources)
        assert batch.wait_task("expired")["executionInfo"]["failureInfo"]["code"] == \
            "BlobAccessDenied"


@test
def tasks_fail_and_are_tried_again_as_they_say(case):
    with Emulator(case, "--hurry", "3600") as batch:
        batch.pool(taskSlotsPerNode=8)
        batch.job()
        counter = case.path("tries")
        batch.task("again", SH.format(f"echo x >>{counter}; exit 3"),
                   constraints={"maxTaskRetryCount": 2})
        batch.task("none", "there-is-no-such-program")
        batch.task("slow", "sleep 600", constraints={"maxWallClockTime": "PT0.3S"})
        batch.task("killed", "sleep 600")
        batch.task("brief", "true", constraints={"retentionTime": "PT1S"})
        info = batch.wait_task("again")["executionInfo"]
        assert (info["exitCode"], info["retryCount"], info["result"]) == (3, 2, "failure"), info
        assert os.path.getsize(counter) == 6
        assert batch.wait_task("none")["executionInfo"]["failureInfo"]["code"] == \
            "CommandProgramNotFound"
        assert batch.wait_task("slow")["executionInfo"]["failureInfo"]["code"] == "TaskEnded"
        batch.wait_task("killed", "running")
        batch.refused(409, "TaskNotCompleted", "POST", "/jobs/j1/tasks/killed/reactivate")
        batch.need("POST", "/jobs/j1/tasks/killed/terminate")
        batch.refused(409, "TaskCompleted", "POST", "/jobs/j1/tasks/killed/terminate")
        batch.need("POST", "/jobs/j1/tasks/killed/reactivate")
        batch.wait_task("killed", "running")
        batch.need("DELETE", "/jobs/j1/tasks/killed")
        batch.wait_task("brief")
        wait_until(lambda: batch.ask("GET", "/jobs/j1/tasks/brief/files")[0] == 409, "retention")
        batch.refused(409, "TaskFilesCleanedup", "GET", "/jobs/j1/tasks/brief/files/stdout.txt")
        counts = batch.need("GET", "/jobs/j1/taskcounts")["taskCounts"]
        assert counts == {"active": 0, "running": 0, "completed": 4, "succeeded": 1, "failed": 3}


@test
def jobs_end_with_their_tasks_and_wait_when_disabled(case):
    with Emulator(case) as batch:
        batch.pool(taskSlotsPerNode=4)
        batch.job("empty", onAllTasksComplete="terminatejob")
        wait_until(lambda: batch.need("GET", "/jobs/empty")["state"] == "completed",
                   "an empty job ends at once")
        batch.refused(409, "JobCompleted", "POST", "/jobs/empty/tasks",
                      {"id": "x", "commandLine": "true"})
        batch.job("led", jobManagerTask={"id": "lead", "commandLine": "true",
                                         "killJobOnCompletion": True})
        wait_until(lambda: batch.need("GET", "/jobs/led")["state"] == "completed", "led is over")
        assert batch.need("GET", "/jobs/led")["executionInfo"]["terminateReason"] == "JMComplete"
        batch.job(usesTaskDependencies=True)
        batch.task("first", "sleep 600")
        batch.task("then", "true", dependsOn={"taskIds": ["last"]})
        batch.wait_task("first", "running")
        batch.need("POST", "/jobs/j1/disable", {"disableTasks": "requeue"})
        wait_until(lambda: batch.need("GET", "/jobs/j1")["state"] == "disabled", "disabled")
        assert batch.wait_task("first", "active")["executionInfo"]["requeueCount"] == 1
        batch.need("DELETE", "/jobs/j1/tasks/first")
        batch.need("POST", "/jobs/j1/enable")
        batch.task("last", "true")
        assert batch.wait_task("then")["executionInfo"]["startTime"] >= \
            batch.wait_task("last")["executionInfo"]["endTime"]
        batch.need("PATCH", "/jobs/j1", {"onAllTasksComplete": "terminatejob"})
        wait_until(lambda: batch.need("GET", "/jobs/j1")["state"] == "completed", "it ends")
        batch.need("POST", "/jobs", {"id": "own", "poolInfo": {"autoPoolSpecification": {
            "autoPoolIdPrefix": "auto", "poolLifetimeOption": "job", "pool": {
                k: v for k, v in POOL.items() if k != "id"}}}})
        batch.task("t", "true", job="own")
        batch.wait_task("t", job="own")
        batch.need("DELETE", "/jobs/own")
        wait_until(lambda: [p["id"] for p in batch.need("GET", "/pools")["value"]] == ["p1"],
                   "the job's pool went with it")


ASK = """import os, urllib.request
for what in ("scheduledevents?", "instance/compute/name?format=text&"):
    url = f"{os.environ['BEOFARM_METADATA']}/metadata/{what}api-version=2020-07-01"
    print(urllib.request.urlopen(urllib.request.Request(url, headers={"Metadata": "true"})
                                 ).read().decode())
"""


def events(case, batch):
    """What the metadata service of the only node says, asked on the node."""
    batch.task("ask", f"{sys.executable} {case.write('ask.py', ASK)}")
    batch.wait_task("ask")
    said, name = batch.file("ask").splitlines()
    batch.need("DELETE", "/jobs/j1/tasks/ask")
    found = json.loads(said)["Events"]
    assert all(event["Resources"] == [name] for event in found), (found, name)
    return found


@test
def evicted_nodes_requeue_their_tasks_and_come_back_empty(case):
    with Emulator(case) as batch:
        node = batch.pool(targetDedicatedNodes=0, targetLowPriorityNodes=1, taskSlotsPerNode=4)[0]
        assert not node["isDedicated"]
        batch.job()
        batch.task("t1", SH.format("touch $AZ_BATCH_NODE_SHARED_DIR/mark; sleep 600"))
        batch.wait_task("t1", "running")
        wait_until(lambda: batch.ask("GET", f"/pools/p1/nodes/{node['id']}/files/shared/mark")[0] ==
                   200, "the mark is there")
        assert events(case, batch) == []
        batch.own("POST", "/evict", {"pool": "p1", "notice_s": 600})
        event = events(case, batch)[0]
        assert (event["EventType"], event["EventStatus"]) == ("Preempt", "Scheduled"), event
        assert email.utils.parsedate_to_datetime(event["NotBefore"]).timestamp() > time.time()
        batch.own("POST", "/evict", {"node": node["id"]})
        batch.wait_nodes("p1", ["preempted"])
        waiting = batch.wait_task("t1", "active")
        assert waiting["executionInfo"]["requeueCount"] == 1 and "nodeInfo" not in waiting, waiting
        batch.refused(409, "OperationInvalidForCurrentState", "GET",
                      "/jobs/j1/tasks/t1/files/stdout.txt")
        batch.need("POST", "/pools/p1/resize", {"targetLowPriorityNodes": 0})
        batch.wait_nodes("p1", [])
        wait_until(lambda: batch.need("GET", "/pools/p1")["allocationState"] == "steady", "steady")
        batch.need("POST", "/pools/p1/resize", {"targetLowPriorityNodes": 1})
        batch.wait_task("t1", "running")
        node = batch.nodes()[0]
        batch.fault("evict", seconds=0.1, notice_s=0.1, returns_s=0.1)
        wait_until(lambda: batch.need("GET", "/jobs/j1/tasks/t1")["executionInfo"]["requeueCount"] ==
                   2, "it is evicted, though it was announced only just before")
        batch.wait_nodes("p1", ["running"])
        assert batch.nodes()[0]["id"] == node["id"], "a node keeps its name"
        assert batch.wait_task("t1", "running")["executionInfo"]["requeueCount"] == 2


MULTI = SH.format("echo app $AZ_BATCH_HOST_LIST $AZ_BATCH_IS_CURRENT_NODE_MASTER $CCP_NODES; "
                  "cat $AZ_BATCH_TASK_SHARED_DIR/said")
COORDINATION = SH.format("echo coord $AZ_BATCH_IS_CURRENT_NODE_MASTER; "
                         "hostname >$AZ_BATCH_TASK_SHARED_DIR/said")


@test
def multi_instance_tasks_run_on_several_nodes(case):
    with Emulator(case) as batch:
        settings = {"numberOfInstances": 3, "coordinationCommandLine": COORDINATION}
        nodes = batch.pool(targetDedicatedNodes=3, enableInterNodeCommunication=True)
        batch.job()
        batch.task("m", MULTI, multiInstanceSettings=settings)
        done = batch.wait_task("m")
        assert done["executionInfo"]["exitCode"] == 0, batch.file("m", "stderr.txt")
        said = batch.file("m").splitlines()
        addresses = {n["ipAddress"] for n in nodes}
        assert said[0] == "coord true" and said[1].startswith("app "), said
        hosts = said[1].split()[1].split(",")
        assert set(hosts) == addresses and said[1].split()[2:4] == ["true", "3"], said
        subtasks = batch.need("GET", "/jobs/j1/tasks/m/subtasksinfo")["value"]
        assert [s["id"] for s in subtasks] == [1, 2]
        for subtask in subtasks:
            info = subtask["nodeInfo"]
            text = batch.need("GET", f"/pools/p1/nodes/{info['nodeId']}/files/"
                                     f"{info['taskRootDirectory']}/stdout.txt")
            assert (text, subtask["exitCode"]) == (b"coord false\n", 0)
        batch.task("bad", MULTI, multiInstanceSettings={
            **settings, "coordinationCommandLine": SH.format(
                "test $AZ_BATCH_IS_CURRENT_NODE_MASTER = true")})
        done = batch.wait_task("bad")["executionInfo"]
        assert done["result"] == "failure" and "exitCode" not in done, done
        batch.task("many", MULTI, multiInstanceSettings={**settings, "numberOfInstances": 4})
        assert batch.need("GET", "/jobs/j1/tasks/many")["state"] == "active"


@test
def requests_meet_the_faults_that_were_asked_for(case):
    options = ["--fault", "status,status=429,retry_after=7,path=/jobs"]
    with Emulator(case, *options) as batch:
        assert batch.ask("GET", "/pools")[0] == 200, "another path is spared"
        status, headers, data = batch.send("GET", "/jobs?api-version=2025-06-01")
        assert (status, headers["retry-after"]) == (429, "7")
        assert json.loads(data)["code"] == "TooManyRequests"
        batch.fault("drop", method="GET")
        batch.fault("cut", bytes=10)
        for problem in (http.client.RemoteDisconnected, http.client.IncompleteRead):
            try:
                batch.ask("GET", "/pools")
            except problem:
                continue
            raise AssertionError(f"{problem} was expected")
        batch.fault("lost", path="/jobs")
        try:
            batch.job()
        except http.client.RemoteDisconnected:
            pass
        batch.refused(409, "JobExists", "POST", "/jobs", {"id": "j1", "poolInfo": {"poolId": "p"}})
        assert batch.look()["struck"] == {"status": 1, "drop": 1, "cut": 1, "lost": 1}
        status, _, data = batch.send("POST", "/emulator/faults", {"fault": "odd"}, sign=False)
        assert status == 400 and b"a fault is one of" in data


@test
def without_namespaces_nodes_are_addresses(case):
    with Emulator(case, "--nodes", "loopback") as batch:
        nodes = batch.pool(targetDedicatedNodes=2)
        addresses = {n["ipAddress"] for n in nodes}
        assert len(addresses) == 2 and all(a.startswith("127.0.") for a in addresses), addresses
        batch.job()
        batch.task("t1", SH.format("sleep 600 & echo $! $AZ_BATCH_TASK_DIR; "
                                   "echo $BEOFARM_METADATA"))
        batch.wait_task("t1")
        pid, _, folder = batch.file("t1").splitlines()[0].partition(" ")
        assert not harness.alive(pid), "what a task leaves behind ends with it"
        assert folder.startswith(case.folder), folder
        url = batch.file("t1").splitlines()[1]
        with urllib.request.urlopen(urllib.request.Request(
                url + "/metadata/scheduledevents?api-version=2020-07-01",
                headers={"Metadata": "true"}), timeout=150) as answer:
            assert json.load(answer)["Events"] == []


if __name__ == "__main__":
    harness.main(globals())
