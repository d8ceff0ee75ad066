"""The files of a command: folders are walked, drops (tar.gz) opened, each member a delivery."""

from __future__ import annotations

import gzip
import shutil
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from duckbourse.errors import BadInput

ARCHIVES = (".tar.gz", ".tgz", ".tar")
# What is taken from a folder. A file that is named itself is taken whatever it is called.
SUFFIXES = (".csv", ".txt", ".tsv", ".json", ".parquet", ".pq", ".feather", ".arrow", ".ipc")
DAMAGED = "it is damaged or cut short: copy or download it again"


@dataclass(frozen=True)
class Found:
    """A file to look at, and what to call it in reports; `weight` is its part in the progress."""

    path: Path
    name: str
    weight: int
    in_archive: bool = False

    @property
    def stem(self) -> str:
        """The name without folders and format: `prices` of `drop.tar.gz/prices.csv.gz`."""
        return stem(self.name)


def stem(name: str) -> str:
    """Return a file's name without what says its format."""
    last = name.rsplit("/", 1)[-1]
    for suffix in (".gz", *SUFFIXES):
        if last.lower().endswith(suffix) and len(last) > len(suffix):
            last = last[: -len(suffix)]
    return last


def is_archive(path: Path) -> bool:
    """Tell by its name whether a file holds others."""
    return path.name.lower().endswith(ARCHIVES)


def walked(paths: list[Path]) -> tuple[list[Path], dict[Path, BadInput]]:
    """Return the files of these paths, each once and in order, and what is wrong with the rest."""
    files: dict[Path, None] = {}
    wrong: dict[Path, BadInput] = {}
    for path in paths:
        if path.is_dir():
            inside = sorted(file for file in path.rglob("*") if is_taken(file, path))
            if not inside:
                wrong[path] = BadInput(
                    f"{path} holds no market data",
                    f"put files there that end in {', '.join(SUFFIXES)}, .gz or .tar.gz",
                )
            files |= dict.fromkeys(inside)
        elif path.is_file():
            files[path] = None
        elif path.exists():
            wrong[path] = BadInput(f"{path} is neither a file nor a folder", "name a file")
        else:
            wrong[path] = BadInput(f"{path} is not there", "check the path")
    return list(files), wrong


def is_taken(file: Path, folder: Path) -> bool:
    """Tell whether a file of a folder is market data by its name; hidden ones are not."""
    if any(part.startswith(".") for part in file.relative_to(folder).parts) or not file.is_file():
        return False
    name = file.name.lower().removesuffix(".gz")
    return is_archive(file) or name.endswith(SUFFIXES)


def members(archive: Path, scratch: Path) -> Iterator[Found]:
    """Yield the files of an archive, each a copy that is gone when the next one is asked for."""
    copy = scratch / "member"
    weight = archive.stat().st_size
    count = 0
    try:
        with tarfile.open(archive) as opened:
            for member in opened:
                packed = opened.extractfile(member) if member.isfile() else None
                if packed is None or Path(member.name).name.startswith("."):
                    continue
                with packed, copy.open("wb") as file:
                    shutil.copyfileobj(packed, file, 1 << 20)
                count += 1
                name = f"{archive.name}/{Path(member.name).name}"
                yield Found(copy, name, weight if count == 1 else 0, in_archive=True)
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        said = str(error).splitlines()[0].rstrip(":")
        raise BadInput(f"{archive.name} is a damaged archive: {said}", DAMAGED) from error
    finally:
        copy.unlink(missing_ok=True)
    if not count:
        raise BadInput(f"{archive.name} is an archive without files", DAMAGED)
