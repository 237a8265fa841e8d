"""What if a coefficient were another: totals from the record and the sketches of a finished run."""

import pytest
from tiny_world import DAYS, YEARS, World, box, clouds_over, landscape, run_here
from typer.testing import CliRunner

from pipeline.__main__ import app
from pipeline.errors import ConfigError, OutputError
from pipeline.questions.finished import FinishedRun
from pipeline.questions.what_if import numbers_set, what_if


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    world = World.at(tmp_path_factory.mktemp("what-if"))
    world.settings["uncertainty"] = {"draws": 500}
    world.write_config()
    rows = run_here(world.config, world.folder / "out").rows
    return FinishedRun.read(world.results), {row["zone_id"]: row for row in rows}


def test_without_a_change_the_totals_are_those_of_the_run(finished):
    run, rows = finished
    for ecosystem in ("grassland", "wetland", "forest"):
        for answer in what_if(run, [f"{ecosystem}.index_bias=0"]):
            assert answer.before == answer.after == pytest.approx(rows[answer.zone][answer.quantity], rel=1e-9)
            assert answer.interval_before == answer.interval_after
            assert answer.interval_before.p2_5 == pytest.approx(rows[answer.zone][f"{answer.quantity}_low95"], rel=1e-9)


@pytest.mark.parametrize("group", ["forest", "city"])
def test_a_group_is_the_sum_of_its_zones_when_all_are_asked(finished, group):
    """F01 has stands and F02 none, so a biomass expansion factor is about F01 alone, and the rest adds what it is."""
    run, rows = finished
    change = ["forest.bcef.pines=x1.5", "forest.bcef.other_conifers=x1.5"]
    stocks = {a.zone: a for a in what_if(run, change) if a.quantity == "carbon_tC"}
    assert list(stocks) == ["F01", "forest", "city"]
    whole = stocks[group]
    assert whole.before == pytest.approx(rows[group]["carbon_tC"], rel=1e-9)
    assert whole.interval_before.p2_5 == pytest.approx(rows[group]["carbon_tC_low95"], rel=1e-9)
    assert whole.after - whole.before == pytest.approx(stocks["F01"].after - stocks["F01"].before)


def test_what_is_said_of_wetland_is_said_of_the_sum_with_one(finished):
    run, _ = finished
    change = ["what-if", str(run.folder.parents[1] / "tiny.yaml"), "--set", "grassland.root_shoot=4.0"]
    where = ["--out", str(run.folder.parent)]
    for asked, methane in ([], True), (["--zone", "G01"], False):
        said = CliRunner().invoke(app, [*change, *where, *asked], catch_exceptions=False).stdout
        assert ("CH4 excluded" in " ".join(said.split())) == methane


def test_a_group_of_which_a_zone_was_not_asked_for_has_no_sum(finished):
    """Nor has one of a single zone, which would say the same twice."""
    run, _ = finished
    change = ["forest.carbon_fraction=x1.1"]
    assert {a.zone for a in what_if(run, change, ["F01"])} == {"F01"}
    assert len(what_if(run, change, ["F01", "F01"])) == 2  # asked for twice, its stock and its sink come once
    assert {a.zone for a in what_if(run, [*change, "forest.index_bias=0"], ["F01", "F02"])} == {"F01", "F02", "forest"}
    assert {a.zone for a in what_if(run, ["grassland.root_shoot=4.0"])} == {"G01", "city"}


def test_a_coefficient_that_is_set_twice_is_refused(finished):
    with pytest.raises(ConfigError, match=r"--set grassland\.root_shoot=5: .*root_shoot is set already; give it once"):
        numbers_set(finished[0], ["grassland.root_shoot=4", "grassland.root_shoot=5"])


def test_a_name_that_is_a_row_of_its_own_means_that_row_alone(finished):
    """The cover at which the class mean of shrub holds is another quantity than that of a closed stand."""
    run, _ = finished
    assert numbers_set(run, ["forest.reference_cover=0.6"]) == {"forest": {"reference_cover": 0.6}}
    assert numbers_set(run, ["forest.shrub.reference_cover=0.6"]) == {"forest": {"shrub.reference_cover": 0.6}}
    assert not [path for path in numbers_set(run, ["forest.carbon_t_ha=x1.1"])["forest"] if path.startswith("shrub")]
    assert numbers_set(run, ["forest.above_ground_share=x1.0"])["forest"].keys() == {"shrub.above_ground_share"}


def test_carbon_of_grass_goes_with_one_plus_root_shoot(finished):
    run, _ = finished
    stock, _sink = what_if(run, ["grassland.root_shoot=4.0"], ["G01"])
    assert stock.after / stock.before == pytest.approx(5 / 5.79)
    assert stock.interval_after.p97_5 < stock.interval_before.p97_5


def test_a_table_takes_a_factor(finished):
    """All of F01's stock grows with BCEF but for the root bins, which shift: more than by half, less than twice."""
    run, _ = finished
    stock = what_if(run, ["forest.bcef.pines=x1.5", "forest.bcef.other_conifers=x1.5"], ["F01"])[0]
    assert 1.2 < stock.after / stock.before <= 1.5
    for end in ("p2_5", "p97_5"):
        before, after = (getattr(found, end) for found in (stock.interval_before, stock.interval_after))
        assert 1.2 < after / before < 1.6


def test_another_table_of_expansion_takes_stands_to_other_roots(finished):
    """As in a run with those numbers: pine of 66 m3/ha has 66 x .75 = 49.5 t/ha above ground and roots of .40; with 1.1
    of it 54.45 t/ha, and roots of .29, since the table of conifers steps down at 50."""
    run, _ = finished
    stock = what_if(run, ["forest.bcef.pines=x1.1"], ["F01"])[0]
    stands = run.zones["F01"]["stands"]
    area_ha = stands["area_ha"][stands["species"].index("chinese_pine")]
    before, after = 49.5 * 1.40 * 0.5105, 54.45 * 1.29 * 0.5105
    assert stock.after - stock.before == pytest.approx(area_ha * (after - before))


def test_a_polynomial_takes_a_factor_and_its_interval_goes_with_it(finished):
    run, _ = finished
    stock = what_if(run, ["grassland.biomass_model.fresh_agb=x1.2"], ["G01"])[0]
    assert stock.after / stock.before == pytest.approx(1.2)
    assert stock.interval_after.p2_5 / stock.interval_before.p2_5 == pytest.approx(1.2)
    assert stock.interval_after.p97_5 / stock.interval_before.p97_5 == pytest.approx(1.2)


def test_a_number_takes_a_factor_too(finished):
    numbers = numbers_set(finished[0], ["grassland.carbon_fraction=x0.9"])["grassland"]
    assert numbers == {"carbon_fraction": pytest.approx(0.405)}


@pytest.mark.parametrize(("zone", "ecosystem", "soil"), [("W01", "wetland", 0.05), ("F02", "forest", 0.08)])
def test_shipped_end_members_go_with_their_rows(tmp_path, zone, ecosystem, soil):
    """The answer is what the run itself comes to with that coefficient."""
    world = World.finished(tmp_path)
    run = FinishedRun.read(world.results)
    answers = what_if(run, [f"{ecosystem}.soil_index=0.15"], [zone])
    world.change_coefficient(ecosystem, f"value: {soil}\n      unit: NDVI", "value: 0.15\n      unit: NDVI")
    row = world.run().row(zone)
    for answer in answers:
        assert answer.after == pytest.approx(row[answer.quantity], rel=1e-9)
    assert answers[0].after < 0.95 * answers[0].before


def test_end_members_that_can_be_none_are_refused(finished):
    with pytest.raises(ConfigError, match=r"--set: in zone W01 the end-members 0\.250 and 0\.500 are less than 0\.3"):
        what_if(finished[0], ["wetland.soil_index=0.25", "wetland.vegetation_index=0.5"], ["W01"])


def test_what_the_run_withholds_is_not_answered(tmp_path):
    """Clouds over most of the grassland: the table has no total of it, so neither has this."""
    world = World.finished(tmp_path)
    for year in (2023, 2024, 2025):
        for day in DAYS:
            world.write_scene(year, day, scl=clouds_over(day, box(100, 190, 20, 230)))
    row = world.run().row("G01")
    assert row["carbon_tC"] is None
    assert "too little for a total" in row["status"]
    with pytest.raises(ConfigError, match="G01: there is no total that could change; the status in the table says why"):
        what_if(FinishedRun.read(world.results), ["grassland.root_shoot=4.0"], ["G01"])


def test_only_the_zones_of_the_ecosystem_answer(finished):
    run, _ = finished
    assert {answer.zone for answer in what_if(run, ["wetland.carbon_fraction=0.4"])} == {"W01", "city"}


def test_several_changes_of_one_ecosystem_add_up(finished):
    run, _ = finished
    numbers = numbers_set(run, ["grassland.root_shoot=4.0", "grassland.carbon_fraction=0.40"])["grassland"]
    assert numbers["carbon_fraction"] == 0.40
    assert numbers["strata.desert_steppe.root_shoot"] == 4.0
    both = what_if(run, ["grassland.root_shoot=4.0", "grassland.carbon_fraction=0.40"], ["G01"])[0]
    assert both.after / both.before == pytest.approx(5 / 5.79 * 0.40 / 0.45)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("grassland.root_shoot", "write it like grassland.root_shoot=4.0"),
        ("grassland.root_shoot=many", "write it like"),
        ("steppe.root_shoot=4", "the ecosystems are forest, grassland, wetland"),
        ("grassland.root_shot=4", "near it are root_shoot"),
        ("grassland.root_shoot=nan", "root_shoot lies between 0.5 and 20 t DM"),
        ("grassland.root_shoot=-4", "root_shoot lies between 0.5 and 20 t DM"),
        ("grassland.carbon_fraction=45", "carbon_fraction lies between 0.35 and 0.5 t C/t DM"),
        ("forest.bcef.pines=x0", "bcef.pines is a row of numbers and takes a factor above 0"),
        ("forest.bcef.pines=xinf", "takes a factor above 0"),
        ("forest.root_shoot.conifers=0.3", "takes a factor above 0, such as =x1.1"),
        ("grassland.carbon_fraction=x2", "carbon_fraction lies between 0.35 and 0.5 t C/t DM"),
    ],
)
def test_a_change_that_cannot_be_is_one_sentence(finished, change, sentence):
    with pytest.raises(ConfigError, match=sentence):
        what_if(finished[0], [change])


def test_a_change_that_no_total_rests_on_is_said_and_not_answered_with_none(finished):
    """F01 is by its stands, whose roots are tables of the tree groups; only the class mean takes the stratum's."""
    with pytest.raises(
        ConfigError, match=r"no figure of F01 rests on what --set changes, but on .*forest\.root_shoot\.conifers"
    ):
        what_if(finished[0], ["forest.strata.larch_middle.root_shoot=0.3"], ["F01"])


def test_a_zone_that_is_not_there_is_one_sentence(finished):
    with pytest.raises(ConfigError, match="there is no zone G9"):
        what_if(finished[0], ["grassland.root_shoot=4"], ["G9"])


@pytest.mark.parametrize(("current", "asked"), [("2025", []), ("2023-2025", ["--year", "2025"])])
def test_a_year_mapped_on_its_own_is_asked_where_its_run_wrote(tmp_path, current, asked):
    """Beside an older run of the same name, which has two periods and other figures."""
    world = World.finished(tmp_path)
    world.settings["periods"] = {"current": current}
    world.write_config()
    row = world.run(year=2025 if asked else None).row("G01")
    where = ["--out", str(world.out)]
    change = ["what-if", str(world.config), "--set", "grassland.root_shoot=4.0", *where, *asked]
    said = CliRunner().invoke(app, change, catch_exceptions=False).stdout
    assert f"{row['carbon_tC']:,.0f}" in said
    assert "changed since" not in said
    if not asked:
        why = ["explain", str(world.config), "--zone", "G01", "--metric", "carbon_tC", *where]
        said = CliRunner().invoke(app, why, catch_exceptions=False).stdout
        assert f"= {row['carbon_tC']:.10g} t C" in said


def test_a_loss_that_grows_is_a_change_for_the_less(tmp_path):
    """Removal is positive: a loss that had grown by a tenth was printed as +10.0%."""
    world = World.at(tmp_path)
    for year in YEARS:
        for day in DAYS:
            world.write_scene(year, day, ndvi=landscape(2022, day) - 0.02 * (year - 2022))
    world.run()
    change = ["what-if", str(world.config), "--set", "grassland.carbon_fraction=x1.1", "--out", str(world.out)]
    said = CliRunner().invoke(app, change, catch_exceptions=False).stdout
    stock, sink = (line for line in said.splitlines() if "G01" in line)
    assert "+10.0%" in stock
    assert "-10.0%" in sink


def test_a_folder_without_a_run_is_one_sentence(tmp_path):
    with pytest.raises(OutputError, match="holds no finished run"):
        FinishedRun.read(tmp_path)
