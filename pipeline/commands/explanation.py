"""What `explain` answers, as lines of text. Pure."""

from collections.abc import Iterable, Iterator


def group_explanation(answer: dict) -> Iterator[str]:
    """The lines of an answer of `explain_group.explain_group`."""
    yield f"{answer['group']['name']} {answer['group']['id']}: {answer['metric']} {answer['period']}"
    yield f"{answer['title']} | {answer['title_zh']}"
    yield answer["note"]
    lacking = f", without {', '.join(answer['lacking'])}" if answer["lacking"] else ""
    status = f" ({answer['status']})" if answer["status"] else ""
    figure = "No figure" if answer["value"] is None else f"= {_with_unit(answer['value'], answer['unit'], 10)}{lacking}"
    yield f"{figure}{status}"
    yield from _section(f"Formula 公式: {answer['formula']}", (
        f"{zone['id']} {zone['name']}: "
        f"{'-' if zone['value'] is None else _with_unit(zone['value'], answer['unit'], 10)}, {zone['area_ha']:.7g} ha"
        for zone in answer["zones"]
    ))  # fmt: skip
    yield from _section("Interval 区间", _interval(answer))
    yield from _closing(answer)


def explanation(answer: dict) -> Iterator[str]:
    """The lines of an answer of `explain.explain`."""
    zone = answer["zone"]
    yield f"{zone['id']} {zone['name']}, {zone['ecosystem']}, {zone['stratum']}: {answer['metric']} {answer['period']}"
    yield f"{answer['title']} | {answer['title_zh']}"
    yield answer["note"]
    if answer["value"] is None:
        yield f"No figure: {answer['status']}"
    else:
        yield f"= {_with_unit(answer['value'], answer['unit'], 10)} ({answer['status']})"
    yield from _section("Formula 公式" + (f" ({answer['method']})" if answer["method"] else ""), (
        f"{step['figure']} = {step['formula']}\n    = {step['numbers']} = {_with_unit(step['value'], step['unit'])}"
        for step in answer["steps"]
    ))  # fmt: skip
    yield from _section("Coefficients 系数", map(_coefficient, answer["coefficients"]))
    if ends := answer["end_members"]:
        soil, vegetation = ends["u95"]
        yield from _section("End-members 端元", [
            f"soil {ends['soil']:g} ± {soil:g}, vegetation {ends['vegetation']:g} ± {vegetation:g} "
            f"({ends['index']}, {ends['model']}), {ends['from']}"
        ])  # fmt: skip
    yield from _section("Ground seen 观测", (
        f"{seen['period']}: {seen['observed_fraction']:.2%} observed ({seen['observed_pixels']:.7g} of "
        f"{seen['zone_pixels']:.7g} px), median {seen['clear_obs_median']:g} clear observations, "
        f"open water {seen['open_water_fraction'] or 0:.2%} of it"
        for seen in answer["observation"]
    ))  # fmt: skip
    yield from _section(f"Scenes used 影像 ({len(answer['scenes'])}, whose frame reaches the zone)", (
        f"{scene['id']} {scene['day']} {scene['sensor']} ({scene['scale_known_from']})" for scene in answer["scenes"]
    ))  # fmt: skip
    yield from _section(
        "Set aside in the run 未用", (f"{one['scene']}: {one['reason']}" for one in answer["set_aside"])
    )
    boundary = answer["boundary"]
    yield from _section("Boundary 边界", [*_file(boundary), f"area {boundary['area_ha']:.10g} ha"])
    yield from _section("Stands 小班", (line for table in answer["stands"] for line in _file(table)))
    if answer["land_cover"]:
        yield from _section("Land cover 土地覆盖", _file(answer["land_cover"]))
    yield from _section("Interval 区间", _interval(answer))
    if certificate := answer["comparability"]:
        yield from _section("Comparability 可比性", (text for text in certificate.values() if text))
    yield from _closing(answer)


def _closing(answer: dict) -> Iterator[str]:
    yield from _section("Versions 版本", [", ".join(f"{name} {of}" for name, of in answer["versions"].items())])
    if answer["changed_since"]:  # what would be done again is another run, and it would take the place of this one
        yield f"\nRun finished {answer['finished']}"
    else:
        yield from _section(f"Run finished {answer['finished']}; to do it again", [answer["command"]])


def _section(title: str, lines: Iterable[str]) -> Iterator[str]:
    lines = list(lines)
    if lines:
        yield f"\n{title}"
        yield from (f"  {line}" for line in lines)


def _coefficient(row: dict) -> str:
    width = f"{row['u95_percent']:g} %" if row["u95_percent"] is not None else row["u95_abs"]
    error = "fixed" if width is None else f"± {width}"
    if "ranges" in row:
        error = "within " + ", ".join(f"{low:g}-{high:g}" for low, high in row["ranges"])
    bins = f" in steps at {row['edges']} of {row['of']}" if row.get("edges") else ""
    status = row["status"].upper() + " 未核实" if row["status"] == "unverified" else row["status"]
    only = ", for the interval only" if row["used_for"] == "interval" else ""
    figure = f"{row['path']} {row['name_zh']} = {row['value']}{bins} {error} (95 %), {row['unit']}"
    return f"{figure} [{status}{only}] {row['source']}"


def _file(table: dict) -> list[str]:
    layer = f", layer {table['layer']}" if table["layer"] else ""
    return [f"{table['file']}{layer}", *(f"xxh3-128 {digest}  {name}" for name, digest in table["checksums"].items())]


def _interval(answer: dict) -> Iterator[str]:
    interval = answer["interval"]
    if interval is None:
        yield "none is drawn of this figure"
        return
    drawn = f", {interval['draws']} draws, seed {interval['seed']}" if "draws" in interval else ""
    yield f"95 %: {interval['low95']:.7g} to {_with_unit(interval['high95'], answer['unit'])}{drawn}"
    if "conservative" in interval:
        conservative = _with_unit(interval["conservative"], answer["unit"])
        yield f"conservative (lower end of the 90 % interval): {conservative}"
    if interval["causes"]:
        yield "causes: " + ", ".join(
            f"{cause.replace('_', ' ')} {share:.0%}" for cause, share in interval["causes"].items()
        )


def _with_unit(value: float, unit: str, digits: int = 7) -> str:
    """A figure with its unit; that of a fraction, 1, would read as a digit."""
    return f"{value:.{digits}g}" if unit == "1" else f"{value:.{digits}g} {unit}"
