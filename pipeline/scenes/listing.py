"""What a folder of scenes holds: every product found, usable or not, and why not."""

from dataclasses import dataclass, replace
from pathlib import Path

import shapely
from odc.geo.geom import Geometry

from pipeline.errors import SceneError
from pipeline.scenes.admission import admit
from pipeline.scenes.catalog import Wanted, as_wanted, footprint, usable
from pipeline.scenes.layouts import candidates
from pipeline.scenes.processings import older_processings
from pipeline.scenes.scene import Scene
from pipeline.scenes.season import PEAK

BANDS = ("red", "nir")


@dataclass(frozen=True)
class Listed:
    """One product: ``offset`` says where its scale and offset are from, ``cloud_percent`` is the cloud that it states,
    ``zones_covered`` the share of the zones' area within its outline (None where no zones were given), ``remark`` why
    it is not used, empty if it is."""

    name: str
    product: str = ""
    date: str = ""
    satellite: str = ""
    tile: str = ""
    level: str = ""
    offset: str = ""
    cloud_percent: float | None = None
    zones_covered: float | None = None
    remark: str = ""


def list_scenes(path: Path, wanted: Wanted | None = None, zones: shapely.Geometry | None = None) -> list[Listed]:
    """All that looks like a scene at or under ``path``, by name as found, and whether a run that requires ``wanted``
    and has ``zones`` (in the same CRS) would use it. Raises SceneError where there is no such path."""
    found = []
    for name, read in candidates(path):
        try:
            found.append(_listed(name, read(), wanted, zones))
        except SceneError as error:
            found.append(Listed(name, remark=f"refused: {error}"))
    older = older_processings(one.name for one in found if not one.remark)
    return [replace(one, remark=f"older than {older[one.name]}") if one.name in older else one for one in found]


def _listed(name: str, scene: Scene, wanted: Wanted | None, zones: shapely.Geometry | None) -> Listed:
    covered, remark = None, ""
    try:
        admit(scene, wanted is not None and wanted.remote)
        box = footprint(scene.id, scene.bands["red"])
        if wanted:
            here = Geometry(zones, wanted.crs).to_crs(box.crs)
            covered = here.intersection(box.extent).area / here.area
            used = as_wanted(scene, wanted)
            remark = used if isinstance(used, str) else ""
        else:
            usable(scene, Wanted((scene.day.year,), PEAK, BANDS, str(box.crs), box.extent.geom))
    except SceneError as error:
        remark = f"refused: {error}"
    return Listed(
        name=scene.id or name,
        product=scene.product,
        date=str(scene.day),
        satellite=scene.platform or scene.sensor,
        tile=scene.tile,
        level=scene.level,
        offset=scene.origin,
        cloud_percent=scene.cloud_percent,
        zones_covered=covered,
        remark=remark,
    )
