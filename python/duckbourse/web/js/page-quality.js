import { h, panel, table, tag, figures, token } from './dom.js';
import { number, day, words, price, pct, clockTime, plural } from './format.js';
import { coverage } from './charts.js';
import { symbolLink } from './page-overview.js';

const COLORS = { b: 'up-soft', m: 'down', r: 'ink', j: 'series-3' };
const NAMES = {
    b: 'a bar',
    m: 'missing: the exchange was open',
    r: 'delivered and rejected',
    j: 'a bar, with a suspect jump',
    '-': 'before or after its bars',
};
const FINDINGS = {
    rejected_row: 'Rejected rows',
    missing_bars: 'Missing bars',
    suspect_jump: 'Suspect jumps',
    suspect_low: 'Suspect lows',
    suspect_high: 'Suspect highs',
    behind: 'Series behind',
    ended: 'Series that ended',
};
// of these the count is one of sessions, and the number of series says more
const OF_SERIES = ['behind', 'ended'];

export async function qualityPage(app) {
    const q = await app.source.get('/quality'),
        known = new Set(app.meta.symbols.map(x => x.symbol));
    const open = r => known.has(r.symbol) && app.go(symbolLink(r.symbol, '/1d'));
    const symbols = Object.keys(q.coverage),
        most = Math.max(...q.days.missing_count, 0);
    const worst = q.days.session_date
        .map((date, i) => ({ date, count: q.days.missing_count[i] }))
        .filter(x => x.count > 20 && x.count > most / 5);
    const totals = q.finding_totals;
    /* what a list leaves out is said, since a file of it leaves it out as well */
    const cut = (rows, key, note) => {
        const all = q.totals?.[key] ?? rows.length;
        const said =
            rows.length < all ? `${number(rows.length)} of ${number(all)}; ./bourse sql has all` : null;
        return [note, said].filter(Boolean).join('; ') || null;
    };
    const symbol = { key: 'symbol', title: 'Symbol', show: r => h('b', {}, r.symbol) },
        session = { key: 'session_date', title: 'Session', show: r => day(r.session_date) };
    const prices = (...keys) =>
        keys.map(key => ({ key, title: words(key), num: true, show: r => price(r[key]) }));
    return h(
        'div',
        {},
        h(
            'div',
            { class: 'head' },
            h('h1', {}, 'Data quality'),
            h(
                'p',
                { class: 'sub' },
                'Nothing is repaired and nothing disappears: what is wrong is counted here, with its file and row',
            ),
        ),
        h(
            'div',
            { class: 'grid' },
            () => panel({
                title: 'Findings',
                sql: q.sql.findings,
                flush: true,
                body: totals.length
                    ? figures(
                          totals.map(t => ({
                              label: FINDINGS[t.finding] ?? words(t.finding),
                              value: number(
                                  OF_SERIES.includes(t.finding) ? t.symbol_count : t.finding_count,
                              ),
                              small: OF_SERIES.includes(t.finding)
                                  ? 'symbols'
                                  : `in ${plural(t.symbol_count, 'symbol')}`,
                              doc: 'serving.data_quality.finding',
                          })),
                          Math.min(8, totals.length),
                      )
                    : h('p', { class: 'empty' }, tag('✓ no findings', 'good')),
            }),
            symbols.length
                ? () => panel({
                      title: 'Coverage',
                      note: `daily bars of ${plural(symbols.length, 'symbol')} of ${q.calendar}, ${day(q.days.session_date[0])} to ${day(q.days.session_date.at(-1))}`,
                      sql: [q.sql.coverage, q.sql.days],
                      body: [
                          h(
                              'div',
                              { class: 'legend' },
                              Object.entries(COLORS).map(([key, color]) =>
                                  h(
                                      'span',
                                      {},
                                      h('i', { class: 'box', style: { '--key': token(color) } }),
                                      NAMES[key],
                                  ),
                              ),
                          ),
                          coverage({
                              days: q.days.session_date,
                              rows: q.coverage,
                              colors: COLORS,
                              names: NAMES,
                              label: `Coverage of ${plural(symbols.length, 'symbol')} by session`,
                          }),
                      ],
                      say: worst.length
                          ? `Columns that are orange throughout are sessions that the vendor lacks for many symbols: ${worst
                                .slice(0, 8)
                                .map(x => `${day(x.date)} (${number(x.count)})`)
                                .join(', ')}.`
                          : null,
                  })
                : null,
            () => panel({
                title: 'Findings by rule',
                width: 'w5',
                sql: q.sql.findings,
                flush: true,
                body: table({
                    label: 'Findings by rule',
                    of: 'serving.data_quality',
                    tall: '300px',
                    rows: q.findings,
                    columns: [
                        {
                            key: 'finding',
                            title: 'Finding',
                            show: r => FINDINGS[r.finding] ?? words(r.finding),
                        },
                        { key: 'rule', title: 'Rule', class: 'wrap', show: r => words(r.rule) },
                        {
                            key: 'finding_count',
                            title: 'Count',
                            num: true,
                            show: r => number(r.finding_count),
                        },
                        {
                            key: 'symbol_count',
                            title: 'Symbols',
                            tip: 'Number of symbols',
                            num: true,
                            show: r => number(r.symbol_count),
                        },
                    ],
                }),
            }),
            () => panel({
                title: 'Rejected rows',
                note: cut(q.rejected, 'rejected'),
                width: 'w7',
                sql: q.sql.rejected,
                flush: true,
                body: table({
                    label: 'Rejected rows',
                    of: 'bars.rejected',
                    rows: q.rejected,
                    tall: '300px',
                    sort: ['session_date', true],
                    columns: [
                        symbol,
                        session,
                        { key: 'rule', title: 'Rule', class: 'wrap', show: r => words(r.rule) },
                        ...['open', 'high', 'low', 'close'].map(key => ({
                            key,
                            title: words(key),
                            num: true,
                            show: r =>
                                r.rule?.startsWith(key)
                                    ? h('b', { class: 'down' }, price(r[key]), ' ✕')
                                    : price(r[key]),
                        })),
                        {
                            key: 'source_row',
                            title: 'In file',
                            by: r => `${r.source_file}:${r.source_row}`,
                            show: r =>
                                h(
                                    'small',
                                    { 'data-tip': r.source_file },
                                    `row ${number(r.source_row)}`,
                                ),
                        },
                    ],
                }),
            }),
            () => panel({
                title: 'Suspect jumps',
                note: cut(q.jumps, 'jumps', 'no known split or dividend explains them'),
                width: 'w7',
                sql: q.sql.jumps,
                flush: true,
                body: table({
                    label: 'Suspect jumps',
                    of: 'bars.suspect_jumps',
                    rows: q.jumps,
                    tall: '300px',
                    onopen: open,
                    columns: [
                        symbol,
                        session,
                        {
                            key: 'prior_close',
                            title: 'Prior close',
                            num: true,
                            show: r => price(r.prior_close),
                        },
                        ...prices('open', 'close'),
                        {
                            key: 'close_ratio',
                            title: 'Ratio',
                            num: true,
                            show: r => number(r.close_ratio, 3),
                        },
                        {
                            key: 'nearest_split',
                            title: 'Nearest split',
                            num: true,
                            show: r =>
                                r.nearest_split === null
                                    ? '–'
                                    : r.close_ratio < 1
                                      ? `${number(r.nearest_split, 1)} : 1`
                                      : `1 : ${number(r.nearest_split, 1)}`,
                        },
                        {
                            key: 'nearest_split_error_pct',
                            title: 'Off by',
                            num: true,
                            show: r => pct(r.nearest_split_error_pct, 1),
                        },
                        {
                            key: 'explanation',
                            title: 'Explanation',
                            class: 'wrap',
                            show: r => r.explanation ?? tag('none yet', 'warn'),
                        },
                    ],
                }),
                say: 'Within 1% of a round ratio a split is likely: add it to seeds/reference/corporate_actions.csv, or explain the jump in explained_jumps.csv.',
            }),
            () => panel({
                title: 'Suspect extremes',
                note: cut(q.extremes, 'extremes'),
                width: 'w5',
                sql: q.sql.extremes,
                flush: true,
                body: table({
                    label: 'Suspect extremes',
                    of: 'bars.suspect_extremes',
                    rows: q.extremes,
                    tall: '300px',
                    onopen: open,
                    sort: ['outlier_ratio', true],
                    columns: [
                        symbol,
                        session,
                        { key: 'kind', title: 'Kind', show: r => words(r.kind) },
                        ...prices('high', 'low', 'close'),
                        {
                            key: 'outlier_ratio',
                            title: 'Ratio',
                            num: true,
                            show: r => number(r.outlier_ratio, 2),
                        },
                    ],
                }),
            }),
            () => panel({
                title: 'Staleness',
                note: 'sessions behind',
                width: 'w5',
                sql: q.sql.staleness,
                flush: true,
                body: table({
                    label: 'Staleness',
                    of: 'bars.staleness',
                    rows: q.staleness,
                    tall: '280px',
                    columns: [
                        { key: 'timeframe', title: 'Bars' },
                        { key: 'calendar', title: 'Calendar' },
                        {
                            key: 'last_session_date',
                            title: 'Newest',
                            show: r => day(r.last_session_date),
                        },
                        {
                            key: 'symbol_count',
                            title: 'Series',
                            tip: 'Number of symbols whose series end then',
                            num: true,
                        },
                        {
                            key: 'sessions_behind',
                            title: 'Behind market',
                            num: true,
                            show: r => number(r.sessions_behind),
                        },
                        {
                            key: 'sessions_behind_now',
                            title: 'Behind now',
                            num: true,
                            show: r => number(r.sessions_behind_now),
                        },
                    ],
                }),
            }),
            () => panel({
                title: 'Most gaps',
                note: cut(q.missing, 'missing'),
                width: 'w7',
                sql: q.sql.missing,
                flush: true,
                body: table({
                    label: 'Most gaps',
                    of: 'bars.missing',
                    rows: q.missing,
                    tall: '280px',
                    columns: [
                        symbol,
                        { key: 'timeframe', title: 'Bars' },
                        {
                            key: 'session_count',
                            title: 'Sessions',
                            tip: 'Number of sessions with missing bars',
                            num: true,
                            show: r => number(r.session_count),
                        },
                        {
                            key: 'missing_bar_count',
                            title: 'Bars missing',
                            num: true,
                            show: r => number(r.missing_bar_count),
                        },
                        {
                            key: 'first_session_date',
                            title: 'First',
                            tip: 'First such session',
                            show: r => day(r.first_session_date),
                        },
                        {
                            key: 'last_session_date',
                            title: 'Last',
                            tip: 'Last such session',
                            show: r => day(r.last_session_date),
                        },
                    ],
                }),
            }),
            () => panel({
                title: 'Deliveries',
                note: cut(q.deliveries, 'deliveries'),
                sql: q.sql.deliveries,
                flush: true,
                body: table({
                    label: 'Deliveries',
                    of: 'bars.deliveries',
                    rows: q.deliveries,
                    tall: '300px',
                    columns: [
                        {
                            key: 'delivered_at',
                            title: 'Delivered',
                            show: r => `${day(r.delivered_at)} ${clockTime(r.delivered_at)} UTC`,
                        },
                        { key: 'source', title: 'Source' },
                        { key: 'kind', title: 'Kind', show: r => words(r.kind) },
                        {
                            key: 'symbol_count',
                            title: 'Symbols',
                            num: true,
                            show: r => number(r.symbol_count),
                        },
                        {
                            key: 'kept_row_count',
                            title: 'Rows kept',
                            num: true,
                            show: r => number(r.kept_row_count),
                        },
                        {
                            key: 'unreadable_row_count',
                            title: 'Unreadable',
                            num: true,
                            show: r => number(r.unreadable_row_count),
                        },
                        {
                            key: 'first_session_date',
                            title: 'From',
                            show: r => day(r.first_session_date),
                        },
                        {
                            key: 'last_session_date',
                            title: 'To',
                            show: r => day(r.last_session_date),
                        },
                        { key: 'source_file', title: 'File', class: 'wrap' },
                    ],
                }),
            }),
        ),
    );
}
