"""Files from and to blobs, by URLs that carry their permission (SAS), over HTTP."""
import fnmatch
import os
import re
import shutil
import urllib.error
import urllib.parse
import urllib.request
import xml.etree.ElementTree

VERSION = "2021-12-02"
TIMEOUT_S = 300
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Failure(Exception):
    """A task's failureInfo."""

    def __init__(self, code, message, category="usererror", **details):
        super().__init__(code)
        self.info = {"category": category, "code": code, "message": message,
                     "details": [{"name": k, "value": str(v)} for k, v in details.items()]}


def bare(url):
    """An URL without its secret."""
    return url.partition("?")[0]


def _ask(url, method="GET", body=None, headers=None):
    request = urllib.request.Request(url, data=body, method=method,
                                     headers={"x-ms-version": VERSION, **(headers or {})})
    return _opener.open(request, timeout=TIMEOUT_S)


def blob_url(container_url, name):
    base, _, query = container_url.partition("?")
    url = f"{base.rstrip('/')}/{urllib.parse.quote(name)}"
    return f"{url}?{query}" if query else url


def _status(problem):
    return problem.code if isinstance(problem, urllib.error.HTTPError) else 0


def _refused(problem, url, what):
    names = {403: f"{what}AccessDenied", 401: f"{what}AccessDenied", 404: f"{what}NotFound"}
    reason = problem.headers.get("x-ms-error-code", problem.reason) if \
        isinstance(problem, urllib.error.HTTPError) else problem
    return names.get(_status(problem)), {"HttpStatusCode": _status(problem),
                                         "FilePath": bare(url), "Reason": reason}


def fetch(url, path, mode=None):
    """A file from an URL."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    try:
        with _ask(url) as answer, open(path, "wb") as file:
            shutil.copyfileobj(answer, file, 1 << 20)
    except (OSError, ValueError) as problem:
        code, details = _refused(problem, url, "Blob")
        raise Failure(code or "BlobDownloadMiscError", "The resource file could not be "
                      "downloaded.", **details) from None
    os.chmod(path, int(mode, 8) if mode else 0o770)


def blob_names(container_url, prefix=""):
    """All blobs of a container that begin with the prefix."""
    base, _, query = container_url.partition("?")
    marker = ""
    while True:
        url = (f"{base}?restype=container&comp=list&prefix={urllib.parse.quote(prefix, safe='')}"
               f"&marker={urllib.parse.quote(marker, safe='')}&{query}")
        try:
            with _ask(url) as answer:
                tree = xml.etree.ElementTree.fromstring(answer.read())
        except (OSError, ValueError, xml.etree.ElementTree.ParseError) as problem:
            code, details = _refused(problem, base, "BlobContainer")
            raise Failure(code or "BlobDownloadMiscError", "The container could not be listed.",
                          **details) from None
        for item in tree.iter("Blob"):
            yield item.findtext("Name")
        marker = tree.findtext("NextMarker") or ""
        if not marker:
            return


def container_of(item, auto_storage):
    if "storageContainerUrl" in item:
        return item["storageContainerUrl"]
    if not auto_storage:
        raise Failure("AutoStorageNotConfigured", "The account has no auto-storage account.")
    return blob_url(auto_storage, item["autoStorageContainerName"])


def resources_fetch(resources, folder, service, pool):
    """All resource files of a command into a folder."""
    for item in resources or []:
        if service.faults.take("expired-sas", pool=pool,
                               fits=lambda fault: fault.get("kind", "get") == "get"):
            raise Failure("BlobAccessDenied", "One of the specified Azure Blob(s) is not "
                          "accessible.", HttpStatusCode=403, FilePath=item.get("filePath", ""),
                          Reason="Signature not valid in the specified time frame")
        if "httpUrl" in item:
            fetch(item["httpUrl"], inside(folder, item["filePath"]), item.get("fileMode"))
            continue
        container = container_of(item, service.options.auto_storage)
        for name in blob_names(container, item.get("blobPrefix", "")):
            fetch(blob_url(container, name),
                  inside(folder, os.path.join(item.get("filePath", ""), name)),
                  item.get("fileMode"))


def inside(folder, name):
    path = os.path.normpath(os.path.join(folder, name))
    if not path.startswith(os.path.normpath(folder) + os.sep):
        raise Failure("InvalidFilePath", "A resource file would leave its folder.", FilePath=name)
    return path


# --- output files --------------------------------------------------------------------------------


def _pattern(text):
    """A regular expression for Batch's wildcards: ** any folders, * and ? within a name."""
    found = ""
    for part in re.split(r"(\*\*/?|\*|\?|\[[^]]*\])", text):
        if part.startswith("**"):
            found += "(?:.*/)?" if part.endswith("/") else ".*"
        elif part in ("*", "?"):
            found += "[^/]*" if part == "*" else "[^/]"
        elif part.startswith("["):
            found += fnmatch.translate(part)[4:].rpartition(")")[0]
        else:
            found += re.escape(part)
    return re.compile(found)


def matches(pattern, folder):
    """[(path, name below the pattern's fixed folder)] of files; `folder` is the task's wd."""
    whole = os.path.normpath(os.path.join(folder, pattern.replace("\\", "/")))
    fixed = re.split(r"[*?\[]", whole)[0].rpartition("/")[0]
    expression = _pattern(whole)
    for where, _, names in os.walk(fixed):
        for name in sorted(names):
            path = os.path.join(where, name)
            if expression.fullmatch(path) and os.path.isfile(path):
                yield path, os.path.relpath(path, fixed)


def outputs_upload(outputs, folder, succeeded, service, pool):
    """Upload what the conditions want; `folder` is the task's working directory."""
    for item in outputs or []:
        condition = item["uploadOptions"]["uploadCondition"].lower()
        if condition not in ("taskcompletion", "tasksuccess" if succeeded else "taskfailure"):
            continue
        if service.faults.take("expired-sas", pool=pool,
                               fits=lambda fault: fault.get("kind", "put") == "put"):
            raise Failure("FileUploadAccessDenied", "Access to the container was denied.",
                          HttpStatusCode=403, Reason="Signature not valid in the specified time "
                          "frame")
        destination = item["destination"]["container"]
        wild = re.search(r"[*?\[]", item["filePattern"])
        for path, name in matches(item["filePattern"], folder):
            prefix = destination.get("path", "")
            blob = f"{prefix.rstrip('/')}/{name}" if wild and prefix else prefix or name
            _upload(blob_url(destination["containerUrl"], blob), path)


def _upload(url, path):
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            _ask(url, "PUT", file if size else b"",
                 {"x-ms-blob-type": "BlockBlob", "content-length": str(size),
                  "content-type": "application/octet-stream"}).close()
    except (OSError, ValueError) as problem:
        code = {403: "FileUploadAccessDenied", 404: "FileUploadContainerNotFound"}
        raise Failure(code.get(_status(problem), "FileUploadMiscError"),
                      "A file could not be uploaded.",
                      **_refused(problem, url, "")[1]) from None
