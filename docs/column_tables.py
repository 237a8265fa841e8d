"""Write ``columns.md``, the meaning of every column of every table, from the titles in the code."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from pipeline.mapping.cover_classes import CLASS_COLUMNS
from pipeline.mapping.patches import PATCH_CLASS_COLUMNS, PATCH_COLUMNS
from pipeline.outputs.tables import TITLES
from pipeline.questions.attribution import ATTRIBUTION_COLUMNS
from pipeline.totals.intervals import INTERVAL_COLUMNS
from pipeline.totals.separate import SEPARATE_COLUMNS
from pipeline.totals.targets import TARGET_COLUMNS
from pipeline.totals.zone_totals import COLUMNS, YEAR_COLUMNS
from pipeline.zones import area_ledger

COLUMNS_MD = Path(__file__).with_name("columns.md")
HEAD = """# Columns 字段

The columns of the tables. An empty cell means not known or not applicable, never 0. `low95` and `high95` are the
ends of the 95 % interval, tC tonnes of carbon, tCO2 tonnes of CO2, tDM tonnes of dry matter, wanmu 10 000 mu (万亩).
Every CSV file has a last column `note`: what its figures are, and are not. Written by `python docs/column_tables.py`.

各表字段的含义。空白表示未知或不适用，不是零。CSV 为 UTF-8（带 BOM），末列 `note` 说明数据性质。
"""
TABLES = {
    "`summary.csv`, layer `zones` of `zones.gpkg` 片区成果": COLUMNS,
    "`by_year.csv` 逐年": {name: TITLES[name] for name in YEAR_COLUMNS},
    "`intervals.csv` 不确定性": INTERVAL_COLUMNS,
    "`targets.csv` 规划指标": TARGET_COLUMNS,
    "`cover_classes.csv` 覆盖度等级面积": CLASS_COLUMNS,
    "`separate.csv` 单列量": SEPARATE_COLUMNS,
    "`area_ledger.csv` 面积台账": area_ledger.COLUMNS,
    "layer `patches` of `zones.gpkg` 图斑": PATCH_COLUMNS,
    "`patches.csv` 图斑汇总": PATCH_CLASS_COLUMNS,
    "`sinkmap diff` 变化归因": ATTRIBUTION_COLUMNS,
}


def text() -> str:
    """The whole document."""
    parts = [HEAD]
    for title, columns in TABLES.items():
        rows = (f"| `{name}` | {english} | {chinese} |\n" for name, (english, chinese) in columns.items())
        parts.append(f"## {title}\n\n| column | what it is | 含义 |\n|---|---|---|\n{''.join(rows)}")
    return "\n".join(parts)


if __name__ == "__main__":
    COLUMNS_MD.write_text(text(), encoding="utf-8", newline="\n")
