"""Files of one inventory, as each county has one: their stands count as if they were in one file."""

import geopandas as gpd
import pytest
from conftest import CRS, write_vector
from tiny_world import STANDS, ZONES, World

from pipeline.commands.screen import boundary_findings, zone_table
from pipeline.config.run_config import read_coefficients, read_config
from pipeline.errors import ConfigError, ZoneError
from pipeline.run import prepare

LARCH, PINE = STANDS
AT_THE_BORDER = 16
"""Columns of the world that the second county's stand reaches into the ground of the first's, in pixels."""


def in_two_counties(world: World, east: list[tuple]) -> None:
    """The larch in the file of one county; stands (species, m3/ha of 2020 and of 2024, outline) in that of the other,
    in geographic coordinates and with columns of its own."""
    species, then, now, outlines = zip(*east, strict=True)
    world.stands.unlink()
    write_vector(world.folder / "west.gpkg", {"S": [LARCH[0]], "A": [LARCH[1]], "B": [LARCH[2]]}, [LARCH[3]])
    there = gpd.GeoDataFrame({"树种": species, "前": then, "后": now}, geometry=list(outlines), crs=CRS)
    there.to_crs("EPSG:4490").to_file(world.folder / "east.shp", encoding="gbk")
    world.settings["stands"] = {
        "path": "west.gpkg",
        "columns": {"species": "S", "volume_m3_ha": {"2020": "A", "2024": "B"}},
        "further_files": [
            {"path": "east.shp", "columns": {"species": "树种", "volume_m3_ha": {"2024": "后", "2020": "前"}}}
        ],
    }
    world.write_config()


def test_a_run_on_the_files_of_two_counties_is_that_on_one_file(tmp_path):
    world = World.finished(tmp_path)
    before = world.run()
    in_two_counties(world, [PINE])
    done = world.run()
    assert done.composite == []
    for row, now in zip(before.rows, done.rows, strict=True):
        for name, value in row.items():
            # the corners of the pine went through degrees and back
            assert now[name] == (pytest.approx(value, rel=1e-5) if isinstance(value, float) else value), name
    assert done.row("F01")["comparability"] == "comparable"
    run = prepare(read_config(world.config), world.out)
    table = zone_table(run)
    assert [table.columns[-1].header, *table.columns[-1].cells][:2] == ["小班 stands", "2"]
    assert not run.notes
    assert {name for name in run.inputs() if "east" in name} == {
        str(world.folder / f"east.{part}") for part in ("cpg", "dbf", "prj", "shp", "shx")
    }


def test_a_stand_that_two_counties_have_counts_once(tmp_path):
    """The larch is in both files, drawn alike and with the same volumes."""
    world = World.finished(tmp_path)
    before = world.run().row("F01")
    in_two_counties(world, [PINE])
    again = {"SPECIES": [LARCH[0]], "V2020": [LARCH[1]], "V2024": [LARCH[2]]}
    write_vector(world.folder / "again.gpkg", again, [LARCH[3]])
    columns = {"species": "SPECIES", "volume_m3_ha": {"2020": "V2020", "2024": "V2024"}}
    world.settings["stands"]["further_files"].append({"path": "again.gpkg", "columns": columns})
    world.write_config()
    run = prepare(read_config(world.config), world.out)
    assert run.stands["F01"].ground_ha == pytest.approx(run.stands["F01"].area_ha.sum())
    assert run.notes == [
        "west.gpkg, east.shp, again.gpkg: 1 stands are in two of these files with the same outline, species and "
        "volume, and count once"
    ]
    assert world.run().row("F01")["carbon_tC"] == pytest.approx(before["carbon_tC"], rel=1e-5)
    found = boundary_findings(read_config(world.config), read_coefficients(world.coefficients))
    assert [(f.level, f.measure) for f in found if f.kind == "duplicate"] == [("note", 1)]
    assert not [f for f in found if f.kind == "overlap" and f.zone.startswith("stands")]


def test_ground_that_two_counties_claim_is_found_and_told(tmp_path):
    """The pine of the eastern county reaches over the border, into the larch of the western one."""
    world = World.finished(tmp_path)
    wide = (*PINE[:3], PINE[3].union(LARCH[3].intersection(PINE[3].buffer(AT_THE_BORDER * 10))))
    in_two_counties(world, [wide])
    found = boundary_findings(read_config(world.config), read_coefficients(world.coefficients))
    (overlap,) = (f for f in found if f.kind == "overlap" and f.zone == "stands")
    shared = LARCH[3].intersection(wide[3])
    assert (overlap.level, overlap.measure) == ("warning", pytest.approx(shared.area / 1e4, rel=2e-3))
    row = world.run().row("F01")
    twice = shared.intersection(ZONES["F01"][2]).area / 1e4
    assert f"stands overlap: {twice:.3g} ha count twice" in row["status"]


def test_each_file_of_an_inventory_is_checked_by_name(tmp_path):
    world = World.at(tmp_path)
    in_two_counties(world, [("桉树", 1.0, 2.0, PINE[3])])
    found = boundary_findings(read_config(world.config), read_coefficients(world.coefficients))
    assert {(f.zone, f.level, f.kind) for f in found if f.kind in ("volume", "species")} == {
        ("stands west.gpkg", "note", "volume"), ("stands east.shp", "error", "species"),
    }  # fmt: skip
    (world.folder / "west.gpkg").unlink()
    found = boundary_findings(read_config(world.config), read_coefficients(world.coefficients))
    assert {(f.zone, f.kind) for f in found if f.level == "error"} == {
        ("stands west.gpkg", "file"), ("stands east.shp", "species"),
    }  # fmt: skip


def test_a_county_without_a_zone_is_named(tmp_path):
    """As by a wrong CRS: the other county's stands would hide that."""
    world = World.at(tmp_path)
    in_two_counties(world, [PINE])
    far = gpd.read_file(world.folder / "east.shp")
    far.set_geometry(far.translate(3)).to_file(world.folder / "east.shp", encoding="gbk")
    with pytest.raises(ZoneError, match=r"east\.shp: no stand lies in a forest or grassland zone"):
        prepare(read_config(world.config), world.out)


def test_files_that_are_no_inventory_together_are_refused(tmp_path):
    world = World.at(tmp_path)
    in_two_counties(world, [PINE])
    stands = world.settings["stands"]
    (east,) = stands["further_files"]
    east["columns"]["volume_m3_ha"] = {"2020": "前", "2030": "后"}
    refused(world, r"west\.gpkg and east\.shp share the year 2020, but not all of their years")
    east["columns"] = {**stands["columns"], "cover": "GAI_DU"}
    refused(world, r"west\.gpkg and east\.shp are one inventory, but only one names a column of cover")
    stands["further_files"] = [{"path": "west.gpkg", "columns": stands["columns"]}]
    refused(world, r"west\.gpkg is named twice for 2020; name it once")
    stands["layer"] = stands["further_files"][0]["layer"] = "of_2020"
    refused(world, r"west\.gpkg, layer of_2020, is named twice for 2020")


def refused(world: World, sentence: str) -> None:
    world.write_config()
    with pytest.raises(ConfigError, match=f"stands: {sentence}"):
        read_config(world.config)
