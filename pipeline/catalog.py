"""Find the scenes: a STAC catalogue, a folder of STAC items, of .SAFE products, or a manifest."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pystac
import rasterio
import shapely
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox
from rasterio.errors import RasterioIOError

from pipeline.admission import admit
from pipeline.errors import SceneError
from pipeline.scene import Band, Scene
from pipeline.sensors.declared import MANIFEST, scenes_of_manifest
from pipeline.sensors.sentinel2 import scene_from_item, scene_from_safe

MonthDay = tuple[int, int]

MIN_COVERED = 0.99
"""Share of a scene that each of its layers must cover."""


@dataclass(frozen=True)
class SetAside:
    """A scene that is not used, and the sentence that says why."""

    scene: str
    reason: str


def find_scenes(
    path: Path,
    years: tuple[int, ...],
    season: tuple[MonthDay, MonthDay],
    bands: tuple[str, ...],
    crs: str,
    area: shapely.Geometry,
    remote: bool = False,
    max_megapixels: float = np.inf,
) -> tuple[list[Scene], list[SetAside]]:
    """Usable scenes under ``path`` within years and season, by day and id, and those set aside.

    A scene is usable if `admit` lets its files pass (``remote``, ``max_megapixels``), if they open, have a CRS and
    hold all ``bands``, and if its quality layer covers its bands. Scenes off ``area`` (in ``crs``) are left out
    silently. Raises SceneError where nothing usable is found.
    """
    if not path.exists():
        raise SceneError(f"{path}: there is no such scene folder, catalogue or manifest; correct scenes.path")
    scenes: dict[str, Scene] = {}
    aside: list[SetAside] = []
    found = 0
    for name, read in _candidates(path):
        try:
            scene = read()
            found += 1
            admit(scene, remote, max_megapixels)
            if scene.day.year in years and season[0] <= (scene.day.month, scene.day.day) <= season[1]:
                if scene.id in scenes:
                    raise SceneError(f"scene {scene.id} is there twice; remove one copy")
                bounds = _checked_bounds(scene, bands, crs)
                if shapely.box(*bounds).intersects(area):
                    used = {band: scene.bands[band] for band in bands}
                    scenes[scene.id] = replace(scene, bounds=bounds, bands=used)
        except SceneError as error:
            aside.append(SetAside(name, str(error)))
    if not scenes:
        reason = f"; set aside: {aside[0].reason}" if aside else ""
        raise SceneError(
            f"{path}: none of {found} scenes lies in the years {years[0]}-{years[-1]}, the season "
            f"{season[0][0]:02}-{season[0][1]:02} to {season[1][0]:02}-{season[1][1]:02} and the zones{reason}"
        )
    return sorted(scenes.values(), key=lambda scene: (scene.day, scene.id)), aside


Candidate = tuple[str, Callable[[], Scene]]
"""Name of something that looks like a scene, and its reader."""


def _candidates(path: Path) -> Iterator[Candidate]:
    """Everything at or under ``path`` that looks like a scene."""
    if path.is_file():
        yield from scenes_of_manifest(path) if path.suffix in (".yaml", ".yml") else _items(path)
        return
    if (path / MANIFEST).is_file():
        yield from scenes_of_manifest(path / MANIFEST)
    for safe in sorted(path.glob("*.SAFE")):
        yield safe.name, partial(scene_from_safe, safe)
    if (path / "catalog.json").is_file():
        yield from _items(path / "catalog.json")
    else:
        yield from _item_files(sorted(path.rglob("*.json")))


def _items(catalogue: Path) -> Iterator[Candidate]:
    """Items linked by a STAC catalogue, or lying below it where it links none (a subset that was copied)."""
    return _item_files(_linked_items(catalogue) or sorted(catalogue.parent.rglob("*.json")))


def _item_files(files: list[Path]) -> Iterator[Candidate]:
    for file in files:
        if not any(parent.suffix == ".SAFE" for parent in file.parents):
            content = _read_json(file)
            if content.get("type") == "Feature" and "stac_version" in content:
                yield str(content.get("id", file.name)), partial(_scene, content, file)


def _scene(content: dict, file: Path) -> Scene:
    try:
        item = pystac.Item.from_dict(content, preserve_dict=False)
    except (pystac.STACError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise SceneError(f"{file}: is not a valid STAC item ({error}); get it again") from error
    return scene_from_item(item, file.parent)


def _linked_items(catalogue: Path) -> list[Path]:
    """Files of the items that a catalogue on disk links to, through its children."""
    links = _read_json(catalogue).get("links")
    if not isinstance(links, list):
        raise SceneError(f"{catalogue}: is not a STAC catalogue; correct scenes.path")
    found = [catalogue.parent / link["href"] for link in links if link.get("rel") == "item"]
    for link in links:
        if link.get("rel") == "child":
            found += _linked_items(catalogue.parent / link["href"])
    return found


def _read_json(file: Path) -> dict:
    """The object in a JSON file; empty where it holds anything else or cannot be read."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _checked_bounds(scene: Scene, bands: tuple[str, ...], crs: str) -> tuple[float, float, float, float]:
    """Bounds of the scene in ``crs``, from the headers. Raises SceneError for what is wrong with its files."""
    missing = [band for band in bands if band not in scene.bands]
    if missing:
        raise SceneError(f"scene {scene.id} lacks {', '.join(missing)}; get the complete product")
    boxes = {name: _footprint(scene.id, band) for name, band in scene.layers.items() if name in (*bands, "quality")}
    extent = boxes["red"].extent
    for name, box in boxes.items():
        covered = box.extent.to_crs(extent.crs).intersection(extent).area / extent.area
        if covered < MIN_COVERED:
            raise SceneError(f"scene {scene.id}: its {name} layer covers {covered:.0%} of it; get the product again")
    return tuple(extent.to_crs(crs).boundingbox)


def _footprint(scene: str, band: Band) -> GeoBox:
    """Grid of a layer, from its header. Raises SceneError for an unreadable file or one without CRS."""
    try:
        with rasterio.open(band.path) as file:
            if file.crs is None:
                raise SceneError(f"scene {scene}: {band.path} has no CRS; get the product again")
            if band.index > file.count:
                raise SceneError(f"scene {scene}: {band.path} has {file.count} bands, not {band.index}")
            return GeoBox.from_rio(file)
    except RasterioIOError as error:
        raise SceneError(f"scene {scene}: {band.path} cannot be read ({error}); get the product again") from error


def grid_origin(scene: Scene, crs: str) -> tuple[float, float]:
    """A corner for the run's grid: that of the scene where it is in ``crs``, so that pixels can be copied."""
    box = _footprint(scene.id, scene.bands["red"])
    return (box.affine.c, box.affine.f) if box.crs == CRS(crs) else (0.0, 0.0)
