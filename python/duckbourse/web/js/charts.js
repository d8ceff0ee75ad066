/* Time goes into lightweight-charts (canvas), all else is SVG of our own. Colors are tokens. */
import { fillNext, h, s, table, token } from './dom.js';
import { number, pct, signedPct, monthName, day, stampOf, plural, NONE } from './format.js';

const LC = globalThis.LightweightCharts;
const FIRST_LABEL_PIXELS = 16,
    BARS_AFTER = 2;
// of a letter of 11 pixels, on the average
const LETTER_PIXELS = 7;
const alive = new Set();
/* Return what drops the charts that are there now, to be called when newer ones take their place. */
export function oldCharts() {
    const old = [...alive];
    return () => {
        for (const drop of old) if (alive.delete(drop)) drop();
    };
}

/* Draw what has got its place by now, before it is painted: nothing below it moves afterwards. */
const waiting = [];
function fitWaiting() {
    const all = waiting.splice(0);
    const widths = all.map(({ place }) => Math.floor(place.getBoundingClientRect().width));
    all.forEach(({ fit }, i) => fit(widths[i]));
}
/* Charts in canvases have their place from the start: they come after, in steps. */
const steps = [];
/* One step of what is to be drawn, as `inSlices` takes them. */
export function drawNext() {
    const step = steps.shift();
    if (step) return step() ?? true;
    const isMore = fillNext();
    fitWaiting();
    return isMore;
}
/* Draw all at once; charts follow in the next frames. */
export function drawAll() {
    const charts = [];
    do charts.push(...steps.splice(0));
    while (drawNext());
    charts.forEach(step => step());
    requestAnimationFrame(() => steps.splice(0).forEach(step => step()));
}

/* A drawing as wide as its place, drawn again when that changes. */
export function drawn(draw, className = 'chart') {
    const place = h('figure', { class: className });
    let width = 0;
    const fit = now => {
        if (now > 0 && now !== width) {
            width = now;
            place.replaceChildren(draw(width));
        }
    };
    const watcher = new ResizeObserver(([entry]) => fit(Math.floor(entry.contentRect.width)));
    waiting.push({ place, fit });
    watcher.observe(place);
    alive.add(() => watcher.disconnect());
    return place;
}

export const percentFormat = {
    type: 'custom',
    minMove: 0.01,
    formatter: v => pct(v, Math.abs(v) < 0.995 && v !== 0 ? 2 : 1),
};
export const ratioFormat = {
    type: 'custom',
    minMove: 0.001,
    formatter: v => number(v, v >= 100 ? 0 : 2),
};
export const plainFormat = { type: 'custom', minMove: 0.01, formatter: v => number(v, 2) };
export const volumeFormat = { type: 'volume' };

/* The title of a pane, above its lines and fills, and legible on them. */
const paneTitle = text => ({
    paneViews: () => [
        {
            zOrder: () => 'top',
            renderer: () => ({
                draw: target =>
                    target.useMediaCoordinateSpace(({ context: c }) => {
                        c.font = `11px ${token('font')}`;
                        c.textBaseline = 'top';
                        c.lineJoin = 'round';
                        c.lineWidth = 3;
                        c.strokeStyle = token('surface');
                        c.strokeText(text, 6, 4);
                        c.fillStyle = token('ink-2');
                        c.fillText(text, 6, 4);
                    }),
            }),
        },
    ],
});

/* What an axis says of a time: its own formatter has a locale made for each label. */
function tickMark(time, type) {
    const { Year, Month, DayOfMonth, Time } = LC.TickMarkType,
        text = stampOf(time, true);
    return {
        [Year]: text.slice(0, 4),
        [Month]: monthName(+text.slice(5, 7)),
        [DayOfMonth]: String(+text.slice(8, 10)),
        [Time]: text.slice(11, 16),
    }[type];
}

/*
  A chart in panes. series: {name, kind: line|area|histogram|candles|baseline, pane, times, values, color,
  format, say(value, index), dash, width, faint}. The legend above says the values under the cursor, or the last.
*/
export function timeChart({
    label,
    series,
    height = 300,
    panes,
    log = [],
    intraday = false,
    after,
    moved,
    titles = [],
    fit = true,
}) {
    const place = h('div', {
        class: 'chart panes',
        style: { height: `${height}px` },
        role: 'img',
        'aria-label': label,
        tabindex: 0,
    });
    const words = h('div', { class: 'legend', 'aria-hidden': 'true' });
    let chart = null,
        made = [];
    const index = new Map();
    function fillIndex() {
        index.clear();
        series.forEach((one, n) =>
            (one.times ?? one.data.map(d => d.time)).forEach((t, i) => {
                if (!index.has(t)) index.set(t, []);
                index.get(t)[n] = i;
            }),
        );
    }
    fillIndex();
    function say(at) {
        words.replaceChildren(
            ...series.flatMap((one, n) => {
                if (!one.name) return [];
                const i =
                    at?.[n] ??
                    (at
                        ? undefined
                        : (one.values ?? one.data).findLastIndex(
                              v => v !== null && v !== undefined,
                          ));
                return [
                    h(
                        'span',
                        {},
                        h('i', {
                            class: one.dash ? 'dash' : one.kind === 'line' ? '' : 'box',
                            style: { '--key': one.color ?? token('ink-2') },
                        }),
                        one.name,
                        ' ',
                        h('b', {}, sayPoint(one, i)),
                    ),
                ];
            }),
        );
    }
    say();
    /* All of it, with space at the left for the first label of the axis. */
    function showAll() {
        const scale = chart.timeScale(),
            to = index.size - 1 + BARS_AFTER;
        if (!index.size || !scale.width()) return;
        scale.setVisibleLogicalRange({
            from: -(to * FIRST_LABEL_PIXELS) / scale.width() - 0.5,
            to,
        });
    }
    /* all of it is shown in whatever size it gets, until somebody moves it */
    let isWhole = fit && !after && !moved;
    for (const kind of ['pointerdown', 'wheel', 'keydown'])
        place.addEventListener(kind, () => (isWhole = false), { passive: true });
    /* The panes with their axes, which have their sizes after the next frame, and a range then. */
    function layOut() {
        chart = LC.createChart(place, {
            width: place.clientWidth,
            height,
            layout: {
                background: { color: token('surface') },
                textColor: token('ink-3'),
                fontFamily: token('font'),
                fontSize: 11,
                attributionLogo: false,
                panes: {
                    separatorColor: token('line'),
                    separatorHoverColor: token('accent-soft'),
                    enableResize: true,
                },
            },
            grid: { vertLines: { color: token('grid') }, horzLines: { color: token('grid') } },
            rightPriceScale: {
                borderColor: token('line'),
                minimumWidth: 62,
                scaleMargins: { top: 0.08, bottom: 0.06 },
                entireTextOnly: true,
            },
            timeScale: {
                borderColor: token('line'),
                timeVisible: intraday,
                secondsVisible: false,
                rightOffset: BARS_AFTER,
                minBarSpacing: 0.05,
                tickMarkFormatter: tickMark,
            },
            crosshair: {
                mode: 0,
                vertLine: { color: token('flat'), labelBackgroundColor: token('ink-2') },
                horzLine: { color: token('flat'), labelBackgroundColor: token('ink-2') },
            },
            localization: { locale: 'en-GB' },
            handleScroll: { mouseWheel: false, vertTouchDrag: false },
            handleScale: { mouseWheel: true },
        });
        // hidden until it has its points
        place.firstElementChild.style.visibility = 'hidden';
        const kinds = {
            line: LC.LineSeries,
            area: LC.AreaSeries,
            histogram: LC.HistogramSeries,
            candles: LC.CandlestickSeries,
            baseline: LC.BaselineSeries,
        };
        made = series.map(one => {
            const common = {
                priceLineVisible: false,
                lastValueVisible: one.last ?? false,
                priceFormat: one.format ?? plainFormat,
                ...(one.scale ? { priceScaleId: one.scale } : {}),
                ...(one.fixed
                    ? {
                          autoscaleInfoProvider: () => ({
                              priceRange: { minValue: one.fixed[0], maxValue: one.fixed[1] },
                          }),
                      }
                    : {}),
            };
            const style = {
                line: {
                    color: one.color,
                    lineWidth: one.width ?? 1.5,
                    lineStyle: one.dash ? 2 : 0,
                    crosshairMarkerVisible: false,
                    pointMarkersVisible: !!one.points,
                    lineVisible: !one.points,
                    pointMarkersRadius: 3,
                },
                area: {
                    lineColor: one.color,
                    topColor: one.top ?? 'transparent',
                    bottomColor: one.bottom ?? 'transparent',
                    lineWidth: one.width ?? 1,
                    invertFilledArea: !!one.invert,
                    crosshairMarkerVisible: false,
                },
                histogram: { color: one.color, base: 0 },
                candles: {
                    upColor: token('surface'),
                    borderUpColor: token('up'),
                    wickUpColor: token('up'),
                    downColor: token('down'),
                    borderDownColor: token('down'),
                    wickDownColor: token('down'),
                },
                baseline: {},
            }[one.kind];
            const drawnSeries = chart.addSeries(
                kinds[one.kind],
                { ...common, ...style },
                one.pane ?? 0,
            );
            for (const line of one.lines ?? [])
                drawnSeries.createPriceLine({
                    price: line.at,
                    color: token('line-strong'),
                    lineWidth: 1,
                    lineStyle: 2,
                    axisLabelVisible: false,
                    title: line.title ?? '',
                });
            return drawnSeries;
        });
        for (const pane of log) chart.priceScale('right', pane).applyOptions({ mode: 1 });
        panes?.forEach((share, i) => chart.panes()[i]?.setStretchFactor(share));
        // a primitive of a pane would be below its series
        titles.forEach((text, pane) => {
            const first = series.findIndex(one => (one.pane ?? 0) === pane);
            if (text && first >= 0) made[first].attachPrimitive(paneTitle(text));
        });
        chart.subscribeCrosshairMove(e => say(e.time === undefined ? null : index.get(e.time)));
        chart.timeScale().subscribeSizeChange(() => {
            if (isWhole) showAll();
        });
        alive.add(() => chart.remove());
        steps.unshift(fillIn);
        return 'paint';
    }
    function fillIn() {
        if (!place.isConnected) return true;
        made.forEach((one, n) => one.setData(pointsOf(series[n])));
        if (fit) showAll();
        after?.(chart, made);
        requestAnimationFrame(() => place.firstElementChild?.style.removeProperty('visibility'));
        if (moved)
            chart
                .timeScale()
                .subscribeVisibleTimeRangeChange(
                    range => range && moved(range, { replace, isThere: () => place.isConnected }),
                );
        return 'paint';
    }
    steps.push(() => {
        if (!place.isConnected) return true;
        const watcher = new ResizeObserver(() =>
            chart.resize(place.clientWidth, place.clientHeight),
        );
        layOut();
        watcher.observe(place);
        alive.add(() => watcher.disconnect());
        return 'paint';
    });
    /* Other points of the same series, while the visible range stays. */
    function replace(newer) {
        const range = chart.timeScale().getVisibleRange();
        series = series.map(
            one =>
                newer.find(other => other.name === one.name) ?? {
                    ...one,
                    times: [],
                    values: [],
                    ...(one.data ? { data: [] } : {}),
                },
        );
        made.forEach((one, n) => one.setData(pointsOf(series[n])));
        fillIndex();
        if (range) chart.timeScale().setVisibleRange(range);
        say();
    }
    place.addEventListener('keydown', e => {
        const scale = chart?.timeScale(),
            range = scale?.getVisibleLogicalRange(),
            span = range && range.to - range.from;
        const move = { ArrowLeft: -0.1, ArrowRight: 0.1 }[e.key],
            zoom = { '+': 0.8, '=': 0.8, '-': 1.25 }[e.key];
        if (range && move && !e.altKey) {
            scale.setVisibleLogicalRange({
                from: range.from + move * span,
                to: range.to + move * span,
            });
            e.preventDefault();
            e.stopPropagation();
        }
        if (range && zoom)
            scale.setVisibleLogicalRange({ from: range.to - span * zoom, to: range.to });
        if (e.key === '0' && scale) showAll();
    });
    /* The same numbers for who cannot see a canvas: the newest 250 points. */
    const numbers = h('div', { hidden: true });
    const button = h(
        'button',
        {
            class: 'act',
            type: 'button',
            'aria-expanded': 'false',
            title: 'The newest points as a table',
            onclick: () => {
                numbers.hidden = !numbers.hidden;
                button.setAttribute('aria-expanded', String(!numbers.hidden));
                if (numbers.hidden) return;
                const rows = [...index]
                    .sort(([a], [b]) => b - a)
                    .slice(0, 250)
                    .map(([time, at]) => ({ time: stampOf(time, intraday), at }));
                numbers.replaceChildren(
                    table({
                        label: `${label}: numbers`,
                        rows,
                        tall: '260px',
                        columns: [
                            { key: 'time', title: 'Time', tip: 'Exchange-local time' },
                            ...series.map((one, n) => ({
                                key: one.name,
                                title: one.name,
                                num: true,
                                ...(one.doc
                                    ? { doc: one.doc }
                                    : { tip: one.tip ?? 'As in the chart' }),
                                by: r => rawPoint(one, r.at[n]),
                                show: r => sayPoint(one, r.at[n]),
                            })),
                        ],
                    }),
                );
            },
        },
        'Numbers',
    );
    return h('div', {}, h('div', { class: 'legend-row' }, words, button), place, numbers);
}
const pointsOf = one =>
    one.data ??
    one.times.map((time, i) =>
        one.values[i] === null || one.values[i] === undefined
            ? { time }
            : { time, value: one.values[i], ...(one.colors ? { color: one.colors[i] } : {}) },
    );
function rawPoint(one, i) {
    const value = i === undefined || i < 0 ? null : (one.values ?? one.data)[i];
    return value?.close ?? (typeof value === 'object' ? null : value);
}
function sayPoint(one, i) {
    const value = i === undefined || i < 0 ? undefined : (one.values ?? one.data)[i];
    return value === undefined || value === null
        ? NONE
        : one.say
          ? one.say(value, i)
          : ((one.format ?? plainFormat).formatter?.(value) ?? number(value));
}

/* A box from entry to stop and to target, a line from entry to exit, a line where it became known. */
export class TradePath {
    constructor(trade) {
        this.trade = trade;
    }
    attached({ chart, series, requestUpdate }) {
        Object.assign(this, { chart, series, requestUpdate });
    }
    detached() {}
    updateAllViews() {}
    /* The scale holds the stop, and the target unless it would squash the bars. */
    autoscaleInfo() {
        const { entryPrice, exitPrice, stop, goal, best } = this.trade;
        const held = [entryPrice, exitPrice, stop].filter(p => p !== null),
            reach = Math.abs(entryPrice - stop) + (Math.abs(best) / 100) * entryPrice;
        if (goal !== null && Math.abs(goal - entryPrice) <= 1.7 * reach) held.push(goal);
        return { priceRange: { minValue: Math.min(...held), maxValue: Math.max(...held) } };
    }
    paneViews() {
        return ['bottom', 'top'].map(order => ({
            zOrder: () => order,
            renderer: () => ({ draw: target => this.#draw(target, order === 'bottom') }),
        }));
    }
    #draw(target, behind) {
        const { entry, exit, known, entryPrice, exitPrice, stop, goal } = this.trade;
        const x = t => this.chart.timeScale().timeToCoordinate(t),
            y = p => this.series.priceToCoordinate(p);
        target.useMediaCoordinateSpace(({ context: c, mediaSize }) => {
            const [left, right, seen] = [x(entry), x(exit), x(known)];
            if (left === null || right === null) return;
            const box = (price, color) => {
                if (price === null) return;
                const [a, b] = [y(entryPrice), y(price)];
                if (a === null || b === null) return;
                c.fillStyle = color;
                c.fillRect(left, Math.min(a, b), Math.max(2, right - left), Math.abs(b - a));
            };
            c.save();
            if (behind) {
                c.globalAlpha = 0.75;
                box(stop, token('down-soft'));
                box(goal, token('up-soft'));
                c.restore();
                return;
            }
            const line = (price, color, text, dash = []) => {
                const real = y(price);
                if (price === null || real === null) return;
                const at = Math.max(1, Math.min(mediaSize.height - 2, real));
                if (at !== real) text += real < at ? ' ↑' : ' ↓';
                c.strokeStyle = color;
                c.lineWidth = 1;
                c.setLineDash(dash);
                c.beginPath();
                c.moveTo(left, at);
                c.lineTo(right, at);
                c.stroke();
                c.setLineDash([]);
                c.fillStyle = color;
                c.font = `600 11px ${token('font')}`;
                c.textAlign = 'left';
                c.fillText(
                    text,
                    left + 4,
                    at + (at < 16 || (price < entryPrice && at < mediaSize.height - 14) ? 12 : -5),
                );
            };
            line(stop, token('down'), `stop ${number(stop, 2)}`, [4, 3]);
            line(goal, token('up'), `target ${number(goal, 2)}`, [4, 3]);
            c.strokeStyle = token('ink');
            c.lineWidth = 1.5;
            c.setLineDash([2, 3]);
            c.beginPath();
            c.moveTo(left, y(entryPrice));
            c.lineTo(right, y(exitPrice));
            c.stroke();
            c.setLineDash([]);
            for (const [a, b] of [
                [left, y(entryPrice)],
                [right, y(exitPrice)],
            ]) {
                c.beginPath();
                c.arc(a, b, 3.5, 0, 7);
                c.fillStyle = token('surface');
                c.fill();
                c.lineWidth = 2;
                c.strokeStyle = token('ink');
                c.stroke();
            }
            if (seen !== null) {
                c.strokeStyle = token('accent');
                c.lineWidth = 1;
                c.setLineDash([1, 3]);
                c.beginPath();
                c.moveTo(seen, 0);
                c.lineTo(seen, mediaSize.height);
                c.stroke();
                c.setLineDash([]);
                c.fillStyle = token('accent');
                c.font = `600 11px ${token('font')}`;
                c.textAlign = 'right';
                c.fillText(this.trade.label, seen - 5, 12);
            }
            c.restore();
        });
    }
}

/* A color for a number: nothing at zero, full at ±limit. */
export const heat = (value, limit, [down, up] = [token('heat-down'), token('heat-up')]) =>
    value === null || value === undefined
        ? 'transparent'
        : `rgba(${value < 0 ? down : up}, ${Math.min(0.66, 0.05 + (0.61 * Math.abs(value)) / limit)})`;

const ticks = (low, high, count = 5) => {
    const raw = (high - low) / count || 1,
        power = 10 ** Math.floor(Math.log10(raw)),
        step = [1, 2, 2.5, 5, 10].find(m => m * power >= raw) * power;
    const out = [];
    for (let v = Math.ceil(low / step - 1e-9) * step; v <= high + step * 1e-9; v += step)
        out.push(Math.abs(v) < step * 1e-9 ? 0 : v);
    return out;
};
const decimals = marks =>
    Math.max(
        0,
        Math.min(4, -Math.floor(Math.log10((marks[1] ?? 1) - (marks[0] ?? 0) || 1) + 1e-9)),
    );

/* Months across, years down: text in every cell, so that color only helps. A year's return is that
   of its last month to date. */
export function monthHeat({ rows, limit = 10, label, onlyYears }) {
    const years = [...new Set(rows.map(r => r.year))].sort((a, b) => b - a).slice(0, onlyYears);
    const at = new Map(rows.map(r => [`${r.year}-${r.month}`, r]));
    return drawn(width => {
        const left = 40,
            cell = (width - left) / 13,
            tall = 19;
        const small = cell < 40;
        return s(
            'svg',
            { width, height: 18 + years.length * tall, role: 'img', 'aria-label': label },
            [...Array(12).keys()].map(m =>
                s(
                    'text',
                    { x: left + (m + 0.5) * cell, y: 11, 'text-anchor': 'middle' },
                    small ? monthName(m + 1)[0] : monthName(m + 1),
                ),
            ),
            s(
                'text',
                { x: left + 12.5 * cell, y: 11, 'text-anchor': 'middle', class: 'ink' },
                'Year',
            ),
            years.flatMap((year, i) => {
                const y = 18 + i * tall,
                    all = rows.filter(r => r.year === year);
                const total = all.at(-1).yearToDate;
                const square = (m, value, tip, strong) => [
                    s('rect', {
                        x: left + m * cell + 1,
                        y: y + 1,
                        width: cell - 2,
                        height: tall - 2,
                        rx: 2,
                        fill: value === null ? 'none' : heat(value, strong ? limit * 3 : limit),
                        'data-tip': tip,
                        ...(value === null ? { stroke: token('grid') } : {}),
                    }),
                    value === null
                        ? null
                        : s(
                              'text',
                              {
                                  x: left + (m + 0.5) * cell,
                                  y: y + 13.5,
                                  'text-anchor': 'middle',
                                  class: 'ink',
                                  'pointer-events': 'none',
                                  'font-weight': strong ? 650 : 400,
                                  ...(small ? { 'font-size': 9 } : {}),
                              },
                              number(value, small || Math.abs(value) >= 99.5 ? 0 : 1),
                          ),
                ];
                return [
                    s('text', { x: 0, y: y + 13.5 }, year),
                    ...[...Array(12).keys()].map(m => {
                        const r = at.get(`${year}-${m + 1}`);
                        return r
                            ? square(
                                  m,
                                  r.value,
                                  `${monthName(m + 1)} ${year}: ${signedPct(r.value)}${r.tip ?? ''}`,
                              )
                            : null;
                    }),
                    square(12, total, `${year}: ${signedPct(total)}, ${all.length} months`, true),
                ];
            }),
        );
    });
}

/* Bars of counts; below zero in one color and filled, above in the other and outlined. */
export function histogram({ values, step, label, unit = '%', height = 190, marks = [] }) {
    const low = Math.floor(Math.min(0, ...values) / step) * step,
        high = Math.ceil((Math.max(0, ...values) + 1e-9) / step) * step;
    const bins = Array.from({ length: Math.max(1, Math.round((high - low) / step)) }, (_, i) => ({
        from: low + i * step,
        count: 0,
    }));
    for (const v of values)
        bins[Math.min(bins.length - 1, Math.floor((v - low) / step + 1e-9))].count++;
    const most = Math.max(...bins.map(b => b.count));
    return drawn(width => {
        const [left, bottom, top] = [28, 22, 14],
            w = width - left - 6,
            tall = height - top - bottom;
        const x = v => left + ((v - low) / (high - low)) * w,
            y = n => top + tall * (1 - n / most);
        return s(
            'svg',
            { width, height, role: 'img', 'aria-label': label },
            ticks(0, most, 4)
                .filter(Number.isInteger)
                .map(n => [
                    s('line', { x1: left, x2: width - 6, y1: y(n), y2: y(n), class: 'gridline' }),
                    s('text', { x: left - 5, y: y(n) + 4, 'text-anchor': 'end' }, n),
                ]),
            bins.map(b => {
                const gain = b.from >= -1e-9;
                return s('rect', {
                    x: x(b.from) + 1,
                    width: Math.max(1, w / bins.length - 2),
                    y: y(b.count),
                    height: Math.max(0, top + tall - y(b.count)),
                    fill: gain ? token('up-soft') : token('down'),
                    stroke: gain ? token('up') : token('down'),
                    rx: 1.5,
                    'data-tip': `${number(b.from, 2)}${unit} to ${number(b.from + step, 2)}${unit}: ${plural(b.count, 'trade')}`,
                });
            }),
            ticks(low, high, width / 70).map(v =>
                s(
                    'text',
                    { x: x(v), y: height - 6, 'text-anchor': 'middle' },
                    number(v, Number.isInteger(v) ? 0 : 1),
                ),
            ),
            s('line', { x1: x(0), x2: x(0), y1: top, y2: top + tall, stroke: token('ink-2') }),
            marks.map((m, i) => [
                s('line', {
                    x1: x(m.at),
                    x2: x(m.at),
                    y1: top,
                    y2: top + tall,
                    stroke: token('accent'),
                    'stroke-dasharray': '3 2',
                }),
                s(
                    'text',
                    {
                        x: x(m.at) + (m.at < 0 ? -4 : 4),
                        y: 10 + 0 * i,
                        'text-anchor': m.at < 0 ? 'end' : 'start',
                        fill: token('accent'),
                    },
                    m.title,
                ),
            ]),
        );
    });
}

/* Points; a gain is a hollow circle, a loss a filled triangle. */
export function scatter({ points, label, xTitle, yTitle, height = 260, diagonal }) {
    const xs = points.map(p => p.x),
        ys = points.map(p => p.y);
    const [x0, x1, y0, y1] = [
        Math.min(0, ...xs),
        Math.max(0, ...xs),
        Math.min(0, ...ys),
        Math.max(0, ...ys),
    ];
    return drawn(width => {
        const [left, bottom, top, right] = [44, 34, 8, 10],
            w = width - left - right,
            tall = height - top - bottom;
        const x = v => left + ((v - x0) / (x1 - x0 || 1)) * w,
            y = v => top + tall * (1 - (v - y0) / (y1 - y0 || 1));
        const [tx, ty] = [ticks(x0, x1, width / 90), ticks(y0, y1, 5)];
        return s(
            'svg',
            { width, height, role: 'img', 'aria-label': label },
            ty.map(v => [
                s('line', { x1: left, x2: width - right, y1: y(v), y2: y(v), class: 'gridline' }),
                s(
                    'text',
                    { x: left - 5, y: y(v) + 4, 'text-anchor': 'end' },
                    number(v, decimals(ty)),
                ),
            ]),
            tx.map(v => [
                s('line', { x1: x(v), x2: x(v), y1: top, y2: top + tall, class: 'gridline' }),
                s(
                    'text',
                    { x: x(v), y: height - 19, 'text-anchor': 'middle' },
                    number(v, decimals(tx)),
                ),
            ]),
            diagonal
                ? s('line', {
                      x1: x(x0),
                      y1: y(-x0 > y1 ? y1 : -x0),
                      x2: x(0),
                      y2: y(0),
                      stroke: token('line-strong'),
                      'stroke-dasharray': '3 3',
                  })
                : null,
            s('text', { x: left + w / 2, y: height - 4, 'text-anchor': 'middle' }, xTitle),
            s(
                'text',
                {
                    transform: `translate(10 ${top + tall / 2}) rotate(-90)`,
                    'text-anchor': 'middle',
                },
                yTitle,
            ),
            points.map(p =>
                p.gain
                    ? s('circle', {
                          cx: x(p.x),
                          cy: y(p.y),
                          r: 3.6,
                          fill: token('surface'),
                          stroke: token('up'),
                          'stroke-width': 1.6,
                          'data-tip': p.tip,
                      })
                    : s('path', {
                          d: `M${x(p.x) - 4} ${y(p.y) - 3.2}h8l-4 7z`,
                          fill: token('down'),
                          'data-tip': p.tip,
                      }),
            ),
        );
    });
}

/* Named bars to both sides of nothing. */
export function sideBars({ rows, label, show, limit, wide = 150, tall = 22, second }) {
    const values = rows.flatMap(r => (second ? [r.value, r.second] : [r.value]));
    const low = Math.min(0, ...values),
        high = limit ?? Math.max(0, ...values);
    return drawn(width => {
        const left = Math.min(wide, width * 0.42),
            right = 74,
            w = width - left - right;
        const x = v => left + ((v - low) / (high - low || 1)) * w;
        return s(
            'svg',
            { width, height: rows.length * tall + 2, role: 'img', 'aria-label': label },
            rows.map((r, i) => {
                const y = i * tall,
                    a = x(Math.min(0, r.value)),
                    b = x(Math.max(0, r.value));
                return [
                    s(
                        'text',
                        { x: 0, y: y + tall / 2 + 4, class: 'ink' },
                        r.name.length * 6.3 > left
                            ? r.name.slice(0, Math.floor(left / 6.3) - 1) + '…'
                            : r.name,
                    ),
                    s('rect', {
                        x: a,
                        y: y + 4,
                        width: Math.max(1, b - a),
                        height: tall - 8,
                        rx: 2,
                        fill: r.color ?? (r.value < 0 ? token('up') : token('down')),
                        'fill-opacity': 0.85,
                        'data-tip': r.tip,
                    }),
                    second
                        ? s('line', {
                              x1: x(r.second),
                              x2: x(r.second),
                              y1: y + 2,
                              y2: y + tall - 2,
                              stroke: token('ink'),
                              'stroke-width': 2,
                          })
                        : null,
                    s(
                        'text',
                        {
                            x: Math.max(b, second ? x(r.second) : 0) + 6,
                            y: y + tall / 2 + 4,
                            class: 'ink',
                        },
                        show(r.value),
                    ),
                ];
            }),
            s('line', { x1: x(0), x2: x(0), y1: 0, y2: rows.length * tall, class: 'axis' }),
        );
    });
}

/* An estimate with its interval on a common scale; the line is what it must beat. */
export function whisker({ value, low, high, from, to, zero = 0, width = 130, tip, tone }) {
    const x = v => 3 + ((Math.max(from, Math.min(to, v)) - from) / (to - from)) * (width - 6);
    const color = tone ?? token('ink-2');
    return s(
        'svg',
        { width, height: 14, role: 'img', 'aria-label': tip, 'data-tip': tip },
        s('line', { x1: x(zero), x2: x(zero), y1: 0, y2: 14, class: 'axis' }),
        low === null || low === undefined
            ? null
            : s('line', {
                  x1: x(low),
                  x2: x(high),
                  y1: 7,
                  y2: 7,
                  stroke: color,
                  'stroke-width': 2,
                  'stroke-linecap': 'round',
              }),
        value === null || value === undefined
            ? null
            : value < from
              ? s('path', { d: 'M7 2v10l-6-5z', fill: color })
              : value > to
                ? s('path', { d: `M${width - 7} 2v10l6-5z`, fill: color })
                : s('circle', { cx: x(value), cy: 7, r: 3.5, fill: color }),
    );
}

export function spark(values, { width = 120, height = 28, color = token('accent') } = {}) {
    const low = Math.min(...values),
        high = Math.max(...values);
    const points = values.map(
        (v, i) =>
            `${((i / (values.length - 1)) * (width - 2) + 1).toFixed(1)},${(height - 2 - ((v - low) / (high - low || 1)) * (height - 4)).toFixed(1)}`,
    );
    return s(
        'svg',
        { width, height, 'aria-hidden': 'true' },
        s('polyline', {
            points: points.join(' '),
            fill: 'none',
            stroke: color,
            'stroke-width': 1.5,
            'stroke-linejoin': 'round',
        }),
    );
}

export function matrix({ names, value, label }) {
    const letters = Math.max(4, ...names.map(n => n.length));
    return drawn(width => {
        // the names above are at 60 degrees: half of their length is beside the last column
        const left = LETTER_PIXELS * letters + 12,
            beside = (LETTER_PIXELS * letters) / 2,
            cell = Math.min(27, (width - left - beside) / names.length),
            top = LETTER_PIXELS * letters + 12;
        const size = left + cell * names.length + beside;
        return s(
            'svg',
            { width: size, height: top + cell * names.length, role: 'img', 'aria-label': label },
            names.map((n, i) => [
                s('text', { x: left - 5, y: top + (i + 0.5) * cell + 4, 'text-anchor': 'end' }, n),
                s(
                    'text',
                    {
                        transform: `translate(${left + (i + 0.5) * cell + 3} ${top - 5}) rotate(-60)`,
                    },
                    n,
                ),
            ]),
            names.flatMap((a, i) =>
                names.map((b, j) => {
                    const v = a === b ? 1 : value(a, b);
                    return j > i
                        ? null
                        : [
                              s('rect', {
                                  x: left + j * cell + 0.5,
                                  y: top + i * cell + 0.5,
                                  width: cell - 1,
                                  height: cell - 1,
                                  rx: 2,
                                  fill: a === b ? token('sunken') : heat(v, 1),
                                  'data-tip': `${a} and ${b}: ${number(v, 2)}`,
                              }),
                              cell >= 20 && a !== b && v !== undefined
                                  ? s(
                                        'text',
                                        {
                                            x: left + (j + 0.5) * cell,
                                            y: top + (i + 0.5) * cell + 4,
                                            'text-anchor': 'middle',
                                            class: 'ink',
                                            'pointer-events': 'none',
                                            'font-size': cell < 27 ? 9 : 10,
                                        },
                                        number(v, 2).replace('0.', '.'),
                                    )
                                  : null,
                          ];
                }),
            ),
        );
    });
}

/* Shares of a whole through time. */
export function stacked({ times, names, shares, label, height = 190 }) {
    const colors = [1, 2, 3, 4, 5, 6, 7].map(n => token(`cat-${n}`));
    return h(
        'div',
        {},
        h(
            'div',
            { class: 'legend' },
            names.map((n, i) =>
                h('span', {}, h('i', { class: 'box', style: { '--key': colors[i % 7] } }), n),
            ),
        ),
        drawn(width => {
            const left = 42,
                bottom = 18,
                w = width - left - 4,
                tall = height - bottom - 4;
            const x = i => left + (i / (times.length - 1)) * w,
                y = v => 4 + tall * (1 - v);
            const base = times.map(() => 0);
            const layers = names.map((name, n) => {
                const up = times.map(
                        (_, i) => `${x(i).toFixed(1)},${y(base[i] + shares[n][i]).toFixed(1)}`,
                    ),
                    down = times
                        .map((_, i) => `${x(i).toFixed(1)},${y(base[i]).toFixed(1)}`)
                        .reverse();
                times.forEach((_, i) => {
                    base[i] += shares[n][i];
                });
                return s('polygon', {
                    points: [...up, ...down].join(' '),
                    fill: colors[n % 7],
                    'fill-opacity': 0.78,
                    stroke: token('surface'),
                    'stroke-width': 0.6,
                    'data-tip': `${name}: ${pct(100 * shares[n].at(-1), 1)} at the end`,
                });
            });
            const years = times
                .map((t, i) => [t.slice(0, 4), i])
                .filter(
                    ([year, i], n, all) => year % 5 === 0 && (n === 0 || all[n - 1][0] !== year),
                );
            return s(
                'svg',
                { width, height, role: 'img', 'aria-label': label },
                layers,
                [0, 0.5, 1].map(v => [
                    s('text', { x: left - 5, y: y(v) + 4, 'text-anchor': 'end' }, `${100 * v}%`),
                ]),
                years.map(([year, i]) =>
                    s('text', { x: x(i), y: height - 4, 'text-anchor': 'middle' }, year),
                ),
            );
        }),
    );
}

/* A line of letters a symbol, a column a session; many cells, so a canvas. */
export function coverage({ days, rows, colors, names, label }) {
    const names_ = Object.keys(rows);
    return drawn(width => {
        const left = 52,
            top = 16,
            cell = Math.max(2, (width - left) / days.length),
            tall = 11;
        const scale = globalThis.devicePixelRatio || 1;
        const canvas = h('canvas', {
            width: width * scale,
            height: (top + names_.length * tall) * scale,
            role: 'img',
            'aria-label': label,
            'data-tip': '',
            tabindex: 0,
            style: {
                width: `${width}px`,
                height: `${top + names_.length * tall}px`,
                display: 'block',
            },
        });
        const c = canvas.getContext('2d');
        c.scale(scale, scale);
        c.font = `10px ${token('font')}`;
        c.fillStyle = token('ink-3');
        let end = 0;
        days.forEach((d, i) => {
            if (i === 0 ? d.slice(8) >= '16' : d.slice(5, 7) === days[i - 1].slice(5, 7)) return;
            const x = left + i * cell,
                name = monthName(+d.slice(5, 7)),
                isYear = d.slice(5, 7) === '01' || i < 24,
                text = isYear ? `${name} ${d.slice(0, 4)}` : name;
            if (x < end) return;
            c.fillText(text, x, 10);
            end = x + c.measureText(text).width + 6;
        });
        /* most cells are of one state: a row of it is a picture, and the others are drawn over it */
        const usual = Object.keys(colors)[0],
            wide = Math.max(1, cell - 0.6),
            row = h('canvas', { width: width * scale, height: tall * scale }),
            r = row.getContext('2d');
        r.scale(scale, scale);
        r.fillStyle = token(colors[usual]);
        days.forEach((_, i) => r.fillRect(left + i * cell, 1, wide, tall - 2));
        names_.forEach((name, n) => {
            const y = top + n * tall,
                states = rows[name];
            c.drawImage(row, 0, y, width, tall);
            c.fillStyle = token('ink-3');
            c.fillText(name, 0, y + 9);
            for (let i = 0; i < states.length; i++) {
                if (states[i] === usual) continue;
                c.clearRect(left + i * cell, y, cell, tall);
                if (states[i] === '-') continue;
                c.fillStyle = token(colors[states[i]]);
                c.fillRect(left + i * cell, y + 1, wide, tall - 2);
            }
        });
        canvas.tipAt = e => {
            const box = canvas.getBoundingClientRect(),
                n = Math.floor((e.clientY - box.top - top) / tall),
                i = Math.floor((e.clientX - box.left - left) / cell);
            return names_[n] && days[i]
                ? `${names_[n]}, ${day(days[i])}\n${names[rows[names_[n]][i]]}`
                : '';
        };
        return canvas;
    });
}
