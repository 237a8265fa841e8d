"""The unit of work of stage 1, run by one worker: the composite of a tile and year."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from odc.geo.geobox import GeoBox

from pipeline.blocks import Cells
from pipeline.compositing.bright_soil import BrightSoil
from pipeline.compositing.clear_means import clear_means, pixels_within
from pipeline.compositing.composite import buffer_clouds
from pipeline.compositing.composite_methods import COMPOSITES
from pipeline.compositing.cube import Cube, Tile
from pipeline.compositing.indices import bands_of
from pipeline.errors import AwayError, SceneError
from pipeline.execution.provenance import Marks
from pipeline.scenes.reflectance import read_bands, read_classes
from pipeline.scenes.scene import INDEX, Scene, SetAside

COMPOSITE_CODE = (
    "compositing/tile_year", "compositing/clear_means", "compositing/composite", "compositing/composite_methods",
    "compositing/median", "compositing/indices", "compositing/shadow", "compositing/bright_soil", "scenes/reflectance",
    "blocks", "scenes/hdfeos", "scenes/scene", "scenes/quality", "compositing/cube",
    "variables",
)  # fmt: skip
"""Modules whose code a composite depends on."""


@dataclass(frozen=True)
class TileYear:
    """The composite of one tile and year, for its ``cells`` (None: all); ``key`` is what its mark will hold."""

    cube: Cube
    tile: Tile
    year: int
    scenes: tuple[Scene, ...]
    method: str
    indices: tuple[str, ...]
    buffer_m: float
    marks: Marks
    key: dict[str, str]
    bright_soil: bool = False
    cells: Cells | None = None

    @property
    def name(self) -> str:
        return f"tile-{self.year}-{self.tile.name}"

    @property
    def writes_to(self) -> Path:
        return self.cube.path


def composite_tile(unit: TileYear) -> list[SetAside]:
    """Read the scenes once (twice where bright soil is looked for), mask, composite, store in the cube. Scenes that
    fail are returned; then nothing is marked, and the unit is to be run again without them."""
    grid = unit.cube.grid[unit.tile.window]
    # with a margin as wide as the cloud buffer, so that a tile's edge is treated like its inside
    buffer_px = round(unit.buffer_m / abs(grid.resolution.x))
    wide = grid.pad(buffer_px)
    soil = _bright_soil(unit.scenes, wide) if unit.bright_soil else None
    days = len({scene.day for scene in unit.scenes})
    composite = COMPOSITES[unit.method](grid.shape, unit.indices, days, unit.cells)
    failed, day = [], None
    found = bands = None  # of the scene before, written over by the next one's
    for scene in unit.scenes:
        if scene.day != day:
            day = scene.day
            composite.next_day(day.timetuple().tm_yday)
        try:
            if (within := pixels_within(scene, grid)) > 1:
                composite.add(*clear_means(scene, bands_of(unit.indices), grid, within, unit.buffer_m, unit.cells))
                continue
            found = read_classes(scene, wide, found)
            if soil and _shows_soil(scene, grid):
                found = soil.rescue(found, read_bands(scene, ("red", "nir"), wide))
            classes = buffer_clouds(found, buffer_px, margin_px=buffer_px)
            wanted = composite.wanted(classes)
            if wanted.any():
                bands = read_bands(scene, bands_of(unit.indices), grid, wanted, bands)
                composite.add(classes, bands)
        except SceneError as error:
            failed.append(SetAside(scene.id, str(error), isinstance(error, AwayError)))
        except ValueError as error:
            failed.append(SetAside(scene.id, f"scene {scene.id}: {error}; correct its metadata or remove it"))
    if not failed:
        unit.marks.take_back(unit.name)
        unit.cube.write(unit.year, unit.tile, composite.layers())
        unit.marks.write(unit.name, unit.key)
    return failed


def _shows_soil(scene: Scene, grid: GeoBox) -> bool:
    """Whether bright soil is looked for in a scene: not if it holds NDVI alone, whose computed red shows no brightness,
    nor if it is masked at its own pixels."""
    return scene.level != INDEX and pixels_within(scene, grid) == 1


def _bright_soil(scenes: tuple[Scene, ...], grid: GeoBox) -> BrightSoil:
    """What the season shows of bright soil; a scene that fails adds nothing, and is reported when it is composited."""
    soil, day = BrightSoil(grid.shape), None
    for scene in (scene for scene in scenes if _shows_soil(scene, grid)):
        if scene.day != day:
            day = scene.day
            soil.next_day()
        with suppress(SceneError):
            soil.add(read_classes(scene, grid), read_bands(scene, ("red", "nir"), grid))
    return soil
