"""Scenes from a STAC API: a real one on the loopback, asked once, with pages, by GET and by POST."""

import json
import shutil
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial, reduce
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import pytest
import shapely
from conftest import CRS, LEFT, TOP, write_item
from ruamel.yaml import YAML
from stac_server import serving
from tiny_world import World, result_files

from pipeline.compositing.indices import INDICES, bands_of
from pipeline.config.run_config import read_config
from pipeline.errors import ConfigError, SceneError
from pipeline.scenes.catalog import Wanted, find_scenes
from pipeline.scenes.harmonise import NARROW
from pipeline.scenes.scene import Scene
from pipeline.scenes.season import PEAK, Season
from pipeline.scenes.stac_api import ASSETS, Search, fetch_items, in_degrees

AREA = shapely.box(LEFT, TOP - 40, LEFT + 40, TOP)
BBOX = in_degrees((LEFT, TOP - 40, LEFT + 40, TOP), CRS)

DAYS = {"A": "2023-07-20", "B": "2023-08-01", "C": "2023-08-05", "D": "2023-08-09", "E": "2023-08-20"}


def items_below(folder: Path, href, bbox=BBOX) -> list[dict]:
    """The items of a folder as an API gives them: collection, box, and assets at ``href(file)``."""
    found = []
    for path in sorted(folder.rglob("*.json")):
        item = json.loads(path.read_text(encoding="utf-8"))
        if item.get("type") == "Feature":
            for asset in item["assets"].values():
                asset["href"] = href((path.parent / asset["href"]).resolve())
            found.append(item | {"collection": "sentinel-2-l2a", "bbox": list(bbox), "links": []})
    return found


def five(folder: Path) -> Path:
    for name, day in DAYS.items():
        write_item(folder, name, day, properties={"eo:cloud_cover": {"C": 90}.get(name, 5)})
    write_item(folder, "F", "2023-10-01")
    return folder


def search(url: str, **changes) -> Search:
    return replace(Search(url, ("sentinel-2-l2a",), BBOX, (2023,), PEAK, 60), **changes)


def scenes_in(folder: Path) -> list[Scene]:
    """What a run finds in an answer, with nothing set aside."""
    found, aside = find_scenes(folder, Wanted((2023, 2024), PEAK, ("red", "nir"), CRS, AREA))
    assert not aside
    return found


def found_in(folder: Path) -> list[str]:
    return [scene.id for scene in scenes_in(folder)]


def pixels_of(folder: Path, item: str, asset: str) -> Path:
    """The file of an asset of an answer."""
    content = json.loads((folder / item / "item.json").read_text(encoding="utf-8"))
    return (folder / item / content["assets"][asset]["href"]).resolve()


def downloads(server) -> list[str]:
    """The files that the server was asked for since the last call."""
    found = [request for request in server.requests if "/files/" in request]
    server.requests.clear()
    return found


@pytest.mark.parametrize("post", [True, False], ids=["POST", "GET"])
def test_all_pages_of_the_answer_and_no_cloudy_or_late_scene(tmp_path, post):
    """Five scenes in season, three pages of two at most; C has 90 % of cloud."""
    scenes = five(tmp_path / "scenes")
    with serving(scenes, items_below(scenes, Path.as_uri), post) as server:
        folder = fetch_items(search(server.url), tmp_path / "cache", remote=False)
    assert found_in(folder) == ["A", "B", "D", "E"]
    assert server.requests.count(f"{'POST' if post else 'GET'} /search") == 3


def test_the_answer_is_kept_and_not_asked_for_again(tmp_path):
    scenes = five(tmp_path / "scenes")
    with serving(scenes, items_below(scenes, Path.as_uri)) as server:
        first = fetch_items(search(server.url), tmp_path / "cache", remote=False)
    kept = {path: path.read_bytes() for path in first.rglob("*") if path.is_file()}
    assert fetch_items(search(server.url), tmp_path / "cache", remote=False) == first  # the server is gone
    assert {path: path.read_bytes() for path in first.rglob("*") if path.is_file()} == kept
    with pytest.raises(SceneError, match=r"the STAC API cannot be read .* check scenes.api and the network"):
        fetch_items(search(server.url, cloud_below=50), tmp_path / "cache", remote=False)


@pytest.mark.parametrize("post", [True, False])
def test_pages_without_an_end_are_refused(tmp_path, post):
    scenes = five(tmp_path / "scenes")
    with serving(scenes, items_below(scenes, str), post) as server:
        page_of = server.search

        def back(asked: dict, method: str) -> dict:
            """A page that links to the second one, and this to the first."""
            assert len(server.requests) < 200
            further = asked | {"token": 0 if "token" in asked else 2}
            get = {"method": "GET", "href": f"{server.url}/search?{urlencode(further)}"}
            link = {"method": "POST", "href": f"{server.url}/search", "body": further} if post else get
            return page_of(asked, method) | {"links": [{"rel": "next", **link}]}

        server.search = back
        with pytest.raises(SceneError, match="lists the same scenes again and again without an end; download them"):
            fetch_items(search(server.url), tmp_path / "cache", remote=False)


def test_pixels_on_a_server_are_downloaded_if_the_config_allows(tmp_path):
    scenes = five(tmp_path / "scenes")
    with serving(scenes, []) as server:
        server.items = items_below(scenes, lambda file: f"{server.url}/files/{file.name}")
        with pytest.raises(SceneError, match=r"scene A has its pixels at http.*A_\w+\.tif; set scenes.remote: true"):
            fetch_items(search(server.url), tmp_path / "cache", remote=False)
        folder = fetch_items(search(server.url), tmp_path / "cache", remote=True)
        asked = len(server.requests)
        assert fetch_items(search(server.url), tmp_path / "cache", remote=True) == folder
        assert len(server.requests) == asked
    assert found_in(folder) == ["A", "B", "D", "E"]
    assert pixels_of(folder, "A", "red").read_bytes() == (scenes / "A_red.tif").read_bytes()
    assert not list(tmp_path.rglob("*.part"))


def of_planetary_computer(scenes: Path, server) -> None:
    """One item as the Planetary Computer has them: bands by code, the offset told by the product's metadata alone."""
    name = "S2A_MSIL2A_20230801T032541_R018_T49TDE_20230801T080000"
    write_item(scenes, name, properties={"earthsearch:boa_offset_applied": None, "s2:processing_baseline": "05.09"})
    offsets = "".join(f'<BOA_ADD_OFFSET band_id="{band}">-1000</BOA_ADD_OFFSET>' for band in (3, 7))
    (scenes / "MTD_MSIL2A.xml").write_text(
        "<product><PRODUCT_START_TIME>2023-08-01T03:25:41.024Z</PRODUCT_START_TIME>"
        "<PROCESSING_BASELINE>05.09</PROCESSING_BASELINE>"
        f"<BOA_QUANTIFICATION_VALUE>10000</BOA_QUANTIFICATION_VALUE>{offsets}</product>"
    )
    (item,) = items_below(scenes, lambda file: f"{server.url}/files/{file.name}")
    item["assets"] = {code: item["assets"][key] for code, key in {"B04": "red", "B08": "nir", "SCL": "scl"}.items()}
    item["assets"]["product-metadata"] = {"href": f"{server.url}/files/MTD_MSIL2A.xml"}
    server.items = [item]


def test_the_metadata_of_a_product_are_downloaded_with_its_pixels(tmp_path):
    with serving(tmp_path / "scenes", []) as server:
        of_planetary_computer(tmp_path / "scenes", server)
        folder = fetch_items(search(server.url), tmp_path / "cache", remote=True)
    (scene,) = scenes_in(folder)
    assert {(band.scale, band.offset) for band in scene.bands.values()} == {(1e-4, -0.1)}


def test_metadata_that_a_server_does_not_give_cost_no_other_scene(tmp_path):
    """Some lie behind an account where the pixels are open, and the items of most catalogues do without."""
    scenes = five(tmp_path / "scenes")
    with serving(scenes, []) as server:
        server.items = items_below(scenes, lambda file: f"{server.url}/files/{file.name}")
        for item, href in zip(server.items, ("s3://closed/a.xml", f"{server.url}/files/b.xml"), strict=False):
            item["assets"]["product_metadata"] = {"href": href}
        server.closed["b.xml"] = 403
        folder = fetch_items(search(server.url), tmp_path / "cache", remote=True)
        assert found_in(folder) == ["A", "B", "D", "E"]
        for item in server.items:
            for key in ("red", "nir", "scl"):
                item["assets"][key]["href"] = (scenes / f"{item['id']}_{key}.tif").as_uri()
        folder = fetch_items(search(server.url), tmp_path / "other", remote=False)
    assert found_in(folder) == ["A", "B", "D", "E"]


@pytest.mark.parametrize("remote", [True, False])
def test_pixels_in_a_storage_that_takes_an_account_are_refused_with_what_to_do(tmp_path, remote):
    """As those of the Copernicus Data Space."""
    scenes = five(tmp_path / "scenes")
    with serving(scenes, items_below(scenes, Path.as_uri)) as server:
        server.items[1]["assets"]["nir"]["href"] = "s3://eodata/Sentinel-2/B_B08_10m.jp2"
        with pytest.raises(SceneError, match=r"^scene B has its pixels at s3://\S+jp2, which takes an account; downl"):
            fetch_items(search(server.url), tmp_path / "cache", remote=remote)


@pytest.mark.parametrize("status", [401, 403, 409])
def test_pixels_that_a_server_gives_to_nobody_are_refused_without_the_signature(tmp_path, status):
    scenes = five(tmp_path / "scenes")
    with serving(scenes, []) as server:
        server.items = items_below(scenes, lambda file: f"{server.url}/files/{file.name}?sig=mine")
        server.closed["B_red.tif"] = status
        with pytest.raises(SceneError, match=r"B_red.tif: the server gives no pixels without account or sig") as error:
            fetch_items(search(server.url), tmp_path / "cache", remote=True)
    assert "mine" not in str(error.value)


def test_addresses_that_lack_their_signature_are_told_from_a_file_that_is_gone(tmp_path):
    """The storage of the Planetary Computer answers 404 to them."""
    with serving(tmp_path / "scenes", []) as server:
        of_planetary_computer(tmp_path / "scenes", server)
        for file in ("*.tif", "*.xml"):
            for path in (tmp_path / "scenes").glob(file):
                path.unlink()
        with pytest.raises(SceneError, match=r"none of its pixels is where its items say; .* signed address, download"):
            fetch_items(search(server.url), tmp_path / "cache", remote=True)
        assert not list(tmp_path.rglob("search.json"))


@contextmanager
def broken_off(tmp_path):
    """A server of five scenes at which a search failed for want of E's near infrared, and what puts it there."""
    scenes = five(tmp_path / "scenes")
    gone = scenes / "E_nir.tif"
    content = gone.read_bytes()
    gone.unlink()
    with serving(scenes, []) as server:
        server.items = items_below(scenes, lambda file: f"{server.url}/files/{file.name}")
        server.lacking = 503
        with pytest.raises(SceneError, match="503"):
            fetch_items(search(server.url), tmp_path / "cache", remote=True)
        yield server, partial(gone.write_bytes, content)


def test_a_file_that_the_server_does_not_hold_costs_its_scene_alone(tmp_path):
    scenes = five(tmp_path / "scenes")
    (scenes / "E_nir.tif").unlink()
    with serving(scenes, []) as server:
        server.items = items_below(scenes, lambda file: f"{server.url}/files/{file.name}")
        folder = fetch_items(search(server.url), tmp_path / "cache", remote=True)
        server.requests.clear()
        assert fetch_items(search(server.url), tmp_path / "cache", remote=True) == folder
        assert server.requests == []
    found, (aside,) = find_scenes(folder, Wanted((2023,), PEAK, ("red", "nir"), CRS, AREA))
    assert [scene.id for scene in found] == ["A", "B", "D"]
    assert aside.reason == "scene E lacks nir; download these files beside the item or metadata"


def test_only_the_bands_that_are_asked_for_are_downloaded(tmp_path):
    """Red, near infrared and quality of four scenes; moisture takes B8A and B11 of each more."""
    scenes = five(tmp_path / "scenes")
    with serving(scenes, []) as server:
        server.items = items_below(scenes, lambda file: f"{server.url}/files/{file.name}")
        for item in server.items:
            for key in ("blue", "nir08", "swir16"):
                item["assets"][key] = {"href": f"{server.url}/files/{item['id']}_red.tif"}
        fetch_items(search(server.url), tmp_path / "cache", remote=True)
        assert len(downloads(server)) == 4 * 3
        moist = search(server.url, bands=("red", "nir", "nir08", "swir16"))
        folder = fetch_items(moist, tmp_path / "cache", remote=True)
        assert len(downloads(server)) == 4 * 2
    content = json.loads((folder / "A" / "item.json").read_text(encoding="utf-8"))
    assert list(content["assets"]) == ["red", "nir", "scl", "nir08", "swir16"]


@pytest.mark.parametrize(
    ("assets", "kept"),
    [
        ("blue red nir08 swir16 qa_pixel qa_radsat qa_aerosol", "red nir08 qa_pixel qa_radsat"),
        ("B02 B04 B08 B8A B11 SCL AOT", "B04 B08 SCL"),
        ("red nir nir08 scl red-jp2 thumbnail", "red nir scl"),
        (
            "B04_10m B04_20m B08_10m B8A_20m SCL_20m SCL_60m product_metadata safe_manifest",
            "B04_10m B08_10m SCL_20m product_metadata",
        ),
    ],
    ids=["Landsat", "Sentinel-2 by code", "Sentinel-2 by name", "Sentinel-2 by code and resolution"],
)
def test_a_band_goes_by_the_name_that_its_product_gives_it(tmp_path, assets, kept):
    scenes = five(tmp_path / "scenes")
    with serving(scenes, items_below(scenes, Path.as_uri)) as server:
        server.items = server.items[:1]
        server.items[0]["assets"] = {key: {"href": (scenes / f"{key}.tif").as_uri()} for key in assets.split()}
        folder = fetch_items(search(server.url), tmp_path / "cache", remote=False)
    content = json.loads((folder / "A" / "item.json").read_text(encoding="utf-8"))
    assert list(content["assets"]) == kept.split()


def test_every_band_of_an_index_has_a_name_among_the_assets():
    assert set(bands_of(tuple(INDICES))) <= ASSETS.keys()
    assert set(NARROW.values()) <= ASSETS.keys()


def test_a_download_that_breaks_off_is_taken_up_again(tmp_path):
    """What is whole is kept, what is not has no final name, and the search does not count as answered."""
    with broken_off(tmp_path) as (server, mend):
        assert not list(tmp_path.rglob("search.json"))
        mend()
        server.requests.clear()
        folder = fetch_items(search(server.url), tmp_path / "cache", remote=True)
    assert found_in(folder) == ["A", "B", "D", "E"]
    assert "GET /files/A_red.tif" not in server.requests


def test_another_year_or_boundary_downloads_only_what_is_new(tmp_path):
    scenes = five(tmp_path / "scenes")
    write_item(scenes, "G", "2024-08-01")
    west, *others = BBOX
    with serving(scenes, []) as server:
        server.items = items_below(scenes, lambda file: f"{server.url}/files/{file.name}")
        first = fetch_items(search(server.url), tmp_path / "cache", remote=True)
        assert len(downloads(server)) == 4 * 3
        moved = fetch_items(search(server.url, bbox=(west - 1e-6, *others)), tmp_path / "cache", remote=True)
        assert downloads(server) == []
        longer = fetch_items(search(server.url, years=(2023, 2024)), tmp_path / "cache", remote=True)
        assert len(downloads(server)) == 3
        fewer = fetch_items(search(server.url, season=Season((8, 1), (8, 31))), tmp_path / "cache", remote=True)
        assert downloads(server) == []
    assert found_in(first) == found_in(moved) == ["A", "B", "D", "E"]
    assert (found_in(longer), found_in(fewer)) == (["A", "B", "D", "E", "G"], ["B", "D", "E"])
    # by one path, so that a run takes no checksum of a file twice
    paths = [{path for scene in scenes_in(folder) for path in scene.paths} for folder in (first, moved)]
    assert paths[0] == paths[1]
    assert len(paths[0]) == 4 * 3


def test_a_scene_that_was_issued_again_is_downloaded_again(tmp_path):
    """Its metadata, by which pixels become reflectance, are those of its pixels."""
    scenes = five(tmp_path / "scenes")
    with serving(scenes, []) as server:
        server.items = items_below(scenes, lambda file: f"{server.url}/files/{file.name}")
        before = fetch_items(search(server.url), tmp_path / "cache", remote=True)
        downloads(server)
        server.items[0]["properties"]["updated"] = "2024-01-01T00:00:00Z"
        (scenes / "A_red.tif").write_bytes(b"other pixels")
        after = fetch_items(search(server.url, years=(2023, 2024)), tmp_path / "cache", remote=True)
        assert downloads(server) == [f"GET /files/A_{asset}.tif" for asset in ("red", "nir", "scl")]
    assert pixels_of(after, "A", "red").read_bytes() == b"other pixels"
    assert pixels_of(before, "A", "red").read_bytes() != b"other pixels"


def test_a_deleted_answer_is_asked_for_again(tmp_path):
    scenes = five(tmp_path / "scenes")
    with serving(scenes, []) as server:
        server.items = items_below(scenes, lambda file: f"{server.url}/files/{file.name}")
        folder = fetch_items(search(server.url), tmp_path / "cache", remote=True)
        server.requests.clear()
        shutil.rmtree(folder)
        assert fetch_items(search(server.url), tmp_path / "cache", remote=True) == folder
        assert "POST /search" in server.requests
        assert downloads(server) == []
        shutil.rmtree(tmp_path / "cache")
        fetch_items(search(server.url), tmp_path / "cache", remote=True)
        assert len(downloads(server)) == 4 * 3


def test_nothing_of_an_answer_that_broke_off_is_left_in_the_next(tmp_path):
    """A was stored before E failed, and is withdrawn before the next attempt."""
    with broken_off(tmp_path) as (server, mend):
        mend()
        server.items = [item for item in server.items if item["id"] != "A"]
        folder = fetch_items(search(server.url), tmp_path / "cache", remote=True)
    assert found_in(folder) == ["B", "D", "E"]


@pytest.mark.parametrize("name", ["../../elsewhere", "..", "a/b", "a\\b", "C:x", ""])
def test_no_name_that_a_server_gives_leads_out_of_the_folder(tmp_path, name):
    scenes = five(tmp_path / "scenes")
    with serving(scenes, items_below(scenes, Path.as_uri)) as server:
        server.items[0]["id"] = name
        before = sorted(tmp_path.rglob("*"))
        with pytest.raises(SceneError, match="cannot name a file here"):
            fetch_items(search(server.url), tmp_path / "out" / "cache", remote=False)
    written = set(tmp_path.rglob("*")) - set(before)
    assert all(path.is_relative_to(tmp_path / "out") for path in written)


def test_assets_of_one_file_name_are_two_files(tmp_path):
    """A server may tell its bands apart by the query alone: taken for one file, red would be near infrared, too."""
    scenes = five(tmp_path / "scenes")
    with serving(scenes, []) as server:
        server.items = items_below(scenes, lambda file: f"{server.url}/files/{file.name}")
        for item in server.items:
            for key in ("red", "nir"):
                (scenes / key).mkdir(exist_ok=True)
                name = f"{item['id']}_{key}.tif"
                (scenes / key / "image.tif").write_bytes((scenes / name).read_bytes())
                item["assets"][key]["href"] = f"{server.url}/files/{key}/image.tif"
        folder = fetch_items(search(server.url), tmp_path / "cache", remote=True)
    assert pixels_of(folder, "A", "red").read_bytes() == (scenes / "red" / "image.tif").read_bytes()
    assert pixels_of(folder, "A", "nir").read_bytes() == (scenes / "nir" / "image.tif").read_bytes()


TOO_DEEP = reduce(lambda inner, _: [inner], range(500), [])


@pytest.mark.parametrize(
    "damaged", [None, "B04.tif", {"href": None}, {"href": "B04.tif", "further": TOO_DEEP}],
    ids=["none", "text", "no address", "too deep"],
)  # fmt: skip
def test_an_answer_that_is_no_valid_stac_is_one_sentence(tmp_path, damaged):
    write_item(tmp_path / "source", "A")
    items = items_below(tmp_path / "source", str)
    items[0]["assets"]["red"] = damaged
    with serving(tmp_path / "source", items) as server, pytest.raises(SceneError, match=r"the STAC API cannot be read"):
        fetch_items(search(server.url), tmp_path / "cache", remote=False)


@pytest.mark.parametrize(("cloud", "found"), [("5.3", ["A"]), ("90", []), ("unknown", ["A"])])
def test_a_cloud_share_may_be_text(tmp_path, cloud, found):
    write_item(tmp_path / "source", "A", properties={"eo:cloud_cover": cloud})
    write_item(tmp_path / "source", "B", properties={"eo:cloud_cover": 5})
    with serving(tmp_path / "source", items_below(tmp_path / "source", str)) as server:
        folder = fetch_items(search(server.url), tmp_path / "cache", remote=False)
    assert found_in(folder) == [*found, "B"]


def test_nothing_there_is_said(tmp_path):
    with serving(tmp_path, []) as server, pytest.raises(SceneError, match="has no scene of sentinel-2-l2a there"):
        fetch_items(search(server.url), tmp_path / "cache", remote=False)


def test_what_is_asked_decides_what_is_kept(tmp_path):
    scenes = five(tmp_path / "scenes")
    with serving(scenes, items_below(scenes, Path.as_uri)) as server:
        folders = {
            fetch_items(search(server.url, **changes), tmp_path / "cache", remote=False)
            for changes in ({}, {"cloud_below": None}, {"season": Season((8, 1), (8, 31))})
        }
    assert len(folders) == 3
    assert np.isfinite(asdict(search("http://x"))["bbox"]).all()


def test_a_run_on_an_api_is_the_run_on_the_folder(tmp_path, sinkmap):
    """The same bytes from the world's own scenes, served; and again with the server gone."""
    world = World.finished(tmp_path / "world")
    expected = result_files(world.out / "tiny")
    scenes = world.folder / "scenes"
    bbox = in_degrees((LEFT, TOP - 6000, LEFT + 9000, TOP), CRS)
    with serving(scenes, items_below(scenes, Path.as_uri, bbox)) as server:
        settings = YAML(typ="safe").load(world.config)
        api = {"url": server.url, "collections": ["sentinel-2-l2a"]}
        settings["scenes"] = {"api": api, **{key: settings["scenes"][key] for key in ("years", "season")}}
        by_api = world.folder / "api.yaml"
        with by_api.open("w", encoding="utf-8") as file:
            YAML(typ="safe").dump(settings, file)
        done = sinkmap("zones", by_api, "--out", tmp_path / "out")
        assert done.code == 0, done.err
    assert result_files(tmp_path / "out" / "tiny") == expected
    again = sinkmap("zones", by_api, "--out", tmp_path / "out")
    assert again.code == 0, again.err
    assert result_files(tmp_path / "out" / "tiny") == expected


@pytest.mark.parametrize(
    "scenes", ["{years: 2023}", '{path: x, api: {url: "http://x", collections: [a]}, years: 2023}']
)
def test_one_place_of_scenes_is_needed(tmp_path, scenes):
    (tmp_path / "c.yaml").write_text(f"name: x\nscenes: {scenes}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="give either path or api"):
        read_config(tmp_path / "c.yaml")
