"""The layers of the QGIS project: which there are, from top to bottom, and in which views they show."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple
from xml.etree.ElementTree import Element

from pipeline.mapping.cover_classes import OPEN_WATER
from pipeline.mapping.patches import MOSTLY_WATER
from pipeline.mapping.styles import PALE_ZH, WATER_ZH
from pipeline.outputs.geopackage import patches_style, zones_style
from pipeline.outputs.results import Results
from pipeline.outputs.styling.qml import from_pipe, option_map, vector_elements, veil_pipe
from pipeline.outputs.styling.raster_styles import variable_pipe
from pipeline.outputs.styling.vector_styles import NO_DATA, VectorStyle, boundary_style, ecosystem_style, ground_style
from pipeline.outputs.styling.xml import node
from pipeline.variables import VARIABLES
from pipeline.zones.vector_file import CGCS2000

FIRST = ("sink", "sink_class", "fvc", "cover_class", "carbon_stock", "agb")
ORDER = (*FIRST, *(name for name in VARIABLES if name not in FIRST))
"""Variables in order: those that readers ask for first, and last those that only serve as a check."""

SUMMARY, KINDS, PATCHES = "片区汇总", "片区类型", "管理图斑"
"""Layers of the whole city, and the views that show them."""


@dataclass(frozen=True)
class ProjectLayer:
    """A layer of the project: ``source`` relative to the project, ``drawing`` its style, ``themes`` the views in which
    it shows, ``group`` where it stands in the tree of layers."""

    id: str
    name: str
    source: str
    crs: str
    drawing: tuple[Element, ...]
    themes: tuple[str, ...]
    group: tuple[str, ...] = ()
    labelled: bool = False

    @property
    def provider(self) -> str:
        return "ogr" if "|layername=" in self.source else "gdal"

    def tree_entry(self, ticked: bool, settings: dict[str, object] | None = None) -> Element:
        """The layer in a tree of layers; ``settings`` say how a legend shows it."""
        entry = {
            "id": self.id,
            "name": self.name,
            "source": self.source,
            "providerKey": self.provider,
            "checked": "Qt::Checked" if ticked else "Qt::Unchecked",
            "expanded": 0,
        }
        return node("layer-tree-layer", entry, node("customproperties", {}, option_map(settings or {})))


def theme_name(variable: str, label: str) -> str:
    """Name of the view of a variable over some years, such as 遥感植被覆盖度 2023-2025."""
    return f"{VARIABLES[variable].long_name_zh} {label.replace('_', '→')}"


def project_layers(results: Results) -> list[ProjectLayer]:
    """Outlines, patches where there are some, the rasters of each zone by ecosystem, below them the zones as areas,
    which show ground without data. A zone without water has no raster of it, which does not count as missing data."""
    rasters = raster_layers(results)
    views = tuple(dict.fromkeys(theme for layer in rasters for theme in layer.themes))
    complete = tuple(view for view in views if not view.startswith(VARIABLES["water_occurrence"].long_name_zh))
    layers = [_vector_layer("zones_boundary", "片区边界", "zones", boundary_style(), (*views, PATCHES))]
    if any(len(table) for table in results.patches.values()):
        layers.append(_vector_layer("city_patches", PATCHES, "patches", patches_style(results), (PATCHES,)))
    return [
        *layers,
        *rasters,
        _vector_layer("zones_no_data", NO_DATA.label, "zones", ground_style(), complete),
        _vector_layer("zones_summary", SUMMARY, "zones", zones_style(results), (SUMMARY,)),
        _vector_layer("zones_ecosystem", KINDS, "zones", ecosystem_style(results.styles), (KINDS,)),
    ]


def raster_layers(results: Results) -> list[ProjectLayer]:
    """The rasters by ecosystem and zone, each in the view of its variable and years, below what is drawn over it."""
    layers = []
    for kind in results.ecosystems:
        zones = results.zones[results.zones["ecosystem"] == kind]
        for zone, name in zip(zones["id"], zones["name"], strict=True):
            rasters, group = results.rasters[zone], (results.styles.ecosystems[kind].zh, f"{zone} {name}")
            for variable, label in sorted(rasters, key=_rank):
                theme = theme_name(variable, label)
                layers += [
                    ProjectLayer(
                        id=f"raster_{zone}_{drawn.name}_{label}",
                        name=drawn.title,
                        source=f"./{path.relative_to(results.folder).as_posix()}",
                        crs=results.grid_crs,
                        drawing=(drawn.pipe,),
                        themes=(theme,),
                        group=group,
                    )
                    for drawn in _drawings(results, variable, theme)
                    if (path := rasters.get((drawn.raster, label)))
                ]
    return layers


class Drawing(NamedTuple):
    """A ``raster`` of a zone as a view draws it."""

    name: str
    title: str
    raster: str
    pipe: Element


def _drawings(results: Results, variable: str, theme: str) -> Iterator[Drawing]:
    """What a view of a variable draws, the uppermost first. If there are class rasters, a veil lies over a sink with
    errors, so that no change is shown in full colour unless it is distinguishable from zero. Over the cover of a zone
    lies its open water, whose cover is not low but absent."""
    if variable == "sink" and results.intervals:
        veil = veil_pipe(results.styles.class_of("sink_class", "unclear"))
        yield Drawing("veil", PALE_ZH, "sink_class", veil)
    if variable == "fvc":
        water = results.styles.class_of("cover_class", OPEN_WATER.key)
        yield Drawing("water", WATER_ZH, "water_occurrence", from_pipe(MOSTLY_WATER, water.zh, water.color))
    yield Drawing(variable, theme, variable, variable_pipe(results.styles, variable))


def _rank(raster: tuple[str, str]) -> tuple[int, int]:
    """By variable, the latest years first."""
    variable, label = raster
    return ORDER.index(variable), -int(label[-4:])


def _vector_layer(name: str, title: str, table: str, style: VectorStyle, themes: tuple[str, ...]) -> ProjectLayer:
    return ProjectLayer(
        id=name,
        name=title,
        source=f"./zones.gpkg|layername={table}",
        crs=CGCS2000,
        drawing=tuple(vector_elements(style)),
        themes=themes,
        labelled=style.label is not None,
    )
