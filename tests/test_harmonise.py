"""One sensor's reflectance as another's: published rows, the band they hold for, and local fits."""

import os
from dataclasses import replace

import numpy as np
import pytest
import rasterio
from conftest import CRS, ROOT, make_grid, noon, write_tif
from ruamel.yaml import YAML

from pipeline.errors import SceneError
from pipeline.inputs import read_harmonisation
from pipeline.scenes.catalog import Wanted, find_scenes
from pipeline.scenes.harmonise import MIN_PAIRS, Pairs, harmonised, without_scenes
from pipeline.scenes.same_day import fit_rows, scenes_in
from pipeline.scenes.scene import INDEX, Band, Scene
from pipeline.scenes.season import PEAK

RED_NIR = ("red", "nir")


def scene(platform="sentinel-2a", sensor="sentinel-2", **bands) -> Scene:
    """A scene of stored reflectance, 1e-4 a step."""
    bands = {name: Band(f"{name}.tif", scale=1e-4) for name in bands or ("red", "nir", "nir08")}
    return Scene("A", sensor, noon(2023, 8, 1), bands, None, None, "-", platform=platform)


def reflectance(scene: Scene, stored: dict[str, float]) -> dict[str, float]:
    """Of the bands of a scene, from what their files store."""
    return {name: stored[band.path[:-4]] * band.scale + band.offset for name, band in scene.bands.items()}


def test_bandpass_of_hls_and_its_effect_on_ndvi():
    """R = .10 and N = .30: NDVI rises by 0.0047 (science.md 1.3)."""
    found = harmonised(scene(), read_harmonisation("hls_bandpass"), RED_NIR)
    values = reflectance(found, {"red": 1000, "nir": 9999, "nir08": 3000})
    assert values["red"] == pytest.approx(0.9765 * 0.10 + 0.0009)
    assert values["nir"] == pytest.approx(0.9983 * 0.30 - 0.0001)
    ndvi = (values["nir"] - values["red"]) / (values["nir"] + values["red"])
    assert ndvi - 0.5 == pytest.approx(0.0047, abs=5e-5)
    assert found.like == "landsat-oli"


@pytest.mark.parametrize(("satellite", "slope"), [("a", 0.9983), ("b", 0.9966), ("c", 0.9995)])
def test_each_satellite_has_its_own_rows(satellite, slope):
    found = harmonised(scene(f"sentinel-2{satellite}"), read_harmonisation("hls_bandpass"), RED_NIR)
    assert found.bands["nir"].scale == pytest.approx(slope * 1e-4)


def test_b08_is_refused_for_rows_of_b8a():
    with pytest.raises(
        SceneError, match=r"scene A has no nir08 \(B8A\), which its harmonisation is for, and nir \(B08\)"
    ):
        harmonised(scene(red=1, nir=1), read_harmonisation("hls_bandpass"), RED_NIR)


def test_what_is_no_matter_of_the_rows_stays_as_it_is():
    """No published row is about HLS, an index has no bands, and Landsat is what is adjusted to."""
    rows = read_harmonisation("hls_bandpass")
    for one in (scene("", "hls"), replace(scene(), level=INDEX), scene("landsat-8", "landsat-oli")):
        assert harmonised(one, rows, RED_NIR) is one
    assert harmonised(scene(), (), RED_NIR).like == ""


def test_roy_2016_goes_by_the_sensor():
    found = harmonised(scene("landsat-7", "landsat-etm+", red=1, nir=1), read_harmonisation("roy2016"), RED_NIR)
    values = reflectance(found, {"red": 1000, "nir": 3000})
    assert values == pytest.approx({"red": 0.09657, "nir": 0.29506})


def test_rows_that_are_about_no_scene_are_said():
    rows = read_harmonisation("roy2016")
    assert without_scenes(rows, [scene()]) == "harmonise adjusts nothing, no scene is of landsat-etm+"
    assert without_scenes(rows, [scene(), scene("landsat-7", "landsat-etm+")]) is None
    assert without_scenes((), [scene()]) is None


def test_a_band_without_a_row_is_refused():
    rows = tuple(row for row in read_harmonisation("roy2016") if row.band != "nir")
    with pytest.raises(SceneError, match="no harmonisation of nir of landsat-etm"):
        harmonised(scene("landsat-7", "landsat-etm+", red=1, nir=1), rows, RED_NIR)


@pytest.mark.parametrize("change", [{"slope": 0.5}, {"band": "nir", "to": "gf-6-wfv"}], ids=["band", "sensor"])
def test_rows_of_two_fits_are_refused(change):
    """A file into which both were copied: one of them would count, whichever comes last."""
    red, nir = (row for row in read_harmonisation("roy2016") if row.band in RED_NIR)
    rows = (red, red.model_copy(update=change)) if "to" in change else (red, nir, red.model_copy(update=change))
    with pytest.raises(SceneError, match=r"scene A: .* two rows of one band, .* for landsat-etm\+ landsat-7"):
        harmonised(scene("landsat-7", "landsat-etm+", red=1, nir=1), rows, RED_NIR)


def test_every_published_row_has_its_source_and_the_nasa_table_is_whole():
    rows = read_harmonisation("hls_bandpass") + read_harmonisation("roy2016")
    assert all(row.source and row.status == "published" for row in rows)
    per_satellite = {s: {r.band for r in rows if r.origin == f"sentinel-2{s}"} for s in "abc"}
    assert set(map(frozenset, per_satellite.values())) == {frozenset({"blue", "green", "red", "nir08", "swir16"})}


# Local fits


def test_a_regression_worked_by_hand():
    """500 pairs on y = 0.9 x + 0.01, half of them 0.002 above and half below: exactly these come out."""
    x = np.repeat([0.1, 0.2, 0.3, 0.4, 0.5], 100)
    y = 0.9 * x + 0.01 + np.tile([0.002, -0.002], 250)
    pairs = Pairs()
    pairs.add(np.append(x[:200], np.nan), np.append(y[:200], 1.0))
    pairs.add(x[200:], y[200:])
    fit = pairs.regression()
    assert (fit.slope, fit.intercept, fit.rmse, fit.n) == pytest.approx((0.9, 0.01, 0.002, 500))


@pytest.mark.parametrize(
    ("n", "says"), [(MIN_PAIRS - 1, "499 clear pixels .* are too few, 500 are needed"), (600, "alike")]
)
def test_too_few_or_equal_pixels_fit_nothing(n, says):
    pairs = Pairs()
    pairs.add(np.full(n, 0.2), np.full(n, 0.3))
    with pytest.raises(ValueError, match=says):
        pairs.regression()


def write_sensor(folder, sensor, day="2023-08-01", slope=1.0, intercept=0.0, pixel=30, side=30):
    """A manifest's scene whose reflectance is a plane over the ground, seen with ``slope`` and ``intercept``; a band of
    cloud at its left."""
    step = (np.arange(side) + 0.5) * pixel
    ground = 0.05 + 1e-4 * step[:, None] + 3e-4 * step[None, :]
    bands = np.stack([slope * ground + intercept, slope * 1.5 * ground + intercept])
    write_tif(folder / "image.tif", (bands * 1e4).round().astype("uint16"), pixel=pixel)
    quality = np.ones((side, side), "uint8")
    quality[:, : round(60 / pixel)] = 3
    write_tif(folder / "quality.tif", quality, pixel=pixel)
    (folder / "manifest.yaml").write_text(f"""
sensor: {sensor}
level: surface_reflectance
scale: 1e-4
offset: 0
scenes:
  - id: {sensor}-{day}
    date: {day}T04:00:00Z
    bands: {{red: [image.tif, 1], nir: [image.tif, 2]}}
    quality: {{file: quality.tif, clear: [1], cloud: [3]}}
""")
    return folder


@pytest.mark.parametrize("window", [2048, 24])
def test_a_local_fit_finds_what_one_sensor_does_to_the_other(tmp_path, monkeypatch, window):
    """The finer is averaged over the pixels of the coarser, cloud in either is left out, and a pixel counts once,
    however many windows are read: 4 x 4 of 8 pixels a side, the last of 6."""
    monkeypatch.setattr("pipeline.scenes.same_day.WINDOW", window)
    a = write_sensor(tmp_path / "a", "gf-1-wfv4", pixel=10, side=90)
    b = write_sensor(tmp_path / "b", "landsat-oli", slope=0.95, intercept=0.012)
    rows = fit_rows(scenes_in(a), scenes_in(b))
    for row in rows:
        assert (row.slope, row.intercept) == pytest.approx((0.95, 0.012), abs=2e-4)
        assert row.rmse < 1e-4
        assert row.n == 30 * 28
        assert (row.origin, row.to, row.status) == ("gf-1-wfv4", "landsat-oli", "local")


def test_small_clouds_of_the_finer_sensor_are_in_no_pair(tmp_path):
    """Every seventh pixel of 10 m each way is flagged cloud: a pixel of 30 m that holds one tells of no land."""
    a = write_sensor(tmp_path / "a", "gf-1-wfv4", pixel=10, side=90)
    with rasterio.open(a / "image.tif", "r+") as image, rasterio.open(a / "quality.tif", "r+") as quality:
        bands, classes = image.read(), quality.read(1)
        bands[:, ::7, ::7], classes[::7, ::7] = 6000, 3
        image.write(bands)
        quality.write(classes, 1)
    b = write_sensor(tmp_path / "b", "landsat-oli", slope=0.95, intercept=0.012)
    for row in fit_rows(scenes_in(a), scenes_in(b)):
        assert (row.slope, row.intercept) == pytest.approx((0.95, 0.012), abs=2e-4)
        assert 500 < row.n < 30 * 28


def test_the_written_rows_make_a_run_harmonised(tmp_path, sinkmap):
    """`sinkmap harmonise` writes what `harmonise:` reads; with it the two sensors agree to a step of their storage."""
    a = write_sensor(tmp_path / "both" / "a", "gf-1-wfv4", slope=1 / 0.95, intercept=-0.012 / 0.95)
    b = write_sensor(tmp_path / "both" / "b", "landsat-oli")
    file = tmp_path / "rows.yaml"
    given = os.path.relpath(file, ROOT) if file.drive == ROOT.drive else file
    done = sinkmap("harmonise", a, b, "--write", given)
    assert done.code == 0, done.err
    assert f"`harmonise: {file.resolve()}`" in done.out  # the paths of a config start from its folder
    assert "0.95" in done.out
    assert YAML(typ="safe").load(file)[0]["status"] == "local"
    area = make_grid(30, 30, pixel=30).extent.geom
    found, _ = find_scenes(tmp_path / "both", Wanted((2023,), PEAK, RED_NIR, CRS, area, rows=read_harmonisation(file)))
    assert {one.like or one.sensor for one in found} == {"landsat-oli"}


def test_a_folder_that_is_not_there_is_said(tmp_path):
    with pytest.raises(SceneError, match="nowhere: there is no such scene folder"):
        scenes_in(tmp_path / "nowhere")


def test_a_folder_without_a_usable_scene_says_why(tmp_path):
    with pytest.raises(SceneError, match=r"holds no usable scene of surface reflectance; docs/data.md has"):
        scenes_in(tmp_path)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "LC08_L2SP_127032_20230801_20230805_02_T1.tar").touch()
    with pytest.raises(SceneError, match=r"a: holds no usable scene .*; refused: .* is an archive; unpack it"):
        scenes_in(tmp_path / "a")


@pytest.mark.parametrize(
    ("day", "sensor", "side", "says"),
    [
        ("2023-08-02", "landsat-oli", 30, "0 pairs of scenes were taken on one day"),
        ("2023-08-01", "gf-1-wfv4", 30, "0 pairs of scenes"),
        ("2023-08-01", "landsat-oli", 20, "360 clear pixels of the same day are too few"),
    ],
)
def test_a_fit_without_pairs_is_refused(tmp_path, day, sensor, side, says):
    a = write_sensor(tmp_path / "a", "gf-1-wfv4", side=side)
    b = write_sensor(tmp_path / "b", sensor, day, side=side)
    with pytest.raises(SceneError, match=says):
        fit_rows(scenes_in(a), scenes_in(b))


def test_sensors_that_do_not_see_the_same_ground_give_no_fit(tmp_path):
    """Bands or places that are mixed up: one falls where the other rises."""
    a = write_sensor(tmp_path / "a", "gf-1-wfv4")
    b = write_sensor(tmp_path / "b", "landsat-oli", slope=-0.04, intercept=0.3)
    says = r"gf-1-wfv4 against landsat-oli, red: one does not rise with the other \(slope -0\.04\d*\); check that"
    with pytest.raises(SceneError, match=says):
        fit_rows(scenes_in(a), scenes_in(b))
