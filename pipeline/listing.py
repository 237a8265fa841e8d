"""What a folder of scenes holds: every product found, usable or not, and why not."""

from dataclasses import dataclass
from pathlib import Path

import shapely
from odc.geo.geom import Geometry

from pipeline.catalog import footprint, usable
from pipeline.errors import SceneError
from pipeline.layouts import candidates
from pipeline.scene import Scene
from pipeline.season import Season

BANDS = ("red", "nir")


@dataclass(frozen=True)
class Wanted:
    """What a run asks of its scenes: ``zones`` in ``crs``, pixels no coarser than ``finest_m`` metres (None: any),
    and its years and season."""

    zones: shapely.Geometry
    crs: str
    finest_m: float | None
    years: tuple[int, ...]
    season: Season


@dataclass(frozen=True)
class Listed:
    """One product: ``offset`` says how its scale and offset are known, ``cloud_percent`` what it says of itself,
    ``zones_covered`` the share of the zones' area within its outline (None where no zones were given), ``remark`` why
    it is not used, empty where it is."""

    name: str
    product: str = ""
    date: str = ""
    tile: str = ""
    level: str = ""
    offset: str = ""
    cloud_percent: float | None = None
    zones_covered: float | None = None
    remark: str = ""


def list_scenes(path: Path, wanted: Wanted | None = None) -> list[Listed]:
    """All that looks like a scene at or under ``path``, by name as found. Raises SceneError where there is no such
    path."""
    if not path.exists():
        raise SceneError(f"{path}: there is no such scene folder, catalogue or manifest; correct the path")
    found = []
    for name, read in candidates(path):
        try:
            found.append(_listed(name, read(), wanted))
        except SceneError as error:
            found.append(Listed(name, remark=f"refused: {error}"))
    return found


def _listed(name: str, scene: Scene, wanted: Wanted | None) -> Listed:
    covered, remark = None, ""
    try:
        box = footprint(scene.id, scene.bands["red"])
        if wanted:
            zones = Geometry(wanted.zones, wanted.crs).to_crs(box.crs)
            covered = zones.intersection(box.extent).area / zones.area
            remark = _remark(scene, wanted)
        else:
            usable(scene, BANDS, str(box.crs), box.extent.geom, None)
    except SceneError as error:
        remark = f"refused: {error}"
    return Listed(
        name=scene.id or name,
        product=scene.product,
        date=str(scene.day),
        tile=scene.tile,
        level=scene.level,
        offset=scene.origin,
        cloud_percent=scene.cloud_percent,
        zones_covered=covered,
        remark=remark,
    )


def _remark(scene: Scene, wanted: Wanted) -> str:
    """Why a run does not use the scene, empty where it does. Raises SceneError for what is wrong with it."""
    if scene.day.year not in wanted.years:
        return "outside scenes.years"
    if not wanted.season.holds(scene.day):
        return "outside scenes.season"
    used = usable(scene, BANDS, wanted.crs, shapely.box(*wanted.zones.bounds), wanted.finest_m)
    return "" if used else "off the zones"
