"""Vector files as the offices have them: Shapefile (UTF-8 or GBK), GeoPackage, FileGDB, GeoJSON."""

import codecs
import difflib
import re
import struct
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import shapely
from pandas.api.types import is_string_dtype
from pyproj import CRS, Geod

from pipeline.errors import ZoneError
from pipeline.zones.crs_check import crs_problem

CGCS2000 = "EPSG:4490"
_GEOD = Geod(ellps="GRS80")  # the ellipsoid of CGCS2000 but for 0.1 mm
DBF_LANGUAGE, SIMPLIFIED_CHINESE = 29, 0x4D
"""Where a DBF has its language byte, and that of code page 936."""

_END_OF_FIELDS = 0x0D
_STEP_M, _STEP_DEGREES = 1000, 0.01

UNREADABLE = (
    pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, IndexError, UnicodeDecodeError,
    shapely.errors.ShapelyError,
)  # fmt: skip
"""Errors from a damaged file."""


def read_vector(path: Path, layer: str | None, columns: list[str]) -> gpd.GeoDataFrame:
    """The features of a layer with a CRS and all ``columns``.

    ``attrs["encoding"]`` says how its text was read. Raises ZoneError, naming the file, for a missing or unreadable
    file, a shapefile in an archive or not named by its .shp, text that is not in its declared encoding, a layer without
    any shape, a missing column, a CRS that is missing or implausible, and a file with several layers where none is
    named.
    """
    if not path.exists():
        raise ZoneError(
            f"{path}: there is no such file; correct its path in the config", f"{path}: 没有该文件；请改正配置中的路径"
        )
    shapefile = path.suffix.lower() == ".shp"
    if shapefile and _is_cut(path):
        raise ZoneError(
            f"{path}: is shorter than its header says, shapes are lost; copy the shapefile again",
            f"{path}: 短于文件头所记长度，有图形丢失；请重新复制整套shapefile",
        )
    encoding, how = dbf_encoding(_beside(path, ".dbf")) if shapefile else (None, "UTF-8, as the format has it")
    try:
        layers = [name for name, kind in pyogrio.list_layers(path) if kind is not None and name != "layer_styles"]
        if layer is None and len(layers) > 1:
            raise ZoneError(
                f"{path}: holds the layers {', '.join(layers)}; name one as `layer` in the config",
                f"{path}: 有图层{'、'.join(layers)}；请在配置中用 layer 指定一个",
            )
        if layer is not None and layer not in layers:
            raise ZoneError(
                f"{path}: has no layer {layer!r} but {', '.join(layers)}; correct `layer` in the config",
                f"{path}: 没有图层“{layer}”，只有{'、'.join(layers)}；请改正配置中的 layer",
            )
        name = layer or layers[0]
        if not shapefile and pyogrio.read_info(path, layer=name)["driver"] == "ESRI Shapefile":
            raise ZoneError(
                f"{path}: is an archive, folder or other part of a shapefile; name its .shp in the config, unpacked, "
                "so that its text is read in the right encoding",
                f"{path}: 是shapefile的压缩包、文件夹或附属文件；请解压，并在配置中写其.shp文件，否则中文编码无法判断",
            )
        try:
            table = gpd.read_file(path, layer=name, encoding=encoding)
        except UnicodeDecodeError:
            if not shapefile:
                raise
            table, how = _cut_text(path, encoding), f"{how}; text that is cut within a character ends before it"
    except UNREADABLE as error:
        raise ZoneError(
            f"{path}: cannot be read as vector data ({error}); export it again",
            f"{path}: 无法作为矢量数据读取（{error}）；请重新导出",
        ) from error
    if (table.geometry.isna() | table.geometry.is_empty).all():
        raise ZoneError(
            f"{path}: holds no shape; export it again with its features", f"{path}: 没有任何图形；请连同要素重新导出"
        )
    for column in columns:
        if column not in table.columns:
            near = difflib.get_close_matches(column, table.columns, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(table.columns[:-1])}"
            hint_zh = f"是否为“{near[0]}”？" if near else f"现有字段：{'、'.join(table.columns[:-1])}"
            raise ZoneError(f"{path}: has no column {column!r}; {hint}", f"{path}: 没有字段“{column}”；{hint_zh}")
    if problem := crs_problem(table.crs, tuple(table.total_bounds)):
        raise ZoneError(*(f"{path}: {said}" for said in problem))
    table.attrs["encoding"] = how
    return table


def _is_cut(shp: Path) -> bool:
    """Whether a .shp holds less than its header says: GDAL would read the shapes that are gone as empty ones."""
    try:
        with shp.open("rb") as file:
            words = struct.unpack_from(">i", file.read(28), 24)[0]
    except (OSError, struct.error):  # whoever reads it says what it is
        return False
    return shp.stat().st_size < 2 * words


def _cut_text(path: Path, encoding: str) -> gpd.GeoDataFrame:
    """A shapefile in which a column's name, cut at ten bytes, or a full column ends in the middle of a character."""

    def whole(text: str) -> str:
        return text.encode("ISO-8859-1").decode(encoding, errors="ignore")

    table = gpd.read_file(path, encoding="ISO-8859-1")  # which reads any byte and gives it back
    names = pd.Series([whole(name) for name in table.columns])
    again = names.groupby(names).cumcount()  # two names may have been cut to one
    table.columns = names.where(again == 0, names + "_" + again.astype(str))
    for name in table.columns[table.dtypes.map(is_string_dtype)]:
        table[name] = table[name].map(whole, na_action="ignore")
    return table


def dbf_encoding(dbf: Path) -> tuple[str, str]:
    """Text encoding of a shapefile's table, as Python names it, and how it was found: its .cpg, the DBF's language
    byte, strict UTF-8, else GB18030, in this order. A .cpg that the text contradicts gives way to GB18030.

    Raises ZoneError for a missing or cut table, and for text that is neither what its .cpg says nor GB18030.
    """
    try:
        content = dbf.read_bytes()
        header_size, language = struct.unpack_from("<8xH", content)[0], content[DBF_LANGUAGE]
    except PermissionError as error:
        raise ZoneError(
            f"{dbf}: is open in another program, or may not be read; close it and run again",
            f"{dbf}: 正在其他程序中打开，或无权读取；请关闭后再运行",
        ) from error
    except (OSError, struct.error, IndexError):
        header_size, content = 1, b""
    if len(content) < header_size:
        raise ZoneError(
            f"{dbf}: the attribute table is missing or cut; copy all files of the shapefile",
            f"{dbf}: 属性表缺失或不完整；请复制shapefile的全部文件",
        )
    word = _cpg_word(dbf)
    if named := _encoding_of(word):
        if _is_text(content, header_size, named):
            return named, f"{word}, by its .cpg"
        if _is_text(content, header_size, "GB18030"):
            return "GB18030", f"GB18030, as it is not the {word} that its .cpg says"
        raise ZoneError(
            f"{dbf}: the .cpg says {word} but the text is not; write what it is into the .cpg, such as GBK",
            f"{dbf}: .cpg写的是{word}，文字却不是；请在.cpg中写实际的编码，如GBK",
        )
    if language == SIMPLIFIED_CHINESE:
        return "GB18030", f"GB18030, by the language byte {language:#04x} of the table"
    if _is_text(content, header_size, "UTF-8"):
        return "UTF-8", "UTF-8, which all of the text is"
    return "GB18030", "GB18030, as the text is not UTF-8 and no .cpg says what it is"


def _cpg_word(dbf: Path) -> str:
    cpg = _beside(dbf, ".cpg")
    return cpg.read_text(encoding="utf-8-sig", errors="replace").strip()[:20] if cpg.exists() else ""


def _encoding_of(word: str) -> str | None:
    """Python's name of the encoding that the word of a .cpg means (UTF-8, GBK, 936, ANSI 936, 88591); None for an empty
    word and for one that names no encoding, such as OEM, which is that of another machine."""
    code = re.sub(r"^(ANSI|CP|MS)[ _-]?(?=\d)", "", word.upper())
    code = re.sub(r"^8859[ _-]?(?=\d)", "ISO8859-", code)
    if code in ("", "ANSI", "OEM"):  # which Windows would take for its own
        return None
    try:
        name = codecs.lookup(f"cp{code}" if code.isdigit() else code).name
        if b"ID".decode(name) != "ID":
            return None
    except (LookupError, ValueError):
        return None
    return "GB18030" if name in ("gb2312", "gbk", "gb18030") else name.upper()


def _is_text(content: bytes, header_size: int, encoding: str) -> bool:
    """Whether the names and values of a DBF are text in an encoding, except for characters that are cut at the end of a
    full column."""
    fields = [content[at : at + 32] for at in range(32, header_size - 1, 32)]
    fields = fields[: next((i for i, field in enumerate(fields) if field[0] == _END_OF_FIELDS), None)]
    if not all(_decodes(field[:11].split(b"\0")[0], encoding) for field in fields):
        return False
    if _decodes(content[header_size:], encoding):
        return True
    return all(_decodes(value, encoding) for value in _texts(content, header_size, fields))


def _texts(content: bytes, header_size: int, fields: list[bytes]) -> Iterator[bytes]:
    """The values of text columns, each up to its first null byte."""
    is_text = [field[11:12] == b"C" for field in fields]
    widths = np.array([field[16] + 256 * field[17] * text for field, text in zip(fields, is_text, strict=True)], int)
    record_size = 1 + int(widths.sum())
    starts = 1 + np.cumsum(widths) - widths
    for at in range(header_size, len(content) - record_size + 1, record_size):
        for start, width, text in zip(starts, widths, is_text, strict=True):
            if text:
                yield content[at + start : at + start + width].split(b"\0")[0]


def _decodes(text: bytes, encoding: str) -> bool:
    """Whether bytes are text in an encoding, except for a last character that is cut."""
    try:
        text.decode(encoding)
    except UnicodeDecodeError as error:
        return error.reason in ("unexpected end of data", "incomplete multibyte sequence") and error.start > 0
    return True


def _beside(path: Path, suffix: str) -> Path:
    """The file of the same name with another suffix, in small letters or capitals."""
    return next(
        (p for p in (path.with_suffix(suffix), path.with_suffix(suffix.upper())) if p.exists()),
        path.with_suffix(suffix),
    )


def one_line(value: object) -> str:
    """The text of a cell as one line, without control characters, which no font can draw; "" if it is empty. A whole
    number is written without decimals, also if a column with gaps holds it as a float."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = "" if pd.isna(value) else str(value)
    seen = [" " if unicodedata.category(c) == "Cc" else c for c in text if unicodedata.category(c) != "Cf"]
    return " ".join("".join(seen).split())


def ellipsoidal_area_ha(geometries: gpd.GeoSeries) -> list[float]:
    """Area of each polygon on the ellipsoid of CGCS2000 (EPSG:4490), ha.

    Geodesic polygon area (Karney 2013) with edges cut to 1 km, since an edge straight in its CRS is no
    geodesic. Planar areas here are off by 0.02 % (3-degree Gauss-Krueger) to 74 % (Web Mercator).
    """
    step = _STEP_DEGREES if CRS(geometries.crs).is_geographic else _STEP_M
    fine = geometries.segmentize(step).to_crs(CGCS2000)
    return [sum(_polygon_area_m2(part) for part in shapely.get_parts(geometry)) / 1e4 for geometry in fine]


def area_text(area: float) -> str:
    """An area as text, with four digits and never with an exponent."""
    return f"{area:,.0f}" if area >= 1000 else f"{area:.4g}"


def _polygon_area_m2(polygon: shapely.Polygon) -> float:
    rings = [polygon.exterior, *polygon.interiors]
    outer, *holes = (abs(_GEOD.polygon_area_perimeter(*shapely.get_coordinates(ring).T)[0]) for ring in rings)
    return outer - sum(holes)
