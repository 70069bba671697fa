#!/usr/bin/env bash
# botocore: the call to STS that finds credentials does not use the time-outs of the client that needs them.
#
# With a web identity (IRSA) the first call of any client asks STS before it asks its own service. The Config of that
# client, with its time-outs and retries, does not reach this request: it waits 60 s, and tries again. So a client of ECR
# that is told to give up after one second hangs for minutes where STS does not answer. A client of STS that is made with
# the same Config does give up.
#
# botocore 1.44.8, Python 3.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check botocore==1.44.8
echo token >"$work/token"

cat >"$work/show.py" <<'END'
import os
import socket
import sys
import threading

import botocore.session
from botocore.config import Config
from botocore.exceptions import ReadTimeoutError

silent = socket.create_server(("127.0.0.1", 0), backlog=16)  # takes connections and never answers
os.environ.update(
    AWS_ENDPOINT_URL_STS=f"http://127.0.0.1:{silent.getsockname()[1]}",
    AWS_ROLE_ARN="arn:aws:iam::111122223333:role/example",
    AWS_WEB_IDENTITY_TOKEN_FILE=sys.argv[1],
    AWS_DEFAULT_REGION="eu-west-1",
    AWS_EC2_METADATA_DISABLED="true",
    AWS_CONFIG_FILE=os.devnull,
    AWS_SHARED_CREDENTIALS_FILE=os.devnull,
)
config = Config(connect_timeout=1, read_timeout=1, retries={"total_max_attempts": 1})
session = botocore.session.get_session()


def after_5_seconds(call, **options):
    """Return what has become of a call."""
    became = ["it still waits"]

    def run():
        try:
            call(**options)
        except ReadTimeoutError:
            became[0] = "ReadTimeoutError"

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(5)
    return became[0]


sts, ecr = (session.create_client(service, config=config) for service in ("sts", "ecr"))
named = {"RoleArn": os.environ["AWS_ROLE_ARN"], "RoleSessionName": "example", "WebIdentityToken": "token"}
print("a client of STS:", after_5_seconds(sts.assume_role_with_web_identity, **named))
print("a client of ECR that needs STS:", after_5_seconds(ecr.get_authorization_token))
sys.stdout.flush()
os._exit(0)
END
"$work/venv/bin/python" "$work/show.py" "$work/token" | tee "$work/found"
diff - "$work/found" <<'END'
a client of STS: ReadTimeoutError
a client of ECR that needs STS: it still waits
END
