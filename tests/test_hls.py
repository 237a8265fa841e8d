"""HLS v2: Fmask bits, the near infrared that NASA adjusted, and other versions refused."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import rasterio
from conftest import count_listings, make_grid, write_tif

from pipeline.errors import SceneError
from pipeline.scenes.harmonise import Row, harmonised
from pipeline.scenes.layouts import candidates
from pipeline.scenes.quality import BUFFERED, CLEAR, WATER
from pipeline.scenes.reflectance import read_bands, read_classes
from pipeline.scenes.sensors.hls import FMASK

GRID = make_grid(4, 4, pixel=30)
CODES = {"L30": ("B04", "B05"), "S30": ("B04", "B8A", "B08")}


def write_hls(folder: Path, kind: str, version="v2.0", scale: float | None = 1e-4) -> str:
    """A granule of 4 x 4 pixels: red 500, near infrared 3000, B08 of S30 9000; returns its name."""
    name = f"HLS.{kind}.T49TDE.2023213T031201.{version}"
    for code, value in zip(CODES[kind], (500, 3000, 9000), strict=False):
        path = write_tif(folder / f"{name}.{code}.tif", np.full((4, 4), value, "int16"), pixel=30, nodata=-9999)
        if scale:
            with rasterio.open(path, "r+") as file:
                file.scales = (scale,)
    write_tif(folder / f"{name}.Fmask.tif", np.full((4, 4), 0b01000000, "uint8"), pixel=30, nodata=255)
    return name


def misdate(folder: Path) -> None:
    """Give the files of a granule day 400 of the year."""
    write_hls(folder, "L30")
    for file in list(folder.iterdir()):
        file.rename(file.with_name(file.name.replace("2023213", "2023400")))


def scene_in(folder: Path):
    ((_, read),) = candidates(folder)
    return read()


@pytest.mark.parametrize("kind", CODES)
@pytest.mark.parametrize("scale", [1e-4, None])
def test_reflectance_of_both_products(tmp_path, kind, scale):
    """Of S30 the near infrared is B8A; B08 lies there and is not taken."""
    name = write_hls(tmp_path, kind, scale=scale)
    scene = scene_in(tmp_path)
    found = read_bands(scene, ("red", "nir"), GRID)
    assert [float(s[0, 0] * k + o) for s, k, o, _ in found.values()] == pytest.approx([0.05, 0.30])
    assert (scene.id, scene.tile, scene.day.isoformat(), scene.sensor) == (name, "49TDE", "2023-08-01", "hls")
    assert (read_classes(scene, GRID) == CLEAR).all()


def test_fmask_bits_as_documented():
    """Bit 0 cirrus (not set by Fmask 4), 1 cloud, 2 adjacent, 3 shadow, 4 snow, 5 water, 6-7 aerosol; 255 is fill."""
    stored = np.array([1 << bit for bit in range(8)] + [255, 0b11000000], "uint8")
    assert FMASK.classes(stored).tolist() == [
        CLEAR, BUFFERED, 0, BUFFERED, 0, CLEAR | WATER, CLEAR, CLEAR, 0, CLEAR
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (lambda f: write_hls(f, "L30", "v1.4"), "is HLS version 1, whose masks differ; get version 2.0"),
        (lambda f: (f / f"{write_hls(f, 'S30')}.B8A.tif").unlink(), "lacks B8A; get the complete product"),
        (misdate, "has no date like 2020153T031201 in its name; name it as delivered"),
        (lambda f: write_hls(f, "L30", scale=3.0), "its scale 3.0 is neither a factor nor a divisor"),
    ],
)
def test_what_is_incomplete_or_old_is_refused(tmp_path, fault, says):
    fault(tmp_path)
    with pytest.raises(SceneError, match=re.escape(says)):
        scene_in(tmp_path)


def test_bands_without_their_mask_are_refused_unless_a_manifest_knows_them(tmp_path):
    name = write_hls(tmp_path, "S30")
    (tmp_path / f"{name}.Fmask.tif").unlink()
    with pytest.raises(SceneError, match=rf"the bands of {name} have no {name}\.Fmask\.tif beside them; get"):
        scene_in(tmp_path)
    (tmp_path / "manifest.yaml").write_text("sensor: hls", encoding="utf-8")
    assert [found for found, _ in candidates(tmp_path)] == [str(tmp_path / "manifest.yaml")]


def test_a_local_row_adjusts_it(tmp_path):
    """NASA has adjusted it for view angle, too, which Landsat is not: they differ until a local fit says how."""
    write_hls(tmp_path, "S30")
    about = {"set": "local", "from": "hls", "to": "landsat-oli", "intercept": 0.01, "source": "-", "status": "local"}
    rows = tuple(Row(band=band, slope=0.9, **about) for band in ("red", "nir"))
    found = harmonised(scene_in(tmp_path), rows, ("red", "nir"))
    values = [float(s[0, 0] * k + o) for s, k, o, _ in read_bands(found, ("red", "nir"), GRID).values()]
    assert values == pytest.approx([0.055, 0.28])
    assert found.like == "landsat-oli"


def write_item(folder: Path, name: str, **properties) -> None:
    """The STAC item that NASA delivers with a granule; its hrefs lead to the server."""
    assets = {
        code: {"href": f"https://data.lpdaac.earthdatacloud.nasa.gov/{name}.{code}.tif"} for code in ("B04", "Fmask")
    }
    item = {"type": "Feature", "stac_version": "1.0.0", "id": name, "geometry": None, "links": [], "assets": assets,
            "properties": {"datetime": "2023-08-01T03:12:01Z"} | properties}  # fmt: skip
    (folder / f"{name}_stac.json").write_text(json.dumps(item))


def test_the_item_beside_a_granule_announces_no_second_scene(tmp_path):
    write_item(tmp_path, write_hls(tmp_path, "L30"), platform="LANDSAT-8", instruments=["OLI"])
    assert scene_in(tmp_path).product == "HLS v2 L30"


def test_a_folder_of_many_granules_with_their_items_is_listed_once(tmp_path, monkeypatch):
    name = write_hls(tmp_path, "L30")
    write_item(tmp_path, name)
    for hour in range(10, 14):
        for file in tmp_path.glob(f"{name}*"):
            shutil.copy(file, tmp_path / file.name.replace("T031201", f"T{hour}1201"))
    listings = count_listings(monkeypatch)
    assert len(list(candidates(tmp_path))) == 5
    assert listings == [tmp_path]


@pytest.mark.parametrize("platform", ["LANDSAT-8", "Sentinel-2A"])
def test_an_item_alone_is_refused_as_what_it_is(tmp_path, platform):
    write_item(tmp_path, "HLS.L30.T49TDE.2023213T031201.v2.0", platform=platform)
    with pytest.raises(SceneError, match="is an item of HLS, which is read by its files"):
        scene_in(tmp_path)
