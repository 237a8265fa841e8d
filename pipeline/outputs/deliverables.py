"""What is made from the results, in order; each deliverable has a module or more in `pipeline.outputs`.

Sheets, workbook and report are imported where they are made: a run without them does not wait for their libraries.
"""

from pipeline.execution.engine import Engine
from pipeline.execution.whole_file import delete
from pipeline.outputs.export import write_exports
from pipeline.outputs.geopackage import write_geopackage, write_zone_geopackages
from pipeline.outputs.patches import make_patches
from pipeline.outputs.qgis.project import write_project
from pipeline.outputs.results import Results
from pipeline.outputs.stac import write_stac
from pipeline.outputs.styling.raster_styles import write_raster_styles

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
    "report": ("{name}.docx",),
    "stac": ("collection.json", "zones/*/*.json"),
}
"""Where the files of each deliverable lie in the folder of the results; class rasters go with the other rasters."""


def make_deliverables(results: Results, wanted: tuple[str, ...], engine: Engine, strict: bool) -> None:
    """The GeoPackage of the zones, and what the config lists as ``deliverables`` and ``exports``; what is no longer
    listed is deleted, since it would be taken for a result. Raises OutputError; with ``strict`` also for a zone that
    gets no patches."""
    for name in FILES.keys() - set(wanted):
        for pattern in FILES[name]:
            for file in list(results.folder.glob(pattern.format(name=results.name))):
                delete(file)
    if "patches" in wanted:
        make_patches(results, engine, strict)
    # they hold the patches, too
    write_geopackage(results)
    write_exports(results, engine)
    if "styles" in wanted:
        write_raster_styles(results)
        write_zone_geopackages(results)
    if "project" in wanted:
        write_project(results)
    if "sheets" in wanted:
        from pipeline.outputs.sheets.atlas import make_sheets

        make_sheets(results, engine)
    if "workbook" in wanted:
        from pipeline.outputs.workbook import write_workbook

        write_workbook(results)
    if "report" in wanted:  # after the sheets, whose overview it shows
        from pipeline.outputs.report import write_report

        write_report(results)
    if "stac" in wanted:  # last: it lists the files that are there
        write_stac(results)
