"""Whether the CRS of a vector file is plausible: its datum, and whether its coordinates fit its unit and zone. Pure."""

from pyproj import CRS

Bounds = tuple[float, float, float, float]

KRASSOWSKY_M, IAG_1975_M, MODERN_M = 6_378_245, 6_378_140, 6_378_137
"""Semi-major axes: Beijing-54, Xi'an-80, and CGCS2000, WGS 84 and GRS 80 alike."""

CHINA = (73.0, 3.0, 136.0, 54.0)
THREE_DEGREE_ZONES, SIX_DEGREE_ZONES = range(25, 46), range(13, 24)
"""Gauss-Krueger zones of China; as a prefix of the easting, their number shows whether zones are 3 or 6 degrees
wide."""


def crs_problem(crs: CRS | None, bounds: Bounds) -> tuple[str, str] | None:
    """What is wrong with a CRS for coordinates within ``bounds`` (left, bottom, right, top), in English and Chinese,
    with what to do; None if nothing is wrong.

    CGCS2000 and WGS 84 differ by centimetres and count as one. Beijing-54 and Xi'an-80 lie tens of metres and more
    away by parameters that only the surveying office has, so nothing is guessed.
    """
    if crs is None:
        return (
            f"has no CRS (a shapefile needs its .prj){_guess(bounds)}; define the projection and save it again",
            f"缺少坐标系{_guess_zh(bounds)}；请定义投影后重新保存",
        )
    crs = horizontal(crs)
    return _datum_problem(crs) or _coordinate_problem(crs, bounds)


def gauss_kruger_epsg(easting_m: float) -> int | None:
    """EPSG code of the CGCS2000 Gauss-Krueger zone whose number precedes an easting such as 37 412 345 m; None if no
    zone number does."""
    zone = int(easting_m // 1e6)
    if zone in THREE_DEGREE_ZONES:
        return 4513 + zone - THREE_DEGREE_ZONES.start
    return 4491 + zone - SIX_DEGREE_ZONES.start if zone in SIX_DEGREE_ZONES else None


def datum_name(crs: CRS) -> str:
    """The datum in words: CGCS2000 or WGS 84, which count as the same, or the name in the CRS."""
    return crs.datum.name if crs.datum else "unknown"


def horizontal(crs: CRS) -> CRS:
    """The CRS of x and y only: without heights (a .prj with VERTCS), and without a transformation to WGS 84
    (TOWGS84)."""
    while crs.is_compound or crs.is_bound:
        crs = crs.sub_crs_list[0] if crs.is_compound else crs.source_crs
    return crs


def _datum_problem(crs: CRS) -> tuple[str, str] | None:
    axis = round(crs.ellipsoid.semi_major_metre) if crs.ellipsoid else 0
    old = {KRASSOWSKY_M: ("Beijing-54", "北京54"), IAG_1975_M: ("Xi'an-80", "西安80")}.get(axis)
    if old:
        return (
            f"is in {old[0]} (ellipsoid {crs.ellipsoid.name}), tens of metres and more off CGCS2000; transform it to "
            "CGCS2000 (EPSG:4490) with the seven local parameters or the grid of the surveying office",
            f"为{old[1]}坐标系，与CGCS2000相差数十米以上；请用测绘部门的本地七参数或格网转换为CGCS2000 (EPSG:4490)",
        )
    if axis != MODERN_M:
        return (
            f"is on the datum {datum_name(crs)}, which is not CGCS2000 or WGS 84; transform it to CGCS2000 (EPSG:4490)",
            f"基准面{datum_name(crs)}不是CGCS2000或WGS84；请转换为CGCS2000 (EPSG:4490)",
        )
    return None


def _coordinate_problem(crs: CRS, bounds: Bounds) -> tuple[str, str] | None:
    left, bottom, right, top = bounds
    in_degrees = max(map(abs, (left, right))) <= 180 and max(map(abs, (bottom, top))) <= 90
    if crs.is_geographic:
        if _within(CHINA, (bottom, left, top, right)) and not _within(CHINA, bounds):
            return (
                "has latitude where longitude belongs; swap the axes and save it again",
                "经纬度次序颠倒；请交换坐标轴后重新保存",
            )
        if not in_degrees:
            return (
                f"has metres (x from {left:.0f}) in a CRS of degrees, {crs.name}{_guess(bounds)}; define the right "
                "projection",
                f"坐标为米而坐标系{crs.name}以度为单位{_guess_zh(bounds)}；请定义正确的投影",
            )
        return None
    if in_degrees:
        return (
            f"has degrees in a CRS of metres, {crs.name}; define it as CGCS2000 (EPSG:4490)",
            f"坐标为度而坐标系{crs.name}以米为单位；请定义为CGCS2000 (EPSG:4490)",
        )
    if not crs.is_projected or crs.coordinate_operation is None:
        return None
    return _easting_problem(crs, bounds)


def _easting_problem(crs: CRS, bounds: Bounds) -> tuple[str, str] | None:
    """Eastings against the false easting of a transverse Mercator, which may begin with the number of the zone; other
    projections write none."""
    false_easting = next((p.value for p in crs.coordinate_operation.params if p.code == "8806"), None)
    if crs.coordinate_operation.method_code != "9807" or false_easting is None:
        return None
    left, bottom, _, top = bounds
    prefixed, expected = left > 1e7, false_easting > 1e7
    if bottom > 1e7 or (not expected and left > 1.5e6 and not prefixed and top < 1e6):
        return (
            f"has northings where eastings belong (x from {left:.0f}, y from {bottom:.0f}); swap the axes and save it "
            "again",
            "东坐标与北坐标次序颠倒；请交换坐标轴后重新保存",
        )
    if prefixed != expected or (expected and int(left // 1e6) != int(false_easting // 1e6)):
        said, said_zh = (
            (f"with the zone number {left // 1e6:.0f}", "带带号") if prefixed else ("without one", "不带带号")
        )
        return (
            f"has eastings {said} (x from {left:.0f}), which {crs.name} does not write so{_guess(bounds)}; define the "
            "right projection",
            f"东坐标{said_zh}，与坐标系{crs.name}不符{_guess_zh(bounds)}；请定义正确的投影",
        )
    return None


def _within(box: Bounds, bounds: Bounds) -> bool:
    return box[0] <= bounds[0] and box[1] <= bounds[1] and bounds[2] <= box[2] and bounds[3] <= box[3]


def _likely(bounds: Bounds) -> int | None:
    return 4490 if _within(CHINA, bounds) else gauss_kruger_epsg(bounds[0])


def _guess(bounds: Bounds) -> str:
    code = _likely(bounds)
    return f", but its coordinates look like EPSG:{code}" if code else ""


def _guess_zh(bounds: Bounds) -> str:
    code = _likely(bounds)
    return f"，坐标形似EPSG:{code}" if code else ""
