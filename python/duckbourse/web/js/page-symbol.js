import {
    h,
    panel,
    table,
    tag,
    segments,
    token,
    figures,
    toned,
    side,
    pairs,
    defined,
    toggle,
} from './dom.js';
import {
    number,
    signedPct,
    signedOfOne,
    price,
    day,
    clockTime,
    words,
    short,
    seconds,
    signed,
    percent,
    stampOf,
    plural,
    missing,
} from './format.js';
import { timeChart, TradePath, volumeFormat } from './charts.js';
import { signalLink, symbolLink, netReturn } from './page-overview.js';

const FRAMES = ['1m', '5m', '15m', '30m', '1h', '1d', '1w'],
    DAILY = ['1d', '1w'];
const MINUTES = { '1m': 1, '5m': 5, '15m': 15, '30m': 30, '1h': 60 };
const OVERLAYS = {
    sma_20: ['SMA 20', 'series-1'],
    sma_50: ['SMA 50', 'series-2'],
    bollinger_upper: ['Bollinger +2σ', 'flat'],
    bollinger_lower: ['Bollinger −2σ', 'flat'],
    vwap: ['VWAP', 'series-3'],
};
const SIGNALS = 'serving.signals_with_outcomes';
/* points that a chart of a server asks for */
const POINTS = 2000;
let isBlind = false; // show only what was known at the signal
const shown = new Set(Object.keys(OVERLAYS));

function defaults({ meta, path }) {
    const symbol =
        path[1] ?? meta.symbols.find(x => x.last_minute_date)?.symbol ?? meta.symbols[0]?.symbol;
    const about = meta.symbols.find(x => x.symbol === symbol);
    const frames = about?.timeframes.split(' ') ?? FRAMES;
    return {
        symbol,
        about,
        frames,
        wanted:
            path[2] ?? (frames.includes('5m') ? '5m' : frames.includes('1d') ? '1d' : frames[0]),
    };
}
const barsAt = (symbol, frame) => `/symbols/${encodeURIComponent(symbol)}/${frame}`;

export async function symbolPage(app) {
    const { symbol, about, frames, wanted } = defaults(app),
        { source } = app;
    if (!symbol)
        return h(
            'div',
            {},
            h('div', { class: 'head' }, h('h1', {}, 'Symbol')),
            h('p', { class: 'panel empty' }, 'No symbol has bars in this publication.'),
        );
    const held = FRAMES.filter(f => frames.includes(f) && source.has(barsAt(symbol, f)));
    const frame = held.includes(wanted) ? wanted : (held.at(-1) ?? wanted),
        isIntraday = !DAILY.includes(frame);
    const asked = app.query.get('signal'),
        session = app.query.get('session');
    // a server is asked for the signals to a session, and for the bars of the one that is shown, or
    // for all bars, thinned
    const upTo = date => (source.live && asked && date ? `?${new URLSearchParams({ date })}` : '');
    const one = await source.get(`/symbols/${encodeURIComponent(symbol)}${upTo(session)}`);
    const chosen = one.signals.find(x => x.signal_id === asked);
    const isZoomable = source.live && isIntraday && !chosen;
    const answer = await source.get(
        barsAt(symbol, frame) +
            (isZoomable
                ? `?points=${POINTS}`
                : isIntraday
                  ? upTo(chosen?.session_date ?? session)
                  : ''),
    );
    if (!answer.columns.minute.length)
        return h(
            'div',
            {},
            h('div', { class: 'head' }, h('h1', {}, symbol)),
            h('p', { class: 'panel empty' }, 'No bars to this session.'),
        );
    const [firstDay, lastDay] = [0, -1].map(at => stampOf(answer.columns.minute.at(at) * 60));
    const inView = isIntraday
        ? one.signals.filter(x => x.session_date >= firstDay && x.session_date <= lastDay)
        : [];
    // a report has the bars of some of them
    const list = isIntraday && source.live ? one.signals : inView,
        listSession = session ?? one.signals.at(-1)?.session_date;
    // never another signal than the one that was asked for
    const signal = (isIntraday ? chosen : null) ?? (asked || isZoomable ? null : inView.at(-1)) ?? null,
        position = list.indexOf(signal),
        isDrawn = inView.includes(signal);
    const cut =
        isBlind && isDrawn
            ? answer.columns.minute.filter(
                  m => (m + MINUTES[frame]) * 60 <= seconds(signal.known_ts),
              ).length
            : Infinity;
    const c = Object.fromEntries(
        Object.entries(answer.columns).map(([key, values]) => [key, values.slice(0, cut)]),
    );
    const times = c.minute.map(m => m * 60),
        n = times.length;
    const open = x => app.go(signalLink({ ...x, symbol }, isIntraday ? frame : '5m', listSession));
    const step = by =>
        list.length &&
        open(list.at(position >= 0 ? (position + by) % list.length : by > 0 ? 0 : -1));
    const hide = () => {
        isBlind = !isBlind;
        app.draw();
    };
    app.keys({ a: () => isDrawn && hide(), ArrowRight: () => step(1), ArrowLeft: () => step(-1) });

    // of what was known at a signal, the change is not
    const last =
        cut === Infinity ? answer.last : n ? { minute: c.minute[n - 1], close: c.close[n - 1] } : null;
    const sources = one.timeframes.find(t => t.timeframe === frame)?.source;
    const overlays = Object.entries(OVERLAYS).filter(([key]) => c[key]);
    const flip = key => {
        for (const each of key === 'bollinger_upper' ? [key, 'bollinger_lower'] : [key])
            if (!shown.delete(each)) shown.add(each);
        app.draw();
    };
    return h(
        'div',
        {},
        h(
            'div',
            { class: 'head' },
            h(
                'div',
                {},
                h('h1', {}, symbol),
                h(
                    'p',
                    { class: 'sub' },
                    [
                        about?.name,
                        about?.sector,
                        about?.kind === 'index' ? 'index without dividends' : null,
                        about?.currency,
                    ]
                        .filter(Boolean)
                        .join(' · '),
                ),
            ),
            last
                ? h(
                      'div',
                      {},
                      h('span', { class: 'price' }, price(last.close)),
                      ' ',
                      defined(
                          toned(last.session_return, signedOfOne(last.session_return)),
                          null,
                          'Close of this bar over the last close of the session before, less 1.',
                      ),
                      h(
                          'p',
                          { class: 'sub' },
                          `close of the ${frame} bar ${isIntraday ? stampOf(last.minute * 60, true) : day(stampOf(last.minute * 60))}`,
                      ),
                  )
                : null,
            h(
                'div',
                { class: 'tools' },
                sources
                    ? tag(
                          sources === 'synthetic' ? 'synthetic minutes' : `source ${sources}`,
                          sources === 'synthetic' ? 'warn' : '',
                      )
                    : null,
                segments(
                    'Timeframe',
                    FRAMES.map(f => [f, f, !held.includes(f)]),
                    frame,
                    f =>
                        app.go(
                            signal && !DAILY.includes(f)
                                ? signalLink({ ...signal, symbol }, f, listSession)
                                : symbolLink(symbol, `/${f}`),
                        ),
                ),
            ),
        ),
        h(
            'div',
            { class: 'grid' },
            () => panel({
                title: 'Price',
                width: 'w9',
                sql: answer.sql.bars,
                note: `${isIntraday ? 'exchange-local time, ' : ''}adjusted for splits; hollow bars close higher${answer.bars_per_point > 1 ? `; zoom in to see each of the bars, now ${number(answer.bars_per_point)} a point` : ''}`,
                acts: [
                    isDrawn
                        ? toggle(
                              'Only what was known',
                              isBlind,
                              hide,
                              'Hide all that followed the signal (a)',
                          )
                        : null,
                    ...overlays
                        .filter(([key]) => key !== 'bollinger_lower')
                        .map(([key, [name]]) =>
                            toggle(
                                key === 'bollinger_upper' ? 'Bollinger' : name,
                                shown.has(key),
                                () => flip(key),
                            ),
                        ),
                ],
                body: chartOf({
                    app,
                    symbol,
                    frame,
                    one,
                    c,
                    times,
                    signal: isDrawn ? signal : null,
                    inView,
                    isIntraday,
                    isZoomable,
                    answer,
                }),
                say: isIntraday
                    ? signal && !isDrawn
                        ? `The bars here begin on ${day(firstDay)}, after the signal: ./bourse serve has those of its session.`
                        : null
                    : [
                          one.actions.length ? 'D marks the ex-date of a dividend. ' : '',
                          one.signals.length
                              ? '● marks a session with signals: choose 5m to see them.'
                              : '',
                      ],
            }),
            () => h(
                'div',
                { class: 'stack w3' },
                () => signalPanels({ one, signal, asked, position, list, isDrawn, isIntraday, step, isLive: source.live }),
                () => panel({
                    title: 'Data quality',
                    note: 'days and minutes',
                    sql: one.sql.quality,
                    flush: true,
                    body: figures(
                        [
                            ...one.quality.map(q => ({
                                label: words(q.finding),
                                value: number(q.finding_count),
                                small: ['behind', 'ended'].includes(q.finding) ? 'sessions' : null,
                                href: '#/quality',
                                doc: 'serving.data_quality.finding_count',
                            })),
                            {
                                label: 'Daily bars to',
                                value: day(
                                    one.timeframes.find(t => t.timeframe === '1d')
                                        ?.last_session_date,
                                ),
                                tip: 'Session of the newest daily bar',
                            },
                        ],
                        2,
                    ),
                }),
            ),
            isBlind && isDrawn
                ? null
                : () => panel({
                      title: 'Signals of this symbol',
                      note: `the week to the session: ${one.signals.length}`,
                      sql: one.sql.signals,
                      flush: true,
                      body: table({
                          label: `Signals of ${symbol}`,
                          of: SIGNALS,
                          tall: '300px',
                          rows: one.signals,
                          onopen: open,
                          isOn: x => x === signal,
                          sort: ['known_ts', true],
                          columns: [
                              {
                                  key: 'known_ts',
                                  title: 'Known',
                                  show: x => `${day(x.session_date)} ${clockTime(x.known_ts)}`,
                              },
                              {
                                  key: 'scanner',
                                  title: 'Scanner',
                                  show: x => [
                                      words(x.scanner),
                                      ' ',
                                      h('small', {}, words(x.preset)),
                                  ],
                              },
                              { key: 'direction', title: 'Side', show: x => side(x.direction) },
                              {
                                  key: 'score',
                                  title: 'Score',
                                  num: true,
                                  show: x => number(x.score, 1),
                              },
                              {
                                  key: 'entry_price',
                                  title: 'Entry',
                                  num: true,
                                  show: x => price(x.entry_price),
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
                                  key: 'exit_price',
                                  title: 'Exit',
                                  num: true,
                                  show: x => price(x.exit_price),
                              },
                              {
                                  key: 'exit_reason',
                                  title: 'Exit reason',
                                  show: x => words(x.exit_reason),
                              },
                              {
                                  key: 'net_return',
                                  title: 'Net return',
                                  num: true,
                                  show: netReturn,
                              },
                          ],
                      }),
                  }),
        ),
    );
}

function signalPanels({ one, signal, asked, position, list, isDrawn, isIntraday, step, isLive }) {
    if (!signal)
        return panel({
            title: 'Signal',
            body: h(
                'p',
                { class: 'empty' },
                !isIntraday
                    ? 'Choose a timeframe of minutes to see signals.'
                    : asked
                      ? isLive
                        ? 'The signal of this address is not in this publication.'
                        : 'The signal of this address is not in this report, which has those of a week: ./bourse serve has the others.'
                      : one.signals.length
                        ? 'Choose a signal below.'
                        : 'No signal of this symbol in the week to the session.',
            ),
        });
    const x = signal;
    const from = level =>
        missing(level) || missing(x.entry_price)
            ? ''
            : ` (${signedOfOne(level / x.entry_price - 1)})`;
    const evidence = Object.entries(x.evidence ?? {}).filter(
        ([, value]) => value !== null && value !== 'null',
    );
    const isNumber = value => value !== '' && Number.isFinite(Number(value));
    const valueOf = (key, value) =>
        !isNumber(value)
            ? words(value)
            : /(price|high|low|vwap|close)$/.test(key)
              ? price(+value)
              : number(+value, Number.isInteger(+value) ? 0 : Math.abs(value) < 10 ? 3 : 2);
    return [
        () => panel({
            title: 'Signal',
            note: isDrawn ? `${position + 1} of ${list.length}` : 'before the bars of the chart',
            sql: one.sql.signals,
            acts: [
                h(
                    'button',
                    {
                        class: 'act',
                        type: 'button',
                        title: 'Previous signal',
                        onclick: () => step(-1),
                    },
                    '← prev',
                ),
                h(
                    'button',
                    {
                        class: 'act',
                        type: 'button',
                        title: 'Next signal',
                        onclick: () => step(1),
                    },
                    'next →',
                ),
            ],
            body: [
                h(
                    'p',
                    { class: 'lead' },
                    side(x.direction),
                    h('b', {}, words(x.scanner)),
                    h('small', {}, words(x.preset)),
                ),
                pairs([
                    [
                        'Known',
                        `${day(x.session_date)} ${clockTime(x.known_ts)}`,
                        `${SIGNALS}.known_ts`,
                    ],
                    ['Score, rank', `${number(x.score, 1)}, ${x.signal_rank}`, `${SIGNALS}.score`],
                    [
                        'Entry',
                        missing(x.entry_price)
                            ? words(x.missing_reason)
                            : `${price(x.entry_price)} at ${clockTime(x.entry_ts)}`,
                        `${SIGNALS}.entry_price`,
                    ],
                    ['Stop', price(x.stop_price) + from(x.stop_price), `${SIGNALS}.stop_price`],
                    [
                        'Target',
                        missing(x.target_price)
                            ? 'none'
                            : price(x.target_price) + from(x.target_price),
                        `${SIGNALS}.target_price`,
                    ],
                    [
                        'Reward to risk',
                        missing(x.reward_risk_ratio)
                            ? '–'
                            : `${number(x.reward_risk_ratio, 1)} : 1`,
                        `${SIGNALS}.reward_risk_ratio`,
                    ],
                    ['Exit time', clockTime(x.exit_time), 'scanners.signals.exit_time'],
                ]),
                isBlind
                    ? h('p', { class: 'say after' }, 'What followed is hidden. Press a to see it.')
                    : h(
                          'div',
                          { class: 'after' },
                          h('p', { class: 'label' }, 'What followed (not known at the signal)'),
                          pairs([
                              [
                                  'Exit',
                                  missing(x.exit_price)
                                      ? '–'
                                      : `${price(x.exit_price)} at ${clockTime(x.exit_ts)}, ${words(x.exit_reason).toLowerCase()}`,
                                  `${SIGNALS}.exit_reason`,
                              ],
                              [
                                  'Gross, net return',
                                  h(
                                      'span',
                                      {},
                                      signedOfOne(x.gross_return),
                                      ', ',
                                      h('b', {}, netReturn(x)),
                                  ),
                                  `${SIGNALS}.net_return`,
                              ],
                              [
                                  'Best, worst',
                                  `${signedOfOne(x.max_favorable_return)}, ${signedOfOne(x.max_adverse_return)}`,
                                  `${SIGNALS}.max_favorable_return`,
                              ],
                          ]),
                      ),
            ],
        }),
        () => panel({
            title: 'Evidence',
            note: 'as known at the cutoff',
            flush: true,
            body: table({
                label: `Evidence of ${x.symbol}`,
                tall: '220px',
                rows: evidence.map(([key, value]) => ({ key, value })),
                columns: [
                    {
                        key: 'key',
                        title: 'Measure',
                        tip: 'A column of the scanner’s table',
                        show: r =>
                            words(r.key.replace(/_pct$/, '')) +
                            (r.key.endsWith('_pct') ? ', %' : ''),
                    },
                    {
                        key: 'value',
                        title: 'Value',
                        num: true,
                        doc: `${SIGNALS}.evidence_map`,
                        show: r => valueOf(r.key, r.value),
                    },
                ],
            }),
        }),
    ];
}

function seriesOf(symbol, c, isIntraday) {
    const times = c.minute.map(m => m * 60),
        rises = i => c.close[i] >= c.open[i];
    const isLast = i =>
        i + 1 < times.length && Math.floor(times[i] / 86400) !== Math.floor(times[i + 1] / 86400);
    const hasVolume = c.volume.some(v => v > 0),
        after = hasVolume ? 1 : 0;
    const line = (name, key, color, pane, more) =>
        c[key]
            ? [{ name, kind: 'line', times, values: c[key], color: token(color), pane, ...more }]
            : [];
    return {
        panes: [
            6,
            ...(hasVolume ? [1.2] : []),
            ...(c.rsi_14 ? [1.3] : []),
            ...(c.macd ? [1.3] : []),
        ],
        titles: [
            '',
            ...(hasVolume ? ['Volume'] : []),
            ...(c.rsi_14 ? ['RSI 14'] : []),
            ...(c.macd ? ['MACD 12, 26, 9'] : []),
        ],
        series: [
            {
                name: symbol,
                kind: 'candles',
                data: times.map((time, i) => ({
                    time,
                    open: c.open[i],
                    high: c.high[i],
                    low: c.low[i],
                    close: c.close[i],
                })),
                color: token('ink-2'),
                last: true,
                say: b =>
                    b.open === undefined
                        ? '–'
                        : `O ${price(b.open)}  H ${price(b.high)}  L ${price(b.low)}  C ${price(b.close)}`,
            },
            ...Object.entries(OVERLAYS)
                .filter(([key]) => shown.has(key))
                .flatMap(([key, [name, color]]) =>
                    line(name, key, color, 0, {
                        width: key.startsWith('boll') ? 1 : 1.5,
                        dash: key.startsWith('boll'),
                        say: price,
                        colors:
                            key === 'vwap'
                                ? times.map((_, i) => (isLast(i) ? 'transparent' : token(color)))
                                : undefined,
                    }),
                ),
            ...(hasVolume
                ? [
                      {
                          name: 'Volume',
                          kind: 'histogram',
                          pane: 1,
                          times,
                          values: c.volume,
                          color: token('flat'),
                          colors: times.map((_, i) =>
                              rises(i) ? token('line-strong') : token('flat'),
                          ),
                          format: volumeFormat,
                          say: short,
                      },
                  ]
                : []),
            ...line('RSI 14', 'rsi_14', 'series-3', after + 1, {
                fixed: [0, 100],
                lines: [{ at: 30 }, { at: 70 }],
                say: v => number(v, 1),
            }),
            ...line('MACD', 'macd', 'series-1', after + 1 + !!c.rsi_14, { say: v => signed(v, 3) }),
            ...line('signal line', 'macd_signal', 'series-2', after + 1 + !!c.rsi_14, {
                say: v => signed(v, 3),
            }),
            ...line('histogram', 'macd_histogram', 'line-strong', after + 1 + !!c.rsi_14, {
                kind: 'histogram',
                say: v => signed(v, 3),
            }),
        ],
    };
}

function chartOf({
    app,
    symbol,
    frame,
    one,
    c,
    times,
    signal,
    inView,
    isIntraday,
    isZoomable,
    answer,
}) {
    const n = times.length,
        firstDay = stampOf(times[0] ?? 0),
        lastDay = stampOf(times[n - 1] ?? 0);
    const nearest = t => times.findLast(x => x <= t) ?? times[0];
    const { series, panes, titles } = seriesOf(symbol, c, isIntraday);
    return timeChart({
        label: `${symbol}, ${plural(n, isZoomable ? 'point' : 'bar')} of ${frame}, from ${day(firstDay)} to ${day(lastDay)}, last close ${price(c.close[n - 1])}`,
        height: innerWidth < 720 ? 520 : signal ? 650 : 600,
        intraday: isIntraday,
        panes,
        titles,
        series,
        moved: isZoomable ? finer({ app, symbol, frame, answer, isIntraday }) : undefined,
        after: (chart, made) => {
            const marks = [],
                paid = [];
            if (!isIntraday) {
                for (const a of one.actions.filter(
                    a => a.ex_date >= firstDay && a.ex_date <= lastDay,
                )) {
                    paid.push({
                        time: nearest(seconds(a.ex_date)),
                        position: 'aboveBar',
                        shape: 'square',
                        size: 0.7,
                        color: token('series-3'),
                        text:
                            a.action === 'split'
                                ? `${a.new_shares}:${a.old_shares} split`
                                : `D ${number(a.dividend_amount, 2)}`,
                    });
                }
                for (const t of new Set(one.signals.map(x => x.session_date)))
                    marks.push({
                        time: nearest(seconds(t)),
                        position: 'belowBar',
                        shape: 'circle',
                        size: 0.6,
                        color: token('accent'),
                        text: '',
                    });
            } else
                for (const x of inView.filter(
                    x => x !== signal && !(isBlind && signal && x.known_ts > signal.known_ts),
                )) {
                    marks.push({
                        time: nearest(seconds(x.known_ts)),
                        position: x.direction === 'long' ? 'belowBar' : 'aboveBar',
                        shape: x.direction === 'long' ? 'arrowUp' : 'arrowDown',
                        color: token(x.direction === 'long' ? 'up' : 'down'),
                        size: 0.8,
                        text: '',
                    });
                }
            const paidOn = Math.max(
                0,
                series.findIndex(x => x.name === 'Volume'),
            );
            LightweightCharts.createSeriesMarkers(made[paidOn], paid);
            LightweightCharts.createSeriesMarkers(
                made[0],
                marks.filter(m => m.time >= times[0]).sort((a, b) => a.time - b.time),
            );
            if (!signal || !n) return;
            const scale = chart.timeScale(),
                // a signal has the prices of its session, and charts have today's shares
                adjusted = at => (missing(at) ? at : at * signal.adjustment_factor);
            if (isBlind) {
                for (const [at, color, title] of [
                    [signal.stop_price, 'down', 'stop'],
                    [signal.target_price, 'up', 'target'],
                    [signal.signal_price, 'ink-2', 'price'],
                ])
                    if (!missing(at))
                        made[0].createPriceLine({
                            price: adjusted(at),
                            color: token(color),
                            lineWidth: 1,
                            lineStyle: 2,
                            axisLabelVisible: true,
                            title,
                        });
                return scale.setVisibleLogicalRange({ from: n - 84, to: n + 6 });
            }
            if (!missing(signal.entry_price) && !missing(signal.exit_price)) {
                made[0].attachPrimitive(
                    new TradePath({
                        known: nearest(seconds(signal.known_ts)),
                        entry: nearest(seconds(signal.entry_ts)),
                        exit: nearest(seconds(signal.exit_ts)),
                        entryPrice: adjusted(signal.entry_price),
                        exitPrice: adjusted(signal.exit_price),
                        stop: adjusted(signal.stop_price),
                        goal: adjusted(signal.target_price),
                        best: percent(signal.max_favorable_return),
                        label: `known ${clockTime(signal.known_ts)}`,
                    }),
                );
            }
            const begin = seconds(signal.session_date),
                from = times.findIndex(t => t >= begin),
                span = times.filter(t => t >= begin && t < begin + 86400).length;
            if (from >= 0 && frame !== '1h')
                scale.setVisibleLogicalRange({
                    from: from - Math.round(span * 0.35),
                    to: from + span + 3,
                });
        },
    });
}

/* Ask the server for what the pixels of the visible range need, when it is left or is too coarse. */
function finer({ app, symbol, frame, answer, isIntraday }) {
    let held = { from: answer.first_minute, to: answer.last_minute, step: answer.bars_per_point },
        waiting = 0,
        asked = 0;
    return (range, chart) => {
        clearTimeout(waiting);
        const mine = ++asked;
        waiting = setTimeout(async () => {
            const [from, to] = [range.from / 60, range.to / 60],
                span = Math.max(to - from, 60);
            const isLeft =
                (from < held.from && held.from > answer.first_minute) ||
                (to > held.to && held.to < answer.last_minute);
            const isCoarse = held.step > 1 && span < (held.to - held.from) / 4,
                isFine = span > (held.to - held.from) * 0.9 && held.from > answer.first_minute;
            if (!isLeft && !isCoarse && !isFine) return;
            const wide = [
                Math.max(answer.first_minute, Math.floor(from - span)),
                Math.min(answer.last_minute, Math.ceil(to + span)),
            ];
            const at = minute => stampOf(minute * 60, true).replace(' ', 'T');
            const address = `${barsAt(symbol, frame)}?from=${at(wide[0])}&to=${at(wide[1] + 1)}&points=${POINTS}`;
            const newer = await app.source.get(address).catch(error => {
                app.say(`The bars of this range could not be read: ${error.message}`);
            });
            // another range may be asked for by now, and the chart may be gone
            if (mine !== asked || !chart.isThere() || !newer?.columns.minute.length) return;
            held = { from: wide[0], to: wide[1], step: newer.bars_per_point };
            chart.replace(seriesOf(symbol, newer.columns, isIntraday).series);
        }, 150);
    };
}
