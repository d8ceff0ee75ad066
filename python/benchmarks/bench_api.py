"""
The API under load: readers of a large publication while the next ones are published.

    .venv/bin/python python/benchmarks/bench_api.py [--bars 30000000] [--readers 50]
        [--followers 20] [--pause 1] [--seconds 60] [--swaps 4] [--json]

Adds minute bars of 300 symbols to a copy of the published file, and serves it by `./bourse serve`
in a process of its own, with its usual bounds except for the rate. Each reader asks one of the
queries that API.md documents, or for bars of one of the new symbols, and pauses; each follower
receives the events. Meanwhile whole copies of the file are written and renamed into its place.

Prints the milliseconds of each query, how long after a rename every follower knew of it, and the
CPU time and peak memory of the server. Ends with 1 if a request failed, or a follower missed a
publication.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import quantiles

import duckdb
import httpx

from benchmarks.measured import show_figures
from duckbourse.settings import PROJECT, settings

SYMBOLS = 300
SESSION_MINUTES = 390
QUERIES = {
    "symbols": "symbols?search=apple",
    "bars": "bars/AAPL/1d?since=2010-05-03&until=2010-05-28",
    "minutes of a session": "bars/NEW{symbol:03}/1m?since={day}&until={day}",
    "newest 1,000 minutes": "bars/NEW{symbol:03}/1m?order=descending&limit=1000",
    "rsi": "indicators/AAPL/1d/rsi?periods=21&order=descending&limit=5",
    "scan": "scans/crp?session=2010-05-28&cutoff=10:20&preset=standard",
    "signals": "signals?scanner=crp",
    "performance": "portfolios/equal_20/performance?since=2009-01-01&until=2009-12-31",
    "var": "var/equal_20?method=ewma&order=descending&limit=1",
}
MAKE = """
    insert into bars.ohlcv by name
    select
        'NEW' || lpad(symbol::varchar, 3, '0') as symbol,
        '1m' as timeframe,
        session_date + interval 570 minute + to_minutes(minute) as bar_ts,
        session_date + interval 571 minute + to_minutes(minute) as bar_end,
        session_date,
        day * {minutes} + minute + 1 as bar_number,
        minute + 1 as session_bar_number,
        price as open,
        price + 0.1 as high,
        price - 0.1 as low,
        price + 0.05 as close,
        1000 + minute as volume,
        price as adjusted_open,
        price + 0.1 as adjusted_high,
        price - 0.1 as adjusted_low,
        price + 0.05 as adjusted_close,
        1000 + minute as adjusted_volume,
        1 as adjustment_factor,
        1 as adjustment_factor_total,
        'XNYS' as calendar,
        'benchmark' as source
    from (
        select
            *,
            date '2015-01-01' + day::integer as session_date,
            100 + hash(symbol * 100000 + day * 400 + minute) % 1000 / 100 as price
        from range({symbols}) as symbols (symbol)
        cross join range({days}) as days (day)
        cross join range({minutes}) as minutes (minute)
    )
    order by symbol, bar_ts
"""
LATEST = """
    insert into serving.latest_bars by name
    select
        symbol, timeframe, bar_ts, bar_end, session_date, open, high, low, close, volume, source
    from bars.ohlcv
    where source = 'benchmark'
    qualify row_number() over (partition by symbol order by bar_ts desc) = 1
"""


def make_file(source: Path, path: Path, bars: int) -> int:
    """Write a publication with so many more bars; return the sessions of each new symbol."""
    days = max(1, bars // (SYMBOLS * SESSION_MINUTES))
    shutil.copy(source, path)
    path.chmod(0o600)
    with duckdb.connect(str(path)) as connection:
        connection.execute(MAKE.format(symbols=SYMBOLS, days=days, minutes=SESSION_MINUTES))
        connection.execute(LATEST)
    return days


def publish(path: Path, template: Path, number: int) -> float:
    """Put a copy with another build id in the place of a publication; return when."""
    draft = path.with_suffix(".draft")
    shutil.copy(template, draft)
    with duckdb.connect(str(draft)) as connection:
        connection.execute("update serving.publication set build_id = $1", [f"swap-{number}"])
    draft.rename(path)
    return time.perf_counter()


async def read(
    client: httpx.AsyncClient,
    days: int,
    pause: float,
    is_over: asyncio.Event,
    took: dict[str, list[float]],
    failures: list[str],
) -> None:
    await asyncio.sleep(random.uniform(0, 2 * pause))  # not all of them at once
    while not is_over.is_set():
        name = random.choice([*QUERIES])
        day = day_of(random.randrange(days))
        address = QUERIES[name].format(symbol=random.randrange(SYMBOLS), day=day)
        begin = time.perf_counter()
        answer = await client.get(f"/api/v1/{address}")
        took[name].append(1_000 * (time.perf_counter() - begin))
        if answer.status_code != 200:
            failures.append(f"{address}: {answer.status_code} {answer.text[:200]}")
        await asyncio.sleep(random.uniform(0, 2 * pause))


def day_of(number: int) -> str:
    """Return the ISO date of a session of the new symbols."""
    return time.strftime("%Y-%m-%d", time.gmtime(1_420_070_400 + 86_400 * number))


async def follow(client: httpx.AsyncClient, seen: dict[str, list[float]]) -> None:
    async with client.stream("GET", "/api/events", timeout=None) as response:
        assert response.status_code == 200
        async for line in response.aiter_lines():
            if line.startswith('data: {"build_id": "swap-'):
                seen.setdefault(line.split('"')[3], []).append(time.perf_counter())


async def load(
    root: str, token: str, path: Path, template: Path, days: int, asked: argparse.Namespace
) -> tuple[dict[str, dict[str, float]], list[str]]:
    took: dict[str, list[float]] = {name: [] for name in QUERIES}
    failures: list[str] = []
    seen: dict[str, list[float]] = {}
    renamed: dict[str, float] = {}
    is_over = asyncio.Event()
    limits = httpx.Limits(max_connections=None)
    headers = {"authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(
        base_url=root, headers=headers, timeout=60, limits=limits, trust_env=False
    ) as client:
        for query in QUERIES.values():  # the first of a process plans and loads
            await client.get(f"/api/v1/{query.format(symbol=0, day=day_of(0))}")
        followers = [asyncio.create_task(follow(client, seen)) for _ in range(asked.followers)]
        readers = [
            asyncio.create_task(read(client, days, asked.pause, is_over, took, failures))
            for _ in range(asked.readers)
        ]
        for number in range(asked.swaps):
            await asyncio.sleep(asked.seconds / (asked.swaps + 1))
            renamed[f"swap-{number}"] = await asyncio.to_thread(publish, path, template, number)
        await asyncio.sleep(asked.seconds / (asked.swaps + 1))
        is_over.set()
        await asyncio.gather(*readers)
        for follower in followers:
            follower.cancel()
        await asyncio.gather(*followers, return_exceptions=True)
    for name, at in renamed.items():
        if len(seen.get(name, [])) != asked.followers:
            failures.append(f"{len(seen.get(name, []))} of {asked.followers} knew of {name}")
        for each in seen.get(name, []):
            took.setdefault("event after a rename", []).append(1_000 * (each - at))
    took["all queries"] = [each for name in QUERIES for each in took[name]]
    return {name: figures(values) for name, values in took.items() if values}, failures


def figures(values: Sequence[float]) -> dict[str, float]:
    """Return count and quantiles of milliseconds."""
    cuts = quantiles(values, n=100, method="inclusive") if len(values) > 1 else [*values] * 99
    return {"count": len(values), "p50 ms": cuts[49], "p99 ms": cuts[98], "max ms": max(values)}


def peak_mb(process: int) -> float:
    """Return the peak memory of a process."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    [peak] = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
    return int(peak) / 1_024


def cpu_seconds(process: int) -> float:
    """Return the CPU time of a process since its start."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bars", type=int, default=30_000_000)
    parser.add_argument("--readers", type=int, default=50)
    parser.add_argument("--followers", type=int, default=20)
    parser.add_argument("--pause", type=float, default=1.0)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--swaps", type=int, default=4)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench_api.") as folder:
        path, template = Path(folder) / "duckbourse.duckdb", Path(folder) / "template.duckdb"
        days = make_file(settings().published_database, template, asked.bars)
        shutil.copy(template, path)
        server = subprocess.Popen(
            [sys.executable, "-m", "duckbourse.cli", "serve", "--port", "0", "--rate", "100000"],
            env={**os.environ, "BOURSE_DATA_DIR": folder, "PYTHONPATH": str(PROJECT / "python")},
            cwd=PROJECT,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert server.stdout is not None
            root = server.stdout.readline().split()[-1].rstrip("/")
            token = (Path(folder) / "api" / "token").read_text().strip()
            rows, failures = asyncio.run(load(root, token, path, template, days, asked))
            count = sum(int(rows[name]["count"]) for name in QUERIES if name in rows)
            rows["server"] = {
                "CPU ms a request": 1_000 * cpu_seconds(server.pid) / max(1, count),
                "peak MB": peak_mb(server.pid),
                "file MB": template.stat().st_size / 1e6,
            }
        finally:
            server.terminate()
            server.wait()
    show_figures(rows, asked.json)
    if failures:
        raise SystemExit("\n".join(failures[:20]))


if __name__ == "__main__":
    main()
