"""The network of the node, in its own network namespace: a bridge for pods, with the API server on it.

There is no kube-proxy and no DNS: the address of the Service `kubernetes` is one of the bridge itself.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

BRIDGE = "kube-ecr0"
# The first address of the services' range, where pods look for the API server.
SERVICE_ADDRESS, SERVICE_RANGE = "10.0.0.1", "10.0.0.0/24"
NODE_ADDRESS, POD_RANGE = "10.88.0.1", "10.88.0.0/24"
# A bridge without one takes the lowest of its ports. So each pod might change it, and the others would lose their way
# for many seconds.
_BRIDGE_MAC = "02:00:00:00:00:01"


def set_up(cni_directory: Path) -> None:
    """Make the bridge, and write how containerd connects pods to it."""
    for command in (
        f"link add {BRIDGE} address {_BRIDGE_MAC} type bridge",
        f"address add {SERVICE_ADDRESS}/32 dev {BRIDGE}",
        f"address add {NODE_ADDRESS}/24 dev {BRIDGE}",
        f"link set {BRIDGE} up",
    ):
        subprocess.run(["ip", *command.split()], check=True)
    cni_directory.mkdir(parents=True)
    bridge = {
        "type": "bridge",
        "bridge": BRIDGE,
        "isGateway": False,  # set_up() has made it one
        "ipMasq": False,
        "ipam": {
            "type": "host-local",
            "ranges": [[{"subnet": POD_RANGE, "gateway": NODE_ADDRESS}]],
            "routes": [{"dst": SERVICE_RANGE}],
        },
    }
    config = {"cniVersion": "0.4.0", "name": BRIDGE, "plugins": [bridge]}
    (cni_directory / "10-bridge.conflist").write_text(json.dumps(config))
