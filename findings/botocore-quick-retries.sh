#!/usr/bin/env bash
# botocore: three attempts in the retry mode "standard" are over within 0.15 seconds.
#
# From 1.44 on, the waits of that mode begin at 0.05 s (before: 1 s) for everything but throttling: at most 0.05 s before
# the second attempt and 0.1 s before the third. So a service or a network that is away for one second fails a call that
# older versions with the same settings carried through, and max_attempts of 3 is hardly more than 1.
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
import sys
import time

import botocore.endpoint
import botocore.session
from botocore.config import Config
from botocore.exceptions import EndpointConnectionError

with socket.create_server(("127.0.0.1", 0)) as server:
    url = f"http://127.0.0.1:{server.getsockname()[1]}"  # nobody listens there from now on
os.environ.update(
    AWS_ACCESS_KEY_ID="x",
    AWS_SECRET_ACCESS_KEY="x",
    AWS_DEFAULT_REGION="eu-west-1",
    AWS_CONFIG_FILE=os.devnull,
    AWS_SHARED_CREDENTIALS_FILE=os.devnull,
)
waits, sleep = [], time.sleep
botocore.endpoint.time.sleep = lambda seconds: (waits.append(seconds), sleep(seconds))
config = Config(retries={"mode": "standard", "total_max_attempts": 3})
client = botocore.session.get_session().create_client("ecr", endpoint_url=url, config=config)
try:
    client.get_authorization_token()
except EndpointConnectionError:
    print(f"{len(waits) + 1} attempts, waits of {sum(waits):.2f} s in all")
sys.exit(not (len(waits) == 2 and sum(waits) <= 0.15))
END
"$work/venv/bin/python" "$work/show.py"
