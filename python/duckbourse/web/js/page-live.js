/* The trading session: what is held and ordered, what may still be risked, and the commands. */
import {
    h,
    panel,
    table,
    tag,
    figures,
    token,
    toned,
    side,
    callout,
    choice,
    defined,
    broken,
} from './dom.js';
import { number, signed, money, price, words, seconds, plural, missing } from './format.js';
import { timeChart } from './charts.js';
import { OnlyReads } from './source.js';

const STEPS = ['CREATED', 'SUBMITTED', 'WORKING', 'FILLED'],
    FAILED = ['CANCELLED', 'REJECTED', 'DENIED', 'EXPIRED', 'NOT_PLACED'];
const OPEN = ['CREATED', 'SUBMITTED', 'WORKING', 'PARTLY_FILLED', 'PARTIALLY_FILLED'];
const KINDS = { FILLED: 'good', WORKING: 'warn', PARTLY_FILLED: 'warn', PARTIALLY_FILLED: 'warn' };
const WARNED_FROM = 0.8;
const STATES = { good: '✓ ok', warn: '⚠ watch', bad: '✕ bad' };

export async function livePage(app) {
    const l = await app.source.get('/live'),
        a = l.account ?? {},
        loop = l.loop ?? {};
    const isPaper = a.is_paper ?? a.broker === 'paper',
        positions = l.positions ?? [],
        orders = l.orders ?? [],
        time = text => (text ?? '').replace(`${a.session_date} `, ''),
        lateMs = 1000 * (a.max_silence_seconds ?? Infinity),
        open = orders.filter(o => OPEN.includes(o.state));
    // what another loop does changes no account that somebody looks at
    app.source.account ??= a.account ?? null;
    app.title = `${isPaper ? 'PAPER' : 'REAL MONEY'} · ${a.account} · duckbourse`;
    const held = positions.reduce(
        (sum, p) => sum + Math.abs(p.quantity * (p.last ?? p.average ?? 0)),
        0,
    );
    const value = `${plural(positions.length, 'position')} of ${money(held, a.currency)}`;
    const commands = [
        ['halt', 'Halt', 'plain', 'Nothing opens any more. Stops, targets and exits go on.'],
        ['resume', 'Resume', 'plain', 'The loop opens positions again.'],
        [
            'square-off',
            '■ Square off',
            'danger',
            `${plural(open.length, 'open order')} are canceled, then ${value} are closed. Nothing opens again until somebody resumes.`,
        ],
    ];
    const act = (name, title, text, body = {}) =>
        confirm(app, {
            account: a.account,
            isPaper,
            title,
            text,
            run: (typed, token) =>
                app.source.act(`/live/${name}`, { account: typed, ...body }, token),
        });
    const running = loop.state === 'running',
        silent = loop.is_silent ? loop.written_seconds : 0,
        accounts = l.accounts ?? [];
    const choose = name => {
        app.source.account = name;
        app.source.forget('/live');
        app.draw();
    };
    return h(
        'div',
        { class: isPaper ? 'session paper' : 'session real' },
        h(
            'p',
            { class: 'money' },
            h('b', {}, isPaper ? 'PAPER' : 'REAL MONEY'),
            ` ${a.account ?? ''} · ${isPaper ? 'simulated fills, no order leaves this machine' : `orders go to ${words(a.broker)}`}`,
        ),
        silent
            ? callout(
                  `No word from the loop for ${number(silent)} s.`,
                  'It may be stuck: what is below is the last that it wrote. Look at its log, and at the broker itself.',
              )
            : null,
        h(
            'div',
            { class: 'head' },
            h(
                'div',
                {},
                h('h1', {}, 'Live'),
                h(
                    'p',
                    { class: 'sub' },
                    `${a.calendar ?? ''}, ${(l.at ?? '').slice(0, 19)} exchange-local time${loop.reason ? `. ${loop.reason}` : ''}`,
                ),
            ),
            h(
                'div',
                { class: 'tools' },
                accounts.length > 1
                    ? choice(
                          'Account',
                          accounts.map(each => [
                              each.account,
                              `${each.account}, ${each.is_paper ? 'paper' : 'REAL MONEY'}${each.is_running ? ', running' : ''}`,
                          ]),
                          a.account,
                          choose,
                      )
                    : null,
                silent
                    ? tag(`◌ silent for ${number(silent)} s`, 'bad')
                    : tag(
                          running ? '● running' : `■ ${words(loop.state ?? 'stopped').toLowerCase()}`,
                          running ? 'good' : 'bad',
                      ),
                commands.map(([name, title, kind, text]) =>
                    h(
                        'button',
                        {
                            class: kind,
                            type: 'button',
                            onclick: () => act(name, title.replace('■ ', ''), text),
                        },
                        title,
                    ),
                ),
            ),
        ),
        h(
            'div',
            { class: 'grid' },
            panel({
                title: 'Account',
                api: callOf('/api/v1/live/account'),
                flush: true,
                body: figures([
                    {
                        label: 'Equity',
                        value: money(a.equity, a.currency),
                        small: `capital ${number(a.capital)}`,
                        tip: 'Cash and the value of all positions',
                    },
                    {
                        label: 'P&L of the day',
                        value: toned(a.day_pnl, signed(a.day_pnl)),
                        small: missing(a.capital)
                            ? a.currency
                            : `${signed((100 * a.day_pnl) / a.capital)}% of capital`,
                        tip: 'Realized and unrealized, after charges',
                    },
                    {
                        label: 'Realized, unrealized',
                        value: `${signed(a.realized, 0)}, ${signed(a.unrealized, 0)}`,
                        small: a.currency,
                        tip: 'P&L of what was closed, and of what is held',
                    },
                    {
                        label: 'Charges',
                        value: number(a.charges, 2),
                        small: a.currency,
                        tip: 'Brokerage, taxes and fees of the day',
                    },
                    {
                        label: 'Cash',
                        value: money(a.cash, a.currency),
                        tip: 'Proceeds of short sales included',
                    },
                    {
                        label: 'Trades',
                        value: number(a.trades),
                        small: missing(a.won) ? '' : plural(a.won, 'win'),
                        tip: 'Entries of the session; a win is a closed trade with a gain',
                    },
                ]),
            }),
            l.pnl?.at?.length > 1
                ? panel({
                      title: 'P&L of the day',
                      api: callOf('/api/pages/live'),
                      note: `after charges, ${l.pnl.basis ?? ''}; exchange-local time`,
                      width: 'w8',
                      body: timeChart({
                          label: `P&L of the day, now ${signed(a.day_pnl)}`,
                          // as tall as the limits beside it
                          height: innerWidth > 1340 && l.limits?.length ? 420 : 250,
                          intraday: true,
                          series: [
                              {
                                  name: `P&L, ${a.currency ?? ''}`,
                                  kind: 'line',
                                  times: l.pnl.at.map(seconds),
                                  values: l.pnl.value,
                                  color: token('series-1'),
                                  width: 2,
                                  lines: [
                                      { at: 0 },
                                      ...(a.max_daily_loss
                                          ? [{ at: -a.max_daily_loss, title: 'loss limit' }]
                                          : []),
                                  ],
                                  say: v => signed(v, 0),
                                  tip: 'Realized and unrealized, after charges',
                              },
                          ],
                      }),
                  })
                : panel({
                      title: 'P&L of the day',
                      api: callOf('/api/pages/live'),
                      width: 'w8',
                      body: h('p', { class: 'empty' }, 'None yet.'),
                  }),
            panel({
                title: 'Use of limits',
                api: callOf('/api/pages/live'),
                width: 'w4',
                body: l.limits?.length
                    ? l.limits.map(use)
                    : h('p', { class: 'empty' }, 'The publication has no limits of this account.'),
                say: l.limits?.length
                    ? 'As the checks count: open entries as if filled, the larger side of strategies that offset each other. Amber from 80%. At 100% an order that adds to it is denied, with the reason, and one that opens waits for a rate.'
                    : null,
            }),
            panel({
                title: 'Positions',
                api: callOf('/api/v1/live/positions'),
                note: plural(positions.length, 'position'),
                width: 'w8',
                flush: true,
                body: table({
                    label: 'Positions',
                    rows: positions,
                    columns: [
                        {
                            key: 'symbol',
                            title: 'Symbol',
                            tip: 'Symbol of the position',
                            show: p => h('b', {}, p.symbol),
                        },
                        {
                            key: 'quantity',
                            title: 'Shares',
                            num: true,
                            tip: 'Shares held; sold short, below zero',
                            show: p => [
                                side(p.quantity > 0 ? 'long' : 'short'),
                                ' ',
                                number(Math.abs(p.quantity)),
                            ],
                        },
                        {
                            key: 'average',
                            title: 'Average price',
                            num: true,
                            tip: 'Mean entry price of what is held',
                            show: p => price(p.average),
                        },
                        {
                            key: 'last',
                            title: 'Last',
                            num: true,
                            tip: 'Last price',
                            show: p => price(p.last),
                        },
                        {
                            key: 'stop',
                            title: 'Stop',
                            num: true,
                            tip: 'Price of the stop, and its distance from the last price',
                            show: p => [
                                price(p.stop),
                                ' ',
                                missing(p.stop) || !p.last
                                    ? null
                                    : h('small', {}, `${signed(100 * (p.stop / p.last - 1), 1)}%`),
                            ],
                        },
                        {
                            key: 'target',
                            title: 'Target',
                            num: true,
                            tip: 'Price of the target',
                            show: p => price(p.target),
                        },
                        {
                            key: 'pnl',
                            title: `P&L, ${a.currency ?? ''}`,
                            num: true,
                            tip: 'Unrealized',
                            by: openPnl,
                            show: p => toned(openPnl(p), signed(openPnl(p))),
                        },
                        {
                            key: 'strategy',
                            title: 'Strategy',
                            class: 'wrap slim',
                            tip: 'Who holds it; nobody, if no order opened it',
                            show: p => broken(p.strategy || 'nobody'),
                        },
                        {
                            key: 'age_ms',
                            title: 'Tick',
                            num: true,
                            tip: 'Age of the last price',
                            show: p => age(p.age_ms, lateMs),
                        },
                        {
                            key: 'close',
                            title: 'Close',
                            plain: true,
                            tip: 'Close this position',
                            show: p =>
                                h(
                                    'button',
                                    {
                                        class: 'act',
                                        type: 'button',
                                        'aria-label': `Close ${ofHolder(p)}`,
                                        onclick: () =>
                                            act(
                                                'close',
                                                `Close ${p.symbol}`,
                                                `${closing(p, positions)}. The resting orders of this position are canceled; what other strategies hold stays.`,
                                                { symbol: p.symbol, strategy: p.strategy },
                                            ),
                                    },
                                    'Close',
                                ),
                        },
                    ],
                }),
            }),
            panel({
                title: 'Health',
                api: callOf('/api/pages/live'),
                width: 'w4',
                flush: true,
                body: table({
                    label: 'Health',
                    rows: l.health ?? [],
                    columns: [
                        { key: 'name', title: 'What', tip: 'Feed, journal, loop and publication' },
                        { key: 'value', title: 'Now', class: 'wrap slim', tip: 'As the loop reports it' },
                        {
                            key: 'state',
                            title: 'State',
                            tip: 'ok, watch or bad',
                            show: r => tag(STATES[r.state] ?? r.state, r.state),
                        },
                    ],
                }),
            }),
            panel({
                title: 'Orders',
                api: callOf('/api/v1/live/orders'),
                note: `${plural(open.length, 'open order')}; newest first; hover over the steps for their times`,
                flush: true,
                body: table({
                    label: 'Orders',
                    tall: '420px',
                    rows: orders,
                    sort: ['at', true],
                    columns: [
                        {
                            key: 'at',
                            title: 'Time',
                            tip: 'Created, exchange-local',
                            show: o => time(o.at),
                        },
                        {
                            key: 'id',
                            title: 'Order',
                            tip: 'Our id',
                            show: o => h('small', {}, o.id),
                        },
                        {
                            key: 'symbol',
                            title: 'Symbol',
                            tip: 'Symbol of the order',
                            show: o => h('b', {}, o.symbol),
                        },
                        {
                            key: 'side',
                            title: 'Side',
                            tip: 'Buy or sell',
                            show: o =>
                                tag(
                                    o.side === 'buy' ? '▲ buy' : '▼ sell',
                                    o.side === 'buy' ? 'up' : 'down',
                                ),
                        },
                        {
                            key: 'reason',
                            title: 'Purpose',
                            tip: 'Entry, or what closes: stop, target, time, …',
                            show: o => words(o.reason),
                        },
                        {
                            key: 'quantity',
                            title: 'Shares',
                            num: true,
                            tip: 'Ordered',
                            show: o => number(o.quantity),
                        },
                        {
                            key: 'type',
                            title: 'Type',
                            tip: 'Type of the order',
                            show: o => words(o.type),
                        },
                        {
                            key: 'price',
                            title: 'Limit',
                            num: true,
                            tip: 'Limit price',
                            show: o => price(o.price),
                        },
                        {
                            key: 'fill',
                            title: 'Fill',
                            num: true,
                            tip: 'Mean price of its fills',
                            show: o => price(o.fill),
                        },
                        {
                            key: 'state',
                            title: 'State',
                            tip: 'Created, submitted, working, filled, or how it ended',
                            show: path,
                        },
                        {
                            key: 'why',
                            title: 'Reason',
                            class: 'wrap',
                            tip: 'The strategy that placed it, or why it ended; the signal on hover',
                            show: o =>
                                o.signal
                                    ? h(
                                          'span',
                                          { 'data-tip': `signal ${o.signal}`, tabindex: 0 },
                                          o.why,
                                      )
                                    : o.why || '–',
                        },
                    ],
                }),
            }),
            panel({
                title: 'Feed by symbol',
                api: callOf('/api/pages/live'),
                width: 'w4',
                flush: true,
                body: table({
                    label: 'Feed by symbol',
                    tall: '360px',
                    rows: l.feed ?? [],
                    columns: [
                        {
                            key: 'symbol',
                            title: 'Symbol',
                            tip: 'Symbol of the feed',
                            show: r => h('b', {}, r.symbol),
                        },
                        {
                            key: 'is_held',
                            title: 'Held',
                            tip: 'Whether a position is open',
                            show: r => (r.is_held ? 'yes' : 'no'),
                        },
                        {
                            key: 'state',
                            title: 'Feed',
                            tip: 'Age of the last price; amber beyond the longest silence allowed',
                            class: 'wrap',
                            show: r => [tag(STATES[r.state] ?? r.state, r.state), ' ', r.value],
                        },
                    ],
                }),
            }),
            panel({
                title: 'Events',
                api: callOf('/api/v1/live/log'),
                width: 'w8',
                note: 'newest first',
                flush: true,
                body: table({
                    label: 'Events',
                    tall: '360px',
                    rows: l.log ?? [],
                    columns: [
                        {
                            key: 'at',
                            title: 'Time',
                            tip: 'Exchange-local',
                            show: e => time(e.at),
                        },
                        {
                            key: 'kind',
                            title: 'Event',
                            tip: 'Kind of the journal’s event',
                            show: e => (e.kind ?? '').replace(/(?<=[a-z])(?=[A-Z])/g, ' '),
                        },
                        {
                            key: 'symbol',
                            title: 'Symbol',
                            tip: 'Symbol of the event',
                            show: e => e.symbol ?? '–',
                        },
                        {
                            key: 'text',
                            title: 'Text',
                            class: 'wrap',
                            tip: 'As the journal has it',
                            by: textOf,
                            show: textOf,
                        },
                    ],
                }),
            }),
        ),
    );
}

const callOf = address =>
    `curl ${location.origin}${address} -H 'authorization: Bearer TOKEN' -H 'x-bourse-account: ACCOUNT'`;
const textOf = e =>
    Object.entries(e)
        .filter(([key]) => !['at', 'kind', 'symbol'].includes(key))
        .map(([key, v]) => `${words(key).toLowerCase()} ${v}`)
        .join(', ');
const ofHolder = p => (p.strategy ? `${p.symbol} of ${p.strategy}` : `${p.symbol} that no order opened`);
/* what a command closes: all that the holder of a position has of its symbol, in each product */
const closing = (p, positions) =>
    positions
        .filter(each => each.symbol === p.symbol && each.strategy === p.strategy)
        .map(
            each =>
                `${number(Math.abs(each.quantity))} ${ofHolder(each)} (${each.product}) are ${each.quantity > 0 ? 'sold' : 'bought back'}`,
        )
        .join(', and ');
const openPnl = p => (missing(p.last) ? null : p.quantity * (p.last - p.average));
const age = (v, lateMs) =>
    missing(v)
        ? '–'
        : v > lateMs
          ? tag(`${number(v / 1000, 1)} s`, 'warn')
          : `${number(v / 1000, 1)} s`;
function use(x) {
    const share = x.limit ? x.used / x.limit : 0,
        kind = share >= 1 ? 'bad' : share >= WARNED_FROM ? 'warn' : '',
        digits = x.digits ?? 1,
        said = `${number(x.used, digits)} of ${number(x.limit, digits)}${x.unit ?? ''}`;
    return h(
        'div',
        {
            class: `use ${kind}`,
            role: 'meter',
            'aria-valuenow': Math.round(100 * Math.max(0, Math.min(1, share))),
            'aria-valuetext': said,
            'aria-valuemin': 0,
            'aria-valuemax': 100,
            'aria-label': x.name,
        },
        h('span', {}, defined(x.name, x.column ? `seeds.trading_accounts.${x.column}` : null)),
        h(
            'span',
            { class: 'track' },
            h('b', { style: { width: `${Math.max(0, Math.min(100, 100 * share))}%` } }),
        ),
        h(
            'span',
            { class: 'num' },
            `${said} `,
            kind ? '⚠' : '',
        ),
    );
}
function path(order) {
    const hasFailed = FAILED.includes(order.state),
        state = order.state.replace('PARTIALLY', 'PARTLY'),
        steps = order.path ?? [];
    const at = hasFailed
            ? Math.max(0, steps.length - 2)
            : STEPS.indexOf(state === 'PARTLY_FILLED' ? 'WORKING' : state),
        shown = hasFailed ? [...STEPS.slice(0, Math.min(3, at + 1)), state] : STEPS;
    return h(
        'span',
        {
            class: 'flow',
            'data-tip': steps.map(p => `${p.at}  ${words(p.state.toLowerCase())}`).join('\n'),
            tabindex: 0,
            role: 'img',
            'aria-label': words(state.toLowerCase()),
        },
        shown.flatMap((step, i) => [
            i ? h('s') : null,
            h('i', { class: step === state && hasFailed ? 'off' : i <= at ? 'on' : null }),
        ]),
        ' ',
        tag(words(state.toLowerCase()), hasFailed ? 'bad' : (KINDS[state] ?? '')),
        order.filled && order.filled < order.quantity
            ? h('small', {}, ` ${number(order.filled)} of ${number(order.quantity)}`)
            : null,
    );
}

/* Ask for the account's name before a command is sent. */
function confirm(app, { account, isPaper, title, text, run }) {
    const field = h('input', {
        type: 'text',
        class: 'field',
        autocomplete: 'off',
        'aria-label': 'Name of the account',
    });
    // for a page that was opened with the token to read
    const secret = h('input', {
        type: 'password',
        class: 'field',
        autocomplete: 'off',
        'aria-label': 'Token of commands',
    });
    const scope = h(
        'label',
        { hidden: true },
        'This page was opened with a token that only reads. The token of commands, for this command only:',
        secret,
    );
    const send = h('button', { class: 'danger', type: 'submit', disabled: true }, title),
        said = h('p', { class: 'say', role: 'alert' });
    field.addEventListener('input', () => {
        send.disabled = field.value !== account;
    });
    const dialog = h(
        'dialog',
        {
            'aria-labelledby': 'confirm-title',
            class: isPaper ? 'paper' : 'real',
            onclose: () => dialog.remove(),
        },
        h(
            'form',
            {
                method: 'dialog',
                onsubmit: async e => {
                    e.preventDefault();
                    send.disabled = true;
                    try {
                        const answer = await run(field.value, secret.value.trim());
                        dialog.close();
                        app.say(answer?.message ?? `${title}: sent.`);
                        app.source.forget('/live');
                        app.draw();
                    } catch (error) {
                        if (error instanceof OnlyReads) {
                            scope.hidden = false;
                            secret.value = '';
                            secret.focus();
                        }
                        said.textContent = error.message;
                        send.disabled = false;
                    }
                },
            },
            h(
                'h2',
                { id: 'confirm-title' },
                `${title}, ${isPaper ? 'paper account' : 'REAL MONEY on'} ${account}?`,
            ),
            h('p', {}, text),
            h('p', { class: 'typed' }, 'Type ', h('b', {}, account), ' to go on.'),
            field,
            scope,
            said,
            h(
                'div',
                { class: 'buttons' },
                h(
                    'button',
                    { class: 'plain', type: 'button', onclick: () => dialog.close() },
                    'Leave it',
                ),
                send,
            ),
        ),
    );
    document.body.append(dialog);
    dialog.showModal();
    field.focus();
}
