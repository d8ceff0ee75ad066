"""`./bourse backup` and `./bourse restore`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from duckbourse import backup as backups
from duckbourse import clock
from duckbourse.backup import BackupFolder, Snapshot
from duckbourse.cli.bar import Display
from duckbourse.cli.options import Json
from duckbourse.cli.output import notes, print_json, results
from duckbourse.cli.status import size
from duckbourse.cli.tables import Column, print_whole, table
from duckbourse.errors import BackupDamaged, ConfigurationError
from duckbourse.settings import settings
from duckbourse.words import counted

Folder = Annotated[
    Path, typer.Argument(metavar="DIR", help="Folder of backups, best on another disk.")
]
Of = Annotated[
    str | None,
    typer.Option("--snapshot", metavar="NAME", help="Snapshot.", show_default="the newest"),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print only what goes wrong.")]
NOT_IN_IT = "not in it: secrets such as .env, the shipped sample, and what a build makes again"


def backup(
    folder: Folder,
    list_: Annotated[bool, typer.Option("--list", help="List the snapshots, and do no more.")] = (
        False
    ),
    verify: Annotated[
        bool,
        typer.Option(
            "--verify",
            help="Read every file of all snapshots and compare its checksum, and do no more.",
        ),
    ] = False,
    snapshot: Of = None,
    keep: Annotated[
        int | None,
        typer.Option(
            "--keep", min=1, metavar="N", help="Keep the newest N snapshots, and remove the others."
        ),
    ] = None,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """
    Back up what cannot be made again: deliveries, ticks, fills, journals, publications and seeds.

    Each run makes a snapshot, in which every file has its SHA-256; only contents that DIR does not
    hold yet are copied. Models, macros and functions are in it too. Secrets never are: keep `.env`
    elsewhere. Builds, trading loops and ingests may go on meanwhile. A backup that is stopped
    leaves no snapshot, and the next one goes on from there.

    Examples:

    - `./bourse backup /mnt/backup/duckbourse`
    - `./bourse backup /mnt/backup/duckbourse --keep 30 --quiet`
    - `./bourse backup /mnt/backup/duckbourse --list`
    - `./bourse backup /mnt/backup/duckbourse --verify`
    """
    of = BackupFolder(folder.absolute())
    if sum(map(bool, (list_, verify, keep))) > 1:
        raise ConfigurationError("--list, --verify and --keep exclude each other", "choose one")
    if snapshot and not verify:
        raise ConfigurationError(
            "--snapshot goes with --verify", "`./bourse restore` has a --snapshot of its own"
        )
    if list_:
        _list(of, json)
    elif verify:
        _verify(of, snapshot, quiet, json)
    else:
        _back_up(of, keep, quiet, json)


def _back_up(of: BackupFolder, keep: int | None, quiet: bool, json: bool) -> None:
    started = clock.elapsed_seconds()
    with Display(quiet) as display:
        made = backups.back_up(of, display, keep)
    seconds = clock.elapsed_seconds() - started
    for note in made.notes:
        notes.print(note, markup=False)
    if json:
        print_json({**_record(made.snapshot), "removed": made.removed, "notes": made.notes})
    elif not quiet:
        new = made.snapshot
        results.print(
            f"backed up: {of.root}, snapshot {new.name} ({counted(len(new.files), 'file')},"
            f" {size(new.bytes)}; new: {counted(new.new_files, 'file')}, {size(new.new_bytes)};"
            f" {seconds:.1f} s)",
            markup=False,
        )
        if made.removed:
            results.print(f"removed: {', '.join(made.removed)}", markup=False)
        notes.print(NOT_IN_IT, markup=False)


def _list(of: BackupFolder, json: bool) -> None:
    found = [of.load(name) for name in of.names()]
    if json:
        print_json([_record(each) for each in found])
        return
    columns = [
        Column("snapshot (UTC)", "snapshot", justify="left"),
        Column("files", "files"),
        Column("size", "bytes", size),
        Column("new files", "new_files"),
        Column("new", "new_bytes", size),
        Column("publication", "build_id", justify="left"),
    ]
    print_whole(table(columns, [_record(each) for each in found], missing="none"))


def _verify(of: BackupFolder, name: str | None, quiet: bool, json: bool) -> None:
    names = [of.chosen(name)] if name else of.names()
    snapshots: list[Snapshot] = []
    unreadable: list[BackupDamaged] = []
    for each in names:
        try:
            snapshots.append(of.load(each))
        except BackupDamaged as error:
            unreadable.append(error)
    contents = {(file.sha256, file.bytes) for each in snapshots for file in each.files}
    with Display(quiet) as display:
        damages = of.verify(snapshots, backups.step_of(display, sum(b for _, b in contents)))
    problems = [*map(str, unreadable), *map(str, damages)]
    if json:
        files = [
            {"snapshot": each.snapshot, "path": each.path, "object": each.object, "is": each.found}
            for each in damages
        ]
        print_json(
            {"snapshots": names, "damaged": files, "manifests": [str(e) for e in unreadable]}
        )
    else:
        for problem in problems:
            results.print(f"damaged: {problem}", markup=False)
    if problems:
        raise BackupDamaged(
            f"{of.root}: {counted(len(problems), 'file is', 'files are')}"
            f" damaged, in {counted(len(names), 'snapshot')}",
            "delete what is damaged and back up again: what the data folder still has is copied"
            " again; and check that disk",
        )
    if not json and not quiet:
        many = counted(len(names), "snapshot") if len(names) > 1 else names[0]
        results.print(f"verified: {many}, {counted(len(contents), 'file')}, nothing is damaged")


def restore(
    folder: Folder,
    snapshot: Of = None,
    into: Annotated[
        Path | None,
        typer.Option(
            "--into", metavar="FOLDER", help="Data folder to restore into. [the project's]"
        ),
    ] = None,
    replace: Annotated[
        bool,
        typer.Option(
            "--replace", help="Replace what the folder holds, and keep that in `replaced-…` in it."
        ),
    ] = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """
    Restore a snapshot of `./bourse backup` as a data folder: publications can be read at once.

    All of it is verified before anything is replaced; a former publication that is damaged is left
    out. A folder with other content is refused without `--replace`. So is one in which a build, an
    ingest or a trading loop is running. The seeds, models and macros of the snapshot come into
    `project` of the folder; copy over whatever differs. No secrets are restored, since none were
    backed up.

    Examples:

    - `./bourse restore /mnt/backup/duckbourse`
    - `./bourse restore /mnt/backup/duckbourse --into /data/drill`
    - `./bourse restore /mnt/backup/duckbourse --snapshot 2026-11-27T183000Z --replace`
    """
    of = BackupFolder(folder.absolute())
    started = clock.elapsed_seconds()
    with Display(quiet) as display:
        done = backups.restore(of, display, snapshot, into, replace=replace)
    seconds = clock.elapsed_seconds() - started
    for each in done.left_out:
        notes.print(
            f"warning: a former publication is damaged and was left out: {each}", markup=False
        )
    if json:
        print_json(
            {
                **_record(done.snapshot),
                "data": done.data,
                "replaced": done.replaced,
                "project_differs": done.differing,
                "left_out": [each.path for each in done.left_out],
                "is_next_build_full": done.is_next_build_full,
            }
        )
        return
    if quiet:
        return
    results.print(
        f"restored: {done.data} from {done.snapshot.name}"
        f" ({counted(len(done.snapshot.files), 'file')},"
        f" {size(done.snapshot.bytes)}, {seconds:.1f} s)",
        markup=False,
    )
    if done.replaced:
        results.print(f"kept: what was there before is in {done.replaced}", markup=False)
    if done.data != settings().data:
        notes.print(f"to use it: set BOURSE_DATA_DIR={done.data}", markup=False)
    if done.is_next_build_full:
        notes.print("the next `./bourse build` is a full one", markup=False)
    if done.differing:
        some = ", ".join(done.differing[:3]) + (" …" if len(done.differing) > 3 else "")
        notes.print(
            f"{counted(len(done.differing), 'file')} of the snapshot's seeds, models and macros"
            f" differ from this project: {some}; to take them over: cp -R {done.data}/project/. .",
            markup=False,
        )


def _record(snapshot: Snapshot) -> dict[str, Any]:
    publication = snapshot.publication or {}
    return {
        "snapshot": snapshot.name,
        "taken_at": snapshot.taken_at,
        "files": len(snapshot.files),
        "bytes": snapshot.bytes,
        "new_files": snapshot.new_files,
        "new_bytes": snapshot.new_bytes,
        "build_id": publication.get("build_id"),
        "publication": snapshot.publication,
    }
