"""However the work is spread over threads, processes and machines, and whatever the scenes' order: the same bytes."""

import asyncio
import contextlib
import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import numpy as np
import psutil
import pytest
from rich.console import Console
from tiny_world import DAYS, ROOT, World, child_environment, clouds_over, landscape, undisturbed

from pipeline.errors import ConfigError, OutputError, SinkmapError
from pipeline.execution.cores import available_cores
from pipeline.execution.engine import Engine, _as_here, open_engine
from pipeline.execution.provenance import installed
from pipeline.outputs.sheets import atlas


@pytest.fixture
def world(tmp_path):
    return World.at(tmp_path)


@contextlib.contextmanager
def started(*arguments, package=ROOT):
    """A Dask process that ends with the block, with the sinkmap that lies in the folder ``package``."""
    environment = child_environment() | {"PYTHONPATH": os.pathsep.join([str(package), str(ROOT / "tests")])}
    process = subprocess.Popen(
        [sys.executable, "-m", *map(str, arguments)], cwd=package, env=environment,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def test_cores_are_those_that_the_process_is_bound_to(monkeypatch):
    monkeypatch.setattr(psutil.Process, "cpu_affinity", lambda self: [3], raising=False)
    assert available_cores() == 1


def test_no_more_processes_draw_than_windows_can_wait_for(monkeypatch):
    asked = []

    class Pool(contextlib.nullcontext):
        def __init__(self, processes, *options):
            super().__init__()
            asked.append(processes)

    monkeypatch.setattr(atlas, "ProcessPoolExecutor", Pool)
    with atlas._drawing(Engine(Console(quiet=True), 96), 200):
        assert asked == [61]


SHEETS_DRAWN = """
from pipeline.outputs.sheets import atlas
atlas.draw_sheet = time.sleep
with atlas._drawing(SimpleNamespace(has_processes=False, workers=2), 3) as draw:
    with ThreadPoolExecutor() as threads:
        list(threads.map(draw, (0.5, 0.5)))
    wait()
"""
WORKERS_BUSY = """
from rich.console import Console
from pipeline.execution.engine import open_engine
with open_engine(Console(quiet=True), workers=2) as engine:
    engine.run("rest", time.sleep, [0.1] * 2)
    wait()
"""
WITHOUT_MASK = """
del signal.pthread_sigmask  # Windows has none
"""
STARTS_PROCESSES = """
import signal, time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

def wait():
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background is born without it
    try:
        print("waiting", flush=True)
        time.sleep(600)
    except KeyboardInterrupt:
        time.sleep(1)  # for what processes that heard it have to say

if __name__ == "__main__":
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no signal is sent to a group of processes on Windows")
@pytest.mark.parametrize(
    "code", [SHEETS_DRAWN, WORKERS_BUSY, WITHOUT_MASK + WORKERS_BUSY], ids=["sheets", "workers", "workers, no mask"]
)
def test_of_ctrl_c_in_a_terminal_the_processes_of_a_run_say_nothing(tmp_path, code):
    script = tmp_path / "run.py"
    script.write_text(STARTS_PROCESSES + code.replace("\n", "\n    "), encoding="utf-8")
    run = subprocess.Popen([sys.executable, script], cwd=ROOT, env=child_environment(), stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, text=True, start_new_session=True)  # fmt: skip
    try:
        assert run.stdout.readline() == "waiting\n"
        os.killpg(run.pid, signal.SIGINT)  # as a terminal does
        _, said = run.communicate(timeout=60)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(run.pid, signal.SIGKILL)
    assert said == ""
    assert run.returncode == 0


def test_processes_here_and_those_of_a_cluster_are_not_asked_for_at_once():
    with pytest.raises(ConfigError, match="give one of them"), open_engine(Console(), 2, "tcp://127.0.0.1:1"):
        pass


def test_beside_another_cluster_of_the_machine_workers_start_without_a_word(recwarn):
    with socket.socket() as usual:
        with contextlib.suppress(OSError):  # somebody else's is as good
            usual.bind(("127.0.0.1", 8787))
            usual.listen()
        with open_engine(Console(quiet=True), workers=1) as engine:
            assert engine.run("count", abs, [-1]) == [1]
    assert [str(warning.message) for warning in recwarn if "Port" in str(warning.message)] == []


def test_processes_that_do_not_start_are_said_in_one_sentence(monkeypatch):
    """As where the machine has no memory for them."""

    def fails(**options):
        raise RuntimeError("Nanny failed to start.")

    monkeypatch.setattr("distributed.LocalCluster", fails)
    with (
        pytest.raises(ConfigError, match=r"--workers 2: the processes cannot be started \(Nanny failed to start.\); "),
        open_engine(Console(quiet=True), workers=2),
    ):
        pass


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Address of a scheduler on the loopback, and its two worker processes."""
    folder = tmp_path_factory.mktemp("cluster")
    place = folder / "scheduler.json"
    quiet = ("--host", "127.0.0.1", "--no-dashboard")
    with contextlib.ExitStack() as stack:
        scheduler = "distributed.cli.dask_scheduler"
        stack.enter_context(started(scheduler, *quiet, "--port", 0, "--scheduler-file", place))
        _wait_for(lambda: place.is_file() and place.read_text().strip().endswith("}"))
        worker = ("distributed.cli.dask_worker", "--scheduler-file", place, *quiet, "--no-nanny", "--nthreads", 1,
                  "--local-directory", folder)  # fmt: skip
        workers = [stack.enter_context(started(*worker)) for _ in range(2)]
        yield json.loads(place.read_text())["address"], workers


def _wait_for(what, seconds=30):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def differing(files):
    """Names of the results that are not those of an undisturbed run."""
    expected = undisturbed()
    return {name for name in files.keys() | expected.keys() if files.get(name) != expected.get(name)}


def test_a_run_gives_rasters_tables_and_a_geopackage():
    """Tables of zones, years, intervals, cover classes, what is kept apart, and areas."""
    suffixes = [name.rpartition(".")[2] for name in undisturbed()]
    assert {suffix: suffixes.count(suffix) for suffix in set(suffixes)} == {"tif": 46, "csv": 6, "gpkg": 1}


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_any_number_of_threads_gives_the_same_bytes(world, workers):
    world.run(workers)
    assert not differing(world.files())


def test_the_largest_zone_is_begun_first(world, monkeypatch):
    """Begun last, it would leave the other workers idle at the end of each stage."""
    begun = {}

    def run(self, title, function, units, isolate=False, beside=()):
        begun[title] = [unit.zone for unit in (beside or units) if hasattr(unit, "zone")]
        return whole(self, title, function, units, isolate, beside)

    whole = Engine.run
    monkeypatch.setattr(Engine, "run", run)
    world.settings["deliverables"] = ["patches"]
    world.write_config()
    world.run()
    for title in ("composite", "calibrate", "map", "patches"):
        areas = [zone.area_ha for zone in begun[title]]
        assert len(areas) == 4
        assert areas == sorted(areas, reverse=True)


def test_threads_begin_the_units_in_their_order():
    begun = []
    units = [f"{place} of 120" for place in range(120)]
    assert Engine(Console(quiet=True), workers=1).run("units", lambda unit: begun.append(unit) or unit, units) == units
    assert begun == units


@pytest.mark.parametrize(
    ("refused", "said"), [((), "map: 3 done"), ((1,), "map: 2 done, 1 failed"), ((0, 1, 2), "map: 0 done, 3 failed")]
)
def test_units_that_failed_are_not_said_to_be_done(refused, said):
    def work(unit):
        if unit in refused:
            raise OutputError("the disk is full")

    for terminal in (False, True):
        console = Console(file=io.StringIO(), force_terminal=terminal, color_system=None)
        Engine(console, workers=2).run("map", work, [0, 1, 2])
        assert (f"{said}\n" in console.file.getvalue()) == (not terminal or bool(refused))


def test_small_units_go_last_and_leave_the_pace_alone():
    engine = Engine(Console(quiet=True), workers=1)
    assert engine.run("units", str, [], beside=(1, 2)) == ["1", "2"]
    assert "units" not in engine.pace
    assert engine.run("units", str, [3], beside=(1, 2)) == ["3", "1", "2"]
    assert engine.pace["units"] > 0


def test_two_processes_give_the_same_bytes(world, sinkmap, monkeypatch):
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    for name, value in child_environment().items():
        monkeypatch.setenv(name, value)
    code, _, error = sinkmap("zones", world.config, "--out", world.out, "--workers", 2)
    assert (code, error) == (0, "")
    assert not differing(world.files())


def test_an_existing_cluster_gives_the_same_bytes(world, cluster):
    address, _ = cluster
    with open_engine(Console(quiet=True), cluster=address) as engine:
        engine._client.wait_for_workers(2, timeout=60)
        done = world.run(client=engine._client)
    assert len(done.composite) == 12
    assert not differing(world.files())


def test_a_cluster_is_reached_from_a_notebook(cluster):
    """Whose cells run within an event loop."""

    async def cell():
        with open_engine(Console(quiet=True), cluster=cluster[0]) as engine:
            return engine.run("count", abs, [-1])

    assert asyncio.run(cell()) == [1]


def test_a_worker_that_dies_is_made_up_for(world, cluster):
    address, workers = cluster
    marks = world.results / "work" / "marks"

    def kill_one():
        _wait_for(lambda: len(list(marks.glob("tile-*.json"))) >= 2)
        workers[0].kill()

    killer = threading.Thread(target=kill_one)
    with open_engine(Console(quiet=True), cluster=address) as engine:
        engine._client.wait_for_workers(2, timeout=60)
        killer.start()
        world.run(client=engine._client)
        killer.join()
        # the scheduler needs a moment to learn of it
        _wait_for(lambda: len(engine._client.scheduler_info()["workers"]) == 1)
    assert not differing(world.files())


def test_a_cluster_that_does_not_answer_is_said_in_one_sentence_soon(world, sinkmap, monkeypatch):
    monkeypatch.setattr("pipeline.execution.engine.ANSWER_SECONDS", 1)
    start = time.monotonic()
    code, _, error = sinkmap("zones", world.config, "--out", world.out, "--cluster", "tcp://127.0.0.1:9")
    assert time.monotonic() - start < 10
    assert code == 2
    assert error.startswith("Error: ")
    assert error.count("\n") == 1
    assert "tcp://127.0.0.1:9" in error
    assert not list(world.results.glob("*.csv"))


def test_a_cluster_without_workers_is_waited_for_with_a_word_and_a_lost_one_is_said_in_one_sentence(tmp_path):
    place = tmp_path / "scheduler.json"
    options = ("--host", "127.0.0.1", "--no-dashboard", "--port", 0, "--scheduler-file", place)
    console = Console(file=io.StringIO(), width=40)
    with started("distributed.cli.dask_scheduler", *options) as scheduler:
        _wait_for(lambda: place.is_file() and place.read_text().strip().endswith("}"))
        address = json.loads(place.read_text())["address"]
        with open_engine(console, cluster=address) as engine:
            assert f"No worker is at the Dask scheduler {address} yet; the work waits" in console.file.getvalue()
            threading.Timer(1, scheduler.kill).start()
            with pytest.raises(SinkmapError, match="Dask scheduler is lost; finished work is kept"):
                engine.run("count", abs, [-1])


def test_another_server_at_the_address_is_said_in_one_sentence(monkeypatch):
    """It takes the connection and never answers."""
    monkeypatch.setattr("pipeline.execution.engine.ANSWER_SECONDS", 1)
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"tcp://127.0.0.1:{other.getsockname()[1]}"
        with (
            pytest.raises(ConfigError, match=f"no Dask scheduler answers at {address}; "),
            open_engine(Console(quiet=True), cluster=address),
        ):
            pass


OTHERS = {
    "other code": ("numbers = 1", "the worker tcp://.* of the Dask cluster has sinkmap code .* for "),
    "no sinkmap": (
        "raise ModuleNotFoundError(__name__)",
        r"the worker tcp://.* has not this sinkmap \(.*pipeline.*\); install",
    ),
}


@pytest.mark.parametrize(("change", "sentence"), OTHERS.values(), ids=OTHERS)
def test_a_worker_of_another_installation_is_refused(tmp_path, change, sentence):
    """What it computed would bear the marks of this code."""
    shutil.copytree(ROOT / "pipeline", tmp_path / "pipeline")
    with (tmp_path / "pipeline" / "__init__.py").open("a", encoding="utf-8") as code:
        code.write(f"\n{change}\n")
    place = tmp_path / "scheduler.json"
    quiet = ("--host", "127.0.0.1", "--no-dashboard", "--scheduler-file", place)
    worker = (*quiet, "--no-nanny", "--nthreads", 1, "--local-directory", tmp_path)
    with contextlib.ExitStack() as stack:
        stack.enter_context(started("distributed.cli.dask_scheduler", *quiet, "--port", 0))
        _wait_for(lambda: place.is_file() and place.read_text().strip().endswith("}"))
        stack.enter_context(started("distributed.cli.dask_worker", *worker, package=tmp_path))
        address = json.loads(place.read_text())["address"]
        with open_engine(Console(quiet=True), cluster=address) as engine:
            engine._client.wait_for_workers(1, timeout=60)
            with pytest.raises(ConfigError, match=sentence):
                engine.run("count", abs, [-1])


def test_a_worker_of_other_code_that_comes_while_a_stage_goes_on_does_nothing():
    other = installed() | {"numpy": "1.0"}
    with pytest.raises(ConfigError, match=r"of the Dask cluster has numpy .* for 1\.0; install"):
        _as_here(other, abs, -1)
    assert _as_here(installed(), abs, -1) == 1


def test_that_all_workers_are_gone_is_said(tmp_path, monkeypatch):
    """Otherwise a run whose workers were ended stands still without a word."""
    monkeypatch.setattr("pipeline.execution.engine.LOOK_SECONDS", 0.2)
    place = tmp_path / "scheduler.json"
    quiet = ("--host", "127.0.0.1", "--no-dashboard", "--scheduler-file", place)
    worker = (*quiet, "--no-nanny", "--nthreads", 1, "--local-directory", tmp_path)
    console = Console(file=io.StringIO(), width=140)
    with contextlib.ExitStack() as stack:
        stack.enter_context(started("distributed.cli.dask_scheduler", *quiet, "--port", 0))
        _wait_for(lambda: place.is_file() and place.read_text().strip().endswith("}"))
        first = stack.enter_context(started("distributed.cli.dask_worker", *worker))
        engine = stack.enter_context(open_engine(console, cluster=json.loads(place.read_text())["address"]))
        engine._client.wait_for_workers(1, timeout=60)
        work = threading.Thread(target=engine.run, args=("rest", time.sleep, [3]))
        work.start()
        time.sleep(1)
        first.kill()
        _wait_for(lambda: "No worker is at the Dask scheduler; the work waits for one." in console.file.getvalue())
        stack.enter_context(started("distributed.cli.dask_worker", *worker))
        work.join(60)
    assert "rest: 1 done" in console.file.getvalue()


@pytest.mark.parametrize("address", ["nonsense", "127.0.0.1:notaport", "http://127.0.0.1:9", "tls://127.0.0.1:9"])
def test_an_address_that_is_none_is_said_in_one_sentence(world, sinkmap, address):
    code, _, error = sinkmap("zones", world.config, "--out", world.out, "--cluster", address)
    assert code == 2
    assert error.startswith("Error: ")
    assert error.count("\n") == 1
    assert address in error


def test_a_renamed_scene_folder_and_another_order_of_its_items_give_the_same_bytes(world):
    # found by their path: reversed names reverse the order in which the scenes are found
    moved = world.folder / "elsewhere"
    for number, folder in enumerate(sorted((world.folder / "scenes").iterdir(), reverse=True)):
        shutil.move(folder, moved / f"{number:02}")
    world.settings["scenes"]["path"] = "elsewhere"
    world.write_config()
    world.run()
    assert not differing(world.files())


def test_a_renamed_scene_folder_is_not_read_again(tmp_path):
    world = World.finished(tmp_path)
    (world.folder / "scenes").rename(world.folder / "elsewhere")
    world.settings["scenes"]["path"] = "elsewhere"
    world.write_config()
    done = world.run()
    assert (done.composite, done.calibrate, done.map) == ([], [], [])


def test_larger_tiles_give_the_same_bytes(world):
    world.settings["grid"]["tile_px"] = 512
    world.write_config()
    assert len(world.run().composite) == 6
    # the tables agree in all digits that they show; the GeoPackage has the last bits of sums in another order
    assert differing(world.files()) <= {"zones.gpkg"}


def test_overlapping_scenes_of_one_day_count_as_one_observation(tmp_path):
    once, twice = World.at(tmp_path / "once"), World.at(tmp_path / "twice")
    # the same sky and ground delivered as two scenes of which the second knows only the west
    for year in once.settings["scenes"]["years"]:
        for day in DAYS:
            folder = twice.scene(year, day)
            copy = folder.with_name(f"{folder.name}_copy")
            shutil.copytree(folder, copy)
            item = json.loads((copy / f"{folder.name}.json").read_text())
            (copy / f"{folder.name}.json").unlink()
            (copy / "item.json").write_text(json.dumps(item | {"id": f"{folder.name}_copy"}))
    once.run()
    twice.run()
    assert once.files() == twice.files()


def test_clear_ground_of_a_second_scene_fills_what_the_first_did_not_cover(world):
    # half of each date's ground in one scene, half in another
    west = np.zeros((200, 300), bool)
    west[:, :150] = True
    for year in world.settings["scenes"]["years"]:
        for day in DAYS:
            scl = clouds_over(day)
            first = world.scene(year, day)
            world.write_scene(year, day, landscape(year, day), np.where(west, 0, scl))
            parts = first.with_name(f"{first.name}_west")
            shutil.copytree(first, parts)
            world.write_scene(year, day, landscape(year, day), np.where(west, scl, 0))
            item = json.loads((parts / f"{first.name}.json").read_text())
            (parts / f"{first.name}.json").unlink()
            (parts / "item.json").write_text(json.dumps(item | {"id": parts.name}))
    world.run()
    # a cloud's buffer does not reach over the border of a scene, which no cloud of the world comes near
    assert differing(world.files()) <= {name for name in undisturbed() if "clear_count" in name}


def _die(unit):
    os._exit(1)


def test_a_unit_over_which_workers_die_is_said_in_one_sentence():
    """As one that takes more memory than they may."""
    with open_engine(Console(quiet=True), workers=1) as engine:
        (failure,) = engine.run("die", _die, [1])
    assert re.fullmatch(
        r"a worker died again and again, the last at \S+; give the workers more memory or use fewer", str(failure.error)
    )
