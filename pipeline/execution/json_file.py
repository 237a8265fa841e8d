"""JSON files: written whole; None is read from a missing or damaged one."""

import json
from pathlib import Path
from typing import Any

from pipeline.execution.whole_file import whole


def write_json(path: Path, content: Any) -> None:
    """Write JSON whole or not at all, the same bytes on every system."""
    text = json.dumps(content, indent=1, ensure_ascii=False, default=str)
    with whole(path) as part:
        part.write_text(text, encoding="utf-8", newline="\n")


def read_json(path: Path) -> Any:
    """The content of a JSON file, None where there is none or it cannot be read."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
