"""Files of tasks and nodes: listed, measured, read by ranges, deleted."""
import email.utils
import os
import shutil
import urllib.parse

from .api_nodes import need_node
from .api_tasks import need_task
from .odata import page
from .routes import route
from .service import missed_date
from .wire import Answer, Refusal, time_text

READ_MOST = 256 << 20
TYPES = {".txt": "text/plain", ".json": "application/json", ".csv": "text/csv",
         ".html": "text/html", ".xml": "application/xml"}


def _task_folder(service, job, task):
    found = need_task(service, job, task)
    if found.cleaned:
        raise Refusal(409, "TaskFilesCleanedup", "The files of the specified task are cleaned up.")
    if found.node is None:
        raise Refusal(409, "OperationInvalidForCurrentState", Reason="The task has not run yet: "
                      "it is on no node.")
    if found.node.machine is None:
        raise Refusal(409, "TaskFilesUnavailable", "The files of the specified task are "
                      "unavailable: its node is not there.")
    folder = found.folder()
    if not folder:
        raise Refusal(404, "FileNotFound", "The specified file does not exist.")
    return folder, f"{found.url}/files"


def _node_folder(service, pool, node):
    found = need_node(service, pool, node)
    if found.machine is None or found.state in ("creating", "starting"):
        raise Refusal(409, "NodeNotReady", "The specified operation cannot be performed: the node "
                      "is not ready.", NodeState=found.state)
    return found.tasks_folder, f"{service.url}/pools/{pool}/nodes/{node}/files"


def _inside(folder, name):
    path = os.path.normpath(os.path.join(folder, name))
    real = os.path.realpath(path)
    if not os.path.exists(path) or not (real + os.sep).startswith(os.path.realpath(folder) + os.sep):
        raise Refusal(404, "FileNotFound", "The specified file does not exist.")
    return path


def _properties(service, path, folder):
    stat = os.stat(path)
    found = {"creationTime": time_text(stat.st_ctime), "lastModified": time_text(stat.st_mtime),
             "contentLength": 0 if folder else stat.st_size,
             "contentType": TYPES.get(os.path.splitext(path)[1], "application/octet-stream"),
             "fileMode": f"0o{stat.st_mode:o}"}
    if service.options.int64_strings:
        found["contentLength"] = str(found["contentLength"])
    return found


def _walk(folder, recursive):
    for where, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted(folders + files):
            yield os.path.join(where, name)
        if not recursive:
            return


def _list(service, request, folder, url):
    def describe(path):
        name, is_folder = os.path.relpath(path, folder), os.path.isdir(path)
        item = {"name": name, "url": f"{url}/{urllib.parse.quote(name)}", "isDirectory": is_folder}
        if not is_folder:
            item["properties"] = _properties(service, path, False)
        return item

    recursive = request.get("recursive", "false").lower() == "true"
    paths = [p for p in _walk(folder, recursive) if os.path.exists(p)]
    return page(service, request, paths, describe, kind="files")


def _head(service, path, url, name):
    is_folder = os.path.isdir(path)
    known = _properties(service, path, is_folder)
    stat = os.stat(path)
    return {"content-length": known["contentLength"], "content-type": known["contentType"],
            "last-modified": email.utils.formatdate(stat.st_mtime, usegmt=True),
            "ocp-creation-time": email.utils.formatdate(stat.st_ctime, usegmt=True),
            "ocp-batch-file-isdirectory": str(is_folder), "ocp-batch-file-mode": known["fileMode"],
            "ocp-batch-file-url": urllib.parse.quote(f"{url}/{name}", safe="")}


def _conditions(request, path):
    missed = missed_date(request, os.stat(path).st_mtime)
    if missed:
        raise Refusal(304 if missed == "if-modified-since" else 412, "ConditionNotMet")


def _measure(service, request, owner, name):
    folder, url = owner
    path = _inside(folder, name)
    _conditions(request, path)
    return Answer(200, headers=_head(service, path, url, name))


def _read(service, request, owner, name):
    folder, url = owner
    path = _inside(folder, name)
    _conditions(request, path)
    if os.path.isdir(path):
        raise Refusal(409, "OperationInvalidForCurrentState", Reason="A folder cannot be read.")
    headers = _head(service, path, url, name)
    wanted = request.range()
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if wanted and wanted[0] >= size:
            raise Refusal(416, "InvalidRange", "The range specified is invalid for the current "
                          "size of the file.")
        first, last = wanted or (0, None)
        last = size - 1 if last is None else min(last, size - 1)
        if last - first + 1 > READ_MOST:
            last = first + READ_MOST - 1
        file.seek(first)
        body = file.read(last - first + 1)
    del headers["content-length"]
    return Answer(200, body, headers)  # the service says 200 to ranges, too


def _delete(request, owner, name):
    path = _inside(owner[0], name)
    if os.path.isdir(path) and not os.path.islink(path):
        if os.listdir(path) and request.get("recursive", "false").lower() != "true":
            raise Refusal(409, "DirectoryNotEmpty", "The folder is not empty.")
        shutil.rmtree(path)
    else:
        os.unlink(path)
    return Answer(200)


def _serve(prefix, folder_of):
    """The files of what stands at `prefix`, in the folder of its names."""

    @route("GET", prefix + "/files")
    def _(service, request, **owner):
        return _list(service, request, *folder_of(service, **owner))

    @route("GET", prefix + "/files/{name*}")
    def _(service, request, name, **owner):
        return _read(service, request, folder_of(service, **owner), name)

    @route("HEAD", prefix + "/files/{name*}")
    def _(service, request, name, **owner):
        return _measure(service, request, folder_of(service, **owner), name)

    @route("DELETE", prefix + "/files/{name*}")
    def _(service, request, name, **owner):
        return _delete(request, folder_of(service, **owner), name)


_serve("/jobs/{job}/tasks/{task}", _task_folder)
_serve("/pools/{pool}/nodes/{node}", _node_folder)
