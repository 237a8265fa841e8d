"""P: the product as `make zones` runs it, all four stages from an empty output folder; and P again after one
changed coefficient.

    python -m bench.product JOB WARM_UP [--again]

Imports and a first run on a tiny job are not timed: that run loads late imports, and compiles numba's kernels or loads
them from their cache. Its duration is printed.
"""

import argparse
import gc
import json
from pathlib import Path
from time import perf_counter, time_ns
from unittest.mock import patch

from rich.console import Console

from bench.data import reset_coefficients
from bench.measure import answer, measured
from pipeline.config.run_config import read_config
from pipeline.execution.engine import open_engine
from pipeline.flow import run_stages
from pipeline.run import prepare

COEFFICIENT = ("forest.yaml", "reference_cover:\n  value: 0.7\n", "reference_cover:\n  value: 0.75\n")
"""The cover of a closed stand: a factor of the biomass and carbon of the twelve forest zones, and of nothing else."""


def produce(job: Path) -> dict:
    """Run all stages; returns the seconds of each."""
    start = perf_counter()
    run = prepare(read_config(job / "config.yaml"), job / "out")
    stages = {"prepare": perf_counter() - start}
    with open_engine(Console(quiet=True)) as engine:
        run_stages(run, engine)
    return {"stages": stages | json.loads((run.results / "run.json").read_text(encoding="utf-8"))["seconds"]}


def fresh(job: Path) -> dict:
    """P from nothing. Older results are moved to old-out-*, not deleted: after many deletions ext4 takes long to find a
    free inode, and that would count as the product's time."""
    reset_coefficients(job)
    if (job / "out").exists():
        (job / "out").rename(job / f"old-out-{time_ns()}")
    return measured(job, lambda: produce(job))


def again(job: Path) -> dict:
    """P with its results in place and one coefficient changed; raises if a pixel of a scene is read, or the cube is
    written. ``rewritten`` are the rasters that were made again."""
    file, old, new = COEFFICIENT
    text = (job / "coefficients" / file).read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{file} does not hold {old!r} once"
    (job / "coefficients" / file).write_text(text.replace(old, new), encoding="utf-8")
    composites, maps = _times(job, "out/*/work/cube.zarr/**/*"), _times(job, "out/*/zones/*/*.tif")
    decoded = AssertionError("a scene was decoded")
    with patch.multiple("pipeline.compositing.tile_year", read_bands=_raiser(decoded), read_classes=_raiser(decoded)):
        found = measured(job, lambda: produce(job))
    assert _times(job, "out/*/work/cube.zarr/**/*") == composites, "a composite was written"
    rewritten = [path for path, time in _times(job, "out/*/zones/*/*.tif").items() if maps.get(path) != time]
    assert rewritten, "no raster was written again"
    return found | {"rewritten": rewritten}


def _raiser(error: Exception):
    def stop(*_):
        raise error

    return stop


def _times(job: Path, pattern: str) -> dict[str, int]:
    """Modification times of files by path."""
    return {str(path): path.stat().st_mtime_ns for path in sorted(job.glob(pattern)) if path.is_file()}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("job", type=Path)
    parser.add_argument("warm_up", type=Path)
    parser.add_argument("--again", action="store_true")
    asked = parser.parse_args()
    warm_up = fresh(asked.warm_up)["seconds"]
    gc.freeze()  # as the command line does after its imports
    answer((again if asked.again else fresh)(asked.job) | {"warm_up": warm_up})
