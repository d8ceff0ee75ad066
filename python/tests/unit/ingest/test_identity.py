"""Everything that a vendor states about an instrument is in its symbol; symbols are unique."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from duckbourse.errors import BadInput
from duckbourse.ingest import Outcome, RawStore, identity, ingest, read_mapping
from duckbourse.ingest.identity import SEED, VENDOR_SYMBOLS_HEADER, name_of, vendor_symbols
from duckbourse.ingest.store import Delivered, owners_of
from duckbourse.ingest.withdrawals import withdraw
from duckbourse.settings import PROJECT
from tests.support.stores import DELIVERED_AT, Shop, minutes

BAR = "10,12,9,11,100"
UDIFF = (
    "TradDt,BizDt,Sgmt,Src,FinInstrmTp,FinInstrmId,ISIN,TckrSymb,SctySrs,XpryDt,"
    "FininstrmActlXpryDt,StrkPric,OptnTp,FinInstrmNm,OpnPric,HghPric,LwPric,ClsPric,LastPric,"
    "PrvsClsgPric,UndrlygPric,SttlmPric,OpnIntrst,ChngInOpnIntrst,TtlTradgVol,TtlTrfVal,"
    "TtlNbOfTxsExctd,SsnId,NewBrdLotQty,Rmks,Rsvd1,Rsvd2,Rsvd3,Rsvd4"
)
# as the exchange wrote them until July 2024; every line ends with a comma
OLD_DERIVATIVES = (
    "INSTRUMENT,SYMBOL,EXPIRY_DT,STRIKE_PR,OPTION_TYP,OPEN,HIGH,LOW,CLOSE,SETTLE_PR,CONTRACTS,"
    "VAL_INLAKH,OPEN_INT,CHG_IN_OI,TIMESTAMP,"
)


def udiff(
    kind: str,
    ticker: str,
    *,
    series: str = "",
    expiry: str = "",
    strike: str = "",
    option: str = "",
    close: float = 11,
    source: str = "NSE",
    segment: str = "FO",
) -> str:
    """Return a row of a UDiFF bhavcopy."""
    fields = {
        **dict.fromkeys(UDIFF.split(","), ""),
        **{"TradDt": "2024-01-02", "BizDt": "2024-01-02", "Sgmt": segment, "Src": source},
        **{"FinInstrmTp": kind, "TckrSymb": ticker, "SctySrs": series, "XpryDt": expiry},
        **{"StrkPric": strike, "OptnTp": option, "OpnPric": "10", "HghPric": str(close + 1)},
        **{"LwPric": "9", "ClsPric": str(close), "TtlTradgVol": "100"},
    }
    return ",".join(fields.values())


def symbols(shop: Shop) -> dict[str, float]:
    return dict(shop.rows("daily", "symbol, close"))


def test_contracts_of_a_udiff_bhavcopy_are_named_by_their_whole_date(shop: Shop) -> None:
    """A weekly and a monthly expiry, two strikes, call and put, a stock future and its stock."""
    rows = [
        udiff("IDF", "NIFTY", expiry="2024-01-25", close=1),
        udiff("IDF", "NIFTY", expiry="2024-02-29", close=2),
        udiff("IDO", "NIFTY", expiry="2024-01-04", strike="21500.00", option="CE", close=3),
        udiff("IDO", "NIFTY", expiry="2024-01-25", strike="21500.00", option="CE", close=4),
        udiff("IDO", "NIFTY", expiry="2024-01-25", strike="21500.00", option="PE", close=5),
        udiff("IDO", "NIFTY", expiry="2024-01-25", strike="2150.00", option="PE", close=6),
        udiff("STO", "BAJAJ-AUTO", expiry="2024-01-25", strike="152.50", option="CE", close=7),
        udiff("STF", "BAJAJ-AUTO", expiry="2024-01-25", close=8),
        udiff("STK", "BAJAJ-AUTO", series="EQ", segment="CM", close=9),
    ]
    report = shop.deliver(shop.csv("BhavCopy_NSE_FO.csv", rows, UDIFF))
    assert (report.kind, report.calendar, report.rows_duplicate) == ("daily", "XNSE", 0)
    assert symbols(shop) == {
        "NIFTY-25JAN2024-FUT": 1,
        "NIFTY-29FEB2024-FUT": 2,
        "NIFTY-04JAN2024-21500CE": 3,
        "NIFTY-25JAN2024-21500CE": 4,
        "NIFTY-25JAN2024-21500PE": 5,
        "NIFTY-25JAN2024-2150PE": 6,
        "BAJAJ-AUTO-25JAN2024-152.5CE": 7,
        "BAJAJ-AUTO-25JAN2024-FUT": 8,
        "BAJAJ-AUTO": 9,
    }


def test_the_older_layout_gives_a_contract_the_same_name(shop: Shop) -> None:
    rows = [
        "FUTIDX,NIFTY,25-Jan-2024,0,XX,10,12,9,1,11,50,1,5,0,02-JAN-2024,",
        "OPTIDX,NIFTY,25-Jan-2024,21500,CE,10,12,9,2,11,60,1,5,0,02-JAN-2024,",
        "OPTSTK,INFY,25-Jan-2024,1507.5,PE,10,12,9,3,11,70,1,5,0,02-JAN-2024,",
    ]
    report = shop.deliver(shop.csv("fo02JAN2024bhav.csv", rows, OLD_DERIVATIVES))
    assert (report.kind, report.calendar) == ("daily", "XNSE")
    assert shop.rows("daily", "symbol, close, volume") == [
        ("INFY-25JAN2024-1507.5PE", 3, 70),
        ("NIFTY-25JAN2024-21500CE", 2, 60),
        ("NIFTY-25JAN2024-FUT", 1, 50),
    ]


def test_a_contract_that_cannot_be_read_is_kept_as_text(shop: Shop) -> None:
    rows = [
        udiff("IDF", "NIFTY", expiry="2024-01-25"),
        udiff("IDF", "NIFTY", expiry="some day"),
        udiff("IDF", "NIFTY"),
        udiff("IDO", "NIFTY", expiry="2024-01-25", option="CE"),
        udiff("IDO", "NIFTY", expiry="2024-01-25", strike="high", option="CE"),
        udiff("IDO", "", expiry="2024-01-25"),
    ]
    report = shop.deliver(shop.csv("fo.csv", rows, UDIFF))
    assert (report.rows_kept, report.rows_unreadable) == (1, 5)
    assert shop.rows("unreadable", "source_row, rule") == [
        *((number, "unreadable_contract") for number in (2, 3, 4, 5)),
        (6, "no_symbol"),
    ]


@pytest.mark.parametrize(
    ("words", "symbol"),
    [
        ("A,EQ,,,", "A"),
        ("A, eq ,,,", "A"),
        ("A,,,,", "A"),
        ("A,-,,,", "A"),
        ("A,BE,,,", "A-BE"),
        ("A,BL,,,", "A-BL"),
        ("A,NA,,,", "A-NA"),
        ("A,,2024-01-25,,", "A-25JAN2024-FUT"),
        ("A,,25-Jan-24,0,XX", "A-25JAN2024-FUT"),
        ("A,,25JAN2024,-,-", "A-25JAN2024-FUT"),
        ("A,,20240125,100.05,call", "A-25JAN2024-100.05CE"),
        ("A,,2024-01-25 00:00:00,100,P", "A-25JAN2024-100PE"),
        ("A,,2024-01-25,100,CA", "A-25JAN2024-100CA"),
        ("A,,,1200,CE", "A-1200CE"),
    ],
)
def test_fields_of_a_row_and_the_symbol_they_form(shop: Shop, words: str, symbol: str) -> None:
    header = "symbol,series,expiry,strike,option_type,date,open,high,low,close,volume"
    path = shop.csv("T.csv", [f"{words},2024-01-02,{BAR}"], header)
    shop.deliver(path, calendar="XNSE", kind="daily")
    assert list(symbols(shop)) == [symbol]


def test_a_stock_named_like_a_future_is_a_stock(shop: Shop) -> None:
    """The column `instrument` may hold a company's name; a bond has an expiry but no contract."""
    header = "symbol,instrument,expiry,date,open,high,low,close,volume"
    rows = [
        f"FRETAIL,Future Retail Ltd,,2024-01-02,{BAR}",
        f"BOND,BOND,2030-01-25,2024-01-02,{BAR}",
    ]
    shop.deliver(shop.csv("T.csv", rows, header), calendar="XNSE", kind="daily")
    assert list(symbols(shop)) == ["BOND", "FRETAIL"]


def test_bse_is_part_of_the_symbol_and_its_groups_are_not(shop: Shop) -> None:
    rows = [
        udiff("STK", "INFY", series="A", source="BSE", segment="CM", close=21),
        udiff("STK", "SME", series="XT", source="BSE", segment="CM", close=22),
        udiff("STK", "INFY", series="EQ", segment="CM", close=23),
    ]
    report = shop.deliver(shop.csv("both.csv", rows, UDIFF))
    assert report.calendar == "XNSE"
    assert symbols(shop) == {"BSE:INFY": 21, "BSE:SME": 22, "INFY": 23}


COLUMNS = "symbol,exchange,currency,date,open,high,low,close,volume"


def test_exchange_and_currency_are_part_of_the_symbol(shop: Shop) -> None:
    def row(exchange: str, currency: str, close: int) -> str:
        return f"INFY,{exchange},{currency},2024-01-02,10,99,9,{close},100"

    rows = [
        row("NSE", "INR", 11),
        row("bse", "INR", 12),
        row("NSE", "USD", 13),
        row("BSE", "USD", 14),
        row("GIFT", "USD", 15),
    ]
    report = shop.deliver(shop.csv("T.csv", rows, COLUMNS), kind="daily")
    assert report.calendar == "XNSE"
    assert symbols(shop) == {
        "INFY": 11,
        "BSE:INFY": 12,
        "INFY-USD": 13,
        "BSE:INFY-USD": 14,
        "GIFT:INFY-USD": 15,
    }


def test_pence_are_not_pounds(shop: Shop) -> None:
    """Likewise cents are not rand, and agorot not shekels, however a vendor writes them."""
    closes = {"GBp": 7250, "GBP": 72.5, "gbp": 72.5, "GBX": 7250, "GBx": 7250, "ZAc": 5, "ZAC": 5}
    closes |= {"ZAR": 0.05, "ILa": 9, "ILA": 9, "ILS": 0.09, " GBp ": 7250, "-": 1}
    rows = [
        f"VOD,LSE,{money},2024-01-{day:02d},{close},9999,0.01,{close},100"
        for day, (money, close) in enumerate(closes.items(), start=2)
    ]
    shop.deliver(shop.csv("T.csv", rows, COLUMNS), kind="daily", calendar="XNYS")
    assert shop.rows("daily", "distinct symbol, close") == [
        ("LSE:VOD", 1),
        ("LSE:VOD-GBP", 72.5),
        ("LSE:VOD-GBX", 7250),
        ("LSE:VOD-ILA", 9),
        ("LSE:VOD-ILS", 0.09),
        ("LSE:VOD-ZAC", 5),
        ("LSE:VOD-ZAR", 0.05),
    ]


@pytest.mark.parametrize(
    ("symbol", "exchange", "currency", "calendar", "name"),
    [
        ("INFY", "NSE_EQ", "INR", "XNSE", "INFY"),
        ("INFY", "N", "", "XNSE", "INFY"),
        ("INFY", "B", "", "XNSE", "BSE:INFY"),
        ("INFY", "NASDAQ", "USD", "XNYS", "INFY"),
        ("INFY", "N", "USD", "XNYS", "INFY"),
        ("INFY", "", "EUR", "XNYS", "INFY-EUR"),
        ("BTC", "KRAKEN", "EUR", "ALWAYS", "KRAKEN:BTC-EUR"),
        ("BTCUSDT", "", "USDT", "ALWAYS", "BTCUSDT"),
        ("BTC", "", "USDT", "ALWAYS", "BTC-USDT"),
        # the last letters of a stock's symbol are not its currency
        ("ORINR", "", "INR", "XNYS", "ORINR-INR"),
        ("BUSD", "", "USD", "XNSE", "BUSD-USD"),
        ("BUSD", "", "USD", "XNYS", "BUSD"),
        ("CRUDE", "MCX", "", "XNSE", "MCX:CRUDE"),
    ],
)
def test_exchanges_and_currencies_in_names(
    symbol: str, exchange: str, currency: str, calendar: str, name: str
) -> None:
    assert name_of(symbol, exchange, currency, calendar, "", {}) == name


def test_a_stated_symbol_is_unchanged_if_all_rows_share_an_exchange(shop: Shop) -> None:
    one = shop.csv("one.csv", [f"500209,BSE,INR,2024-01-02,{BAR}"], COLUMNS)
    shop.deliver(one, kind="daily", symbol="INFYB")
    assert list(symbols(shop)) == ["INFYB"]


def test_a_role_stated_as_empty_has_no_column(shop: Shop) -> None:
    mapping = shop.file("m.toml", "[columns]\nexchange = ''\ncurrency = 'currency'")
    path = shop.csv("T.csv", [f"INFY,LSE,INR,2024-01-02,{BAR}"], COLUMNS)
    report = shop.deliver(path, mapping=mapping, kind="daily", calendar="XNSE")
    assert list(symbols(shop)) == ["INFY"]
    assert report.columns_left == ("exchange",)


def test_exchanges_of_two_calendars_are_two_files(shop: Shop) -> None:
    rows = [f"INFY,{exchange},,2024-01-02,{BAR}" for exchange in ("NSE", "NYSE")]
    report = shop.refuse(shop.csv("T.csv", rows, COLUMNS), kind="daily")
    assert "NSE (XNSE), NYSE (XNYS)" in report.notes[0]
    for row in rows:
        shop.deliver(
            shop.csv(f"{row[5:8]}.csv", [row], COLUMNS), kind="daily", symbol_prefix=f"{row[5:8]}:"
        )
    assert list(symbols(shop)) == ["NSE:INFY", "NYS:INFY"]


def test_the_exchange_of_the_rows_must_fit_the_stated_calendar(shop: Shop) -> None:
    path = shop.csv("T.csv", [f"INFY,NSE,,2024-01-02,{BAR}"], COLUMNS)
    report = shop.refuse(path, kind="daily", calendar="XNYS")
    assert "of NSE, whose calendar is XNSE, not XNYS as stated" in report.notes[0]
    assert "--calendar XNSE" in report.remedy
    assert "columns.exchange = ''" in report.remedy
    shop.deliver(path, kind="daily", calendar="XNSE")
    mapping = shop.file("m.toml", "[columns]\nexchange = ''")
    shop.deliver(path, kind="daily", calendar="XNYS", mapping=mapping, symbol_prefix="US:")
    assert list(symbols(shop)) == ["INFY", "US:INFY"]


TWICE = [
    "2024-01-02,10,12,9,11,100",
    "2024-01-03,10,12,9,11,100",
    "2024-01-02,10,12,9,11,100",
    "2024-01-03,10,12,9,10.5,100",
    "2024-01-04,10,12,9,11,100",
    "2024-01-04,10,12,9,11,",
]


def test_a_bar_with_two_values_is_refused_and_both_rows_are_named(shop: Shop) -> None:
    path = shop.csv("T.csv", TWICE)
    report = shop.refuse(path, calendar="XNSE", kind="daily")
    assert report.notes == (
        "T.csv: rows 2 and 4 are both T of 2024-01-03 and differ: close 11.0 and 10.5 (and 1 more)",
    )
    allowed = shop.deliver(path, calendar="XNSE", kind="daily", last_row_wins=True)
    assert (allowed.rows_kept, allowed.rows_duplicate) == (6, 3)
    assert "2 bars appear again with other values: the last row counts" in allowed.notes


def test_timestamps_of_an_unset_clock_are_not_one_bar(shop: Shop) -> None:
    rows = [f"1970-01-01 05:30:00,1,1,1,{close},1" for close in (1, 2)]
    path = shop.csv("T.csv", [*rows, *minutes("2024-01-02", "09:15", 375)])
    assert shop.deliver(path, calendar="XNSE").rows_duplicate == 1


def test_the_column_that_the_error_asks_for_is_the_remedy(shop: Shop) -> None:
    header = "Ticker,Board,Date,Open,High,Low,Close,Volume"
    path = shop.csv(
        "T.csv", [f"A,{b},2024-01-02,10,12,9,{c},1" for b, c in (("X", 10), ("Y", 11))], header
    )
    report = shop.refuse(path, calendar="XNSE", kind="daily")
    assert "rows 1 and 2 are both A of 2024-01-02" in report.notes[0]
    assert "columns.series = '…'" in report.remedy
    assert "the unused columns are Board" in report.remedy
    mapping = shop.file("m.toml", "[columns]\nseries = 'Board'")
    shop.deliver(path, calendar="XNSE", kind="daily", mapping=mapping)
    assert symbols(shop) == {"A-X": 10, "A-Y": 11}


def test_rejected_lines_do_not_keep_a_symbol_from_its_name(shop: Shop) -> None:
    """A file with a broken line is numbered in a separate table."""
    rows = [f"A,2024-01-0{day},{BAR}" for day in (2, 3, 4)]
    path = shop.csv(
        "T.csv", [rows[0], "A,2024", *rows[1:]], "symbol,date,open,high,low,close,volume"
    )
    shop.deliver(path, calendar="XNSE", symbol_prefix="IN:")
    assert shop.rows("daily", "symbol, source_row") == [("IN:A", 1), ("IN:A", 3), ("IN:A", 4)]


# a symbol belongs to one calendar


@pytest.fixture
def seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Write lines to a temporary seed."""
    path = tmp_path / "vendor_symbols.csv"
    monkeypatch.setattr(identity, "VENDOR_SYMBOLS", path)

    def write(*lines: str) -> None:
        path.write_text("\n".join([",".join(VENDOR_SYMBOLS_HEADER), *lines]) + "\n")

    write()
    return write


def rupees(shop: Shop) -> Path:
    return shop.csv("INFY.csv", [f"2024-01-0{day},1500,1510,1490,1500,5" for day in (2, 3)])


def dollars(shop: Shop, *names: str, kind: str = "bars") -> Path:
    header = "symbol,date,open,high,low,close,volume"
    rows = [f"{name},2024-01-02,18,19,17,18,7" for name in names or ("INFY", "MSFT")]
    return shop.csv(f"{kind}.csv", rows, header)


def test_the_same_symbol_in_another_calendar_is_refused(
    shop: Shop, seed: Callable[..., None]
) -> None:
    shop.deliver(rupees(shop), source="kaldhen", calendar="XNSE")
    stated: dict[str, Any] = {"source": "pystock", "calendar": "XNYS", "kind": "daily"}
    report = shop.refuse(dollars(shop), **stated)
    assert report.notes == (
        "bars.csv: INFY is in XNYS here (source pystock) and in XNSE in the store (INFY: source"
        " kaldhen, INFY.csv); a symbol belongs to one calendar",
    )
    assert "--symbol-prefix XNYS:" in report.remedy
    assert f"{SEED}, such as pystock,INFY,XNYS:INFY" in report.remedy
    # a later run, which knows the first only by its manifest, and a dry run refuse it too
    assert shop.run(dollars(shop), dry_run=True, **stated)[0].outcome is Outcome.FAILED
    assert shop.refuse(dollars(shop, "INFY"), **{**stated, "kind": "adjusted_close"}).error


def test_both_remedies_rename_it(shop: Shop, seed: Callable[..., None]) -> None:
    shop.deliver(rupees(shop), source="kaldhen", calendar="XNSE")
    stated: dict[str, Any] = {"source": "pystock", "calendar": "XNYS", "kind": "daily"}
    shop.deliver(dollars(shop), symbol_prefix="XNYS:", **stated)
    # the seed renames one symbol of its own source only
    seed("other,INFY,WRONG", "pystock,INFY,INFY.US")
    report = shop.deliver(dollars(shop), **stated)
    assert "1 symbol renamed: INFY in the file is INFY.US" in report.notes
    assert shop.rows("daily", "symbol, calendar, close") == [
        *[("INFY", "XNSE", 1500)] * 2,
        ("INFY.US", "XNYS", 18),
        ("MSFT", "XNYS", 18),
        ("XNYS:INFY", "XNYS", 18),
        ("XNYS:MSFT", "XNYS", 18),
    ]
    # a file delivered that way is already there
    assert shop.run(dollars(shop), **stated)[0].outcome is Outcome.ALREADY_THERE


def test_a_line_of_the_seed_takes_precedence_over_the_prefix(
    shop: Shop, seed: Callable[..., None]
) -> None:
    seed("v,MSFT,Microsoft", "v,US:AAPL,Apple")
    shop.deliver(
        dollars(shop, "MSFT", "AAPL", "GE"),
        source="v",
        calendar="XNYS",
        kind="daily",
        symbol_prefix="US:",
    )
    assert list(symbols(shop)) == ["Apple", "Microsoft", "US:GE"]


def test_a_file_is_delivered_again_after_the_seed_renames_its_symbol(
    shop: Shop, seed: Callable[..., None]
) -> None:
    stated: dict[str, Any] = {"source": "v", "calendar": "XNYS", "kind": "daily"}
    first = shop.deliver(dollars(shop, "FB"), **stated)
    seed("v,OTHER,X")
    assert shop.run(dollars(shop, "FB"), **stated)[0].outcome is Outcome.ALREADY_THERE
    seed("v,FB,META")
    again = shop.deliver(dollars(shop, "FB"), **stated)
    assert again.delivery != first.delivery
    assert list(symbols(shop)) == ["FB", "META"]
    assert shop.run(dollars(shop, "FB"), **stated)[0].outcome is Outcome.ALREADY_THERE


def test_two_calendars_in_one_run(shop: Shop) -> None:
    """Deliveries of the same run count, even if the calendar was read before."""
    header = "symbol,exchange,date,open,high,low,close,volume"
    days = ("2024-01-02", "2024-01-03")
    files = [
        shop.csv(name, [f"{symbol},{exchange},{day},{BAR}" for day in days], header)
        for name, symbol, exchange in (
            ("1.csv", "A", "NSE"),
            ("2.csv", "B", "NYSE"),
            ("3.csv", "C", "NSE"),
            ("4.csv", "C", "NYSE"),
            ("5.csv", "B", "NSE"),
        )
    ]
    outcomes = [report.outcome for report in shop.run(*files)]
    assert outcomes == [Outcome.DELIVERED] * 3 + [Outcome.FAILED] * 2


def test_a_delivery_without_a_list_of_symbols_still_owns_them(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("duckbourse.ingest.bars.MAX_LISTED_SYMBOLS", 1)
    shop.deliver(dollars(shop), source="pystock", calendar="XNYS", kind="daily")
    report = shop.refuse(rupees(shop), source="kaldhen", calendar="XNSE")
    assert "INFY is in XNSE here" in report.notes[0]
    assert "source pystock, bars.csv" in report.notes[0]


def test_many_symbols_are_counted(shop: Shop) -> None:
    names = [f"S{number}" for number in range(8)]
    shop.deliver(dollars(shop, *names), source="us", calendar="XNYS", kind="daily")
    report = shop.refuse(
        dollars(shop, *names, kind="in"), source="in", calendar="XNSE", kind="daily"
    )
    assert "S0, S1, S2, S3, S4 and 3 more are in XNSE here" in report.notes[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("source,symbol\n", "does not begin with its header"),
        ("source,vendor_symbol,symbol\na,b\n", "line 2: 'a,b' is not a source"),
        ("source,vendor_symbol,symbol\na,b, \n", "line 2"),
        ("source,vendor_symbol,symbol\na,b,c\n\na,b,d\n", "line 4: b of a is d here and c above"),
    ],
)
def test_an_invalid_seed_is_refused(tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "vendor_symbols.csv"
    path.write_text(text)
    with pytest.raises(BadInput, match=expected) as caught:
        vendor_symbols("a", path)
    assert caught.value.remedy


def test_the_shipped_seed_can_be_read() -> None:
    assert vendor_symbols("nobody") == {}


def test_the_store_is_not_queried_while_there_is_one_calendar(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a store of thousands of deliveries, an ingest does not read their symbols."""
    shop.deliver(dollars(shop), source="us", calendar="XNYS", kind="daily")
    asked: list[int] = []

    def asked_for(
        con: duckdb.DuckDBPyConnection, deliveries: list[Delivered]
    ) -> dict[str, Delivered]:
        asked.append(len(deliveries))
        return owners_of(con, deliveries)

    monkeypatch.setattr("duckbourse.ingest.owners.owners_of", asked_for)
    shop.deliver(dollars(shop, "INFY", kind="more"), source="us", calendar="XNYS", kind="daily")
    assert asked == []
    shop.refuse(rupees(shop), source="in", calendar="XNSE")
    assert asked == [2]


RECORDED_AT = datetime(2024, 1, 2, 4, tzinfo=UTC)


def test_recorded_ticks_own_their_symbols(shop: Shop) -> None:
    """Two recordings of a session, and a subscribed symbol without ticks."""
    shop.record("paper-india", "INFY", "TCS", at=RECORDED_AT)
    shop.record("other", "IOC", at=RECORDED_AT)
    stated: dict[str, Any] = {"source": "pystock", "calendar": "XNYS", "kind": "daily"}
    for symbol in ("INFY", "TCS", "IOC"):
        report = shop.refuse(dollars(shop, symbol), **stated)
        assert f"{symbol} is in XNYS here" in report.notes[0]
        assert f"({symbol}: source kite, ticks recorded on 2024-01-02)" in report.notes[0]
    shop.deliver(dollars(shop, "MSFT"), **stated)
    shop.deliver(rupees(shop), source="kaldhen", calendar="XNSE")


def test_a_withdrawn_recording_owns_only_later_symbols(shop: Shop) -> None:
    """A recording that continued with other symbols after its withdrawal owns those."""
    for recording, symbol in (("paper-india", "INFY"), ("other", "IOC")):
        shop.record(recording, symbol, at=RECORDED_AT)
    with duckdb.connect() as con, shop.store.writing(con):
        withdraw(con, shop.store, ["paper-india@2024-01-02"], RECORDED_AT, None)
    shop.record("paper-india", "TCS", at=RECORDED_AT + timedelta(seconds=1))
    stated: dict[str, Any] = {"source": "pystock", "calendar": "XNYS", "kind": "daily"}
    shop.deliver(dollars(shop, "INFY"), **stated)
    for symbol in ("TCS", "IOC"):
        assert f"{symbol} is in XNYS here" in shop.refuse(dollars(shop, symbol), **stated).notes[0]


def test_shipped_data_owns_its_symbols_where_it_is_built(shop: Shop) -> None:
    path = shop.csv("AAPL.csv", [f"2024-01-02,{BAR}"])
    options = read_mapping(None, calendar="XNSE", kind="daily")
    sample = RawStore(PROJECT / "data" / "sample", flat=True)
    [report] = ingest([path], options, shop.store, DELIVERED_AT, beside=(sample,))
    assert "AAPL is in XNSE here (source AAPL) and in XNYS in the store" in report.notes[0]
    [report] = ingest([path], options, shop.store, DELIVERED_AT)
    assert report.outcome is Outcome.DELIVERED


@pytest.mark.parametrize(
    "column", ["Ex", "mic", "MIC", "exch", "exchange_code", "primary_exchange", "Primary Exchange"]
)
@pytest.mark.parametrize(
    ("word", "symbol"), [("XNAS", "VOD"), ("NYSE", "VOD"), ("XLON", "XLON:VOD"), ("LSE", "LSE:VOD")]
)
def test_a_column_of_exchanges_is_recognized_by_its_codes(
    shop: Shop, column: str, word: str, symbol: str
) -> None:
    rows = [f"VOD,{word},2024-01-0{day},{BAR}" for day in (2, 3)]
    file = shop.csv("x.csv", rows, f"ticker,{column},date,open,high,low,close,volume")
    report = shop.deliver(file, calendar="XNYS")
    assert column not in report.columns_left
    assert set(symbols(shop)) == {symbol}


def test_a_column_of_exchanges_decides_or_contradicts_the_calendar(shop: Shop) -> None:
    rows = [f"INFY,XNSE,2024-01-0{day},{BAR}" for day in (2, 3)]
    file = shop.csv("x.csv", rows, "ticker,mic,date,open,high,low,close,volume")
    assert "--calendar XNSE" in shop.refuse(file, calendar="XNYS").remedy
    assert shop.deliver(file).calendar == "XNSE"


def test_a_column_named_like_an_exchange_without_codes_is_reported(shop: Shop) -> None:
    rows = [f"VOD,{flag},2024-01-0{day},{BAR}" for day, flag in ((2, "N"), (3, "Y"))]
    file = shop.csv("x.csv", rows, "ticker,Ex,date,open,high,low,close,volume")
    report = shop.deliver(file, calendar="XNYS")
    [note] = [note for note in report.notes if "exchange" in note]
    assert "no exchange column was used, but Ex may be it: set columns.exchange = 'Ex'" in note
    assert report.columns_missed == {"exchange": ("Ex",)}
    mapping = shop.file("m.toml", "columns.exchange = ''")
    expected = shop.deliver(file, calendar="XNYS", mapping=mapping, source="other").notes
    assert not [note for note in expected if "exchange" in note]


@pytest.mark.parametrize(
    ("symbol", "calendar", "expected"),
    [
        ("RELIANCE.NS", "XNYS", "RELIANCE.NS has the suffix .NS (NSE), whose calendar is XNSE"),
        ("INFY.BSE", "ALWAYS", "INFY.BSE has the suffix .BSE (BSE), whose calendar is XNSE"),
        ("VOD.L", "XNYS", "VOD.L has the suffix .L (London), which is not in XNYS"),
        ("sap.de", "XNSE", "sap.de has the suffix .DE (Frankfurt), which is not in XNSE"),
        ("aapl.us", "XNSE", "aapl.us has the suffix .US (the United States)"),
        *((share, "XNYS", "") for share in ("BRK.B", "BF.B", "BAC.PR.L", "AAPL", "aapl.us")),
        *((share, "XNSE", "") for share in ("RELIANCE.NS", "M&M.NS", "INFY.BO", "NIFTY 50")),
    ],
)
def test_a_suffix_of_another_calendars_exchange_is_reported(
    shop: Shop, symbol: str, calendar: str, expected: str
) -> None:
    file = shop.csv("x.csv", [f"2024-01-02,{BAR}"])
    notes = [n for n in shop.deliver(file, calendar=calendar, symbol=symbol).notes if "suffix" in n]
    assert len(notes) == bool(expected)
    if expected:
        assert notes[0].startswith(expected)
        assert calendar in notes[0]


def test_suffixes_of_many_symbols_are_one_line(shop: Shop) -> None:
    rows = [f"{name},2024-01-02,{BAR}" for name in ("A.NS", "B.NS", "C.NS", "D.L", "BRK.B")]
    file = shop.csv("x.csv", rows, "symbol,date,open,high,low,close,volume")
    notes = [note for note in shop.deliver(file, calendar="XNYS").notes if "suffix" in note]
    assert [note.split(",")[0] for note in notes] == [
        "A.NS and 2 more have the suffix .NS (NSE)",
        "D.L has the suffix .L (London)",
    ]
    other = Shop(shop.folder / "other")
    named = [note for note in notes if "pass --calendar XNSE" in note]
    assert len(named) == 1
    other.deliver(
        shop.csv("x.csv", rows[:3], "symbol,date,open,high,low,close,volume"), calendar="XNSE"
    )
