"""A vendor's column is found in any spelling, and has one role."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duckbourse.ingest.inference.columns import NAMES, Role, infer_roles
from tests.support.stores import Shop

VENDORS = {
    "yahoo": "Date,Open,High,Low,Close,Adj Close,Volume,Dividends,Stock Splits",
    "alpha vantage": "timestamp,1. open,2. high,3. low,4. close,5. adjusted close,6. volume",
    "metastock": "<TICKER>,<PER>,<DTYYYYMMDD>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>",
    "nse bhavcopy": "SYMBOL,SERIES,OPEN,HIGH,LOW,CLOSE,LAST,PREVCLOSE,TOTTRDQTY,TIMESTAMP",
    "nse udiff": "TradDt,TckrSymb,OpnPric,HghPric,LwPric,ClsPric,TtlTradgVol",
    "nse with deliveries": (
        "SYMBOL, SERIES, DATE1, PREV_CLOSE, OPEN_PRICE, HIGH_PRICE, LOW_PRICE, LAST_PRICE,"
        " CLOSE_PRICE, AVG_PRICE, TTL_TRD_QNTY, TURNOVER_LACS, NO_OF_TRADES, DELIV_QTY, DELIV_PER"
    ),
    "nse derivatives": (
        "INSTRUMENT,SYMBOL,EXPIRY_DT,STRIKE_PR,OPTION_TYP,OPEN,HIGH,LOW,CLOSE,SETTLE_PR,CONTRACTS,"
        "VAL_INLAKH,OPEN_INT,CHG_IN_OI,TIMESTAMP"
    ),
    "nse indices": (
        "Index Name,Index Date,Open Index Value,High Index Value,Low Index Value,"
        "Closing Index Value,Points Change,Change(%),Volume,Turnover (Rs. Cr.),P/E,P/B,Div Yield"
    ),
    "bse": (
        "SC_CODE,SC_NAME,SC_GROUP,SC_TYPE,OPEN,HIGH,LOW,CLOSE,LAST,PREVCLOSE,NO_TRADES,NO_OF_SHRS,"
        "NET_TURNOV,TDCLOINDI,ISIN_CODE,TRADING_DATE"
    ),
    "binance": "Open time,Open,High,Low,Close,Volume,Close time",
    "kite": "date,open,high,low,close,volume,oi",
    "tradingview": "time,open,high,low,close,Volume",
    "short": "ts,o,h,l,c,v",
    "pandas": ",Open,High,Low,Close,Volume",
}


@pytest.mark.parametrize("header", VENDORS.values(), ids=VENDORS)
def test_vendors_are_understood(header: str) -> None:
    found = infer_roles(header.split(","), {})
    wanted = {Role.TIMESTAMP, Role.OPEN, Role.HIGH, Role.LOW, Role.CLOSE, Role.VOLUME}
    assert wanted <= set(found)
    assert len(set(found.values())) == len(found)


def test_the_adjusted_close_is_not_the_close() -> None:
    found = infer_roles(VENDORS["yahoo"].split(","), {})
    assert found[Role.CLOSE] == "Close"
    assert found[Role.ADJUSTED_CLOSE] == "Adj Close"


def test_time_alone_is_the_timestamp_and_beside_a_date_the_time_of_day() -> None:
    assert infer_roles(["time", "close"], {})[Role.TIMESTAMP] == "time"
    both = infer_roles(["time", "date", "close"], {})
    assert (both[Role.TIMESTAMP], both[Role.TIME]) == ("date", "time")


def test_stated_columns_take_precedence_and_must_exist() -> None:
    names = ["date", "open", "high", "low", "close", "last"]
    found = infer_roles(names, {Role.CLOSE: "LAST"})
    assert found[Role.CLOSE] == "last"
    with pytest.raises(KeyError, match="settle"):
        infer_roles(names, {Role.CLOSE: "settle"})


owner = {name: role for role, names in reversed(NAMES.items()) for name in names}


@given(st.data())
def test_case_and_punctuation_do_not_matter(data: st.DataObject) -> None:
    role = data.draw(st.sampled_from([role for role in NAMES if role is not Role.TIME]))
    # a lone `instrument` is a symbol
    name = data.draw(st.sampled_from([name for name in NAMES[role] if owner[name] is role]))
    letters = [data.draw(st.sampled_from([c.lower(), c.upper()])) for c in name]
    gap = data.draw(st.sampled_from(["", " ", "_", "-", "."]))
    place = data.draw(st.integers(1, len(letters)))
    spelled = "<" + "".join(letters[:place]) + gap + "".join(letters[place:]) + ">"
    assert infer_roles(["x", spelled], {}).get(role) == spelled


@given(st.lists(st.text(max_size=12), unique_by=str.lower, max_size=12))
def test_any_header_gives_each_column_one_meaning(names: list[str]) -> None:
    found = infer_roles(names, {})
    assert set(found.values()) <= set(names)
    assert len(set(found.values())) == len(found)


def test_the_remedy_for_a_file_with_only_an_adjusted_close(shop: Shop) -> None:
    file = shop.csv("T.csv", ["2024-01-02,1,2,1,2,5"], "date,open,high,low,Adj Close,volume")
    refused = shop.refuse(file, calendar="XNYS")
    assert "T.csv has no close;" in refused.notes[0]
    assert "columns.open" not in refused.remedy
    expected = "columns.close = 'Adj Close'"
    assert expected in refused.remedy
    shop.deliver(file, calendar="XNYS", mapping=shop.file("m.toml", expected))
    assert shop.rows("daily", "close") == [(2,)]
    shop.deliver(file, calendar="XNYS", kind="adjusted_close")
    assert shop.rows("adjusted_close", "adjusted_close") == [(2,)]


def test_each_missing_column_is_named(shop: Shop) -> None:
    file = shop.csv("T.csv", ["2024-01-02,1,2,1,2"], "date,first,top,low,close")
    assert (
        "set columns.open = '…', columns.high = '…' in" in shop.refuse(file, calendar="XNYS").remedy
    )


@pytest.mark.parametrize(
    ("column", "stamps"),
    [
        # one-minute and daily flat files, in nanoseconds: 09:30 in New York, and its midnight
        ("window_start", [1_704_205_800_000_000_000 + 60_000_000_000 * n for n in range(390)]),
        ("ts_event", [1_704_205_800_000_000_000 + 60_000_000_000 * n for n in range(390)]),
        ("window_start", [1_704_171_600_000_000_000 + 86_400_000_000_000 * n for n in range(3)]),
    ],
)
def test_timestamps_of_flat_files(shop: Shop, column: str, stamps: list[int]) -> None:
    rows = [f"T,5,1,2,2,1,{at},7" for at in stamps]
    header = f"ticker,volume,open,close,high,low,{column},transactions"
    report = shop.deliver(shop.csv("2024-01-02.csv", rows, header), calendar="XNYS")
    if report.kind == "minute":
        first = shop.rows("minute", "min(bar_ts)::varchar, count(*)")
        assert (report.bar_label, first) == ("start", [("2024-01-02 09:30:00", 390)])
    else:
        assert shop.rows("daily", "min(session_date)::varchar") == [("2024-01-02",)]


BSE = (
    "SC_CODE,SC_NAME,SC_GROUP,SC_TYPE,OPEN,HIGH,LOW,CLOSE,LAST,PREVCLOSE,NO_TRADES,NO_OF_SHRS,"
    "NET_TURNOV,TDCLOINDI"
)
RELIANCE = "500325,RELIANCE    ,A ,Q,2600.00,2620.00,2590.00,2610.00,2610.00,2598.00,9,234567,6.5,"


@pytest.mark.parametrize("name", ["EQ050124.CSV", "eq050124.csv", "EQ_ISINCODE_050124.CSV"])
def test_the_date_in_the_name_of_a_bhavcopy(shop: Shop, name: str) -> None:
    report = shop.deliver(shop.csv(name, [RELIANCE], BSE))
    assert (report.calendar, report.kind) == ("XNSE", "daily")
    assert "the date is 2024-01-05, from the file's name" in report.notes
    found = shop.rows("daily", "symbol, session_date::varchar, close, volume")
    assert found == [("500325", "2024-01-05", 2610, 234567)]
    # the date in the file takes precedence
    inside = shop.csv(f"x/{name}", [f"{RELIANCE},08-Jan-24"], f"{BSE},TRADING_DATE")
    shop.deliver(inside, source="other")
    assert shop.rows("daily", "max(session_date)::varchar") == [("2024-01-08",)]


def test_a_bhavcopy_without_a_date_in_its_name_is_refused(shop: Shop) -> None:
    for name in ("EQ320124.CSV", "prices.csv"):
        assert "has no date" in shop.refuse(shop.csv(name, [RELIANCE], BSE)).notes[0]
