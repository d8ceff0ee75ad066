"""The files of a command: folders are walked and archives opened; each member is a delivery."""

from __future__ import annotations

import gzip
import io
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO

from duckbourse.disk import is_text, shown, special
from duckbourse.errors import BadInput, BourseError, ConfigurationError
from duckbourse.ingest.options import Options

ARCHIVES = (".tar.gz", ".tgz", ".tar", ".zip")
# Suffixes that are read from a folder. A file named on the command line may have any name.
SUFFIXES = (".csv", ".txt", ".tsv", ".json", ".parquet", ".pq", ".feather", ".arrow", ".ipc")
DAMAGED = "it is damaged or cut short: copy or download it again"
# Limit of an archive's unpacked size: prices never pack that tightly, and small sizes do no harm.
MOST_TIMES, ANYHOW_BYTES = 200, 1 << 28
MOST_MEMBERS = 100_000
BLOCK = 1 << 20


@dataclass(frozen=True)
class Found:
    """
    A file to read, and its name in reports; `weight` is its part of the progress.

    `skipped_because` is the reason if it is not read; its content is then not available.
    """

    path: Path
    name: str
    weight: int
    in_archive: bool = False
    in_folder: bool = False
    skipped_because: str = ""


@dataclass(frozen=True)
class VendorFile:
    """
    A file that is read, and what is stated about it; in messages it is its name.

    `path` may be a copy in the folder `scratch`, which is all that may be written. The file was
    known at `known_at` and holds nothing later.
    """

    path: Path
    name: str
    options: Options
    known_at: datetime
    scratch: Path
    # whether its content is unpacked with gzip when it is read
    packed: bool = False

    def __str__(self) -> str:
        return self.name

    @property
    def stem(self) -> str:
        """The name without folders and format: `prices` for `drop.tar.gz/prices.csv.gz`."""
        last = self.name.rsplit("/", 1)[-1]
        for suffix in (".gz", *SUFFIXES):
            if last.lower().endswith(suffix) and len(last) > len(suffix):
                last = last[: -len(suffix)]
        return last

    @contextmanager
    def opened(self) -> Iterator[gzip.GzipFile | io.BufferedReader]:
        """Open its content; raise BadInput if the gzip is damaged."""
        with (
            self.unpacking(),
            gzip.open(self.path) if self.packed else self.path.open("rb") as content,
        ):
            yield content

    @contextmanager
    def unpacking(self) -> Iterator[None]:
        """Turn errors of damaged gzip into BadInput."""
        try:
            yield
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise BadInput(f"{self} is damaged gzip: {error}", DAMAGED) from error

    def blocks(self) -> Iterator[bytes]:
        """Yield its content in blocks."""
        with self.opened() as content:
            while block := content.read(BLOCK):
                yield block


def is_archive(path: Path) -> bool:
    """Return whether a file is an archive, by its name."""
    return path.name.lower().endswith(ARCHIVES)


@dataclass(frozen=True)
class Walked:
    """
    The files to read, each once and in order, those that are skipped, and bad paths.

    Each file has the folder in which it was found, None if it was named itself.
    """

    files: dict[Path, Path | None]
    skipped: dict[Path, str]
    wrong: dict[Path, BourseError]


def walked(paths: list[Path]) -> Walked:
    """Return the files of these paths; from folders, those whose names may be market data."""
    files: dict[Path, Path | None] = {}
    skipped: dict[Path, str] = {}
    wrong: dict[Path, BourseError] = {}
    for path in paths:
        if path.is_dir():
            there = sorted(path.rglob("*"))
            for each in there:
                if not is_text(each):
                    wrong[each] = BadInput(f"the name of {shown(each)} is not UTF-8", "rename it")
                elif what := special(each):
                    skipped[each] = f"not read: it is {what}"
            odd = wrong.keys() | skipped.keys()
            inside = [file for file in there if file not in odd and is_shown(file, path)]
            taken = [file for file in inside if is_taken(file)]
            if not inside and odd.isdisjoint(there):
                # whoever moves files away once they are ingested leaves it so
                skipped[path] = "nothing to ingest: the folder is empty"
            elif inside and not taken:
                wrong[path] = BadInput(
                    f"{path} holds no market data",
                    f"put files there that end in {', '.join(SUFFIXES)}, .gz, .tar.gz or .zip",
                )
            for file in taken:
                files.setdefault(file, path)
            skipped |= {file: skip_reason(file.name) for file in inside if not is_taken(file)}
        elif path.is_file():
            files[path] = None
        elif path.exists():
            wrong[path] = ConfigurationError(
                f"{path} is neither a file nor a folder", "name a file"
            )
        else:
            wrong[path] = ConfigurationError(f"{path} does not exist", "check the path")
    return Walked(files, {file: why for file, why in skipped.items() if file not in files}, wrong)


def is_shown(file: Path, folder: Path) -> bool:
    """Return whether a path in a folder is a file and not hidden."""
    hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
    return not hidden and file.is_file()


def is_taken(file: Path) -> bool:
    """Return whether a file of a folder is market data, by its name."""
    return is_archive(file) or file.name.lower().removesuffix(".gz").endswith(SUFFIXES)


def skip_reason(name: str) -> str:
    """Return why a file is not read, by its name."""
    suffix = Path(name.lower().removesuffix(".gz")).suffix
    ends = f"its name ends in {suffix}, not in" if suffix else "its name does not end in"
    return f"not read: {ends} {', '.join(SUFFIXES)}, .tar.gz or .zip"


@dataclass(frozen=True)
class Member:
    """A file in an archive: its name without folders, and a stream of its content."""

    name: str
    stream: IO[bytes]


def members(archive: Path, scratch: Path) -> Iterator[Found]:
    """
    Yield the files of an archive; each is a copy that exists until the next one is requested.

    Raise BadInput if the archive is damaged or exceeds a limit.
    """
    copy = scratch / "member"
    weight = archive.stat().st_size
    budget = max(ANYHOW_BYTES, MOST_TIMES * weight)
    count = 0
    try:
        opened = in_zip(archive) if archive.name.lower().endswith(".zip") else in_tar(archive)
        with closing(opened):
            for member in opened:
                count += 1
                if count > MOST_MEMBERS:
                    raise BadInput(f"{archive.name} holds more than {MOST_MEMBERS:,} files", UNPACK)
                name = f"{archive.name}/{member.name}"
                share = weight if count == 1 else 0
                why = ""
                if Path(member.name).suffix and not is_taken(Path(member.name)):
                    why = skip_reason(member.name)
                elif is_archive(Path(member.name)):
                    why = "not read: it is an archive in an archive; unpack the outer one"
                if why:
                    yield Found(copy, name, share, in_archive=True, skipped_because=why)
                    continue
                with copy.open("wb") as file:
                    while block := member.stream.read(BLOCK):
                        budget -= len(block)
                        if budget < 0:
                            raise BadInput(
                                f"{archive.name} unpacks to more than {MOST_TIMES} times its size",
                                UNPACK,
                            )
                        file.write(block)
                yield Found(copy, name, share, in_archive=True)
    except DAMAGES as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(":")
        raise BadInput(f"{archive.name} is a damaged archive: {reason}", DAMAGED) from error
    finally:
        copy.unlink(missing_ok=True)
    if not count:
        raise BadInput(f"{archive.name} is an archive without files", DAMAGED)


UNPACK = "if you trust it, unpack it and name the files themselves"
DAMAGES = (
    *(tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, lzma.LZMAError),
    *(gzip.BadGzipFile,),
)


def base_name(name: str) -> str:
    """Return a member's name without folders and unprintable characters."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    return "".join(letter if letter.isprintable() else "?" for letter in last)


def in_tar(archive: Path) -> Generator[Member, None, None]:
    """Yield the files in a tar archive that are not hidden."""
    with tarfile.open(archive) as opened:
        for entry in opened:
            packed = opened.extractfile(entry) if entry.isfile() else None
            name = base_name(entry.name)
            if packed is None or name.startswith("."):
                continue
            with packed:
                yield Member(name, packed)


def in_zip(archive: Path) -> Generator[Member, None, None]:
    """Yield the files in a zip archive that are not hidden."""
    with zipfile.ZipFile(archive) as opened:
        for entry in opened.infolist():
            name = base_name(entry.filename)
            is_link = stat.S_ISLNK(entry.external_attr >> 16)
            if entry.is_dir() or is_link or not name or name.startswith("."):
                continue
            if entry.flag_bits & 1:
                raise BadInput(
                    f"{archive.name} is encrypted", "unpack it and name the files themselves"
                )
            try:
                packed = opened.open(entry)
            except NotImplementedError as error:
                raise BadInput(
                    f"{archive.name} uses an unsupported compression: {error}",
                    "unpack it and name the files themselves",
                ) from error
            with packed:
                yield Member(name, packed)
