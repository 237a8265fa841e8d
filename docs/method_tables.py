"""Write the coefficient tables into ``method.md``, from the coefficient files, so that text and numbers agree."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from pipeline.config.run_config import read_coefficients
from pipeline.ecosystems import BinnedCoefficient, Coefficient, Ecosystem, coefficients

ROOT = Path(__file__).parent.parent
METHOD = ROOT / "docs" / "method.md"
BEGIN, END = "<!-- tables: begin -->\n", "<!-- tables: end -->\n"
TITLES = {"forest": "Forest 森林", "grassland": "Grassland 草原", "wetland": "Wetland 湿地"}
HEAD = "| coefficient 系数 | value 取值 | U95 | unit 单位 | status 状态 | source 来源 |\n|---|---|---|---|---|---|\n"
STATUS = {"verified": "verified 已核实", "unverified": "**unverified 未核实**", "local": "local 本地"}


def value_of(row: Coefficient | BinnedCoefficient) -> str:
    """The numbers of a row as text."""
    if isinstance(row, BinnedCoefficient):
        return f"{', '.join(f'{value:g}' for value in row.values)} at edges {', '.join(f'{e:g}' for e in row.edges)}"
    if isinstance(row.value, tuple):
        return ", ".join(f"{value:g}" for value in row.value)
    return f"{row.value:g}"


def half_width_of(row: Coefficient | BinnedCoefficient) -> str:
    """The 95 % half-width as text, with the distribution that the draws take."""
    if row.distribution == "fixed":
        return "fixed"
    if row.distribution == "split_lognormal":
        return f"{', '.join(f'{low:g}–{high:g}' for low, high in row.ranges)} {row.distribution.replace('_', ' ')}"
    width = f"±{row.u95_percent:g} %" if row.u95_percent is not None else f"±{row.u95_abs:g}"
    return f"{width} {row.distribution.replace('_', ' ')}"


def table(ecosystem: Ecosystem) -> str:
    """All rows of an ecosystem as a Markdown table."""
    lines = [
        f"| `{path}` | {value_of(row)} | {half_width_of(row)} | {row.unit} | {STATUS[row.status]} | {row.source} |\n"
        for path, row in coefficients(ecosystem).items()
    ]
    return f"### {TITLES[ecosystem.ecosystem]}\n\n{HEAD}{''.join(lines)}"


def with_tables(text: str) -> str:
    """The document with its tables made anew."""
    tables = "\n".join(table(e) for e in read_coefficients(ROOT / "configs" / "coefficients").values())
    before, after = text.partition(BEGIN)[0], text.partition(END)[2]
    return f"{before}{BEGIN}\n{tables}\n{END}{after}"


if __name__ == "__main__":
    METHOD.write_text(with_tables(METHOD.read_text(encoding="utf-8")), encoding="utf-8")
