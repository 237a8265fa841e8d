"""MODIS and VIIRS vegetation indices: MOD13Q1/A1, MYD13Q1/A1 (250 m, 500 m) and VNP13A1 (500 m), 16-day composites.

As delivered (HDF4, HDF5) or as GeoTIFFs of the usual services. They hold NDVI itself and no reflectance, so no other
index can be computed. The scene's day is the middle of its 16 days. Masks after the pixel reliability: MODIS 0 good is
clear, 1 marginal only with a VI usefulness of at most 3, 2 snow, 3 cloud, -1 fill (Didan, MOD13 C6.1 user guide). VIIRS
ranks its pixels finer: 0-1 clear, 2-3 with that usefulness, the rest not (VNP13 user guide, unverified). Neither
distinguishes open water from land.
"""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import rasterio
from rasterio.errors import RasterioIOError

from pipeline.errors import SceneError
from pipeline.scenes import hdfeos
from pipeline.scenes.quality import BitRule, Bits, QualityRule
from pipeline.scenes.scene import INDEX, Band, Check, Scene, index_bands
from pipeline.scenes.sensors.metadata import multiplier, scale_of_tif

NAME = re.compile(r"(M[OY]D13[AQ]1|V(?:NP|J1)13A1)(?![A-Za-z0-9]).*", re.IGNORECASE)
DAY = re.compile(r"(?:A|doy)(\d{4})(\d{3})(?:\d{6})?(?!\d)|(\d{4})[_-]?(\d\d)[_-]?(\d\d)(?!\d)")
"""The first day of the composite; AppEEARS writes a time of day behind it."""
TILE = re.compile(r"h\d\dv\d\d")
PLATFORMS = {"MOD": "terra", "MYD": "aqua", "VNP": "suomi-npp", "VJ1": "noaa-20"}
LAYERS = {
    "ndvi": r"NDVI",
    "reliability": r"pixel[ _]reliability|SummaryQA|PR",
    "quality": r"VI[ _]Quality|DetailedQA|VIQ",
}
LAYER_IN_NAME = re.compile(
    rf"(?<![A-Za-z])(?:{'|'.join(f'(?P<{name}>{words})' for name, words in LAYERS.items())})(?:_B\d\d)?(?![A-Za-z])",
    re.IGNORECASE,
)
DOCUMENTED_SCALE = 1e-4
HALF_PERIOD = timedelta(days=8, hours=5)
"""To noon in Baotou, at the middle of the composite's days."""

FILL = {"M": -3000, "V": -15000}
OUTSIDE = 127
"""Value for "not covered" in pixel reliability: it is not one of the ranks, and fits into any 8-bit layer. Its own fill
is -1, or 255 where that became unsigned."""

RELIABILITY = {
    "M": QualityRule(frozenset({0}), frozenset(), frozenset(), OUTSIDE, "MOD13 pixel reliability",
                     doubtful=frozenset({1})),
    "V": QualityRule(frozenset({0, 1}), frozenset(), frozenset(), OUTSIDE, "VNP13 pixel reliability",
                     doubtful=frozenset({2, 3})),
}  # fmt: skip
USELESS = (Bits(2, 4, tuple(range(4, 16))),)
USEFULNESS = {
    "M": BitRule(USELESS, nodata=0, source="VI quality, bits 2-5: usefulness at most 3; bits 11-13 of land are not 0, "
                 "and Earth Engine writes 0 into all layers of a masked pixel"),
    "V": BitRule(USELESS, source="VI quality, bits 2-5: VI usefulness at most 3"),
}  # fmt: skip


def scene_from_hdf(path: Path) -> Scene:
    """The scene of an HDF4 or HDF5 file. Raises SceneError for an unreadable or incomplete one."""
    try:
        found = hdfeos.layers(str(path))
        hdfeos.grid_of(str(path))
        layers = {match.lastgroup: name for name in found if (match := LAYER_IN_NAME.search(name))}
    except hdfeos.UNREADABLE as error:
        raise SceneError(f"{path}: cannot be read ({error}); get the product again") from error
    _require(path.name, layers)
    declared = found[layers["ndvi"]].get("scale_factor")
    scale = multiplier(path.name, declared)
    bands = {name: Band(str(path), member=member) for name, member in layers.items()}
    return _scene(path.stem, path.name, bands, scale, f"scale_factor {declared} of the file")


def scene_from_tifs(ndvi: Path, granules: dict[str, dict[str, str]]) -> Scene:
    """The scene of the GeoTIFF of NDVI and those of pixel reliability and VI quality beside it, which ``granules`` of
    its folder names, or of one GeoTIFF whose bands are named NDVI, SummaryQA and DetailedQA. Raises SceneError."""
    if _layer(ndvi):
        bands = {layer: Band(str(ndvi.with_name(name))) for layer, name in granules[_granule(ndvi)].items()}
    else:
        bands = _named_bands(ndvi)
    _require(ndvi.name, bands)
    scale, origin = scale_of_tif(ndvi.name, bands["ndvi"].path, bands["ndvi"].index, DOCUMENTED_SCALE)
    return _scene(_granule(ndvi) or ndvi.stem, ndvi.name, bands, scale, origin)


def is_main_tif(path: Path) -> bool:
    """Whether a GeoTIFF stands for a scene: that of NDVI, or one with all layers; not those that go with them. Raises
    SceneError for one that has to be opened for it and does not open."""
    layer = _layer(path)
    return layer == "ndvi" or (layer is None and "ndvi" in _named_bands(path))


def granules_of(names: list[str]) -> dict[str, dict[str, str]]:
    """The GeoTIFFs of a layer each among ``names``, by granule and layer."""
    granules: dict[str, dict[str, str]] = {}
    for name in names:
        if NAME.match(name) and (granule := _granule(Path(name))):
            granules.setdefault(granule, {})[_layer(Path(name))] = name
    return granules


def without_ndvi(granules: dict[str, dict[str, str]]) -> list[str]:
    """One of the GeoTIFFs of each granule that has other layers and no NDVI."""
    return [next(iter(layers.values())) for layers in granules.values() if "ndvi" not in layers]


def _layer(path: Path) -> str | None:
    """The layer that a file's name says it holds."""
    match = LAYER_IN_NAME.search(path.stem)
    return match and match.lastgroup


def _granule(path: Path) -> str | None:
    """The name without its layer, None for a file that is no such layer."""
    if path.suffix.lower() not in (".tif", ".tiff") or not _layer(path):
        return None
    return LAYER_IN_NAME.sub("", path.stem).strip("_").replace("__", "_")


def _named_bands(path: Path) -> dict[str, Band]:
    try:
        with rasterio.open(path, driver="GTiff") as file:  # no description of an image elsewhere
            names = list(file.descriptions)
    except RasterioIOError as error:
        raise SceneError(f"{path}: cannot be read ({error}); get the product again") from error
    return {
        match.lastgroup: Band(str(path), index)
        for index, name in enumerate(names, 1)
        if name and (match := LAYER_IN_NAME.search(name))
    }


def _require(name: str, layers: dict) -> None:
    if missing := [layer for layer in LAYERS if layer not in layers]:
        words = {"ndvi": "NDVI", "reliability": "pixel reliability", "quality": "VI quality"}
        raise SceneError(f"{name} lacks {', '.join(words[layer] for layer in missing)}; get these layers with it")


def _scene(scene: str, name: str, layers: dict[str, Band], scale: float, origin: str) -> Scene:
    product = NAME.match(name)[1].upper()
    family, tile = product[0], TILE.search(name)
    ndvi, reliability, quality = (layers[layer] for layer in LAYERS)
    fill = FILL[family] if scale != 1 else float("nan")
    return Scene(
        id=scene,
        sensor="viirs-vi" if family == "V" else "modis-vi",
        taken=_begin(name) + HALF_PERIOD,
        bands=index_bands(Band(ndvi.path, ndvi.index, scale, nodata=fill, member=ndvi.member)),
        quality=Band(reliability.path, reliability.index, nodata=OUTSIDE, member=reliability.member),
        rule=RELIABILITY[family],
        origin=origin,
        checks=(Check(Band(quality.path, quality.index, member=quality.member), USEFULNESS[family], True),),
        level=INDEX,
        product=product,
        platform=PLATFORMS[product[:3]],
        tile=tile[0] if tile else "",
    )


def _begin(name: str) -> datetime:
    """The first day of a composite, from its file name. Raises SceneError."""
    found = DAY.search(name[NAME.match(name).end(1) :])
    try:
        year, day_of_year, calendar_year, month, day = (int(part or 0) for part in found.groups())
        if year:
            return datetime(year, 1, 1, tzinfo=UTC) + timedelta(days=day_of_year - 1)
        return datetime(calendar_year, month, day, tzinfo=UTC)
    except (AttributeError, ValueError):
        raise SceneError(f"{name} has no date like A2020153 or 2020-06-01 in its name; name it as delivered") from None
