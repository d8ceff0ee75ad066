import { h, panel, table, tag, choice, token, figures, toned, side } from './dom.js';
import {
    number,
    ofOne,
    signedOfOne,
    price,
    words,
    day,
    pValue,
    percent,
    clockTime,
    plural,
    missing,
} from './format.js';
import { whisker } from './charts.js';
import { signalLink, symbolLink, netReturn } from './page-overview.js';

const SUMMARY = 'backtests.summary';
const COMMON = [
    'prior_close',
    'open_price',
    'high_to_cutoff',
    'low_to_cutoff',
    'volume_to_cutoff',
    'pattern_ts',
    'known_ts',
];

const VERDICTS = {
    no_trades: ['no trades', ''],
    too_few_trades: ['too few trades', ''],
    loss: ['loss after costs', 'bad'],
    inconclusive: ['interval spans zero', 'warn'],
    gain_no_better_than_chance: ['gain, no better than chance', 'warn'],
    gain_better_than_chance: ['gain, better than chance', 'good'],
};
export const verdictOf = r => VERDICTS[r?.verdict ?? 'no_trades'];
export const isFew = r => verdictOf(r)[1] === '';
const range = (low, high, digits) =>
    missing(low)
        ? 'no interval'
        : `${number(percent(low), digits)} … ${number(percent(high), digits)}`;

export async function scannersPage(app) {
    const date = app.query.get('date');
    const d = await app.source.get('/scanners' + (date && app.source.live ? `?date=${date}` : ''));
    const nameOf = x => `${x.scanner}.${x.preset}`;
    const groups = new Map();
    for (const c of d.candidates) groups.set(nameOf(c), [...(groups.get(nameOf(c)) ?? []), c]);
    // a preset has a record in each calendar in which it was traded
    const records = new Map(),
        calendars = new Set(d.records.map(r => r.calendar));
    for (const r of d.records) records.set(nameOf(r), [...(records.get(nameOf(r)) ?? []), r]);
    const all = [...new Set([...groups.keys(), ...records.keys()])].sort().flatMap(name =>
        (records.get(name) ?? [undefined]).map(r => ({
            name,
            scanner: name.split('.')[0],
            preset: name.split('.')[1],
            count: groups.get(name)?.length ?? 0,
            calendar: r?.calendar,
            r,
        })),
    );
    if (!all.length)
        return h(
            'div',
            {},
            h('div', { class: 'head' }, h('h1', {}, 'Scanners')),
            h(
                'p',
                { class: 'panel empty' },
                'No scanner has looked at a session in this publication: scanners need one-minute bars.',
            ),
        );
    const chosen =
        all.find(a => a.name === app.path[1]) ??
        all.find(a => a.name === 'crp.standard' && a.count) ??
        all.find(a => a.count) ??
        all[0];
    const { scanner, preset } = chosen,
        rows = groups.get(chosen.name) ?? [];
    const signals = new Map(
        d.signals.filter(x => nameOf(x) === chosen.name).map(x => [x.symbol, x]),
    );
    const of = `scanners.${scanner}`,
        rejected = d.rejections.filter(r => nameOf(r) === chosen.name);
    const go = (name, day = date) =>
        app.go(`#/scanners/${name}${day && app.source.live ? `?date=${day}` : ''}`);
    const open = c => {
        const x = signals.get(c.symbol);
        app.go(x ? signalLink(x) : symbolLink(c.symbol, '/5m'));
    };
    const cutoff = clockTime(rows[0]?.cutoff_time);
    return h(
        'div',
        {},
        h(
            'div',
            { class: 'head' },
            h('h1', {}, 'Scanners'),
            h(
                'p',
                { class: 'sub' },
                `Candidates of ${day(d.session)}, as known at each preset’s cutoff`,
            ),
            h(
                'div',
                { class: 'tools' },
                app.source.live
                    ? choice(
                          'Session',
                          d.sessions.map(x => [x, day(x)]),
                          d.session,
                          x => go(chosen.name, x),
                      )
                    : null,
                choice(
                    'Scanner and preset',
                    [
                        ...new Map(
                            all.map(a => [
                                a.name,
                                `${words(a.scanner)}, ${words(a.preset).toLowerCase()} (${a.count})`,
                            ]),
                        ),
                    ],
                    chosen.name,
                    name => go(name),
                ),
            ),
        ),
        h(
            'div',
            { class: 'grid' },
            () => panel({
                title: `${words(scanner)}, ${words(preset).toLowerCase()}`,
                note: rows.length
                    ? `${plural(rows.length, 'candidate')} at ${cutoff}, ${plural(signals.size, 'signal')} among them`
                    : 'no candidates',
                width: 'w8',
                sql: d.sql[`candidates.${scanner}`],
                flush: true,
                body: table({
                    label: 'Candidates',
                    of,
                    rows,
                    tall: '560px',
                    sort: ['signal_rank', false],
                    onopen: open,
                    columns: columnsOf(rows, signals),
                }),
                say: 'Enter or a click opens the symbol at the cutoff. Hover over a score to see its parts.',
            }),
            () => h(
                'div',
                { class: 'stack w4' },
                all
                    .filter(a => a.name === chosen.name)
                    .map(a => () => recordPanel(a.r, d, calendars.size > 1)),
                () => panel({
                    title: 'Rejections',
                    note: 'symbols by rule',
                    sql: d.sql.rejections,
                    flush: true,
                    body: table({
                        label: 'Rejections',
                        of: 'scanners.rejections',
                        tall: '260px',
                        rows: rejected,
                        columns: [
                            { key: 'rule', title: 'Rule', show: r => words(r.rule) },
                            {
                                key: 'symbol_count',
                                title: 'Symbols',
                                num: true,
                                tip: 'Number of symbols that the rule left out',
                            },
                        ],
                    }),
                }),
            ),
            () => panel({
                title: 'All presets',
                note: 'mean net return of a trade with its 95% interval; the line is zero',
                sql: d.sql.records,
                flush: true,
                body: table({
                    label: 'All presets',
                    of: SUMMARY,
                    rows: all,
                    tall: '520px',
                    onopen: a => go(a.name),
                    isOn: a => a.name === chosen.name,
                    columns: [
                        { key: 'scanner', title: 'Scanner', show: a => words(a.scanner) },
                        { key: 'preset', title: 'Preset', show: a => words(a.preset) },
                        ...(calendars.size > 1
                            ? [{ key: 'calendar', title: 'Calendar', show: a => a.calendar ?? '–' }]
                            : []),
                        {
                            key: 'count',
                            title: 'Candidates',
                            num: true,
                            tip: 'Symbols that passed the preset in this session',
                        },
                        {
                            key: 'trade_count',
                            title: 'Trades',
                            num: true,
                            by: a => a.r?.trade_count,
                            show: a => number(a.r?.trade_count),
                        },
                        {
                            key: 'win_rate',
                            title: 'Win rate',
                            num: true,
                            by: a => a.r?.win_rate,
                            show: a => ofOne(a.r?.win_rate, 0),
                        },
                        {
                            key: 'win_rate_low',
                            title: '95% interval',
                            also: ['win_rate_high'],
                            by: a => a.r?.win_rate_low,
                            show: a =>
                                a.r && !missing(a.r.win_rate_low)
                                    ? whisker({
                                          value: percent(a.r.win_rate),
                                          low: percent(a.r.win_rate_low),
                                          high: percent(a.r.win_rate_high),
                                          from: 0,
                                          to: 100,
                                          zero: 50,
                                          width: 110,
                                          tip: `win rate ${range(a.r.win_rate_low, a.r.win_rate_high, 0)}%; the line is 50%`,
                                      })
                                    : '–',
                        },
                        {
                            key: 'mean_trade_return',
                            title: 'Mean trade',
                            num: true,
                            by: a => a.r?.mean_trade_return,
                            show: a =>
                                a.r
                                    ? toned(
                                          a.r.mean_trade_return,
                                          signedOfOne(a.r.mean_trade_return),
                                      )
                                    : '–',
                        },
                        {
                            key: 'mean_trade_return_low',
                            title: '95% interval (−2 … +2%)',
                            also: ['mean_trade_return_high'],
                            by: a => a.r?.mean_trade_return_low,
                            show: a =>
                                a.r && !missing(a.r.mean_trade_return_low)
                                    ? whisker({
                                          value: percent(a.r.mean_trade_return),
                                          low: percent(a.r.mean_trade_return_low),
                                          high: percent(a.r.mean_trade_return_high),
                                          from: -2,
                                          to: 2,
                                          width: 170,
                                          tip: `${range(a.r.mean_trade_return_low, a.r.mean_trade_return_high, 2)}%`,
                                          tone: token(
                                              isFew(a.r)
                                                  ? 'flat'
                                                  : a.r.mean_trade_return_high < 0
                                                    ? 'down'
                                                    : a.r.mean_trade_return_low > 0
                                                      ? 'up'
                                                      : 'ink-2',
                                          ),
                                      })
                                    : '–',
                        },
                        {
                            key: 'permutation_p_value',
                            title: 'p',
                            num: true,
                            by: a => a.r?.permutation_p_value,
                            show: a =>
                                h(
                                    'span',
                                    { class: isFew(a.r) ? 'mute' : null },
                                    pValue(a.r?.permutation_p_value),
                                ),
                        },
                        {
                            key: 'verdict',
                            title: 'In words',
                            by: a => a.r?.verdict,
                            doc: `${SUMMARY}.verdict`,
                            show: a => tag(...verdictOf(a.r)),
                        },
                    ],
                }),
                say: `${plural(records.size, 'preset')} with a record: one p below 0.05 in twenty is expected by chance alone.`,
            }),
        ),
    );
}

function columnsOf(rows, signals) {
    const parts = Object.keys(rows[0]?.parts ?? {}),
        most = Math.max(...rows.map(r => Math.abs(r.score ?? 0)), 1e-9),
        scale = most > 20 && most <= 100 ? 100 : most;
    const largest = Math.max(
        1,
        ...rows.flatMap(r => Object.values(r.parts).map(v => Math.abs(v ?? 0))),
    );
    const measures = [...new Set(rows.flatMap(r => Object.keys(r.evidence)))]
        .filter(key => !COMMON.includes(key))
        .slice(0, parts.length ? 3 : 4);
    const isPrice = key =>
        /(price|high|low|vwap|ema|bollinger|resistance|support)/.test(key) &&
        !/(pct|score|ratio)/.test(key);
    const valueOf = (v, key) =>
        missing(v)
            ? '–'
            : typeof v === 'boolean'
              ? v
                  ? 'yes'
                  : 'no'
              : typeof v !== 'number'
                ? words(v)
                : isPrice(key)
                  ? price(v)
                  : number(v, Number.isInteger(v) ? 0 : Math.abs(v) < 10 ? 2 : 1);
    const made = r =>
        Object.entries(r.parts)
            .map(([key, v]) => `${words(key)}: ${number(v, 2)}`)
            .join('\n');
    return [
        ...(rows.some(r => r.signal_rank) ? [{ key: 'signal_rank', title: '#', num: true }] : []),
        {
            key: 'symbol',
            title: 'Symbol',
            show: r => [
                h('b', {}, r.symbol),
                signals.has(r.symbol) ? [' ', tag('signal', 'good')] : null,
            ],
        },
        ...(rows.some(r => r.direction)
            ? [{ key: 'direction', title: 'Side', show: r => side(r.direction) }]
            : []),
        {
            key: 'score',
            title: 'Score',
            by: r => r.score,
            show: r =>
                h(
                    'span',
                    { class: 'score', 'data-tip': made(r) || null },
                    h(
                        'i',
                        {},
                        h('b', { style: { width: `${(100 * Math.abs(r.score ?? 0)) / scale}%` } }),
                    ),
                    h('b', { class: 'strong' }, number(r.score, scale === 100 ? 0 : 2)),
                ),
        },
        ...(parts.length && parts.length <= 7
            ? [
                  {
                      key: 'parts',
                      title: 'Parts',
                      plain: true,
                      also: parts,
                      tip: `Parts of the score: ${parts.map(words).join(', ')}`,
                      show: r =>
                          h(
                              'span',
                              { class: 'pips', 'data-tip': made(r) },
                              Object.values(r.parts).map(v =>
                                  h('i', {
                                      style: {
                                          height: `${2 + 12 * Math.min(1, Math.abs(v ?? 0) / largest)}px`,
                                      },
                                  }),
                              ),
                          ),
                  },
              ]
            : []),
        { key: 'last_price', title: 'Price', num: true, show: r => price(r.last_price) },
        ...measures.map(key => ({
            key,
            title: words(key.replace(/_pct$/, '')) + (key.endsWith('_pct') ? ', %' : ''),
            num: rows.some(r => typeof r.evidence[key] === 'number'),
            by: r => r.evidence[key],
            show: r => valueOf(r.evidence[key], key),
        })),
        ...(signals.size
            ? [
                  {
                      key: 'net_return',
                      title: 'Net return',
                      doc: 'serving.signals_with_outcomes.net_return',
                      tip: 'Not known at the cutoff',
                      num: true,
                      by: r => signals.get(r.symbol)?.net_return,
                      show: r =>
                          signals.has(r.symbol)
                              ? netReturn(signals.get(r.symbol))
                              : h('span', { class: 'mute' }, '·'),
                  },
              ]
            : []),
    ];
}

function recordPanel(r, d, isOneOfSeveral) {
    if (!r)
        return panel({
            title: 'Record of this preset',
            body: h('p', { class: 'empty' }, 'No run: a filter has no signals to trade.'),
        });
    return panel({
        title: `Record of this preset${isOneOfSeveral ? ` on ${r.calendar}` : ''}`,
        sql: d.sql.records,
        flush: true,
        acts: [tag(...verdictOf(r))],
        body: figures(
            [
                {
                    label: 'Win rate',
                    value: ofOne(r.win_rate, 0),
                    small: range(r.win_rate_low, r.win_rate_high, 0),
                    doc: `${SUMMARY}.win_rate`,
                },
                {
                    label: 'Mean trade',
                    value: toned(r.mean_trade_return, signedOfOne(r.mean_trade_return)),
                    small: range(r.mean_trade_return_low, r.mean_trade_return_high, 2),
                    doc: `${SUMMARY}.mean_trade_return`,
                },
                {
                    label: 'Trades',
                    value: number(r.trade_count),
                    small: plural(r.session_count, 'session'),
                    href: `#/backtest/${encodeURIComponent(r.run_id)}`,
                    doc: `${SUMMARY}.trade_count`,
                },
                {
                    label: 'p against chance',
                    value: pValue(r.permutation_p_value),
                    small: 'random symbols, same minutes',
                    doc: `${SUMMARY}.permutation_p_value`,
                },
            ],
            2,
        ),
        say: `Setting ${r.setting}. After charges and slippage; small figures are 95% intervals, in percent.`,
    });
}
