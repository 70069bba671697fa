#!/usr/bin/env bash
# botocore: instance metadata that cannot be reached are no error, but a proxy in front of them that cannot be reached is.
#
# The last place where botocore looks for credentials is the instance metadata service. Where there is none, on a laptop
# or in a pod without the hop, the answer is simply that there are no credentials. But the request goes through
# HTTP_PROXY, if that is set and NO_PROXY does not have 169.254.169.254, and then a proxy that is down raises
# ProxyConnectionError from get_credentials(), also for a caller that only wants to know if there are any.
#
# botocore 1.44.8, Python 3.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check botocore==1.44.8

cat >"$work/show.py" <<'END'
import os
import socket

import botocore.session

with socket.create_server(("127.0.0.1", 0)) as server:
    closed = f"http://127.0.0.1:{server.getsockname()[1]}"  # nothing listens there any more
os.environ.update(AWS_CONFIG_FILE=os.devnull, AWS_SHARED_CREDENTIALS_FILE=os.devnull)
for name in ("NO_PROXY", "no_proxy", "http_proxy", "HTTP_PROXY"):
    os.environ.pop(name, None)


def show(what, **variables):
    os.environ.update(variables)
    try:
        print(f"{what}: {botocore.session.get_session().get_credentials()}")
    except Exception as error:
        print(f"{what}: {type(error).__name__}")
    for name in variables:
        del os.environ[name]


show("nothing answers", AWS_EC2_METADATA_SERVICE_ENDPOINT=closed)
show("the proxy does not answer", AWS_EC2_METADATA_SERVICE_ENDPOINT="http://metadata.invalid", HTTP_PROXY=closed)
END
"$work/venv/bin/python" "$work/show.py" | tee "$work/found"
diff - "$work/found" <<'END'
nothing answers: None
the proxy does not answer: ProxyConnectionError
END
