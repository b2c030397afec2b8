"""Operations on pools."""
from . import shapes
from .odata import check_expand, element, page
from .pools import RESIZE_S, Pool, check_body, check_formula
from .routes import route
from .service import check_conditions, touched
from .wire import Answer, Refusal

AUTOSCALE_PAUSE_S = 30


def need_active(pool):
    if pool.state == "deleting":
        raise Refusal(409, "PoolBeingDeleted", "The specified pool is being deleted.")
    return pool


def need_steady(pool):
    if need_active(pool).allocation != "steady":
        raise Refusal(409, "PoolBeingResized", "The specified pool is being resized.")
    return pool


def need_manual(pool):
    if pool.autoscaled:
        raise Refusal(409, "OperationInvalidForCurrentState", Reason="The pool has autoscale "
                      "enabled; disable it first.")
    return pool


@route("POST", "/pools")
def pool_add(service, request):
    body = request.json()
    shapes.POOL_ADD(body)
    if body["id"].lower() in service.pools:
        raise Refusal(409, "PoolExists", "The specified pool already exists.")
    if len(service.pools) >= service.settings["pool_quota"]:
        raise Refusal(409, "PoolQuotaReached", "The pool quota for the account has been reached.",
                      Quota=service.settings["pool_quota"])
    check_body(service, body)
    pool = Pool(service, body)
    service.pools[body["id"].lower()] = pool
    service.wake()
    return Answer(201, headers={**pool.headers(), "location": pool.url})


@route("GET", "/pools")
def pool_list(service, request):
    return page(service, request, list(service.pools.values()), Pool.describe, kind="pools")


@route("GET", "/pools/{pool}")
def pool_get(service, request, pool):
    check_expand(request)
    found = check_conditions(request, service.pool(pool))
    return element(service, request, "pools", found.describe(), found.headers())


@route("HEAD", "/pools/{pool}")
def pool_exists(service, request, pool):
    found = check_conditions(request, service.pool(pool))
    return Answer(200, headers=found.headers())


@route("PATCH", "/pools/{pool}")
def pool_patch(service, request, pool):
    found = check_conditions(request, need_active(service.pool(pool)))
    body = request.json()
    shapes.POOL_PATCH(body)
    found.body.update(body)
    return touched(found, 200)


@route("POST", "/pools/{pool}/updateproperties")
def pool_update(service, request, pool):
    found = need_active(service.pool(pool))
    body = request.json()
    shapes.POOL_PATCH(body)
    for name in ("startTask", "metadata", "applicationPackageReferences"):
        found.body.pop(name, None)
    found.body.update(body)
    return touched(found, 204)


@route("DELETE", "/pools/{pool}")
def pool_delete(service, request, pool):
    found = check_conditions(request, need_active(service.pool(pool)))
    found.delete()
    return Answer(202)


@route("POST", "/pools/{pool}/resize")
def pool_resize(service, request, pool):
    found = check_conditions(request, service.pool(pool))
    body = request.json()
    shapes.RESIZE(body)
    need_steady(need_manual(need_active(found)))
    if "targetDedicatedNodes" not in body and "targetLowPriorityNodes" not in body:
        raise Refusal(400, "MissingRequiredProperty", PropertyName="targetDedicatedNodes")
    found.dedicated = body.get("targetDedicatedNodes", found.dedicated)
    found.spot = body.get("targetLowPriorityNodes", found.spot)
    found.resize_begin(body.get("resizeTimeout", RESIZE_S),
                       body.get("nodeDeallocationOption", "requeue").lower())
    return touched(found, 202)


@route("POST", "/pools/{pool}/stopresize")
def pool_stop_resize(service, request, pool):
    found = check_conditions(request, need_active(service.pool(pool)))
    if found.allocation != "resizing":
        raise Refusal(409, "OperationInvalidForCurrentState",
                      Reason="The pool is not being resized.")
    found.allocation_become("stopping")
    found.dedicated, found.spot = len(found.counts(True)), len(found.counts(False))
    return touched(found, 202)


@route("POST", "/pools/{pool}/enableautoscale")
def autoscale_enable(service, request, pool):
    found = check_conditions(request, need_active(service.pool(pool)))
    body = request.json()
    shapes.ENABLE_AUTOSCALE(body)
    if not found.autoscaled and "autoScaleFormula" not in body:
        raise Refusal(400, "MissingRequiredProperty", PropertyName="autoScaleFormula")
    if "autoScaleFormula" in body:
        check_formula(body["autoScaleFormula"])
    if not found.autoscaled:
        need_steady(found)
    pause = service.hurried(AUTOSCALE_PAUSE_S)
    if found.enabled_at and service.now() - found.enabled_at < pause:
        refusal = Refusal(503, "TooManyEnableAutoScaleRequests", "There have been too many "
                          "requests to enable automatic scaling on the pool recently.")
        refusal.headers["retry-after"] = str(max(1, round(pause)))
        raise refusal
    found.body.update(body, enableAutoScale=True)
    found.body.pop("resizeTimeout", None)
    found.enabled_at, found.evaluated_at = service.now(), None
    return touched(found, 200)


@route("POST", "/pools/{pool}/disableautoscale")
def autoscale_disable(service, request, pool):
    found = check_conditions(request, need_active(service.pool(pool)))
    found.body["enableAutoScale"] = False
    for name in ("autoScaleFormula", "autoScaleEvaluationInterval"):
        found.body.pop(name, None)
    found.run = None
    return touched(found, 200)


@route("POST", "/pools/{pool}/evaluateautoscale")
def autoscale_evaluate(service, request, pool):
    found = need_active(service.pool(pool))
    body = request.json()
    shapes.EVALUATE_AUTOSCALE(body)
    if not found.autoscaled:
        raise Refusal(409, "OperationInvalidForCurrentState", Reason="The pool has no autoscale "
                      "enabled.")
    check_formula(body["autoScaleFormula"])
    run, _ = found.run_of(body["autoScaleFormula"])
    return Answer(200, {"odata.metadata": f"{service.base(request)}/$metadata#AutoScaleRun", **run},
                  found.headers())


@route("POST", "/pools/{pool}/removenodes")
def nodes_remove(service, request, pool):
    found = check_conditions(request, service.pool(pool))
    body = request.json()
    shapes.REMOVE_NODES(body)
    need_steady(found)
    unknown = [name for name in body["nodeList"] if name not in found.nodes]
    if unknown:
        raise Refusal(404, "NodeNotFound", NodeId=unknown[0])
    nodes = [found.nodes[name] for name in set(body["nodeList"])]
    option = body.get("nodeDeallocationOption", "requeue").lower()
    found.dedicated -= sum(node.dedicated for node in nodes)
    found.spot -= sum(not node.dedicated for node in nodes)
    found.dedicated, found.spot = max(0, found.dedicated), max(0, found.spot)
    for node in nodes:
        node.leave(option)
    found.resize_begin(body.get("resizeTimeout", RESIZE_S), option)
    return touched(found, 202)


@route("GET", "/nodecounts")
def node_counts(service, request):
    return page(service, request, list(service.pools.values()), _counts, most=10,
                kind="nodecounts")


COUNTED = {"startTaskFailed": "starttaskfailed", "leavingPool": "leavingpool",
           "waitingForStartTask": "waitingforstarttask", "upgradingOS": "upgradingos"}
PLAIN = ("creating", "idle", "offline", "preempted", "rebooting", "reimaging", "running", "starting",
         "unknown", "unusable")


def _counts(pool):
    found = {"poolId": pool.id}
    for name, dedicated in (("dedicated", True), ("lowPriority", False)):
        states = [node.state for node in pool.counts(dedicated)]
        found[name] = {**{n: states.count(n) for n in PLAIN},
                       **{n: states.count(state) for n, state in COUNTED.items()},
                       "total": len(states)}
    return found


@route("GET", "/poolusagemetrics")
def usage_list(service, request):
    return page(service, request, [], kind="poolusagemetrics")


@route("GET", "/applications")
def applications_list(service, request):
    return page(service, request, _applications(service), kind="applications")


@route("GET", "/applications/{application}")
def application_get(service, _request, application):
    for item in _applications(service):
        if item["id"].lower() == application.lower():
            return Answer(200, item)
    raise Refusal(404, "ApplicationNotFound", "The specified application does not exist.")


def _applications(service):
    found = {}
    for name, version in service.options.packages:
        found.setdefault(name, []).append(version)
    return [{"id": name, "displayName": name, "versions": versions}
            for name, versions in found.items()]
