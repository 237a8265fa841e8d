"""A local biomass model from field plots: recovered truth, honest errors, and every plot that cannot be used said."""

import shutil

import numpy as np
import pandas as pd
import pytest
import zarr
from pyproj import Transformer
from tiny_world import CRS, DAYS, LEFT, PIXEL, ROOT, TOP, World, child, landscape, run_here

from pipeline.config.run_config import read_coefficients
from pipeline.errors import OutputError, PlotError
from pipeline.questions.fit import blocks_of, cross_predicted, fit_model, fit_sites, skill
from pipeline.questions.local_coefficients import write_local_coefficients
from pipeline.questions.plots import PlotColumns, fit_plots, pair_plots, problems, read_plots, sites_of
from pipeline.scenes.season import PEAK

A, B, SCATTER = 2.2, 4.5, 0.25


def sites(count=200, blocks=20, between=0.0, seed=1, scatter=SCATTER):
    """(x, y, blocks) of ln y = A + B x with a scatter of sites, and of blocks between them."""
    random = np.random.default_rng(seed)
    x, block = random.uniform(0.1, 0.6, count), np.arange(count) % blocks
    noise = random.normal(0, scatter, count) + random.normal(0, between, blocks)[block]
    return x, np.exp(A + B * x + noise), block


# The fit


@pytest.mark.parametrize(("form", "a", "b"), [("exponential", A, B), ("power", 180.0, 1.3)])
def test_a_model_without_scatter_is_found_exactly(form, a, b):
    x = np.linspace(0.1, 0.6, 7)
    y = np.exp(a + b * x) if form == "exponential" else a * x**b
    model = fit_model(form, x, y)
    assert (model.a, model.b) == (pytest.approx(a), pytest.approx(b))
    assert model.log_residual == pytest.approx(0, abs=1e-7)
    np.testing.assert_allclose(model.predict(x), y)


def test_three_sites_by_hand():
    """x 0, 1, 2 and ln y 0, 1, 3: b = 1.5, a = -1/6, SSE = 1/6, so s^2 = 1/6 and the mean is exp(1/12) the median."""
    model = fit_model("exponential", np.array([0.0, 1, 2]), np.exp([0.0, 1, 3]))
    assert (model.a, model.b, model.log_residual**2) == pytest.approx((-1 / 6, 1.5, 1 / 6))
    assert model.predict(np.array([1.0])) == pytest.approx(np.exp(-1 / 6 + 1.5 + 1 / 12))


def test_scatter_is_recovered_and_smearing_takes_away_the_bias_of_logarithms():
    x, y, _ = sites(5000)
    model = fit_model("exponential", x, y)
    assert (model.a, model.b, model.log_residual) == pytest.approx((A, B, SCATTER), rel=0.02)
    assert skill(y, model.predict(x)).bias == pytest.approx(0, abs=0.5)
    assert skill(y, np.exp(model.a + model.b * x)).bias < -1  # without it: 3 % too low


def test_skill_by_hand():
    """Observed 1, 2, 3, predicted 1, 2, 5: SSE 4, SST 2."""
    found = skill(np.array([1.0, 2, 3]), np.array([1.0, 2, 5]))
    assert (found.r2, found.rmse, found.bias) == pytest.approx((-1, np.sqrt(4 / 3), 2 / 3))


def test_a_site_is_predicted_without_itself_and_without_its_block():
    x, y, block = sites(12, 4)
    for groups in (np.arange(12), block):
        found = cross_predicted("exponential", x, y, groups)
        for site in range(12):
            others = groups != groups[site]
            alone = fit_model("exponential", x[others], y[others]).predict(x[[site]])
            assert found[site] == pytest.approx(alone.item())


def test_blocks_are_squares_of_the_given_side():
    east, north = [0, 9_999, 10_000, 5, -1], [0, 9_999, 0, 10_000, 0]
    found = blocks_of(east, north, 10_000)
    assert found[0] == found[1]
    assert len(set(found[1:])) == 4


@pytest.mark.parametrize(("between", "low", "high"), [(0.0, 14, 19), (0.2, 40, 50)])
def test_the_half_width_of_an_area_is_the_scatter_between_areas_not_that_of_sites(between, low, high):
    """40 blocks of 10 sites: with areas 20 % apart about 202 x root(.2^2 + .25^2 / 10) = 43 %, without 202 x .25 /
    root(10) = 16 %; a site alone misses by 196 x .25 = 49 % and more."""
    fits = [fit_sites("exponential", *sites(400, 40, between, seed)) for seed in range(20)]
    assert low < np.mean([fit.zone_u95_percent for fit in fits]) < high
    assert 45 < np.mean([fit.site_u95_percent for fit in fits]) < 75


def test_where_no_block_has_two_sites_all_scatter_counts():
    x, y, _ = sites(40)
    fit = fit_sites("exponential", x, y, np.arange(40))
    assert fit.zone_u95_percent == pytest.approx(fit.site_u95_percent * 2.0227 / 1.96, rel=1e-4)  # t of 39


@pytest.mark.parametrize(("blocks", "each"), [(3, 10), (5, 6), (8, 4), (15, 2), (30, 4)])
def test_the_half_width_holds_the_mean_of_an_area_that_was_not_seen(blocks, each):
    """Of 200 worlds with areas 20 % and sites 25 % apart at least 93 % lie within, however few the blocks."""
    held = []
    for seed in range(200):
        fit = fit_sites("exponential", *sites(blocks * each, blocks, 0.2, seed))
        random = np.random.default_rng(1000 + seed)
        x = random.uniform(0.1, 0.6, 400)
        truth = np.exp(A + B * x + random.normal(0, 0.2) + SCATTER**2 / 2).mean()
        width = fit.zone_u95_percent / 100
        spread = np.log1p((width / 1.96) ** 2) ** 0.5  # lognormal, as the rows are drawn
        held.append(abs(np.log(truth / fit.model.predict(x).mean()) + spread**2 / 2) <= 1.96 * spread)
    assert np.mean(held) >= 0.93


@pytest.mark.parametrize(
    ("form", "x", "y", "says"),
    [
        ("exponential", [0.1, 0.2], [1, 2], "too few"),
        ("exponential", [0.3] * 6, [1, 2, 3, 4, 5, 6], "same at all sites"),
        ("exponential", [0.1, 0.2, 0.3, 0.4, 0.5, 0.6], [1, 2, 3, 4, 5, 0], "above 0 only"),
        ("power", [-0.1, 0.2, 0.3, 0.4, 0.5, 0.6], [1, 2, 3, 4, 5, 6], "above 0 only"),
        ("exponential", [0.6, 0.5, 0.4, 0.3, 0.2, 0.1], [1, 2, 3, 4, 5, 6], "falls with the index"),
        ("exponential", [0.1, 0.2, 0.3, 0.4], [1, 2, 3, 4], "lie in 2 blocks, 3 are needed"),
    ],
)
def test_sites_that_make_no_model_are_refused(form, x, y, says):
    with pytest.raises(ValueError, match=says):
        fit_sites(form, np.array(x), np.array(y, float), np.arange(len(x)) // 2)


# Plots on the cube of the tiny world


TO_DEGREES = Transformer.from_crs(CRS, "EPSG:4490", always_xy=True)


def place(row, column):
    return LEFT + (column + 0.5) * PIXEL, TOP - (row + 0.5) * PIXEL


def plot_table(count=60, seed=2):
    """Plots in G01 of the tiny world with the biomass of its landscape."""
    random = np.random.default_rng(seed)
    rows, columns = random.integers(101, 189, count), random.integers(145, 285, count)
    years = random.choice([2019, 2021, 2024], count)
    ndvi = np.array([landscape(y, DAYS[0])[r, c] for y, r, c in zip(years, rows, columns, strict=True)])
    lon, lat = TO_DEGREES.transform(*np.transpose([place(*pixel) for pixel in zip(rows, columns, strict=True)]))
    agb = np.exp(A + B * ndvi + random.normal(0, 0.1, count))
    return pd.DataFrame({"lon": lon, "lat": lat, "date": [f"{y}-08-05" for y in years], "agb_g_m2": agb})


def row(row, column, date="2024-08-05", agb="40"):
    lon, lat = TO_DEGREES.transform(*place(row, column))
    return {"lon": lon, "lat": lat, "date": date, "agb_g_m2": agb}


@pytest.fixture(scope="module")
def composited(tmp_path_factory):
    """The tiny world with its cube."""
    world = World.at(tmp_path_factory.mktemp("fit") / "world")
    run_here(world.config, world.out, until="composite")
    return world


def paired_in(world, table, columns=None):
    from pipeline.config.run_config import read_config
    from pipeline.run import prepare

    file = world.folder / "plots.csv"
    table.to_csv(file, index=False)
    run = prepare(read_config(world.config), world.out)
    plots = read_plots(file, columns or PlotColumns(), CRS)
    return file, pair_plots(plots, run.cube, run.tiles, run.years, PEAK, "ndvi")


def test_the_truth_behind_simulated_plots_is_found(composited):
    file, paired = paired_in(composited, plot_table())
    assert problems(paired) == {}
    fit = fit_plots(file, paired, "exponential", 1000, force=False)
    assert (fit.model.a, fit.model.b) == (pytest.approx(A, abs=0.08), pytest.approx(B, abs=0.15))
    assert fit.skills["leave-one-out"].rmse >= fit.skills["fit"].rmse
    assert fit.skills["fit"].r2 > 0.9


def test_each_plot_that_cannot_be_used_says_why(composited):
    table = pd.DataFrame(
        [
            row(150, 200),
            row(150, 200, agb="60"),  # the same pixel and year: one site of 50 g/m2
            row(150, 200, "2020-08-05"),
            row(-500, 150),
            row(150, 200, "2022-08-05"),
            row(150, 200, "2024-07-14"),
            row(150, 200, "2024-09-01"),
            row(150, 200, agb="0"),
        ]
    )
    _, paired = paired_in(composited, table)
    assert problems(paired) == {
        "outside the mapped area": 1, "a year without scenes": 1, "outside the season": 2,
        "no biomass above 0, for a fit in logarithms": 1,
    }  # fmt: skip
    assert paired["index"][0] == pytest.approx(landscape(2024, DAYS[0])[150, 200], abs=2e-3)
    found = sites_of(paired)
    assert found[["year", "agb_g_m2"]].to_numpy().tolist() == [[2020, 40], [2024, 50]]


def test_a_plot_under_cloud_has_no_index(tmp_path, composited):
    world = World(tmp_path / "world")
    shutil.copytree(composited.folder, world.folder)
    group = zarr.open_group(world.folder / "out" / "tiny" / "work" / "cube.zarr" / "2024", mode="r+")
    group["ndvi"][150, 200] = -32768
    _, paired = paired_in(world, pd.DataFrame([row(150, 200), row(150, 201)]))
    assert paired["problem"].tolist() == ["no clear observation in the season", ""]


def test_positions_in_metres_and_chinese_columns_in_gbk_are_read(composited):
    table = pd.DataFrame(
        {"东": [place(150, 200)[0]], "北": [place(150, 200)[1]], "日期": ["2024年8月5日"], "干重": [40]}
    )
    file = composited.folder / "样方.csv"
    table.to_csv(file, index=False, encoding="gb18030")
    found = read_plots(file, PlotColumns("东", "北", "日期", "干重", CRS), CRS)
    assert found[["east", "north", "agb_g_m2"]].to_numpy().tolist() == [[*place(150, 200), 40]]


@pytest.mark.parametrize(
    ("change", "columns", "says"),
    [
        ({"date": "5th of August"}, {}, r"plots\.csv:2: date is '5th of August', not a date such as 2024-08-01"),
        ({"agb_g_m2": "many"}, {}, r"plots\.csv:2: agb_g_m2 is 'many', not a number"),
        ({"lon": ""}, {}, r"plots\.csv:2: lon is '', not a number"),
        ({"agb_g_m2": "1e400"}, {}, r"plots\.csv:2: agb_g_m2 is '1e400', not a number"),
        ({"agb_g_m2": "-inf"}, {}, r"plots\.csv:2: agb_g_m2 is '-inf', not a number"),
        ({"date": "08/05/2024"}, {}, r"plots\.csv:2: date is '08/05/2024'"),
        ({"lat": 999}, {}, r"plots\.csv:2: the position is not valid in EPSG:4326"),
        ({}, {"x": "X"}, r"has no column 'X'; it has lon, lat, date, agb_g_m2"),
        ({}, {"crs": "EPSG:1"}, "EPSG:1 is not a CRS"),
    ],
)
def test_a_plot_table_that_is_wrong_is_one_sentence(tmp_path, change, columns, says):
    pd.DataFrame([row(150, 200) | change]).to_csv(tmp_path / "plots.csv", index=False)
    with pytest.raises(PlotError, match=says):
        read_plots(tmp_path / "plots.csv", PlotColumns(**columns), CRS)


def test_empty_rows_of_a_plot_table_are_skipped_and_lines_are_those_of_the_file(tmp_path):
    """Excel writes rows that were once touched as commas alone."""
    file, (lon, lat) = tmp_path / "plots.csv", (row(150, 200)[name] for name in ("lon", "lat"))
    text = f"lon,lat,date,agb_g_m2\n,,,\n{lon},{lat},2024-08-05,40\n , ,,\n,,,\n"
    file.write_text(text)
    assert read_plots(file, PlotColumns(), CRS)["agb_g_m2"].to_dict() == {0: 40}
    file.write_text(f"lon,lat,date,agb_g_m2\n{lon},{lat},2024-08-05,40,\n")  # as some programs end a row
    assert read_plots(file, PlotColumns(), CRS)["agb_g_m2"].to_dict() == {0: 40}
    file.write_text(text + f"{lon},{lat},2024-08-05,many\n")
    with pytest.raises(PlotError, match=r"plots\.csv:6: agb_g_m2 is 'many'"):
        read_plots(file, PlotColumns(), CRS)
    file.write_text(text + f"{lon},999,2024-08-05,40\n")
    with pytest.raises(PlotError, match=r"plots\.csv:6: the position"):
        read_plots(file, PlotColumns(), CRS)


@pytest.mark.parametrize(
    ("before", "line"), [("\n", 3), ("\n\n", 4), (" \n", 3), ("{plot},note\n\n", 4), ('{plot},"two\nlines"\n', 4)]
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_line_of_a_cell_counts_empty_lines_and_those_within_a_cell(tmp_path, before, line, end):
    file, lon = tmp_path / "plots.csv", row(150, 200)["lon"]
    plot = f"{lon},40.6,2024-08-05"
    text = f"lon, lat ,date,agb_g_m2,note\n{before.format(plot=f'{plot},40')}{plot},many,\n"
    file.write_bytes(text.replace("\n", end).encode())
    with pytest.raises(PlotError, match=rf"plots\.csv:{line}: agb_g_m2 is 'many'"):
        read_plots(file, PlotColumns(), CRS)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", r"plots\.csv: is empty; give the CSV of the plots"),
        ("lon,lat,date,agb_g_m2,lon\n", r"has several columns 'lon'; keep that name for one of them"),
        ("lon,lat,date,agb_g_m2\n\n1,2,3,4,5\n", r"plots\.csv:3: has more cells than the header; correct it"),
        ('lon,lat,date,agb_g_m2\n1,"2,2024-08-05,3\n4,5\n', r"cannot be read as a CSV file \(unexpected end of data\)"),
    ],
)
def test_a_plot_table_that_can_be_read_in_two_ways_is_refused(tmp_path, text, says):
    (tmp_path / "plots.csv").write_text(text)
    with pytest.raises(PlotError, match=says):
        read_plots(tmp_path / "plots.csv", PlotColumns(), CRS)


def test_a_missing_plot_table_is_one_sentence(tmp_path):
    with pytest.raises(PlotError, match=r"none\.csv: there is no such file"):
        read_plots(tmp_path / "none.csv", PlotColumns(), CRS)


def test_fewer_than_30_sites_are_refused_or_marked(composited, tmp_path):
    file, paired = paired_in(composited, plot_table(29))
    with pytest.raises(PlotError, match=r"plots\.csv: 29 sites can be used, a local model needs 30; .*--force"):
        fit_plots(file, paired, "exponential", 1000, force=False)
    fit = fit_plots(file, paired, "exponential", 1000, force=True)
    write_local_coefficients(ROOT / "configs" / "coefficients", tmp_path, fit, "ndvi", "plots")
    assert read_coefficients(tmp_path)["grassland"].biomass_model.dry_agb.status == "unverified"


# The coefficient folder


def test_only_model_range_and_residual_change_in_the_new_folder(tmp_path, ecosystems):
    fit = fit_sites("power", *sites())
    write_local_coefficients(ROOT / "configs" / "coefficients", tmp_path, fit, "ndvi", "plots.csv 2024")
    found = read_coefficients(tmp_path)
    grass, before = found["grassland"], ecosystems["grassland"]
    assert (found["forest"], found["wetland"]) == (ecosystems["forest"], ecosystems["wetland"])
    assert (grass.biomass_model.form, grass.biomass_model.index) == ("power", "ndvi")
    assert grass.biomass_model.dry_agb.value == (pytest.approx(fit.model.a, 1e-5), pytest.approx(fit.model.b, 1e-5))
    assert (grass.biomass_model.dry_agb.status, grass.residual.status) == ("local", "local")
    assert grass.biomass_model.dry_agb.half_width < before.biomass_model.fresh_agb.half_width
    assert grass.residual.u95_percent == pytest.approx(fit.site_u95_percent, abs=0.05)
    for key, stratum in grass.strata.items():
        assert stratum.index_range == tuple(round(end, 4) for end in fit.index_range)
        assert stratum.model_copy(update={"index_range": None}) == before.strata[key].model_copy(
            update={"index_range": None}
        )
    inside = np.linspace(*grass.strata["typical_steppe"].index_range, 9)
    np.testing.assert_allclose(grass.agb(inside, None, "typical_steppe") * 100, fit.model.predict(inside), rtol=1e-4)
    written = (tmp_path / "grassland.yaml").read_bytes()
    write_local_coefficients(ROOT / "configs" / "coefficients", tmp_path, fit, "ndvi", "plots.csv 2024")
    assert (tmp_path / "grassland.yaml").read_bytes() == written
    comments = [line for line in (tmp_path / "grassland.yaml").read_text("utf-8").splitlines() if line[:1] == "#"]
    assert comments[0].startswith("# Grassland coefficients")


def test_the_folder_in_use_is_not_overwritten():
    folder = ROOT / "configs" / "coefficients"
    with pytest.raises(OutputError, match="holds the coefficients in use"):
        write_local_coefficients(folder, folder, fit_sites("exponential", *sites()), "ndvi", "plots")


# The command


def test_the_command_writes_a_folder_that_the_next_run_takes(composited, sinkmap):
    file = composited.folder / "command.csv"
    plot_table().to_csv(file, index=False)
    done = sinkmap("fit", file, composited.config, "--out", composited.out, "--block-km", 1)
    assert done.code == 0, done.err
    folder = composited.out / "tiny" / "coefficients"
    assert f"coefficients: {folder.resolve()}" in done.out
    assert "leave-one-out" in done.out
    assert "until now 60 %" in done.out
    assert {path.name for path in folder.iterdir()} == {"forest.yaml", "grassland.yaml", "wetland.yaml"}
    assert "n 60" in read_coefficients(folder)["grassland"].residual.source
    composited.settings["coefficients"] = str(folder)
    composited.write_config()
    rows = composited.run().rows
    assert next(row for row in rows if row["zone_id"] == "G01")["method"] == "NDVI exponential AGB x (1+R) x CF"


def test_biomass_in_another_unit_is_doubted(composited, sinkmap):
    table = plot_table()
    file = composited.folder / "units.csv"
    for factor, doubted in ((1, False), (0.01, True), (10, True)):  # g/m2, t/ha, kg/ha
        table.assign(agb_g_m2=table["agb_g_m2"] * factor).to_csv(file, index=False)
        to = composited.folder / f"times-{factor}"
        done = sinkmap("fit", file, composited.config, "--out", composited.out, "--block-km", 1, "--to", to)
        assert done.code == 0, done.err
        assert ("is the column in g/m2?" in done.out) is doubted


def test_the_command_refuses_too_few_plots_with_its_own_exit_code(composited):
    file = composited.folder / "few.csv"
    plot_table(12).to_csv(file, index=False)
    done = child("-m", "pipeline", "fit", file, composited.config, "--out", composited.out)
    assert (done.returncode, len(done.stderr.strip().splitlines())) == (7, 1)
    assert "12 sites can be used" in done.stderr


def test_an_index_that_the_composites_do_not_keep_is_refused(composited, sinkmap):
    done = sinkmap(
        "fit", composited.folder / "none.csv", composited.config, "--index", "msavi", "--out", composited.out
    )
    assert done.code == 2
    assert "the composites keep ndvi, not msavi; add it to composite.indices" in done.err


def test_another_index_is_fitted_as_the_message_advises_and_the_run_takes_the_folder(composited, sinkmap):
    composited.settings |= {"composite": {"indices": ["ndvi", "msavi"]}}
    composited.write_config()
    file = composited.folder / "msavi.csv"
    plot_table().to_csv(file, index=False)
    folder = composited.folder / "on-msavi"
    fitted = ("fit", file, composited.config, "--block-km", 1, "--out", composited.out, "--to", folder)
    done = sinkmap(*fitted, "--index", "ndmi")
    assert (done.code, "zones are not mapped from ndmi" in done.err) == (2, True)
    done = sinkmap(*fitted, "--index", "msavi")
    assert done.code == 0, done.err
    cover = {"grassland": {"index": "msavi", "end_members": "calibrate"}}
    composited.settings |= {"coefficients": str(folder), "cover": cover}
    composited.write_config()
    (row,) = (row for row in composited.run().rows if row["zone_id"] == "G01")
    assert (row["index_name"], row["method"]) == ("msavi", "MSAVI exponential AGB x (1+R) x CF")


def test_plots_on_the_sample_give_back_the_model_they_were_made_with(sample_run, tmp_path, sinkmap):
    _, results = sample_run
    cube = zarr.open_group(results / "work" / "cube.zarr", mode="r")
    left, top, pixel = cube.attrs["transform"][2], cube.attrs["transform"][5], cube.attrs["transform"][0]
    random = np.random.default_rng(5)
    ndvi = cube["2024/ndvi"][:]
    rows, columns = np.nonzero((ndvi > 1000) & (ndvi < 6000))
    chosen = random.choice(rows.size, 120, replace=False)
    rows, columns = rows[chosen], columns[chosen]
    move = Transformer.from_crs(cube.attrs["crs"], "EPSG:4326", always_xy=True)
    lon, lat = move.transform(left + (columns + 0.5) * pixel, top - (rows + 0.5) * pixel)
    agb = np.exp(A + B * ndvi[rows, columns] * 1e-4 + random.normal(0, SCATTER, 120))
    file = tmp_path / "plots.csv"
    pd.DataFrame({"lon": lon, "lat": lat, "date": "2024-08-05", "agb_g_m2": agb}).to_csv(file, index=False)
    folder = tmp_path / "coefficients"
    done = sinkmap("fit", file, ROOT / "configs" / "sample.yaml", "--out", results.parent, "--to", folder)
    assert done.code == 0, done.err
    model = read_coefficients(folder)["grassland"].biomass_model
    assert model.dry_agb.value == (pytest.approx(A, abs=0.2), pytest.approx(B, abs=0.5))
    assert model.log_residual == pytest.approx(SCATTER, abs=0.06)
    assert model.dry_agb.u95_percent < 60
