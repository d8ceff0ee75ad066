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


@given(st.data())
def test_case_and_punctuation_do_not_matter(data: st.DataObject) -> None:
    role = data.draw(st.sampled_from([role for role in NAMES if role is not Role.TIME]))
    name = data.draw(st.sampled_from(NAMES[role]))
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
