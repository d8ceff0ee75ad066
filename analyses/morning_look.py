# %% [markdown]
# # A morning look
#
# Is the data in order, what did the scanners find, and what can the book lose next? Run it cell by
# cell in an editor that knows `# %%`, or as a script. In the shipped sample minutes, days and
# portfolios end in different years, so each part below has its own last session; on your own data
# they are one morning.

# %%
import duckbourse

market = duckbourse.open()
print(market)

# %% [markdown]
# ## Is the data in order?
#
# The series that are furthest behind their own market, then the jumps that no known split or
# dividend explains. A signal on one of those symbols deserves a second look.

# %%
market.sql("from bars.staleness where sessions_behind > 0").order("sessions_behind desc").limit(
    5
).select("symbol, timeframe, last_bar_end, sessions_behind").show()
market.sql("from bars.suspect_jumps").select("symbol, session_date, jump_ratio, explanation").show()

# %% [markdown]
# ## What did the scanners find?
#
# The signals of the last session that has one, in the order in which they became known.

# %%
[(session,)] = market.signals().aggregate("max(session_date)").fetchall()
signals = market.signals(since=session)
signals.select(
    "strftime(known_ts, '%H:%M') as known, scanner, preset, symbol, direction, "
    "round(score, 1) as score, entry_price as entry, stop_price as stop"
).show(max_rows=40)

# %% [markdown]
# The name with the highest score, up close: its last minutes, beside an RSI of 21 minutes. No table
# stores that one; the file computes it on read, by the formula that the build uses for the others.

# %%
[(symbol,)] = signals.order("score desc, symbol").select("symbol").limit(1).fetchall()
minutes = market.bars(symbol, "1m").filter(f"session_date = '{session}'")
rsi = market.indicator("rsi", symbol, "1m", 21)
minutes.join(rsi, "symbol, timeframe, bar_ts").order("bar_ts desc").limit(5).select(
    "symbol, bar_ts, close, volume, round(rsi, 1) as rsi_21"
).show()

# %% [markdown]
# ## What can the book lose?
#
# VaR is known before the session it is for, so the last row is the next session. Eight methods
# rarely agree; how far they are apart is the point. Losses are positive fractions of the book.

# %%
var = market.var("equal_20", confidence=0.99, lookback=250)
[(next_session,)] = var.aggregate("max(session_date)").fetchall()
tomorrow = var.filter(f"session_date = '{next_session}'").order("var_return desc")
tomorrow.select(
    "session_date, method, round(var_return, 4) as var_return, round(es_return, 4) as es_return, "
    "round(var_amount) as var_amount"
).show()

# %% [markdown]
# The past says which of them deserves trust: VaR breaches against the number expected, and the
# verdict of the tests.

# %%
market.sql(
    "from risk.var_backtest where portfolio = $portfolio and confidence = 0.99 "
    "and lookback_sessions = 250",
    {"portfolio": "equal_20"},
).order("period, quantile_loss_rank").select(
    "period, method, exceedance_count, round(expected_count, 1) as expected, basel_zone, verdict"
).limit(8).show()

# %% [markdown]
# ## How deep is the water?
#
# The five deepest drawdowns after costs. Without a recovery date, it is not over.

# %%
book = market.portfolio("equal_20")
drawdowns = book.drawdowns().filter("basis = 'net' and depth_rank <= 5")
drawdowns.select("start_date, trough_date, recovery_date, round(drawdown, 4) as drawdown").show()
