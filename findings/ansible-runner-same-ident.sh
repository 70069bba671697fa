#!/usr/bin/env bash
# ansible-runner: a second run with the same ident succeeds, and has the failures of the first.
#
# With an ident of one's own (the name of what is reconciled, say), the artifacts of a run land where those of the run
# before are. The events of the earlier run stay: `events` yields both runs, mixed by the number of the event, and `stats`
# is the recap of the shorter one, which is the one that failed on its way. Status and rc are those of the run. So what
# counts events or reads stats, as operators and dashboards do, tells of failures that are long mended. Only a new ident
# for each run, or removing the folder before, keeps them apart.
#
# ansible-runner 2.4.3, ansible-core 2.21.5, Python 3.12 or newer.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python=$(tests/tools/find-python)
"$python" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check ansible-runner==2.4.3 ansible-core==2.21.5
mkdir -p "$work/data/project"
cat >"$work/data/project/main.yml" <<'END'
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.assert:
        that: is_mended | bool
    - ansible.builtin.debug:
END
cat >"$work/show.py" <<'END'
import sys

import ansible_runner

for ident, is_mended in (("same", "false"), ("same", "true"), ("new", "true")):
    run = ansible_runner.run(
        private_data_dir=sys.argv[1],
        playbook="main.yml",
        inventory="one ansible_connection=local ansible_python_interpreter=auto_silent",
        ident=ident,
        cmdline=f"-e is_mended={is_mended}",
        quiet=True,
    )
    results = sorted(event["event"] for event in run.events if event["event"] in ("runner_on_ok", "runner_on_failed"))
    print(f"{ident}: {run.status}, rc {run.rc}, failures {run.stats['failures']}, events {', '.join(results)}")
END
export HOME="$work" LC_ALL=C.UTF-8 PATH="$work/venv/bin:$PATH"
unset ANSIBLE_CONFIG
python "$work/show.py" "$work/data" | tee "$work/found"
diff - "$work/found" <<'END'
same: failed, rc 2, failures {'one': 1}, events runner_on_failed
same: successful, rc 0, failures {'one': 1}, events runner_on_failed, runner_on_ok, runner_on_ok
new: successful, rc 0, failures {}, events runner_on_ok, runner_on_ok
END
