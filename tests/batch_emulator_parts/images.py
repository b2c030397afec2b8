"""Supported images. Ends of life as Azure has announced them; a list like the service's, but short."""
from .odata import page
from .routes import route

_IMAGES = (
    ("canonical", "ubuntu-24_04-lts", "server", "batch.node.ubuntu 24.04", None),
    ("canonical", "0001-com-ubuntu-server-jammy", "22_04-lts", "batch.node.ubuntu 22.04",
     "2027-06-30T00:00:00Z"),
    ("canonical", "0001-com-ubuntu-server-focal", "20_04-lts", "batch.node.ubuntu 20.04",
     "2025-04-22T00:00:00Z"),
    ("debian", "debian-12", "12", "batch.node.debian 12", "2028-06-30T00:00:00Z"),
    ("debian", "debian-11", "11", "batch.node.debian 11", "2026-08-31T00:00:00Z"),
    ("microsoft-dsvm", "ubuntu-hpc", "2204", "batch.node.ubuntu 22.04", "2027-06-30T00:00:00Z"),
    ("microsoft-dsvm", "ubuntu-hpc", "2404", "batch.node.ubuntu 24.04", None),
    ("microsoft-azure-batch", "ubuntu-server-container", "20-04-lts", "batch.node.ubuntu 20.04",
     "2025-04-22T00:00:00Z"),
    ("almalinux", "almalinux", "8-gen2", "batch.node.el 8", None),
    ("almalinux", "almalinux-x86_64", "9-gen2", "batch.node.el 9", None),
    ("microsoftwindowsserver", "windowsserver", "2022-datacenter", "batch.node.windows amd64",
     None),
)
_CAPABILITIES = {"microsoft-azure-batch": ["DockerCompatible"],
                 "microsoft-dsvm": ["DockerCompatible", "NvidiaTeslaDriverInstalled",
                                    "SupportsRDMAOnly"]}


def supported():
    for publisher, offer, sku, agent, end in _IMAGES:
        item = {"nodeAgentSKUId": agent,
                "imageReference": {"publisher": publisher, "offer": offer, "sku": sku,
                                   "version": "latest"},
                "osType": "windows" if "windows" in agent else "linux",
                "capabilities": _CAPABILITIES.get(publisher, []),
                "verificationType": "unverified" if "20.04" in agent else "verified"}
        if end:
            item["batchSupportEndOfLife"] = end
        yield item


def is_supported(machine):
    """A pool's virtualMachineConfiguration."""
    wanted = machine["imageReference"]
    if "virtualMachineImageId" in wanted:
        return True
    return any(item["nodeAgentSKUId"] == machine["nodeAgentSKUId"] and
               all(wanted.get(n, "").lower() == item["imageReference"][n]
                   for n in ("publisher", "offer", "sku")) for item in supported())


def takes_containers(machine):
    """Of one's own images everything is believed."""
    wanted = machine["imageReference"]
    return "virtualMachineImageId" in wanted or any(
        "DockerCompatible" in item["capabilities"] for item in supported()
        if all(wanted.get(n, "").lower() == item["imageReference"][n]
               for n in ("publisher", "offer", "sku")))


@route("GET", "/supportedimages")
def images_list(service, request):
    return page(service, request, list(supported()), kind="supportedimages")
