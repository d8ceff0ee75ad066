import { h, panel, table, tag, figures, choice, token, toned, side, broken } from './dom.js';
import {
    number,
    signed,
    signedOfOne,
    ofOne,
    day,
    words,
    pValue,
    money,
    seconds,
    clockTime,
    price,
    percent,
    plural,
    missing,
} from './format.js';
import { timeChart, percentFormat, monthHeat, histogram, scatter, whisker } from './charts.js';
import { verdictOf, isFew } from './page-scanners.js';
import { signalLink } from './page-overview.js';

const SUMMARY = 'backtests.summary',
    TRADES = 'backtests.trades';
const range = (low, high, digits) =>
    missing(low) ? '' : `${number(percent(low), digits)} … ${number(percent(high), digits)}`;

export async function backtestPage(app) {
    const list = await app.source.get('/backtests');
    const held = list.runs.filter(r => app.source.has(`/backtests/${r.run_id}`));
    const chosen =
        list.runs.find(r => r.run_id === app.path[1]) ??
        held.find(r => r.scanner === 'crp' && r.preset === 'standard') ??
        held[0] ??
        list.runs[0];
    if (!chosen)
        return h(
            'div',
            {},
            h('div', { class: 'head' }, h('h1', {}, 'Backtest')),
            h(
                'p',
                { class: 'panel empty' },
                'No run in this publication: a run needs the signals of a scanner.',
            ),
        );
    const b = held.includes(chosen) ? await app.source.get(`/backtests/${chosen.run_id}`) : null;
    const go = run => app.go(`#/backtest/${encodeURIComponent(run)}`);
    const rows = [...list.runs].sort(
        (a, c) => isFew(a) - isFew(c) || c.mean_trade_return - a.mean_trade_return,
    );
    return h(
        'div',
        {},
        h(
            'div',
            { class: 'head' },
            h('h1', {}, 'Backtest'),
            h(
                'p',
                { class: 'sub' },
                `${words(chosen.scanner)}, ${words(chosen.preset).toLowerCase()}, ${chosen.setting}: ${day(chosen.first_session_date)} to ${day(chosen.last_session_date)}, ${plural(chosen.session_count, 'session')}`,
            ),
            h(
                'div',
                { class: 'tools' },
                choice(
                    'Run',
                    held.map(r => [
                        r.run_id,
                        `${words(r.scanner)}, ${words(r.preset).toLowerCase()}, ${r.setting}`,
                    ]),
                    chosen.run_id,
                    go,
                ),
            ),
        ),
        h(
            'div',
            { class: 'grid' },
            b
                ? runPanels(app, b, chosen)
                : h(
                      'p',
                      { class: 'panel empty' },
                      'This run is in the table only. A report holds the curves and trades of some runs; ',
                      h('code', {}, './bourse serve'),
                      ' shows them all.',
                  ),
            () => panel({
                title: 'All runs',
                note: `${plural(list.runs.length, 'run')}, those with too few trades last; intervals are 95%, by bootstrap`,
                sql: list.sql.runs,
                flush: true,
                body: table({
                    label: 'All runs',
                    of: SUMMARY,
                    tall: '520px',
                    onopen: r => go(r.run_id),
                    isOn: r => r === chosen,
                    rows,
                    columns: [
                        { key: 'scanner', title: 'Scanner', show: r => words(r.scanner) },
                        { key: 'preset', title: 'Preset', show: r => words(r.preset) },
                        {
                            key: 'setting',
                            title: 'Setting',
                            class: 'wrap slim',
                            show: r => broken(r.setting),
                        },
                        { key: 'trade_count', title: 'Trades', num: true },
                        {
                            key: 'win_rate',
                            title: 'Win rate',
                            num: true,
                            also: ['win_rate_low', 'win_rate_high'],
                            show: r => [
                                ofOne(r.win_rate, 0),
                                ' ',
                                h('small', {}, range(r.win_rate_low, r.win_rate_high, 0)),
                            ],
                        },
                        {
                            key: 'mean_trade_return',
                            title: 'Mean trade',
                            num: true,
                            show: r => toned(r.mean_trade_return, signedOfOne(r.mean_trade_return)),
                        },
                        {
                            key: 'mean_trade_return_low',
                            title: '95% interval (−2 … +2%)',
                            also: ['mean_trade_return_high'],
                            show: r =>
                                missing(r.mean_trade_return_low)
                                    ? '–'
                                    : whisker({
                                          value: percent(r.mean_trade_return),
                                          low: percent(r.mean_trade_return_low),
                                          high: percent(r.mean_trade_return_high),
                                          from: -2,
                                          to: 2,
                                          width: 42,
                                          tip: `${range(r.mean_trade_return_low, r.mean_trade_return_high, 2)}%`,
                                          tone: token(isFew(r) ? 'flat' : 'ink-2'),
                                      }),
                        },
                        {
                            key: 'cumulative_return',
                            title: 'Return',
                            num: true,
                            show: r => toned(r.cumulative_return, signedOfOne(r.cumulative_return)),
                        },
                        {
                            key: 'max_drawdown',
                            title: 'Max drawdown',
                            num: true,
                            show: r => ofOne(r.max_drawdown),
                        },
                        {
                            key: 'profit_factor_ratio',
                            title: 'Profit factor',
                            num: true,
                            show: r => number(r.profit_factor_ratio, 2),
                        },
                        {
                            key: 'permutation_p_value',
                            title: 'p',
                            num: true,
                            show: r =>
                                h(
                                    'span',
                                    { class: isFew(r) ? 'mute' : null },
                                    pValue(r.permutation_p_value),
                                ),
                        },
                        {
                            key: 'deflated_sharpe',
                            title: 'Deflated Sharpe',
                            num: true,
                            show: r => number(r.deflated_sharpe, 2),
                        },
                        {
                            key: 'verdict',
                            title: 'In words',
                            doc: `${SUMMARY}.verdict`,
                            show: r => tag(...verdictOf(r)),
                        },
                    ],
                }),
            }),
            () => panel({
                title: 'Settings',
                sql: list.sql.settings,
                flush: true,
                body: table({
                    label: 'Settings',
                    rows: list.settings,
                    columns: [
                        {
                            key: 'setting',
                            title: 'Setting',
                            tip: 'A row of seeds/backtest_settings.csv',
                        },
                        { key: 'calendar', title: 'Calendar', tip: 'Sessions of this calendar' },
                        {
                            key: 'sizing',
                            title: 'Sizing',
                            tip: 'How many shares a trade has',
                            show: r => words(r.sizing),
                        },
                        {
                            key: 'sizing_pct',
                            title: 'Size, %',
                            tip: 'Percent of equity that the sizing takes',
                            num: true,
                            show: r => number(r.sizing_pct, 2),
                        },
                        {
                            key: 'slippage_bps',
                            title: 'Slippage, bps',
                            tip: 'Basis points of the price, at each fill',
                            num: true,
                            show: r => number(r.slippage_bps, 1),
                        },
                        {
                            key: 'max_positions',
                            title: 'Max positions',
                            tip: 'Open at one time',
                            num: true,
                            show: r => number(r.max_positions),
                        },
                        {
                            key: 'trailing_stop_pct',
                            title: 'Trailing stop, %',
                            tip: 'Percent below the best price',
                            num: true,
                            show: r => number(r.trailing_stop_pct, 2),
                        },
                        {
                            key: 'trailing_stop_atr_ratio',
                            title: 'Trailing stop, ATR',
                            tip: 'Average true ranges below the best price',
                            num: true,
                            show: r => number(r.trailing_stop_atr_ratio, 2),
                        },
                    ],
                }),
            }),
        ),
    );
}

function runPanels(app, b, chosen) {
    const { run, equity, currency } = b,
        t = b.trades,
        n = t.symbol.length,
        times = equity.session_date.map(seconds);
    const trades = t.symbol.map((_, i) =>
        Object.fromEntries(Object.entries(t).map(([key, values]) => [key, values[i]])),
    );
    const hasBenchmark = equity.benchmark_cumulative_return.some(v => v !== null);
    const points = trades
        .filter(x => !missing(x.max_adverse_return))
        .map(x => ({
            x: percent(x.max_adverse_return),
            y: percent(x.max_favorable_return),
            gain: x.net_return >= 0,
            tip: `${x.symbol} ${x.direction}, ${day(x.session_date)}\nworst ${signedOfOne(x.max_adverse_return)}, best ${signedOfOne(x.max_favorable_return)}\n${words(x.exit_reason).toLowerCase()} exit, ${signedOfOne(x.net_return)} net`,
        }));
    const folds = [...b.folds].sort(
        (a, c) => c.fold.startsWith('walk') - a.fold.startsWith('walk'),
    );
    const returns = t.net_return.filter(v => !missing(v)).map(percent);
    return [
        () => panel({
            title: 'Summary',
            sql: b.sql.run,
            flush: true,
            acts: [tag(...verdictOf(run))],
            body: figures([
                {
                    label: 'Return',
                    value: toned(run.cumulative_return, signedOfOne(run.cumulative_return)),
                    small: missing(run.benchmark_cumulative_return)
                        ? 'after costs'
                        : `${run.benchmark} ${signedOfOne(run.benchmark_cumulative_return)}`,
                    doc: `${SUMMARY}.cumulative_return`,
                },
                {
                    label: 'Mean trade',
                    value: toned(run.mean_trade_return, signedOfOne(run.mean_trade_return)),
                    small: range(run.mean_trade_return_low, run.mean_trade_return_high, 2),
                    doc: `${SUMMARY}.mean_trade_return`,
                },
                {
                    label: 'Win rate',
                    value: ofOne(run.win_rate, 0),
                    small: `${range(run.win_rate_low, run.win_rate_high, 0)} of ${plural(run.trade_count, 'trade')}`,
                    doc: `${SUMMARY}.win_rate`,
                },
                {
                    label: 'p against chance',
                    value: pValue(run.permutation_p_value),
                    small: missing(run.random_mean_return)
                        ? ''
                        : `random ${signedOfOne(run.random_mean_return)}`,
                    doc: `${SUMMARY}.permutation_p_value`,
                },
                {
                    label: 'Max drawdown',
                    value: ofOne(run.max_drawdown),
                    small: 'of closing equity',
                    doc: `${SUMMARY}.max_drawdown`,
                },
                {
                    label: 'Costs',
                    value: money(run.costs_amount, currency),
                    small: `including slippage ${number(run.slippage_amount)}`,
                    doc: `${SUMMARY}.costs_amount`,
                },
                {
                    label: 'Exposure',
                    value: ofOne(run.exposure_ratio, 0),
                    small: 'of equity, mean',
                    doc: `${SUMMARY}.exposure_ratio`,
                },
                {
                    label: 'Sharpe',
                    value: h(
                        'span',
                        { class: run.session_count < 252 ? 'mute' : null },
                        number(run.sharpe_ratio, 2),
                    ),
                    small: `annualized from ${plural(run.session_count, 'session')}`,
                    doc: `${SUMMARY}.sharpe_ratio`,
                },
            ]),
        }),
        () => panel({
            title: 'Equity and benchmark',
            note: hasBenchmark ? `${run.benchmark} is held overnight, the run is not` : null,
            width: 'w8',
            sql: b.sql.equity,
            body: timeChart({
                label: `Equity of ${words(run.scanner)}${hasBenchmark ? ` against ${run.benchmark}` : ''}`,
                height: 300,
                panes: [2.2, 1],
                titles: ['', 'Drawdown'],
                series: [
                    {
                        name: 'Run, after costs',
                        kind: 'line',
                        times,
                        values: equity.cumulative_return.map(percent),
                        color: token('series-1'),
                        width: 2,
                        format: percentFormat,
                        lines: [{ at: 0 }],
                        doc: 'backtests.equity.cumulative_return',
                    },
                    ...(hasBenchmark
                        ? [
                              {
                                  name: run.benchmark,
                                  kind: 'line',
                                  times,
                                  values: equity.benchmark_cumulative_return.map(percent),
                                  color: token('bench'),
                                  format: percentFormat,
                                  dash: true,
                                  doc: 'backtests.equity.benchmark_cumulative_return',
                              },
                          ]
                        : []),
                    {
                        name: 'Drawdown',
                        kind: 'area',
                        pane: 1,
                        times,
                        values: equity.drawdown.map(percent),
                        color: token('down'),
                        top: token('down-soft'),
                        bottom: token('down-soft'),
                        invert: true,
                        format: percentFormat,
                        tip: 'Below the peak, in percent',
                    },
                ],
            }),
        }),
        () => panel({
            title: 'Walk-forward',
            note: 'folds in order',
            width: 'w4',
            sql: b.sql.folds,
            flush: true,
            body: table({
                label: 'Folds',
                of: 'backtests.folds',
                rows: folds,
                columns: [
                    {
                        key: 'fold',
                        title: 'Fold',
                        show: f => [
                            words(f.fold),
                            f.is_chosen ? [' ', tag('chosen', 'good')] : null,
                        ],
                    },
                    { key: 'trade_count', title: 'Trades', num: true },
                    {
                        key: 'win_rate',
                        title: 'Win rate',
                        num: true,
                        show: f => ofOne(f.win_rate, 0),
                    },
                    {
                        key: 'mean_trade_return',
                        title: 'Mean trade',
                        num: true,
                        show: f => toned(f.mean_trade_return, signedOfOne(f.mean_trade_return)),
                    },
                    {
                        key: 'cumulative_return',
                        title: 'Return',
                        num: true,
                        show: f => toned(f.cumulative_return, signedOfOne(f.cumulative_return)),
                    },
                ],
            }),
            say: 'Chosen: the best run of its scanner in the folds before.',
        }),
        n
            ? () => panel({
                  title: 'Net returns of trades',
                  note: plural(n, 'trade'),
                  width: 'w4',
                  sql: b.sql.trades,
                  body: returns.length
                      ? histogram({
                            values: returns,
                            step: stepOf(returns),
                            label: 'Trades by net return',
                            marks: [
                                {
                                    at: percent(run.mean_trade_return),
                                    title: `mean ${signedOfOne(run.mean_trade_return)}`,
                                },
                            ],
                        })
                      : h('p', { class: 'empty' }, 'None.'),
              })
            : null,
        n
            ? () => panel({
                  title: 'Excursions',
                  note: '○ gain, ▼ loss',
                  width: 'w4',
                  sql: b.sql.trades,
                  body: points.length
                      ? scatter({
                            points,
                            label: 'Worst and best return of each trade on its way',
                            xTitle: 'max adverse, %',
                            yTitle: 'max favorable, %',
                            height: 190,
                        })
                      : h('p', { class: 'empty' }, 'None.'),
              })
            : null,
        () => panel({
            title: 'Months and exits',
            note: 'return after costs, %',
            width: 'w4',
            sql: [b.sql.months, b.sql.exits],
            body: [
                monthHeat({
                    label: 'Returns by month',
                    limit: 4,
                    rows: b.months.calendar_year.map((year, i) => ({
                        year,
                        month: b.months.calendar_month[i],
                        value: percent(b.months.month_return[i]),
                        yearToDate: percent(b.months.year_to_date_return[i]),
                    })),
                }),
                exitTable(b.exits),
            ],
        }),
        () => panel({
            title: 'Trades',
            note: `${plural(n, 'trade')}; a row opens the chart of its symbol`,
            sql: b.sql.trades,
            flush: true,
            body: table({
                label: 'Trades',
                of: TRADES,
                rows: trades,
                tall: '320px',
                onopen: x => app.go(signalLink(x)),
                sort: ['entry_ts', true],
                columns: [
                    {
                        key: 'entry_ts',
                        title: 'Entry',
                        show: x => `${day(x.session_date)} ${clockTime(x.entry_ts)}`,
                    },
                    {
                            key: 'symbol',
                            title: 'Symbol',
                            opens: true,
                            show: x => h('b', {}, x.symbol),
                        },
                    { key: 'direction', title: 'Side', show: x => side(x.direction) },
                    { key: 'quantity', title: 'Shares', num: true, show: x => number(x.quantity) },
                    {
                        key: 'entry_price',
                        title: 'Entry price',
                        num: true,
                        show: x => price(x.entry_price),
                    },
                    {
                        key: 'exit_price',
                        title: 'Exit price',
                        num: true,
                        show: x => price(x.exit_price),
                    },
                    {
                        key: 'exit_reason',
                        title: 'Exit',
                        show: x => `${words(x.exit_reason)} ${clockTime(x.exit_ts)}`,
                    },
                    {
                        key: 'max_adverse_return',
                        title: 'Worst',
                        doc: 'backtests.outcomes.max_adverse_return',
                        num: true,
                        show: x => signedOfOne(x.max_adverse_return),
                    },
                    {
                        key: 'max_favorable_return',
                        title: 'Best',
                        doc: 'backtests.outcomes.max_favorable_return',
                        num: true,
                        show: x => signedOfOne(x.max_favorable_return),
                    },
                    {
                        key: 'net_return',
                        title: 'Net return',
                        num: true,
                        show: x => toned(x.net_return, signedOfOne(x.net_return)),
                    },
                    {
                        key: 'net_pnl_amount',
                        title: `Net P&L, ${currency}`,
                        num: true,
                        show: x => toned(x.net_pnl_amount, signed(x.net_pnl_amount)),
                    },
                ],
            }),
        }),
    ];
}
/* about twenty bins of a round width */
function stepOf(values) {
    const wide = (Math.max(0, ...values) - Math.min(0, ...values)) / 20 || 1,
        power = 10 ** Math.floor(Math.log10(wide));
    return [1, 2, 2.5, 5, 10].find(m => m * power >= wide) * power;
}
function exitTable(rows) {
    return table({
        label: 'Exits',
        of: 'backtests.exit_reasons',
        rows,
        columns: [
            { key: 'exit_reason', title: 'Exit', show: r => words(r.exit_reason ?? 'none') },
            { key: 'trade_count', title: 'Trades', num: true },
            {
                key: 'mean_trade_return',
                title: 'Mean trade',
                num: true,
                show: r => toned(r.mean_trade_return, signedOfOne(r.mean_trade_return)),
            },
        ],
    });
}
