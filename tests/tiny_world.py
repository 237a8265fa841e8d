"""A tiny made world: four zones over two tiles, two dates a year, with one date partly cloudy. Written in no time, so
that a run can be broken in many ways. Helpers to run it here, as a command, or to its sudden death."""

import atexit
import contextlib
import csv
import io
import json
import multiprocessing
import os
import pkgutil
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path

import geopandas as gpd
import numpy as np
import rasterio
import shapely
from rasterio.transform import from_origin
from rich.console import Console

from pipeline.config.run_config import read_config
from pipeline.execution.engine import Engine
from pipeline.flow import run_stages
from pipeline.run import prepare

ROOT = Path(__file__).parents[1]
CRS, LEFT, TOP, PIXEL = "EPSG:32649", 400_000.0, 4_500_000.0, 30.0
ROWS, COLUMNS = 200, 300
"""Columns from 256 on lie in a second tile; tiles have the smallest size, 256 px."""
YEARS = (2019, 2020, 2021, 2023, 2024, 2025)
DAYS = ("08-01", "08-11")
VEGETATION, WATER, CLOUD = 4, 6, 9


def box(top: float, bottom: float, left: float, right: float) -> shapely.Geometry:
    """A rectangle given in pixels of the world."""
    return shapely.box(LEFT + left * PIXEL, TOP - bottom * PIXEL, LEFT + right * PIXEL, TOP - top * PIXEL)


ZONES = {
    "F01": ("林地", "落叶松人工林中龄林", box(10.3, 90, 10, 110.6)),
    "F02": ("林地", "落叶松人工林成熟林", box(10, 80.5, 130, 240)),
    "G01": ("草地", "典型草原", box(100, 190, 20.2, 290).difference(box(130, 140, 40, 50))),
    "W01": ("湿地", "芦苇沼泽", box(20, 70.7, 262, 295)),
}
COLUMNS_OF_ZONES = {"id": "ID", "name": "NAME", "ecosystem": "KIND", "declared_wanmu": "WANMU", "stratum": "TYPE"}
STANDS = [("华北落叶松", 30.0, 45.0, box(10, 90, 10, 60)), ("油松", 60.0, 66.0, box(10, 85, 60, 111))]


def settings() -> dict:
    """The world's config, to be changed and written by `World.write_config`."""
    return {
        "name": "tiny",
        "simulated": True,
        "scenes": {"path": "scenes", "years": list(YEARS), "season": ["07-15", "08-31"]},
        "zones": {
            "path": "zones.gpkg",
            "columns": dict(COLUMNS_OF_ZONES),
            "expected": {"forest": 2, "grassland": 1, "wetland": 1},
        },
        "stands": {
            "path": "stands.gpkg",
            "columns": {"species": "SPECIES", "volume_m3_ha": {"2020": "V2020", "2024": "V2024"}},
        },
        "grid": {"crs": CRS, "resolution_m": PIXEL, "tile_px": 256},
        "periods": {"baseline": "2019-2021", "current": "2023-2025"},
        "coefficients": "coefficients",
        "deliverables": [],
        "uncertainty": {"draws": 0},
    }


@dataclass
class Done:
    """The result of a run (``rows``) and the units of work that it had to do, by stage."""

    rows: list[dict] = field(default_factory=list)
    composite: list[str] = field(default_factory=list)
    coverage: list[str] = field(default_factory=list)
    calibrate: list[str] = field(default_factory=list)
    map: list[str] = field(default_factory=list)
    patches: list[str] = field(default_factory=list)
    set_aside: list[str] = field(default_factory=list)

    def row(self, zone: str) -> dict:
        return next(row for row in self.rows if row["zone_id"] == zone)


class World:
    """The files of the world in ``folder``, and runs over them; results go to ``folder/out/tiny``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config, self.zones, self.stands = folder / "tiny.yaml", folder / "zones.gpkg", folder / "stands.gpkg"
        self.coefficients = folder / "coefficients"
        self.settings = settings()

    @classmethod
    def at(cls, folder: Path) -> "World":
        """The whole world, written anew."""
        world = cls(folder)
        for name, content in _files().items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return world

    @classmethod
    def finished(cls, folder: Path) -> "World":
        """The whole world with a finished run: a copy, since a run depends on the content of files and not on their
        folder."""
        world = cls.at(folder)
        shutil.copytree(_finished_world().out, world.out)
        return world

    @property
    def out(self) -> Path:
        return self.folder / "out"

    @property
    def results(self) -> Path:
        return self.out / "tiny"

    def write(self) -> None:
        for year in YEARS:
            for day in DAYS:
                self.write_scene(year, day)
        self.write_zones(ZONES)
        self.write_stands(STANDS)
        shutil.copytree(ROOT / "configs" / "coefficients", self.coefficients)
        self.write_config()

    def write_config(self) -> None:
        """JSON is YAML, too; one key a line."""
        self.config.write_text(json.dumps(self.settings, indent=1, ensure_ascii=False), encoding="utf-8")

    def change_coefficient(self, ecosystem: str, old: str, new: str) -> None:
        file = self.coefficients / f"{ecosystem}.yaml"
        text = file.read_text(encoding="utf-8")
        assert old in text
        file.write_text(text.replace(old, new), encoding="utf-8")

    def write_zones(self, zones: dict[str, tuple], crs: str | None = CRS, path: Path | None = None) -> None:
        write_vector(
            path or self.zones,
            {
                "ID": list(zones),
                "NAME": [f"{name} (示意)" for name in zones],
                "KIND": [kind for kind, _, _ in zones.values()],
                "TYPE": [stratum for _, stratum, _ in zones.values()],
                "WANMU": [shape.area / 1e4 * 15 / 1e4 for _, _, shape in zones.values()],
            },
            [shape for _, _, shape in zones.values()],
            crs,
        )

    def write_stands(self, stands: list[tuple]) -> None:
        species, then, now, shapes = zip(*stands, strict=True)
        write_vector(self.stands, {"SPECIES": species, "V2020": then, "V2024": now}, list(shapes))

    def scene(self, year: int, day: str) -> Path:
        return self.folder / "scenes" / f"S2_{year}{day.replace('-', '')}"

    def write_scene(
        self,
        year: int,
        day: str,
        ndvi: np.ndarray | None = None,
        scl: np.ndarray | None = None,
        left: float = LEFT,
        crs: str | None = CRS,
    ) -> None:
        """A scene of ``ndvi`` (default: `landscape`) and scene classification (default: `sky`), with the offset of
        -1000 still in its pixels."""
        folder = self.scene(year, day)
        folder.mkdir(parents=True, exist_ok=True)
        ndvi = landscape(year, day) if ndvi is None else ndvi
        red = 0.12 - 0.08 * ndvi
        bands = {
            "B04": np.rint(red * 1e4 + 1000).astype("uint16"),
            "B08": np.rint(red * (1 + ndvi) / (1 - ndvi) * 1e4 + 1000).astype("uint16"),
            "SCL": sky(day) if scl is None else scl.astype("uint8"),
        }
        for name, values in bands.items():
            with rasterio.open(
                folder / f"{name}.tif", "w", driver="GTiff", width=COLUMNS, height=ROWS, count=1, dtype=values.dtype,
                crs=crs, transform=from_origin(left, TOP, PIXEL, PIXEL), nodata=0, compress="deflate",
                tiled=True, blockxsize=128, blockysize=128,
            ) as file:  # fmt: skip
                file.write(values, 1)
        declared = {"raster:bands": [{"scale": 1e-4, "offset": -0.1, "nodata": 0}]}
        item = {
            "type": "Feature",
            "stac_version": "1.0.0",
            "id": folder.name,
            "geometry": None,
            "links": [],
            "properties": {
                "datetime": f"{year}-{day}T03:30:00Z",
                "s2:product_type": "S2MSI2A",
                "s2:processing_baseline": "05.11",
                "earthsearch:boa_offset_applied": False,
            },
            "assets": {
                "red": {"href": "./B04.tif", **declared},
                "nir": {"href": "./B08.tif", **declared},
                "scl": {"href": "./SCL.tif"},
            },
        }
        (folder / f"{folder.name}.json").write_text(json.dumps(item, indent=1), encoding="utf-8")

    def run(self, *how, **options) -> Done:
        """`run_here` of the world."""
        return run_here(self.config, self.out, *how, **options)

    def files(self) -> dict[str, bytes]:
        """The bytes of every result by name."""
        return result_files(self.results)


def run_here(
    config: Path,
    out: Path,
    workers: int = 2,
    zone: str | None = None,
    year: int | None = None,
    strict: bool = False,
    until: str = "publish",
    client: object = None,
) -> Done:
    """A run in this process, in threads or on a Dask client, and the units of work it took."""
    done = Done()

    class Recorder(Engine):
        """An engine that notes the names of the units."""

        def run(self, title, function, units, **options):
            for unit in units if title in ("composite", "calibrate", "map", "patches") else ():
                names = [unit.path(layer).stem for layer in unit.layers] if title == "map" else [unit.name]
                getattr(done, title).extend(names)
            done.coverage += [unit.name for unit in options.get("beside", ())]
            return super().run(title, function, units, **options)

    settings = read_config(config)
    run = prepare(settings if year is None else settings.for_year(year), out)
    done.rows = run_stages(run, Recorder(Console(quiet=True), workers, client), until, zone, strict)
    done.set_aside = [aside.reason for aside in run.set_aside]
    return done


def write_vector(path: Path, columns: dict, shapes: list, crs: str | None = CRS) -> None:
    path.unlink(missing_ok=True)
    gpd.GeoDataFrame(columns, geometry=shapes, crs=crs).to_file(path, engine="pyogrio", encoding="utf-8")


def landscape(year: int, day: str) -> np.ndarray:
    """NDVI of the world: a texture from .1 to .8 that rises by .01 a year and has its peak on the first date."""
    y, x = np.mgrid[0:ROWS, 0:COLUMNS]
    texture = 0.45 + 0.2 * np.sin(x / 9) * np.cos(y / 7) + 0.1 * np.sin((x + 2 * y) / 23)
    return np.clip(texture + 0.01 * (year - 2022) - (0 if day == DAYS[0] else 0.05), 0.05, 0.9)


def sky(day: str) -> np.ndarray:
    """Scene classification: on the second date a cloud over parts of F02 and G01."""
    scl = np.full((ROWS, COLUMNS), VEGETATION, "uint8")
    scl[30:40, 270:280] = WATER
    if day == DAYS[1]:
        scl[60:130, 140:230] = CLOUD
    return scl


def clouds_over(day: str, *shapes: shapely.Geometry) -> np.ndarray:
    """The sky of a date, and cloud over the boxes of ``shapes`` and 5 px around."""
    scl = sky(day)
    for left, bottom, right, top in (shape.bounds for shape in shapes):
        rows = slice(max(int((TOP - top) / PIXEL) - 5, 0), int((TOP - bottom) / PIXEL) + 6)
        scl[rows, max(int((left - LEFT) / PIXEL) - 5, 0) : int((right - LEFT) / PIXEL) + 6] = CLOUD
    return scl


@cache
def _files() -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        world.write()
        return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(Path(folder).rglob("*")) if p.is_file()}


@cache
def _finished_world() -> World:
    folder = Path(tempfile.mkdtemp(prefix="sinkmap-world-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    world = World.at(folder)
    world.run()
    return world


@cache
def undisturbed() -> dict[str, bytes]:
    """The result files of a run that nothing disturbed."""
    return _finished_world().files()


def result_files(results: Path) -> dict[str, bytes]:
    """The bytes of every result in a folder by name, except the record of the run, which contains the time."""
    found: dict[str, bytes] = {}
    for path in sorted(results.rglob("*")):
        name = str(path.relative_to(results))
        if path.is_file() and not name.startswith("work") and name != "run.json":
            found[name] = path.read_bytes()
    return found


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


# --- commands ---------------------------------------------------------------------------------------------


@cache
def child_environment() -> dict[str, str]:
    """The environment of a child process; it may cache compiled Python files, which each child would otherwise compile
    again."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    environment["PYTHONIOENCODING"] = "utf-8"
    return environment


def command(*arguments: object, timeout: float = 180) -> subprocess.CompletedProcess:
    """``python -m pipeline`` with these arguments, in its own process."""
    return child("-m", "pipeline", *arguments, timeout=timeout)


def child(*arguments: object, timeout: float = 180) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, *map(str, arguments)], cwd=ROOT, env=child_environment(), capture_output=True,
        encoding="utf-8", timeout=timeout, check=False,
    )  # fmt: skip


# --- sudden death -----------------------------------------------------------------------------------------

SUDDENLY = getattr(signal, "SIGKILL", signal.SIGTERM)
"""A signal that ends a process before it can do anything; on Windows any signal but those of Ctrl-C does."""


def die(world: World, where: str) -> None:
    """Run the world in a process that `SUDDENLY` ends at the point ``where`` of `POINTS`."""
    process = clean_processes().Process(target=_run_to_death, args=(str(world.config), str(world.out), where))
    process.start()
    process.join(120)
    told = SUDDENLY if sys.platform == "win32" else -SUDDENLY
    assert process.exitcode == told, f"the run ended with {process.exitcode}"


@cache
def clean_processes() -> multiprocessing.context.BaseContext:
    """Processes forked from one that has imported everything and has no threads; Windows can only start new ones."""
    if sys.platform == "win32":
        return multiprocessing.get_context("spawn")
    from multiprocessing import forkserver

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = child_environment()["PYTHONPATH"]
    try:
        forkserver.ensure_running()
    finally:
        os.environ.pop("PYTHONPATH")
        if before is not None:
            os.environ["PYTHONPATH"] = before
    return context


def _half_a_tile(real, cube, year, tile, layers):
    if (year, tile.column) == (2020, 0):
        real(cube, year, tile, {name: layers[name] for name in list(layers)[:2]})
        return True
    return False


def _half_a_sketch(real, file, **parts):
    if "G01" in file.name:
        file.write(b"PK\x03\x04 torn")
        file.flush()
        return True
    return False


def _half_a_coverage(real, grid, polygon):
    # G01 lies in two tiles: the second follows when the first is stored
    return polygon.bounds[2] - polygon.bounds[0] > 7000 and grid.boundingbox.left > LEFT


def _at(text: str) -> Callable:
    return lambda real, *arguments: any(text in str(argument) for argument in arguments)


def _half_a_cube(real, path, **options):
    if Path(path).name == "cube.zarr" and any(Path(path).glob("2*")):
        for year in Path(path).glob("2*"):
            real(year)
        return True
    return False


POINTS: dict[str, tuple[str, Callable]] = {
    "composite": ("pipeline.compositing.cube.Cube.write", _half_a_tile),
    "cube, while an older one goes": ("shutil.rmtree", _half_a_cube),
    "composite, before its mark": ("pipeline.execution.provenance.Marks.write", _at("tile-2020-r000c000")),
    "coverage, between two tiles": ("pipeline.mapping.zone_coverage.coverage_fractions", _half_a_coverage),
    "calibrate": ("numpy.savez", _half_a_sketch),
    "map": ("os.replace", _at("G01_carbon_stock_2019-2021.tif")),
    "map, before its mark": ("pipeline.execution.provenance.Marks.write", _at("map-tiny-G01_carbon_stock_2019-2021")),
    "publish": ("os.replace", _at("by_year.csv")),
    "publish, GeoPackage": ("os.replace", _at("zones.gpkg")),
}
"""Points at which a run is killed: in a call of the function; the second entry does the last work there and says
whether it is this call."""


def _run_to_death(config: str, out: str, where: str) -> None:
    name, last = POINTS[where]
    holder, attribute = name.rsplit(".", 1)
    place = pkgutil.resolve_name(holder)
    real = getattr(place, attribute)

    def mortal(*arguments, **options):
        if last(real, *arguments, **options):
            os.kill(os.getpid(), SUDDENLY)
        return real(*arguments, **options)

    setattr(place, attribute, mortal)
    run_here(Path(config), Path(out), workers=1)


def run_with_small_files(world: World, stage: str, size: int) -> tuple[int, str]:
    """Exit code and stderr of the command in a process in which, from a stage on (a function of `flow`), no file can
    grow beyond ``size`` bytes."""
    here, there = multiprocessing.Pipe(duplex=False)
    arguments = ["zones", str(world.config), "--out", str(world.out)]
    process = clean_processes().Process(target=_main_with_small_files, args=(stage, size, arguments, there))
    process.start()
    there.close()
    try:
        return here.recv()
    finally:
        process.join(60)


def _main_with_small_files(stage: str, size: int, arguments: list[str], answer: Connection) -> None:
    import resource

    from pipeline import __main__, flow

    real = getattr(flow, stage)

    def without_space(*given):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
        return real(*given)

    setattr(flow, stage, without_space)
    sys.argv = ["sinkmap", *arguments]
    said, code = io.StringIO(), 0
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
        try:
            __main__.main()
        except SystemExit as stop:
            code = stop.code
        except Exception:
            traceback.print_exc()
    answer.send((code, said.getvalue()))
