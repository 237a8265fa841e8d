"""The results as a STAC catalogue beside their files: a collection, and an item for each zone and period."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pystac
import rasterio
import shapely
from pystac.layout import CustomLayoutStrategy

from pipeline import __version__
from pipeline.errors import OutputError, os_error_sentence
from pipeline.execution.json_file import write_json
from pipeline.execution.whole_file import delete
from pipeline.outputs.results import Results
from pipeline.variables import VARIABLES

EXTENSIONS = [
    f"https://stac-extensions.github.io/{name}/schema.json"
    for name in ("projection/v2.0.0", "raster/v2.0.0", "processing/v1.2.0", "version/v1.2.0", "classification/v2.0.0")
]
COLLECTION_EXTENSIONS = [EXTENSIONS[2], EXTENSIONS[3]]

WGS84 = "EPSG:4326"
DEGREES = 1e-6
"""Precision of the outlines, 0.1 m."""

FILES = {
    ".gpkg": ("application/geopackage+sqlite3", "data"),
    ".csv": ("text/csv", "data"),
    ".xlsx": ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "data"),
    ".docx": ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", "overview"),
    ".pdf": ("application/pdf", "overview"),
    ".qgz": ("application/zip", "visual"),
}
"""Media type and role of the files beside the collection."""

LISTED = ("zones.gpkg", "summary.csv", "by_year.csv", "intervals.csv", "targets.csv", "cover_classes.csv",
          "patches.csv", "separate.csv", "area_ledger.csv", "atlas.pdf", "overview.pdf", "monitoring.pdf")  # fmt: skip
"""Files beside the collection that describe the whole run and nothing else; workbook, report and project are added."""

PLACE = "https://results.invalid/"
"""Location of the files given to pystac. All links are relative in the end; pystac would take Windows paths, and paths
with a #, for addresses."""


def write_stac(results: Results) -> None:
    """Write ``collection.json`` and zones/<id>/<id>_<period>.json, links and assets relative; items of periods or zones
    that are no more are removed. Raises OutputError."""
    collection = _collection(results)
    outlines = results.zones.set_index("id").geometry.to_crs(WGS84)
    for zone, rasters in results.rasters.items():
        for label in sorted({label for variable, label in rasters}):
            paths = {variable: path for (variable, of), path in rasters.items() if of == label}
            collection.add_item(
                _item(results, zone, label, paths, shapely.set_precision(outlines[zone], DEGREES)),
                strategy=CustomLayoutStrategy(item_func=lambda item, _: item.get_self_href()),
            )
    if items := list(collection.get_items()):
        collection.extent = pystac.Extent.from_items(items)
    wanted = {}
    for part in (collection, *collection.get_items()):
        wanted[results.folder / part.get_self_href().removeprefix(PLACE)] = part.to_dict(include_self_link=False)
    try:
        for path, content in wanted.items():
            write_json(path, content)
        for old in set(results.folder.glob("zones/*/*.json")) - wanted.keys():
            delete(old)
    except OSError as error:
        raise OutputError(os_error_sentence(error, results.folder)) from error


def _collection(results: Results) -> pystac.Collection:
    """The collection without its extent, which its items give."""
    everywhere = pystac.Extent(pystac.SpatialExtent([[-180, -90, 180, 90]]), pystac.TemporalExtent([[None, None]]))
    collection = pystac.Collection(
        id=results.name, title=results.title, description=f"{results.title}。{results.note}", extent=everywhere,
        license="other", href=f"{PLACE}collection.json", stac_extensions=COLLECTION_EXTENSIONS,
        catalog_type=pystac.CatalogType.SELF_CONTAINED, extra_fields=_made_by(),
    )  # fmt: skip
    collection.keywords = ["carbon", "forest", "grassland", "wetland", *results.zones["id"]]
    for name in sorted((*LISTED, f"{results.name}.xlsx", f"{results.name}.docx", f"{results.name}.qgz")):
        if (results.folder / name).is_file():
            media_type, role = FILES[Path(name).suffix]
            collection.add_asset(name, pystac.Asset(f"./{name}", media_type=media_type, roles=[role]))
    return collection


def _made_by() -> dict:
    return {"version": __version__, "processing:software": {"sinkmap": __version__}}


def _item(results: Results, zone: str, label: str, paths: dict[str, Path], outline: shapely.Geometry) -> pystac.Item:
    """The rasters of a zone and a period; a comparison spans both of its periods."""
    years = [int(year) for year in re.findall(r"\d+", label)]
    row = results.row(zone)
    item = pystac.Item(
        id=f"{results.name}-{zone}-{label}", geometry=shapely.geometry.mapping(outline), bbox=list(outline.bounds),
        datetime=None, start_datetime=datetime(min(years), 1, 1, tzinfo=UTC),
        end_datetime=datetime(max(years), 12, 31, 23, 59, 59, tzinfo=UTC), stac_extensions=EXTENSIONS,
        href=f"{PLACE}zones/{zone}/{zone}_{label}.json",
        properties={
            "title": f"{zone} {row['name_zh']} {label}",
            "description": results.note_of(zone),
            "proj:code": results.grid_crs,
            "processing:lineage": _lineage(results, zone),
            "sinkmap:zone": zone,
            "sinkmap:ecosystem": row["ecosystem"],
            "sinkmap:status": row["status"],
            **_made_by(),
        },
    )  # fmt: skip
    for variable, path in sorted(paths.items()):
        item.add_asset(variable, _asset(results, variable, path))
    return item


def _lineage(results: Results, zone: str) -> str:
    """Method, inventories and number of scenes that a zone's figures are from."""
    inventories = ", ".join(map(str, results.inventories_of(zone)))
    parts = (results.row(zone)["method"], inventories and f"inventories of {inventories}",
             f"{len(results.scenes_of(zone))} scenes")  # fmt: skip
    return "; ".join(filter(None, parts))


def _asset(results: Results, variable: str, path: Path) -> pystac.Asset:
    """A raster as its header describes it."""
    names = VARIABLES[variable]
    with rasterio.open(path) as file:
        bands = [
            {
                "name": variable if number == 1 else f"{variable}_{number}",
                "description": file.descriptions[number - 1] or names.long_name,
                "data_type": file.dtypes[number - 1],
                "nodata": file.nodata,
                "unit": file.units[number - 1] or names.unit,
                "raster:scale": file.scales[number - 1],
                "raster:offset": file.offsets[number - 1],
                "raster:spatial_resolution": file.res[0],
                **_statistics(file.tags(number)),
                **_classes(results, variable),
            }
            for number in file.indexes
        ]
        place = {"proj:shape": list(file.shape), "proj:transform": list(file.transform)[:6]}
    return pystac.Asset(
        f"./{path.name}", title=f"{names.long_name_zh} {names.long_name} [{names.unit}]", roles=["data"],
        media_type=pystac.MediaType.COG, extra_fields={"bands": bands, **place},
    )  # fmt: skip


def _statistics(tags: dict[str, str]) -> dict:
    """Statistics of the stored integers, as they stand in the file."""
    known = {name.lower(): float(tags[f"STATISTICS_{name}"]) for name in ("MINIMUM", "MAXIMUM", "MEAN", "STDDEV")
             if f"STATISTICS_{name}" in tags}  # fmt: skip
    return {"statistics": known} if known else {}


def _classes(results: Results, variable: str) -> dict:
    styles = results.styles.classes.get(variable, ())
    classes = [
        {"value": style.value, "name": style.key, "title": style.zh, "description": style.en,
         "color_hint": style.color[1:].upper()}
        for style in styles
    ]  # fmt: skip
    return {"classification:classes": classes} if classes else {}
