"""Sentinel-2 L2A: STAC items (COG or JP2 copies) and .SAFE folders."""

from datetime import datetime
from pathlib import Path
from urllib.parse import unquote, urlparse
from xml.etree.ElementTree import Element, ParseError

import pystac
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import parse

from pipeline.errors import SceneError
from pipeline.scene import Band, QualityRule, Scene

COMMON_NAMES = {"B02": "blue", "B03": "green", "B04": "red", "B08": "nir", "B11": "swir16"}
NATIVE_RESOLUTION = {"B02": "10m", "B03": "10m", "B04": "10m", "B08": "10m", "B11": "20m", "SCL": "20m"}
BAND_IDS = {"B02": "1", "B03": "2", "B04": "3", "B08": "7", "B11": "11"}
"""``band_id`` of BOA_ADD_OFFSET in MTD_MSIL2A.xml (B8A is 8)."""

OFFSET_BASELINE = 4.0
"""Processing baseline from which on the product carries BOA_ADD_OFFSET."""

SCENE_CLASSIFICATION = QualityRule(
    clear=frozenset({4, 5}),
    water=frozenset({6}),
    buffered=frozenset({3, 8, 9}),
    nodata=0,
    source="Sentinel-2 L2A scene classification: 4 vegetation, 5 not vegetated, 6 water; 3 shadow, 8-9 cloud",
)


def scene_from_item(item: pystac.Item, folder: Path) -> Scene:
    """The scene of a STAC item whose relative hrefs start from ``folder``.

    Scale and offset come from the item: `raster:bands` declares them, `earthsearch:boa_offset_applied`
    says whether the copy has them applied already. Raises SceneError where they stay unknown, for
    level 1C, and where red, nir or SCL is not on disk.
    """
    if item.properties.get("s2:product_type", "S2MSI2A") != "S2MSI2A" or "l1c" in (item.collection_id or "").lower():
        raise SceneError(f"scene {item.id} is level 1C, not surface reflectance; get its L2A product")
    bands = {}
    for code, name in COMMON_NAMES.items():
        asset = item.assets.get(name) or item.assets.get(code)
        path = asset and _local(asset.href, folder)
        if path and path.is_file():
            scale, offset = _scale_offset(item, asset)
            bands[name] = Band(str(path), scale=scale, offset=offset)
    asset = item.assets.get("scl") or item.assets.get("SCL")
    scl = asset and _local(asset.href, folder)
    _require(item.id, bands, scl is not None and scl.is_file())
    if item.datetime is None:
        raise SceneError(f"scene {item.id} has no datetime; add it to the item")
    return Scene(
        id=item.id,
        sensor="sentinel-2",
        taken=item.datetime,
        bands=bands,
        quality=Band(str(scl)),
        rule=SCENE_CLASSIFICATION,
        origin=_origin(item),
    )


def scene_from_safe(folder: Path) -> Scene:
    """The scene of a .SAFE folder; scale and offset from its MTD_MSIL2A.xml, never from the date.

    Raises SceneError for level 1C, unreadable metadata and missing bands.
    """
    metadata = folder / "MTD_MSIL2A.xml"
    if not metadata.is_file():
        level = (
            "level 1C, not surface reflectance" if (folder / "MTD_MSIL1C.xml").is_file() else "without MTD_MSIL2A.xml"
        )
        raise SceneError(f"{folder.name} is {level}; get its complete L2A product")
    try:
        root = parse(metadata).getroot()
        quantification = float(_text(root, "BOA_QUANTIFICATION_VALUE"))
        offsets = {e.get("band_id"): float(e.text) for e in root.iter("BOA_ADD_OFFSET")}
        baseline = _text(root, "PROCESSING_BASELINE")
        carries_offset = float(baseline) >= OFFSET_BASELINE
        taken = datetime.fromisoformat(_text(root, "PRODUCT_START_TIME").replace("Z", "+00:00"))
    except (OSError, ParseError, DefusedXmlException, ValueError, TypeError) as error:
        raise SceneError(f"{metadata}: cannot be read ({error}); get the product again") from error
    missing = [code for code in COMMON_NAMES if BAND_IDS[code] not in offsets]
    if carries_offset and missing:
        raise SceneError(
            f"{folder.name} has baseline {baseline} but no BOA_ADD_OFFSET of {', '.join(missing)}; "
            "get its metadata again"
        )
    images = {code: next(folder.glob(f"GRANULE/*/IMG_DATA/R{res}/*_{code}_{res}.jp2"), None)
              for code, res in NATIVE_RESOLUTION.items()}  # fmt: skip
    bands = {
        name: Band(str(images[code]), scale=1 / quantification, offset=offsets.get(BAND_IDS[code], 0) / quantification)
        for code, name in COMMON_NAMES.items()
        if images[code]
    }
    _require(folder.name, bands, images["SCL"] is not None)
    return Scene(
        id=folder.name.removesuffix(".SAFE"),
        sensor="sentinel-2",
        taken=taken,
        bands=bands,
        quality=Band(str(images["SCL"])),
        rule=SCENE_CLASSIFICATION,
        origin=f"MTD_MSIL2A.xml baseline {baseline}",
    )


def _scale_offset(item: pystac.Item, asset: pystac.Asset) -> tuple[float, float]:
    """(scale, offset) that turn the stored values of this copy into reflectance."""
    applied = item.properties.get("earthsearch:boa_offset_applied")
    declared = (asset.extra_fields.get("raster:bands") or [asset.extra_fields])[0]
    scale = declared.get("scale", declared.get("raster:scale"))
    offset = declared.get("offset", declared.get("raster:offset"))
    baseline = _baseline(item.properties.get("s2:processing_baseline", item.properties.get("processing:version")))
    if applied is True or (offset is None and baseline is not None and baseline < OFFSET_BASELINE):
        return scale or 1e-4, 0.0
    if applied is False and offset == 0 and baseline is not None and baseline >= OFFSET_BASELINE:
        raise SceneError(f"scene {item.id} says that its offset is not applied and also that it is 0; correct the item")
    if offset is None:
        raise SceneError(
            f"scene {item.id}: nothing says whether the offset of -1000 is still in its pixels; "
            "give raster:bands offset or earthsearch:boa_offset_applied in the item"
        )
    return scale or 1e-4, offset


def _baseline(text: object) -> float | None:
    """The processing baseline as a number, None where it is none."""
    try:
        return float(str(text))
    except ValueError:
        return None


def _origin(item: pystac.Item) -> str:
    applied = item.properties.get("earthsearch:boa_offset_applied")
    baseline = item.properties.get("s2:processing_baseline", "unknown")
    return f"STAC item, baseline {baseline}, boa_offset_applied {applied}"


def _local(href: str, folder: Path) -> Path | None:
    """The file behind an href, None for a remote one: pixels come from disk."""
    parts = urlparse(href)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    return None if len(parts.scheme) > 1 else folder / href


def _require(scene: str, bands: dict, has_quality: bool) -> None:
    missing = [name for name in ("red", "nir") if name not in bands] + ([] if has_quality else ["SCL"])
    if missing:
        raise SceneError(f"scene {scene} lacks {', '.join(missing)}; download these files beside the item or metadata")


def _text(root: Element, tag: str) -> str:
    found = root.find(f".//{tag}")
    if found is None or not found.text:
        raise ValueError(f"no {tag}")
    return found.text
