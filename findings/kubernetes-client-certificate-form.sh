#!/usr/bin/env bash
# kubernetes client: from Python 3.13 on it does not connect where the CA of the API server has no key identifiers.
#
# Such a CA has basicConstraints and keyUsage, and the certificate of the server a name: this is what the CA of EKS looks
# like. curl, kubectl and older versions of Python accept it. urllib3 sets VERIFY_X509_STRICT on Python 3.13 and newer, as
# Python's own default context does, and that demands the key identifiers of RFC 5280. The client has no setting for it.
# botocore makes a context of its own, without this flag, so AWS_CA_BUNDLE may name such a CA.
#
# kubernetes 37.0.1, urllib3 2.8.0, botocore 1.44.8, Python 3.13 or newer, openssl and curl.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python=$(tests/tools/find-python)
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 13))' || { echo "needs Python 3.13 or newer" >&2; exit 1; }
"$python" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check kubernetes==37.0.1 urllib3==2.8.0 botocore==1.44.8

cat >"$work/openssl.cnf" <<'END'
[req]
distinguished_name = name
[name]
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = none
authorityKeyIdentifier = none
[server]
subjectAltName = IP:127.0.0.1
subjectKeyIdentifier = none
authorityKeyIdentifier = none
END
openssl req -x509 -newkey rsa:2048 -nodes -keyout "$work/ca.key" -out "$work/ca.crt" -days 2 -subj /CN=kubernetes \
    -config "$work/openssl.cnf" -extensions ca 2>/dev/null
openssl req -newkey rsa:2048 -nodes -keyout "$work/server.key" -out "$work/server.csr" -subj /CN=kube-apiserver \
    -config "$work/openssl.cnf" 2>/dev/null
openssl x509 -req -in "$work/server.csr" -CA "$work/ca.crt" -CAkey "$work/ca.key" -CAcreateserial -days 2 \
    -out "$work/server.crt" -extfile "$work/openssl.cnf" -extensions server 2>/dev/null

cat >"$work/show.py" <<'END'
import ssl
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from botocore.awsrequest import AWSRequest
from botocore.httpsession import URLLib3Session
from kubernetes.client import ApiClient, ApiException, Configuration, VersionApi

folder = sys.argv[1]


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        body = b'{"major": "1", "minor": "37", "buildDate": "", "compiler": "", "gitCommit": "", "gitTreeState": "", '
        body += b'"gitVersion": "v1.37.2", "goVersion": "", "platform": ""}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(f"{folder}/server.crt", f"{folder}/server.key")
server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.socket = context.wrap_socket(server.socket, server_side=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"https://127.0.0.1:{server.server_port}"

curl = ["curl", "-s", "-o", "/dev/null", "--noproxy", "*", "--cacert", f"{folder}/ca.crt", f"{url}/version"]
print("curl:", "connects" if subprocess.run(curl).returncode == 0 else "refuses")
session = URLLib3Session(verify=f"{folder}/ca.crt")
print("botocore:", session.send(AWSRequest("GET", f"{url}/version").prepare()).status_code)
configuration = Configuration(host=url)
configuration.ssl_ca_cert = f"{folder}/ca.crt"
configuration.retries = False
try:
    print("kubernetes:", VersionApi(ApiClient(configuration)).get_code().git_version)
except ApiException as error:
    print("kubernetes:", error.__context__.args[0].verify_message)
END
no_proxy='*' "$work/venv/bin/python" "$work/show.py" "$work" | tee "$work/found"
diff - "$work/found" <<'END'
curl: connects
botocore: 200
kubernetes: Missing Authority Key Identifier
END
