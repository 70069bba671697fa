#!/usr/bin/env bash
# botocore: three attempts in the retry mode "standard" are over within 0.15 seconds.
#
# From 1.44 on, the waits of that mode begin at 0.05 s for everything but throttling: at most 0.05 s before the second
# attempt and 0.1 s before the third. 1.43.127 waits up to 3 s in all. So a service or a network that is away for one
# second fails a call that the version before carries through, and a max_attempts of 3 is hardly more than 1. A wait is a
# random part of the longest one: here it is nearly all of it.
#
# botocore 1.43.127 and 1.44.8, Python 3.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cat >"$work/show.py" <<'END'
import os
import random
import socket
import time

random.random = lambda: 0.999

import botocore
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
waits = []
time.sleep = waits.append
config = Config(retries={"mode": "standard", "total_max_attempts": 3})
client = botocore.session.get_session().create_client("ecr", endpoint_url=url, config=config)
try:
    client.get_authorization_token()
except EndpointConnectionError:
    print(f"{botocore.__version__}: {len(waits) + 1} attempts, waits of {sum(waits):.2f} s at most")
END
for version in 1.43.127 1.44.8; do
    python3 -m venv "$work/$version"
    "$work/$version/bin/pip" install --quiet --disable-pip-version-check "botocore==$version"
    "$work/$version/bin/python" "$work/show.py"
done | tee "$work/found"
diff - "$work/found" <<'END'
1.43.127: 3 attempts, waits of 3.00 s at most
1.44.8: 3 attempts, waits of 0.15 s at most
END
