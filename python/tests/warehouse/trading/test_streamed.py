"""A session from the socket to the fill: Kite's frames in, orders out, every tick on disk."""

from __future__ import annotations

import asyncio
from datetime import date, datetime, time
from pathlib import Path

import numpy as np
import pytest
from picows import WSMsgType, WSTransport
from pydantic import SecretStr

from duckbourse import clock
from duckbourse.brokers.zerodha.instruments import tokens_in
from duckbourse.brokers.zerodha.stream import KiteProtocol
from duckbourse.errors import BadInput, BrokerError
from duckbourse.orders.events import TradingState
from duckbourse.orders.order import Reason
from duckbourse.streaming.feed import Records, instant
from duckbourse.streaming.recorder import LogHeader, Recorder
from duckbourse.streaming.replay import recorded_ticks, replay_minutes
from duckbourse.streaming.websocket import FeedLimits, WebSocketFeed
from duckbourse.trading.loop import Trader
from duckbourse.trading.publication import load
from duckbourse.trading.session import SessionConfig, TradingSession
from duckbourse.warehouse import open_published
from tests.support.socket_server import Server, serving
from tests.support.waiting import HANG_SECONDS
from tests.support.warehouse import Warehouse
from tests.unit.brokers.test_zerodha_stream import frame_of, packet

DAY = date(2010, 5, 28)
PAISA = 10_000


class Day:
    """
    The minutes from 09:44 to 09:52, or others, as Kite would send them.

    Ticks and the clock advance once the session has handled those before.
    """

    def __init__(self, warehouse: Warehouse, starts: time = time(9, 44), ends: time = time(9, 52)):
        connection = open_published(warehouse.file)
        self.publication = load(connection, "paper_us", DAY, frozenset())
        zone, known = self.publication.zone, self.publication.instruments
        feed = replay_minutes(connection, DAY, "XNYS", zone, known, 0)
        connection.close()
        self.symbols = feed.symbols
        self.tokens = {symbol: (place + 1) << 8 | 1 for place, symbol in enumerate(feed.symbols)}
        self.starts_at = self.at(starts)
        self.ends_at = self.at(ends)
        self.batches = [
            records
            for records in feed.batches()
            if self.starts_at <= instant(int(records["received_at"][0])) < self.ends_at
        ]
        self.shown = self.starts_at
        self.loop: asyncio.AbstractEventLoop | None = None
        self.handled_count = 0
        self.news = asyncio.Event()

    def at(self, time_of_day: time) -> datetime:
        local = datetime.combine(DAY, time_of_day, self.publication.zone)
        return local.astimezone(self.publication.opens_at.tzinfo)

    def now(self) -> datetime:
        return self.shown

    def on_batch(self, trader: Trader) -> None:
        """Note the progress of the session, which runs in its own thread."""
        self.handled_count = trader.tick_count + trader.stray_tick_count
        assert self.loop is not None
        self.loop.call_soon_threadsafe(self.news.set)

    def frame(self, records: Records) -> bytes:
        return frame_of(
            *(
                packet(
                    token=self.tokens[self.symbols[record["symbol"]]],
                    last_price=round(record["price"] / PAISA),
                    last_quantity=record["quantity"],
                    volume=record["traded_at"] // 1_000_000 - 1_274_000_000,
                    last_trade_time=record["traded_at"] // 1_000_000,
                )
                for record in records
            )
        )

    async def play(self, number: int, transport: WSTransport) -> None:
        sent_count = 0
        async with asyncio.timeout(HANG_SECONDS):
            for records in self.batches:
                self.shown = instant(int(records["received_at"][0]))
                transport.send(WSMsgType.BINARY, self.frame(records))
                sent_count += len(records)
                while self.handled_count < sent_count:
                    await self.news.wait()
                    self.news.clear()
        self.shown = self.ends_at

    def feed(self, server: Server) -> WebSocketFeed:
        protocol = KiteProtocol(
            SecretStr("k"),
            SecretStr("t"),
            self.tokens,
            on_order=lambda _: None,
            root=server.root,
        )
        return WebSocketFeed(
            protocol,
            is_open=lambda: True,
            ends_at=self.ends_at,
            limits=FeedLimits(
                connect_seconds=HANG_SECONDS,
                dead_seconds=HANG_SECONDS,
                stalled_seconds=HANG_SECONDS,
                check_seconds=0.05,
                min_delay_seconds=0.01,
            ),
        )


def traded(day: Day, folder: Path, *, refusals: int = 0) -> tuple[Trader, Recorder]:
    publication = day.publication
    traders: list[Trader] = []
    made: list[Recorder] = []

    async def play() -> None:
        script = Server(day.play, subscription_count=2, refusals=[403] * refusals)
        async with serving(script) as server:
            feed = day.feed(server)
            header = LogHeader(
                session_date=DAY,
                calendar="XNYS",
                source="kite",
                recording="mine",
                symbols=feed.symbols,
            )
            recorder = Recorder(folder / "ticks", header)
            made.append(recorder)
            config = SessionConfig(
                publication=publication,
                folder=folder / "session",
                feed=feed,
                recorder=recorder,
                on_batch=day.on_batch,
            )
            day.loop = asyncio.get_running_loop()

            def session() -> None:
                with TradingSession.open(config) as opened:
                    opened.run()
                    traders.append(opened.trader)

            await day.loop.run_in_executor(None, session)

    (folder / "session").mkdir()
    with clock.driven_by(day.now):
        asyncio.run(play())
    return traders[-1], made[0]


def test_a_session_is_traded_from_the_socket_and_recorded_in_full(
    sample: Warehouse, tmp_path: Path
) -> None:
    day = Day(sample)
    trader, recorder = traded(day, tmp_path)
    sent = sum(map(len, day.batches))
    assert sent > 500
    assert recorder.tick_count == sent
    found = recorded_ticks(tmp_path / "ticks", DAY, "XNYS", day.symbols)
    assert len(found) == sent
    wanted = np.concatenate(day.batches)
    for column in ("symbol", "quantity"):
        assert sorted(found[column].tolist()) == sorted(wanted[column].tolist())
    assert found["price"].sum() == (np.rint(wanted["price"] / PAISA) * PAISA).sum()
    entries = [
        order
        for order in trader.book.orders.values()
        if order.request.reason is Reason.ENTRY and order.filled_quantity
    ]
    assert len(entries) >= 3
    assert trader.book.state is TradingState.ACTIVE


def test_a_refused_token_halts_and_is_raised(sample: Warehouse, tmp_path: Path) -> None:
    day = Day(sample)
    with pytest.raises(BrokerError, match="the access token is wrong or has expired"):
        traded(day, tmp_path, refusals=9)


def test_instruments_are_found_in_kites_list(tmp_path: Path) -> None:
    path = tmp_path / "instruments.csv"
    path.write_text(
        "instrument_token,exchange_token,tradingsymbol,name,last_price,expiry,strike,tick_size,"
        "lot_size,instrument_type,segment,exchange\n"
        "408065,1594,INFY,INFOSYS,0,,0,0.1,1,EQ,NSE,NSE\n"
        "128053508,500209,INFY,INFOSYS,0,,0,0.1,1,EQ,BSE,BSE\n"
        "738561,2885,RELIANCE,RELIANCE,0,,0,0.1,1,EQ,NSE,NSE\n"
    )
    wanted = ["INFY", "NSE:RELIANCE", "TCS"]
    assert tokens_in(path, wanted, "NSE") == {"INFY": 408065, "NSE:RELIANCE": 738561}
    path.write_text("a,b\n1,2\n")
    with pytest.raises(BadInput, match="is not Kite's list of instruments"):
        tokens_in(path, wanted, "NSE")
