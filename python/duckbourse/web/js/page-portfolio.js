import {
    h,
    panel,
    table,
    tag,
    figures,
    segments,
    choice,
    token,
    callout,
    toned,
    toggle,
} from './dom.js';
import {
    number,
    signed,
    signedOfOne,
    ofOne,
    day,
    words,
    seconds,
    percent,
    money,
    price,
    plural,
} from './format.js';
import {
    timeChart,
    ratioFormat,
    percentFormat,
    plainFormat,
    monthHeat,
    matrix,
    stacked,
    sideBars,
} from './charts.js';
import { symbolLink } from './page-overview.js';

export const portfolioChoice = (app, page, chosen) => {
    const options = app.meta.portfolios.map(p => [p.portfolio, words(p.portfolio)]),
        go = name => app.go(`#/${page}/${encodeURIComponent(name)}`);
    return options.length > 3
        ? choice('Portfolio', options, chosen, go)
        : segments('Portfolio', options, chosen, go);
};
export const portfolioOf = app =>
    app.meta.portfolios.find(p => p.portfolio === app.path[1]) ?? app.meta.portfolios[0];
export const noPortfolio = title =>
    h(
        'div',
        {},
        h('div', { class: 'head' }, h('h1', {}, title)),
        h(
            'p',
            { class: 'panel empty' },
            'No portfolio has returns in this publication. CONTRIBUTING.md says how to add one.',
        ),
    );
const PERFORMANCE = 'portfolio.performance',
    FEW_YEARS = 12;
let years = FEW_YEARS,
    isLog = true;

export async function portfolioPage(app) {
    const about = portfolioOf(app);
    if (!about) return noPortfolio('Portfolio');
    const name = about.portfolio,
        d = await app.source.get(`/portfolios/${name}`);
    const p = d.performance.find(x => x.basis === 'net'),
        gross = d.performance.find(x => x.basis === 'gross');
    const bench = about.benchmark;
    return h(
        'div',
        {},
        h(
            'div',
            { class: 'head' },
            h(
                'div',
                {},
                h('h1', {}, words(name)),
                h(
                    'p',
                    { class: 'sub' },
                    `${about.description}. ${day(p.first_session_date)} to ${day(p.last_session_date)}${about.source === 'weights' ? `, after ${number(about.cost_bps, 1)} basis points a trade` : ', after charges'}`,
                ),
            ),
            h('div', { class: 'tools' }, portfolioChoice(app, 'portfolio', name)),
        ),
        p.benchmark_coverage_ratio < 1 && bench
            ? callout(
                  'Compared in part.',
                  `What is compared with ${bench} covers ${ofOne(p.benchmark_coverage_ratio, 0)} of the sessions: ${number(p.benchmark_count)} of ${number(p.session_count)}.`,
                  'info',
              )
            : null,
        h(
            'div',
            { class: 'grid' },
            () => panel({
                title: 'Performance',
                note: `${plural(p.session_count, 'session')}, after costs`,
                sql: d.sql.performance,
                flush: true,
                body: figures([
                    {
                        label: 'CAGR',
                        value: toned(p.cagr, signedOfOne(p.cagr, 1)),
                        small: `gross ${signedOfOne(gross?.cagr, 1)}`,
                        doc: `${PERFORMANCE}.cagr`,
                    },
                    {
                        label: 'Volatility a year',
                        value: ofOne(p.annualized_volatility, 1),
                        doc: `${PERFORMANCE}.annualized_volatility`,
                    },
                    {
                        label: 'Sharpe',
                        value: number(p.sharpe_ratio, 2),
                        small: `Sortino ${number(p.sortino_ratio, 2)}`,
                        doc: `${PERFORMANCE}.sharpe_ratio`,
                    },
                    {
                        label: 'Max drawdown',
                        value: ofOne(p.max_drawdown, 1),
                        small: `${day(p.drawdown_start_date)} … ${p.drawdown_recovery_date ? day(p.drawdown_recovery_date) : 'not recovered'}`,
                        doc: `${PERFORMANCE}.max_drawdown`,
                    },
                    {
                        label: 'Best, worst session',
                        value: `${signedOfOne(p.best_session_return, 1)}, ${signedOfOne(p.worst_session_return, 1)}`,
                        small: `hit ratio ${ofOne(p.hit_ratio, 0)}`,
                        doc: `${PERFORMANCE}.worst_session_return`,
                    },
                    {
                        label: 'Beta',
                        value: number(p.beta, 2),
                        small: bench
                            ? `${bench}, ${plural(p.benchmark_count, 'session')}`
                            : 'no benchmark',
                        doc: `${PERFORMANCE}.beta`,
                    },
                    {
                        label: 'Alpha',
                        value: toned(p.alpha, signedOfOne(p.alpha, 1)),
                        small: 'a year',
                        doc: `${PERFORMANCE}.alpha`,
                    },
                    {
                        label: 'Information ratio',
                        value: number(p.information_ratio, 2),
                        small: `tracking error ${ofOne(p.tracking_error, 1)}`,
                        doc: `${PERFORMANCE}.information_ratio`,
                    },
                ]),
            }),
            () => growthPanel(app, d, about),
            () => h(
                'div',
                { class: 'stack w4' },
                () => panel({
                    title: 'Deepest drawdowns',
                    sql: d.sql.drawdowns,
                    flush: true,
                    body: table({
                        label: 'Deepest drawdowns',
                        of: 'portfolio.drawdowns',
                        rows: d.drawdowns,
                        columns: [
                            {
                                key: 'drawdown',
                                title: 'Depth',
                                num: true,
                                show: x => h('b', { class: 'down' }, ofOne(x.drawdown, 1)),
                            },
                            { key: 'start_date', title: 'From', show: x => day(x.start_date) },
                            { key: 'trough_date', title: 'Trough', show: x => day(x.trough_date) },
                            {
                                key: 'recovery_date',
                                title: 'Recovered',
                                show: x =>
                                    x.recovery_date ? day(x.recovery_date) : tag('not yet', 'warn'),
                            },
                        ],
                    }),
                }),
                () => riskPanel(d),
            ),
            () => monthsPanel(app, d, bench),
            () => sectorsPanel(d),
            () => correlationsPanel(d),
            () => holdingsPanel(app, d, about),
        ),
    );
}

function growthPanel(app, d, about) {
    const e = d.equity,
        times = e.session_date.map(seconds),
        rolling = d.rolling.session_date.map(seconds),
        bench = about.benchmark;
    const hasBenchmark = e.benchmark_equity_ratio.some(v => v !== null);
    return panel({
        title: 'Growth of 1, drawdown and rolling figures',
        width: 'w8',
        note: 'sampled weekly; a drawdown is the worst of its week',
        sql: [d.sql.equity, d.sql.rolling],
        acts: [
            toggle('Log scale', isLog, () => {
                isLog = !isLog;
                app.draw();
            }),
        ],
        body: timeChart({
            label: `Growth of 1 in ${words(d.portfolio)}, now ${number(e.equity_ratio.at(-1), 1)}`,
            height: 560,
            panes: [3, 1.3, 1.2, 1.2],
            titles: ['', 'Drawdown', 'Sharpe, rolling', 'Volatility a year, rolling'],
            log: isLog ? [0] : [],
            series: [
                {
                    name: 'Portfolio',
                    kind: 'line',
                    times,
                    values: e.equity_ratio,
                    color: token('series-1'),
                    width: 2,
                    format: ratioFormat,
                    tip: 'Growth of 1, after costs',
                },
                ...(hasBenchmark
                    ? [
                          {
                              name: bench,
                              kind: 'line',
                              times,
                              values: e.benchmark_equity_ratio,
                              color: token('bench'),
                              dash: true,
                              format: ratioFormat,
                              tip: 'Growth of the benchmark from its returns',
                          },
                      ]
                    : []),
                {
                    name: 'Drawdown',
                    kind: 'area',
                    pane: 1,
                    times,
                    values: e.drawdown.map(percent),
                    color: token('down'),
                    top: token('down-soft'),
                    bottom: token('down-soft'),
                    invert: true,
                    format: percentFormat,
                    tip: 'Below the peak, in percent',
                },
                {
                    name: 'Sharpe, 252 sessions',
                    kind: 'line',
                    pane: 2,
                    times: rolling,
                    values: d.rolling.sharpe_252,
                    color: token('series-4'),
                    format: plainFormat,
                    lines: [{ at: 0 }],
                },
                {
                    name: 'Volatility, 63',
                    kind: 'line',
                    pane: 3,
                    times: rolling,
                    values: d.rolling.volatility_63.map(percent),
                    color: token('series-2'),
                    width: 1,
                    format: percentFormat,
                    tip: 'Annualized, in percent',
                },
                {
                    name: 'Volatility, 252',
                    kind: 'line',
                    pane: 3,
                    times: rolling,
                    values: d.rolling.volatility_252.map(percent),
                    color: token('series-3'),
                    format: percentFormat,
                    tip: 'Annualized, in percent',
                },
            ],
        }),
    });
}

function riskPanel(d) {
    const first = d.contributions[0];
    if (!first) return null;
    return panel({
        title: 'Weight and risk',
        note: day(first.session_date),
        sql: d.sql.contributions,
        body: [
            h(
                'div',
                { class: 'legend' },
                h(
                    'span',
                    {},
                    h('i', { class: 'box', style: { '--key': token('series-1') } }),
                    'part of the volatility, %',
                ),
                h('span', {}, h('b', {}, '|'), ' weight, %'),
            ),
            sideBars({
                label: 'Part of the volatility by symbol',
                wide: 46,
                tall: 19,
                show: v => number(v, 1),
                second: true,
                rows: d.contributions.map(c => ({
                    name: c.symbol,
                    value: percent(c.component_ratio),
                    second: percent(c.weight),
                    color: token('series-1'),
                    tip: `${c.symbol}: weight ${ofOne(c.weight, 1)}, ${ofOne(c.component_ratio, 1)} of the volatility`,
                })),
            }),
        ],
        say: `Volatility ${ofOne(first.portfolio_volatility, 1)} a year, from the Ledoit–Wolf covariance of 252 sessions.`,
    });
}

function monthsPanel(app, d, bench) {
    const m = d.months;
    const rows = m.calendar_year.map((year, i) => ({
        year,
        month: m.calendar_month[i],
        value: percent(m.month_return[i]),
        yearToDate: percent(m.year_to_date_return[i]),
        tip: bench
            ? `\n${bench} ${m.benchmark_month_return[i] === null ? 'not known' : signedOfOne(m.benchmark_month_return[i])}`
            : '',
    }));
    const isMany = new Set(m.calendar_year).size > FEW_YEARS;
    return panel({
        title: 'Months',
        note: 'return after costs, %',
        width: 'w7',
        sql: d.sql.months,
        acts: [
            isMany
                ? toggle('All years', years !== FEW_YEARS, () => {
                      years = years === FEW_YEARS ? 999 : FEW_YEARS;
                      app.draw();
                  })
                : null,
        ],
        body: monthHeat({ label: 'Returns by month', rows, limit: 10, onlyYears: years }),
    });
}

function sectorsPanel(d) {
    const names = [...new Set(d.sectors.name)],
        quarters = [...new Set(d.sectors.session_date)];
    if (quarters.length < 2) return null;
    const whole = d.exposures.find(x => x.dimension === 'portfolio'),
        at = new Map(
            d.sectors.name.map((name, i) => [
                `${name} ${d.sectors.session_date[i]}`,
                d.sectors.net_weight[i],
            ]),
        );
    return panel({
        title: 'Sectors',
        note: `net weights at quarters’ ends; net ${ofOne(whole?.net_weight, 1)}, largest ${whole?.largest_symbol ?? '–'} ${ofOne(whole?.largest_weight, 1)}`,
        width: 'w5',
        sql: d.sql.sectors,
        body: stacked({
            label: 'Sector weights',
            times: quarters,
            names,
            shares: names.map(name => quarters.map(t => at.get(`${name} ${t}`) ?? 0)),
            height: 230,
        }),
    });
}

function correlationsPanel(d) {
    const c = d.correlations,
        sectorOf = symbol =>
            d.exposures.find(x => x.dimension === 'symbol' && x.name === symbol)?.sector ?? '';
    const names = [...new Set([...c.symbol, ...c.other_symbol])].sort((a, b) =>
        sectorOf(a) + a < sectorOf(b) + b ? -1 : 1,
    );
    if (names.length < 2) return null;
    const pair = new Map(
        c.symbol.flatMap((a, i) => [
            [`${a} ${c.other_symbol[i]}`, c.pearson_correlation[i]],
            [`${c.other_symbol[i]} ${a}`, c.pearson_correlation[i]],
        ]),
    );
    return panel({
        title: 'Correlations',
        note: 'Pearson, 252 sessions; by sector',
        width: 'w7',
        sql: d.sql.correlations,
        body: matrix({ label: 'Correlations', names, value: (a, b) => pair.get(`${a} ${b}`) }),
    });
}

function holdingsPanel(app, d, about) {
    const known = new Set(app.meta.symbols.map(x => x.symbol)),
        open = symbol => known.has(symbol) && app.go(symbolLink(symbol, '/1d'));
    if (d.holdings.length)
        return panel({
            title: 'Holdings',
            note: `${plural(d.holdings.length, 'symbol')}, at the close`,
            width: 'w5',
            sql: d.sql.holdings,
            flush: true,
            body: table({
                label: 'Holdings',
                of: 'portfolio.holdings',
                tall: '520px',
                rows: d.holdings,
                onopen: x => open(x.symbol),
                columns: [
                    { key: 'symbol', title: 'Symbol', show: x => h('b', {}, x.symbol) },
                    {
                        key: 'closing_quantity',
                        title: 'Shares',
                        num: true,
                        show: x => number(x.closing_quantity),
                    },
                    { key: 'price', title: 'Price', num: true, show: x => price(x.price) },
                    {
                        key: 'closing_amount',
                        title: `Value, ${about.currency}`,
                        num: true,
                        show: x => money(x.closing_amount),
                    },
                    {
                        key: 'pnl_amount',
                        title: `P&L of the session, ${about.currency}`,
                        num: true,
                        show: x => toned(x.pnl_amount, signed(x.pnl_amount)),
                    },
                ],
            }),
        });
    const rows = d.exposures.filter(x => x.dimension === 'symbol'),
        part = new Map(d.contributions.map(c => [c.symbol, c.component_ratio]));
    return panel({
        title: 'Weights',
        note: day(rows[0]?.session_date),
        width: 'w5',
        sql: d.sql.exposures,
        flush: true,
        body: table({
            label: 'Weights',
            of: 'portfolio.exposures',
            tall: '520px',
            rows,
            onopen: x => open(x.name),
            sort: ['net_weight', true],
            columns: [
                { key: 'name', title: 'Symbol', show: x => h('b', {}, x.name) },
                {
                    key: 'sector',
                    title: 'Sector',
                    tip: 'Sector of the instrument',
                    show: x => x.sector ?? '–',
                },
                {
                    key: 'net_weight',
                    title: 'Weight',
                    num: true,
                    show: x => ofOne(x.net_weight, 1),
                },
                {
                    key: 'component_ratio',
                    title: 'Risk',
                    doc: 'portfolio.risk_contributions.component_ratio',
                    num: true,
                    by: x => part.get(x.name),
                    show: x => ofOne(part.get(x.name), 1),
                },
            ],
        }),
    });
}
