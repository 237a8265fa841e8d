"""Files that are not what their product says: manifest.safe, the CRC-32 of a zip."""

import errno
import hashlib
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from zipfile import ZipFile

import numpy as np
import pytest
import rasterio
from conftest import REAL, write_tif
from tiny_world import CRS, LEFT, PIXEL, TOP, World, landscape

from pipeline.config.run_config import read_config
from pipeline.errors import SceneError
from pipeline.execution.provenance import Marks
from pipeline.plan import plan_lines
from pipeline.run import prepare
from pipeline.scenes.integrity import SceneFiles, refuse_damaged, verifiable, verify_scene
from pipeline.scenes.same_day import fit_rows
from pipeline.scenes.scene import Band, SetAside
from pipeline.scenes.sensors.sentinel2 import scene_from_safe

NAME = "S2A_MSIL2A_20230805T032541_N0509_R018_T49TDE_20230805T080000"
METADATA = """<product>
  <PRODUCT_START_TIME>2023-08-05T03:25:41.024Z</PRODUCT_START_TIME>
  <PROCESSING_BASELINE>05.09</PROCESSING_BASELINE>
  <BOA_QUANTIFICATION_VALUE>10000</BOA_QUANTIFICATION_VALUE>
  {offsets}
</product>"""


def write_safe(folder: Path, algorithm: str | None = "MD5") -> Path:
    """A product over the tiny world with a manifest that is true of it, or without one."""
    safe = folder / f"{NAME}.SAFE"
    images = safe / "GRANULE" / "L2A" / "IMG_DATA"
    red = 0.12 - 0.08 * landscape(2023, "08-01")
    pixels = {
        "R10m/T49TDE_20230805T032541_B04_10m.jp2": np.rint(red * 1e4 + 1000).astype("uint16"),
        "R10m/T49TDE_20230805T032541_B08_10m.jp2": np.rint(red * 3e4 + 1000).astype("uint16"),
        "R20m/T49TDE_20230805T032541_SCL_20m.jp2": np.full(red.shape, 4, "uint8"),
    }
    for name, values in pixels.items():
        write_tif(images / name, values, left=LEFT, top=TOP, pixel=PIXEL, crs=CRS, driver="JP2OpenJPEG",
                  QUALITY="100", REVERSIBLE="YES")  # fmt: skip
    offsets = "".join(f'<BOA_ADD_OFFSET band_id="{band}">-1000</BOA_ADD_OFFSET>' for band in (3, 7))
    (safe / "MTD_MSIL2A.xml").write_text(METADATA.format(offsets=offsets), encoding="utf-8")
    if algorithm:
        streams = [
            f'<byteStream><fileLocation href="./{file.relative_to(safe).as_posix()}"/><checksum '
            f'checksumName="{algorithm}">{digest_of(file, algorithm).upper()}</checksum></byteStream>'
            for file in images.rglob("*.jp2")
        ]
        (safe / "manifest.safe").write_text(f"<xfdu>{''.join(streams)}</xfdu>", encoding="utf-8")
    return safe


def digest_of(file: Path, algorithm: str) -> str:
    return hashlib.new(algorithm.lower().replace("-", "_"), file.read_bytes()).hexdigest()


def image(safe: Path) -> Path:
    return next(safe.rglob("*_B04_10m.jp2"))


def damage(file: Path) -> None:
    """A stretch of zeros two thirds of the way in, as of a download with a hole."""
    content = bytearray(file.read_bytes())
    start = len(content) * 2 // 3
    content[start : start + 40] = bytes(40)
    file.write_bytes(content)


def unit(folder: Path, product: Path) -> SceneFiles:
    return SceneFiles(scene_from_safe(product), Marks(folder / "marks"), {"files": "0123"})


def test_gdal_decodes_a_damaged_image_without_an_error(tmp_path):
    """Why all this is."""
    file = image(write_safe(tmp_path))
    with rasterio.open(file) as image_file:
        before = image_file.read(1)
    damage(file)
    with rasterio.open(file) as image_file:
        after = image_file.read(1)
    assert (before != after).any()
    assert after.max() < 10_000


@pytest.mark.parametrize("algorithm", ["MD5", "SHA3-256"])
def test_a_file_of_another_digest_than_the_manifest_says_is_refused(tmp_path, algorithm):
    safe = write_safe(tmp_path, algorithm)
    intact = unit(tmp_path, safe)
    assert len(verifiable(intact.scene)) == 3
    assert verify_scene(intact) == []
    assert intact.marks.read(intact.name) == intact.key
    damage(image(safe))
    assert verify_scene(unit(tmp_path, safe)) == [
        SetAside(
            NAME,
            f"scene {NAME}: {image(safe)} has another checksum than its manifest.safe says, so it is damaged or was "
            "changed; get the product again, or remove manifest.safe if you changed it on purpose",
        )
    ]


def test_a_zip_that_is_damaged_within_is_refused(tmp_path):
    """By the CRC-32 that the zip keeps of each file; it needs no manifest."""
    safe = write_safe(tmp_path, None)
    path = tmp_path / f"{NAME}.SAFE.zip"
    with ZipFile(path, "w") as archive:  # stored, as the archives hand it out
        for file in sorted(safe.rglob("*.*")):
            archive.write(file, file.relative_to(tmp_path))
    assert verify_scene(unit(tmp_path, path)) == []
    pixels, content = image(safe).read_bytes(), bytearray(path.read_bytes())
    content[content.index(pixels) + len(pixels) // 2] ^= 255
    path.write_bytes(content)
    (aside,) = verify_scene(unit(tmp_path, path))
    assert aside.reason.startswith(f"scene {NAME}: {path} is damaged (Bad CRC-32 for file")


@pytest.mark.parametrize("manifest", [None, "<xfdu", "<xfdu><byteStream/></xfdu>"])
def test_where_nothing_is_said_of_a_file_nothing_is_held_against_it(tmp_path, manifest):
    safe = write_safe(tmp_path, None)
    if manifest:
        (safe / "manifest.safe").write_text(manifest, encoding="utf-8")
    assert verifiable(scene_from_safe(safe)) == []


def test_a_file_that_is_gone_is_said_so(tmp_path):
    (aside,) = verify_scene(gone := unit(tmp_path, write_safe(tmp_path)))[:1] or [None]
    assert aside is None
    image(tmp_path).unlink()
    (aside,) = verify_scene(gone)
    assert "B04_10m.jp2 cannot be read now" in aside.reason
    assert "No such file" in aside.reason
    assert aside.passing


def test_a_path_that_is_too_long_for_windows_is_not_said_to_be_gone(tmp_path, monkeypatch):
    """Windows unpacks A.SAFE.zip into A.SAFE/A.SAFE: GDAL opens what lies there, Python does not."""
    monkeypatch.setattr("pipeline.errors.os", SimpleNamespace(name="nt", path=os.path))
    band = Band(str(tmp_path / ("a" * 130) / ("b" * 130)), digest="md5:0")
    with pytest.raises(SceneError, match=r"longer than the 259 characters that Windows opens: use a shorter folder$"):
        refuse_damaged(NAME, band)


def test_the_plan_counts_the_scenes_to_verify_and_their_time(tmp_path):
    world = World.finished(tmp_path)
    write_safe(world.folder / "scenes")

    def planned(**how) -> list[str]:
        return list(plan_lines(prepare(read_config(world.config), world.out), 1, **how))

    assert "1 composite: 1 of 1 scenes to verify by the checksums of their product." in planned()
    world.run()
    pace = {"verify": 4000.0, "composite": 0.0, "calibrate": 0.0, "map": 0.0}
    (world.results / "work" / "pace.json").write_text(json.dumps(pace), encoding="utf-8")
    lines = planned()
    assert "1 composite: 0 of 1 scenes to verify by the checksums of their product." in lines
    assert any("only the tables" in line for line in lines)
    assert "Time: about 67 min at the pace of the last run, and the tables." in planned(force=True)


def test_a_scene_that_could_not_be_read_once_is_not_remembered_as_damaged(tmp_path, monkeypatch):
    world = World.at(tmp_path)
    write_safe(world.folder / "scenes")

    def away(band):
        raise OSError(errno.EIO, "Input/output error", band.path)

    with monkeypatch.context() as patch:
        patch.setattr("pipeline.scenes.integrity.opened", away)
        (reason,) = world.run().set_aside
    assert "cannot be read now" in reason
    assert world.run().set_aside == []


def test_a_real_manifest_is_read(tmp_path):
    """The digest that the ground segment gave of the metadata file, 2021."""
    product = "esa_S2B_MSIL2A_20210122T133229_N0214_R081_T22HBD_20210122T155500.SAFE"
    if not (REAL / "sentinel2_metadata").exists():
        pytest.skip("the real metadata are not here")
    safe = Path(shutil.copytree(REAL / "sentinel2_metadata" / product, tmp_path / product))
    name = "GRANULE/L2A_T22HBD_A020270_20210122T133224/IMG_DATA/R10m/T22HBD_20210122T133229_B04_10m.jp2"
    for file in (name, name.replace("B04", "B08"), name.replace("B04_10m", "SCL_20m").replace("R10m", "R20m")):
        write_tif(safe / file, np.full((4, 4), 1, "uint16"), driver="JP2OpenJPEG")
    red = scene_from_safe(safe).bands["red"]
    assert len(red.digest) == len("md5:") + 32
    refuse_damaged("a", Band(str(safe / "MTD_MSIL2A.xml"), digest="md5:f7974f1ab02917314a633e4a90d77ef0"))


def test_a_damaged_scene_is_left_out_of_the_run_until_it_is_mended(tmp_path):
    world = World.at(tmp_path)
    safe = write_safe(world.folder / "scenes")
    whole = image(safe).read_bytes()
    damage(image(safe))

    def aside() -> list[str]:
        world.run()
        return [each["scene"] for each in json.loads((world.results / "run.json").read_text("utf-8"))["set_aside"]]

    assert aside() == [NAME]
    assert aside() == [NAME]  # known by its mark
    image(safe).write_bytes(whole)
    assert aside() == []
    damage(image(safe))
    (safe / "manifest.safe").unlink()  # on purpose
    assert aside() == []


def test_scene_quality_tells_of_a_damaged_scene_and_leaves_it_out(tmp_path, sinkmap):
    world = World.at(tmp_path)
    damage(image(write_safe(world.folder / "scenes")))
    done = sinkmap("quality", world.config, "--out", world.out)
    assert done.code == 0, done.err
    assert f"Set aside: scene {NAME}: " in done.out
    assert NAME not in (world.results / "scene_quality.csv").read_text("utf-8-sig")


def test_a_damaged_scene_enters_no_fit(tmp_path):
    safe = write_safe(tmp_path)
    damage(image(safe))
    a = scene_from_safe(safe)
    with pytest.raises(SceneError, match=f"scene {NAME}: .* has another checksum than its manifest.safe says"):
        fit_rows([a], [replace(a, id="B", sensor="landsat-oli")])
