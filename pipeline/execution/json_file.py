"""JSON files: written whole; None is read from a missing or damaged one."""

import json
from pathlib import Path
from typing import Any

from pipeline.execution.whole_file import whole


def write_json(path: Path, content: Any) -> None:
    """Write JSON whole or not at all."""
    with whole(path) as part:
        part.write_text(json.dumps(content, indent=1, ensure_ascii=False, default=str), encoding="utf-8")


def read_json(path: Path) -> Any:
    """The content of a JSON file, None where there is none or it cannot be read."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
