"""The lock of a run's folder: who holds it is named, a dead holder is succeeded, nothing stays behind."""

import errno
import json
import os
import socket
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import psutil
import pytest
from tiny_world import World, child_environment, clean_processes

from pipeline.errors import OutputError
from pipeline.execution.output_folder import held, writable_folder


def write_lock(folder, **changes):
    folder.mkdir(parents=True, exist_ok=True)
    entry = {"pid": os.getpid(), "host": socket.gethostname(), "since": "2026-01-01T00:00:00+00:00"} | changes
    (folder / "run.lock").write_text(json.dumps(entry), encoding="utf-8")


def test_a_folder_is_held_while_the_block_runs_and_free_after_it(tmp_path):
    with held(tmp_path / "work"):
        entry = json.loads((tmp_path / "work" / "run.lock").read_text(encoding="utf-8"))
        assert (entry["pid"], entry["host"]) == (os.getpid(), socket.gethostname())
        with pytest.raises(OutputError, match=f"another run holds it \\(process {os.getpid()} on .*, since 20"):
            held(tmp_path / "work").__enter__()
    assert list((tmp_path / "work").iterdir()) == []


def test_of_a_full_disk_that_is_found_nothing_is_left(tmp_path, monkeypatch):
    def full(path, content):
        path.touch()
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError, match=r"cannot be written \(No space left on device\)"):
        writable_folder(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_fails_frees_the_folder(tmp_path):
    with pytest.raises(ZeroDivisionError), held(tmp_path):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"pid": 2**22 + 7},  # beyond what Linux gives
        {},  # this process, but it started after the lock says: another had its number
    ],
)
def test_the_lock_of_a_dead_process_is_taken_over(tmp_path, changes):
    write_lock(tmp_path, **changes)
    with held(tmp_path):
        assert json.loads((tmp_path / "run.lock").read_text(encoding="utf-8"))["pid"] == os.getpid()
    assert list(tmp_path.iterdir()) == []


def test_a_lock_of_another_host_is_left_to_the_user(tmp_path):
    write_lock(tmp_path / "work", host="elsewhere", pid=1)
    with pytest.raises(OutputError, match=r"process 1 on elsewhere, since 2026-01-01.*if it is gone for good delete"):
        held(tmp_path / "work").__enter__()
    assert (tmp_path / "work" / "run.lock").exists()


@pytest.mark.parametrize("content", [b"", b'{"pid": 1', b"[]", b'{"pid": null, "host": 1, "since": 2}'])
@pytest.mark.parametrize("age", [60, -60], ids=["old", "of a clock that was set back since"])
def test_a_damaged_lock_is_taken_over_once_it_is_old(tmp_path, content, age):
    (tmp_path / "run.lock").write_bytes(content)
    os.utime(tmp_path / "run.lock", (time.time() - age,) * 2)
    with held(tmp_path):
        assert psutil.pid_exists(json.loads((tmp_path / "run.lock").read_text(encoding="utf-8"))["pid"])


def _hold(folder, start, times):
    start.wait()
    try:
        with held(folder):
            began = time.monotonic()
            time.sleep(0.2)
            times.put((began, time.monotonic()))
    except OutputError:
        times.put(None)


def test_of_many_runs_that_find_a_stale_lock_at_once_one_goes_on(tmp_path):
    write_lock(tmp_path, pid=2**22 + 7)
    context = clean_processes()
    start, times = context.Event(), context.Queue()
    runs = [context.Process(target=_hold, args=(tmp_path, start, times)) for _ in range(3)]
    for run in runs:
        run.start()
    start.set()
    found = sorted(span for span in (times.get(timeout=60) for _ in runs) if span)
    for run in runs:
        run.join()
    assert found
    assert all(before[1] <= after[0] for before, after in pairwise(found))


def test_the_second_of_two_runs_says_who_holds_the_folder_and_a_killed_one_is_succeeded(tmp_path, sinkmap):
    world = World.at(tmp_path)
    code = f"""
import sys, time
from pathlib import Path
from pipeline.execution.output_folder import held, writable_folder
with held(Path({str(world.results / "work")!r})):
    print("held", flush=True)
    time.sleep(600)
"""
    first = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=child_environment(), text=True)
    assert first.stdout.readline() == "held\n"
    second = sinkmap("composite", world.config, "--out", world.out)
    assert second.code == 5
    assert f"process {first.pid} on {socket.gethostname()}" in second.err
    assert second.err.count("\n") == 1
    first.kill()
    first.wait()
    third = sinkmap("composite", world.config, "--out", world.out)
    assert third.code == 0, third.err
    assert not (world.results / "work" / "run.lock").exists()
