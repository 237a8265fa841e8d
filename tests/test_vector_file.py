"""Vector files as the offices have them: encodings, layers, what is missing, and areas on the ellipsoid."""

import re
import shutil

import geopandas as gpd
import numpy as np
import pytest
from conftest import write_vector
from hypothesis import given
from hypothesis import strategies as st
from shapely import MultiPolygon, Polygon, box

from pipeline.carbon import HA_PER_MU
from pipeline.errors import ZoneError
from pipeline.zones.vector_file import dbf_encoding, ellipsoidal_area_ha, one_line, read_vector

CGCS2000 = "EPSG:4490"
CELL = box(110.00, 40.60, 110.01, 40.61)
ROWS = {"编号": ["F01"], "类型": ["林地"], "MIAN_JI": [1.5]}


# Encodings


@pytest.mark.parametrize(
    ("encoding", "language_byte", "cpg"),
    [
        ("GBK", 0x4D, None),  # ArcGIS in China before 10.2
        ("GBK", 0x00, None),  # and others, which say nothing
        ("GBK", 0x00, "GBK"),
        ("GBK", 0x4D, "936"),
        ("UTF-8", 0x00, None),
        ("UTF-8", 0x00, "UTF-8"),
        ("UTF-8", 0x4D, "UTF-8"),  # the .cpg comes first
    ],
)
def test_chinese_attributes_are_read_whatever_the_encoding(tmp_path, encoding, language_byte, cpg):
    path = write_vector(tmp_path / "片区.shp", ROWS, [CELL], CGCS2000, encoding=encoding)
    path.with_suffix(".cpg").unlink()
    if cpg:
        path.with_suffix(".cpg").write_text(cpg)
    table = bytearray(path.with_suffix(".dbf").read_bytes())
    table[29] = language_byte
    path.with_suffix(".dbf").write_bytes(table)
    found = read_vector(path, None, ["编号", "类型"])
    assert found.drop(columns="geometry").to_dict("list") == ROWS


@pytest.mark.parametrize("place", ["packed.zip", "packed.shz", "folder", "folder/a.dbf"])
def test_a_shapefile_that_is_not_named_by_its_shp_is_refused(tmp_path, place):
    """GDAL would read its GBK text as another alphabet, names of the zones without a word."""
    (tmp_path / "folder").mkdir()
    path = write_vector(tmp_path / "folder" / "a.shp", {"ID": ["F01"], "NAME": ["乌拉山"]}, [CELL], CGCS2000)
    given = tmp_path / place
    if given.stem == "packed":
        shutil.make_archive(tmp_path / "packed", "zip", path.parent)
        (tmp_path / "packed.zip").rename(given)
    with pytest.raises(ZoneError, match=rf"{re.escape(str(given))}: is an archive, folder or other part of a shape"):
        read_vector(given, None, ["ID"])


def test_the_language_byte_decides_where_the_text_fits_both_encodings(tmp_path):
    """模 in GBK is C4 A3, which is ģ in UTF-8."""
    path = write_vector(tmp_path / "a.shp", {"ID": ["模"]}, [CELL], CGCS2000, encoding="GBK")
    path.with_suffix(".cpg").unlink()
    table = bytearray(path.with_suffix(".dbf").read_bytes())
    for language_byte, text in ((0x4D, "模"), (0x00, "ģ")):
        table[29] = language_byte
        path.with_suffix(".dbf").write_bytes(table)
        assert read_vector(path, None, ["ID"])["ID"].tolist() == [text]


@pytest.mark.filterwarnings("ignore:Could not decode error message")
def test_a_utf8_table_stays_utf8_where_a_name_was_cut_within_a_character(tmp_path):
    """A DBF cuts names after 10 bytes: of the 12 of 植被类型 the last character loses two. Taken for GBK for that,
    all text of the table would be read wrong; QGIS writes such files, with a .cpg."""
    path = write_vector(tmp_path / "a.shp", {"植被类型": ["草原"], **ROWS}, [CELL], CGCS2000, encoding="UTF-8")
    for how in ("UTF-8, by its .cpg", "UTF-8, which all of the text is"):
        found = read_vector(path, None, ["植被类"])
        assert found.drop(columns="geometry").to_dict("list") == {"植被类": ["草原"], **ROWS}
        assert found.attrs["encoding"] == f"{how}; text that is cut within a character ends before it"
        with pytest.raises(ZoneError, match="has no column '植被类型'; did you mean '植被类'"):
            read_vector(path, None, ["植被类型"])
        path.with_suffix(".cpg").unlink(missing_ok=True)
    assert dbf_encoding(path.with_suffix(".dbf")) == ("UTF-8", "UTF-8, which all of the text is")


@pytest.mark.filterwarnings("ignore:Could not decode error message")
def test_two_names_that_are_cut_to_one_are_told_apart(tmp_path):
    """型 is E5 9E 8B and 百 E7 99 BE: of each the first byte alone is left."""
    path = write_vector(
        tmp_path / "a.shp", {"植被类型": ["草原"], "植被类百": ["乔木"]}, [CELL], CGCS2000, encoding="UTF-8"
    )
    found = read_vector(path, None, ["植被类", "植被类_1"])
    assert found.drop(columns="geometry").to_dict("list") == {"植被类": ["草原"], "植被类_1": ["乔木"]}


def encoded(folder, encoding, cpg, language_byte=0x57, rows=ROWS):
    """A shapefile with text in one encoding and a .cpg that says ``cpg``; GDAL writes the language byte 0x57."""
    path = write_vector(folder / "a.shp", rows, [CELL], CGCS2000, encoding=encoding)
    table = bytearray(path.with_suffix(".dbf").read_bytes())
    table[29] = language_byte
    path.with_suffix(".dbf").write_bytes(table)
    path.with_suffix(".cpg").write_bytes(cpg)
    return path


NOT_SAID = "GB18030, as the text is not UTF-8 and no .cpg says what it is"


@pytest.mark.parametrize(
    ("cpg", "how"),
    [
        (b"UTF-8", "GB18030, as it is not the UTF-8 that its .cpg says"),
        (b"65001", "GB18030, as it is not the 65001 that its .cpg says"),
        (b"ANSI 936", "ANSI 936, by its .cpg"),
        (b"gb2312\r\n", "gb2312, by its .cpg"),
        (b"\xef\xbb\xbfGBK", "GBK, by its .cpg"),
        *((word, NOT_SAID) for word in (b"", b"OEM", b"ANSI", b"hex", b"UTF-16", b"nonsense", b"\xff\xfeG\0B\0K\0")),
    ],
)
def test_gbk_text_is_read_whatever_the_cpg_says(tmp_path, cpg, how):
    found = read_vector(encoded(tmp_path, "GBK", cpg), None, list(ROWS))
    assert found.drop(columns="geometry").to_dict("list") == ROWS
    assert found.attrs["encoding"] == how


@pytest.mark.parametrize(("cpg", "how"), [(b"UTF-8", "not the UTF-8 that its .cpg says"), (b"GBK", "by its .cpg")])
@pytest.mark.filterwarnings("ignore:Could not decode error message")
def test_gbk_text_that_is_cut_within_a_character_ends_before_it(tmp_path, cpg, how):
    """Of 林地 the last of four bytes lies beyond the width of the column."""
    path = encoded(tmp_path, "GBK", cpg, rows={"编号": ["F01"], "类型": ["林地"]})
    table = path.with_suffix(".dbf").read_bytes().replace("林地".encode("gbk"), "林地".encode("gbk")[:3] + b"\0")
    path.with_suffix(".dbf").write_bytes(table)
    found = read_vector(path, None, ["编号", "类型"])
    assert found["类型"].tolist() == ["林"]
    assert how in found.attrs["encoding"]


def test_the_western_encoding_that_a_cpg_names_is_followed(tmp_path):
    for word in (b"88591", b"1252", b"ANSI 1252"):
        found = read_vector(encoded(tmp_path, "ISO-8859-1", word, rows={"ID": ["für"]}), None, ["ID"])
        assert found["ID"].tolist() == ["für"]


def test_text_that_is_neither_what_its_cpg_says_nor_gbk_is_refused(tmp_path):
    path = encoded(tmp_path, "ISO-8859-1", b"UTF-8", rows={"ID": ["ÿÿ"]})
    with pytest.raises(ZoneError, match=r"a\.dbf: the \.cpg says UTF-8 but the text is not; write what it is into"):
        read_vector(path, None, ["ID"])


def test_bytes_that_are_no_text_do_not_tell_the_encoding(tmp_path):
    """What follows a null byte in a column of text is whatever lay in the memory of the program that wrote it."""
    path = encoded(tmp_path, "UTF-8", b"UTF-8", rows={"编号": ["F01"], "类型": ["林地"]})
    table = path.with_suffix(".dbf").read_bytes()
    path.with_suffix(".dbf").write_bytes(table.replace(b"F01   ", b"F01\0\xff\xfe"))
    found = read_vector(path, None, ["编号", "类型"])
    assert found.attrs["encoding"] == "UTF-8, by its .cpg"
    assert found["类型"].tolist() == ["林地"]


def test_file_names_in_capitals_are_read_like_others(tmp_path):
    path = write_vector(tmp_path / "a.shp", ROWS, [CELL], CGCS2000, encoding="GBK")
    path.with_suffix(".cpg").unlink()
    for file in list(tmp_path.iterdir()):
        file.rename(tmp_path / file.name.upper())
    assert read_vector(tmp_path / "A.SHP", None, ["编号"])["编号"].tolist() == ["F01"]


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ("第一行\n第二行", "第一行 第二行"),
        (" a\r\n\tb\u3000\u2028c\x07d ", "a b c d"),
        ("\ufeff包\u200b头", "包头"),
        (None, ""),
        (float("nan"), ""),
        (7, "7"),
    ],
)
def test_the_text_of_a_cell_becomes_one_line(cell, text):
    assert one_line(cell) == text


# Formats and layers


@pytest.mark.parametrize("name", ["a.gpkg", "a.geojson", "a.shp", "a.gdb"])
def test_every_format_of_the_offices_is_read(tmp_path, name):
    driver = {"driver": "OpenFileGDB"} if name.endswith(".gdb") else {}
    found = read_vector(write_vector(tmp_path / name, ROWS, [CELL], CGCS2000, **driver), None, list(ROWS))
    assert found["编号"].tolist() == ["F01"]
    assert found.crs == CGCS2000
    assert found.geometry.iloc[0].hausdorff_distance(CELL) < 1e-8  # FileGDB counts in steps of 1e-9 degrees


def test_of_several_layers_one_must_be_named(tmp_path):
    path = write_vector(tmp_path / "a.gpkg", ROWS, [CELL], CGCS2000, layer="zones")
    write_vector(path, {"style": ["-"]}, [None], layer="layer_styles")
    assert len(read_vector(path, None, ["编号"])) == 1
    write_vector(path, {"id": [1, 2]}, [CELL, CELL], CGCS2000, layer="stands")
    with pytest.raises(ZoneError, match="holds the layers zones, stands; name one as `layer`"):
        read_vector(path, None, ["编号"])
    assert len(read_vector(path, "stands", ["id"])) == 2
    with pytest.raises(ZoneError, match=r"has no layer 'zone' but zones, stands; correct `layer`"):
        read_vector(path, "zone", ["编号"])


# What is missing


@pytest.mark.parametrize(
    ("suffix", "says"),
    [
        (".prj", r"has no CRS \(a shapefile needs its \.prj\)"),
        (".dbf", "the attribute table is missing or cut"),
        (".shx", "cannot be read as vector data"),
    ],
)
@pytest.mark.parametrize("cpg", [True, False])
def test_a_shapefile_without_all_its_files_is_refused(tmp_path, suffix, says, cpg):
    path = write_vector(tmp_path / "a.shp", ROWS, [CELL], CGCS2000)
    if not cpg:
        path.with_suffix(".cpg").unlink()
    path.with_suffix(suffix).unlink()
    with pytest.raises(ZoneError, match=says):
        read_vector(path, None, [])


@pytest.mark.parametrize("keep", [0, 31, -20])
def test_a_cut_attribute_table_is_refused(tmp_path, keep):
    """Empty, cut in its header, and cut in its records."""
    path = write_vector(tmp_path / "a.shp", ROWS, [CELL], CGCS2000)
    path.with_suffix(".cpg").unlink()
    path.with_suffix(".dbf").write_bytes(path.with_suffix(".dbf").read_bytes()[:keep])
    with pytest.raises(ZoneError, match=r"a\.(shp|dbf): "):
        read_vector(path, None, ["编号"])


@pytest.mark.parametrize("keep", [-1, -100])
def test_a_cut_shapefile_is_refused(tmp_path, keep):
    """Else the last zone would be one without ground."""
    path = write_vector(tmp_path / "a.shp", {"id": [1, 2]}, [CELL, CELL], CGCS2000)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ZoneError, match=r"a\.shp: is shorter than its header says, shapes are lost; copy the"):
        read_vector(path, None, ["id"])


@pytest.mark.parametrize("name", ["a.gpkg", "a.geojson"])
def test_what_is_no_vector_file_is_refused_by_name(tmp_path, name):
    (tmp_path / name).write_text("片区")
    with pytest.raises(ZoneError, match=f"{name}: cannot be read as vector data"):
        read_vector(tmp_path / name, None, [])
    with pytest.raises(ZoneError, match=r"none\.gpkg: there is no such file"):
        read_vector(tmp_path / "none.gpkg", None, [])


@pytest.mark.parametrize(
    ("column", "hint"), [("MIANJI", "did you mean 'MIAN_JI'"), ("volume", "it has 编号, 类型, MIAN_JI")]
)
def test_a_missing_column_is_named_with_the_nearest_there_is(tmp_path, column, hint):
    path = write_vector(tmp_path / "a.gpkg", ROWS, [CELL])
    with pytest.raises(ZoneError, match=f"has no column '{column}'; {hint}"):
        read_vector(path, None, ["编号", column])


@pytest.mark.parametrize("shapes", [[], [None, None], [Polygon()]], ids=["no feature", "no geometry", "empty"])
@pytest.mark.parametrize("name", ["a.gpkg", "a.geojson", "a.shp"])
def test_a_layer_without_any_shape_is_refused(tmp_path, name, shapes):
    """Zones, stands and a reference boundary alike: nothing could be said of their coordinates."""
    path = write_vector(tmp_path / name, {"编号": ["F01"] * len(shapes)}, shapes, CGCS2000, geometry_type="Polygon")
    with pytest.raises(ZoneError, match=rf"{re.escape(name)}: holds no shape; export it again with its features"):
        read_vector(path, None, ["编号"])


# Area


def areas(geometry, crs=CGCS2000, brought_to=None):
    series = gpd.GeoSeries([geometry], crs=crs)
    return ellipsoidal_area_ha(series if brought_to is None else series.to_crs(brought_to))[0]


def between_parallels_ha(west, south, east, north):
    """Exact area on the GRS80 ellipsoid between meridians and parallels."""
    a, f = 6_378_137.0, 1 / 298.257222101
    e = np.sqrt(f * (2 - f))
    q = [np.sin(p) / (1 - (e * np.sin(p)) ** 2) + np.arctanh(e * np.sin(p)) / e for p in np.radians([south, north])]
    return np.radians(east - west) * (a * (1 - f)) ** 2 / 2 * (q[1] - q[0]) / 1e4


def test_reference_cell_on_cgcs2000():
    """science.md section 7: 939 845.287 m2 = 1409.7679 亩."""
    assert areas(CELL) == pytest.approx(93.9845287, abs=5e-8)
    assert areas(CELL) / HA_PER_MU == pytest.approx(1409.7679, abs=5e-5)
    assert between_parallels_ha(*CELL.bounds) == pytest.approx(93.9845287, abs=5e-8)


@pytest.mark.parametrize("crs", ["EPSG:4525", "EPSG:32649", "EPSG:3857", "EPSG:4326", "EPSG:4546"])
def test_the_area_does_not_depend_on_the_projection(crs):
    """Planar it would be off by 0.02 % (Gauss-Krueger), -0.06 % (UTM) and 74 % (Web Mercator)."""
    assert areas(CELL, brought_to=crs) == pytest.approx(93.9845287, rel=1e-6)


@pytest.mark.parametrize("crs", [CGCS2000, "EPSG:3857"])
def test_long_edges_along_parallels_are_followed(crs):
    """A corner-to-corner geodesic of 2 degrees would add 0.02 %."""
    county = box(109.5, 41.0, 111.5, 42.5)
    assert areas(county, brought_to=crs) == pytest.approx(between_parallels_ha(*county.bounds), rel=1e-6)


def test_holes_are_taken_out_and_parts_added():
    hole, part = box(110.002, 40.602, 110.004, 40.604), box(110.02, 40.60, 110.03, 40.61)
    assert areas(CELL - hole) == pytest.approx(areas(CELL) - areas(hole), rel=1e-9)
    assert areas(MultiPolygon([CELL, part])) == pytest.approx(areas(CELL) + areas(part), rel=1e-12)


@given(st.integers(0, 3), st.booleans())
def test_where_and_which_way_a_ring_begins_does_not_matter(start, backwards):
    ring = np.roll(np.array(CELL.exterior.coords)[:-1], start, axis=0)
    assert areas(Polygon(ring[::-1] if backwards else ring)) == pytest.approx(93.9845287, abs=5e-8)
