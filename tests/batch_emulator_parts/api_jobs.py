"""Operations on jobs."""
from . import shapes
from .jobs import OVER, Job
from .odata import check_expand, element, page
from .pools import check_body
from .routes import route
from .service import check_conditions, touched
from .wire import Answer, Refusal


def need_open(job):
    """A job that may still be changed."""
    if job.state == "completed":
        raise Refusal(409, "JobCompleted", "The specified job is already in a completed state.")
    if job.state in OVER:
        raise Refusal(409, {"terminating": "JobBeingTerminated", "deleting": "JobBeingDeleted"}[
            job.state], f"The specified job is {job.state}.")
    return job


def _active(service):
    return sum(job.state not in ("completed", "deleting") for job in service.jobs.values())


@route("POST", "/jobs")
def job_add(service, request):
    body = request.json()
    shapes.JOB_ADD(body)
    if body["id"].lower() in service.jobs:
        raise Refusal(409, "JobExists", "The specified job already exists.")
    if _active(service) >= service.settings["job_quota"]:
        raise Refusal(409, "ActiveJobAndScheduleQuotaReached", "The active job and job schedule "
                      "quota for the account has been reached.",
                      Quota=service.settings["job_quota"])
    auto = body["poolInfo"].get("autoPoolSpecification")
    if auto:
        check_body(service, auto["pool"])
    job = Job(service, body)
    service.jobs[body["id"].lower()] = job
    service.wake()
    return Answer(201, headers={**job.headers(), "location": job.url})


@route("GET", "/jobs")
def job_list(service, request):
    return page(service, request, list(service.jobs.values()), Job.describe, kind="jobs")


@route("GET", "/jobs/{job}")
def job_get(service, request, job):
    check_expand(request)
    found = check_conditions(request, service.job(job))
    return element(service, request, "jobs", found.describe(), found.headers())


def _change(service, request, job, shape, defaults):
    found = check_conditions(request, need_open(service.job(job)))
    body = request.json()
    shape(body)
    if "poolInfo" in body and body["poolInfo"] != found.body["poolInfo"]:
        if found.state != "disabled" or "poolId" not in body["poolInfo"]:
            raise Refusal(409, "OperationInvalidForCurrentState", Reason="The pool of a job can "
                          "be changed only while the job is disabled.")
        found.pool_id = body["poolInfo"]["poolId"]
    found.body.update({**defaults, **body})
    return touched(found, 200)


@route("PATCH", "/jobs/{job}")
def job_patch(service, request, job):
    return _change(service, request, job, shapes.JOB_PATCH, {})


@route("PUT", "/jobs/{job}")
def job_update(service, request, job):
    return _change(service, request, job, shapes.JOB_UPDATE, {
        "priority": 0, "constraints": {}, "metadata": [], "maxParallelTasks": -1})


@route("POST", "/jobs/{job}/terminate")
def job_terminate(service, request, job):
    found = check_conditions(request, need_open(service.job(job)))
    body = request.json() if request.body else {}
    shapes.JOB_TERMINATE(body)
    found.terminate(body.get("terminateReason", "UserTerminate"))
    return touched(found, 202)


@route("DELETE", "/jobs/{job}")
def job_delete(service, request, job):
    found = service.job(job)
    if found.state == "deleting":
        raise Refusal(409, "JobBeingDeleted", "The specified job is being deleted.")
    check_conditions(request, found)
    found.delete()
    return Answer(202)


@route("POST", "/jobs/{job}/disable")
def job_disable(service, request, job):
    found = check_conditions(request, need_open(service.job(job)))
    body = request.json()
    shapes.JOB_DISABLE(body)
    if found.state != "active":
        raise Refusal(409, "JobDisabled" if found.state == "disabled" else
                      "OperationInvalidForCurrentState", Reason=f"The job is {found.state}.")
    found.disable(body["disableTasks"].lower())
    return touched(found, 202)


@route("POST", "/jobs/{job}/enable")
def job_enable(service, request, job):
    found = check_conditions(request, need_open(service.job(job)))
    if found.state not in ("disabled", "disabling"):
        raise Refusal(409, "OperationInvalidForCurrentState", Reason=f"The job is {found.state}.")
    found.become("enabling")
    return touched(found, 202)


@route("GET", "/jobs/{job}/taskcounts")
def task_counts(service, request, job):
    found = service.job(job)
    return Answer(200, {"odata.metadata": f"{service.base(request)}/$metadata#taskcounts/@Element",
                        "taskCounts": found.counts(), "taskSlotCounts": found.slot_counts()})


@route("GET", "/jobschedules")
def schedule_list(service, request):
    return page(service, request, [], kind="jobschedules")


@route("POST", "/jobschedules")
def schedule_add(_service, _request):
    shapes.absent_here("a schedule", "jobSchedule")
