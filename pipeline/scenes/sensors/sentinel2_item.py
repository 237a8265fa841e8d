"""Sentinel-2 L2A as STAC items, with COG or JP2 files: Earth Search, Copernicus Data Space, Planetary Computer.

Catalogues differ in their names of bands, and in how they say whether the offset of baseline 04.00 and later is still
in the pixels: what an item leaves open is decided by the metadata of the product, never by the date.
"""

import re
from pathlib import Path

import pystac

from pipeline.errors import SceneError
from pipeline.scenes.scene import Band, Scene
from pipeline.scenes.sensors.metadata import local_file, number_or_none
from pipeline.scenes.sensors.sentinel2 import (
    COMMON_NAMES,
    NATIVE_RESOLUTION,
    OFFSET_BASELINE,
    PRODUCT,
    SCENE_CLASSIFICATION,
    SENSOR,
    ProductMetadata,
    require,
)

OFFSET_APPLIED = ("earthsearch:boa_offset_applied", "sentinel:boa_offset_applied")
"""Properties of an item that say whether the offset is already applied to its pixels."""

BASELINE = ("s2:processing_baseline", "sentinel:processing_baseline", "processing:version")
"""Properties for the processing baseline in an item, of Earth Search v1 and v0 and of the STAC extension."""

PRODUCT_METADATA = ("product_metadata", "product-metadata")
"""Names of MTD_MSIL2A.xml among the assets of items."""


def scene_from_item(item: pystac.Item, folder: Path) -> Scene:
    """The scene of a STAC item whose relative hrefs start from ``folder``.

    Scale and offset come from the item: `raster:bands`, or `raster:scale` and `raster:offset`, declare them,
    `earthsearch:boa_offset_applied` says whether the copy has them applied already. What it leaves open the product's
    MTD_MSIL2A.xml decides, where that is on disk, too. Raises SceneError where they stay unknown, for level 1C, and
    where red, nir or SCL is not on disk.
    """
    about = item.properties
    kind = about.get("s2:product_type", about.get("product:type", "S2MSI2A"))
    if kind != "S2MSI2A" or "l1c" in (item.collection_id or "").lower():
        raise SceneError(f"scene {item.id} is level 1C, not surface reflectance; get its L2A product")
    files = {}
    for code, name in {**COMMON_NAMES, "SCL": "scl"}.items():
        key = next((key for key in (name, code, f"{code}_{NATIVE_RESOLUTION[code]}") if key in item.assets), None)
        if key and (path := local_file(item.assets[key].href, folder)):
            files[code] = item.assets[key], str(path)
    scl = files.pop("SCL", None)
    scales, origin = _scales(item, {code: asset for code, (asset, _) in files.items()}, folder)
    bands = {COMMON_NAMES[code]: Band(path, scale=scales[code][0], offset=scales[code][1])
             for code, (_, path) in files.items()}  # fmt: skip
    if len(set(scales.values())) > 1:
        raise SceneError(f"scene {item.id} declares several scales or offsets for its bands; correct the item")
    require(item.id, bands, scl is not None)
    if item.datetime is None:
        raise SceneError(f"scene {item.id} has no datetime; add it to the item")
    return Scene(
        id=_product(item),
        sensor=SENSOR,
        taken=item.datetime,
        bands=bands,
        quality=Band(scl[1]),
        rule=SCENE_CLASSIFICATION,
        origin=origin,
        product=PRODUCT,
        platform=str(about.get("platform", "")).lower(),
        tile=str(about.get("grid:code", about.get("s2:mgrs_tile", ""))).removeprefix("MGRS-"),
        cloud_percent=number_or_none(about.get("eo:cloud_cover")),
    )


def _product(item: pystac.Item) -> str:
    """The item's id; if only the baseline of the product's name is missing in it, the baseline is put in, so that
    `processings` can distinguish two processings of one acquisition."""
    product = str(item.properties.get("s2:product_uri")).removesuffix(".SAFE")
    return product if re.sub(r"_N\d{4}_", "_", product) == item.id else item.id


def _scales(
    item: pystac.Item, assets: dict[str, pystac.Asset], folder: Path
) -> tuple[dict[str, tuple[float, float]], str]:
    """(scale, offset) of each band that turn the stored values of this copy into reflectance, and where they are
    from."""
    told = {code: _scale_offset(item, asset) for code, asset in assets.items()}
    unknown = next((why for why in told.values() if isinstance(why, str)), None)
    if not unknown:
        applied, offsets = _offset_applied(item), ", ".join(sorted({f"{offset:g}" for _, offset in told.values()}))
        how = f"offset {offsets}" if applied is None else f"boa_offset_applied {applied}"
        return told, f"STAC item, baseline {_baseline(item)}, {how}"
    hrefs = (item.assets[key].href for key in PRODUCT_METADATA if key in item.assets)
    place = next(filter(None, (local_file(href, folder) for href in hrefs)), None)
    if not place:
        raise SceneError(unknown)
    metadata = ProductMetadata(Band(str(place)), place)
    if number_or_none(_baseline(item)) not in (None, float(metadata.baseline)):
        raise SceneError(
            f"scene {item.id} has baseline {_baseline(item)}, but its metadata {place.name} has {metadata.baseline}; "
            "get the metadata of this product"
        )
    return metadata.scales(f"scene {item.id}", list(assets)), metadata.origin


def _scale_offset(item: pystac.Item, asset: pystac.Asset) -> tuple[float, float] | str:
    """(scale, offset) of a band as the item tells them, or why it does not. Raises SceneError."""
    applied = _offset_applied(item)
    fields = asset.extra_fields
    # STAC 1.1 has them in the asset or in its one band
    declared = fields | (fields.get("raster:bands") or fields.get("bands") or [{}])[0]
    try:
        scale, offset = (
            None if (number := declared.get(name, declared.get(f"raster:{name}"))) is None else float(number)
            for name in ("scale", "offset")
        )
    except (TypeError, ValueError) as error:
        raise SceneError(f"scene {item.id}: its scale or offset is no number ({error}); correct the item") from error
    baseline = number_or_none(_baseline(item))
    older = baseline is not None and baseline < OFFSET_BASELINE
    if applied is True or (offset is None and older):
        return scale or 1e-4, 0.0
    if offset == 0 and baseline is not None and not older:
        raise SceneError(
            f"scene {item.id} declares the offset 0, but its baseline has one, and earthsearch:boa_offset_applied is "
            "not true; correct the item"
        )
    if offset and older:  # some catalogues write one offset into all of their items
        return (
            f"scene {item.id} declares the offset {offset:g}, but its baseline {_baseline(item)} has none; download "
            "its MTD_MSIL2A.xml (asset product_metadata), too, which decides, or correct the item"
        )
    if offset is None:
        return (
            f"scene {item.id}: nothing says whether the offset of -1000 is still in its pixels; download its "
            "MTD_MSIL2A.xml (asset product_metadata), too, or give raster:bands offset or "
            "earthsearch:boa_offset_applied in the item"
        )
    return scale or 1e-4, offset


def _offset_applied(item: pystac.Item) -> bool | None:
    """Whether the offset is already applied to the pixels; None if the item does not say. Raises SceneError."""
    told = [item.properties[name] for name in OFFSET_APPLIED if item.properties.get(name) is not None]
    if not all(isinstance(value, bool) for value in told) or len(set(told)) > 1:
        raise SceneError(f"scene {item.id}: {OFFSET_APPLIED[0]} is neither true nor false; correct the item")
    return told[0] if told else None


def _baseline(item: pystac.Item) -> object:
    """The processing baseline that the item states; some state it only in the name of their product."""
    named = re.search(r"_N(\d\d)(\d\d)_", f"{item.properties.get('sentinel:product_id')} {item.id}")
    told = (item.properties[name] for name in BASELINE if name in item.properties)
    return next(told, f"{named[1]}.{named[2]}" if named else "unknown")
