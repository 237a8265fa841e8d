"""Zones and patches in other vector formats: nothing is cut, garbled or left out without a word."""

import os
import sqlite3
from contextlib import closing

import geopandas as gpd
import pandas as pd
import pyogrio
import pytest
import shapely
from tiny_world import World, read_csv

from pipeline.config.run_config import read_config
from pipeline.errors import ConfigError, OutputError
from pipeline.mapping.patches import PATCH_COLUMNS
from pipeline.outputs import export
from pipeline.outputs.export import DBF_NAMES, NOTE, dbf_names
from pipeline.totals.zone_totals import COLUMNS
from pipeline.zones.vector_file import read_vector


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    world = World.finished(tmp_path_factory.mktemp("export"))
    world.settings |= {"deliverables": ["patches"], "exports": ["shp", "gdb"]}
    world.write_config()
    world.run()
    return world


@pytest.fixture(scope="module")
def truth(world):
    return {layer: gpd.read_file(world.results / "zones.gpkg", layer=layer) for layer in ("zones", "patches")}


@pytest.mark.parametrize("layer", ["zones", "patches"])
def test_a_shapefile_in_gbk_reads_back_as_it_was(world, truth, layer):
    folder = world.results / "exports" / "shp"
    assert (folder / f"{layer}.cpg").read_text() == "GBK"
    assert "示意".encode("gbk") in (folder / f"{layer}.dbf").read_bytes()
    table = read_vector(folder / f"{layer}.shp", None, [])
    names = {row["field"]: row["column"] for row in read_csv(folder / "fields.csv") if row["layer"] == layer}
    assert table.crs.to_epsg() == 4490
    same_tables(table.rename(columns=names), truth[layer])


@pytest.mark.parametrize("layer", ["zones", "patches"])
def test_a_file_geodatabase_reads_back_as_it_was(world, truth, layer):
    same_tables(read_vector(world.results / "exports" / "gdb" / "tiny.gdb", layer, []), truth[layer])


@pytest.mark.parametrize(("layer", "titles"), [("zones", COLUMNS | NOTE), ("patches", PATCH_COLUMNS | NOTE)])
def test_the_fields_of_a_file_geodatabase_have_chinese_aliases(world, layer, titles):
    """ArcGIS shows aliases of a geodatabase at the heads of its tables, but none of a GeoPackage."""
    assert aliases(world.results / "exports" / "gdb" / "tiny.gdb", layer) == {
        name: chinese for name, (_, chinese) in titles.items() if name != "level"
    }


def aliases(path, layer) -> dict[str, str]:
    """Alias of each field of a layer, as GDAL passes them on to a GeoPackage."""
    copy = path.with_name(f"{layer}.gpkg")
    with pyogrio.open_arrow(path, layer=layer, use_pyarrow=False) as (meta, stream):
        pyogrio.write_arrow(
            stream,
            copy,
            driver="GPKG",
            geometry_name=meta["geometry_name"],
            geometry_type="MultiPolygon",
            crs=meta["crs"],
        )
    with closing(sqlite3.connect(copy)) as database:
        found = dict(database.execute("SELECT column_name, name FROM gpkg_data_columns"))
    copy.unlink()
    return found


def same_tables(ours: gpd.GeoDataFrame, theirs: gpd.GeoDataFrame) -> None:
    assert all("不作为交易依据" in note for note in ours["note"])
    ours = ours.drop(columns="note")
    theirs = theirs[list(ours.columns)]
    for name in ours.columns[:-1]:
        if pd.api.types.is_numeric_dtype(theirs[name]):
            assert ours[name].astype(float).tolist() == pytest.approx(theirs[name].tolist(), rel=1e-12, nan_ok=True)
        else:
            assert ours[name].fillna("").tolist() == theirs[name].fillna("").tolist()
    # rings may turn the other way, and a geodatabase has steps of 1e-9 degrees, 0.1 mm
    for one, other in zip(ours.geometry, theirs.geometry, strict=True):
        assert one.symmetric_difference(other).area < 4e-9 * other.length


def test_the_table_of_a_shapefile_is_read_in_chinese_without_its_cpg(tmp_path):
    """Excel and WPS open the .dbf alone, and a .cpg is soon left behind when a shapefile is copied."""
    export._shapefiles(layers(), tmp_path, "tiny")
    (tmp_path / "zones.cpg").unlink()
    assert gpd.read_file(tmp_path / "zones.shp")["name_zh"].tolist() == ["甲", "乙"]


def test_every_field_is_named_with_its_column_and_titles(world):
    rows = read_csv(world.results / "exports" / "shp" / "fields.csv")
    zones = [row for row in rows if row["layer"] == "zones"]
    assert [row["column"] for row in zones] == [*(name for name in COLUMNS if name != "level"), "note"]
    assert all(row["title_zh"] == (COLUMNS | NOTE)[row["column"]][1] for row in zones)
    fields = {row["column"]: row["field"] for row in zones}
    assert (fields["sink_tCO2_ha_yr"], fields["sink_tCO2_yr"], fields["carbon_tC_low95"]) == (
        "S_tCO2_ha",
        "S_tCO2",
        "C_lo95",
    )


def test_every_column_that_is_too_long_for_a_field_has_a_name_of_its_own():
    """Cut names say nothing, and change when a column is added."""
    for columns in (COLUMNS, PATCH_COLUMNS):
        assert [name for name in columns if len(name) > 10 and name not in DBF_NAMES] == []
        names = [DBF_NAMES.get(name, name) for name in columns]
        assert list(dbf_names(list(columns)).values()) == names  # none is there twice, none is cut


def test_field_names_have_ten_characters_and_none_is_there_twice():
    names = dbf_names(["a" * 12, "a" * 10, "A" * 11, "b"])
    assert list(names.values()) == ["a" * 10, "a" * 8 + "_2", "A" * 8 + "_3", "b"]
    many = dbf_names([f"{'x' * 20}{number}" for number in range(120)])
    assert len(set(many.values())) == 120
    assert max(map(len, many.values())) == 10


def layers(**changes) -> dict:
    table = gpd.GeoDataFrame(
        {"zone_id": ["F01", "F02"], "name_zh": ["甲", "乙"], "status": ["ok", "ok"]},
        geometry=shapely.box([110, 111], 41, [110.1, 111.1], 41.1), crs=4490,
    )  # fmt: skip
    for name, value in changes.items():
        table.loc[1, name] = value
    return {"zones": table}


def test_a_text_that_a_shapefile_would_cut_is_left_out_with_a_word(tmp_path):
    (note,) = export._shapefiles(layers(status="长" * 128), tmp_path, "tiny")
    assert "zones goes without status, whose texts are longer than the 254 bytes" in note
    rows = read_csv(tmp_path / "fields.csv")
    assert [(row["column"], row["field"]) for row in rows] == [
        ("zone_id", "zone_id"),
        ("name_zh", "name_zh"),
        ("status", ""),
    ]
    assert "status" not in gpd.read_file(tmp_path / "zones.shp").columns


def test_a_shapefile_that_has_unknown_numbers_says_that_they_read_as_zero(tmp_path):
    """A DBF knows no empty number; ArcGIS shows 0, which of a sink is a finding."""
    (note,) = export._shapefiles(layers(fvc_mean=0.4), tmp_path, "tiny")  # of the second zone alone
    assert "zones has rows without fvc_mean, where ArcGIS shows 0" in note
    notes = {row["column"]: row["note"] for row in read_csv(tmp_path / "fields.csv")}
    assert notes == {"zone_id": "", "name_zh": "", "status": "", "fvc_mean": "unknown where empty; ArcGIS shows 0"}


def test_a_text_of_254_bytes_is_kept_whole(tmp_path):
    assert export._shapefiles(layers(status="长" * 127), tmp_path, "tiny") == []
    assert gpd.read_file(tmp_path / "zones.shp")["status"][1] == "长" * 127


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"name_zh": "名" * 128}, "name_zh of zones is longer than 254 bytes"),
        ({"name_zh": "片区🌲"}, "name_zh of zones in zone F02 has '🌲', which GBK cannot write"),
    ],
)
def test_a_name_that_a_shapefile_cannot_hold_is_refused(tmp_path, changes, says):
    with pytest.raises(OutputError, match=says):
        export._shapefiles(layers(**changes), tmp_path, "tiny")


@pytest.mark.parametrize("write", [export._shapefiles, export._geodatabase], ids=["shp", "gdb"])
def test_a_column_that_the_disk_did_not_take_is_no_export(tmp_path, monkeypatch, write):
    """Of one write that is refused, as while a disk is full for a moment, GDAL says nothing."""

    def loses_a_text(table, path, real=export.pyogrio.write_dataframe, **options):
        real(table.assign(name_zh=["甲", None]), path, **options)

    monkeypatch.setattr(export.pyogrio, "write_dataframe", loses_a_text)
    with pytest.raises(OSError, match=r"(zones\.shp|tiny\.gdb) does not hold what was written to it"):
        write(layers(), tmp_path, "tiny")


@pytest.mark.parametrize(
    "lost",
    [shapely.Polygon(), shapely.box(111, 41, 111.1, 41.0999), shapely.box(111, 41, 111.1, 41.1).difference(
        shapely.Polygon([(111.1, 41), (111.1, 41.001), (111.05, 41.0001)])
    )],
    ids=["all", "a row", "a corner"],
)  # fmt: skip
@pytest.mark.parametrize("write", [export._shapefiles, export._geodatabase], ids=["shp", "gdb"])
def test_a_shape_that_the_disk_did_not_take_is_no_export(tmp_path, monkeypatch, write, lost):
    def loses_ground(table, path, real=export.pyogrio.write_dataframe, **options):
        real(table.set_geometry([table.geometry[0], lost], crs=4490), path, **options)

    monkeypatch.setattr(export.pyogrio, "write_dataframe", loses_ground)
    with pytest.raises(OSError, match=r"(zones\.shp|tiny\.gdb) does not hold what was written to it"):
        write(layers(), tmp_path, "tiny")


def test_shapes_of_many_corners_read_back(tmp_path):
    """A geodatabase moves each by less than its step, and holds rings the other way round."""
    shape = shapely.Point(110, 41).buffer(1 / 3, 500).difference(shapely.Point(110, 41).buffer(1 / 7, 500))
    table = layers()["zones"].set_geometry(
        [shape, shapely.MultiPolygon([shape, shapely.box(112, 41, 113, 42)])], crs=4490
    )
    export._shapefiles({"zones": table}, tmp_path, "tiny")
    export._geodatabase({"zones": table}, tmp_path, "tiny")


def test_what_says_how_to_read_a_shapefile_is_there_also_where_gdal_could_not_write_it(tmp_path, monkeypatch):
    def loses_small_files(table, path, real=export.pyogrio.write_dataframe, **options):
        assert path.with_suffix(".cpg").exists(), "GDAL would crash where it cannot make it"
        real(table, path, **options)
        path.with_suffix(".cpg").write_text("")
        path.with_suffix(".prj").unlink()

    monkeypatch.setattr(export.pyogrio, "write_dataframe", loses_small_files)
    export._shapefiles(layers(), tmp_path, "tiny")
    assert (tmp_path / "zones.cpg").read_text() == "GBK"
    assert gpd.read_file(tmp_path / "zones.shp").crs.to_epsg() == 4490


def test_numbers_and_texts_of_any_kind_read_back(tmp_path):
    """A file is refused for what it lost, not for the decimals and blanks that its format does not keep."""
    kinds = {"carbon_tC": [1 / 3e9, None], "carbon_tC_ha": [123456789.123456789, -1e-12], "status_zh": [" 甲 ", ""],
             "figure_class": [None, None], "area_ha": [1.5, 2e7], "unverified_zh": ["a\nb", "~"]}  # fmt: skip
    table = {"zones": layers()["zones"].assign(**kinds)}
    export._shapefiles(table, tmp_path, "tiny")
    export._geodatabase(table, tmp_path, "tiny")


def test_a_failed_export_leaves_the_last_one_and_no_half(world, monkeypatch):
    before = sorted(path.name for path in (world.results / "exports" / "shp").iterdir())

    def fails(layers, folder, name):
        (folder / "half.shp").write_bytes(b"half")
        raise RuntimeError("no space")

    monkeypatch.setitem(export.FORMATS, "shp", fails)
    with pytest.raises(OutputError, match=r"exports.shp: cannot be written \(no space\)"):
        world.run()
    assert sorted(path.name for path in (world.results / "exports").iterdir()) == ["gdb", "shp"]
    assert sorted(path.name for path in (world.results / "exports" / "shp").iterdir()) == before


def test_an_export_that_cannot_take_its_place_leaves_the_last_one_whole(tmp_path, monkeypatch):
    """On Windows a file that is open in another program holds its folder."""
    folder, part = tmp_path / "shp", tmp_path / "shp.part"
    for place, content in ((folder, "last"), (part, "next")):
        place.mkdir()
        (place / "zones.shp").write_text(content)

    def in_use(source, target, real=os.replace):
        if source == part:
            raise PermissionError(13, "in use")
        real(source, target)

    with monkeypatch.context() as locked:
        locked.setattr(os, "replace", in_use)
        with pytest.raises(PermissionError):
            export._put_in_place(part, folder)
    assert (folder / "zones.shp").read_text() == "last"
    (tmp_path / "shp.old.part").mkdir()  # as of a run that was killed
    export._put_in_place(part, folder)
    assert [(path.name, (path / "zones.shp").read_text()) for path in tmp_path.iterdir()] == [("shp", "next")]


def test_geoparquet_without_pyarrow_is_said_before_anything_runs(world, monkeypatch):
    config = read_config(world.config)
    monkeypatch.setattr("pipeline.config.run_config.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="pip install pyarrow"):
        config.with_exports(["geoparquet"])


def test_geoparquet_reads_back_as_it_was(tmp_path):
    pytest.importorskip("pyarrow", reason="pyarrow is an optional extra")
    export._geoparquet(layers(), tmp_path, "tiny")
    found = gpd.read_parquet(tmp_path / "zones.parquet")
    assert found.equals(layers()["zones"])
    assert found.crs.to_epsg() == 4490


def test_formats_of_the_command_line_come_to_those_of_the_config(world):
    config = read_config(world.config)
    assert config.with_exports(["geoparquet", "shp"]).exports == ("shp", "gdb", "geoparquet")
    with pytest.raises(ConfigError, match="there is no export dxf; take shp, gdb, geoparquet"):
        config.with_exports(["dxf"])


def test_the_command_takes_the_option_several_times(tmp_path, sinkmap):
    world = World.finished(tmp_path)
    done = sinkmap("zones", world.config, "--out", world.out, "--export", "shp", "--export", "gdb")
    assert done.code == 0, done.err
    assert {path.name for path in (world.results / "exports").iterdir()} == {"gdb", "shp"}
    assert not list((world.results / "exports" / "shp").glob("patches*")), "no patches were asked for"


def test_a_format_that_is_no_longer_asked_for_is_deleted_and_nothing_else(tmp_path):
    world = World.finished(tmp_path)
    exports = world.results / "exports"
    run_with(world, ["shp", "gdb"])
    mine = exports / "mine.shp"
    mine.write_text("of the user's own")
    run_with(world, ["gdb"])
    assert sorted(path.name for path in exports.iterdir()) == ["gdb", "mine.shp"]
    assert (exports / "gdb" / "tiny.gdb").is_dir()
    run_with(world, [])
    assert [path.name for path in exports.iterdir()] == ["mine.shp"]
    mine.unlink()
    run_with(world, [])
    assert not exports.exists()


def test_a_format_that_cannot_be_deleted_is_named(tmp_path, monkeypatch):
    (tmp_path / "exports" / "shp").mkdir(parents=True)

    def in_use(folder):
        raise PermissionError(13, "in use")

    monkeypatch.setattr(export.shutil, "rmtree", in_use)
    with pytest.raises(OutputError, match=r"exports.shp: is no longer asked for and cannot be deleted .*in use"):
        export._delete_others(tmp_path / "exports", ("gdb",))


def run_with(world: World, exports: list[str]) -> None:
    world.settings |= {"deliverables": [], "exports": exports}
    world.write_config()
    world.run()
