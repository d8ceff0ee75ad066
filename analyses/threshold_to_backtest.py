# %% [markdown]
# # From a threshold to a backtest
#
# Would a stricter threshold have paid? The scanner is `crp`: a price near the session's extreme in
# a tight range, with volume and momentum. The shipped one-minute bars are synthetic, so the numbers
# below mean nothing; the steps are the same on your own.

# %%
import duckbourse

market = duckbourse.open()
print(market)

# %% [markdown]
# ## The thresholds
#
# A preset is a row of `seeds/scanners/crp_presets.csv`.

# %%
presets = market.sql("from seeds.crp_presets")
presets.select(
    "preset, cutoff_time, max_close_distance_pct, min_price, min_score, max_signals"
).show()

# %% [markdown]
# ## One morning, three ways
#
# First the standard preset at 09:50: every symbol that it looked at, best first. `rejected_by` is
# the rule that a symbol failed; for a candidate there is none.

# %%
standard = market.scan("crp", "2010-05-28", "09:50", "standard")
standard.select("symbol, direction, score, signal_rank, rejected_by").show()

# %% [markdown]
# Then one threshold moved by hand: the same candidates, with a minimum score of 90. Last, another
# preset at the same minute, so that only the thresholds differ.

# %%
candidates = standard.filter("rejected_by is null")
strict = candidates.filter("score >= 90")
strict.select("symbol, direction, score").show()

other = market.scan("crp", "2010-05-28", "09:50", "high_probability").filter("rejected_by is null")
other.select("symbol, direction, score").show()

# %% [markdown]
# ## One morning proves nothing
#
# The signals of every session, by preset.

# %%
counts = market.signals(scanner="crp").aggregate(
    "preset, count(*) as signals, count(distinct session_date) as sessions"
)
counts.order("preset").show()

# %% [markdown]
# And what they would have earned, all under the same settings. Returns are fractions after costs,
# and `p` is the share of random choices of trades that did as well or better: near 0, the scanner
# knew something; anywhere else, it may be chance.

# %%
runs = market.backtest("crp", setting="us_fixed")
summary = runs.summary.select(
    "preset, trade_count, round(win_rate, 3) as win_rate, "
    "round(cumulative_return, 4) as cumulative_return, round(max_drawdown, 4) as max_drawdown, "
    "round(permutation_p_value, 3) as p"
)
summary.show()

# %% [markdown]
# ## The threshold itself
#
# The build already tried several minimum scores, stops and targets. Look along one of them, with
# the rest averaged out, before you believe the best of all: the best of many is mostly chance.

# %%
sweep = market.sql(
    "from backtests.sweep where scanner = 'crp' and preset = $preset", {"preset": "standard"}
)
along_score = sweep.aggregate(
    "min_score, count(*) as combinations, round(avg(trade_count), 1) as trades, "
    "median(total_trade_return) as median_return, max(total_trade_return) as best_return"
)
along_score.order("min_score").show()

# %% [markdown]
# ## The equity behind the figures
#
# The worst sessions of the standard preset, and the trades of the worst one.

# %%
standard_run = market.backtest("crp", "standard", "us_fixed")
worst = standard_run.equity.order("session_return").limit(3)
worst.select(
    "session_date, round(session_return, 4) as session_return, round(drawdown, 4) as drawdown, "
    "equity_amount"
).show()

[(day,)] = worst.select("session_date").limit(1).fetchall()
standard_run.trades.filter(f"session_date = '{day}'").select(
    "symbol, direction, quantity, entry_price, exit_price, exit_reason, net_pnl_amount"
).show()

# %% [markdown]
# ## Make it real
#
# Change the row, or add one, in `seeds/scanners/crp_presets.csv`; run
# `./bourse build --select 'crp_presets+'` in a shell; then come back here. The relations above
# still show the former publication, to compare with.

# %%
if market.refresh():
    market.backtest("crp", setting="us_fixed").summary.select("preset, trade_count").show()
