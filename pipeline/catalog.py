"""Find the scenes: a STAC catalogue, a folder of STAC items, of .SAFE products, or a manifest."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pystac
import rasterio
import shapely
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox
from rasterio.errors import RasterioIOError

from pipeline.errors import SceneError
from pipeline.scene import Band, Scene
from pipeline.sensors.declared import MANIFEST, scenes_from_manifest
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
) -> tuple[list[Scene], list[SetAside]]:
    """Usable scenes under ``path`` within years and season, by day and id, and those set aside.

    A scene is usable if its files open, have a CRS, hold all ``bands``, and its quality layer covers its
    bands. Scenes off ``area`` (in ``crs``) are left out silently. Raises SceneError where nothing usable is found.
    """
    if not path.exists():
        raise SceneError(f"{path}: there is no such scene folder, catalogue or manifest; correct scenes.path")
    scenes: dict[str, Scene] = {}
    aside: list[SetAside] = []
    found = 0
    for name, read in _candidates(path):
        try:
            for scene in read():
                found += 1
                if scene.day.year in years and season[0] <= (scene.day.month, scene.day.day) <= season[1]:
                    if scene.id in scenes:
                        raise SceneError(f"scene {scene.id} is there twice; remove one copy")
                    bounds = _checked_bounds(scene, bands, crs)
                    if shapely.box(*bounds).intersects(area):
                        scenes[scene.id] = replace(scene, bounds=bounds)
        except SceneError as error:
            aside.append(SetAside(name, str(error)))
    if not scenes:
        reason = f"; set aside: {aside[0].reason}" if aside else ""
        raise SceneError(
            f"{path}: none of {found} scenes lies in the years {years[0]}-{years[-1]}, the season "
            f"{season[0][0]:02}-{season[0][1]:02} to {season[1][0]:02}-{season[1][1]:02} and the zones{reason}"
        )
    return sorted(scenes.values(), key=lambda scene: (scene.day, scene.id)), aside


def _candidates(path: Path) -> Iterator[tuple[str, Callable[[], list[Scene]]]]:
    """(name, reader of its scenes) of everything under ``path`` that looks like a product."""
    if path.is_file() and path.suffix in (".yaml", ".yml"):
        yield path.name, lambda: scenes_from_manifest(path)
        return
    if path.is_file():
        yield from _catalogue(path)
        return
    if (path / MANIFEST).is_file():
        yield MANIFEST, lambda: scenes_from_manifest(path / MANIFEST)
    for safe in sorted(path.glob("*.SAFE")):
        yield safe.name, lambda safe=safe: [scene_from_safe(safe)]
    if (path / "catalog.json").is_file():
        yield from _catalogue(path / "catalog.json")
        return
    for file in sorted(path.rglob("*.json")):
        if not any(parent.suffix == ".SAFE" for parent in file.parents) and (item := _read_item(file)):
            yield item.id, lambda item=item, file=file: [scene_from_item(item, file.parent)]


def _catalogue(path: Path) -> Iterator[tuple[str, Callable[[], list[Scene]]]]:
    """Items listed by a STAC catalogue, or lying below it where it lists none (a subset that was copied)."""
    listed = _linked_items(path)
    for file in listed or sorted(path.parent.rglob("*.json")):
        if item := _read_item(file):
            yield item.id, lambda item=item, file=file: [scene_from_item(item, file.parent)]


def _linked_items(path: Path) -> list[Path]:
    """Files of the items that a catalogue on disk links to, through its children."""
    try:
        links = json.loads(path.read_text(encoding="utf-8")).get("links", [])
    except (OSError, ValueError) as error:
        raise SceneError(f"{path}: is not a STAC catalogue ({error})") from error
    found = [path.parent / link["href"] for link in links if link.get("rel") == "item"]
    for link in links:
        if link.get("rel") == "child":
            found += _linked_items(path.parent / link["href"])
    return found


def _read_item(file: Path) -> pystac.Item | None:
    """The STAC item in a JSON file, None for any other JSON; an unreadable file is left to the reader."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(content, dict) or content.get("type") != "Feature" or "stac_version" not in content:
        return None
    return pystac.Item.from_dict(content, preserve_dict=False)


def _checked_bounds(scene: Scene, bands: tuple[str, ...], crs: str) -> tuple[float, float, float, float]:
    """Bounds of the scene in ``crs``, from the headers. Raises SceneError for what is wrong with its files."""
    missing = [band for band in bands if band not in scene.bands]
    if missing:
        raise SceneError(f"scene {scene.id} lacks {', '.join(missing)}; get the complete product")
    boxes = {name: _footprint(scene.id, band) for name, band in scene.layers.items()}
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
