"""A vendor's column is found whatever its spelling, and has one meaning."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duckbourse.ingest.columns import NAMES, Role, detected

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
    found = detected(header.split(","), {})
    wanted = {Role.TIMESTAMP, Role.OPEN, Role.HIGH, Role.LOW, Role.CLOSE, Role.VOLUME}
    assert wanted <= set(found)
    assert len(set(found.values())) == len(found)


def test_the_adjusted_close_is_not_the_close() -> None:
    found = detected(VENDORS["yahoo"].split(","), {})
    assert found[Role.CLOSE] == "Close"
    assert found[Role.ADJUSTED_CLOSE] == "Adj Close"


def test_time_alone_is_the_stamp_and_beside_a_date_its_second_half() -> None:
    assert detected(["time", "close"], {})[Role.TIMESTAMP] == "time"
    both = detected(["time", "date", "close"], {})
    assert (both[Role.TIMESTAMP], both[Role.TIME]) == ("date", "time")


def test_what_is_stated_overrules_and_must_be_there() -> None:
    names = ["date", "open", "high", "low", "close", "last"]
    found = detected(names, {Role.CLOSE: "LAST"})
    assert found[Role.CLOSE] == "last"
    with pytest.raises(KeyError, match="settle"):
        detected(names, {Role.CLOSE: "settle"})


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
    assert detected(["x", spelled], {}).get(role) == spelled


@given(st.lists(st.text(max_size=12), unique_by=str.lower, max_size=12))
def test_any_header_gives_each_column_one_meaning(names: list[str]) -> None:
    found = detected(names, {})
    assert set(found.values()) <= set(names)
    assert len(set(found.values())) == len(found)
