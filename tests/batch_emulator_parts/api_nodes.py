"""Operations on nodes."""
from .nodes import Node
from .odata import element, page
from .routes import route
from .shapes import Object, one_of
from .wire import Answer, Refusal

CHOICES = ("requeue", "terminate", "taskcompletion", "retaineddata")


def need_node(service, pool, node):
    found = service.pool(pool).nodes.get(node)
    if not found:
        raise Refusal(404, "NodeNotFound", "The specified node does not exist.")
    return found


@route("GET", "/pools/{pool}/nodes")
def node_list(service, request, pool):
    return page(service, request, list(service.pool(pool).nodes.values()), Node.describe,
                kind="nodes")


@route("GET", "/pools/{pool}/nodes/{node}")
def node_get(service, request, pool, node):
    found = need_node(service, pool, node).describe()
    return element(service, request, "nodes", found)


def _restart(service, request, node, name, state, wipe):
    body = request.json() if request.body else {}
    Object(**{name: one_of(*CHOICES)})(body)
    if node.state not in ("idle", "running", "starttaskfailed", "unusable", "offline"):
        raise Refusal(409, "OperationInvalidForCurrentState",
                      Reason=f"The node is {node.state}.")
    node.restart(state, body.get(name, "requeue").lower(), wipe)
    service.wake()
    return Answer(202, headers={"dataserviceid": request.path})


@route("POST", "/pools/{pool}/nodes/{node}/reboot")
def node_reboot(service, request, pool, node):
    return _restart(service, request, need_node(service, pool, node), "nodeRebootOption",
                    "rebooting", False)


@route("POST", "/pools/{pool}/nodes/{node}/reimage")
def node_reimage(service, request, pool, node):
    return _restart(service, request, need_node(service, pool, node), "nodeReimageOption",
                    "reimaging", True)


@route("POST", "/pools/{pool}/nodes/{node}/disablescheduling")
def scheduling_disable(service, request, pool, node):
    found = need_node(service, pool, node)
    body = request.json() if request.body else {}
    Object(nodeDisableSchedulingOption=one_of(*CHOICES[:3]))(body)
    option = body.get("nodeDisableSchedulingOption", "requeue").lower()
    found.scheduling = False
    if option != "taskcompletion":
        for work in list(found.works.values()):
            if option == "terminate":
                work.task.end()
            else:
                work.task.again("requeue")
                work.abandon()
    return Answer(200, headers={"dataserviceid": request.path})


@route("POST", "/pools/{pool}/nodes/{node}/enablescheduling")
def scheduling_enable(service, request, pool, node):
    need_node(service, pool, node).scheduling = True
    service.wake()
    return Answer(200, headers={"dataserviceid": request.path})


@route("GET", "/pools/{pool}/nodes/{node}/remoteloginsettings")
def login_settings(service, _request, pool, node):
    found = need_node(service, pool, node)
    if not found.machine:
        raise Refusal(409, "NodeNotReady", "The node is not ready yet.")
    return Answer(200, {"remoteLoginIPAddress": found.machine.address, "remoteLoginPort": 22})
