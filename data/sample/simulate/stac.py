"""STAC items, collection and catalogue of the scenes, laid out as Earth Search lays out Sentinel-2 L2A."""

import json
from pathlib import Path

import numpy as np
from rasterio.warp import transform_bounds, transform_geom
from shapely.geometry import box, mapping

from .landscape import GRID_CRS, PIXEL_M
from .scenes import ACQUISITIONS, FILES, NOTICE, QUANTIFICATION, TILES, Acquisition, Tile, item_id
from .sky import CLOUD_DEPTH

COLLECTION = "sentinel-2-l2a"
TITLE = "Sentinel-2 Level 2A (simulated)"
DESCRIPTION = f"{NOTICE}. A made-up landscape on 500 m pixels, laid out like Sentinel-2 L2A on Earth Search. 模拟数据。"
LICENCE = "CC0-1.0"
CREATED = "2025-12-31T00:00:00Z"
OVERPASS_UTC = "03:38:00"
EPSG = int(GRID_CRS.removeprefix("EPSG:"))
GEOTIFF = "image/tiff; application=geotiff"
EXTENSIONS = [
    "https://stac-extensions.github.io/raster/v1.1.0/schema.json",
    "https://stac-extensions.github.io/projection/v1.1.0/schema.json",
    "https://stac-extensions.github.io/eo/v1.1.0/schema.json",
]
# Asset key and common name: title, centre wavelength and full width at half maximum [um]
BAND_DESCRIPTIONS = {
    "blue": ("Blue (band 2)", 0.490, 0.098),
    "green": ("Green (band 3)", 0.560, 0.045),
    "red": ("Red (band 4)", 0.665, 0.038),
    "nir": ("NIR 1 (band 8)", 0.842, 0.145),
    "swir16": ("SWIR 1 (band 11)", 1.610, 0.143),
}
CLASS_PERCENTAGES = {
    "s2:cloud_shadow_percentage": 3,
    "s2:vegetation_percentage": 4,
    "s2:not_vegetated_percentage": 5,
    "s2:water_percentage": 6,
    "s2:medium_proba_clouds_percentage": 8,
    "s2:high_proba_clouds_percentage": 9,
    "s2:thin_cirrus_percentage": 10,
    "s2:snow_ice_percentage": 11,
}


def tile_bounds(tile: Tile) -> tuple[float, float, float, float]:
    """West, south, east, north in the grid's CRS."""
    west, north = tile.transform.c, tile.transform.f
    return west, north - tile.shape[0] * PIXEL_M, west + tile.shape[1] * PIXEL_M, north


def datetime_of(acquisition: Acquisition) -> str:
    """Time of the overpass; both tiles of a date share it."""
    return f"{acquisition.date}T{OVERPASS_UTC}Z"


def grid_fields(tile: Tile) -> dict:
    """What the projection extension says of an asset, true for its file."""
    return {"gsd": PIXEL_M, "proj:shape": list(tile.shape), "proj:transform": list(tile.transform)[:6]}


def band_asset(name: str, acquisition: Acquisition, tile: Tile) -> dict:
    """Asset of one reflectance band, with the scale and offset the product declares."""
    title, centre, width = BAND_DESCRIPTIONS[name]
    band = {
        "name": name,
        "common_name": name,
        "description": title,
        "center_wavelength": centre,
        "full_width_half_max": width,
    }
    storage = {
        "nodata": 0,
        "data_type": "uint16",
        "bits_per_sample": 15,
        "spatial_resolution": PIXEL_M,
        "scale": 1 / QUANTIFICATION,
        "offset": acquisition.delivery.declared_offset,
    }
    return {
        "href": f"./{FILES[name]}.tif",
        "type": GEOTIFF,
        "title": f"{title} - simulated, {PIXEL_M}m",
        "eo:bands": [band],
        **grid_fields(tile),
        "raster:bands": [storage],
        "roles": ["data", "reflectance"],
    }


def classification_asset(tile: Tile) -> dict:
    """Asset of the scene classification."""
    return {
        "href": "./SCL.tif",
        "type": GEOTIFF,
        "title": f"Scene classification map (SCL) - simulated, {PIXEL_M}m",
        **grid_fields(tile),
        "raster:bands": [{"nodata": 0, "data_type": "uint8", "spatial_resolution": PIXEL_M}],
        "roles": ["data"],
    }


def percentage(pixels: np.ndarray) -> float:
    """Share of true pixels [%]."""
    return round(100 * float(np.mean(pixels)), 4)


def class_percentages(classes: np.ndarray) -> dict:
    """Pixels without data, and among the others clouds and the scene classes [%]."""
    seen = classes[classes > 0]
    return {
        "eo:cloud_cover": percentage(np.isin(seen, list(CLOUD_DEPTH))),
        "s2:nodata_pixel_percentage": percentage(classes == 0),
        **{name: percentage(seen == code) for name, code in CLASS_PERCENTAGES.items()},
    }


def item(acquisition: Acquisition, tile: Tile, classes: np.ndarray) -> dict:
    """STAC item of one tile on one date."""
    bounds = tile_bounds(tile)
    properties = {
        "datetime": datetime_of(acquisition),
        "created": CREATED,
        "updated": CREATED,
        "title": f"{TITLE}, {tile.code}, {acquisition.date}",
        "platform": f"sentinel-{acquisition.satellite.lower()}",
        "constellation": "sentinel-2",
        "instruments": ["msi"],
        "proj:epsg": EPSG,
        "s2:product_type": "S2MSI2A",
        "s2:processing_baseline": acquisition.delivery.baseline,
        "s2:sequence": "0",
        "earthsearch:boa_offset_applied": acquisition.delivery.boa_offset_applied,
        "sinkmap:simulated": True,
        **class_percentages(classes),
    }
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": EXTENSIONS,
        "id": item_id(acquisition, tile),
        "properties": properties,
        "geometry": transform_geom(GRID_CRS, "EPSG:4326", mapping(box(*bounds)), precision=6),
        "bbox": [round(value, 6) for value in transform_bounds(GRID_CRS, "EPSG:4326", *bounds)],
        "links": [
            {"rel": "root", "href": "../../catalog.json", "type": "application/json"},
            {"rel": "parent", "href": "../collection.json", "type": "application/json"},
            {"rel": "collection", "href": "../collection.json", "type": "application/json", "title": TITLE},
        ],
        "assets": {**{name: band_asset(name, acquisition, tile) for name in FILES}, "scl": classification_asset(tile)},
        "collection": COLLECTION,
    }


def collection(items: list[dict]) -> dict:
    """STAC collection of the items."""
    west, south, east, north = zip(*(i["bbox"] for i in items), strict=True)
    times = sorted(i["properties"]["datetime"] for i in items)
    return {
        "type": "Collection",
        "id": COLLECTION,
        "stac_version": "1.0.0",
        "title": TITLE,
        "description": DESCRIPTION,
        "license": LICENCE,
        "keywords": ["simulated", "sinkmap", "sentinel-2", "模拟"],
        "extent": {
            "spatial": {"bbox": [[min(west), min(south), max(east), max(north)]]},
            "temporal": {"interval": [[times[0], times[-1]]]},
        },
        "summaries": {
            "platform": sorted({i["properties"]["platform"] for i in items}),
            "constellation": ["sentinel-2"],
            "instruments": ["msi"],
            "gsd": [PIXEL_M],
            "sinkmap:simulated": [True],
        },
        "links": [
            {"rel": "root", "href": "../catalog.json", "type": "application/json"},
            {"rel": "parent", "href": "../catalog.json", "type": "application/json"},
            *({"rel": "item", "href": f"./{i['id']}/{i['id']}.json", "type": "application/json"} for i in items),
        ],
    }


def catalog() -> dict:
    """STAC catalogue with the one collection."""
    return {
        "type": "Catalog",
        "id": "sinkmap-sample",
        "stac_version": "1.0.0",
        "description": DESCRIPTION,
        "links": [
            {"rel": "root", "href": "./catalog.json", "type": "application/json"},
            {"rel": "child", "href": f"./{COLLECTION}/collection.json", "type": "application/json", "title": TITLE},
        ],
    }


def write_json(document: dict, path: Path) -> None:
    """A STAC document, readable."""
    path.write_text(json.dumps(document, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def write_catalog(classes: dict[str, np.ndarray], folder: Path) -> None:
    """All STAC documents under `folder`, for scenes whose pixels are there already; `classes` is SCL per item id."""
    pairs = [(acquisition, tile) for acquisition in sorted(ACQUISITIONS, key=lambda a: a.date) for tile in TILES]
    items = [item(acquisition, tile, classes[item_id(acquisition, tile)]) for acquisition, tile in pairs]
    for document in items:
        write_json(document, folder / COLLECTION / document["id"] / f"{document['id']}.json")
    write_json(collection(items), folder / COLLECTION / "collection.json")
    write_json(catalog(), folder / "catalog.json")
