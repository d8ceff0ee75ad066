import { h, panel, table, tag, figures, toned, side, callout } from './dom.js';
import {
    number,
    signedOfOne,
    ofOne,
    day,
    distance,
    short,
    words,
    price,
    clockTime,
    plural,
} from './format.js';
import { spark } from './charts.js';

export const symbolLink = (symbol, rest = '') => `#/symbol/${encodeURIComponent(symbol)}${rest}`;
/* A signal is looked up by its session, in whatever week it was. */
/* `session` is the last one of the list in which the signal is shown */
export const signalLink = (x, frame = '5m', session = x.session_date) =>
    symbolLink(
        x.symbol,
        `/${frame}?${new URLSearchParams({ signal: x.signal_id, session })}`,
    );
export const netReturn = x =>
    x.net_return === null
        ? h('span', { class: 'mute' }, words(x.missing_reason ?? 'open'))
        : toned(x.net_return, signedOfOne(x.net_return));
const SIGNALS = 'serving.signals_with_outcomes';
const OLD_DAYS = 5;
const daysBetween = (from, to) =>
    Math.round((Date.parse(to.slice(0, 10)) - Date.parse(from.slice(0, 10))) / 864e5);
/* A count with what it counts; zero is said. */
const counted = n => (n ? number(n) : tag('✓ none', 'good'));

export const VERDICTS = {
    passes: ['✓ passes', 'good'],
    too_high: ['▽ too high', 'warn'],
    clustered: ['✕ clustered', 'warn'],
    too_regular: ['✕ too regular', 'warn'],
    untested: ['untested', ''],
};
export const varVerdict = verdict =>
    verdict ? tag(...(VERDICTS[verdict] ?? [`✕ ${words(verdict).toLowerCase()}`, 'bad'])) : '–';

/* Of each calendar whose newest bar is old, a minute's if it has minutes: which, and by how much. */
export function oldPrices(freshness, answeredAt) {
    return [...new Set(freshness.map(f => f.calendar))].sort().flatMap(calendar => {
        const of = freshness.filter(f => f.calendar === calendar),
            minutes = of.filter(f => f.timeframe === '1m');
        const last_bar_end = (minutes.length ? minutes : of)
            .map(f => f.last_bar_end)
            .sort()
            .at(-1);
        const age = daysBetween(last_bar_end, answeredAt);
        return age > OLD_DAYS ? [{ calendar, isMinute: !!minutes.length, last_bar_end, age }] : [];
    });
}

export async function overviewPage(app) {
    const o = await app.source.get('/overview'),
        { meta } = app,
        p = meta.publication;
    const old = oldPrices(o.freshness, meta.answered_at);
    const isSynthetic = o.signals.some(x => x.source === 'synthetic');
    return h(
        'div',
        {},
        h(
            'div',
            { class: 'head' },
            h('h1', {}, 'Overview'),
            h(
                'p',
                { class: 'sub' },
                `${o.session ? `Session of ${day(o.session)}` : 'No bars'}, ${p.published_at ? `published ${day(p.published_at)} ${clockTime(p.published_at)} UTC` : 'not published'}`,
            ),
        ),
        old.length
            ? callout(
                  'These are old prices.',
                  `${old.map(x => `The newest ${x.isMinute ? 'minute bar' : 'bar'} of ${x.calendar} is of ${day(x.last_bar_end)}, ${distance(x.age)} before this page was made.`).join(' ')}${isSynthetic ? ' The minutes are synthetic, made from daily bars: what a scanner finds in them is an example, not a record of a market.' : ''}`,
              )
            : null,
        h(
            'div',
            { class: 'grid' },
            () => panel({
                title: 'Signals of the session',
                note: o.signals.length
                    ? `${plural(o.signals.length, 'signal')} of ${plural(new Set(o.signals.map(x => x.symbol)).size, 'symbol')}; stop and target as known at the signal`
                    : null,
                width: 'w8',
                sql: o.sql.signals,
                flush: true,
                acts: [h('a', { class: 'act', href: '#/scanners' }, 'All candidates →')],
                body: table({
                    label: 'Signals of the session',
                    of: SIGNALS,
                    tall: '404px',
                    rows: o.signals,
                    onopen: x => app.go(signalLink(x)),
                    sort: ['known_ts', false],
                    columns: [
                        { key: 'known_ts', title: 'Known', show: x => clockTime(x.known_ts) },
                        {
                            key: 'symbol',
                            title: 'Symbol',
                            opens: true,
                            show: x => h('b', {}, x.symbol),
                        },
                        { key: 'direction', title: 'Side', show: x => side(x.direction) },
                        {
                            key: 'scanner',
                            title: 'Scanner',
                            also: ['preset'],
                            show: x => [words(x.scanner), ' ', h('small', {}, words(x.preset))],
                        },
                        { key: 'score', title: 'Score', num: true, show: x => number(x.score, 1) },
                        {
                            key: 'signal_price',
                            title: 'Price',
                            num: true,
                            show: x => price(x.signal_price),
                        },
                        {
                            key: 'stop_price',
                            title: 'Stop',
                            num: true,
                            show: x => price(x.stop_price),
                        },
                        {
                            key: 'target_price',
                            title: 'Target',
                            num: true,
                            show: x => price(x.target_price),
                        },
                        {
                            key: 'exit_reason',
                            title: 'Exit',
                            also: ['exit_ts'],
                            show: x =>
                                x.exit_ts ? `${words(x.exit_reason)} ${clockTime(x.exit_ts)}` : '–',
                        },
                        { key: 'net_return', title: 'Net return', num: true, show: netReturn },
                    ],
                }),
                say: o.signals.length
                    ? 'Exit and net return are what followed each signal. They were not known at the cutoff.'
                    : 'No scanner has a signal in this publication.',
            }),
            () => h(
                'div',
                { class: 'stack w4' },
                () => panel({
                    title: 'Freshness',
                    sql: o.sql.freshness,
                    flush: true,
                    body: table({
                        label: 'Freshness',
                        of: 'bars.staleness',
                        rows: o.freshness,
                        columns: [
                            {
                                key: 'timeframe',
                                title: 'Bars',
                                also: ['calendar'],
                                show: f => `${f.timeframe} of ${f.calendar}`,
                            },
                            {
                                key: 'last_bar_end',
                                title: 'Newest',
                                show: f => day(f.last_bar_end),
                            },
                            {
                                key: 'current_count',
                                title: 'Current',
                                num: true,
                                tip: 'Series that reach the newest session of their market in this publication, of all series',
                                also: ['symbol_count'],
                                show: f =>
                                    `${number(f.current_count)} of ${number(f.symbol_count)}`,
                            },
                            {
                                key: 'sessions_behind_now',
                                title: 'Behind now',
                                num: true,
                                show: f =>
                                    tag(
                                        plural(f.sessions_behind_now, 'session'),
                                        f.sessions_behind_now > 5
                                            ? 'bad'
                                            : f.sessions_behind_now > 1
                                              ? 'warn'
                                              : 'good',
                                    ),
                            },
                        ],
                    }),
                    say: h('a', { href: '#/quality' }, 'How far each series reaches →'),
                }),
                () => panel({
                    title: 'Data quality',
                    sql: o.sql.counts,
                    flush: true,
                    body: figures(
                        [
                            {
                                label: 'Rejected rows',
                                value: counted(o.counts.rejected_count),
                                tip: 'Rows that break the contract of a bar, with rule, file and row: bars.rejected',
                                href: '#/quality',
                            },
                            {
                                label: 'Missing bars',
                                value: counted(o.counts.missing_count),
                                tip: 'Sessions in which a symbol has fewer bars than its calendar allows: bars.missing',
                                href: '#/quality',
                            },
                            {
                                label: 'Suspect jumps',
                                value: counted(o.counts.jump_count),
                                tip: 'Jumps that no known split or dividend explains: bars.suspect_jumps',
                                href: '#/quality',
                            },
                            {
                                label: 'Suspect extremes',
                                value: counted(o.counts.extreme_count),
                                tip: 'Highs, lows and opens far from the rest of their day: bars.suspect_extremes',
                                href: '#/quality',
                            },
                            {
                                label: 'Restatements',
                                value: counted(o.counts.restatement_count),
                                tip: 'Values that a source delivered again and differently: bars.restatements',
                                href: '#/quality',
                            },
                            {
                                label: 'Days against minutes',
                                value: counted(o.counts.conflict_count),
                                tip: 'Days that their own minutes contradict: bars.day_minute_conflicts',
                                href: '#/quality',
                            },
                        ],
                        2,
                    ),
                }),
            ),
            ...o.portfolios
                .filter(f => meta.portfolios.some(x => x.portfolio === f.portfolio))
                .map(f => () => portfolioPanel(o, meta, f)),
            () => panel({
                title: 'In this publication',
                width: 'w5 whole',
                sql: [o.sql.counts, o.sql.runs],
                flush: true,
                body: figures(
                    [
                        {
                            label: 'Bars',
                            value: short(o.counts.bar_count),
                            small: plural(o.counts.symbol_count, 'symbol'),
                            tip: 'Rows of bars.ohlcv, all timeframes',
                        },
                        {
                            label: 'Signals',
                            value: number(o.counts.signal_count),
                            href: '#/scanners',
                            tip: 'Rows of scanners.signals',
                        },
                        {
                            label: 'Simulated trades',
                            value: number(o.counts.trade_count),
                            small: plural(o.runs.run_count, 'run'),
                            href: '#/backtest',
                            tip: 'Rows of backtests.trades, of all runs',
                        },
                        {
                            label: 'Runs with a significant gain',
                            value: `${o.runs.gain_count} of ${o.runs.run_count}`,
                            small: 'after costs',
                            href: '#/backtest',
                            doc: 'backtests.summary.verdict',
                        },
                        {
                            label: 'Runs better than chance',
                            value: `${o.runs.better_count} of ${o.runs.run_count}`,
                            small: 'p < 0.05',
                            href: '#/backtest',
                            doc: 'backtests.summary.verdict',
                        },
                        {
                            label: 'Indicator outputs',
                            value: number(o.counts.output_count),
                            tip: 'Rows of serving.indicator_catalog, stored or computed on read',
                        },
                    ],
                    3,
                ),
            }),
            () => panel({
                title: 'Sources',
                note: `data version ${(p.data_version ?? '').slice(0, 8)}`,
                width: 'w7',
                sql: o.sql.sources,
                flush: true,
                body: table({
                    label: 'Sources',
                    of: 'bars.deliveries',
                    rows: o.sources,
                    columns: [
                        {
                            key: 'source',
                            title: 'Source',
                            show: x =>
                                x.source === 'synthetic'
                                    ? [x.source, ' ', tag('made from days', 'warn')]
                                    : x.source,
                        },
                        { key: 'kind', title: 'Kind', show: x => words(x.kind) },
                        {
                            key: 'symbol_count',
                            title: 'Symbols',
                            num: true,
                            show: x => number(x.symbol_count),
                        },
                        {
                            key: 'row_count',
                            title: 'Rows',
                            num: true,
                            tip: 'Rows kept of all deliveries of the source',
                            show: x => number(x.row_count),
                        },
                        {
                            key: 'first_session_date',
                            title: 'From',
                            show: x => day(x.first_session_date),
                        },
                        {
                            key: 'last_session_date',
                            title: 'To',
                            show: x => day(x.last_session_date),
                        },
                    ],
                }),
            }),
        ),
    );
}

function portfolioPanel(o, meta, f) {
    const test = o.verdicts.find(x => x.portfolio === f.portfolio),
        about = meta.portfolios.find(x => x.portfolio === f.portfolio);
    const line = o.growth.find(x => x.portfolio === f.portfolio)?.equity_ratio ?? [];
    const of = 'serving.portfolio_overview',
        open = `#/portfolio/${encodeURIComponent(f.portfolio)}`,
        risk = `#/risk/${encodeURIComponent(f.portfolio)}`;
    return panel({
        title: words(f.portfolio),
        note: `to ${day(f.session_date)}`,
        width: 'w6',
        sql: [o.sql.portfolios, o.sql.verdicts, o.sql.growth],
        flush: true,
        acts: [h('a', { class: 'act', href: open }, 'Open →')],
        body: [
            h(
                'div',
                { class: 'lead' },
                h('p', {}, about.description),
                line.length > 1
                    ? [
                          spark(line, { width: 150, height: 32 }),
                          h('small', {}, plural(line.length, 'session')),
                      ]
                    : null,
            ),
            figures([
                {
                    label: 'Last session',
                    value: toned(f.session_return, signedOfOne(f.session_return)),
                    small: 'after costs',
                    doc: `${of}.session_return`,
                },
                {
                    label: 'Drawdown',
                    value: toned(f.drawdown, ofOne(f.drawdown)),
                    small: f.peak_date ? `peak ${day(f.peak_date)}` : null,
                    doc: `${of}.drawdown`,
                },
                {
                    label: 'VaR 99%, 1 session',
                    value: ofOne(f.var_return),
                    small: 'historical',
                    href: risk,
                    doc: `${of}.var_return`,
                },
                {
                    label: 'Its backtest',
                    value: varVerdict(test?.verdict),
                    small: test
                        ? `${number(test.exceedance_count)} VaR breaches, ${number(test.expected_count, 0)} expected`
                        : null,
                    doc: 'risk.var_backtest.verdict',
                },
            ]),
        ],
    });
}
