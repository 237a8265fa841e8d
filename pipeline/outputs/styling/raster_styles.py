"""Files beside the GeoTIFFs that give their pixels colours and names, without touching the GeoTIFFs."""

from pathlib import Path
from xml.etree.ElementTree import Element

from pipeline.mapping.styles import ClassStyle, Styles, rgb
from pipeline.outputs.results import Results
from pipeline.outputs.styling.qml import class_pipe, ramp_pipe, raster_qml
from pipeline.outputs.styling.xml import document, node
from pipeline.outputs.swap import swapped
from pipeline.variables import VARIABLES


def side_files(raster: Path) -> tuple[Path, Path]:
    """What can stand beside a raster: its style, and the table of its classes."""
    return raster.with_suffix(".qml"), raster.with_name(f"{raster.name}.aux.xml")


def write_raster_styles(results: Results) -> None:
    """The style beside each raster, and beside class rasters the table of their classes. Raises OutputError."""
    for rasters in results.rasters.values():
        for (variable, _), path in rasters.items():
            style, classes = side_files(path)
            _write_if_new(style, raster_qml(variable_pipe(results.styles, variable)))
            if variable in results.styles.classes:
                _write_if_new(classes, class_table(results.styles.classes[variable]))


def variable_pipe(styles: Styles, variable: str) -> Element:
    """How QGIS draws a variable: by classes of its range, or by its list of classes."""
    if variable in styles.classes:
        return class_pipe(styles.classes[variable])
    return ramp_pipe(styles.ramps[variable], VARIABLES[variable].scale)


def class_table(classes: tuple[ClassStyle, ...]) -> str:
    """The raster attribute table in GDAL's auxiliary file (PAM), which QGIS and ArcGIS read: value, Chinese and English
    name, colour. The codes are those of GDALRATFieldType and GDALRATFieldUsage."""
    integer, text = ("Integer", 0), ("String", 2)
    columns = [
        ("Value", integer, ("MinMax", 5)),
        ("Class_Name", text, ("Name", 2)),
        ("English", text, ("Generic", 0)),
        ("Red", integer, ("Red", 6)),
        ("Green", integer, ("Green", 7)),
        ("Blue", integer, ("Blue", 8)),
    ]
    defined = [
        node(
            "FieldDefn",
            {"index": place},
            node("Name", text=name),
            node("Type", {"typeAsString": kind}, text=str(kind_code)),
            node("Usage", {"usageAsString": usage}, text=str(usage_code)),
        )
        for place, (name, (kind, kind_code), (usage, usage_code)) in enumerate(columns)
    ]
    rows = [
        node("Row", {"index": place}, *(node("F", text=str(cell)) for cell in _cells(entry)))
        for place, entry in enumerate(classes)
    ]
    table = node("GDALRasterAttributeTable", {"tableType": "thematic"}, *defined, *rows)
    # without the line that declares XML: GDAL 3.6 finds nothing behind one
    return document(node("PAMDataset", {}, node("PAMRasterBand", {"band": 1}, table)))


def _cells(entry: ClassStyle) -> tuple[int | str, ...]:
    return (entry.value, entry.zh, entry.en, *rgb(entry.color))


def _write_if_new(path: Path, text: str) -> None:
    """A file that holds this already stays untouched, so that synchronising folders moves nothing."""
    content = text.encode()
    if path.is_file() and path.read_bytes() == content:
        return
    with swapped(path) as part:
        part.write_bytes(content)
