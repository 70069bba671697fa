#!/bin/sh
# Usage: install.sh DESTINATION. Installs the runner, Ansible and the collections as they are in the image. The
# Containerfile and the tests call it. It needs Python 3.13 with pip, PyPI and the repository around this file, but no
# compiler.
set -eu
umask 022
destination=${1:?name the folder to install into: it cannot be moved afterwards}
runner=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python3}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export PIP_DISABLE_PIP_VERSION_CHECK=1 ANSIBLE_HOME="$scratch/ansible" ANSIBLE_NOCOLOR=1

install() {
    interpreter=$1
    shift
    "$python" -m pip --python "$interpreter" install --quiet --no-compile --no-deps "$@"
}

quietly() {
    "$@" >"$scratch/log" 2>&1 || { cat "$scratch/log" >&2; exit 1; }
}

"$python" -m venv --without-pip "$destination"
install "$destination/bin/python" --require-hashes --only-binary :all: --requirement "$runner/requirements.lock"

"$python" -m venv --without-pip "$scratch/build"
install "$scratch/build/bin/python" --require-hashes --only-binary :all: --requirement "$runner/build.lock"
# The contract is a symbolic link into the collection: copy its files.
cp -RL "$runner/pyproject.toml" "$runner/README.md" "$runner/src" "$scratch"
# Use the locked build backend. pip would install another one without a hash.
(cd "$scratch" && quietly build/bin/python -m hatchling build -t wheel -d wheel)
install "$destination/bin/python" --no-index "$scratch"/wheel/*.whl

export ANSIBLE_COLLECTIONS_PATH="$destination/collections"
# Galaxy offers no hashes. PyPI's package ansible contains the same collection.
"$python" -m pip --quiet download --no-deps --require-hashes --only-binary :all: --dest "$scratch" \
    --requirement "$runner/kubernetes.core.lock"
"$python" - "$scratch" "$ANSIBLE_COLLECTIONS_PATH" <<'END'
import sys, zipfile
from pathlib import Path

(wheel,) = Path(sys.argv[1]).glob("ansible-*.whl")
with zipfile.ZipFile(wheel) as archive:
    prefix = "ansible_collections/kubernetes/core/"
    archive.extractall(sys.argv[2], [name for name in archive.namelist() if name.startswith(prefix)])
END
quietly "$destination/bin/ansible-galaxy" collection build "$runner/.." --output-path "$scratch"
quietly "$destination/bin/ansible-galaxy" collection install "$scratch"/kube_ecr-secrets-*.tar.gz --offline \
    --collections-path "$ANSIBLE_COLLECTIONS_PATH"

# Remove what nothing here uses, more than half of the whole: the asynchronous client of Kubernetes (requirements.lock
# lacks what it needs), Ansible's own tests, and what botocore knows of services other than ECR and those that give
# credentials.
packages=$("$destination/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
rm -r "$packages/kubernetes/aio" "$packages/ansible_test" "$destination/bin/ansible-test"
find "$packages/botocore/data" -mindepth 1 -maxdepth 1 -type d \
    ! -name ecr ! -name ecr-public ! -name sts ! -name sso ! -name sso-oidc ! -name signin -exec rm -r {} +
# Compile now, since a read-only tree cannot be compiled later. Its files never change, so Python need not compare times.
# Also what ansible-galaxy has imported above: its bytecode goes by times, which change on the way into an image.
"$destination/bin/python" -m compileall -q -f -j 0 --invalidation-mode unchecked-hash "$packages"
