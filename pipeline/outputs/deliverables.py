"""What is made of the results, in order: one function a deliverable, each one file or more under `pipeline.outputs`.

Libraries that only one of them needs are imported there: who wants no sheets does not wait for matplotlib.
"""

from collections.abc import Callable

from pipeline.execution.engine import Engine
from pipeline.execution.whole_file import delete
from pipeline.outputs.export import write_exports
from pipeline.outputs.geopackage import write_geopackage
from pipeline.outputs.results import Results


def patches(results: Results, engine: Engine, strict: bool) -> None:
    """Management patches of every zone, put into ``results.patches``, and the class rasters."""
    from pipeline.outputs.patches import make_patches

    make_patches(results, engine, strict)


def styles(results: Results, engine: Engine) -> None:
    """Styles beside the rasters, and a styled GeoPackage of each zone."""
    from pipeline.outputs.geopackage import write_zone_geopackages
    from pipeline.outputs.styling.raster_styles import write_raster_styles

    write_raster_styles(results)
    write_zone_geopackages(results)


def project(results: Results, engine: Engine) -> None:
    """The QGIS project."""
    from pipeline.outputs.qgis.project import write_project

    write_project(results)


def sheets(results: Results, engine: Engine) -> None:
    """Map sheets and atlas."""
    from pipeline.outputs.sheets.atlas import make_sheets

    make_sheets(results, engine)


def workbook(results: Results, engine: Engine) -> None:
    """The workbook."""
    from pipeline.outputs.workbook import write_workbook

    write_workbook(results)


def stac(results: Results, engine: Engine) -> None:
    """The STAC catalogue of the results; last, since it lists the files that are there."""
    from pipeline.outputs.stac import write_stac

    write_stac(results)


MAKERS: dict[str, Callable[[Results, Engine], None]] = {
    "styles": styles,
    "project": project,
    "sheets": sheets,
    "workbook": workbook,
    "stac": stac,
}


FILES: dict[str, tuple[str, ...]] = {
    "patches": ("patches.csv",),
    "styles": ("zones/*/*.qml", "zones/*/*.tif.aux.xml", "zones/*/*.gpkg"),
    "project": ("{name}.qgz",),
    "sheets": (
        "atlas.pdf",
        "overview.*",
        "overview_*.png",
        "monitoring.*",
        "zones/*/*_sheet.pdf",
        "zones/*/*_sheet.png",
    ),
    "workbook": ("{name}.xlsx",),
    "stac": ("collection.json", "zones/*/*.json"),
}
"""Where the files of each deliverable lie in the folder of the results; class rasters go with the other rasters."""


def make_deliverables(results: Results, wanted: tuple[str, ...], engine: Engine, strict: bool) -> None:
    """The GeoPackage of the zones, and what the config lists as ``deliverables`` and ``exports``; what is no longer
    listed is deleted, it would pass for a result. Raises OutputError; with ``strict`` also for a zone that gets no
    patches."""
    for name in FILES.keys() - set(wanted):
        for pattern in FILES[name]:
            for file in list(results.folder.glob(pattern.format(name=results.name))):
                delete(file)
    if "patches" in wanted:
        patches(results, engine, strict)
    # they hold the patches, too
    write_geopackage(results)
    write_exports(results, engine)
    for name, make in MAKERS.items():
        if name in wanted:
            make(results, engine)
