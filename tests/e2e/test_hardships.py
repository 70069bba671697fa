"""What can happen to the process at 3 a.m.: it is killed, its disk is full, it may write next to nowhere."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from tests.support.aws.endpoint import AWSEndpoint
from tests.support.cluster.objects import Cluster
from tests.support.harness.ansible import Ansible
from tests.support.harness.fleet import Fleet, forks, playbooks, waits
from tests.support.harness.footprint import Footprint, footprint
from tests.support.harness.image import in_image
from tests.support.harness.runner import Runner

# KUBE_ECR_KILLS=40 KUBE_ECR_KILL_RESOURCES=200 for more of it.
KILLS = int(os.environ.get("KUBE_ECR_KILLS", "4"))
RESOURCES = int(os.environ.get("KUBE_ECR_KILL_RESOURCES", "20"))
PASSES, WARM_PASSES = 5, 1
# How long a run for so many resources works at least after AWS was asked, which then takes 0.2 s.
RUN_SECONDS = 0.15 + 0.002 * RESOURCES


def kill(find: Callable[[], list[int]], cluster: Cluster) -> None:
    """Kill one of these processes, which come and go; wait until there is one."""

    def is_killed() -> bool:
        for pid in find()[:1]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                return True
        return False

    cluster.wait(is_killed, "there is one to kill")


@pytest.mark.slow
def test_nothing_is_lost_when_a_process_is_killed_at_any_moment_of_a_run(
    cluster: Cluster, aws: AWSEndpoint, runner: Runner
) -> None:
    """The runner is killed alone: its children get no signal of that, and end all the same."""
    seed = random.randrange(10**6)
    print(f"seed {seed}")  # which pytest shows when the test fails
    dice = random.Random(seed)
    fleet = Fleet(cluster, aws, RESOURCES)
    runner.start()
    cluster.wait(fleet.is_done, "all are served")
    aws.latency = 0.2
    for number in range(1, KILLS + 1):
        calls = len(aws.calls)
        fleet.begin(number)
        victim = ("new", "fork", "playbook", "runner")[(number - 1) % 4]
        if victim == "new":  # as soon as there is an ansible-playbook: long before it comes to our code
            runner.stop()
            runner.start()
            cluster.wait(partial(playbooks, runner), "ansible-playbook begins")
        else:
            cluster.wait(lambda calls=calls: len(aws.calls) > calls, "AWS is asked")
            time.sleep(dice.uniform(0, RUN_SECONDS))
        if victim in ("new", "runner"):
            runner.stop(signal.SIGKILL)
            cluster.wait(lambda: not runner.processes(), "all that it started has ended")
            assert list(runner.temporary.iterdir()), "a directory was left behind"
            fleet.check()
            runner.start()
        else:
            kill(partial(forks if victim == "fork" else playbooks, runner), cluster)
        cluster.wait(fleet.is_done, f"what was begun when {victim} was killed is done")
        fleet.check()
        running = playbooks(runner)
        assert len(running) <= 1


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Path]:
    """A directory whose name is short enough for sockets, to put a small disk on."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def confined(folder: Path, size: str, *, user: int) -> list[str]:
    """Return a command that gives another one a tmpfs there, and that user ID; it may write nowhere else.

    It needs no root, but user namespaces: see unshare(1). From outside, the disk is seen through inside().
    """
    script = f'mount -o remount,bind,ro / && mount -t tmpfs -o size={size},mode=1777 tmpfs {folder} && exec "$0" "$@"'
    drop = ["setpriv", "--inh-caps=-all", "--ambient-caps=-all"]
    unshare = ["unshare", "-m", f"--map-user={user}", f"--map-group={user}", "--keep-caps"]
    return [*unshare, "sh", "-ec", script, *drop]


def inside(runner: Runner, path: Path) -> Path:
    """Return where a path of the runner's own file system is found from outside."""
    assert runner.process
    return Path(f"/proc/{runner.process.pid}/root{path}")


needs_namespaces = pytest.mark.skipif(
    bool(subprocess.run([*confined(Path("/tmp"), "64k", user=12345), "true"], capture_output=True).returncode),
    reason="this machine lets nobody make user namespaces",
)


@pytest.mark.slow
@needs_namespaces
def test_a_full_disk_is_told_and_all_goes_on_when_there_is_room_again(
    cluster: Cluster, aws: AWSEndpoint, ansible: Ansible, room: Path, tmp_path: Path
) -> None:
    """It fills while a run waits, and while one works."""
    settings = Ansible(ansible.home, {**ansible.env, "TMPDIR": str(room)})
    fleet = Fleet(cluster, aws, 3)
    with Runner(settings, tmp_path / "runner.log", through=confined(room, "4m", user=os.getuid())) as runner:
        disk = inside(runner, room)
        cluster.wait(fleet.is_done, "all are served")
        aws.latency = 0.5
        cluster.wait(lambda: any(map(waits, playbooks(runner))), "a run waits")
        for number, is_working in enumerate((False, True), start=1):
            calls = len(aws.calls)
            if is_working:
                fleet.begin(number)
                cluster.wait(lambda calls=calls: len(aws.calls) > calls, "AWS is asked")
            fill(disk / "other")
            if not is_working:
                fleet.begin(number)

            def is_told(disk: Path = disk) -> bool:
                fill(disk / "other")  # also what a run leaves behind that has failed
                return fleet.told("No space left on device", f"in {room}: make room there")

            cluster.wait(is_told, "it is told")
            fleet.check()
            (disk / "other").unlink()
            cluster.wait(fleet.is_done, "all are served")
            fleet.check()
        assert runner.ask("/healthz")[0] == 200
        assert runner.stop() == 0
    assert "Traceback" not in runner.log


def fill(path: Path) -> None:
    """Write until the disk is full."""
    with suppress(OSError), path.open("ab", buffering=0) as file:
        for size in (4096, 1):
            with suppress(OSError):
                while True:
                    file.write(b"x" * size)


@pytest.mark.slow
@needs_namespaces
@pytest.mark.parametrize("more", [(), ("env", "-u", "HOME")], ids=["as the image sets it", "without a home"])
def test_the_image_runs_as_any_user_on_a_read_only_file_system(
    more: tuple[str, ...], cluster: Cluster, aws: AWSEndpoint, ansible: Ansible, room: Path, tmp_path: Path
) -> None:
    settings = in_image(ansible, room)
    fleet = Fleet(cluster, aws, 3)
    through = [*confined(room, "16m", user=54321), *more]
    with Runner(settings, tmp_path / "runner.log", through=through) as runner:
        cluster.wait(fleet.is_done, "all are served")
        fleet.begin(1)
        cluster.wait(fleet.is_done, "all are served by a run that had waited")
        disk = inside(runner, room)
        files = {each.relative_to(disk).parts[0][:9] for each in disk.rglob("*") if not each.is_dir()}
        assert files <= {"kube-ecr-"}
        assert runner.stop() == 0
    # Whole words: names of variables may hold them, too.
    assert not re.search(r"\b(Traceback|WARNING|ERROR)\b", runner.log)


@needs_namespaces
def test_where_it_can_write_nowhere_it_says_so_at_start(ansible: Ansible, room: Path, tmp_path: Path) -> None:
    settings = Ansible(ansible.home, {**ansible.env, "TMPDIR": str(tmp_path)})
    with Runner(settings, tmp_path / "runner.log", through=confined(room, "64k", user=54321)) as runner:
        assert runner.process
        assert runner.process.wait(30) == 2
    (line,) = runner.log.splitlines()
    assert line.startswith(f"kube-ecr-runner: {tmp_path} is full or cannot be written to; set TMPDIR to a directory")


@pytest.mark.slow
def test_passes_leave_nothing_behind(cluster: Cluster, aws: AWSEndpoint, runner: Runner) -> None:
    """The rest of them, 300 over 100 resources, is `make soak PASSES=300`."""
    fleet = Fleet(cluster, aws, 5)
    runner.start()
    cluster.wait(fleet.is_done, "all are served")
    assert runner.process
    seen: list[Footprint] = []
    for number in range(1, PASSES + 1):
        fleet.begin(number)
        cluster.wait(fleet.is_done, "the pass is over")
        cluster.wait(lambda: any(map(waits, playbooks(runner))), "the runner has come to rest")
        seen.append(footprint(runner.process.pid, runner.temporary))
    first, last = seen[WARM_PASSES], seen[-1]
    # What a pass still puts away is no more there a moment later; what it leaves behind stays.
    assert runner.process
    pid = runner.process.pid
    cluster.wait(lambda: footprint(pid, runner.temporary).counts == first.counts, f"it has no more than {first.counts}")
    assert last.memory < first.memory * 1.05
