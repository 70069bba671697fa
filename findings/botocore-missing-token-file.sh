#!/usr/bin/env bash
# botocore: a web identity token file that is not there is no error of botocore's.
#
# All that goes wrong with credentials is a BotoCoreError, one would think: keys that are missing, a profile that there is
# not, a program that fails. But a file that AWS_WEB_IDENTITY_TOKEN_FILE names and that does not exist (a volume that is
# not mounted yet) is a bare FileNotFoundError, which passes every `except BotoCoreError`.
#
# botocore 1.44.8, Python 3.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check botocore==1.44.8

cat >"$work/show.py" <<'END'
import os

import botocore.session
from botocore.exceptions import BotoCoreError

os.environ.update(AWS_EC2_METADATA_DISABLED="true", AWS_DEFAULT_REGION="eu-west-1")
os.environ.update(AWS_CONFIG_FILE=os.devnull, AWS_SHARED_CREDENTIALS_FILE=os.devnull)


def show(what, **variables):
    os.environ.update(variables)
    try:
        botocore.session.get_session().create_client("ecr").get_authorization_token()
    except Exception as error:
        print(f"{what}: {type(error).__name__}, a BotoCoreError: {isinstance(error, BotoCoreError)}")
    for name in variables:
        del os.environ[name]


show("no credentials")
show("a profile that there is not", AWS_PROFILE="absent")
role = "arn:aws:iam::111122223333:role/example"
show("a token file that there is not", AWS_ROLE_ARN=role, AWS_WEB_IDENTITY_TOKEN_FILE="/nonexistent/token")
END
"$work/venv/bin/python" "$work/show.py" | tee "$work/found"
diff - "$work/found" <<'END'
no credentials: NoCredentialsError, a BotoCoreError: True
a profile that there is not: ProfileNotFound, a BotoCoreError: True
a token file that there is not: FileNotFoundError, a BotoCoreError: False
END
