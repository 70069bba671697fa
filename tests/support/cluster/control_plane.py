"""A real Kubernetes control plane for the tests: etcd, API server, controller manager; no nodes, no root.

Only the controllers that our behaviour rests on run: garbage collector, namespaces, service accounts and the
aggregation of cluster roles. RBAC is on, and the API server issues service account tokens. Everything listens
on loopback ports chosen free. The garbage collector looks for new kinds every 30 s: it deletes the dependents
of a custom resource only from then on, counted from the creation of its CRD.

`python -m tests.support.cluster.control_plane` runs one until Ctrl-C.
"""

from __future__ import annotations

import argparse
import json
import ssl
import subprocess
import tempfile
import urllib.request
from base64 import b64encode
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from tests.support.cluster.pki import CertificateAuthority, KeyPair, signing_keys
from tests.support.harness.processes import Child, Service, StartError, free_ports, wait_for_signal
from tests.support.harness.tools import CONTROL_PLANE, ToolError, go_tool

_CONTROLLERS = (
    "garbage-collector-controller",
    "namespace-controller",
    "serviceaccount-controller",
    "clusterrole-aggregation-controller",
)
_ISSUER = "https://kubernetes.default.svc"
_ISSUER_KEY = "sa.pub"
_ETCD, _API_SERVER = "etcd", "kube-apiserver"


class KubectlError(RuntimeError):
    """kubectl failed; the text is the command and what it wrote to stderr."""


def kubectl_path() -> Path:
    """Return an executable `kubectl` of the API server's version.

    Builds the binary first if it is not in the cache. Raises ToolError.
    """
    link = go_tool("controlplane").with_name("kubectl")
    with suppress(FileExistsError):
        link.symlink_to("controlplane")
    return link


def run_kubectl(kubeconfig: Path, *args: str, stdin: str = "") -> str:
    """Run kubectl with that `stdin`; return its stdout, raise KubectlError if it fails."""
    command = [str(kubectl_path()), f"--kubeconfig={kubeconfig}", *args]
    # Without a terminal's stdin, `-f -` with no input must see an end of file.
    done = subprocess.run(command, input=stdin, capture_output=True, text=True)
    if done.returncode != 0:
        raise KubectlError(f"kubectl {' '.join(args)}: {done.stderr.strip()}")
    return done.stdout


class ControlPlane(Service):
    """One control plane, from `start()` to `stop()`, or as a context manager.

    It is ready when the API server is and the `default` service account exists. `url` and `kubeconfig` (of a cluster
    administrator) are there after `start()`. Data and logs are in `directory`: one that is given stays after `stop()`,
    and starting on it again finds its objects. The binary is built first if it is not in the cache.
    """

    url: str
    kubeconfig: Path
    # Where the API server listens, and which controllers run beside those that our behaviour rests on.
    address = "127.0.0.1"
    more_controllers: tuple[str, ...] = ()

    def __init__(self, directory: Path | None = None, timeout: float = 60.0) -> None:
        """Prepare; `timeout` is how many seconds each part may take to become ready."""
        self._temporary = None if directory else tempfile.TemporaryDirectory(prefix="kube-ecr-controlplane-")
        self.directory = Path(directory or self._temporary.name)  # type: ignore[union-attr]
        self._timeout = timeout
        self._children: list[Child] = []
        self.ca = CertificateAuthority("test-control-plane")

    def stop(self) -> None:
        """End all parts, the last started first; a directory that was not given is removed."""
        while self._children:
            self._children.pop().stop()
        if self._temporary is not None:
            self._temporary.cleanup()

    def restart_api_server(self) -> None:
        """End the API server and start another on an etcd that keeps of its history only the present.

        All objects are there as before, but no watch can go on from before.
        """
        present = self._etcd("range", {"key": b64encode(b"/").decode()})["header"]["revision"]
        self._etcd("compaction", {"revision": present, "physical": True})
        ended = next(child for child in self._children if child.name == _API_SERVER)
        ended.stop()
        self._children.remove(ended)
        self._start_api_server()

    def kubectl(self, *args: str, stdin: str = "") -> str:
        """Run kubectl as administrator with that `stdin`; return its stdout, raise KubectlError if it fails."""
        return run_kubectl(self.kubeconfig, *args, stdin=stdin)

    def kubeconfig_for(self, user: str, groups: Iterable[str] = ()) -> Path:
        """Write (mode 0600) and return a kubeconfig of that user, who may do what RBAC grants."""
        config = _kubeconfig(self.url, self.ca.pem, user, self.ca.client(user, groups))
        return self.write(f"{user}.kubeconfig", json.dumps(config, indent=2).encode())

    @property
    def issuer(self) -> str:
        """The issuer of service account tokens, their claim `iss`."""
        return _ISSUER

    @property
    def issuer_key(self) -> bytes:
        """The public key (PEM) that verifies these tokens; there after `start()`."""
        return (self.directory / _ISSUER_KEY).read_bytes()

    def _start(self) -> None:
        # Of Kubernetes only: etcd and kubectl are those of `controlplane`, whichever version is chosen.
        self._kubernetes = go_tool(CONTROL_PLANE)
        self.directory.mkdir(parents=True, exist_ok=True)
        etcd_port, peer_port, api_port = self._ports()
        self.url = f"https://{self.address}:{api_port}"
        self._etcd_url = f"http://127.0.0.1:{etcd_port}"
        self.kubeconfig = self.kubeconfig_for("admin", ["system:masters"])
        etcd = self._spawn(_ETCD, _etcd_flags(self.directory / "etcd", etcd_port, peer_port))
        etcd.wait_until(lambda: _answers(f"{self._etcd_url}/readyz"), "it is ready", self._timeout)
        self._flags = self._api_server_flags(api_port)
        self._context = self._client_context()
        self._start_api_server()
        manager = self._spawn("kube-controller-manager", self._controller_manager_flags())
        account = f"{self.url}/api/v1/namespaces/default/serviceaccounts/default"
        manager.wait_until(
            lambda: _answers(account, self._context), "the service account `default` exists", self._timeout
        )

    def _ports(self) -> tuple[int, int, int]:
        etcd_port, peer_port, api_port = free_ports(3)
        return etcd_port, peer_port, api_port

    def _start_api_server(self) -> None:
        server = self._spawn(_API_SERVER, self._flags)
        server.wait_until(lambda: _answers(f"{self.url}/readyz", self._context), "it is ready", self._timeout)

    def _etcd(self, call: str, body: dict) -> dict:
        """Call a method of etcd's key-value service: https://etcd.io/docs/v3.6/dev-guide/api_grpc_gateway/."""
        request = urllib.request.Request(f"{self._etcd_url}/v3/kv/{call}", json.dumps(body).encode())
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=5) as answer:
            return json.load(answer)

    def _spawn(self, part: str, flags: dict[str, str]) -> Child:
        binary = go_tool("controlplane") if part == _ETCD else self._kubernetes
        command = [str(binary), part, *(f"--{name}={value}" for name, value in flags.items())]
        child = Child(part, command, self.directory / f"{part}.log")
        self._children.append(child)
        return child

    def _api_server_flags(self, api_port: int) -> dict[str, str]:
        serving = self.ca.server("kube-apiserver", [self.address, "localhost", "kubernetes.default.svc"])
        signing = signing_keys()
        return {
            "etcd-servers": self._etcd_url,
            "bind-address": self.address,
            "secure-port": str(api_port),
            "tls-cert-file": str(self.write("apiserver.crt", serving.public)),
            "tls-private-key-file": str(self.write("apiserver.key", serving.key)),
            "client-ca-file": str(self.write("ca.crt", self.ca.pem)),
            "authorization-mode": "RBAC",
            "service-account-issuer": _ISSUER,
            "service-account-key-file": str(self.write(_ISSUER_KEY, signing.public)),
            "service-account-signing-key-file": str(self.write("sa.key", signing.key)),
            "service-cluster-ip-range": "10.0.0.0/24",
            "endpoint-reconciler-type": "none",
        }

    def _controller_manager_flags(self) -> dict[str, str]:
        return {
            "kubeconfig": str(self.kubeconfig),
            "controllers": ",".join((*_CONTROLLERS, *self.more_controllers)),
            "leader-elect": "false",
            "secure-port": "0",
            # The default of 20 calls a second would make tests with hundreds of namespaces wait for it.
            "kube-api-qps": "500",
            "kube-api-burst": "1000",
        }

    def _client_context(self) -> ssl.SSLContext:
        pair = self.ca.client("probe", ["system:masters"])
        context = ssl.create_default_context(cadata=self.ca.pem.decode())
        context.load_cert_chain(self.write("probe.crt", pair.public), self.write("probe.key", pair.key))
        return context

    def write(self, name: str, content: bytes) -> Path:
        """Write a file that only this user may read, and return where it is."""
        path = self.directory / name
        path.touch(mode=0o600)
        path.write_bytes(content)
        return path


def _etcd_flags(data: Path, client_port: int, peer_port: int) -> dict[str, str]:
    client, peer = f"http://127.0.0.1:{client_port}", f"http://127.0.0.1:{peer_port}"
    return {
        "data-dir": str(data),
        "unsafe-no-fsync": "true",
        "listen-client-urls": client,
        "advertise-client-urls": client,
        "listen-peer-urls": peer,
        "initial-advertise-peer-urls": peer,
        "initial-cluster": f"default={peer}",
        "log-level": "warn",
    }


def _kubeconfig(url: str, ca_pem: bytes, user: str, pair: KeyPair) -> dict[str, object]:
    cluster = {"server": url, "certificate-authority-data": b64encode(ca_pem).decode()}
    credentials = {
        "client-certificate-data": b64encode(pair.public).decode(),
        "client-key-data": b64encode(pair.key).decode(),
    }
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": cluster}],
        "users": [{"name": user, "user": credentials}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": user}}],
        "current-context": "test",
    }


def _answers(url: str, context: ssl.SSLContext | None = None) -> bool:
    """Return whether a GET there succeeds, without a proxy and without raising."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    try:
        with opener.open(url, timeout=5):
            return True
    except OSError:
        return False


def main() -> None:
    """Run a control plane until Ctrl-C or SIGTERM and print what to export."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.support.cluster.control_plane", description="Run a Kubernetes control plane until Ctrl-C."
    )
    parser.add_argument("--dir", type=Path, help="keep data and logs here (default: a directory that is removed)")
    directory = parser.parse_args().dir
    try:
        with ControlPlane(directory) as plane:
            print(f"export KUBECONFIG={plane.kubeconfig}")
            print(f"export PATH={kubectl_path().parent}:$PATH", flush=True)
            wait_for_signal()
    except (ToolError, StartError) as error:
        raise SystemExit(f"error: {error}") from None


if __name__ == "__main__":
    main()
