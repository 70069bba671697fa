"""The program that gives a run the runner's identity, with real processes: a runner's, a run's, and boto3 in it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from kube_ecr_runner.runs.environment import child_environment, own_identity_config
from kube_ecr_runner.runs.run import absolute_path
from tests.support.cluster.pki import CertificateAuthority
from tests.support.cluster.tls_front import TLSFront

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the runner runs on Linux")

KEY, SECRET, TOKEN = "AKIACANARYCANARY1234", "canary/secret+key", "canary-token"
KEYS = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}
TOLD = {"Version": 1, "AccessKeyId": KEY, "SecretAccessKey": SECRET}
EXPIRES = "2099-01-31T12:00:00+00:00"
SECONDS = 60
# No IMDS of the machine that the tests run on.
BARE = {"PATH": "/usr/bin:/bin", "AWS_EC2_METADATA_DISABLED": "true"}
# The program, with shorter pauses between its attempts.
HASTY = """
import sys
from kube_ecr_runner.contract import aws_retries
from kube_ecr_runner.runs import credential_process as program
aws_retries.FIRST_WAIT = 0.01
"""
RUN = "sys.exit(program.main(sys.argv[1:]))"
PROGRAM = [sys.executable, "-P", "-c", HASTY + RUN]


@contextmanager
def a_runner(environment: dict[str, str], folder: Path) -> Iterator[int]:
    """Yield the ID of a process that was started with this environment, in this folder."""
    with subprocess.Popen(
        [sys.executable, "-c", "print(flush=True); input()"],
        env=BARE | {"HOME": str(folder)} | environment,
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout
        process.stdout.readline()
        yield process.pid
        process.communicate(b"\n", SECONDS)


def ask(pid: int | str, home: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run the program as boto3 would: with an environment that leads back to it."""
    config = home / "aws-config"
    config.write_text("[default]\ncredential_process = /bin/false\n")
    environment = BARE | {"HOME": str(home), "AWS_CONFIG_FILE": str(config), "AWS_PROFILE": "default"} | more
    return subprocess.run(
        [*PROGRAM, str(pid), *arguments], env=environment, cwd="/", capture_output=True, text=True, timeout=SECONDS
    )


@contextmanager
def container_endpoint(token: str) -> Iterator[str]:
    """Yield the URL of what gives a container its credentials, to whoever has the token.

    Asked as STS is, it answers with an error.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            code = "AccessDenied" if self.path == "/" else f"<![CDATA[<{token}>]]>"
            body = (
                f"<ErrorResponse><Error><Code>{code}</Code><Message>{token}</Message></Error></ErrorResponse>".encode()
            )
            self.send_response(403)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            is_known = self.headers["Authorization"] == token
            names = {"AccessKeyId": KEY, "SecretAccessKey": SECRET, "Token": TOKEN, "Expiration": EXPIRES}
            body = json.dumps(names).encode() if is_known else b"{}"
            self.send_response(200 if is_known else 403)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        pytest.param(KEYS, TOLD, id="keys"),
        pytest.param(KEYS | {"AWS_SESSION_TOKEN": TOKEN}, TOLD | {"SessionToken": TOKEN}, id="temporary keys"),
        pytest.param(
            KEYS | {"AWS_SESSION_TOKEN": TOKEN, "AWS_CREDENTIAL_EXPIRATION": "2099-01-31T13:00:00+01:00"},
            TOLD | {"SessionToken": TOKEN, "Expiration": EXPIRES},
            id="temporary keys with their end",
        ),
        pytest.param(
            {"AWS_SHARED_CREDENTIALS_FILE": "keys", "AWS_PROFILE": "other"}, TOLD, id="relative path, and a profile"
        ),
    ],
)
def test_credentials_are_those_of_the_environment_of_the_runner(
    environment: dict[str, str], told: dict, tmp_path: Path
) -> None:
    (tmp_path / "keys").write_text(f"[other]\naws_access_key_id={KEY}\naws_secret_access_key={SECRET}\n")
    with a_runner(environment, tmp_path) as pid:
        done = ask(pid, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == told


def test_credentials_of_a_container_are_had_with_its_token(tmp_path: Path) -> None:
    with container_endpoint(TOKEN) as url:
        environment = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": url, "AWS_CONTAINER_AUTHORIZATION_TOKEN": TOKEN}
        with a_runner(environment, tmp_path) as pid:
            done = ask(pid, tmp_path)
    assert json.loads(done.stdout) == TOLD | {"SessionToken": TOKEN, "Expiration": EXPIRES}


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({}, "leads to no AWS credentials"),
        (KEYS | {"AWS_PROFILE": "nope"}, ": ProfileNotFound: nope: the AWS profile does not exist"),
        ({"AWS_ACCESS_KEY_ID": KEY}, ": PartialCredentials: AWS_SECRET_ACCESS_KEY: the ambient"),
        (
            {
                "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:9/",
                "AWS_CONTAINER_AUTHORIZATION_TOKEN": f"{TOKEN}\n{TOKEN}",
            },
            ": ValueError: boto3 found no usable credentials",
        ),
        (
            {
                "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://127.0.0.1:9/{SECRET}",
                "AWS_CONTAINER_AUTHORIZATION_TOKEN": TOKEN,
            },
            " at http://127.0.0.1:9: MetadataRetrievalError: no connection; check that the agent runs on this node",
        ),
        (
            {"AWS_ROLE_ARN": "x", "AWS_WEB_IDENTITY_TOKEN_FILE": "/nonexistent/token"},
            ": /nonexistent/token: No such file or directory; AWS_WEB_IDENTITY_TOKEN_FILE names it: IRSA puts",
        ),
    ],
)
def test_failure_is_a_line_without_a_secret(environment: dict[str, str], said: str, tmp_path: Path) -> None:
    with a_runner(environment, tmp_path) as pid:
        done = ask(pid, tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith("kube-ecr-runner: ")
    assert said in done.stderr
    assert "AWS_*" in done.stderr
    assert not [each for each in (KEY, SECRET, TOKEN) if each in done.stderr]


# It counts before what the container has, so the program asks STS by itself.
WEB_IDENTITY = {
    "AWS_CONTAINER_AUTHORIZATION_TOKEN": TOKEN,
    "AWS_REGION": "eu-west-1",
    "AWS_ROLE_ARN": "arn:aws:iam::111122223333:role/pod",
    "AWS_WEB_IDENTITY_TOKEN_FILE": "token",
}
CLOSED, CLOSED_TOO = "http://127.0.0.1:9", "http://127.0.0.1:10"


@pytest.mark.parametrize(
    ("environment", "endpoint", "said"),
    [
        (
            {},
            f"{CLOSED}/{TOKEN}?{TOKEN}",
            f" from STS AssumeRoleWithWebIdentity in eu-west-1 at {CLOSED}: Unreachable: no connection; check",
        ),
        ({"AWS_ENDPOINT_URL_STS": CLOSED}, CLOSED_TOO, f" at {CLOSED}: Unreachable: no connection; check"),
        (
            {"AWS_ENDPOINT_URL_STS": CLOSED_TOO, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"},
            CLOSED,
            f" at {CLOSED}: Unreachable: no connection; check",
        ),
        ({"AWS_ENDPOINT_URL_STS": CLOSED}, "", f" at {CLOSED}: Unreachable: no connection; check"),
        (
            {"HTTPS_PROXY": f"http://user:{TOKEN}@127.0.0.1:9"},
            "https://aws.example.com",
            " at https://aws.example.com: Unreachable: the proxy http://127.0.0.1:9 gives no connection; check",
        ),
    ],
)
def test_sts_is_asked_at_the_endpoint_that_is_given_and_named(
    environment: dict[str, str], endpoint: str, said: str, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text(TOKEN)
    with a_runner(WEB_IDENTITY | environment, tmp_path) as pid:
        proxies = {name: value for name, value in environment.items() if name == "HTTPS_PROXY"}
        done = ask(pid, tmp_path, *filter(None, [endpoint]), **proxies)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert said in done.stderr
    assert TOKEN not in done.stderr


@pytest.mark.parametrize(("path", "answer"), [("", "AccessDeniedException"), ("x", "UnknownError")])
def test_sts_that_refuses_is_named(path: str, answer: str, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN)
    with container_endpoint(TOKEN) as url, a_runner(WEB_IDENTITY, tmp_path) as pid:
        done = ask(pid, tmp_path, f"{url}{path}")
    named = f"kube-ecr-runner: AWS STS AssumeRoleWithWebIdentity in eu-west-1 at {url.rstrip('/')}: {answer}: "
    assert done.stderr.startswith(named)
    assert TOKEN not in done.stderr


def test_a_certificate_that_is_refused_is_told_with_its_cause(tmp_path: Path) -> None:
    ca, other = (CertificateAuthority(name, has_identifiers=False) for name in ("ca", "other"))
    (tmp_path / "token").write_text(TOKEN)
    (tmp_path / "bundle").write_bytes(other.pem)
    with (
        TLSFront(9, ca.server("sts", ["127.0.0.1"])) as sts,
        a_runner(WEB_IDENTITY | {"AWS_CA_BUNDLE": "bundle"}, tmp_path) as pid,
    ):
        url = sts.url
        done = ask(pid, tmp_path, url)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    said = (
        f"from STS AssumeRoleWithWebIdentity in eu-west-1 at {url}: CertificateNotTrusted: unable to get local issuer"
    )
    assert said in done.stderr
    assert "in the file that AWS_CA_BUNDLE names" in done.stderr


@pytest.mark.parametrize("pid", ["", "0", "nonsense"])
def test_runner_that_is_gone_is_told(pid: str, tmp_path: Path) -> None:
    done = ask(pid, tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "cannot be read" in done.stderr


def test_wait_has_an_end(tmp_path: Path) -> None:
    (tmp_path / "config").write_text(f"[default]\ncredential_process = sleep {SECONDS * 2}\n")
    program = [sys.executable, "-P", "-c", f"{HASTY}program.DEADLINE_SECONDS = 0.2\n{RUN}"]
    with (
        a_runner({"AWS_CONFIG_FILE": "config"}, tmp_path) as pid,
        subprocess.Popen([*program, str(pid)], stderr=subprocess.PIPE, env=BARE, start_new_session=True) as process,
    ):
        assert process.stderr
        line = process.stderr.readline()
        status = process.wait(SECONDS)
        # What it waited for; the runner does that with all that a run leaves behind.
        os.killpg(process.pid, signal.SIGKILL)
    assert (status, line.startswith(b"kube-ecr-runner: "), b"could not be had in time" in line) == (1, True, True)


def test_wait_for_sts_has_an_end_too_and_sts_is_named(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN)
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        a_runner(WEB_IDENTITY, tmp_path) as pid,
    ):
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        code = f"{HASTY}program.DEADLINE_SECONDS = 1\n{RUN}"
        done = subprocess.run(
            [sys.executable, "-P", "-c", code, str(pid), url], env=BARE, capture_output=True, text=True, timeout=SECONDS
        )
    assert done.stderr == (
        "kube-ecr-runner: the AWS credentials that the environment of the runner names could not be had from STS "
        f"AssumeRoleWithWebIdentity in eu-west-1 at {url} in time; check the network\n"
    )


def test_boto3_in_a_run_finds_the_identity_and_the_run_holds_no_secret(tmp_path: Path) -> None:
    folder = tmp_path / 'it\'s a "folder"'
    folder.mkdir()
    python = folder / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    given = BARE | KEYS | {"AWS_SESSION_TOKEN": TOKEN, "AWS_ROLE_ARN": "x", "AWS_WEB_IDENTITY_TOKEN_FILE": "/nope"}
    config = folder / "aws-config"
    with a_runner(given, tmp_path) as pid:
        content = own_identity_config(given, str(python), pid, None)
        assert content
        config.write_text(content)
        environment = child_environment(given, tmp_path, Path("/usr/bin"), config, absolute_path)
        play = """
            import boto3
            print(*boto3.Session().get_credentials().get_frozen_credentials()[:3])
            print(open("/proc/self/environ").read())
        """
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(play)],
            env=environment,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
    assert done.returncode == 0, done.stderr
    first, _, inherited = done.stdout.partition("\n")
    assert first == f"{KEY} {SECRET} {TOKEN}"
    assert not [each for each in (KEY, SECRET, TOKEN) if each in inherited + content]
