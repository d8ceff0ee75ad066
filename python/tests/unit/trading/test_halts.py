"""A halt holds until the one who may lift it does, whatever happens beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from duckbourse import clock
from duckbourse.brokers.paper import FillRules
from duckbourse.errors import JournalError
from duckbourse.orders import events
from duckbourse.orders.book import rebuild_book
from duckbourse.orders.broker import Funds, Holding
from duckbourse.orders.downgrade import BROKER_DIFFERS
from duckbourse.orders.events import TradingState
from duckbourse.orders.manager import Manager
from duckbourse.orders.order import Product, Reason
from duckbourse.trading.commands import Answer, Command
from duckbourse.trading.loop import RECONCILE_SECONDS, Trader
from duckbourse.trading.strategy import Context, Strategy, Wanted
from tests.support.counted_loop import CountedLoop, run_counted
from tests.support.market import Market, at, tick
from tests.support.venue import MarketFeed, MemoryJournal, Venue
from tests.unit.trading.test_resting import Day

ACTIVE, REDUCING, HALTED = TradingState.ACTIVE, TradingState.REDUCING, TradingState.HALTED


class OddVenue(Venue):
    """Holds what we do not, or fails in its own way, while it is asked to."""

    is_odd = False
    is_broken = False

    async def positions(self) -> Sequence[Holding]:
        odd = Holding(symbol="A", product=Product.MIS, quantity=7)
        return [*await super().positions(), *([odd] if self.is_odd else [])]

    async def funds(self) -> Funds:
        if self.is_broken:
            raise KeyError("available.cash")
        return await super().funds()


class Account:
    """One account, whose loop is started again and again on one journal."""

    def __init__(self, folder: Path) -> None:
        self.market = Market(folder, signals=[])
        self.journal = MemoryJournal()
        self.strategies: dict[str, Strategy] = {}

    def start(
        self, do: Callable[[Trader], object] = lambda _: None, *, is_odd: bool = False
    ) -> Trader:
        async def play(loop: CountedLoop) -> Trader:
            trader, venue = self._open()
            venue.is_odd = is_odd
            await trader.start()
            do(trader)
            venue.close()
            return trader

        with clock.driven_by(lambda: at(11)):
            return run_counted(play, arrival_seconds=0)

    def _open(self) -> tuple[Trader, OddVenue]:
        folder = self.market.folder
        folder.mkdir(exist_ok=True)
        venue = OddVenue(folder, {"A": Decimal("0.01")}, Decimal(100_000), FillRules())
        manager = Manager(
            rebuild_book(Decimal(100_000), list(self.journal.events), lambda _: None),
            self.journal,  # type: ignore[arg-type]
            venue,
            check=lambda *asked: trader.pre_trade_check(*asked),
            grace_seconds=0,
        )
        ticks = [tick(at(9, 45) + timedelta(seconds=second), 100) for second in range(1, 100)]
        feed = MarketFeed(ticks, ("A",), venue=venue)
        trader = Trader(self.market.publication(), manager, feed, self.strategies, folder)
        return trader, venue

    def trade(self, begin: Callable[[OddVenue], None]) -> Trader:
        async def play(loop: CountedLoop) -> Trader:
            trader, venue = self._open()
            await trader.start()
            begin(venue)
            async for records in trader.feed.ticks():
                await trader.on_records(records)
            venue.close()
            return trader

        with clock.driven_by(lambda: at(9, 44)):
            return run_counted(play, arrival_seconds=0)


@pytest.fixture
def account(tmp_path: Path) -> Account:
    return Account(tmp_path / "session")


def command(name: str, reason: str = "by hand") -> Callable[[Trader], Answer]:
    return lambda trader: trader._handle_command(Command(name, reason, "trader"))


def lose(trader: Trader) -> None:
    trader.manager.set_state(HALTED, "loss=5100.00, max_loss=5000.00", "daily loss")


@pytest.mark.parametrize(
    "halt",
    [command("halt"), command("halt", BROKER_DIFFERS), command("square-off"), lose],
    ids=["halt", "halt with our words", "square-off", "daily loss"],
)
def test_no_start_lifts_what_halted_trading(
    account: Account, halt: Callable[[Trader], object]
) -> None:
    account.start(halt)
    wanted = account.start().book.flatten_reason
    trader = account.start(is_odd=True)
    assert trader.book.state is HALTED
    trader = account.start()
    assert trader.book.state is HALTED
    assert trader.book.flatten_reason is wanted
    account.start(command("resume"))
    assert account.start().book.state is ACTIVE


def obey(trader: Trader, name: str, reason: str, request_id: str = "") -> Answer:
    return trader._handle_command(Command(name, reason, "trader", request_id=request_id))


def resume_of(trader: Trader, *requests: str) -> Command:
    """What is sent now, while these requests wait."""
    lifts = tuple(trader.book.halts)
    return Command("resume", "over", "trader", lifts=lifts, lifts_requests=requests)


def test_a_resume_lifts_what_its_sender_knew_of_and_nothing_later(account: Account) -> None:
    """Sent in the evening, it lifted what the next start had halted the account for."""

    def resume_late(trader: Trader) -> Answer:
        trader.manager.set_state(HALTED, "news", "trader")
        evening = resume_of(trader)
        trader.manager.set_state(HALTED, "the journal was damaged", "journal")
        return trader._handle_command(evening)

    answers: list[Answer] = []
    trader = account.start(lambda trader: answers.append(resume_late(trader)))
    assert (trader.book.state, answers[0].is_obeyed) == (HALTED, False)
    assert answers[0].message == (
        "halted: the journal was damaged (by journal) came after it was sent; ask again to lift"
        " that"
    )
    knowing = resume_of(trader)
    assert account.start(lambda trader: trader._handle_command(knowing)).book.state is ACTIVE


@pytest.mark.parametrize("is_damaged", [True, False])
@pytest.mark.parametrize("halt", ["halt", "square-off"])
def test_a_resume_lifts_the_halt_that_waited_when_it_was_sent(
    account: Account, halt: str, is_damaged: bool
) -> None:
    def start(trader: Trader) -> None:
        resume = resume_of(trader, "halt")
        if is_damaged:
            trader.manager.set_state(HALTED, "the journal was damaged", "journal")
        obey(trader, halt, "news", "halt")
        assert trader._handle_command(resume).is_obeyed is not is_damaged
        # whoever asks again knows of both
        assert trader._handle_command(resume_of(trader)).is_obeyed

    assert account.start(start).book.state is ACTIVE


@pytest.mark.parametrize("is_halted_again", [False, True])
@pytest.mark.parametrize("state", [ACTIVE, REDUCING, HALTED])
@pytest.mark.parametrize("halt", ["halt", "square-off"])
def test_a_resume_never_lifts_a_halt_by_hand_that_came_after_it_was_sent(
    account: Account, halt: str, state: TradingState, *, is_halted_again: bool
) -> None:
    """A resume for a feed that was back lifted the halt of whoever saw more than the feed."""

    def start(trader: Trader) -> None:
        trader.manager.set_state(state, "the feed failed", "feed")
        if is_halted_again:
            obey(trader, "square-off", "at first", "first")
        resume = resume_of(trader, *["first"] * is_halted_again)
        obey(trader, halt, "news", "later")
        shown = f"{trader.book.state}: {trader.book.state_reason} (by {trader.book.state_by})"
        answer = trader._handle_command(resume)
        assert answer.message == f"{shown} came after it was sent; ask again to lift that"
        assert trader.book.state is not ACTIVE
        assert trader._handle_command(resume_of(trader)).is_obeyed

    assert account.start(start).book.state is ACTIVE


@pytest.mark.parametrize("is_started_again", [False, True])
@pytest.mark.parametrize("is_lifted_between", [False, True])
@pytest.mark.parametrize("halt", ["halt", "square-off", "feed"])
def test_a_resume_lifts_no_later_halt_of_the_same_words(
    account: Account, halt: str, *, is_lifted_between: bool, is_started_again: bool
) -> None:
    """Halts were known by their words alone: a second `requested` was the first one."""

    def halt_it(trader: Trader, request_id: str) -> None:
        if halt == "feed":
            trader.manager.set_state(HALTED, "the feed failed", "feed")
        else:
            obey(trader, halt, "requested", request_id)

    def start(trader: Trader) -> Command:
        halt_it(trader, "first")
        resume = resume_of(trader)
        if is_lifted_between:
            assert trader._handle_command(resume).is_obeyed
        halt_it(trader, "second")
        return resume

    def begin(trader: Trader, resume: Command) -> None:
        # what had failed has not failed again, while nobody resumed
        is_one = halt == "feed" and not is_lifted_between
        assert trader._handle_command(resume).is_obeyed is is_one
        assert trader._handle_command(resume_of(trader)).is_obeyed

    sent: list[Command] = []
    account.start(lambda trader: sent.append(start(trader)))
    if is_started_again:
        account.start(lambda trader: begin(trader, sent[0]))
    else:
        account.start(lambda trader: begin(trader, start(trader)))


def test_a_resume_lifts_no_damage_that_hides_the_halt_it_was_sent_for(account: Account) -> None:
    sent: list[Command] = []

    def halt(trader: Trader) -> None:
        trader.manager.set_state(HALTED, "news", "feed")
        sent.append(resume_of(trader))

    account.start(halt)
    account.journal.events.pop()
    account.journal.events.append(
        events.JournalSalvaged(at=at(11), first_lost_row=2, kept_as="damaged")
    )
    answers: list[Answer] = []
    account.start(lambda trader: answers.append(trader._handle_command(sent[0])))
    assert answers[0].message.startswith("halted: the journal was damaged")


def test_a_resume_lifts_what_was_squared_off_in_the_session_before(account: Account) -> None:
    """The state that its sender saw is shown without the square-off, which has ended."""

    def halt(trader: Trader) -> Command:
        trader.manager.set_state(HALTED, "news", "feed")
        obey(trader, "square-off", "at first", "first")
        return resume_of(trader)

    sent: list[Command] = []
    account.start(lambda trader: sent.append(halt(trader)))

    def begin(trader: Trader) -> None:
        trader.book.flatten_reason = None  # as a new session does
        assert trader._handle_command(sent[0]).is_obeyed

    account.start(begin)


def test_a_start_lifts_the_halt_of_a_broker_that_differed(account: Account) -> None:
    assert account.start(is_odd=True).book.state_reason == BROKER_DIFFERS
    assert account.start().book.state is ACTIVE
    assert account.start(is_odd=True).book.state is HALTED
    assert account.start().book.state is ACTIVE


def test_a_daily_loss_stands_where_the_broker_differed_before(account: Account) -> None:
    """The next start would lift the halt of a broker that agrees again."""

    def lose_most(trader: Trader) -> None:
        trader.book.cash_amount -= 60_000
        trader._check_daily_limits()

    trader = account.start(lose_most, is_odd=True)
    assert trader.book.state_reason == "loss=60000.00, max_loss=50000.00"
    assert account.start().book.state is HALTED


class Beginning(Strategy):
    """Counts how often it takes up a session."""

    count = 0

    def on_start(self, context: Context) -> None:
        self.count += 1

    def generate_orders(self, context: Context) -> Sequence[Wanted]:
        return []


@pytest.mark.parametrize("is_odd", [False, True])
def test_nobody_resumes_and_no_strategy_begins_where_the_broker_differs(
    account: Account, is_odd: bool
) -> None:
    account.strategies["one"] = strategy = Beginning()
    answers: list[Answer] = []
    trader = account.start(lambda trader: answers.append(command("resume")(trader)), is_odd=is_odd)
    state = HALTED if is_odd else ACTIVE
    assert (answers[0].is_obeyed, trader.book.state) == (not is_odd, state)
    assert strategy.count == (not is_odd)
    if is_odd:
        assert answers[0].message == "the broker differs: A MIS: 0 here, 7 at the broker"


def test_a_square_off_never_lowers_a_halt(account: Account) -> None:
    account.start(lose)
    trader = account.start(command("square-off"))
    assert (trader.book.state, trader.book.flatten_reason) == (HALTED, Reason.BY_HAND)
    assert trader.book.state_reason.startswith("loss=")


def test_a_square_off_outlives_a_broker_that_differed(account: Account) -> None:
    account.start(command("square-off"), is_odd=True)
    trader = account.start()
    assert (trader.book.state, trader.book.flatten_reason) == (HALTED, Reason.BY_HAND)


def test_no_resume_after_the_journal_failed(account: Account) -> None:
    answers = []

    def fail(trader: Trader) -> None:
        trader.manager.journal.failure = JournalError("the disk is full")
        trader.manager.check_journal()
        answers.append(command("resume")(trader))

    assert account.start(fail).book.state is HALTED
    assert answers == [Answer(is_obeyed=False, message="the disk is full")]


def test_a_comparison_that_fails_is_reported(account: Account) -> None:
    def fail(venue: OddVenue) -> None:
        venue.is_broken = True

    trader = account.trade(fail)
    problem = "not compared with the broker: KeyError('available.cash')"
    assert (trader.book.state, trader.book.state_reason) == (REDUCING, problem)
    assert problem in trader.health_problems()
    changes = [
        each for each in account.journal.events if isinstance(each, events.TradingStateChanged)
    ]
    assert [each.reason for each in changes].count(problem) == 1
    assert len(trader.feed.ticks_of_day) > 2 * RECONCILE_SECONDS  # type: ignore[attr-defined]


def test_a_session_that_ended_and_goes_on_ends_again(account: Account) -> None:
    account.start(Trader.end_session)
    account.start(Trader.end_session)
    assert sum(isinstance(each, events.SessionEnded) for each in account.journal.events) == 2


def test_an_account_of_nothing_has_lost_nothing(tmp_path: Path) -> None:
    """It was at its daily loss at once: 0 of 0."""
    trader = Day(tmp_path / "day").traded([tick(at(9, 45), 100)])
    trader.book.session_start_amount = trader.book.cash_amount = Decimal(0)
    with clock.driven_by(lambda: at(9, 46)):
        trader._check_daily_limits()
    assert trader.book.state is TradingState.ACTIVE
