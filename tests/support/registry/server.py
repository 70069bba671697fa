"""A real container registry for the tests, reached by a real client under ECR's host names, with ECR's refusals.

distribution (the CNCF's registry, with its storage in memory) runs behind a handler of ours, which asks the AWS
endpoint about every login. The client is crane. It needs no entry in any name service: the second port of the
registry's process is a proxy which leads `HOST:443` to the first one for each host that has a registry, and nowhere
else, so a client under test cannot reach the real AWS. Both come out of one Go binary, `go/registry`. All hosts ask for
a login with a password, also those of ECR Public, which in truth take a token for it and let anonymous clients pull.

`python -m tests.support.registry.server --aws-url URL` runs one until Ctrl-C.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import ssl
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from http.client import HTTPSConnection
from io import BytesIO
from pathlib import Path

from tests.support.aws.hosts import registry_host
from tests.support.cluster.pki import CertificateAuthority
from tests.support.harness.processes import Child, Service, StartError, free_ports, wait_for_signal
from tests.support.harness.tools import HELM, ToolError, go_tool

_CLIENT_SECONDS = 60.0


class ClientError(RuntimeError):
    """The client failed; the text is what it wrote to stderr."""


class PullError(ClientError):
    """The client could not pull."""


class Registry(Service):
    """The registries of some accounts in one region, from `start()` to `stop()`, or as a context manager.

    They are ready when they answer under their names, and empty. The binary is built first if it is not in the cache.
    """

    def __init__(
        self,
        aws_url: str,
        region: str = "eu-west-1",
        accounts: Iterable[str] = ("111122223333",),
        timeout: float = 30.0,
        more_hosts: Iterable[str] = (),
    ) -> None:
        """Prepare; `timeout` is how many seconds the registry may take to become ready.

        `more_hosts` get a registry too: other regions, `public.ecr.aws`, names in front of ECR.
        """
        self.hosts = [registry_host(account, region) for account in accounts]
        self.hosts += more_hosts
        self._aws_url = aws_url
        self._timeout = timeout
        # Known to push() and, by an environment variable, to the registry's process alone: so pushing needs neither a
        # token nor an AWS endpoint that is up.
        self._push_password = secrets.token_urlsafe()
        self._child: Child | None = None
        self._temporary: tempfile.TemporaryDirectory[str] | None = None

    def stop(self) -> None:
        """End it; what was pushed is gone. Does nothing when stopped."""
        if self._child is not None:
            self._child.stop()
            self._child = None
        if self._temporary is not None:
            self._temporary.cleanup()
            self._temporary = None

    def push(self, host: str, image: str) -> str:
        """Put an image of one small file, made for this call, at HOST/IMAGE (`name:tag`); return its digest.

        Raises ClientError.
        """
        with tempfile.TemporaryDirectory(dir=self._directory) as scratch:
            layer = Path(scratch, "layer.tar")
            _write_layer(layer, f"{image} {secrets.token_hex(8)}\n")
            return self._push(host, "append", f"--new_layer={layer}", f"--new_tag={host}/{image}")

    def push_archive(self, host: str, image: str, archive: Path) -> str:
        """Put an image at HOST/IMAGE, from an archive as `docker save` writes it; return its digest.

        Raises ClientError.
        """
        return self._push(host, "push", str(archive), f"{host}/{image}")

    def push_chart(self, host: str, name: str, repository: str = "charts") -> None:
        """Put a Helm chart of that name, made for this call, at HOST/REPOSITORY/NAME:0.1.0. Raises ClientError."""
        with tempfile.TemporaryDirectory(dir=self._directory) as scratch:
            chart = Path(scratch, name)
            chart.mkdir()
            (chart / "Chart.yaml").write_text(f"apiVersion: v2\nname: {name}\nversion: 0.1.0\n")
            self._helm("{}", Path(scratch), "package", str(chart), f"--destination={scratch}")
            archive = f"{scratch}/{name}-0.1.0.tgz"
            self._helm(self.push_login(host), Path(scratch), "push", archive, f"oci://{host}/{repository}")

    def _push(self, host: str, *arguments: str) -> str:
        with tempfile.TemporaryDirectory(dir=self._directory) as scratch:
            return self._crane(self.push_login(host), Path(scratch), *arguments).rpartition("@")[2].strip()

    def push_login(self, host: str) -> str:
        """Return a docker config JSON with the login of the user who may push to that host."""
        return json.dumps({"auths": {host: {"username": "push", "password": self._push_password}}})

    def pull(self, host: str, image: str, docker_config: str) -> str:
        """Pull HOST/IMAGE, layers and all, with that docker config JSON and no other login; return its digest.

        Raises PullError.
        """
        with tempfile.TemporaryDirectory(dir=self._directory) as scratch:
            layout = Path(scratch, "layout")
            try:
                self._crane(docker_config, Path(scratch), "pull", "--format=oci", f"{host}/{image}", str(layout))
            except ClientError as error:
                raise PullError(str(error)) from None
            index = json.loads((layout / "index.json").read_text())
            return index["manifests"][0]["digest"]

    def pull_chart(self, host: str, name: str, docker_config: str) -> str:
        """Pull the chart HOST/charts/NAME:0.1.0 with helm, in the same way; return the name of its file.

        Raises PullError.
        """
        with tempfile.TemporaryDirectory(dir=self._directory) as scratch:
            place, version = f"oci://{host}/charts/{name}", "--version=0.1.0"
            try:
                self._helm(docker_config, Path(scratch), "pull", place, version, f"--destination={scratch}")
            except ClientError as error:
                raise PullError(str(error)) from None
            return next(Path(scratch).glob("*.tgz")).name

    def client_env(self, directory: Path) -> dict[str, str]:
        """Return the variables with which the client reaches the registry; `directory` holds its config.json."""
        return {
            "HTTPS_PROXY": f"http://127.0.0.1:{self._proxy_port}",
            "SSL_CERT_FILE": str(self._directory / "ca.pem"),
            "DOCKER_CONFIG": str(directory),
        }

    @property
    def client_path(self) -> Path:
        """An executable `crane`."""
        link = self._binary.with_name("crane")
        with suppress(FileExistsError):
            link.symlink_to(self._binary.name)
        return link

    def _start(self) -> None:
        self._binary = go_tool("registry")
        self._temporary = tempfile.TemporaryDirectory(prefix="kube-ecr-registry-")
        self._directory = Path(self._temporary.name)
        port, self._proxy_port = free_ports(2)
        authority = CertificateAuthority("test-registry-ca")
        pair = authority.server("registry", self.hosts)
        flags = {
            "listen": f"127.0.0.1:{port}",
            "proxy": f"127.0.0.1:{self._proxy_port}",
            "hosts": ",".join(self.hosts),
            "certificate": self._write("server.pem", pair.public),
            "key": self._write("server.key", pair.key),
            "aws-url": self._aws_url,
        }
        self._write("ca.pem", authority.pem)
        command = [str(self._binary), "serve", *(f"--{name}={value}" for name, value in flags.items())]
        log = self._directory / "registry.log"
        self._child = Child("registry", command, log, {"PUSH_PASSWORD": self._push_password})
        context = ssl.create_default_context(cadata=authority.pem.decode())
        self._child.wait_until(lambda: self._asks_for_login(context), "it asks for a login", self._timeout)

    def _asks_for_login(self, context: ssl.SSLContext) -> bool:
        # urllib would heed NO_PROXY, in which people who work with AWS may well have amazonaws.com.
        connection = HTTPSConnection("127.0.0.1", self._proxy_port, timeout=5, context=context)
        connection.set_tunnel(self.hosts[0], 443)
        try:
            connection.request("GET", "/v2/")
            return connection.getresponse().status == 401
        except OSError:
            return False
        finally:
            connection.close()

    def _crane(self, docker_config: str, directory: Path, *arguments: str) -> str:
        return self.run_client([str(self.client_path), *arguments], docker_config, directory)

    def _helm(self, docker_config: str, directory: Path, *arguments: str) -> str:
        return self.run_client([str(go_tool(HELM)), *arguments], docker_config, directory)

    def run_client(self, command: list[str], docker_config: str, directory: Path, stdin: str = "") -> str:
        """Run a client with that docker config and nothing of this process's environment; return its stdout.

        The docker config is in a file of the directory. Raises ClientError.
        """
        self._write(directory / "config.json", docker_config.encode())
        env = {**self.client_env(directory), "HOME": str(directory)}
        try:
            done = subprocess.run(
                command, env=env, input=stdin, capture_output=True, text=True, timeout=_CLIENT_SECONDS
            )
        except subprocess.TimeoutExpired:
            name = " ".join([Path(command[0]).name, *command[1:2]])
            raise ClientError(f"{name} did not end within {_CLIENT_SECONDS:g} s") from None
        if done.returncode != 0:
            raise ClientError(done.stderr.strip())
        return done.stdout

    def _write(self, name: str | Path, content: bytes) -> str:
        path = self._directory / name
        path.touch(mode=0o600)
        path.write_bytes(content)
        return str(path)


def _write_layer(path: Path, text: str) -> None:
    with tarfile.open(path, "w") as archive:
        member = tarfile.TarInfo("hello.txt")
        member.size = len(text.encode())
        archive.addfile(member, BytesIO(text.encode()))


def main() -> None:
    """Run a registry until Ctrl-C or SIGTERM, with one image in each host, and print how to pull it."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.support.registry.server",
        description="Run a registry behind ECR's host names until Ctrl-C.",
    )
    parser.add_argument("--aws-url", required=True, help="the AWS endpoint (python -m tests.support.aws.endpoint)")
    parser.add_argument("--region", default="eu-west-1", help="the region of all its host names (default: eu-west-1)")
    parser.add_argument("--account", action="append", help="an account with a registry (default: 111122223333)")
    options = parser.parse_args()
    try:
        with (
            Registry(options.aws_url, options.region, options.account or ["111122223333"]) as registry,
            tempfile.TemporaryDirectory(prefix="kube-ecr-docker-config-") as directory,
        ):
            print(_introduction(registry, Path(directory)), flush=True)
            wait_for_signal()
    except (ToolError, StartError, ClientError) as error:
        raise SystemExit(f"error: {error}") from None


def _introduction(registry: Registry, directory: Path) -> str:
    lines = [f"export {name}={value}" for name, value in registry.client_env(directory).items()]
    lines.append(f"export PATH={registry.client_path.parent}{os.pathsep}$PATH")
    for host in registry.hosts:
        registry.push(host, "team/app:1")
        lines.append(f"# aws ecr get-login-password | crane auth login {host} -u AWS --password-stdin")
        lines.append(f"# crane pull {host}/team/app:1 app.tar")
    lines.append(f"# Instead of a login, put the .dockerconfigjson of a Secret into {directory}/config.json.")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
