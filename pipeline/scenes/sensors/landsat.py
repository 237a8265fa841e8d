"""Landsat 4-9 Collection 2 Level-2 (L2SP, L2SR), native resolution 30 m: folders with an MTL file, and STAC items.

Scale and offset come from the MTL (2.75e-5 and -0.2 for all of the collection: USGS, Landsat 8-9 Collection 2 Level 2
Science Product Guide). The gaps of ETM+ after 2003 (scan line corrector off) are fill in QA_PIXEL and 0 in the bands.
Open water is clear and marked: each ecosystem defines which share of water observations makes a pixel open water.
"""

import json
import re
from datetime import datetime
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

import pystac
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from pipeline.errors import SceneError
from pipeline.scenes.quality import BitRule, Bits
from pipeline.scenes.scene import Band, Check, Scene
from pipeline.scenes.sensors.metadata import local_file, number_or_none

PRODUCT = "Landsat C2 L2"
MTL_KINDS = ("json", "txt", "xml")
MTL_NAME = re.compile(rf"(L[COTEM]0[4-9]_.*)_MTL\.({'|'.join(MTL_KINDS)})")
BAND_NAME = re.compile(r"(L[COTEM]0[4-9]_.*)_SR_B\d\.TIF", re.IGNORECASE)

TM_BANDS = {"blue": 1, "green": 2, "red": 3, "nir": 4, "swir16": 5}
OLI_BANDS = {"blue": 2, "green": 3, "red": 4, "nir": 5, "swir16": 6}
SENSORS = {"TM": ("landsat-tm", TM_BANDS), "ETM": ("landsat-etm+", TM_BANDS), "OLI_TIRS": ("landsat-oli", OLI_BANDS),
           "OLI": ("landsat-oli", OLI_BANDS)}  # fmt: skip

PIXEL_QUALITY = BitRule(
    masked=(Bits(0), Bits(1), Bits(2), Bits(5), Bits(0, 16, (0,))),
    buffered=(Bits(3), Bits(4)),
    water=(Bits(7),),
    nodata=1,
    source="USGS Landsat Collection 2 QA_PIXEL: bit 0 fill, 1 dilated cloud, 2 cirrus, 3 cloud, 4 cloud shadow, "
    "5 snow, 7 water; 0 is no value of it",
)
DROPPED_PIXEL, TERRAIN_OCCLUSION = 9, 11


def saturation_rule(sensor: str, bands: dict[str, int]) -> BitRule:
    """QA_RADSAT: bit n - 1 says that band n is saturated; bit 9 is a dropped pixel of TM and ETM+, bit 11 ground
    that OLI cannot see for the relief."""
    lost = TERRAIN_OCCLUSION if sensor == "landsat-oli" else DROPPED_PIXEL
    saturated = tuple(Bits(number - 1, band=name) for name, number in bands.items())
    return BitRule((*saturated, Bits(lost)), source="USGS Landsat Collection 2 QA_RADSAT, bits of the used bands")


def scene_from_mtl(path: Path) -> Scene:
    """The scene of an MTL file (text, JSON or XML) and the files beside it.

    Raises SceneError for Collection 1, for Level-1, for an unknown instrument, unreadable metadata and missing files.
    """
    name = path.name.rpartition("_MTL")[0]
    try:
        groups = _read_mtl(path)
    except (OSError, ValueError, ParseError, DefusedXmlException, RecursionError) as error:
        raise SceneError(f"{path}: cannot be read ({error}); get the product again") from error
    contents, image = groups.get("PRODUCT_CONTENTS", {}), groups.get("IMAGE_ATTRIBUTES", {})
    collection = contents.get("COLLECTION_NUMBER", "01")
    _refuse_others(name, collection, contents.get("PROCESSING_LEVEL", "an unknown level"))
    sensor, bands = _sensor(name, str(image.get("SENSOR_ID")))
    scaling = groups.get("LEVEL2_SURFACE_REFLECTANCE_PARAMETERS", {})
    try:
        scales = {
            band: (float(scaling[f"REFLECTANCE_MULT_BAND_{n}"]), float(scaling[f"REFLECTANCE_ADD_BAND_{n}"]))
            for band, n in bands.items()
        }
        taken = datetime.fromisoformat(f"{image['DATE_ACQUIRED']}T{image['SCENE_CENTER_TIME'][:8]}+00:00")
        tile = f"{int(image['WRS_PATH']):03}{int(image['WRS_ROW']):03}"
    except (KeyError, ValueError) as error:
        raise SceneError(f"{path}: has no usable {error}; get the product again") from error
    found = {band: path.with_name(f"{name}_SR_B{number}.TIF") for band, number in bands.items()}
    found |= {layer: path.with_name(f"{name}_{layer}.TIF") for layer in ("QA_PIXEL", "QA_RADSAT")}
    files = {layer: file for layer, file in found.items() if file.is_file()}
    origin = f"MTL, collection {collection} {contents['PROCESSING_LEVEL']}"
    return _scene(
        name, sensor, bands, files, scales, taken=taken, origin=origin, platform=str(image.get("SPACECRAFT_ID")),
        tile=tile, cloud_percent=number_or_none(image.get("CLOUD_COVER")),
    )  # fmt: skip


def is_landsat(item: pystac.Item) -> bool:
    """Whether a STAC item is one of Landsat."""
    platform = item.properties.get("platform", item.properties.get("eo:platform", ""))
    return str(platform).lower().startswith("landsat")


def scene_from_landsat_item(item: pystac.Item, folder: Path) -> Scene:
    """The scene of a STAC item of Collection 2 Level-2 whose relative hrefs start from ``folder``. Scale and offset
    come from `raster:bands`, else from the collection's documentation. Raises SceneError as `scene_from_mtl`, and
    ValueError or TypeError for a scale that is no number."""
    about = item.properties
    level = about.get("landsat:correction", "L2SP" if "l2" in str(item.collection_id).lower() else "an unknown level")
    _refuse_others(item.id, str(about.get("landsat:collection_number", "01")), level)
    instruments = about.get("instruments") or [about.get("eo:instrument", "")]
    code = "OLI_TIRS" if "oli" in map(str.lower, instruments) else str(instruments[0]).upper().rstrip("+")
    sensor, bands = _sensor(item.id, code)
    files, scales = {}, {}
    for name in (*bands, "qa_pixel", "qa_radsat"):
        asset = item.assets.get("nir08" if name == "nir" else name) or item.assets.get(name)
        file = asset and local_file(asset.href, folder)
        if file:
            if name in bands:
                declared = (asset.extra_fields.get("raster:bands") or [{}])[0]
                scales[name] = float(declared.get("scale", 2.75e-5)), float(declared.get("offset", -0.2))
            files[name.upper() if name.startswith("qa") else name] = file
    if item.datetime is None:
        raise SceneError(f"scene {item.id} has no datetime; add it to the item")
    tile = f"{about.get('landsat:wrs_path', '')}{about.get('landsat:wrs_row', '')}"
    return _scene(
        item.id, sensor, bands, files, scales, taken=item.datetime, origin="STAC item",
        platform=str(about.get("platform", "")), tile=tile, cloud_percent=number_or_none(about.get("eo:cloud_cover")),
    )  # fmt: skip


def _scene(
    name: str, sensor: str, numbers: dict[str, int], files: dict[str, Path], scales: dict, platform: str, **about
) -> Scene:
    """The scene of these files; ``about`` are the other fields of `Scene`."""
    missing = [layer for layer in ("red", "nir", "QA_PIXEL", "QA_RADSAT") if layer not in files]
    if missing:
        raise SceneError(f"scene {name} lacks {', '.join(missing)}; get the complete product")
    return Scene(
        id=name,
        sensor=sensor,
        bands={
            band: Band(str(files[band]), scale=scales[band][0], offset=scales[band][1])
            for band in numbers
            if band in files
        },
        quality=Band(str(files["QA_PIXEL"]), nodata=1),
        rule=PIXEL_QUALITY,
        checks=(Check(Band(str(files["QA_RADSAT"])), saturation_rule(sensor, numbers)),),
        product=PRODUCT,
        platform=platform.lower().replace("_", "-"),
        **about,
    )


def _refuse_others(name: str, collection: str, level: str) -> None:
    if number_or_none(collection) != 2:
        raise SceneError(f"scene {name} is of Collection {collection}, not 2; get its Collection 2 Level-2 product")
    if level not in ("L2SP", "L2SR"):
        raise SceneError(f"scene {name} is {level}, not surface reflectance; get its Level-2 product (L2SP or L2SR)")


def _sensor(name: str, code: str) -> tuple[str, dict[str, int]]:
    if code not in SENSORS:
        raise SceneError(f"scene {name} is of the instrument {code}, not of {', '.join(SENSORS)}; leave it out")
    return SENSORS[code]


def _read_mtl(path: Path) -> dict[str, dict[str, str]]:
    """The values of an MTL file by group; a key may have other values in nested groups. Raises OSError, and ValueError
    for a file without groups."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".json":
        content = json.loads(text)
        roots = [root for root in content.values() if isinstance(root, dict)] if isinstance(content, dict) else []
        if not roots:
            raise ValueError("it holds no groups")
        return {
            group: {key: str(value) for key, value in entries.items()}
            for group, entries in roots[0].items()
            if isinstance(entries, dict)
        }
    if path.suffix == ".xml":
        root: Element = fromstring(text)
        return {group.tag: {entry.tag: entry.text or "" for entry in group} for group in root}
    groups: dict[str, dict[str, str]] = {}
    opened: list[str] = []
    for line in text.splitlines():
        key, equals, value = (part.strip() for part in line.partition("="))
        if key == "GROUP":
            opened.append(value)
        elif key == "END_GROUP":
            if not opened:
                raise ValueError(f"the group {value} ends without a beginning")
            opened.pop()
        elif equals and opened:
            groups.setdefault(opened[-1], {})[key] = value.strip('"')
    return groups
