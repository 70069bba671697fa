#!/usr/bin/env bash
# ansible-test: in a folder that git ignores it tests nothing, and succeeds.
#
# Inside of a git repository, `ansible-test sanity` tests what git lists. Of a collection that was unpacked below an
# ignored folder of a checkout, such as .venv or build, git lists nothing. All tests are skipped, which is a warning, and
# the exit status is 0. The same collection outside of the checkout fails its tests.
#
# ansible-core 2.21.5, Python 3.12 or newer, git.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python=$(tests/tools/find-python)
"$python" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check ansible-core==2.21.5
folder=ansible_collections/example/example/plugins/module_utils
for top in "$work/checkout/build" "$work/elsewhere"; do
    mkdir -p "$top/$folder"
    echo 'assert True' >"$top/$folder/part.py"
done
git -C "$work/checkout" init --quiet
echo 'build/' >"$work/checkout/.gitignore"

test_in() {
    cd "$1/ansible_collections/example/example"
    status=0
    HOME="$work" LC_ALL=C.UTF-8 "$work/venv/bin/ansible-test" sanity --test no-assert --color no >"$work/said" 2>&1 || status=$?
    echo "status $status, $(grep -oE 'All targets skipped|raise AssertionError instead of: assert' "$work/said" | sort -u)"
}
{
    (test_in "$work/checkout/build")
    (test_in "$work/elsewhere")
} | tee "$work/found"
diff - "$work/found" <<'END'
status 0, All targets skipped
status 1, raise AssertionError instead of: assert
END
