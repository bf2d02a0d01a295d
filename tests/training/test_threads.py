import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import numpy as np  # noqa: F401  loads the BLAS library
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from trainer.compiler.executors import native_available, spread_over
from trainer.compiler.processors import VARIABLES, processors, quota, said
from trainer.errors import UsageError
from trainer.training.threads import pinned


def blas_threads() -> list[int]:
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


def test_blas_is_pinned_inside_and_restored_outside_also_after_an_error() -> None:
    before = blas_threads()
    with pytest.raises(ZeroDivisionError), pinned(1) as used:  # noqa: PT012  what it does before is the test
        assert used.threads == 1
        assert used.pinned == bool(before)
        assert blas_threads() == [1] * len(before)
        raise ZeroDivisionError
    assert blas_threads() == before


def test_auto_is_as_many_as_there_are_processors_and_blas_has_one() -> None:
    with pinned("auto") as used:
        assert used.threads == spread_over() == (processors() if native_available() else 1)
        assert all(library["num_threads"] == 1 for library in used.libraries)


def test_the_machines_threads_are_set_inside_and_restored_outside() -> None:
    with pinned(1):
        with pinned(3) as used:
            assert used.threads == spread_over() == (3 if native_available() else 1)
        assert spread_over() == 1


def test_blocks_of_several_threads_that_end_in_any_order_keep_to_one_and_put_back_what_the_first_found() -> None:
    before, machines = blas_threads(), spread_over()
    first, second = pinned(2), pinned(3)
    with first:
        within = ExitStack()
        with ThreadPoolExecutor(1) as another:
            another.submit(within.enter_context, second).result()
    one = [1] * len(before)
    assert (blas_threads(), spread_over()) == (one, 3 if native_available() else 1)  # the second is still in its block
    within.close()
    assert (blas_threads(), spread_over()) == (before, machines)


def test_blas_is_pinned_for_a_thread_although_another_one_has_said_how_many_there_are() -> None:
    before = blas_threads()
    with threadpool_limits(2), ThreadPoolExecutor(1) as another:

        def inside() -> list[int]:
            with pinned(1):
                return blas_threads()

        assert another.submit(inside).result() == [1] * len(before)
        assert blas_threads() == [2] * len(before)
    assert blas_threads() == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="only some systems fork")
def test_a_process_that_is_forked_while_another_thread_enters_a_block_can_enter_one() -> None:
    script = """
import os, signal
from trainer.training import threads
with threads._setting._lock:  # as another thread may hold it
    child = os.fork()
    if not child:
        signal.alarm(20)
        with threads.pinned(1):
            os._exit(0)
print(os.waitpid(child, 0)[1])
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ended.stdout == "0\n"


@pytest.mark.parametrize("number", [0, -1, True, 1.5, "many"])
def test_anything_but_auto_or_a_whole_number_is_refused(number: object) -> None:
    with pytest.raises(UsageError) as caught, pinned(number):
        pass
    assert str(caught.value) == f'threads must be "auto" or a whole number of at least 1, not {number!r}'


def a_root(folder, cgroup, **files):
    """A file system with these files in proc and sys."""
    for name, text in {"proc/self/cgroup": cgroup, **files}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


QUOTAS = [
    ("0::/\n", {"sys/fs/cgroup/cpu.max": "100000 100000\n"}, 1),
    ("0::/\n", {"sys/fs/cgroup/cpu.max": "150000 100000\n"}, 2),
    ("0::/\n", {"sys/fs/cgroup/cpu.max": "max 100000\n"}, None),
    ("0::/a/b\n", {"sys/fs/cgroup/a/cpu.max": "300000 100000", "sys/fs/cgroup/a/b/cpu.max": "max 100000"}, 3),
    ("4:cpu,cpuacct:/docker/1\n", {
        "sys/fs/cgroup/cpu,cpuacct/docker/1/cpu.cfs_quota_us": "50000\n",
        "sys/fs/cgroup/cpu,cpuacct/docker/1/cpu.cfs_period_us": "100000\n"}, 1),
    ("4:cpu,cpuacct:/\n", {
        "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n"}, None),
    ("", {}, None),
    ("nonsense", {"sys/fs/cgroup/cpu.max": "nonsense"}, None),
]  # fmt: skip


@pytest.mark.parametrize(("cgroup", "files", "wanted"), QUOTAS)
def test_a_cgroups_quota_is_asked_in_both_versions(cgroup, files, wanted, tmp_path) -> None:
    root = a_root(tmp_path, cgroup, **files)
    assert quota(root) == wanted
    free = processors({}, tmp_path / "nothing")
    assert processors({}, root) == min(free, wanted or free)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="only some systems bind a process to processors")
def test_a_process_is_given_the_processors_that_it_is_bound_to(tmp_path) -> None:
    script = "import sys; from trainer.compiler.processors import processors; from pathlib import Path\n"
    script += (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); print(processors({}, Path(sys.argv[1])))"
    )
    ended = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True)
    assert ended.stdout == "1\n"
    assert processors({}, tmp_path) == len(os.sched_getaffinity(0))


@pytest.mark.parametrize("name", VARIABLES)
@pytest.mark.parametrize(
    ("text", "wanted"), [("1", 1), (" 2 ", 2), ("3,1", 3), ("", None), ("0", None), ("-1", None), ("all", None)]
)
def test_the_variables_that_limit_threads_are_obeyed(name, text, wanted, tmp_path) -> None:
    assert said({name: text}) == wanted
    assert processors({name: text}, tmp_path) <= (wanted or processors({}, tmp_path))
