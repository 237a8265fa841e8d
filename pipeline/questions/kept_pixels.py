"""The pixels of a zone that a finished run keeps, and its sketch if they are replaced by those of another run."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from pipeline.compositing.cube import Cube, Window
from pipeline.mapping.map_layer import layers_of_years
from pipeline.mapping.shrub_ground import kept_mosaic
from pipeline.mapping.zone_pixels import SketchBuilder
from pipeline.questions.finished import FinishedRun
from pipeline.stock.sketch import Sketch
from pipeline.variables import INDEX_NODATA

Years = tuple[int, ...]
Layers = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Stored index, clear count and open water, (years, rows, columns) each."""


@dataclass(frozen=True)
class KeptPixels:
    """The cube with the composites of a run, the name of a zone's covered fractions beside it, their windows, and
    whether shrub is among them."""

    cube: Cube
    coverage: str
    windows: tuple[Window, ...]
    shrub: bool

    @classmethod
    def of(cls, run: FinishedRun, zone: str) -> Self | None:
        """Those of a zone of the run; None where the cube was deleted."""
        entry = run.zones[zone]
        try:
            cube = Cube.kept(run.work / "cube.zarr")
        except (OSError, KeyError, ValueError):
            return None
        windows = tuple(tuple(slice(*part) for part in window) for window in entry["windows"])
        return cls(cube, Path(entry["sketch"]).stem, windows, bool(entry.get("shrub")))

    def sketch(self, layers_of: Callable[[Window], Layers]) -> Sketch:
        """The zone's sketch of the layers that a function gives for each of its windows. Raises OutputError where the
        covered fractions are gone, and what the function raises."""
        builder = SketchBuilder()
        for window in self.windows:
            index, clear, water = layers_of(window)
            fractions = self.cube.read_coverage(self.coverage, window)
            mosaic = kept_mosaic(self.cube, self.coverage, window) if self.shrub else None
            builder.add(fractions, index, clear.sum(axis=0, dtype="uint16"), water, mosaic)
        return builder.sketch()

    def layers(self, years: Years, index: str, min_water_share: float) -> Callable[[Window], Layers]:
        """What the cube holds of these years in a window."""

        return lambda window: layers_of_years(self.cube, years, window, index, min_water_share)


def common(one: Callable[[Window], Layers], other: Callable[[Window], Layers]) -> Callable[[Window], Layers]:
    """``one`` without the pixel-years that are missing in ``other``; the years of the two are paired in order."""

    def of(window: Window) -> Layers:
        index, clear, water = one(window)
        both = other(window)[0] != INDEX_NODATA
        return np.where(both, index, np.int16(INDEX_NODATA)), np.where(both, clear, np.uint8(0)), water

    return of
