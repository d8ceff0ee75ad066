-- The relations that pages read, with their columns as a build makes them:
-- tests/warehouse/report/test_sample.py holds both equal.
create schema backtests;
create schema bars;
create schema indicators;
create schema portfolio;
create schema risk;
create schema scanners;
create schema seeds;
create schema serving;
create table backtests.equity (
    run_id VARCHAR, session_date DATE, session_number BIGINT, trade_count BIGINT, opening_amount
    DECIMAL(18,4), gross_pnl_amount DECIMAL(18,4), net_pnl_amount DECIMAL(18,4), equity_amount
    DECIMAL(18,4), session_return DOUBLE, cumulative_return DOUBLE, peak_amount DECIMAL(18,4),
    drawdown DOUBLE, traded_amount DECIMAL(18,4), exposure_ratio DOUBLE, benchmark_return
    DOUBLE, benchmark_cumulative_return DOUBLE
);
create table backtests.exit_reasons (
    run_id VARCHAR, exit_reason VARCHAR, trade_count BIGINT, win_rate DOUBLE, mean_trade_return
    DOUBLE, net_pnl_amount DECIMAL(18,4)
);
create table backtests.folds (
    run_id VARCHAR, fold VARCHAR, first_session_date DATE, last_session_date DATE, session_count
    BIGINT, trade_count BIGINT, win_rate DOUBLE, mean_trade_return DOUBLE, net_pnl_amount
    DECIMAL(18,4), cumulative_return DOUBLE, sharpe_ratio DOUBLE, is_chosen BOOLEAN
);
create table backtests.monthly_returns (
    run_id VARCHAR, month_date DATE, calendar_year BIGINT, calendar_month BIGINT, session_count
    BIGINT, trade_count BIGINT, opening_amount DECIMAL(18,4), net_pnl_amount DECIMAL(18,4),
    month_return DOUBLE, year_to_date_return DOUBLE
);
create table backtests.outcomes (
    signal_id VARCHAR, entry_ts TIMESTAMP, entry_price DOUBLE, exit_ts TIMESTAMP, exit_price
    DOUBLE, exit_reason VARCHAR, gross_return DOUBLE, net_return DOUBLE, max_favorable_return
    DOUBLE, max_adverse_return DOUBLE, held_minutes BIGINT, missing_reason VARCHAR, is_locked
    BOOLEAN, source VARCHAR
);
create table backtests.summary (
    run_id VARCHAR, scanner VARCHAR, preset VARCHAR, setting VARCHAR, calendar VARCHAR,
    first_session_date DATE, last_session_date DATE, session_count BIGINT, signal_count BIGINT,
    trade_count BIGINT, win_count BIGINT, unclosed_count BIGINT, win_rate DOUBLE, win_rate_low
    DOUBLE, win_rate_high DOUBLE, mean_trade_return DOUBLE, mean_trade_return_low DOUBLE,
    mean_trade_return_high DOUBLE, average_win_return DOUBLE, average_loss_return DOUBLE,
    expectancy_amount DOUBLE, profit_factor_ratio DOUBLE, mean_held_minutes DOUBLE,
    capital_amount DECIMAL(18,4), equity_amount DECIMAL(18,4), gross_pnl_amount DECIMAL(18,4),
    charges_amount DECIMAL(18,4), slippage_amount DECIMAL(18,4), costs_amount DECIMAL(18,4),
    net_pnl_amount DECIMAL(18,4), cost_ratio DOUBLE, cumulative_return DOUBLE, cagr DOUBLE,
    annualized_volatility DOUBLE, sharpe_ratio DOUBLE, sortino_ratio DOUBLE, max_drawdown
    DOUBLE, exposure_ratio DOUBLE, turnover_ratio DOUBLE, skewness DOUBLE, excess_kurtosis
    DOUBLE, probabilistic_sharpe DOUBLE, trial_count BIGINT, deflated_sharpe DOUBLE,
    random_mean_return DOUBLE, permutation_p_value DOUBLE, verdict VARCHAR, benchmark VARCHAR,
    benchmark_coverage_ratio DOUBLE, benchmark_cumulative_return DOUBLE,
    active_cumulative_return DOUBLE, beta DOUBLE, alpha DOUBLE, benchmark_correlation DOUBLE,
    tracking_error DOUBLE, information_ratio DOUBLE, scanner_version VARCHAR, code_version
    VARCHAR, data_version VARCHAR
);
create table backtests.trades (
    run_id VARCHAR, signal_id VARCHAR, session_date DATE, symbol VARCHAR, direction VARCHAR,
    signal_rank BIGINT, quantity BIGINT, entry_ts TIMESTAMP, entry_price DOUBLE, exit_ts
    TIMESTAMP, exit_price DOUBLE, exit_reason VARCHAR, missing_reason VARCHAR, marked_exit_ts
    TIMESTAMP, marked_exit_price DOUBLE, entry_amount DECIMAL(18,4), exit_amount DECIMAL(18,4),
    entry_slippage_amount DECIMAL(18,4), exit_slippage_amount DECIMAL(18,4), brokerage_amount
    DECIMAL(18,4), tax_amount DECIMAL(18,4), exchange_amount DECIMAL(18,4), regulator_amount
    DECIMAL(18,4), gst_amount DECIMAL(18,4), stamp_amount DECIMAL(18,4), share_amount
    DECIMAL(18,4), depository_amount DECIMAL(18,4), entry_charges_amount DECIMAL(18,4),
    exit_charges_amount DECIMAL(18,4), gross_pnl_amount DECIMAL(18,4), net_pnl_amount
    DECIMAL(18,4), net_return DECIMAL(18,8), held_minutes BIGINT
);
create table bars.day_minute_conflicts (
    symbol VARCHAR, session_date DATE, calendar VARCHAR, compared_with VARCHAR, day_high DOUBLE,
    minute_high DOUBLE, high_ratio DOUBLE, day_low DOUBLE, minute_low DOUBLE, low_ratio DOUBLE,
    day_close DOUBLE, minute_close DOUBLE, close_ratio DOUBLE, agreed_date DATE, day_source
    VARCHAR, minute_source VARCHAR
);
create table bars.deliveries (
    delivery VARCHAR, kind VARCHAR, source VARCHAR, source_file VARCHAR, calendar VARCHAR,
    delivered_at TIMESTAMP, read_row_count BIGINT, kept_row_count BIGINT, unreadable_row_count
    BIGINT, duplicate_row_count BIGINT, revised_row_count BIGINT, symbol_count BIGINT,
    source_symbol_count BIGINT, first_session_date DATE, last_session_date DATE
);
create table bars.missing (
    symbol VARCHAR, timeframe VARCHAR, session_date DATE, calendar VARCHAR, expected_bar_count
    BIGINT, seen_bar_count BIGINT, missing_bar_count BIGINT, first_bar_ts TIMESTAMP,
    last_bar_end TIMESTAMP, is_late_start BOOLEAN, is_early_end BOOLEAN, late_start_volume
    DOUBLE, late_start_volume_ratio DOUBLE
);
create table bars.ohlcv (
    symbol VARCHAR, timeframe VARCHAR, bar_ts TIMESTAMP, bar_end TIMESTAMP, session_date DATE,
    bar_number BIGINT, session_bar_number BIGINT, open DOUBLE, high DOUBLE, low DOUBLE, close
    DOUBLE, volume DOUBLE, adjusted_open DOUBLE, adjusted_high DOUBLE, adjusted_low DOUBLE,
    adjusted_close DOUBLE, adjusted_volume DOUBLE, adjustment_factor DOUBLE,
    adjustment_factor_total DOUBLE, calendar VARCHAR, source VARCHAR
);
create table bars.rejected (
    symbol VARCHAR, timeframe VARCHAR, bar_ts TIMESTAMP, session_date DATE, rule VARCHAR, open
    DOUBLE, high DOUBLE, low DOUBLE, close DOUBLE, volume DOUBLE, content VARCHAR, source
    VARCHAR, source_file VARCHAR, source_row BIGINT, delivery VARCHAR, delivered_at TIMESTAMP
);
create table bars.restatements (
    symbol VARCHAR, timeframe VARCHAR, bar_ts TIMESTAMP, session_date DATE, source VARCHAR,
    previously_delivered_at TIMESTAMP, delivered_at TIMESTAMP, delivery VARCHAR, previous_open
    DOUBLE, open DOUBLE, previous_high DOUBLE, high DOUBLE, previous_low DOUBLE, low DOUBLE,
    previous_close DOUBLE, close DOUBLE, previous_volume DOUBLE, volume DOUBLE
);
create table bars.sessions (
    calendar VARCHAR, session_date DATE, session_number BIGINT, open_ts TIMESTAMP, close_ts
    TIMESTAMP, kind VARCHAR, parts STRUCT(open_ts TIMESTAMP, close_ts TIMESTAMP)[], open_minutes
    BIGINT, week_close_ts TIMESTAMP
);
create table bars.staleness (
    symbol VARCHAR, timeframe VARCHAR, calendar VARCHAR, last_bar_end TIMESTAMP,
    last_session_date DATE, market_session_date DATE, sessions_behind BIGINT,
    closed_session_date DATE, sessions_behind_now BIGINT
);
create table bars.suspect_extremes (
    symbol VARCHAR, session_date DATE, kind VARCHAR, open DOUBLE, high DOUBLE, low DOUBLE, close
    DOUBLE, prior_close DOUBLE, outlier_ratio DOUBLE, source VARCHAR
);
create table bars.suspect_jumps (
    symbol VARCHAR, session_date DATE, prior_session_date DATE, prior_close DOUBLE, open DOUBLE,
    close DOUBLE, close_ratio DOUBLE, jump_ratio DOUBLE, nearest_split DOUBLE,
    nearest_split_error_pct DOUBLE, explanation VARCHAR, source VARCHAR
);
create table indicators.bands (
    symbol VARCHAR, timeframe VARCHAR, bar_ts TIMESTAMP, bollinger_lower_20 DOUBLE,
    bollinger_middle_20 DOUBLE, bollinger_upper_20 DOUBLE, bollinger_position_20 DOUBLE,
    bollinger_bandwidth_20 DOUBLE, keltner_lower_20_10 DOUBLE, keltner_middle_20_10 DOUBLE,
    keltner_upper_20_10 DOUBLE, donchian_lower_20 DOUBLE, donchian_middle_20 DOUBLE,
    donchian_upper_20 DOUBLE
);
create table indicators.macd (
    symbol VARCHAR, timeframe VARCHAR, bar_ts TIMESTAMP, macd_12_26_9 DOUBLE,
    macd_signal_12_26_9 DOUBLE, macd_histogram_12_26_9 DOUBLE, ppo_12_26 DOUBLE, apo_12_26
    DOUBLE
);
create table indicators.momentum (
    symbol VARCHAR, timeframe VARCHAR, bar_ts TIMESTAMP, rsi_14 DOUBLE, cmo_14 DOUBLE, roc_10
    DOUBLE, mom_10 DOUBLE, cci_20 DOUBLE, trix_15 DOUBLE, ultimate_7_14_28 DOUBLE
);
create table indicators.moving_averages (
    symbol VARCHAR, timeframe VARCHAR, bar_ts TIMESTAMP, sma_20 DOUBLE, sma_50 DOUBLE, sma_200
    DOUBLE, ema_20 DOUBLE, ema_50 DOUBLE, ema_200 DOUBLE, kama_30 DOUBLE
);
create table indicators.vwap (
    symbol VARCHAR, timeframe VARCHAR, bar_ts TIMESTAMP, vwap_session DOUBLE, vwap_lower_1
    DOUBLE, vwap_upper_1 DOUBLE, vwap_lower_2 DOUBLE, vwap_upper_2 DOUBLE, vwap_lower_3 DOUBLE,
    vwap_upper_3 DOUBLE
);
create table portfolio.correlations (
    portfolio VARCHAR, session_date DATE, window_sessions BIGINT, symbol VARCHAR, other_symbol
    VARCHAR, pearson_correlation DOUBLE, spearman_correlation DOUBLE
);
create table portfolio.drawdowns (
    portfolio VARCHAR, basis VARCHAR, start_date DATE, trough_date DATE, recovery_date DATE,
    drawdown DOUBLE, length_sessions BIGINT, trough_sessions BIGINT, recovery_sessions BIGINT,
    depth_rank BIGINT
);
create table portfolio.equity (
    portfolio VARCHAR, basis VARCHAR, session_date DATE, prior_session_date DATE,
    sessions_per_year BIGINT, session_return DOUBLE, stale_price_count BIGINT, equity_ratio
    DOUBLE, peak_ratio DOUBLE, drawdown DOUBLE, benchmark_return DOUBLE, benchmark_equity_ratio
    DOUBLE, risk_free_return DOUBLE, min_acceptable_return DOUBLE
);
create table portfolio.exposures (
    portfolio VARCHAR, session_date DATE, dimension VARCHAR, name VARCHAR, position_count
    BIGINT, long_weight DOUBLE, short_weight DOUBLE, gross_weight DOUBLE, net_weight DOUBLE,
    largest_symbol VARCHAR, largest_weight DOUBLE, herfindahl_ratio DOUBLE
);
create table portfolio.holdings (
    portfolio VARCHAR, session_date DATE, symbol VARCHAR, opening_quantity DECIMAL(18,6),
    bought_quantity DECIMAL(18,6), sold_quantity DECIMAL(18,6), closing_quantity DECIMAL(18,6),
    price_date DATE, price DECIMAL(18,6), opening_amount DECIMAL(18,4), bought_amount
    DECIMAL(18,4), sold_amount DECIMAL(18,4), dividend_amount DECIMAL(18,4), charges_amount
    DECIMAL(18,4), closing_amount DECIMAL(18,4), pnl_amount DECIMAL(18,4)
);
create table portfolio.monthly_returns (
    portfolio VARCHAR, basis VARCHAR, month_date DATE, calendar_year BIGINT, calendar_month
    BIGINT, session_count BIGINT, missing_return_count BIGINT, month_return DOUBLE,
    benchmark_month_return DOUBLE, year_to_date_return DOUBLE
);
create table portfolio.performance (
    portfolio VARCHAR, basis VARCHAR, first_session_date DATE, last_session_date DATE,
    session_count BIGINT, missing_return_count BIGINT, bridged_count BIGINT, cumulative_return
    DOUBLE, cagr DOUBLE, annualized_volatility DOUBLE, sharpe_ratio DOUBLE, sortino_ratio
    DOUBLE, omega_ratio DOUBLE, skewness DOUBLE, excess_kurtosis DOUBLE, best_session_return
    DOUBLE, worst_session_return DOUBLE, hit_ratio DOUBLE, benchmark_count BIGINT,
    benchmark_coverage_ratio DOUBLE, beta DOUBLE, alpha DOUBLE, tracking_error DOUBLE,
    information_ratio DOUBLE, up_capture_ratio DOUBLE, down_capture_ratio DOUBLE, max_drawdown
    DOUBLE, drawdown_start_date DATE, drawdown_trough_date DATE, drawdown_recovery_date DATE,
    calmar_ratio DOUBLE
);
create table portfolio.returns (
    portfolio VARCHAR, session_date DATE, gross_return DOUBLE, net_return DOUBLE, turnover_ratio
    DOUBLE, cash_weight DOUBLE, stale_price_count BIGINT
);
create table portfolio.risk_contributions (
    portfolio VARCHAR, session_date DATE, method VARCHAR, window_sessions BIGINT, symbol
    VARCHAR, weight DOUBLE, marginal_volatility DOUBLE, component_volatility DOUBLE,
    component_ratio DOUBLE, portfolio_volatility DOUBLE
);
create table portfolio.rolling_performance (
    portfolio VARCHAR, basis VARCHAR, window_sessions BIGINT, session_date DATE,
    first_session_date DATE, session_count BIGINT, missing_return_count BIGINT, bridged_count
    BIGINT, cumulative_return DOUBLE, cagr DOUBLE, annualized_volatility DOUBLE, sharpe_ratio
    DOUBLE, sortino_ratio DOUBLE, omega_ratio DOUBLE, skewness DOUBLE, excess_kurtosis DOUBLE,
    best_session_return DOUBLE, worst_session_return DOUBLE, hit_ratio DOUBLE, benchmark_count
    BIGINT, benchmark_coverage_ratio DOUBLE, beta DOUBLE, alpha DOUBLE, tracking_error DOUBLE,
    information_ratio DOUBLE, up_capture_ratio DOUBLE, down_capture_ratio DOUBLE
);
create table risk.component_var (
    portfolio VARCHAR, session_date DATE, symbol VARCHAR, method VARCHAR, confidence DOUBLE,
    lookback_sessions BIGINT, weight DOUBLE, var_return DOUBLE, marginal_var_return DOUBLE,
    component_var_return DOUBLE, component_ratio DOUBLE, incremental_var_return DOUBLE,
    var_amount DOUBLE, component_var_amount DOUBLE, incremental_var_amount DOUBLE, trade_amount
    DOUBLE
);
create table risk.stress (
    portfolio VARCHAR, session_date DATE, scenario VARCHAR, kind VARCHAR, description VARCHAR,
    loss_return DOUBLE, loss_amount DOUBLE, missing_symbols VARCHAR
);
create table risk.var_backtest (
    portfolio VARCHAR, period VARCHAR, method VARCHAR, confidence DOUBLE, lookback_sessions
    BIGINT, first_session_date DATE, last_session_date DATE, session_count BIGINT,
    exceedance_count BIGINT, expected_count DOUBLE, kupiec_lr DOUBLE, kupiec_p_value DOUBLE,
    independence_lr DOUBLE, independence_p_value DOUBLE, conditional_lr DOUBLE,
    conditional_p_value DOUBLE, basel_exceedance_count BIGINT, basel_zone VARCHAR,
    acerbi_szekely_z2 DOUBLE, acerbi_szekely_bound DOUBLE, quantile_loss DOUBLE, verdict
    VARCHAR, quantile_loss_rank BIGINT
);
create table risk.var_estimates (
    portfolio VARCHAR, session_date DATE, method VARCHAR, confidence DOUBLE, horizon_sessions
    BIGINT, lookback_sessions BIGINT, scaling VARCHAR, var_return DOUBLE, es_return DOUBLE,
    var_amount DOUBLE, es_amount DOUBLE, is_outside_domain BOOLEAN
);
create table scanners.crp (
    session_date DATE, cutoff_time TIME, preset VARCHAR, symbol VARCHAR, calendar VARCHAR,
    direction VARCHAR, last_price DOUBLE, open_price DOUBLE, high_to_cutoff DOUBLE,
    low_to_cutoff DOUBLE, volume_to_cutoff DOUBLE, range_pct DOUBLE, momentum_pct DOUBLE,
    relative_volume DOUBLE, range_zone VARCHAR, close_score DOUBLE, range_score DOUBLE,
    volume_score DOUBLE, momentum_score DOUBLE, score DOUBLE, signal_rank BIGINT, rejected_by
    VARCHAR
);
create table scanners.rejections (
    session_date DATE, cutoff_time TIME, scanner VARCHAR, preset VARCHAR, symbol VARCHAR, rule
    VARCHAR
);
create table scanners.session_minutes (
    cutoff_minute BIGINT, session_date DATE, symbol VARCHAR, calendar VARCHAR, open_price
    DOUBLE, high_to_cutoff DOUBLE, low_to_cutoff DOUBLE, last_price DOUBLE, volume_to_cutoff
    DOUBLE, bar_count_to_cutoff BIGINT, vwap_to_cutoff DOUBLE, obv_to_cutoff DOUBLE,
    mean_obv_to_cutoff DOUBLE, adjustment_factor DOUBLE
);
create table scanners.sideways (
    session_date DATE, cutoff_time TIME, preset VARCHAR, symbol VARCHAR, calendar VARCHAR,
    last_price DOUBLE, natr_14 DOUBLE, adx_14 DOUBLE, vwap_distance_pct DOUBLE,
    obv_deviation_ratio DOUBLE, relative_volume DOUBLE, has_small_range BOOLEAN, has_no_trend
    BOOLEAN, is_near_vwap BOOLEAN, has_flat_obv BOOLEAN, has_low_volume BOOLEAN, condition_count
    INTEGER, score DOUBLE, rejected_by VARCHAR
);
create table scanners.signals (
    signal_id VARCHAR, scanner VARCHAR, preset VARCHAR, session_date DATE, known_ts TIMESTAMP,
    symbol VARCHAR, calendar VARCHAR, direction VARCHAR, score DOUBLE, signal_rank BIGINT,
    entry_price DOUBLE, stop_price DOUBLE, target_price DOUBLE, exit_time TIME, position_pct
    DOUBLE, evidence VARCHAR, scanner_version VARCHAR, data_version VARCHAR
);
create table seeds.backtest_settings (
    setting VARCHAR, calendar VARCHAR, capital_amount DOUBLE, segment VARCHAR, benchmark
    VARCHAR, sizing VARCHAR, sizing_pct DOUBLE, kelly_ratio DOUBLE, min_kelly_trades BIGINT,
    trailing_stop_pct DOUBLE, trailing_stop_atr_ratio DOUBLE, slippage_bps DOUBLE,
    max_participation_pct DOUBLE, max_positions BIGINT, max_symbol_pct DOUBLE, max_sector_pct
    DOUBLE, max_leverage_ratio DOUBLE, in_sample_pct DOUBLE, fold_count BIGINT, bootstrap_count
    BIGINT, permutation_count BIGINT
);
create table seeds.calendars (
    calendar VARCHAR, timezone VARCHAR, currency VARCHAR, late_tick_seconds DOUBLE,
    sessions_per_year BIGINT
);
create table seeds.corporate_actions (
    symbol VARCHAR, ex_date DATE, action VARCHAR, old_shares DOUBLE, new_shares DOUBLE,
    dividend_amount DOUBLE, note VARCHAR
);
create table seeds.crp_presets (
    preset VARCHAR, max_close_distance_pct DOUBLE, full_range_pct DOUBLE, min_volume DOUBLE,
    max_volume DOUBLE, min_price DOUBLE, max_price DOUBLE, cutoff_time TIME, stop_loss_pct
    DOUBLE, take_profit_pct DOUBLE, position_pct DOUBLE, min_score DOUBLE, close_weight DOUBLE,
    range_weight DOUBLE, volume_weight DOUBLE, momentum_weight DOUBLE, history_sessions INTEGER,
    min_history_sessions INTEGER, max_signals INTEGER, exit_time TIME
);
create table seeds.instruments (
    symbol VARCHAR, name VARCHAR, kind VARCHAR, sector VARCHAR, currency VARCHAR, tick_size
    DECIMAL(18,6), lot_size BIGINT, freeze_quantity BIGINT, price_band_pct DOUBLE
);
create table seeds.portfolios (
    portfolio VARCHAR, description VARCHAR, source VARCHAR, cost_bps DOUBLE, capital_amount
    DOUBLE, currency VARCHAR, calendar VARCHAR, benchmark VARCHAR, risk_free_return DOUBLE,
    min_acceptable_return DOUBLE, has_cash_interest BOOLEAN
);
create table seeds.sideways_presets (
    preset VARCHAR, max_natr_14 DOUBLE, max_adx_14 DOUBLE, max_vwap_distance_pct DOUBLE,
    max_obv_deviation_ratio DOUBLE, max_relative_volume DOUBLE, min_conditions INTEGER,
    history_sessions INTEGER, min_history_sessions INTEGER, cutoff_time TIME
);
create table seeds.stress_windows (
    scenario VARCHAR, description VARCHAR, first_date DATE, last_date DATE
);
create table serving.data_quality (
    symbol VARCHAR, timeframe VARCHAR, finding VARCHAR, rule VARCHAR, finding_count BIGINT,
    first_session_date DATE, last_session_date DATE
);
create table serving.drawdown_by_day (
    portfolio VARCHAR, basis VARCHAR, session_date DATE, session_return DOUBLE, equity_ratio
    DOUBLE, peak_ratio DOUBLE, drawdown DOUBLE, peak_date DATE, sessions_below_peak BIGINT
);
create table serving.indicator_catalog (
    indicator VARCHAR, output VARCHAR, title VARCHAR, origin VARCHAR, talib VARCHAR, periods
    VARCHAR, settings VARCHAR, warm_up_bars BIGINT, memory_bars BIGINT, formulas VARCHAR, notes
    VARCHAR
);
create table serving.latest_bars (
    symbol VARCHAR, timeframe VARCHAR, bar_ts TIMESTAMP, bar_end TIMESTAMP, session_date DATE,
    open DOUBLE, high DOUBLE, low DOUBLE, close DOUBLE, volume DOUBLE, source VARCHAR
);
create table serving.portfolio_overview (
    portfolio VARCHAR, description VARCHAR, currency VARCHAR, benchmark VARCHAR, session_date
    DATE, session_return DOUBLE, drawdown DOUBLE, cumulative_return DOUBLE, cagr DOUBLE,
    annualized_volatility DOUBLE, sharpe_ratio DOUBLE, max_drawdown DOUBLE, stale_price_count
    BIGINT, position_count BIGINT, gross_weight DOUBLE, net_weight DOUBLE, largest_symbol
    VARCHAR, largest_weight DOUBLE, var_return DOUBLE, es_return DOUBLE, var_amount DOUBLE
);
create table serving.publication (
    build_id VARCHAR, git_revision VARCHAR, data_version VARCHAR, contract_version INTEGER,
    invocation_id VARCHAR, built_at TIMESTAMP, as_of TIMESTAMP, published_at TIMESTAMP,
    row_counts MAP(VARCHAR, BIGINT), keys MAP(VARCHAR, VARCHAR[]), public_relations VARCHAR[]
);
create table serving.signals_with_outcomes (
    signal_id VARCHAR, session_date DATE, known_ts TIMESTAMP, scanner VARCHAR, preset VARCHAR,
    signal_rank BIGINT, symbol VARCHAR, calendar VARCHAR, direction VARCHAR, score DOUBLE,
    signal_price DOUBLE, stop_price DOUBLE, target_price DOUBLE, adjustment_factor DOUBLE,
    reward_risk_ratio DOUBLE, entry_ts TIMESTAMP, entry_price DOUBLE, exit_ts TIMESTAMP,
    exit_price DOUBLE, exit_reason VARCHAR, gross_return DOUBLE, net_return DOUBLE,
    max_favorable_return DOUBLE, max_adverse_return DOUBLE, held_minutes BIGINT, missing_reason
    VARCHAR, source VARCHAR, evidence VARCHAR, evidence_map MAP(VARCHAR, VARCHAR)
);
create table serving.var_today (
    portfolio VARCHAR, session_date DATE, method VARCHAR, confidence DOUBLE, horizon_sessions
    BIGINT, lookback_sessions BIGINT, scaling VARCHAR, var_return DOUBLE, es_return DOUBLE,
    var_amount DOUBLE, es_amount DOUBLE, is_outside_domain BOOLEAN
);
