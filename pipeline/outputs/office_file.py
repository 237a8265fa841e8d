"""Files of Word and Excel, which are zip archives: packed without the time of writing, so that the same results give
the same bytes."""

import io
import re
import zipfile
from pathlib import Path

from pipeline.outputs.swap import swapped


def write_office_file(path: Path, content: bytes, program: str) -> None:
    """Write the file whole. Raises OutputError, which says what to do where ``program`` has it open."""
    with swapped(path, f"close it in {program}, or free disk space") as part:
        part.write_bytes(without_time(content))


def without_time(content: bytes) -> bytes:
    """The same file, packed without the time of its writing."""
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            text = old.read(name)
            if name == "docProps/core.xml":
                text = re.sub(rb"<dcterms:(created|modified).*?</dcterms:\1>", b"", text)
            new.writestr(zipfile.ZipInfo(name), text, zipfile.ZIP_DEFLATED)
    return packed.getvalue()
