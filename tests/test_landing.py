"""Every product on the run's grid: where its pixels come to lie, what they are averaged from, and what is refused."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import shapely
from conftest import CRS, LEFT, ROOT, TOP, make_grid, noon, write_tif
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from rasterio.transform import from_origin

from pipeline.errors import SceneError
from pipeline.scenes.catalog import Wanted, find_scenes, usable
from pipeline.scenes.quality import BUFFERED, CLEAR, QualityRule
from pipeline.scenes.reflectance import read_band, read_bands, read_classes
from pipeline.scenes.scene import INDEX, Band, Scene
from pipeline.scenes.season import PEAK
from pipeline.scenes.sensors.declared import Manifest
from pipeline.yaml_file import read_yaml

SINUSOIDAL = "+proj=sinu +lon_0=0 +R=6371007.181 +units=m +no_defs"
POLAR = "EPSG:3413"
AREA = shapely.box(LEFT, TOP - 6000, LEFT + 6000, TOP)
PROBE = 0.25
"""Slopes of the test surface per metre of northing and easting, so that a value tells where it was taken."""


def surface(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A plane over the ground in the CRS of the grid: 1000 at the area's corner."""
    return 1000 + PROBE * (x - LEFT) - PROBE * (y - TOP)


def write_surface(path: Path, crs: str, pixel: float, spread: float = 9000) -> Path:
    """The plane on a grid of another CRS, around the area: at each pixel's centre its value."""
    to_own, to_grid = (Transformer.from_crs(*pair, always_xy=True) for pair in ((CRS, crs), (crs, CRS)))
    x, y = to_own.transform(LEFT + 3000, TOP - 3000)
    half = spread if pixel > 1 else spread / 80_000
    left, top, count = x - half, y + half, round(2 * half / pixel)
    step = (np.arange(count) + 0.5) * pixel
    values = surface(*to_grid.transform(*np.meshgrid(left + step, top - step)))
    return write_tif(path, values.astype("float32"), left=left, top=top, pixel=pixel, crs=crs)


def scene_of(path: Path, nodata: float = np.nan) -> Scene:
    band = Band(str(path), nodata=nodata)
    return Scene("A", "-", noon(2023, 8, 1), {"red": band, "nir": band}, None, None, "-", level=INDEX)


def wanted(finest_m: float | None) -> Wanted:
    return Wanted((2023,), PEAK, ("red", "nir"), CRS, AREA, finest_m=finest_m)


@pytest.mark.parametrize(
    ("crs", "pixel", "step"),
    [(SINUSOIDAL, 250, 500), (POLAR, 30, 60), ("EPSG:32650", 10, 30), ("EPSG:32648", 10, 30), ("EPSG:4326", 3e-4, 60)],
    ids=["sinusoidal", "polar", "UTM 50N", "UTM 48N", "degrees"],
)
def test_any_crs_lands_in_the_right_place(tmp_path, crs, pixel, step):
    """The plane is met at the centres of the grid's pixels, within half a source pixel along its slope."""
    scene = usable(scene_of(write_surface(tmp_path / "a.tif", crs, pixel)), wanted(step))
    grid = GeoBox((6000 // step, 6000 // step), from_origin(LEFT, TOP, step, step), CRS)
    x, y = np.meshgrid(LEFT + (np.arange(grid.width) + 0.5) * step, TOP - (np.arange(grid.height) + 0.5) * step)
    half_a_pixel = (pixel if pixel > 1 else 30) * PROBE
    off = read_band(scene, "red", grid) - surface(x, y)
    assert np.abs(off).max() <= half_a_pixel
    assert abs(off.mean()) < half_a_pixel / 5
    assert shapely.box(*scene.bounds).buffer(0.001).covers(AREA)


def test_a_scene_across_the_edge_of_two_utm_zones_joins_without_a_seam(tmp_path):
    """114 E is the edge of zones 49 and 50: the same ground from both, on the grid of 49, agrees."""
    crs = "EPSG:32649"
    x, y = Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform(114.0, 40.7)
    grid = GeoBox((20, 20), from_origin(x - 300, y + 300, 30, 30), crs)
    found = []
    for zone in (49, 50):
        own = f"EPSG:326{zone}"
        to_own, to_grid = (Transformer.from_crs(*pair, always_xy=True) for pair in ((crs, own), (own, crs)))
        cx, cy = to_own.transform(x, y)
        step = (np.arange(200) + 0.5) * 10
        px, py = to_grid.transform(*np.meshgrid(cx - 1000 + step, cy + 1000 - step))
        values = (1000 + px - x + py - y).astype("float32")
        path = write_tif(tmp_path / f"{zone}.tif", values, left=cx - 1000, top=cy + 1000, pixel=10, crs=own)
        found.append(read_band(scene_of(path), "red", grid))
    assert np.isfinite(found).all()
    assert np.abs(found[0] - found[1]).max() <= 10  # half a pixel along both slopes


@pytest.mark.parametrize("shift", [0, 5], ids=["copied", "warped"])
@pytest.mark.parametrize("keep", [0.4, 0.9, 0.9999])
def test_a_truncated_jpeg_2000_is_refused_and_no_pixel_of_it_counts(tmp_path, keep, shift):
    """Most of its blocks are whole, and GDAL hands over zeros or garbage for the others."""
    values = np.random.default_rng(1).integers(1100, 5000, (600, 600)).astype("uint16")
    path = write_tif(tmp_path / "a.jp2", values, driver="JP2OpenJPEG", QUALITY="100", REVERSIBLE="YES",
                     BLOCKXSIZE="128", BLOCKYSIZE="128")  # fmt: skip
    scene = scene_of(path, nodata=0)
    whole = GeoBox((600, 600), from_origin(LEFT + shift, TOP, 10, 10), CRS)
    assert (read_band(scene, "red", whole)[:, :-1] > 0).all()
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content))])
    with pytest.raises(SceneError, match=r"a\.jp2 cannot be read .*get the product again"):
        read_band(scene, "red", whole)


@pytest.mark.parametrize("crs", [SINUSOIDAL, POLAR, "EPSG:4326"])
def test_a_scene_that_reaches_round_the_world_is_bounded_where_the_zones_are(tmp_path, crs):
    """Its far ends have no place in UTM 49N; what it covers of the zones does."""
    big = {SINUSOIDAL: 2e7, POLAR: 9e6, "EPSG:4326": 89.0}[crs]
    path = write_tif(tmp_path / "a.tif", np.ones((200, 200), "uint8"), left=-2 * big, top=big, pixel=big / 50, crs=crs)
    scene = usable(scene_of(path, nodata=0), wanted(None))
    assert scene is not None
    assert shapely.box(*scene.bounds).buffer(0.001).covers(AREA)
    assert np.isfinite(scene.bounds).all()


def test_a_coarser_product_is_refused_and_never_made_finer(tmp_path):
    path = write_surface(tmp_path / "a.tif", SINUSOIDAL, 463.3)
    scene = scene_of(path)
    with pytest.raises(
        SceneError, match=r"has pixels of 463\.4 m, coarser than the grid's 30 m, and is not made finer"
    ):
        usable(scene, wanted(30))
    for allowed in (463.3, 500, None):
        assert usable(scene, wanted(allowed))


def test_bands_half_a_pixel_apart_are_averaged_by_area(tmp_path):
    """10 m and 20 m bands whose corners differ by 5 m, on a grid of 20 m: of each 20 m pixel of the grid the finer
    band gives area-weighted means; columns of 100, 200, ... shifted by 5 m mix 1 : 2 : 1."""
    columns = np.tile(np.arange(100, 1300, 100, dtype="float32"), (12, 1))
    shifted = write_tif(tmp_path / "red.tif", columns, left=LEFT - 5, top=TOP)
    found = read_band(scene_of(shifted), "red", make_grid(4, 4, pixel=20))
    assert found[0].tolist() == [(100 + 2 * 200 + 300) / 4, 400, 600, 800]
    coarse = write_tif(tmp_path / "nir.tif", columns[:6, :6], left=LEFT - 10, top=TOP, pixel=20)
    assert read_band(scene_of(coarse), "red", make_grid(4, 4, pixel=20))[0].tolist() == [150, 250, 350, 450]


def test_the_bands_of_a_scene_are_written_over_those_of_the_one_before_each_once(tmp_path):
    """The first scene has one layer for both bands, the second has two, the third one of another type."""
    grid = make_grid(4, 4)
    paths = [
        write_tif(tmp_path / f"{value}.tif", np.full((4, 4), value, dtype), left=LEFT, top=TOP)
        for value, dtype in ((1, "uint16"), (2, "uint16"), (3, "uint16"), (4, "float32"))
    ]
    first, second, third = scene_of(paths[0], 0), scene_of(paths[1], 0), scene_of(paths[3])
    second = replace(second, bands=second.bands | {"nir": Band(str(paths[2]))})
    before = read_bands(first, ("red", "nir"), grid)
    both = before["red"][0]
    assert before["nir"][0] is both
    bands = read_bands(second, ("red", "nir"), grid, over=before)
    assert bands["red"][0] is both
    assert [(stored == value).all() for (stored, *_), value in zip(bands.values(), (2, 3), strict=True)] == [True] * 2
    other = read_bands(third, ("red", "nir"), grid, over=bands)["nir"][0]
    assert (other.dtype, other.min(), other.max()) == ("float32", 4, 4)


def test_classes_half_a_pixel_apart_are_never_mixed(tmp_path):
    path = write_tif(tmp_path / "q.tif", np.tile(np.array([1, 2], "uint8"), (8, 4)), left=LEFT - 5, top=TOP + 5)
    rule = QualityRule(frozenset({1}), frozenset(), frozenset({2}), 0, "-")
    scene = replace(scene_of(path), quality=Band(str(path)), rule=rule)
    assert set(np.unique(read_classes(scene, make_grid(7, 7)))) == {CLEAR, BUFFERED}


@pytest.mark.parametrize(("left", "top"), [(0, 0), (10, 10), (30, -10), (-50, 70), (500, 0)])
def test_classes_of_20_m_are_repeated_at_10_m_wherever_the_window_lies(tmp_path, left, top):
    """Each class stands on the four pixels that it covers; beyond the file nothing is clear."""
    stored = np.random.default_rng(1).integers(1, 3, (6, 6)).astype("uint8")
    path = write_tif(tmp_path / "q.tif", stored, pixel=20)
    rule = QualityRule(frozenset({1}), frozenset(), frozenset({2}), 0, "-")
    grid = GeoBox((7, 9), from_origin(LEFT + left, TOP + top, 10, 10), CRS)
    large = np.zeros((400, 400), "uint8")
    large[100:112, 100:112] = rule.classes(stored).repeat(2, 0).repeat(2, 1)
    row, column = 100 - top // 10, 100 + left // 10
    found = read_classes(replace(scene_of(path), quality=Band(str(path)), rule=rule), grid)
    assert (found == large[row : row + 7, column : column + 9]).all()


def test_the_template_manifest_is_a_whole_one(tmp_path):
    """It reads as it stands, and finds its files where they lie beside it."""
    template = ROOT / "configs" / "manifest.template.yaml"
    assert read_yaml(template, Manifest).level == "surface_reflectance"
    shutil.copy(template, tmp_path / "manifest.yaml")
    write_tif(tmp_path / "GF1_WFV4_20230801_SR.tif", np.full((4, 40, 40), 2000, "uint16"), pixel=16)
    write_tif(tmp_path / "GF1_WFV4_20230801_MASK.tif", np.full((40, 40), 1, "uint8"), pixel=16)
    (scene,), aside = find_scenes(tmp_path, wanted(16))
    assert (scene.sensor, aside) == ("gf-1-wfv4", [])
