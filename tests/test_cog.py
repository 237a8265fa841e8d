"""A raster waits for its copy to a COG in memory or, if it is large, in a file: the pixels are the same."""

import errno
from pathlib import Path

import numpy as np
import pytest
import rasterio
from odc.geo.geobox import GeoBox
from rasterio.transform import from_origin

from pipeline.errors import OutputError
from pipeline.outputs import cog
from pipeline.outputs.cog import CogWriter
from pipeline.variables import VARIABLES

GRID = GeoBox((700, 1100), from_origin(500_000, 4_500_000, 10, 10), "EPSG:32649")


@pytest.fixture(params=["ndvi", "clear_count"])
def variable(request):
    return VARIABLES[request.param]


def written(path, variable, windows, grid=GRID):
    with CogWriter(path, grid, variable, "a zone", {"ZONE": "F01"}) as writer:
        for row, column, stored in windows:
            writer.write(stored, row, column)
    return path


def levels(path):
    """Pixels of the raster and of its overviews."""
    with rasterio.open(path) as file:
        count = len(file.overviews(1))
        found = [file.read(1)]
    for level in range(count):
        with rasterio.open(path, overview_level=level) as file:
            found.append(file.read(1))
    return found


def test_in_memory_and_by_way_of_a_file_the_pixels_are_the_same(variable, tmp_path, monkeypatch):
    """Overviews of overviews differ by a step of rounding: GDAL averages the pixels in memory, the level before in
    a file."""
    values = np.random.default_rng(1).integers(0, 9000, (300, 500)).astype(variable.dtype)
    windows = [(0, 0, values), (300, 600, values[:200])]
    small = levels(written(tmp_path / "small.tif", variable, windows))
    monkeypatch.setattr(cog, "IN_MEMORY_PX", 0)
    large = levels(written(tmp_path / "large.tif", variable, windows))
    assert [level.shape for level in large] == [level.shape for level in small] == [(700, 1100), (350, 550), (175, 275)]
    assert (large[0] == small[0]).all()
    for one, other in zip(large[1:], small[1:], strict=True):
        assert np.abs(one.astype(int) - other).max() <= 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["large.tif", "small.tif"]


def test_a_raster_that_another_program_has_open_is_said_in_one_sentence(tmp_path, monkeypatch):
    """As Windows refuses it while a GIS shows the raster."""

    def refuse(source, target):
        raise PermissionError(errno.EACCES, "Access is denied", str(source), None, str(target))

    monkeypatch.setattr("os.replace", refuse)
    with pytest.raises(OutputError) as refused:
        written(tmp_path / "x.tif", VARIABLES["ndvi"], [])
    said = f"{tmp_path / 'x.tif'}: cannot be written (Access is denied); free disk space or close the file"
    assert str(refused.value) == said
    assert not list(tmp_path.iterdir())


def test_a_disk_that_is_full_for_a_moment_leaves_no_raster(tmp_path, monkeypatch):
    """Of one write that is refused GDAL says nothing, and zeros pass for pixels."""

    def refuse_a_write(path, mode="r", **options):
        if path == tmp_path / "x.raw.tif" and mode == "r":
            with open(path, "r+b") as raw:
                raw.seek(cog.BLOCK_PX**2)
                raw.write(bytes(4096))
        return rasterio_open(path, mode, **options)

    rasterio_open = rasterio.open
    monkeypatch.setattr(cog, "IN_MEMORY_PX", 0)
    monkeypatch.setattr(cog.rasterio, "open", refuse_a_write)
    with pytest.raises(OutputError, match=r"x\.tif: cannot be written .*x\.raw\.tif does not hold .*; free disk space"):
        written(tmp_path / "x.tif", VARIABLES["ndvi"], [(0, 0, np.full(GRID.shape, 7, "int16"))])
    assert list(tmp_path.iterdir()) == []


def test_of_what_is_said_of_a_raster_nothing_goes_by_way_of_the_file(tmp_path, monkeypatch):
    """Names, statistics and overviews that are lost there would not be missed: only pixels can be read back."""
    held = []

    def watched(source, target, real=cog.copy, **options):
        held.append((tmp_path / "x.raw.tif").read_bytes())
        real(source, target, **options)

    monkeypatch.setattr(cog, "IN_MEMORY_PX", 0)
    monkeypatch.setattr(cog, "copy", watched)
    path = written(tmp_path / "x.tif", VARIABLES["ndvi"], [(0, 0, np.full(GRID.shape, 7, "int16"))])
    with rasterio.open(path) as file:
        assert file.overviews(1) == [2, 4]
    with rasterio.MemoryFile(held[-1]) as memory, memory.open() as raw:
        assert raw.overviews(1) == []
        assert "STATISTICS_MEAN" not in raw.tags(1)
    assert held[0] == held[-1]


@pytest.mark.parametrize("limit", [0, cog.IN_MEMORY_PX], ids=["by way of a file", "in memory"])
def test_a_raster_that_the_disk_refuses_leaves_nothing(tmp_path, monkeypatch, limit):
    def refuse(path, content):
        path.touch()
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(cog, "IN_MEMORY_PX", limit)
    monkeypatch.setattr(Path, "write_bytes", refuse)
    with pytest.raises(OutputError, match=r"x\.tif: cannot be written \(.*No space left on device\); free disk space"):
        written(tmp_path / "x.tif", VARIABLES["ndvi"], [(0, 0, np.full(GRID.shape, 7, "int16"))])
    assert list(tmp_path.iterdir()) == []


def test_what_a_gis_noted_beside_an_older_raster_goes_with_it(variable, tmp_path):
    path = written(tmp_path / "x.tif", variable, [(0, 0, np.full(GRID.shape, 7, variable.dtype))])
    noted = '<PAMDataset><PAMRasterBand band="1"><Metadata><MDI key="STATISTICS_MAXIMUM">7</MDI></Metadata>'
    (tmp_path / "x.tif.aux.xml").write_text(f"{noted}</PAMRasterBand></PAMDataset>", encoding="utf-8")
    written(path, variable, [(0, 0, np.full(GRID.shape, 3, variable.dtype))])
    with rasterio.open(path) as file:
        assert file.tags(1)["STATISTICS_MAXIMUM"] == "3"


def test_the_pyramids_and_the_value_table_of_an_older_raster_go_with_it(tmp_path):
    """ArcGIS and QGIS put both beside a raster on request, and show them in place of its own pixels and classes."""
    variable, small = VARIABLES["sink_class"], GRID[:8, :8]
    path = written(tmp_path / "x.tif", variable, [(0, 0, np.full((8, 8), 3, "uint8"))], small)
    with rasterio.open(path) as file:
        profile = file.profile | {"driver": "GTiff", "width": 4, "height": 4}
    with rasterio.open(tmp_path / "x.tif.ovr", "w", **profile) as pyramids:
        pyramids.write(np.full((1, 4, 4), 3, "uint8"))
    (tmp_path / "x.tif.vat.dbf").touch()
    written(path, variable, [(0, 0, np.ones((8, 8), "uint8"))], small)
    with rasterio.open(path) as file:
        assert file.read(1, out_shape=(4, 4)).max() == 1
    assert list(tmp_path.iterdir()) == [path]


def test_statistics_are_those_of_the_pixels(variable, tmp_path):
    stored = np.array([[1, 2, 6, variable.nodata]], variable.dtype)
    path = written(tmp_path / "a.tif", variable, [(10, 20, stored), (400, 0, stored[:, 3:])])
    with rasterio.open(path) as file:
        tags = file.tags(1)
        assert (file.read(1) != variable.nodata).sum() == 3
    names = ("MINIMUM", "MAXIMUM", "MEAN", "STDDEV")
    assert [float(tags[f"STATISTICS_{name}"]) for name in names] == pytest.approx([1, 6, 3, (14 / 3) ** 0.5], rel=1e-5)
