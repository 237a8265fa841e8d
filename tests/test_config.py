"""Configurations: what is shipped loads, and what is wrong is said with its line and the right word."""

import json
import shutil
from pathlib import Path

import jsonschema
import pytest
from conftest import ROOT
from ruamel.yaml import YAML

from pipeline.config.cover_config import FixedEndMembers
from pipeline.config.run_config import RunConfig, read_coefficients, read_config
from pipeline.errors import ConfigError

SHIPPED = sorted(path for path in (ROOT / "configs").glob("*.yaml") if not path.stem.endswith(".template"))
CONFIGS = [*SHIPPED, ROOT / "tests" / "real" / "t33.yaml"]
COEFFICIENTS = ROOT / "configs" / "coefficients"

CONFIG = """\
name: run
scenes:
  path: ../scenes
  years: 2019-2021
zones:
  path: zones.gpkg
  columns: {id: 编号, name: 名称, ecosystem: 类型}
grid: {crs: "EPSG:32649", resolution_m: 10}
cover:
  wetland: {end_members: {soil: 0.05, vegetation: 0.82}}
periods: {current: 2021}
coefficients: coefficients
"""


def read(folder: Path, *replaced: tuple[str, str]) -> RunConfig:
    text = CONFIG
    for old, new in replaced:
        assert old in text
        text = text.replace(old, new)
    (folder / "run.yaml").write_text(text, encoding="utf-8")
    return read_config(folder / "run.yaml")


# What is right


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_every_shipped_config_loads_with_its_coefficients(path):
    config = read_config(path)
    assert config.coefficients == COEFFICIENTS
    assert list(read_coefficients(config.coefficients)) == ["forest", "grassland", "wetland"]


def test_editors_know_the_config_as_it_is():
    """To mend: python -m pipeline schema > configs/schema.json"""
    shipped = json.loads((ROOT / "configs" / "schema.json").read_text("utf-8"))
    assert shipped == RunConfig.model_json_schema()


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_the_schema_for_editors_takes_every_shipped_config(path):
    jsonschema.validate(YAML(typ="safe").load(path), RunConfig.model_json_schema())


@pytest.mark.parametrize("years", ["2019-", [], 2019.5, "2019, 2021", 20190, [2021, 20211]])
def test_the_schema_for_editors_refuses_years_as_the_run_does(years):
    config = YAML(typ="safe").load(CONFIGS[0])
    config["scenes"]["years"] = years
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(config, RunConfig.model_json_schema())


def test_paths_start_from_the_config_and_defaults_are_those_of_the_plan(tmp_path):
    config = read(tmp_path)
    assert config.scenes.path == tmp_path.parent / "scenes"
    assert config.zones.path == tmp_path / "zones.gpkg"
    assert config.zones.expected == {"forest": 12, "grassland": 5, "wetland": 5}
    assert config.scenes.season == ((7, 15), (8, 31))
    assert config.cover["wetland"].end_members == FixedEndMembers(soil=0.05, vegetation=0.82)


@pytest.mark.parametrize(
    ("written", "years"),
    [
        ("2021", (2021,)),
        ("2019-2021", (2019, 2020, 2021)),
        ('"2019 - 2021"', (2019, 2020, 2021)),
        ('"2021"', (2021,)),
        ("[2019, 2021]", (2019, 2021)),
    ],
)
def test_years_are_one_or_a_span_or_a_list(tmp_path, written, years):
    assert read(tmp_path, ("years: 2019-2021", f"years: {written}")).scenes.years == years


def test_numbers_and_words_are_those_of_yaml_1_2(tmp_path):
    """YAML 1.1 reads 1e-3 as text and no as false."""
    config = read(tmp_path, ("name: run", "name: no\nmin_observed_fraction: 1e-3"))
    assert (config.name, config.min_observed_fraction) == ("no", 0.001)


def test_title_and_organisation_are_one_line_each(tmp_path):
    """A block of YAML ends with a line break, which no font can draw."""
    config = read(tmp_path, ("name: run\n", 'name: run\ntitle: |\n  包头市\n  碳汇\norganisation: "林业\\v局 "\n'))
    assert (config.title, config.organisation) == ("包头市 碳汇", "林业 局")


def test_a_year_on_its_own_compares_nothing(tmp_path):
    config = read(tmp_path, ("current: 2021", "baseline: 2019, current: 2021"))
    alone = config.for_year(2020)
    assert alone.periods.model_dump() == {"baseline": None, "current": (2020,)}
    assert (alone.results(tmp_path), config.results(tmp_path)) == (tmp_path / "run" / "2020", tmp_path / "run")
    with pytest.raises(ConfigError, match=r"the year 2024 is not among scenes\.years \[2019, 2020, 2021\]; add it"):
        config.for_year(2024)


@pytest.mark.parametrize(
    ("zones", "beside", "parts"),
    [
        ("zones.gpkg", ["zones.xlsx", "zones.gpkg.bak"], ["zones.gpkg"]),
        ("zones[2024].gpkg", ["zones2.gpkg"], ["zones[2024].gpkg"]),
        ("zones[2024].shp", ["zones[2024].dbf"], ["zones[2024].dbf", "zones[2024].shp"]),
        (
            "ZONES.SHP",
            ["ZONES.DBF", "ZONES.PRJ", "ZONES.cpg", "ZONES.shx", "ZONES.xlsx", "ZONES.shp.xml", "ZONES2.shp"],
            ["ZONES.DBF", "ZONES.PRJ", "ZONES.SHP", "ZONES.cpg", "ZONES.shx"],
        ),
        (
            "zones.gdb/a1.gdbtable",
            ["zones.gdb/gdb", "zones.gdb/_gdb.OFFICE.4711.sr.lock", "zones.xlsx"],
            ["zones.gdb/a1.gdbtable", "zones.gdb/gdb"],
        ),
        (None, ["zones.xlsx"], []),
    ],
    ids=["file", "signs of a pattern", "signs in a shapefile", "shapefile", "folder", "missing"],
)
def test_an_input_is_all_files_that_it_consists_of_and_no_other(tmp_path, zones, beside, parts):
    for name in [zones, *beside] if zones else beside:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    path = (zones or "zones.gpkg").split("/")[0]
    config = read(tmp_path, ("path: zones.gpkg", f"path: '{path}'"))
    assert config.tables() == [str(path) for path in sorted(tmp_path / name for name in parts)]


# What is wrong


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("  years", "  yeers", r"run\.yaml:4: scenes\.yeers is not a key here; did you mean 'years'"),
        (
            "name: run",
            "name: run\nseason: x",
            r"run\.yaml:2: season is not a key here; did you mean 'scenes\.season'\?",
        ),
        ("name: run", "name: run\nseasn: x", r"run\.yaml:2: seasn is not a key here; did you mean 'scenes\.season'\?"),
        ("resolution_m: 10", "resolution_m: 10, tile: 256", r"grid\.tile is not a key here; did you mean 'tile_px'\?"),
        ("name: run", "name: run\nvegetation: 1", r"did you mean 'cover\.\*\.end_members\.vegetation'\?"),
        ("resolution_m: 10", "resolution_m: 10, index: savi", r"grid\.index is .* 'cover\.\*\.index'\?"),
        ("id: 编号", "id: 编号, xyzzy: 1", r"run\.yaml:7: zones\.columns\.xyzzy is not a key here; remove it"),
        (
            "name: run",
            "name: run\ndeliverables: patches",
            r"run\.yaml:2: deliverables: write a list, in square brackets \(given: 'patches'\)",
        ),
        (
            "name: run",
            "name: run\nstands: stands.shp",
            r"run\.yaml:2: stands: write its keys below it, each with its value \(given: 'stands\.shp'\)",
        ),
        (
            "name: run",
            "name: run\nstands:\n  further_files:\n    path: stands.shp",
            r"run\.yaml:3: stands\.further_files: write a list, with a dash before each of its members",
        ),
        ("resolution_m: 10", "resolution_m: ten", r"run\.yaml:8: grid\.resolution_m: .*number.*'ten'"),
        ("resolution_m: 10", "resolution_m: -10", r"run\.yaml:8: grid\.resolution_m: .*greater than 0.*-10"),
        ("resolution_m: 10", "resolution_m: 10, tile_px: 1000", r"run\.yaml:8: grid\.tile_px: .*multiple of 256"),
        ("  path: zones.gpkg\n", "", r"run\.yaml:5: zones: the key 'path' is missing; add it"),
        ("coefficients: coefficients\n", "", r"run\.yaml:1: the file: the key 'coefficients' is missing"),
        ("periods:", "name: again\nperiods:", r'run\.yaml:11: not valid YAML: found duplicate key "name"; put'),
        ("columns: {", "columns: [", r"run\.yaml:7: not valid YAML"),
        ("resolution_m: 10", "resolution_m: !!int ten", r"run\.yaml: not valid YAML: invalid literal for int"),
        ("  path: ../scenes", "\tpath: ../scenes", r"run\.yaml:3: not valid YAML"),
        ("vegetation: 0.82", "vegetatoin: 0.82", r"run\.yaml:10: .*vegetatoin is not a key here; did you mean 'veg"),
        ("  wetland:", "  marsh:", r"run\.yaml:10: cover\.marsh: Input should be 'forest', 'grassland' or 'wetland'"),
        ("2019-2021", "2019-", r"run\.yaml:4: scenes\.years: years are written 2024, 2019-2025 or \[2019, 2021\]"),
        ("2019-2021", "2021-2019", r"run\.yaml:4: scenes\.years: "),
        ("2019-2021", "1-99999", r"run\.yaml:4: scenes\.years: years are written 2024, 2019-2025 or"),
        ("2019-2021", "0019-2021", r"run\.yaml:4: scenes\.years: 19 is not a year from 1900 to 2100"),
        ("2019-2021", "[2021, 20211]", r"run\.yaml:4: scenes\.years: 20211 is not a year from 1900 to 2100"),
        ("2019-2021", "[]", r"run\.yaml:4: scenes\.years: "),
        ("current: 2021", "current: [2021, 2021, 2021]", r"run\.yaml:11: periods\.current: "),  # one year is no window
        ("2019-2021", "true", r"run\.yaml:4: scenes\.years: "),
        (
            "2019-2021",
            '2019-2021\n  season: ["08-31", "07-15"]',
            r"run\.yaml:\d+: scenes\.season: .*the season must begin before it ends",
        ),
        ("2019-2021", '2019-2021\n  season: ["02-01", "02-29"]', r"run\.yaml:5: scenes\.season\.1: "),
        (
            "years: 2019-2021",
            "years: 2021-2019",
            r"run\.yaml:4: scenes\.years: the first year must come before the last",
        ),
        ("resolution_m: 10", "resolution_m: .inf", r"run\.yaml:8: grid\.resolution_m: .*finite number"),
        (
            "coefficients: coefficients",
            "coefficients: x\nuncertainty: {draws: 10}",
            "10 draws are too few for an interval; give 100 or more",
        ),
        ("2019-2021", "2019-2021\n  season: [July, August]", r'run\.yaml:5: scenes\.season\.0: .*written "MM-DD"'),
        ("2019-2021", '2019-2021\n  season: ["07-15", "08-32"]', r"run\.yaml:5: scenes\.season\.1: "),
        ("{current: 2021}", "{baseline: 2021, current: 2019}", r"run\.yaml:11: periods: the baseline must end before"),
        ("{current: 2021}", "{baseline: 2019-2020, current: 2020-2021}", "the baseline must end before the current"),
        ("current: 2021", "current: 2021-2023", r"the periods use 2022, 2023, which scenes\.years does not list"),
        ("name: run", "name: ../run", r"run\.yaml:1: name: .*'\.\./run'"),
        ("name: run", "name: a/b", r"run\.yaml:1: name: .*'a/b'"),
        ("name: run", "name: ''", r"run\.yaml:1: name: "),
        ("name: run", "name: Aux", r"run\.yaml:1: name: is the name of a device on Windows.*'Aux'"),
        ("name: run", "name: run\ncomposite: {indices: [ndmi]}", r"run\.yaml:2: composite\.indices: .*start with ndvi"),
        ("EPSG:32649", "EPSG:4490", r"run\.yaml:8: grid\.crs: "),  # degrees are no metres
        ("EPSG:32649", "EPSG:99999", r"run\.yaml:8: grid\.crs: "),
        (
            "coefficients: coefficients",
            "coefficients: x\nstands: {path: stands.gpkg, columns: {volume_m3_ha: {}}}",
            r"run\.yaml:13: stands\.columns\.volume_m3_ha: .* at least 1 item",
        ),
        (
            "coefficients: coefficients",
            "coefficients: x\nstands: {path: stands.gpkg, columns: {volume_m3_ha: {202: V2020, 2024: V2024}}}",
            r"run\.yaml:13: stands\.columns\.volume_m3_ha\.202.*: .*greater than or equal to 1900",
        ),
        (
            "grid: {",
            "  classes: {forest: [林地, 灌木], grassland: [草地, 灌木]}\ngrid: {",
            r"run\.yaml:8: zones\.classes: the word '灌木' is listed under two ecosystems; list it under one",
        ),
        (
            "coefficients: ",
            "stands: {path: s.gpkg, columns: {volume_m3_ha: {2020: V}}, species: {榆树: [阔叶混], birch: [阔叶混]}}\n"
            "coefficients: ",
            r"stands\.species: the word '阔叶混' is listed under two species; list it under one",
        ),
        (
            "coefficients: ",
            "stands: {path: s.gpkg, columns: {volume_m3_ha: {2020: V}}, species: {榆树: ['硬 阔'], birch: ['硬  阔']}}"
            "\ncoefficients: ",
            r"stands\.species: the word '硬 阔' is listed under two species; list it under one",
        ),
        (
            "coefficients: ",
            "stands: {path: s.gpkg, columns: {volume_m3_ha: {2020: V}}, species: {birch: [420]}}\ncoefficients: ",
            r'stands\.species\.birch\.0: write it in quotes, as the table has it, such as "420"',
        ),
        ("EPSG:32649", "EPSG:3857", r"run\.yaml:8: grid\.crs: is a Mercator CRS .*take one like EPSG:32649"),
        (
            "name: run",
            "name: run\nuncertainty: {carlson_ripley_chance: 0.9}",
            r"run\.yaml:2: uncertainty\.carlson_ripley_chance: .* 0\.5",
        ),
        ("EPSG:32649", "EPSG:3395", r"run\.yaml:8: grid\.crs: is a Mercator CRS"),
        ("EPSG:32649", "+proj=merc +ellps=GRS80 +towgs84=0,0,0", r"run\.yaml:8: grid\.crs: is a Mercator CRS"),
        ("EPSG:32649", "EPSG:32649+5773", r"run\.yaml:8: grid\.crs: includes heights; take a CRS of x and y alone"),
    ],
)
def test_a_wrong_config_is_refused_with_the_line_and_what_to_write(tmp_path, old, new, says):
    with pytest.raises(ConfigError, match=says):
        read(tmp_path, (old, new))


@pytest.mark.parametrize("path", [r"D:\baotou\forest.gpkg", r"D:\Landsat", r"D:\0\test.gpkg"])
def test_a_path_that_windows_copies_with_its_quotes_is_told_how_to_write(tmp_path, path):
    r"""Between double quotes \b, \f, \L, \0 and \t are signs of YAML; without quotes, and between single ones, not."""
    with pytest.raises(ConfigError, match=r"run\.yaml:6: zones\.path: .* with / or in single quotes"):
        read(tmp_path, ("path: zones.gpkg", f'path: "{path}"'))
    for written in (path, f"'{path}'"):
        assert str(read(tmp_path, ("path: zones.gpkg", f"path: {written}")).zones.path).endswith(path)


def test_all_that_is_wrong_is_said_at_once(tmp_path):
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, ("  years", "  yeers"), ("name: run", "name: 7"))
    lines = [line.partition("run.yaml:")[2].split(":")[0] for line in str(caught.value).splitlines()]
    assert lines == ["1", "2", "4"]  # the name, no years in scenes, yeers


def test_a_tag_that_would_run_code_runs_nothing_and_is_refused(tmp_path):
    tag = f"!!python/object/apply:os.mkdir ['{tmp_path / 'made'}']"
    with pytest.raises(ConfigError, match=r"run\.yaml:1: not valid YAML: .*constructor for the tag"):
        read(tmp_path, ("name: run", f"name: {tag}"))
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", r"run\.yaml:1: the file: "),
        (b"- 1\n", r"run\.yaml:1: the file: "),
        ("name: 包头".encode("gbk"), r"run\.yaml: is not UTF-8 text \(.*\); save it as UTF-8"),
        (rb'name: "D:\data"', "unknown escape character.*; write paths of Windows with / or in single quotes"),
    ],
)
def test_a_file_that_is_no_config_is_refused(tmp_path, content, says):
    (tmp_path / "run.yaml").write_bytes(content)
    with pytest.raises(ConfigError, match=says):
        read_config(tmp_path / "run.yaml")
    with pytest.raises(ConfigError, match=r"no\.yaml: there is no such config file"):
        read_config(tmp_path / "no.yaml")


def test_a_config_with_a_byte_order_mark_is_read(tmp_path):
    (tmp_path / "run.yaml").write_text(CONFIG, encoding="utf-8-sig")
    assert read_config(tmp_path / "run.yaml").name == "run"


# Coefficients


def copied(folder: Path) -> Path:
    return Path(shutil.copytree(COEFFICIENTS, folder / "coefficients"))


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        ("wetland", "  source: Chinese", "  sauce: Chinese", r"wetland\.yaml:\d+: .*sauce is not a key.*'source'"),
        ("wetland", "status: verified", "status: certain", r"wetland\.yaml:\d+: .*'verified', 'unverified' or 'local'"),
        (
            "grassland",
            "    unit: t fresh/t DM\n",
            "",
            r"\.yaml:\d+: biomass_model\.fresh_to_dry: the key 'unit' is missing",
        ),
        (
            "grassland",
            "value: 3.107",
            "value: three",
            r"grassland\.yaml:\d+: .*\.fresh_to_dry\.value: .*'three'",
        ),
        ("grassland", "[-901.287, 15548.395, -35026.104, 34419.533]", "[-901.287, 15548.395]", r"grassland\.yaml:\d+:"),
        ("forest", "edges: [50, 150]", "edges: [150, 50]", r"forest\.yaml:\d+: root_shoot\.conifers: .*ascend"),
        ("forest", "ecosystem: forest", "ecosystem: orchard", r"forest\.yaml:\d+: .*'forest', 'grassland', 'wetland'"),
    ],
)
def test_a_wrong_coefficient_is_refused_with_its_line(tmp_path, file, old, new, says):
    folder = copied(tmp_path)
    text = (folder / f"{file}.yaml").read_text("utf-8")
    assert old in text
    (folder / f"{file}.yaml").write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(ConfigError, match=says):
        read_coefficients(folder)


def test_two_files_of_one_ecosystem_are_refused(tmp_path):
    folder = copied(tmp_path)
    shutil.copy(folder / "wetland.yaml", folder / "wetland (copy).yaml")
    with pytest.raises(ConfigError, match="wetland"):
        read_coefficients(folder)


def test_a_folder_without_coefficients_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"holds no coefficient file \(\*\.yaml\)"):
        read_coefficients(tmp_path)
