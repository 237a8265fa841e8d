"""The QGIS project of a run, written without QGIS: a zip that holds one XML. Its paths are relative, so that the folder
of the results can be moved."""

import zipfile
from collections.abc import Iterable
from copy import deepcopy
from xml.etree.ElementTree import Element

import numpy as np
from pyproj import CRS

from pipeline.outputs.qgis.layers import KINDS, ProjectLayer, project_layers, theme_name
from pipeline.outputs.qgis.layout import MapView, atlas_layout
from pipeline.outputs.results import Results
from pipeline.outputs.styling.qml import HEAD, VERSION
from pipeline.outputs.styling.xml import document, node
from pipeline.outputs.swap import swapped

TIME = (1980, 1, 1, 0, 0, 0)
"""The time of the file within the zip, the earliest that a zip can hold: the same results give the same bytes."""


def write_project(results: Results) -> None:
    """Write ``<name>.qgz`` beside the results. Raises OutputError."""
    path = results.folder / f"{results.name}.qgz"
    entry, text = zipfile.ZipInfo(f"{results.name}.qgs", TIME), project_text(results)
    with swapped(path, "close it in QGIS or free disk space") as part, zipfile.ZipFile(part, "w") as file:
        file.writestr(entry, text, zipfile.ZIP_DEFLATED)


def project_text(results: Results) -> str:
    """The XML of the project. It opens on the first view of the atlas: the sink where there is one."""
    layers = project_layers(results)
    views = atlas_views(results, layers)
    extent = results.zones.to_crs(results.grid_crs).total_bounds
    root = node(
        "qgis",
        {"projectname": results.title or results.name, "version": VERSION},
        node("homePath", {"path": ""}),
        node("title", text=results.title or results.name),
        node("projectCrs", {}, spatial_reference(results.grid_crs)),
        _tree(layers, views[0].theme),
        _canvas(extent, results.grid_crs),
        node("projectlayers", {}, *(_map_layer(layer) for layer in layers)),
        node("layerorder", {}, *(node("layer", {"id": layer.id}) for layer in layers)),
        _properties(),
        _themes(layers),
        node("Layouts", {}, atlas_layout(results, views, layers[0], KINDS, extent)),
    )
    return document(root, HEAD)


def atlas_views(results: Results, layers: list[ProjectLayer]) -> list[MapView]:
    """The two maps of a sheet: the sink, or without one the carbon stock, and the vegetation cover of the present."""
    drawn = [layer for layer in layers if layer.provider == "gdal"]
    rasters = {layer.name: layer for layer in reversed(drawn)}
    remarks = {theme: layer.name for layer in drawn for theme in layer.themes if layer.name != theme}
    sink = ("sink", results.sink_label)
    if results.sink_label is None or theme_name(*sink) not in rasters:
        sink = ("carbon_stock", results.current.label)
    views = ((theme_name(*pair), results.styles.ramps[pair[0]]) for pair in (sink, ("fvc", results.current.label)))
    return [MapView(name, rasters[name], ramp, remarks.get(name, "")) for name, ramp in views]


def spatial_reference(crs: str) -> Element:
    """A CRS with its full WKT, as QGIS keeps it."""
    known = CRS.from_user_input(crs)
    authority, code = known.to_authority() or ("", "")
    return node(
        "spatialrefsys",
        {},
        node("wkt", text=known.to_wkt("WKT2_2019")),
        node("srid", text=code),
        node("authid", text=f"{authority}:{code}" if authority else ""),
        node("description", text=known.name),
        node("geographicflag", text=str(known.is_geographic).lower()),
    )


def _map_layer(layer: ProjectLayer) -> Element:
    """A layer as the project holds it; the style stands in it, also where the file has one beside it."""
    vector = {"geometry": "Polygon", "wkbType": "MultiPolygon", "labelsEnabled": int(layer.labelled)}
    kind = {"type": "raster"} if layer.provider == "gdal" else {"type": "vector"} | vector
    provider = {} if layer.provider == "gdal" else {"encoding": "UTF-8"}
    default = node("map-layer-style-manager", {"current": "default"}, node("map-layer-style", {"name": "default"}))
    return node(
        "maplayer",
        kind | {"styleCategories": "AllStyleCategories"},
        node("id", text=layer.id),
        node("datasource", text=layer.source),
        node("layername", text=layer.name),
        node("srs", {}, spatial_reference(layer.crs)),
        node("provider", provider, text=layer.provider),
        default,
        *deepcopy(layer.drawing),
    )


def _tree(layers: list[ProjectLayer], shown: str) -> Element:
    """The tree of layers; those of the view ``shown`` are ticked."""
    root = node("layer-tree-group", {}, node("customproperties"))
    groups: dict[tuple[str, ...], Element] = {(): root}
    for layer in layers:
        for depth in range(1, len(layer.group) + 1):
            place = layer.group[:depth]
            if place not in groups:
                names = {"name": place[-1], "checked": "Qt::Checked", "expanded": int(depth == 1)}
                groups[place] = node("layer-tree-group", names, node("customproperties"))
                groups[place[:-1]].append(groups[place])
        groups[layer.group].append(layer.tree_entry(shown in layer.themes))
    return root


def _canvas(extent: np.ndarray, crs: str) -> Element:
    return node(
        "mapcanvas",
        {"name": "theMapCanvas", "annotationsVisible": 1},
        node("units", text="meters"),
        node("extent", {}, *(node(name, text=f"{value:.3f}") for name, value in _with_margin(extent).items())),
        node("rotation", text="0"),
        node("destinationsrs", {}, spatial_reference(crs)),
    )


def _with_margin(extent: Iterable[float]) -> dict[str, float]:
    """The extent with 5 % around it."""
    left, bottom, right, top = extent
    x, y = 0.05 * (right - left), 0.05 * (top - bottom)
    return {"xmin": left - x, "ymin": bottom - y, "xmax": right + x, "ymax": top + y}


def _properties() -> Element:
    return node(
        "properties",
        {},
        node("Paths", {}, node("Absolute", {"type": "bool"}, text="false")),
        node("SpatialRefSys", {}, node("ProjectionsEnabled", {"type": "int"}, text="1")),
        # so that $area is that of the tables, on the ellipsoid of CGCS2000
        node("Measure", {}, node("Ellipsoid", {"type": "QString"}, text="EPSG:1024")),
        node(
            "Measurement",
            {},
            node("DistanceUnits", {"type": "QString"}, text="meters"),
            node("AreaUnits", {"type": "QString"}, text="ha"),
        ),
    )


def _themes(layers: list[ProjectLayer]) -> Element:
    """A view per variable and years, and one for each layer of the whole city."""
    names = dict.fromkeys(theme for layer in layers if layer.id != "zones_boundary" for theme in layer.themes)
    return node(
        "visibility-presets",
        {},
        *(
            node(
                "visibility-preset",
                {"name": name},
                *(
                    node("layer", {"id": layer.id, "visible": 1, "style": "default", "expanded": 0})
                    for layer in layers
                    if name in layer.themes
                ),
            )
            for name in names
        ),
    )
