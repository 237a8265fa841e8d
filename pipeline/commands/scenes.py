"""The commands about scenes: list them, fit one sensor to another, say how much of the zones they show."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from pipeline.commands.terminal import console, prepared, settings_of


def scenes(
    folder: Annotated[Path, typer.Argument(help="Folder of scenes, STAC catalogue or item, or manifest.")],
    config: Annotated[Path | None, typer.Argument(help="A run's YAML file, for its zones, years and season.")] = None,
) -> None:
    """List the scenes in a folder, what is known of each, and which are refused and why; read no pixel."""
    from pipeline.scenes.layouts import unknown
    from pipeline.scenes.listing import list_scenes

    listed = list_scenes(folder, *_wanted(config))
    table = Table("日期 date", "产品 product", "卫星 satellite", "图幅 tile", "级别 level", "定标 offset", "云 cloud")
    table.add_column("片区 zones")
    for one in sorted((one for one in listed if one.product), key=lambda one: (one.date, one.product, one.tile)):
        shares = ("" if share is None else f"{share:.0%}" for share in (
            one.cloud_percent and one.cloud_percent / 100, one.zones_covered
        ))  # fmt: skip
        table.add_row(one.date, one.product, one.satellite, one.tile, one.level, one.offset, *shares)
    console.print(table)
    for one in (one for one in listed if one.remark):
        console.print(f"{one.name}: {one.remark}.", style="yellow")
    for place, files in unknown(folder):
        console.print(
            f"{place}: holds files of no known product ({len(files)}, such as {files[0]}); unpack archives, and "
            "declare other surface reflectance in a manifest.yaml (configs/manifest.template.yaml).", style="yellow",
        )  # fmt: skip
    console.print(f"{len(listed)} scenes found, {sum(not one.remark for one in listed)} of them usable.")


def harmonise(
    source: Annotated[Path, typer.Argument(help="Folder of scenes of the sensor to be adjusted.")],
    target: Annotated[Path, typer.Argument(help="Folder of scenes of the sensor to adjust to.")],
    write: Annotated[Path, typer.Option("--write", help="File for the fit, to be named in the config.")] = Path(
        "harmonisation.yaml"
    ),
) -> None:
    """Fit one sensor's reflectance to another's on pixels that both saw clear on the same day."""
    from pipeline.scenes.same_day import fit_rows, scenes_in
    from pipeline.yaml_file import write_yaml

    rows = fit_rows(scenes_in(source), scenes_in(target))
    title = f"{rows[0].origin} -> {rows[0].to}, {rows[0].days} days, NDVI ± {rows[0].u95_ndvi:.3f} (95 %)"
    table = Table("band", "slope", "intercept", "RMSE", "n", title=title)
    for row in rows:
        table.add_row(row.band, *(f"{value:.4f}" for value in (row.slope, row.intercept, row.rmse)), f"{row.n}")
    console.print(table)
    write_yaml(write, [row.model_dump(by_alias=True) for row in rows])
    console.print(f"Written to {write}; name it in the config as `harmonise: {write.resolve()}`.", soft_wrap=True)


def quality(
    config: Annotated[Path, typer.Argument(help="The run's YAML file.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of all runs.")] = Path("out"),
) -> None:
    """Write scene_quality.csv: the share of each zone that each scene shows as clear, as water, or as flagged."""
    from pipeline.execution.engine import open_engine, successes
    from pipeline.flow import leave_out_damaged
    from pipeline.questions.scene_quality import TileQuality, tile_quality, together, write_quality, zone_scenes

    with prepared(settings_of(config), out) as run:
        file = run.out / "scene_quality.csv"
        with open_engine(console) as engine:
            leave_out_damaged(run, engine, strict=False)
            units = [TileQuality(run.cube, tile, tuple(run.zones), tuple(run.scenes), file) for tile in run.tiles]
            counts = together(successes(engine.run("quality", tile_quality, units)))
    write_quality(file, [row for zone in run.zones for row in zone_scenes(zone, run.scenes_over(zone), counts)])
    for aside in run.set_aside:
        console.print(f"Set aside: {aside.reason}.", style="yellow")
    console.print(f"Written to {file}.", soft_wrap=True)


def _wanted(config: Path | None) -> tuple:
    """What a config requires of its scenes, and the outline of its zones on its grid; empty without a config."""
    import shapely

    from pipeline.config.run_config import read_coefficients
    from pipeline.inputs import counted_zones, wanted_of
    from pipeline.zones.boundaries import zones_on_grid

    if config is None:
        return ()
    settings = settings_of(config)
    table, _ = counted_zones(settings, read_coefficients(settings.coefficients))
    outline = shapely.union_all([zone.geometry for zone in zones_on_grid(table, settings.grid.crs)])
    return wanted_of(settings, outline.bounds), outline
