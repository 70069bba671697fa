#!/usr/bin/env bash
# ansible-core: Python code of collections has no bytecode; each process compiles it anew.
#
# Plugins and module_utils of a collection are imported by a loader of Ansible's own. It neither writes nor reads
# __pycache__. So compileall over ansible_collections, in an image say, changes nothing: every ansible-playbook, and every
# worker that imports something new, compiles the source. The same file imported by Python itself has bytecode.
#
# ansible-core 2.21.5, Python 3.12 or newer.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python=$(tests/tools/find-python)
"$python" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check ansible-core==2.21.5
folder="$work/collections/ansible_collections/example/example/plugins/module_utils"
mkdir -p "$folder"
echo 'VALUE = 1' >"$folder/part.py"

cat >"$work/show.py" <<'END'
import importlib
import sys

compiled = []
sys.addaudithook(lambda event, arguments: event == "compile" and compiled.append(str(arguments[1])))


def show(what):
    module = importlib.import_module(what)
    mine = [name for name in compiled if name == module.__file__]
    print(f"{what}: compiled {len(mine)} times")


if sys.argv[1] == "ansible":
    from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder

    _AnsibleCollectionFinder(paths=[sys.argv[2]])._install()
    show("ansible_collections.example.example.plugins.module_utils.part")
else:
    sys.path.insert(0, sys.argv[2])
    show("part")
END
{
    echo "by Ansible, in two processes:"
    for _ in 1 2; do "$work/venv/bin/python" "$work/show.py" ansible "$work/collections"; done
    test -e "$folder/__pycache__" && echo "bytecode is there" || echo "no bytecode is there"
    echo "compiled ahead, then by Ansible:"
    "$work/venv/bin/python" -m compileall -q "$folder"
    "$work/venv/bin/python" "$work/show.py" ansible "$work/collections"
    echo "then by Python itself:"
    "$work/venv/bin/python" "$work/show.py" python "$folder"
} | tee "$work/found"
diff - "$work/found" <<'END'
by Ansible, in two processes:
ansible_collections.example.example.plugins.module_utils.part: compiled 1 times
ansible_collections.example.example.plugins.module_utils.part: compiled 1 times
no bytecode is there
compiled ahead, then by Ansible:
ansible_collections.example.example.plugins.module_utils.part: compiled 1 times
then by Python itself:
part: compiled 0 times
END
