"""`./bourse serve`: the pages and the HTTP API of the published file, on this machine."""

from __future__ import annotations

import ipaddress
import secrets
import socket
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from duckbourse.cli.options import check_memory
from duckbourse.cli.output import notes, results
from duckbourse.disk import wrap_os_error, write_private
from duckbourse.errors import ConfigurationError
from duckbourse.settings import LEAST_TOKEN_LETTERS, settings

TOKEN_BYTES = 32
MOST_TOKEN_BYTES = 4_096


def serve(
    host: Annotated[
        str, typer.Option("--host", help="Address to listen on; other than loopback, with a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65_535, help="Port; 0 is any.")] = 8765,
    name: Annotated[
        list[str] | None,
        typer.Option("--name", help="Another name of this server, such as of a proxy's host."),
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(
            "--token-file", help="File with the token to read.", show_default="data/api/token"
        ),
    ] = None,
    command_token_file: Annotated[
        Path | None,
        typer.Option(
            "--command-token-file",
            help="File with the token of commands.",
            show_default="data/api/command_token",
        ),
    ] = None,
    allow_sql: Annotated[
        bool, typer.Option("--allow-sql", help="Answer SQL too: it reads the published file only.")
    ] = False,
    memory: Annotated[
        str, typer.Option("--memory", metavar="SIZE", help="Memory of all queries together.")
    ] = "1GB",
    timeout: Annotated[
        float, typer.Option("--timeout", min=0.1, max=3_600, help="Seconds that a query may take.")
    ] = 10,
    rows: Annotated[
        int, typer.Option("--rows", min=1, max=1_000_000, help="Rows of an answer, at most.")
    ] = 10_000,
    queries: Annotated[
        int, typer.Option("--queries", min=1, max=64, help="Queries at once, at most.")
    ] = 8,
    rate: Annotated[
        float,
        typer.Option(
            "--rate", min=1, max=1_000_000, help="Requests a second of a client, at most."
        ),
    ] = 200,
    metrics_port: Annotated[
        int | None,
        typer.Option(
            "--metrics-port",
            min=1,
            max=65_535,
            help="Port that `./bourse trade --metrics-port` has: prices and feed of the page Live.",
            show_default="off",
        ),
    ] = None,
) -> None:
    """
    Serve the pages and the API of the published file until Ctrl-C, live while a loop trades.

    A later publication is served as soon as it is there. Every request to /api needs a token: it is
    in a file of the data folder, made at the first start, or in BOURSE_API_TOKEN. Commands, such as
    halt, need another one. On another host than loopback both are yours to set, and TLS is the
    task of a reverse proxy.

    Examples:

    - `./bourse serve`
    - `./bourse serve --port 9000 --allow-sql`
    - `./bourse serve --host 0.0.0.0 --name bourse.example.com --token-file ~/.bourse-token`
    """
    if missing := [each for each in ("fastapi", "uvicorn") if find_spec(each) is None]:
        raise ConfigurationError(
            f"{missing[0]} is not installed",
            "`./bourse serve` installs it; elsewhere: pip install -e './python[serve]'",
        )
    check_memory(memory)
    from duckbourse.api import Bounds, Tokens, create_app
    from duckbourse.api.gate import names_of
    from duckbourse.api.running import Running

    folder = settings().data / "api"
    is_loopback = _is_loopback(host)
    own, own_command = settings().api_token, settings().api_command_token
    read, read_from = _token(
        "BOURSE_API_TOKEN",
        own.get_secret_value() if own else None,
        token_file,
        folder / "token",
        may_make=is_loopback,
    )
    command: str | None = None
    command_from = ""
    if is_loopback or own_command or command_token_file:
        command, command_from = _token(
            "BOURSE_API_COMMAND_TOKEN",
            own_command.get_secret_value() if own_command else None,
            command_token_file,
            folder / "command_token",
            may_make=is_loopback,
        )
    if command == read:
        raise ConfigurationError(
            "the token of commands is the one that reads",
            "give two: whoever may look should not be able to halt",
        )
    bounds = Bounds(
        memory=memory,
        threads=settings().threads,
        seconds=timeout,
        rows=rows,
        queries=queries,
        requests_per_second=rate,
    )
    listening = listening_socket(host, port)
    try:
        port = listening.getsockname()[1]
        app = create_app(
            settings().published_database,
            Tokens(read, command),
            names_of(host, port, name or ()),
            bounds=bounds,
            allow_sql=allow_sql,
            metrics_port=metrics_port,
        )
        shown = f"[{host}]" if ":" in host else host
        results.print(f"serving http://{shown}:{port}/", markup=False)
        notes.print(f"token to read: {read_from}", markup=False)
        notes.print(
            f"token of commands: {command_from}"
            if command
            else "no commands: BOURSE_API_COMMAND_TOKEN is not set",
            markup=False,
        )
        notes.print("Ctrl-C stops it")
        Running(app, bounds).run_on(listening)
    finally:
        listening.close()
    notes.print("stopped")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return False


def _token(
    variable: str, given: str | None, file: Path | None, default: Path, *, may_make: bool
) -> tuple[str, str]:
    """Return a token and where it is from; make one in the default file if there is none."""
    if file is not None:
        return _read(file.expanduser()), str(file)
    if given is not None:
        return given, variable
    if not may_make:
        raise ConfigurationError(
            "a host other than loopback needs a token of yours",
            f"set {variable}, such as to the output of: openssl rand -hex 32",
        )
    if default.is_symlink() and not default.exists():
        raise ConfigurationError(f"{default} is a link to nothing", "remove it")
    if not default.exists():
        try:
            write_private(default, f"{secrets.token_hex(TOKEN_BYTES)}\n".encode())
        except OSError as error:
            raise wrap_os_error(error, default) from error
    return _read(default), str(default)


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            mode = path.stat().st_mode
            token = file.read(MOST_TOKEN_BYTES).decode("ascii").strip()
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be read: {error.strerror}", "name a file with a token"
        ) from error
    except UnicodeDecodeError:
        token = ""
    if mode & 0o077:
        raise ConfigurationError(f"others may read {path}", f"chmod 600 {path}")
    if len(token) < LEAST_TOKEN_LETTERS or not token.isprintable() or " " in token:
        raise ConfigurationError(
            f"{path} has no token of {LEAST_TOKEN_LETTERS} or more letters",
            f"write one: openssl rand -hex 32 > {path}",
        )
    return token


def listening_socket(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sends what is written at once on sockets that are TCP by name, and else waits 40 ms
    # for the head of an answer to be acknowledged before it sends the body
    found = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((host, port))
        found.listen(128)
    except OSError as error:
        found.close()
        what = f"port {port} of {host} cannot be listened on: {error.strerror}"
        raise ConfigurationError(
            what, "choose another: --port 8766, or --port 0 for any"
        ) from error
    return found
