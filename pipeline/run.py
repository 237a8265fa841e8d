"""A run made ready: inputs found and checked, grid and tiles defined, folders and marks opened."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import geopandas as gpd
import numpy as np
import shapely

from pipeline import inputs
from pipeline.blocks import packed
from pipeline.compositing.cube import Cube, Tile, block_aligned_grid, touched_tiles
from pipeline.compositing.tile_year import COMPOSITE_CODE
from pipeline.config.cover_config import Cover
from pipeline.config.run_config import RunConfig, read_coefficients
from pipeline.ecosystems import Ecosystem
from pipeline.errors import ConfigError, OutputError, SceneError, ZoneError
from pipeline.execution.engine import Failure
from pipeline.execution.output_folder import writable_folder
from pipeline.execution.provenance import Checksums, Marks, code_key, content_key, stamp
from pipeline.mapping.shrub_ground import ShrubGround
from pipeline.mapping.styles import Styles, read_styles
from pipeline.mapping.suggestions import Suggestions, read_suggestions
from pipeline.outputs.note import note_of
from pipeline.scenes.catalog import find_scenes, grid_origin
from pipeline.scenes.harmonise import without_scenes
from pipeline.scenes.scene import Scene, SetAside
from pipeline.scenes.sensor_error import SensorError, sensor_errors
from pipeline.stock.zone_model import Period
from pipeline.uncertainty.varying import DrawSettings
from pipeline.variables import VARIABLES
from pipeline.zones.area_ledger import area_ledger
from pipeline.zones.boundaries import zones_on_grid
from pipeline.zones.zone import Zone
from pipeline.zones.zone_stands import ZoneStands


@dataclass(frozen=True)
class FailedZone:
    """A zone that could not be computed, and the sentence that says why."""

    zone: Zone
    reason: str


@dataclass
class Run:
    """Everything the four stages work on. ``scenes`` shrinks when one is set aside, ``zones`` when one fails."""

    config: RunConfig
    out: Path
    ecosystems: dict[str, Ecosystem]
    zone_table: gpd.GeoDataFrame
    zones: list[Zone]
    stands: dict[str, ZoneStands]
    shrub: dict[str, ShrubGround]
    scenes: list[Scene]
    set_aside: list[SetAside]
    cube: Cube
    tiles: list[Tile]
    marks: Marks
    checksums: dict[str, str]
    styles: Styles
    suggestions: Suggestions
    notes: list[str] = field(default_factory=list)
    failed: list[FailedZone] = field(default_factory=list)
    stamps: dict[str, str] = field(default_factory=dict)
    """Size and time of every input file when the run began, by path."""

    @property
    def work(self) -> Path:
        """Folder of what is kept between runs: cube, sketches, marks."""
        return self.out / "work"

    @property
    def results(self) -> Path:
        return self.config.results(self.out.parent)

    @property
    def baseline(self) -> Period | None:
        return Period(self.config.periods.baseline) if self.config.periods.baseline else None

    @property
    def current(self) -> Period:
        return Period(self.config.periods.current)

    @property
    def periods(self) -> list[Period]:
        return [period for period in (self.baseline, self.current) if period]

    @property
    def years(self) -> list[int]:
        return sorted(self.config.scenes.years)

    @property
    def note(self) -> str:
        """The note on every map and table of more than one zone."""
        mapped = set(self.zone_table["ecosystem"])
        return note_of(self.config.simulated, [self.ecosystems[name] for name in self.ecosystems if name in mapped])

    def scene_entry(self, scene: Scene) -> dict:
        """The entry of a scene in the record, with the zones that its frame reaches."""
        entry = {"id": scene.id, "day": str(scene.day), "sensor": scene.sensor, "scale_known_from": scene.origin}
        return entry | {"zones": [zone.id for zone in self.zones if zone.geometry.intersects(scene.frame)]}

    def inputs(self) -> dict[str, str]:
        """Checksum of every file that the run reads, by path."""
        return self.checksums | Checksums(self.work / "checksums.json").of(self.config.tables())

    def refuse_replaced(self, units: Sequence = ()) -> None:
        """Raises SceneError or ZoneError for an input file that was replaced since the run began, and takes back the
        marks of the tile-years ``units`` that read it: nobody knows which of the two files they hold."""
        replaced = [path for path, then in self.stamps.items() if stamp(path) != then]
        for unit in units:
            if any(path in replaced for scene in unit.scenes for path in scene.paths):
                self.marks.take_back(unit.name)
        if replaced:
            kind = SceneError if replaced[0] in self.checksums else ZoneError
            raise kind(f"{replaced[0]} was replaced while the run went on; run again, what it does not touch is kept")

    def cover_of(self, ecosystem: str) -> Cover:
        return self.config.cover.get(ecosystem, Cover())

    @property
    def draws(self) -> DrawSettings | None:
        """Settings of the Monte Carlo, None where the config asks for no draws."""
        how = self.config.uncertainty
        return DrawSettings(how.draws, how.seed, how.area_u95_percent, how.carlson_ripley_chance) if how.draws else None

    def check_years(self) -> None:
        """Raises SceneError for a year without a scene."""
        for year in self.years:
            if not any(scene.day.year == year for scene in self.scenes):
                last = self.set_aside[-1].reason if self.set_aside else ""
                reason = f" (set aside last, of whatever year: {last})" if last else ""
                raise SceneError(
                    f"the year {year} has no usable scene{reason}; add scenes or take it out of scenes.years"
                )

    def fingerprint(self, scene: Scene) -> list:
        """What the pixels of a scene depend on: content of its files, where they lie on the ground, scales, quality
        rule; not its place on disk."""
        layers = {
            name: [self.checksums[band.path], band.member, band.index, band.scale, band.offset, band.nodata]
            for name, band in scene.layers.items()
        }
        checks = [[check.rule.key, check.of_doubtful] for check in scene.checks]
        return [scene.id, str(scene.day), layers, scene.rule and scene.rule.key, checks, scene.grids]

    def reaches(self, scene: Scene, tile: Tile) -> bool:
        return scene.frame.intersects(self._tile_boxes[tile.name])

    @cached_property
    def _tile_boxes(self) -> dict[str, shapely.Polygon]:
        """The window of each tile in the CRS of the grid."""
        return {tile.name: shapely.box(*self.cube.grid[tile.window].boundingbox) for tile in self.tiles}

    def sensor_errors(self, zone: Zone) -> tuple[SensorError, ...]:
        """The errors that adjusting sensors leaves, from the scenes whose frame reaches the zone."""
        there = self.scenes_over(zone)
        return sensor_errors([(s.day.year, s.sensor, s.like_u95) for s in there], self.years)

    def scenes_over(self, zone: Zone) -> list[Scene]:
        """The scenes whose frame reaches the zone."""
        return [scene for scene in self.scenes if zone.geometry.intersects(scene.frame)]

    def tiles_of(self, zone: Zone) -> tuple[Tile, ...]:
        """The tiles that the zone's box meets, in order."""
        box = shapely.box(*zone.geometry.bounds)
        return tuple(tile for tile in self.tiles if box.intersects(self._tile_boxes[tile.name]))

    def kept_as(self, zone: Zone) -> str:
        """The name under which the sketch and the covered fractions of a zone are kept."""
        return f"{zone.id}_{'_'.join(period.label for period in self.periods)}"

    def sketch_path(self, zone: Zone) -> Path:
        return self.work / "sketches" / f"{self.kept_as(zone)}.npz"

    def zone_folder(self, zone: Zone) -> Path:
        return self.results / "zones" / zone.id

    def forget(self, zone: Zone) -> None:
        """Take back the marks of a zone, so that all of it is done again from the composites. Those are kept: if their
        cells changed, the rasters of neighbouring zones would be outdated."""
        kept, here = self.kept_as(zone), self.results.name
        for unit in (f"coverage-{kept}", f"sketch-{kept}", f"patches-{kept}", f"sheet-{here}-zone-{zone.id}"):
            self.marks.take_back(unit)
        variables = "|".join(VARIABLES)
        self.marks.forget(rf"map-{re.escape(f'{here}-{zone.id}')}_({variables})_[\d+-]+(_[\d+-]+)?")

    def set_scenes_aside(self, failed: list[SetAside]) -> None:
        """Go on without these scenes. Those whose content is bad are remembered, as long as their files and the code
        and settings that judged them stay the same."""
        reasons = {aside.scene: aside.reason for aside in failed if not aside.passing}
        bad = self.marks.read("set-aside") or {}
        bad |= {s.id: [self._judged_by(s), reasons[s.id]] for s in self.scenes if s.id in reasons}
        self.marks.write("set-aside", bad)
        self._leave_out(failed)

    def leave_out_known_bad(self) -> None:
        """Go on without the scenes that failed in an earlier run and would fail again."""
        bad = self.marks.read("set-aside") or {}
        self._leave_out(
            [SetAside(s.id, bad[s.id][1]) for s in self.scenes if s.id in bad and bad[s.id][0] == self._judged_by(s)]
        )

    def _leave_out(self, aside: list[SetAside]) -> None:
        out = {each.scene for each in aside}
        self.scenes = [scene for scene in self.scenes if scene.id not in out]
        self.set_aside += aside

    def _judged_by(self, scene: Scene) -> str:
        ground = [[repr(tile), packed(tile.cells)] for tile in self.tiles if self.reaches(scene, tile)]
        place = [str(self.cube.grid.crs), list(self.cube.grid.affine), ground]
        how = [self.config.composite.model_dump(mode="json"), *place]
        digests = [band.digest for band in scene.layers.values()]
        return content_key(code_key(*COMPOSITE_CODE), how, self.fingerprint(scene), digests)

    def ledger(self, covered_ha: dict[str, float] | None = None) -> list[dict]:
        """The ledger of areas, with what the pixels cover by zone id where that is known."""
        config = self.config
        return area_ledger(self.zone_table, config.zones.planned_wanmu, config.area_tolerance_percent, covered_ha)

    def isolate_failures(self, zones: list[str], results: list, strict: bool) -> None:
        """Give up the zones whose unit failed, so that the others are delivered. Raises the error if no zone is left,
        if a result cannot be written (the others would soon fail, too), and with ``strict``."""
        units = zip(zones, results, strict=True)
        failed = {zone: result.error for zone, result in units if isinstance(result, Failure)}
        for error in failed.values():
            if strict or isinstance(error, OutputError) or len(failed) == len(self.zones):
                raise error
        self.failed += [FailedZone(zone, str(failed[zone.id])) for zone in self.zones if zone.id in failed]
        self.failed.sort(key=lambda given_up: given_up.zone.id)
        self.zones = [zone for zone in self.zones if zone.id not in failed]


def prepare(config: RunConfig, out: Path, force: bool = False, only: str | None = None) -> Run:
    """Find and check everything before a pixel is read. ``out`` is the folder of all runs; with ``force`` finished work
    is to be done again, and scenes that failed are tried again; with ``only`` this holds for the work of that zone.

    Raises ConfigError, ZoneError, SceneError or OutputError.
    """
    inputs.refuse_among_results(config, out / config.name)
    stamps = {path: stamp(path) for path in config.tables()}
    ecosystems = read_coefficients(config.coefficients)
    inputs.check_library(config, ecosystems)
    table, notes = inputs.counted_zones(config, ecosystems)
    inputs.check_names(config, table)
    zones = zones_on_grid(table, config.grid.crs)
    by_id = {zone.id: zone for zone in zones}
    if only is not None and only not in by_id:
        raise ConfigError(f"there is no zone {only}; the zones are {', '.join(by_id)}")
    extent = shapely.total_bounds([zone.geometry for zone in zones])
    folder = out / config.name
    wanted = inputs.wanted_of(config, extent)
    scenes, aside = find_scenes(inputs.place_of_scenes(config, extent, folder / "work" / "stac"), wanted)
    inputs.check_levels(config.composite.method, scenes)
    notes += [sentence] if (sentence := without_scenes(wanted.rows, scenes)) else []
    origin = grid_origin(scenes, config.grid.crs, config.grid.resolution_m)
    grid = block_aligned_grid(extent, config.grid.crs, config.grid.resolution_m, origin)
    work = writable_folder(folder / "work")
    writable_folder(work / "sketches")
    checksums = Checksums(work / "checksums.json")
    stands = inputs.stands_of(config, ecosystems, zones, notes)
    run = Run(
        config=config,
        out=folder,
        ecosystems=ecosystems,
        zone_table=table,
        zones=zones,
        stands={zone.id: stands[zone.id] for zone in zones if zone.ecosystem == "forest" and zone.id in stands},
        shrub=inputs.shrub_of(config, stands, zones, checksums, notes),
        scenes=scenes,
        set_aside=aside,
        cube=Cube(work / "cube.zarr", grid, config.grid.tile_px),
        tiles=touched_tiles(grid, config.grid.tile_px, np.array([zone.geometry for zone in zones])),
        marks=Marks(work / "marks"),
        checksums=checksums.of(paths := sorted({path for scene in scenes for path in scene.paths})),
        styles=read_styles(config.styles).with_cover_scheme(config.cover_classes),
        suggestions=read_suggestions(config.patches.suggestions),
        notes=notes,
        stamps=stamps | checksums.stamps(paths),
    )
    if unreached := [zone.id for zone in zones if not run.scenes_over(zone)]:
        notes.append(f"no scene reaches {', '.join(unreached)}: there will be no data")
    notes += inputs.too_short_for_a_sink(config, [zone.id for zone in zones if zone.id not in run.stands])
    if force and only:
        run.forget(by_id[only])
    elif force:
        run.marks.forget()
    run.leave_out_known_bad()
    return run
