#!/usr/bin/env bash
# kubernetes client: a login program (exec plugin) of a kubeconfig that fails is no error, and requests are anonymous.
#
# kubectl ends with the program's error. load_kube_config() logs it through the root logger, raises nothing, and the
# requests that follow carry no Authorization, so the API server answers 403 for system:anonymous. The same where the
# program's answer lacks a token. 36.0.0 and 36.0.1 send no token either where it is given as api_key["authorization"],
# as kubernetes.core and other callers do; 35 and 36.0.2 send it.
#
# kubernetes 35.0.0, 36.0.1, 36.0.2 and 37.0.1.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python=$(tests/tools/find-python)

cat >"$work/config" <<'END'
apiVersion: v1
kind: Config
current-context: c
clusters: [{name: c, cluster: {server: "http://127.0.0.1:1"}}]
contexts: [{name: c, context: {cluster: c, user: u}}]
users:
  - name: u
    user:
      exec:
        apiVersion: client.authentication.k8s.io/v1
        command: sh
        args: [-c, "echo the session has expired >&2; exit 1"]
        interactiveMode: Never
END
cat >"$work/show.py" <<'END'
import logging
import sys
from importlib.metadata import version

from kubernetes.client import Configuration
from kubernetes.config import load_kube_config

logging.disable(logging.CRITICAL)


def sent(configuration):
    return next((setting["value"] for setting in configuration.auth_settings().values()), "nothing")


failed, given = Configuration(), Configuration()
load_kube_config(sys.argv[1], client_configuration=failed)
given.api_key = {"authorization": "Bearer x"}
print(f"{version('kubernetes')}: after a failed login {sent(failed)}; of api_key[authorization] {sent(given)}")
END
for version in 35.0.0 36.0.1 36.0.2 37.0.1; do
    "$python" -m venv "$work/$version"
    "$work/$version/bin/pip" install --quiet --disable-pip-version-check "kubernetes==$version"
    "$work/$version/bin/python" "$work/show.py" "$work/config"
done | tee "$work/found"
diff - "$work/found" <<'END'
35.0.0: after a failed login nothing; of api_key[authorization] Bearer x
36.0.1: after a failed login nothing; of api_key[authorization] nothing
36.0.2: after a failed login nothing; of api_key[authorization] Bearer x
37.0.1: after a failed login nothing; of api_key[authorization] Bearer x
END
