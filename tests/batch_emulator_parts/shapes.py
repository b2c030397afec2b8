"""What bodies may hold: checked as the service does, with its codes.

A shape is a function of (value, path) that raises a Refusal. `Object` gives names their shapes;
a name that the REST API has but that is not emulated has the shape `absent_here`, which says so:
nothing is taken and ignored.
"""
import re

from . import wire
from .wire import Refusal

ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def _bad(path, value, why):
    return Refusal(400, "InvalidPropertyValue", "The value provided for one of the properties in "
                   "the request body is invalid.", PropertyName=path,
                   PropertyValue=str(value)[:200], Reason=why)


def identifier(value, path):
    if not isinstance(value, str) or not ID.fullmatch(value):
        raise _bad(path, value, "An id has 1 to 64 letters, digits, '-' and '_'.")


def absent_here(value, path):
    if value not in (None, [], {}, False, ""):
        raise Refusal(400, "InvalidPropertyValue", f"batch_emulator does not emulate {path}.",
                      PropertyName=path, Reason="NotEmulated")


def anything(_value, _path):
    pass


def text(value, path):
    if not isinstance(value, str):
        raise Refusal(400, "InvalidRequestBody", PropertyName=path, Reason="A string is wanted.")


def word(most):
    def check(value, path):
        text(value, path)
        if not 1 <= len(value) <= most:
            raise _bad(path, value, f"1 to {most} characters are wanted.")
    return check


def boolean(value, path):
    if not isinstance(value, bool):
        raise Refusal(400, "InvalidRequestBody", PropertyName=path, Reason="A boolean is wanted.")


def integer(least, most=2**31 - 1):
    def check(value, path):
        if isinstance(value, bool) or not isinstance(value, int):
            raise Refusal(400, "InvalidRequestBody", PropertyName=path,
                          Reason="An integer is wanted.")
        if not least <= value <= most:
            raise _bad(path, value, f"{least} to {most} is allowed.")
    return check


def duration(least_s=0, most_s=float("inf")):
    def check(value, path):
        text(value, path)
        try:
            seconds = wire.duration_read(value)
        except ValueError as problem:
            raise Refusal(400, "InvalidRequestBody", PropertyName=path,
                          Reason=str(problem)) from None
        if not least_s <= seconds <= most_s:
            raise _bad(path, value, f"{least_s} to {most_s} seconds are allowed.")
    return check


def one_of(*names):
    def check(value, path):
        text(value, path)
        if value.lower() not in (name.lower() for name in names):
            raise _bad(path, value, f"One of {', '.join(names)} is wanted.")
    return check


def many(shape, most=None):
    def check(value, path):
        if not isinstance(value, list):
            raise Refusal(400, "InvalidRequestBody", PropertyName=path, Reason="An array is wanted.")
        if most is not None and len(value) > most:
            raise _bad(path, len(value), f"At most {most} are allowed.")
        for number, item in enumerate(value):
            shape(item, f"{path}[{number}]")
    return check


class Object:
    """An object with these members; names that end in "_" are required."""

    def __init__(self, rule=None, **members):
        self.rule = rule  # a further check of the whole
        self.members = {name.rstrip("_"): shape for name, shape in members.items()}
        self.required = [name.rstrip("_") for name in members if name.endswith("_")]

    def __call__(self, value, path=""):
        if not isinstance(value, dict):
            raise Refusal(400, "InvalidRequestBody", PropertyName=path,
                          Reason="An object is wanted.")
        for name in [n for n, item in value.items() if item is None]:
            del value[name]  # null is absent
        dot = f"{path}." if path else ""
        for name in value:
            if name not in self.members:
                raise Refusal(400, "InvalidRequestBody", PropertyName=dot + name,
                              Reason=f"The property '{dot}{name}' does not exist on this type.")
        for name in self.required:
            if name not in value:
                raise Refusal(400, "MissingRequiredProperty", "A required property was not "
                              "specified in the request body.", PropertyName=dot + name)
        for name, item in value.items():
            self.members[name](item, dot + name)
        if self.rule:
            self.rule(value, path)


# --- what pools, jobs and tasks share ---------------------------------------------------------------


def _resource_rule(value, path):
    ways = [n for n in ("httpUrl", "storageContainerUrl", "autoStorageContainerName")
            if n in value]
    if len(ways) != 1:
        raise _bad(path, ways, "Exactly one of httpUrl, storageContainerUrl and "
                               "autoStorageContainerName is wanted.")
    if ways == ["httpUrl"] and "filePath" not in value:
        raise Refusal(400, "MissingRequiredProperty", PropertyName=f"{path}.filePath")
    if "blobPrefix" in value and ways == ["httpUrl"]:
        raise _bad(f"{path}.blobPrefix", value["blobPrefix"], "It does not go with httpUrl.")


def _octal(value, path):
    text(value, path)
    if not re.fullmatch(r"0?[0-7]{3,4}", value):
        raise _bad(path, value, "An octal file mode is wanted.")


IDENTITY = absent_here  # managed identities in place of SAS
ENVIRONMENT = many(Object(name_=word(500), value=text))
RESOURCES = many(Object(_resource_rule, httpUrl=word(8192), storageContainerUrl=word(8192),
                        autoStorageContainerName=word(63), blobPrefix=text, filePath=word(1024),
                        fileMode=_octal, identityReference=IDENTITY))
OUTPUTS = many(Object(
    filePattern_=word(1024),
    destination_=Object(container_=Object(containerUrl_=word(8192), path=text,
                                          identityReference=IDENTITY,
                                          uploadHeaders=absent_here)),
    uploadOptions_=Object(uploadCondition_=one_of("tasksuccess", "taskfailure",
                                                  "taskcompletion"))))
USER = Object(username=absent_here,
              autoUser=Object(scope=one_of("task", "pool"),
                              elevationLevel=one_of("nonadmin", "admin")))
METADATA = many(Object(name_=word(256), value_=text))
CONSTRAINTS = Object(maxWallClockTime=duration(0), retentionTime=duration(0),
                     maxTaskRetryCount=integer(-1))
PACKAGES = many(Object(applicationId_=word(1000), version=word(64)), 10)
REGISTRY = Object(registryServer=word(1000), username=word(1000), password=text,
                  identityReference=absent_here)
CONTAINER = Object(imageName_=word(1000), containerRunOptions=text, registry=REGISTRY,
                   workingDirectory=one_of("taskWorkingDirectory", "containerImageDefault"),
                   containerHostBatchBindMounts=absent_here)

# A command: what start tasks, tasks and job managers have in common.
COMMAND = {"commandLine_": word(32768), "resourceFiles": RESOURCES,
           "environmentSettings": ENVIRONMENT, "userIdentity": USER,
           "containerSettings": CONTAINER}
START_TASK = Object(**COMMAND, maxTaskRetryCount=integer(-1), waitForSuccess=boolean)

EXIT = Object(jobAction=one_of("none", "disable", "terminate"),
              dependencyAction=one_of("satisfy", "block"))
TASK = Object(
    **COMMAND, id_=identifier, displayName=word(1024), outputFiles=OUTPUTS,
    constraints=CONSTRAINTS, requiredSlots=integer(1, 1024), applicationPackageReferences=PACKAGES,
    affinityInfo=Object(affinityId_=word(1000)), authenticationTokenSettings=absent_here,
    exitConditions=Object(
        exitCodes=many(Object(code_=integer(-2**31), exitOptions_=EXIT)),
        exitCodeRanges=many(Object(start_=integer(-2**31), end_=integer(-2**31),
                                   exitOptions_=EXIT)),
        preProcessingError=EXIT, fileUploadError=EXIT, default=EXIT),
    dependsOn=Object(taskIds=many(identifier),
                     taskIdRanges=many(Object(start_=integer(0), end_=integer(0)))),
    multiInstanceSettings=Object(numberOfInstances=integer(1, 1000),
                                 coordinationCommandLine_=word(32768),
                                 commonResourceFiles=RESOURCES))
TASK_UPDATE = Object(constraints=CONSTRAINTS)


def _vm_size(value, path):
    text(value, path)
    if cores_of(value) is None:
        raise _bad(path, value, "The specified VM size is not supported.")


def cores_of(size):
    """Of "Standard_D2s_v3": the number after the family's letters."""
    match = re.fullmatch(r"(?:standard|basic)_[a-z]+?(\d+)(-\d+)?[a-z]*(_\w+)?", size.lower())
    return int(match[1]) if match else None


def _pool_rule(value, path):
    dot = f"{path}." if path else ""
    if value.get("enableAutoScale"):
        for name in ("targetDedicatedNodes", "targetLowPriorityNodes", "resizeTimeout"):
            if name in value:
                raise _bad(dot + name, value[name], "It does not go with enableAutoScale.")
        if "autoScaleFormula" not in value:
            raise Refusal(400, "MissingRequiredProperty", PropertyName=dot + "autoScaleFormula")
    elif "autoScaleFormula" in value or "autoScaleEvaluationInterval" in value:
        raise _bad(dot + "autoScaleFormula", value.get("autoScaleFormula"),
                   "It needs enableAutoScale.")
    slots, cores = value.get("taskSlotsPerNode", 1), cores_of(value["vmSize"])
    if slots > min(4 * cores, 256):
        raise _bad(dot + "taskSlotsPerNode", slots, f"{value['vmSize']} has {cores} cores: at "
                   f"most {min(4 * cores, 256)} are allowed.")


IMAGE = Object(publisher=word(200), offer=word(200), sku=word(200), version=word(64),
               virtualMachineImageId=word(1000), communityGalleryImageId=word(1000),
               sharedGalleryImageId=word(1000))
POOL = {
    "displayName": word(1024), "vmSize_": _vm_size,
    "virtualMachineConfiguration_": Object(
        imageReference_=IMAGE, nodeAgentSKUId_=word(200), nodePlacementConfiguration=anything,
        osDisk=anything, dataDisks=absent_here, licenseType=text, extensions=absent_here,
        diskEncryptionConfiguration=absent_here, windowsConfiguration=absent_here,
        securityProfile=anything, serviceArtifactReference=absent_here,
        containerConfiguration=Object(type_=one_of("dockerCompatible", "criCompatible"),
                                      containerImageNames=many(word(1000)),
                                      containerRegistries=many(REGISTRY))),
    "resizeTimeout": duration(300, 168 * 3600), "targetDedicatedNodes": integer(0, 10000),
    "targetLowPriorityNodes": integer(0, 10000), "enableAutoScale": boolean,
    "autoScaleFormula": text, "autoScaleEvaluationInterval": duration(300, 168 * 3600),
    "enableInterNodeCommunication": boolean, "networkConfiguration": anything,
    "startTask": START_TASK, "applicationPackageReferences": PACKAGES,
    "taskSlotsPerNode": integer(1, 256),
    "taskSchedulingPolicy": Object(nodeFillType_=one_of("spread", "pack"),
                                   jobDefaultOrder=anything),
    "userAccounts": absent_here, "metadata": METADATA, "mountConfiguration": absent_here,
    "certificateReferences": absent_here, "applicationLicenses": absent_here,
    "cloudServiceConfiguration": absent_here, "upgradePolicy": anything,
    "resourceTags": absent_here, "targetNodeCommunicationMode": one_of("default", "simplified"),
}
POOL_ADD = Object(_pool_rule, id_=identifier, **POOL)
POOL_SPECIFICATION = Object(_pool_rule, **POOL)
POOL_PATCH = Object(**{name: POOL[name] for name in (
    "displayName", "startTask", "applicationPackageReferences", "metadata",
    "enableInterNodeCommunication", "taskSlotsPerNode", "taskSchedulingPolicy",
    "certificateReferences", "mountConfiguration", "userAccounts", "resourceTags",
    "targetNodeCommunicationMode")}, vmSize=_vm_size,
    virtualMachineConfiguration=POOL["virtualMachineConfiguration_"],
    networkConfiguration=anything, upgradePolicy=anything)
DEALLOCATION = one_of("requeue", "terminate", "taskcompletion", "retaineddata")
RESIZE = Object(targetDedicatedNodes=integer(0, 10000), targetLowPriorityNodes=integer(0, 10000),
                resizeTimeout=POOL["resizeTimeout"], nodeDeallocationOption=DEALLOCATION)
REMOVE_NODES = Object(nodeList_=many(word(200), 100), resizeTimeout=POOL["resizeTimeout"],
                      nodeDeallocationOption=DEALLOCATION)
ENABLE_AUTOSCALE = Object(autoScaleFormula=text,
                          autoScaleEvaluationInterval=POOL["autoScaleEvaluationInterval"])
EVALUATE_AUTOSCALE = Object(autoScaleFormula_=text)


def _pool_info_rule(value, path):
    if len(value) != 1:
        raise _bad(path, list(value), "Exactly one of poolId and autoPoolSpecification is wanted.")


POOL_INFO = Object(_pool_info_rule, poolId=identifier, autoPoolSpecification=Object(
    autoPoolIdPrefix=word(20), poolLifetimeOption_=one_of("job", "jobschedule"),
    keepAlive=boolean, pool_=POOL_SPECIFICATION))
JOB_MANAGER = Object(
    **COMMAND, id_=identifier, displayName=word(1024), outputFiles=OUTPUTS, constraints=CONSTRAINTS,
    requiredSlots=integer(1, 256), killJobOnCompletion=boolean, runExclusive=boolean,
    applicationPackageReferences=PACKAGES, authenticationTokenSettings=absent_here,
    allowLowPriorityNode=boolean)
JOB_CONSTRAINTS = Object(maxWallClockTime=duration(0), maxTaskRetryCount=integer(-1))
JOB = {
    "priority": integer(-1000, 1000), "maxParallelTasks": integer(-1),
    "allowTaskPreemption": absent_here, "constraints": JOB_CONSTRAINTS, "metadata": METADATA,
    "onAllTasksComplete": one_of("noaction", "terminatejob")}
JOB_ADD = Object(
    **JOB, id_=identifier, displayName=word(1024), poolInfo_=POOL_INFO, jobManagerTask=JOB_MANAGER,
    jobPreparationTask=absent_here, jobReleaseTask=absent_here,
    commonEnvironmentSettings=ENVIRONMENT, usesTaskDependencies=boolean,
    onTaskFailure=one_of("noaction", "performexitoptionsjobaction"),
    networkConfiguration=absent_here)
JOB_PATCH = Object(**JOB, poolInfo=POOL_INFO, networkConfiguration=absent_here)
JOB_UPDATE = Object(**JOB, poolInfo_=POOL_INFO, networkConfiguration=absent_here)
JOB_TERMINATE = Object(terminateReason=text)
JOB_DISABLE = Object(disableTasks_=one_of("requeue", "terminate", "wait"))
