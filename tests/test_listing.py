"""`sinkmap scenes`: one look at a folder of everything, products told apart, refusals said."""

import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import rasterio
import shapely
from conftest import CRS, LEFT, TOP, write_item, write_vector
from test_harmonise import write_sensor
from test_hls import write_hls
from test_landsat import write_landsat
from test_sentinel2 import metadata, write_safe
from test_vegetation_index import write_hdf4
from tiny_world import World

from pipeline.errors import SceneError
from pipeline.scenes.catalog import Wanted
from pipeline.scenes.layouts import unknown
from pipeline.scenes.listing import list_scenes
from pipeline.scenes.same_day import scenes_in
from pipeline.scenes.season import PEAK, Season

ZONES = shapely.box(LEFT, TOP - 40, LEFT + 80, TOP)
"""Twice as wide as the scenes of 4 pixels of 10 m."""


def mixed(folder):
    """One of each product, some in folders of their own, and what is refused."""
    write_safe(folder / "sentinel", metadata("05.09", -1000), -1000)
    write_landsat(folder / "landsat", "OLI_TIRS")
    write_landsat(folder / "old", "TM", collection="01")
    write_hls(folder / "hls", "S30")
    write_item(folder / "items", "A", properties={"eo:cloud_cover": 40, "grid:code": "MGRS-49TDE"})
    (folder / "modis").mkdir()
    write_hdf4(folder / "modis" / "MOD13A1.A2023209.h26v04.061.hdf")
    (folder / "S2A_MSIL1C_X.SAFE").mkdir()
    (folder / "S2A_MSIL1C_X.SAFE" / "MTD_MSIL1C.xml").touch()
    (folder / "notes.json").write_text("{}")
    return folder


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("surface_reflectance", "toa", "level 'toa' is not surface_reflectance"),
        ("scale: 1e-4", "scale: .nan", "scale: .*greater than 0|finite"),
        ("scale: 1e-4\n", "", "the key 'scale' is missing"),
    ],
)
def test_a_wrong_manifest_is_refused_and_leaves_the_other_products(tmp_path, old, new, says):
    write_sensor(mixed(tmp_path) / "gaofen", "gf-1-wfv4")
    before = len(list_scenes(tmp_path))
    manifest = tmp_path / "gaofen" / "manifest.yaml"
    manifest.write_text(manifest.read_text().replace(old, new))
    listed = list_scenes(tmp_path)
    assert len(listed) == before
    (refused,) = (one for one in listed if one.name == str(manifest))
    assert re.search(says, refused.remark)


def test_a_mixed_folder(tmp_path):
    listed = {one.product: one for one in list_scenes(mixed(tmp_path)) if one.product}
    assert {product: (one.tile, one.level, one.remark) for product, one in listed.items()} == {
        "Sentinel-2 L2A": ("49TDE", "surface_reflectance", ""),
        "Landsat C2 L2": ("128032", "surface_reflectance", ""),
        "HLS v2 S30": ("49TDE", "surface_reflectance", ""),
        "MOD13A1": ("h26v04", "index", ""),
    }
    refused = [one.remark for one in list_scenes(tmp_path) if one.remark]
    assert len(refused) == 2
    assert "level 1C, not surface reflectance" in refused[0]
    assert "is of Collection 01, not 2" in refused[1]


def test_files_of_no_known_product_are_told(tmp_path, sinkmap):
    """Those that a product, an item or a manifest knows are not among them."""
    write_sensor(mixed(tmp_path) / "gaofen", "gf-1-wfv4")
    assert list(unknown(tmp_path)) == []
    for name in ("modis/GF6_20230801_SR.tif", "landsat/GF1_WFV4_L1A.tar.gz", "order/MOD13Q1_2023.zip"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = {folder.name: names for folder, names in unknown(tmp_path)}
    assert {name: len(names) for name, names in found.items()} == {"landsat": 1, "modis": 1, "order": 1}
    done = sinkmap("scenes", tmp_path)
    assert "holds files of no known product (1, such as GF6_20230801_SR.tif)" in " ".join(done.out.split())


def wanted(**changes) -> Wanted:
    run = {"years": (2023,), "season": PEAK, "bands": ("red", "nir"), "crs": CRS, "area": ZONES, "finest_m": 10}
    return Wanted(**run | changes)


@pytest.mark.parametrize(
    ("changes", "covered", "remark"),
    [
        ({}, 0.5, ""),
        ({"years": (2022,)}, 0.5, "outside scenes.years"),
        ({"season": Season((8, 2), (8, 31))}, 0.5, "outside scenes.season"),
        ({"area": shapely.box(LEFT + 500, TOP - 40, LEFT + 580, TOP)}, 0, "off the zones"),
        ({"finest_m": 5}, 0.5, "refused: scene A has pixels of 10 m, coarser than the grid's 5 m"),
        ({"bands": ("red", "nir", "swir16")}, 0.5, "refused: scene A lacks swir16"),
        ({"max_megapixels": 1e-6}, 0.5, "refused: scene A: "),
    ],
)
def test_what_a_run_makes_of_a_scene(tmp_path, changes, covered, remark):
    write_item(tmp_path, "A", properties={"eo:cloud_cover": 40})
    (one,) = list_scenes(tmp_path, asked := wanted(**changes), asked.area)
    assert one.zones_covered == pytest.approx(covered)
    assert one.remark.startswith(remark)
    assert bool(one.remark) == bool(remark)
    assert (one.date, one.cloud_percent) == ("2023-08-01", 40)


@pytest.fixture
def server():
    """(address of a server, what was asked of it)."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(404)

        do_HEAD = do_GET

        def log_message(self, *arguments):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{listening.server_port}", asked
        listening.shutdown()


def describe_elsewhere(image, server):
    """A VRT in the place of an image whose pixels lie on a server."""
    image.write_text(f"""<VRTDataset rasterXSize="30" rasterYSize="30"><SRS>{CRS}</SRS>
<GeoTransform>{LEFT}, 30, 0, {TOP}, 0, -30</GeoTransform>
<VRTRasterBand dataType="UInt16" band="1"><SimpleSource>
<SourceFilename>/vsicurl/{server}/red.tif</SourceFilename><SourceBand>1</SourceBand>
</SimpleSource></VRTRasterBand></VRTDataset>""")


@pytest.mark.parametrize("image", ["image.tif", "quality.tif"])
def test_a_listing_or_a_fit_asks_no_server(tmp_path, server, image):
    folder = write_sensor(tmp_path, "gf-1-wfv4")
    describe_elsewhere(folder / image, server[0])
    (listed,) = list_scenes(folder)
    assert f"{image} describes an image elsewhere" in listed.remark
    with pytest.raises(SceneError, match=f"refused: .*{image} describes an image elsewhere"):
        scenes_in(folder)
    assert server[1] == []


def test_a_table_of_images_elsewhere_is_none(tmp_path, server):
    folder = write_sensor(tmp_path, "gf-1-wfv4")
    table = {"location": [f"/vsicurl/{server[0]}/red.tif"]}
    write_vector(folder / "red.gti.gpkg", table, [shapely.box(LEFT, TOP - 900, LEFT + 900, TOP)])
    manifest = folder / "manifest.yaml"
    manifest.write_text(manifest.read_text(encoding="utf-8").replace("image.tif", "red.gti.gpkg"), encoding="utf-8")
    (listed,) = list_scenes(folder)
    assert "red.gti.gpkg describes an image elsewhere" in listed.remark
    assert server[1] == []


def test_finding_products_asks_no_server(tmp_path, server):
    """Those that are opened for what they say of themselves."""
    name = write_hls(tmp_path, "S30")
    describe_elsewhere(tmp_path / f"{name}.B04.tif", server[0])
    describe_elsewhere(tmp_path / "MOD13Q1.A2023209.h26v04.061.tif", server[0])
    said = [one.remark.partition(" (")[0].replace("\\", "/") for one in list_scenes(tmp_path)]
    assert [remark.rpartition("/")[2] for remark in said] == [
        f"{name}.B04.tif cannot be read",
        "MOD13Q1.A2023209.h26v04.061.tif: cannot be read",
    ]
    assert server[1] == []


def test_a_raster_of_absurd_size_is_refused_without_a_config(tmp_path):
    folder = write_sensor(tmp_path, "gf-1-wfv4")
    with rasterio.open(
        folder / "image.tif", "w", driver="GTiff", width=60_000, height=40_000, count=2, dtype="uint16",
        sparse_ok=True, tiled=True, crs=CRS,
    ):  # fmt: skip
        pass
    (listed,) = list_scenes(folder)
    assert "60000 x 40000 pixels, more than scenes.max_megapixels (2000)" in listed.remark
    with pytest.raises(SceneError, match=r"refused: .* more than scenes.max_megapixels"):
        scenes_in(folder)


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(SceneError, match="there is no such scene folder"):
        list_scenes(tmp_path / "nowhere")


def test_the_command_lists_with_and_without_a_config(tmp_path, sinkmap):
    world = World.at(tmp_path)
    alone = sinkmap("scenes", tmp_path)
    assert alone.code == 0, alone.err
    assert "12 scenes found, 12 of them usable" in alone.out
    with_config = sinkmap("scenes", tmp_path, world.config)
    assert with_config.code == 0, with_config.err
    assert "100%" in with_config.out
