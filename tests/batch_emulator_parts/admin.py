"""What whoever runs the emulator may ask of it, under /emulator/ of the same port, without a key:

    GET  /emulator                   what is there: pools, nodes, jobs, settings, faults
    POST /emulator/faults            a fault (faults.py) to come
    DELETE /emulator/faults          none any more
    POST /emulator/settings          {"clock_ahead_s": 3600, "pool_quota": 0, ...}
    POST /emulator/evict             {"node": ID, or "pool": ID (each of its spot nodes),
                                      "notice_s": 30, "returns_s": 5}
    POST /emulator/kill              {"node": ID}: it turns unusable, with all that ran on it
    GET  /emulator/log               the requests so far: method, url, status (0: none), id, at
"""
import json

from .wire import Answer

SETTINGS_WHOLE = ("page_size", "pool_quota", "job_quota", "dedicated_cores", "spot_cores")


def answer(service, request):
    try:
        body = json.loads(request.body) if request.body else {}
        if not isinstance(body, dict):
            raise ValueError("the body is an object")
        name = (request.method, request.path.rstrip("/"))
        if name not in ACTIONS:
            return Answer(404, {"error": "there is no such thing"})
        return Answer(200, ACTIONS[name](service, body) or {})
    except (ValueError, KeyError) as problem:
        return Answer(400, {"error": str(problem)})


def look(service, _body):
    with service.lock:
        nodes = [{"id": node.id, "pool": pool.id, "host": node.host, "state": node.state,
                  "dedicated": node.dedicated, "life": node.life,
                  "address": node.machine.address if node.machine else None,
                  "tasks": ["/".join(key) for key in node.works]}
                 for pool in service.pools.values() for node in pool.nodes.values()]
        return {"nodes": nodes, "pools": [pool.id for pool in service.pools.values()],
                "jobs": {job.id: job.state for job in service.jobs.values()},
                "settings": service.settings, "faults": service.faults.waiting,
                "struck": service.faults.struck, "kind": service.lan.kind}


def fault_add(service, body):
    service.faults.add(body)


def faults_clear(service, _body):
    service.faults.clear()


def settings_change(service, body):
    for name, value in body.items():
        if name not in service.settings:
            raise ValueError(f"there is no setting {name}")
        kind = int if name in SETTINGS_WHOLE else (int, float)
        if isinstance(value, bool) or not isinstance(value, kind):
            raise ValueError(f"{name} is a number")
    with service.lock:
        service.settings.update(body)
    service.wake()
    return service.settings


def _nodes(service, body):
    with service.lock:
        if "node" in body:
            found = [node for pool in service.pools.values() for node in pool.nodes.values()
                     if node.id == body["node"]]
        else:
            pool = service.pools.get(str(body["pool"]).lower())
            found = [node for node in pool.nodes.values() if not node.dedicated] if pool else []
    if not found:
        raise ValueError("there is no such node")
    return found


def evict(service, body):
    nodes = _nodes(service, body)
    for node in nodes:
        if "notice_s" in body and node.metadata:
            with service.lock:
                node.metadata.announce(service.now() + float(body["notice_s"]),
                                       body.get("returns_s"))
        else:
            node.evict(body.get("returns_s"))
    return {"evicted": [node.id for node in nodes]}


def kill(service, body):
    for node in _nodes(service, body):
        node.fail()


def log(service, _body):
    with service.lock:
        return {"requests": list(service.log)}


ACTIONS = {("GET", "/emulator"): look, ("POST", "/emulator/faults"): fault_add,
           ("DELETE", "/emulator/faults"): faults_clear,
           ("POST", "/emulator/settings"): settings_change, ("POST", "/emulator/evict"): evict,
           ("POST", "/emulator/kill"): kill, ("GET", "/emulator/log"): log}
