"""
Decode Kite's ticks, from the bytes of their frames to a map of last prices; compare with the
official client.

    .venv/bin/pip install -r python/requirements-dev.lock
    .venv/bin/python python/benchmarks/bench_stream.py

The input is full packets of 500 instruments, with 1, 10 and 100 packets per frame.

    prices        KiteProtocol.decode on all frames of one pass of the event loop (64 KiB, as in a
                  burst) into an array of last prices
    ticks         the same through feed.conflate into Tick objects and a dict of last prices
    kiteconnect   KiteTicker's parser on each frame, into a dict of last prices

The first two also run with one frame per pass, as in a quiet minute.

No socket is involved. The benchmark prints nothing unless all maps are equal.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import SecretStr

from benchmarks.contest import Figures, Way, parser, run, run_child

SYMBOLS, TICKS = 500, 200_000
TICKS_A_FRAME = (1, 10, 100)
PASS_BYTES = 64 * 1024
RECEIVED = 1_795_000_000_000_000
TOKENS = {f"S{number}": number << 8 | 1 for number in range(SYMBOLS)}
PAISA = 10_000  # in millionths


def make_frames(path: Path, ticks_a_frame: int) -> None:
    """Write frames of one size, one per row, with plausible prices and volumes."""
    from duckbourse.brokers.zerodha.stream import FULL

    chance = np.random.default_rng(1)
    shape = TICKS // ticks_a_frame, ticks_a_frame
    packet = np.dtype([("length", ">u2"), ("body", FULL)])
    frames = np.zeros(shape[0], [("count", ">u2"), ("packets", packet, (ticks_a_frame,))])
    frames["count"] = ticks_a_frame
    frames["packets"]["length"] = FULL.itemsize
    bodies = frames["packets"]["body"]
    bodies["token"] = chance.choice(list(TOKENS.values()), shape)
    prices = chance.integers(10_000, 400_000, shape)
    bodies["last_price"] = prices
    bodies["volume"] = np.arange(TICKS).reshape(shape) // 2
    bodies["last_quantity"] = chance.integers(1, 1000, shape)
    bodies["last_trade_time"] = bodies["exchange_time"] = RECEIVED // 1_000_000
    steps = 5 * np.arange(5)
    bodies["bids"]["price"] = prices[..., None] - steps
    bodies["asks"]["price"] = prices[..., None] + 5 + steps
    np.save(path, frames.view(np.uint8).reshape(shape[0], -1))


def frames_in(folder: Path) -> list[bytes]:
    return [frame.tobytes() for frame in np.load(folder / "frames.npy")]


def protocol_and_passes(folder: Path, pass_bytes: int) -> tuple[Any, list[list[bytes]]]:
    from duckbourse.brokers.zerodha.stream import KiteProtocol

    frames = frames_in(folder)
    size = max(1, pass_bytes // len(frames[0]))
    passes = [frames[first : first + size] for first in range(0, len(frames), size)]
    return KiteProtocol(
        SecretStr(""), SecretStr(""), TOKENS, on_order=lambda _: None, root=""
    ), passes


def prices(folder: Path, pass_bytes: int) -> tuple[Callable[[], Any], Callable[[Any], Figures]]:
    protocol, passes = protocol_and_passes(folder, pass_bytes)

    def compute() -> tuple[int, Any]:
        last = np.zeros(len(protocol.symbols), np.int64)
        count = 0
        for of_pass in passes:
            records = protocol.decode(of_pass, np.full(len(of_pass), RECEIVED))
            count += len(records)
            last[records["symbol"]] = records["price"]  # if a symbol occurs twice, the later wins
        return count, last

    def figures(found: tuple[int, Any]) -> Figures:
        count, last = found
        prices = zip(protocol.symbols, last.tolist(), strict=True)
        return figures_of(count, {TOKENS[symbol]: price // PAISA for symbol, price in prices})

    return compute, figures


def ticks(folder: Path, pass_bytes: int) -> tuple[Callable[[], Any], Callable[[Any], Figures]]:
    from duckbourse.streaming.feed import conflate

    protocol, passes = protocol_and_passes(folder, pass_bytes)

    def compute() -> tuple[int, dict[str, Decimal]]:
        last: dict[str, Decimal] = {}
        count = 0
        for of_pass in passes:
            records = protocol.decode(of_pass, np.full(len(of_pass), RECEIVED))
            count += len(records)
            for tick in conflate(records, protocol.symbols, False):
                last[tick.symbol] = tick.price
        return count, last

    def figures(found: tuple[int, dict[str, Decimal]]) -> Figures:
        count, last = found
        return figures_of(count, {TOKENS[symbol]: int(100 * last[symbol]) for symbol in last})

    return compute, figures


def figures_of(count: int, paise: dict[int, int]) -> Figures:
    weighted = sum(token * price for token, price in paise.items())
    return {"ticks": count, "symbols": len(paise), "prices": weighted}


def kiteconnect(folder: Path) -> tuple[Callable[[], Any], Callable[[Any], Figures]]:
    from kiteconnect import KiteTicker

    frames = frames_in(folder)
    ticker = KiteTicker("", "")

    def compute() -> tuple[int, dict[int, float]]:
        last: dict[int, float] = {}
        count = 0
        for frame in frames:
            ticks = ticker._parse_binary(frame)
            count += len(ticks)
            for tick in ticks:
                last[tick["instrument_token"]] = tick["last_price"]
        return count, last

    def figures(found: tuple[int, dict[int, float]]) -> Figures:
        count, last = found
        return figures_of(count, {token: round(100 * price) for token, price in last.items()})

    return compute, figures


WAYS: dict[str, Way] = {
    "prices": lambda folder: prices(folder, PASS_BYTES),
    "ticks": lambda folder: ticks(folder, PASS_BYTES),
    "prices, one frame": lambda folder: prices(folder, 0),
    "ticks, one frame": lambda folder: ticks(folder, 0),
    "kiteconnect": kiteconnect,
}


def main() -> None:
    """Generate frames, run every decoder on them, and print a table."""
    arguments = parser(__doc__, "stream_benchmark")
    options = arguments.parse_args()
    if options.child:
        run_child(WAYS, options.child, options.folder, options.repeat)
        return
    rows: dict[int, dict[str, Any]] = {}
    for ticks_a_frame in TICKS_A_FRAME:
        folder = options.folder / str(ticks_a_frame)
        folder.mkdir(parents=True, exist_ok=True)
        make_frames(folder / "frames.npy", ticks_a_frame)
        title = f"{ticks_a_frame} per frame"
        rows[ticks_a_frame] = run(
            __file__, title, folder, WAYS, lambda one, other: one != other, options.repeat
        )
    if options.json:
        print(json.dumps(rows, indent=2))
        return
    show_rates(rows)


def show_rates(rows: dict[int, dict[str, Any]]) -> None:
    """Print ticks per CPU second, and the multiple of the official client."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title="thousands of ticks a CPU second", title_justify="left", box=None)
    table.add_column("to a frame", justify="right")
    for way in WAYS:
        table.add_column(way, justify="right")
    for ticks_a_frame, ways in rows.items():
        rates = {way: TICKS / row["cpu_s"] for way, row in ways.items()}
        official = rates["kiteconnect"]
        cells = (f"{rate / 1000:,.0f} ({rate / official:.1f} x)" for rate in rates.values())
        table.add_row(str(ticks_a_frame), *cells)
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
