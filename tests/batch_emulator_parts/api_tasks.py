"""Operations on tasks."""
from . import shapes
from .api_jobs import need_open
from .odata import check_expand, element, page, select
from .routes import route
from .service import check_conditions, touched
from .tasks import Task
from .wire import Answer, Refusal

MOST_TASKS, MOST_BYTES = 100, 1 << 20


def need_task(service, job, task):
    found = service.job(job).tasks.get(task.lower())
    if not found:
        raise Refusal(404, "TaskNotFound", "The specified task does not exist.")
    return found


def _check(service, job, body):
    """What a shape cannot say."""
    shapes.TASK(body)
    pool = service.pools.get(job.pool_id.lower())
    container = pool and "containerConfiguration" in pool.body["virtualMachineConfiguration"]
    if container and "containerSettings" not in body:
        raise Refusal(400, "MissingRequiredProperty",
                      "The pool runs containers: every task needs containerSettings.",
                      PropertyName="containerSettings")
    if "dependsOn" in body and not job.body.get("usesTaskDependencies"):
        raise Refusal(400, "InvalidPropertyValue", PropertyName="dependsOn", Reason="The job does "
                      "not use task dependencies.")
    if len(str(body.get("environmentSettings", ""))) > 1 << 17:
        raise Refusal(413, "RequestEntityTooLarge", PropertyName="environmentSettings")
    if len(body.get("resourceFiles", [])) > 500:
        raise Refusal(413, "RequestEntityTooLarge", "There are too many resource files.")


def _add(service, job, body):
    _check(service, job, body)
    if body["id"].lower() in job.tasks:
        raise Refusal(409, "TaskExists", "The specified task already exists.")
    return job.task_add(body)


def _check_size(request):
    if len(request.body) >= MOST_BYTES:
        raise Refusal(413, "RequestBodyTooLarge", MaxLimit=MOST_BYTES)


@route("POST", "/jobs/{job}/tasks")
def task_add(service, request, job):
    _check_size(request)
    task = _add(service, need_open(service.job(job)), request.json())
    service.wake()
    return Answer(201, headers={**task.headers(), "location": task.url})


@route("POST", "/jobs/{job}/addtaskcollection")
def task_add_collection(service, request, job):
    _check_size(request)
    found, body = need_open(service.job(job)), request.json()
    shapes.Object(value_=shapes.many(shapes.anything))(body)
    if len(body["value"]) > MOST_TASKS:
        raise Refusal(413, "RequestBodyTooLarge", MaxLimit=MOST_TASKS)
    answers = [_add_one(service, request, found, item) for item in body["value"]]
    service.wake()
    # Any order is allowed, and clients must not count on one.
    kind = f"{service.base(request)}/$metadata#taskaddresult"
    return Answer(200, {"odata.metadata": kind, "value": answers[::-1]})


def _add_one(service, request, job, item):
    name = item.get("id", "") if isinstance(item, dict) else ""
    try:
        if service.faults.take("servererror"):
            raise Refusal(500, "InternalError", "Server encountered an internal error. Please try "
                          "again after some time.")
        task = _add(service, job, item)
    except Refusal as refusal:
        error = refusal.body(service.base(request), "none", service.now_text())
        del error["odata.metadata"]
        return {"status": "servererror" if refusal.status >= 500 else "clienterror",
                "taskId": str(name), "error": error}
    headers = task.common()
    return {"status": "success", "taskId": task.id, "eTag": headers["eTag"],
            "lastModified": headers["lastModified"], "location": task.url}


@route("GET", "/jobs/{job}/tasks")
def task_list(service, request, job):
    return page(service, request, list(service.job(job).tasks.values()), Task.describe,
                kind="tasks")


@route("GET", "/jobs/{job}/tasks/{task}")
def task_get(service, request, job, task):
    check_expand(request)
    found = check_conditions(request, need_task(service, job, task))
    return element(service, request, "tasks", found.describe(), found.headers())


@route("PUT", "/jobs/{job}/tasks/{task}")
def task_update(service, request, job, task):
    found = check_conditions(request, need_task(service, job, task))
    body = request.json()
    shapes.TASK_UPDATE(body)
    if found.state == "completed":
        raise Refusal(409, "TaskCompleted", "The specified task is already in a completed state.")
    found.body["constraints"] = body.get("constraints", {})
    return touched(found, 200)


@route("DELETE", "/jobs/{job}/tasks/{task}")
def task_delete(service, request, job, task):
    found = check_conditions(request, need_task(service, job, task))
    found.job.task_delete(found)
    return Answer(200)


@route("POST", "/jobs/{job}/tasks/{task}/terminate")
def task_terminate(service, request, job, task):
    found = check_conditions(request, need_task(service, job, task))
    if found.state == "completed":
        raise Refusal(409, "TaskCompleted", "The specified task is already in a completed state.")
    found.end()
    return touched(found, 204)


@route("POST", "/jobs/{job}/tasks/{task}/reactivate")
def task_reactivate(service, request, job, task):
    found = check_conditions(request, need_task(service, job, task))
    need_open(found.job)
    if found.state != "completed" or found.info["result"] == "success":
        raise Refusal(409, "TaskNotCompleted" if found.state != "completed" else "TaskCompleted",
                      Reason="Only tasks that have failed can be reactivated.")
    found.reactivate()
    return touched(found, 204)


@route("GET", "/jobs/{job}/tasks/{task}/subtasksinfo")
def subtask_list(service, request, job, task):
    found = need_task(service, job, task)
    if not found.is_multi:
        raise Refusal(409, "OperationInvalidForCurrentState", Reason="The task is not a "
                      "multi-instance one.")
    items = [found.describe_subtask(*item) for item in found.subtasks if item[0] > 0]
    return Answer(200, {"odata.metadata": f"{service.base(request)}/$metadata#subtasks",
                        "value": [select(request, item) for item in items]})
