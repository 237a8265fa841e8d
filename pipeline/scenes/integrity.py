"""Whether the files of a scene agree with the checksums in its product.

A JPEG 2000 image that is damaged in its middle is decoded without an error, to values that look like land: a download
that was interrupted and resumed at another place leaves such files.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO
from zipfile import BadZipFile, ZipFile
from zlib import error as DeflateError

from pipeline.errors import AwayError, SceneError, away
from pipeline.execution.provenance import Marks
from pipeline.scenes.scene import Band, Scene, SetAside

DAMAGED = (BadZipFile, EOFError, DeflateError, RuntimeError)
"""Errors from a damaged zip; RuntimeError for a password, or for a compression that Python does not know."""


@dataclass(frozen=True)
class SceneFiles:
    """The files of one scene, to be compared with the checksums in its product; ``key`` is what its mark will hold."""

    scene: Scene
    marks: Marks
    key: dict[str, str]

    @property
    def name(self) -> str:
        """One name for the same files, whatever the characters of the scene's own."""
        return f"intact-{self.key['files']}"

    @property
    def writes_to(self) -> Path:
        return self.marks.folder


def verify_scene(unit: SceneFiles) -> list[SetAside]:
    """Read the files once more and mark them as intact, or return the scene to be set aside."""
    try:
        for band in verifiable(unit.scene):
            refuse_damaged(unit.scene.id, band)
    except SceneError as error:
        return [SetAside(unit.scene.id, str(error), isinstance(error, AwayError))]
    unit.marks.write(unit.name, unit.key)
    return []


def verifiable(scene: Scene) -> list[Band]:
    """The layers of a scene that can be verified: by a digest of the product, or by the CRC-32 of a zip."""
    return [band for band in scene.layers.values() if band.digest or band.in_zip]


def refuse_damaged(scene: str, band: Band) -> None:
    """Raises SceneError for a file that has another digest than the product gives, or whose zip says that it is
    damaged, and AwayError for one that cannot be read now."""
    algorithm, _, expected = band.digest.partition(":")
    try:
        with opened(band) as file:
            digest = hashlib.file_digest(file, partial(hashlib.new, algorithm or "md5", usedforsecurity=False))
    except OSError as error:
        raise away(scene, band.path, error) from error
    except DAMAGED as error:
        raise SceneError(f"scene {scene}: {band.path} is damaged ({error}); get the product again") from error
    if expected and digest.hexdigest() != expected:
        raise SceneError(
            f"scene {scene}: {band.member or band.path} has another checksum than its manifest.safe says, so it is "
            "damaged or was changed; get the product again, or remove manifest.safe if you changed it on purpose"
        )


@contextmanager
def opened(band: Band) -> Iterator[IO[bytes]]:
    """The bytes of a band's file, or of its image within a zip. Raises OSError, or one of `DAMAGED`."""
    if not band.in_zip:
        with open(band.path, "rb") as file:
            yield file
        return
    with ZipFile(band.path) as archive, archive.open(band.member) as file:
        yield file
