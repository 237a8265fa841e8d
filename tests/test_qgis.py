"""The results in the real QGIS, without a screen. Skips where it is not installed."""

import os
import subprocess
from functools import cache
from pathlib import Path

import pytest
from tiny_world import World

CHECK = Path(__file__).parents[2] / "shared" / "tools" / "qgis_check.py"
SYSTEM_PYTHON = Path("/usr/bin/python3")


@cache
def missing() -> str:
    """Why QGIS cannot be asked; empty where it can."""
    if not CHECK.is_file():
        return f"{CHECK} is not there"
    if not SYSTEM_PYTHON.is_file() or _python("-c", "import qgis.core").returncode:
        return "QGIS is not installed (Debian: apt-get install python3-qgis qgis-providers fonts-noto-cjk)"
    return ""


def _python(*arguments):
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [SYSTEM_PYTHON, *map(str, arguments)], env=environment | {"QT_QPA_PLATFORM": "offscreen", "LC_ALL": "C.UTF-8"},
        capture_output=True, encoding="utf-8", timeout=300, check=False,
    )  # fmt: skip


def look(out, *arguments):
    """Asserts that QGIS finds nothing amiss."""
    done = _python(CHECK, "--out", out, *arguments)
    assert done.returncode == 0, "\n".join(line for line in done.stdout.splitlines() if "FAIL" in line) + done.stderr


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    if missing():
        pytest.skip(missing())
    world = World.finished(tmp_path_factory.mktemp("qgis"))
    # with draws a veil lies over the sinks
    world.settings |= {"deliverables": ["patches", "styles", "project"], "uncertainty": {"draws": 100}}
    world.write_config()
    world.run()
    return world.results


def test_layers_open_styled_and_named_in_chinese(results, tmp_path):
    look(tmp_path, "--expect-style", "--expect-cjk", *sorted(results.glob("zones/G01/*.tif")))


def test_geopackages_open_styled_and_labelled(results, tmp_path):
    files = [results / "zones.gpkg", results / "zones" / "F01" / "F01.gpkg"]
    look(tmp_path, "--expect-style", "--expect-cjk", "--expect-labels", "--expect-crs", "EPSG:4490", *files)


def test_the_project_opens_elsewhere_and_has_a_sheet_for_each_zone(results, tmp_path):
    look(tmp_path, "--expect-style", "--expect-cjk", "--moved", "--expect-pages", "4", results / "tiny.qgz")


def test_geopackages_are_valid(results):
    for path in (results / "zones.gpkg", results / "zones" / "F01" / "F01.gpkg"):
        done = _python("-m", "osgeo_utils.samples.validate_gpkg", path)
        assert done.returncode == 0, done.stdout + done.stderr
