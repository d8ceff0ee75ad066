import { h, panel, table, tag, figures, segments, choice, token } from './dom.js';
import {
    number,
    ofOne,
    pct,
    day,
    words,
    seconds,
    pValue,
    money,
    signed,
    percent,
    plural,
} from './format.js';
import { timeChart, percentFormat, sideBars } from './charts.js';
import { portfolioChoice, portfolioOf, noPortfolio } from './page-portfolio.js';
import { varVerdict } from './page-overview.js';

const METHODS = {
    historical: 'Historical',
    age_weighted: 'Age-weighted',
    filtered_historical: 'Filtered historical',
    normal: 'Normal',
    student_t: 'Student’s t',
    cornish_fisher: 'Cornish–Fisher',
    ewma: 'EWMA',
    monte_carlo: 'Monte Carlo',
};
const methodName = method => METHODS[method] ?? words(method);
const ZONES = { green: ['● green', 'good'], yellow: ['▲ yellow', 'warn'], red: ['■ red', 'bad'] };
const periodName = period => (period === 'all' ? 'All sessions' : words(period));
const whole = confidence => Math.round(1000 * confidence) / 10;
let state = { method: 'historical', confidence: 99, period: 'all' };

export async function riskPage(app) {
    const about = portfolioOf(app);
    if (!about) return noPortfolio('Risk');
    const name = about.portfolio,
        d = await app.source.get(`/risk/${name}`),
        money_ = v => money(v, about.currency);
    if (!d.latest.length)
        return h(
            'div',
            {},
            h(
                'div',
                { class: 'head' },
                h('h1', {}, 'Risk'),
                h('div', { class: 'tools' }, portfolioChoice(app, 'risk', name)),
            ),
            h(
                'p',
                { class: 'panel empty' },
                'This portfolio has no VaR yet: an estimate needs the returns of its lookback.',
            ),
        );
    const methods = [...new Set(d.latest.map(x => x.method))],
        confidences = [...new Set(d.latest.map(x => whole(x.confidence)))]
            .filter(c => c === 95 || c === 99)
            .sort();
    const method = methods.includes(state.method) ? state.method : methods[0],
        confidence = confidences.includes(state.confidence) ? state.confidence : confidences.at(-1);
    const set = change => {
        state = { ...state, ...change };
        app.draw();
    };
    const isOne = x =>
        x.horizon_sessions === 1 &&
        x.lookback_sessions === d.lookback_sessions &&
        whole(x.confidence) === confidence;
    const next = d.latest.filter(isOne),
        mine = next.find(x => x.method === method),
        known = next.map(x => x.var_return).filter(v => v !== null);
    const ten = d.latest.find(
        x => x.horizon_sessions > 1 && whole(x.confidence) === confidence && x.method === method,
    );
    const tests = d.backtest.filter(
            x => whole(x.confidence) === confidence && x.lookback_sessions === d.lookback_sessions,
        ),
        periods = [...new Set(tests.map(x => x.period))];
    const period = periods.includes(state.period) ? state.period : periods[0],
        rows = tests.filter(x => x.period === period),
        test = rows.find(x => x.method === method);
    const expectedNote = x => (x ? `${number(x.expected_count, 1)} expected` : '');
    return h(
        'div',
        {},
        h(
            'div',
            { class: 'head' },
            h(
                'div',
                {},
                h('h1', {}, 'Risk'),
                h(
                    'p',
                    { class: 'sub' },
                    `${words(name)}: value at risk for the session of ${day(mine?.session_date)}; a loss is positive`,
                ),
            ),
            h(
                'div',
                { class: 'tools' },
                portfolioChoice(app, 'risk', name),
                segments(
                    'Confidence',
                    confidences.map(c => [c, pct(c, 0)]),
                    confidence,
                    c => set({ confidence: c }),
                ),
                choice(
                    'Method',
                    methods.map(m => [m, methodName(m)]),
                    method,
                    m => set({ method: m }),
                ),
            ),
        ),
        h(
            'div',
            { class: 'grid' },
            () => panel({
                title: `${methodName(method)}, ${pct(confidence, 0)}, from ${plural(d.lookback_sessions, 'session')}`,
                sql: d.sql.latest,
                flush: true,
                body: figures([
                    {
                        label: 'VaR, 1 session',
                        value: ofOne(mine?.var_return),
                        small: money_(mine?.var_amount),
                        doc: 'risk.var_estimates.var_return',
                    },
                    {
                        label: 'Expected shortfall',
                        value: ofOne(mine?.es_return),
                        small: money_(mine?.es_amount),
                        doc: 'risk.var_estimates.es_return',
                    },
                    {
                        label: ten
                            ? `VaR, ${plural(ten.horizon_sessions, 'session')}`
                            : 'VaR, longer',
                        value: ofOne(ten?.var_return),
                        small: ten
                            ? `${words(ten.scaling).toLowerCase()}, from ${ten.lookback_sessions}`
                            : 'no estimate',
                        doc: 'risk.var_estimates.scaling',
                    },
                    {
                        label: 'Range of methods',
                        value: known.length
                            ? `${number(percent(Math.min(...known)), 2)} … ${ofOne(Math.max(...known))}`
                            : '–',
                        small: plural(known.length, 'method'),
                        tip: 'Lowest and highest VaR of one session',
                    },
                    {
                        label: 'VaR breaches',
                        value: number(test?.exceedance_count),
                        small: `${expectedNote(test)}, ${periodName(period ?? 'all').toLowerCase()}`,
                        doc: 'risk.var_backtest.exceedance_count',
                    },
                    {
                        label: 'Verdict',
                        value: varVerdict(test?.verdict),
                        small: periodName(period ?? 'all').toLowerCase(),
                        doc: 'risk.var_backtest.verdict',
                    },
                ]),
            }),
            () => chartPanel(d, name, method, confidence, test),
            () => panel({
                title: 'Methods compared',
                note: `${pct(confidence, 0)} over one session`,
                sql: d.sql.backtest,
                flush: true,
                acts: [
                    periods.length > 1
                        ? choice(
                              'Period',
                              periods.map(p => [p, periodName(p)]),
                              period,
                              p => set({ period: p }),
                          )
                        : null,
                ],
                body: table({
                    label: 'Methods compared',
                    of: 'risk.var_backtest',
                    rows,
                    sort: ['quantile_loss_rank', false],
                    isOn: r => r.method === method,
                    onopen: r => set({ method: r.method }),
                    columns: [
                        { key: 'method', title: 'Method', show: r => methodName(r.method) },
                        {
                            key: 'var_return',
                            title: 'VaR, next session',
                            num: true,
                            doc: 'risk.var_estimates.var_return',
                            by: r => next.find(x => x.method === r.method)?.var_return,
                            show: r => ofOne(next.find(x => x.method === r.method)?.var_return),
                        },
                        {
                            key: 'exceedance_count',
                            title: 'VaR breaches',
                            num: true,
                            show: r => number(r.exceedance_count),
                        },
                        {
                            key: 'expected_count',
                            title: 'Expected',
                            num: true,
                            show: r => number(r.expected_count, 1),
                        },
                        {
                            key: 'kupiec_p_value',
                            title: 'Kupiec p',
                            num: true,
                            show: r => pValue(r.kupiec_p_value),
                        },
                        {
                            key: 'independence_p_value',
                            title: 'Christoffersen p',
                            num: true,
                            show: r => pValue(r.independence_p_value),
                        },
                        {
                            key: 'acerbi_szekely_z2',
                            title: 'Acerbi–Szekely Z₂',
                            num: true,
                            show: r => signed(r.acerbi_szekely_z2),
                        },
                        {
                            key: 'basel_zone',
                            title: 'Basel zone',
                            show: r =>
                                r.basel_zone
                                    ? [
                                          tag(...(ZONES[r.basel_zone] ?? [r.basel_zone])),
                                          ' ',
                                          h('small', {}, r.basel_exceedance_count),
                                      ]
                                    : '–',
                        },
                        { key: 'quantile_loss_rank', title: 'Loss rank', num: true },
                        { key: 'verdict', title: 'Verdict', show: r => varVerdict(r.verdict) },
                    ],
                }),
                say: rows[0]
                    ? `${day(rows[0].first_session_date)} to ${day(rows[0].last_session_date)}, ${number(Math.min(...rows.map(t => t.session_count)))} to ${plural(Math.max(...rows.map(t => t.session_count)), 'session')}: a method is tested where it has an estimate. A row chooses the method above.`
                    : 'No backtest yet.',
            }),
            () => componentsPanel(d, confidence, money_),
            () => panel({
                title: 'Stress',
                width: 'w5',
                note: 'loss of today’s weights, %',
                sql: d.sql.stress,
                body: d.stress.length
                    ? sideBars({
                          label: 'Stress losses',
                          wide: 170,
                          tall: 24,
                          show: v => (v < 0 ? `gain ${number(-v, 1)}` : number(v, 1)),
                          rows: d.stress.map(x => ({
                              name: words(x.scenario),
                              value: percent(x.loss_return),
                              color: token(
                                  x.loss_return < 0
                                      ? 'up'
                                      : x.kind === 'shock'
                                        ? 'series-2'
                                        : 'down',
                              ),
                              tip: `${x.description}\n${x.first_date ? `${day(x.first_date)} to ${day(x.last_date)}` : 'a shock'}: ${money_(x.loss_amount)}${x.missing_symbols ? `\nwithout ${x.missing_symbols}` : ''}`,
                          })),
                      })
                    : h('p', { class: 'empty' }, 'None.'),
                say: 'Orange bars are windows of the past, ochre ones shocks; blue is a gain. Nothing is scaled by how likely it is.',
            }),
            () => panel({
                title: 'Every horizon and lookback',
                width: 'w4',
                sql: d.sql.latest,
                flush: true,
                body: table({
                    label: 'Estimates',
                    of: 'risk.var_estimates',
                    tall: '340px',
                    rows: d.latest.filter(x => x.method === method),
                    columns: [
                        {
                            key: 'confidence',
                            title: 'Confidence',
                            num: true,
                            show: x => pct(whole(x.confidence), whole(x.confidence) % 1 ? 1 : 0),
                        },
                        { key: 'horizon_sessions', title: 'Horizon', num: true },
                        {
                            key: 'lookback_sessions',
                            title: 'Lookback',
                            num: true,
                            show: x => number(x.lookback_sessions),
                        },
                        {
                            key: 'var_return',
                            title: 'VaR',
                            num: true,
                            show: x =>
                                x.is_outside_domain
                                    ? h('span', { class: 'mute' }, 'not valid')
                                    : ofOne(x.var_return),
                        },
                        { key: 'es_return', title: 'ES', num: true, show: x => ofOne(x.es_return) },
                    ],
                }),
            }),
        ),
    );
}

function chartPanel(d, name, method, confidence, test) {
    const b = d.bands,
        times = b.session_date.map(seconds),
        band = b[`${method}_${confidence}`] ?? times.map(() => null),
        real = b.gross_return;
    const isBreach = b[`is_exceedance_${method}_${confidence}`] ?? [];
    const line = values => values.map(v => (v === null ? null : -100 * v)),
        normal = b[`normal_${confidence}`];
    return panel({
        title: 'Returns and the VaR known before each session',
        note: test
            ? `${periodName(test.period)}, ${plural(test.session_count, 'session')}: ${number(test.exceedance_count)} VaR breaches, ${number(test.expected_count, 1)} expected`
            : null,
        sql: d.sql.bands,
        body: timeChart({
            label: `Returns of ${words(name)} with ${confidence}% VaR`,
            height: 330,
            series: [
                {
                    name: 'Gross return',
                    kind: 'histogram',
                    times,
                    values: real.map(percent),
                    color: token('flat'),
                    colors: real.map((_, i) => token(isBreach[i] ? 'down' : 'line-strong')),
                    format: percentFormat,
                    tip: 'Of the session, before costs, as the backtest of VaR has it, in percent',
                },
                {
                    name: `VaR ${methodName(method)}`,
                    kind: 'line',
                    times,
                    values: line(band),
                    color: token('series-1'),
                    width: 2,
                    format: percentFormat,
                    tip: 'The loss as a negative return, in percent',
                },
                ...(method === 'normal' || !normal
                    ? []
                    : [
                          {
                              name: 'VaR Normal',
                              kind: 'line',
                              times,
                              values: line(normal),
                              color: token('bench'),
                              width: 1,
                              dash: true,
                              format: percentFormat,
                              tip: 'The loss as a negative return, in percent',
                          },
                      ]),
            ],
            after: (_, made) =>
                LightweightCharts.createSeriesMarkers(
                    made[0],
                    times.flatMap((time, i) =>
                        isBreach[i]
                            ? [
                                  {
                                      time,
                                      position: 'belowBar',
                                      shape: 'arrowUp',
                                      color: token('down'),
                                      size: 0.7,
                                      text: '',
                                  },
                              ]
                            : [],
                    ),
                ),
        }),
        say: 'Orange bars with an arrow are VaR breaches. The last point of the line is for the next session, which has no return yet.',
    });
}

function componentsPanel(d, confidence, money_) {
    const at = d.components.filter(c => whole(c.confidence) === confidence),
        method = at.some(c => c.method === 'ewma') ? 'ewma' : at[0]?.method,
        rows = at.filter(c => c.method === method);
    if (!rows.length) return null;
    return panel({
        title: 'Component VaR',
        width: 'w3',
        note: `${methodName(method)}, ${pct(confidence, 0)}, ${plural(rows[0].lookback_sessions, 'session')}`,
        sql: d.sql.components,
        body: sideBars({
            label: 'Component VaR by symbol',
            wide: 46,
            tall: 19,
            show: v => pct(v, 1),
            rows: rows.map(c => ({
                name: c.symbol,
                value: percent(c.component_ratio),
                color: token(c.component_ratio < 0 ? 'up' : 'series-1'),
                tip: `${c.symbol}: weight ${ofOne(c.weight, 1)}, ${ofOne(c.component_ratio, 1)} of the VaR, ${money_(c.component_var_amount)}`,
            })),
        }),
    });
}
