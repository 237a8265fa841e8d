"""Local harmonisation: regress one sensor on another over the pixels that both saw clear on the same day."""

from pathlib import Path

from odc.geo.geobox import GeoBox

from pipeline.errors import SceneError
from pipeline.scenes import MAX_MEGAPIXELS
from pipeline.scenes.admission import admit
from pipeline.scenes.catalog import footprint
from pipeline.scenes.harmonise import Pairs, Row
from pipeline.scenes.integrity import refuse_damaged, verifiable
from pipeline.scenes.layouts import candidates
from pipeline.scenes.processings import older_processings
from pipeline.scenes.quality import CLEAR, WATER
from pipeline.scenes.reflectance import read_bands, read_classes
from pipeline.scenes.scene import SURFACE_REFLECTANCE, Scene
from pipeline.scenes.sensor_error import ndvi_u95

BANDS = ("red", "nir")
WINDOW = 2048
"""Pixels of a side, of the finer of two scenes, that are read at a time."""


def scenes_in(folder: Path) -> list[Scene]:
    """The scenes of a folder that hold reflectance, with only red and near infrared; what cannot be read or does not
    pass `admission`, and older processings, are left out. Raises SceneError where nothing is left, or there is no such
    folder."""
    found, refused = [], ""
    for _, read in candidates(folder):
        try:
            scene = read().using(BANDS)
            admit(scene, remote=False)
            for layer in scene.layers.values():
                footprint(scene.id, layer, MAX_MEGAPIXELS)
            if scene.level == SURFACE_REFLECTANCE:
                found.append(scene)
        except SceneError as error:
            refused = refused or str(error)
    if not found:
        reason = f"; refused: {refused}" if refused else "; docs/data.md has the products and their layouts"
        raise SceneError(f"{folder}: holds no usable scene of surface reflectance{reason}")
    older = older_processings(scene.id for scene in found)
    return [scene for scene in found if scene.id not in older]


def fit_rows(source: list[Scene], target: list[Scene]) -> list[Row]:
    """Rows of red and near infrared that turn the sensor of ``source`` into that of ``target``. Only pixels of the
    coarser of the two, on the same local day, that are clear land throughout; the finer scene is averaged by area.

    Raises SceneError where there are no such days, more than one sensor on a side, a damaged file, or pixels that give
    no fit.
    """
    pairs = {band: Pairs() for band in BANDS}
    couples = [(a, b) for a in source for b in target if a.day == b.day and a.sensor != b.sensor]
    if len({(a.sensor, b.sensor) for a, b in couples}) != 1:
        raise SceneError(
            f"{len(couples)} pairs of scenes were taken on one day by one sensor in the first folder and another in "
            "the second; give two folders of one sensor each that share days"
        )
    for scene in {scene.id: scene for couple in couples for scene in couple}.values():
        for layer in verifiable(scene):
            refuse_damaged(scene.id, layer)
    for a, b in couples:
        for grid, within in _shared_windows(a, b):
            _add(pairs, a, b, grid, within)
    fits = {}
    for band, sums in pairs.items():
        try:
            fits[band] = sums.regression()
        except ValueError as error:
            raise SceneError(f"{couples[0][0].sensor} against {couples[0][1].sensor}, {band}: {error}") from error
    days = sorted({str(a.day) for a, _ in couples})
    u95 = ndvi_u95(fits["red"].rmse, fits["nir"].rmse, len(days))
    return [
        Row(**{
            "set": "local", "from": couples[0][0].sensor, "to": couples[0][1].sensor, "band": band,
            "slope": round(fit.slope, 4), "intercept": round(fit.intercept, 4), "rmse": round(fit.rmse, 4), "n": fit.n,
            "days": len(days), "u95_ndvi": round(u95, 4),
            "source": f"local same-day regression, {', '.join(days)}", "status": "local",
        })
        for band, fit in fits.items()
    ]  # fmt: skip


def _shared_windows(a: Scene, b: Scene) -> list[tuple[GeoBox, int]]:
    """Windows of the grid of the coarser of two scenes, as far as the finer reaches, and how many pixels of the finer
    lie along one of the coarser."""
    boxes = [footprint(scene.id, scene.bands["red"]) for scene in (a, b)]
    coarse, fine = sorted(boxes, key=lambda box: -abs(box.resolution.x))
    shared = fine.extent.to_crs(coarse.crs, resolution=1000 * abs(fine.resolution.x)).intersection(coarse.extent)
    if shared.is_empty:
        return []
    grid = coarse.enclosing(shared)
    within = max(1, round(abs(coarse.resolution.x / fine.to_crs(coarse.crs).resolution.x)))
    step = max(1, WINDOW // within)
    return [
        (grid[top : min(top + step, grid.height), left : min(left + step, grid.width)], within)
        for top in range(0, grid.height, step)
        for left in range(0, grid.width, step)
    ]


def _add(pairs: dict[str, Pairs], a: Scene, b: Scene, grid: GeoBox, within: int) -> None:
    """Add the pixels of a window that are clear land in both: a single quality pixel of the finer scene says nothing
    about cloud beside it, which would enter the mean over a pixel of the coarser."""
    fine = grid.zoom_to((grid.height * within, grid.width * within))
    land = [read_classes(scene, fine) & (CLEAR | WATER) == CLEAR for scene in (a, b)]
    clear = (land[0] & land[1]).reshape(grid.height, within, grid.width, within).all(axis=(1, 3))
    if not clear.any():
        return
    found = [read_bands(scene, BANDS, grid) for scene in (a, b)]
    for band, sums in pairs.items():
        values = []
        for scene_bands in found:
            stored, scale, offset, nodata = scene_bands[band]
            reflectance = stored[clear] * scale + offset
            reflectance[stored[clear] == nodata] = float("nan")
            values.append(reflectance)
        sums.add(*values)
