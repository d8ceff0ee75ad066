/* The shell: addresses after the hash, navigation, search, keys, theme. */
import { forgetTokens, h, s, watchTips, tag } from './dom.js';
import { NotHere } from './source.js';
import { day, clockTime, words } from './format.js';
import { drawAll, drawNext, oldCharts } from './charts.js';
import { oneAtATime, hands, inSlices } from './drawing.js';

/* Keys of one letter are off for who dictates to a computer, or types by mistake (WCAG 2.1.4). */
const HELP = [
    ['/', 'search for a symbol or a company'],
    ['← →', 'on Symbol: the previous signal, the next'],
    ['a', 'on Symbol: only what was known at the signal'],
    ['j k or ↑ ↓', 'in a table: rows; Enter opens one'],
    ['← → + − 0', 'in a chart: move, zoom, all'],
    ['Tab', 'definitions, tables and charts, one after the other'],
    ['t', 'light, dark'],
    ['?', 'this help'],
    ['Esc', 'close'],
];
// Live looks by itself: a loop that hangs writes nothing, and no event reports it
const AGAIN_SECONDS = 5;
// how old the prices are changes while a tab is open and nothing is published
const META_SECONDS = 3600;
const SITE = 'https://www.tradingview.com/';

const dark = () =>
    document.documentElement.dataset.theme
        ? document.documentElement.dataset.theme === 'dark'
        : matchMedia('(prefers-color-scheme: dark)').matches;
function stored(name, value) {
    try {
        if (value) localStorage.setItem(name, value);
        return localStorage.getItem(name);
    } catch {
        return null; /* a file may have no storage */
    }
}

/* a part of an address; as it is, if it is not encoded as addresses are */
function decoded(part) {
    try {
        return decodeURIComponent(part);
    } catch {
        return part;
    }
}

/* Return what puts focus and scrolled tables back where they were, after a new drawing. */
function placeIn(main) {
    const all = what => [...main.querySelectorAll(what)],
        reachable = 'a[href], button, input, select, [tabindex]';
    const at = all(reachable).indexOf(document.activeElement),
        text = document.activeElement?.textContent,
        scrolled = all('.scroll').map(e => [e.scrollLeft, e.scrollTop]);
    return () => {
        all('.scroll').forEach((e, i) => e.scrollTo(...(scrolled[i] ?? [0, 0])));
        const next = at < 0 ? null : all(reachable)[at];
        if (next?.textContent === text) next.focus({ preventScroll: true });
    };
}

/* pages: {name, title, draw(app)}, where draw returns a promise of a node */
export async function start(source, pages) {
    const main = h('main', { id: 'main', tabindex: -1 });
    const polite = h('div', { class: 'sr', role: 'status', 'aria-live': 'polite' });
    // those of the page that is shown, and of the one that is being drawn
    let keys = {},
        coming = {},
        timer = 0,
        last = '',
        definitions = null;
    const app = {
        source,
        go(hash) {
            if (location.hash === hash) app.draw();
            else location.hash = hash;
        },
        keys(map) {
            coming = map;
        },
        /* Draw again after some seconds, unless something else did so before. */
        again(seconds) {
            clearTimeout(timer);
            timer = setTimeout(() => {
                source.forget('/live');
                app.draw();
            }, 1000 * seconds);
        },
        say(text) {
            polite.textContent = text;
            const note = h('div', { class: 'tip toast', 'aria-hidden': 'true' }, text);
            document.body.append(note);
            setTimeout(() => note.remove(), 5000);
        },
        /* what the published table says about a column, such as 'backtests.summary.win_rate' */
        async definitionOf(column) {
            definitions ??= source.get('/docs').then(
                answer => answer.columns,
                () => ({}),
            );
            return (await definitions)[column] ?? '';
        },
        draw: () => draw(location.hash),
    };
    const free = hands(document),
        draw = oneAtATime(async (hash, isCurrent) => {
            const [path, query] = (hash.slice(2) || pages[0].name).split('?');
            app.path = path.split('/').map(decoded);
            app.query = new URLSearchParams(query);
            coming = {};
            forgetTokens(); // the theme may be another
            clearTimeout(timer);
            const page = pages.find(({ name }) => name === app.path[0]) ?? pages[0];
            for (const link of document.querySelectorAll('.nav a')) {
                if (link.dataset.page !== page.name) {
                    link.removeAttribute('aria-current');
                    continue;
                }
                link.setAttribute('aria-current', 'page');
                link.scrollIntoView({ block: 'nearest', inline: 'center' });
            }
            app.title = `${page.title}${app.path[1] ? ' · ' + words(app.path[1]) : ''} · duckbourse`;
            const place = path.split('/').slice(0, 2).join('/'),
                isSame = last === place;
            const dropOld = oldCharts();
            let node;
            try {
                node = await page.draw(app);
            } catch (error) {
                if (!(error instanceof NotHere)) console.error(error);
                node = h(
                    'div',
                    {},
                    h('div', { class: 'head' }, h('h1', {}, page.title)),
                    h(
                        'p',
                        { class: 'panel empty' },
                        error instanceof NotHere
                            ? error.message
                            : `This page could not be drawn: ${error.message}`,
                    ),
                );
            }
            // what is drawn in place of itself waits for a click that has begun, and an open menu
            if (isSame) await free();
            if (!isCurrent()) return;
            document.title = app.title;
            if (page.isLive) app.again(AGAIN_SECONDS);
            const back = isSame ? placeIn(main) : null,
                top = scrollY;
            last = place;
            dropOld();
            keys = coming;
            main.replaceChildren(node);
            if (isSame) {
                drawAll();
                main.append(foot(app));
                scrollTo(0, top);
                back();
                return;
            }
            if (top) scrollTo(0, 0);
            await inSlices(drawNext, isCurrent);
            if (isCurrent()) main.append(foot(app));
        });
    if (stored('theme')) document.documentElement.dataset.theme = stored('theme');
    let hasKeys = stored('keys') !== 'off';
    const theme = () => {
        stored('theme', (document.documentElement.dataset.theme = dark() ? 'light' : 'dark'));
        app.draw();
    };
    app.meta = await source.get('/meta');
    const find = search(app);
    const help = h(
        'dialog',
        { 'aria-labelledby': 'help-title' },
        h('h2', { id: 'help-title' }, 'Keys'),
        h(
            'dl',
            { class: 'keys' },
            [[`1 … ${pages.length}`, 'pages'], ...HELP].map(([key, text]) =>
                h('div', {}, h('dt', {}, h('kbd', {}, key)), h('dd', {}, text)),
            ),
        ),
        h(
            'p',
            {},
            'A label with a dotted line has a definition: hover over it, tap it or focus it. SQL shows the query of a panel.',
        ),
        h(
            'label',
            { class: 'check' },
            h('input', {
                type: 'checkbox',
                checked: hasKeys,
                onchange: e => {
                    hasKeys = e.target.checked;
                    stored('keys', hasKeys ? 'on' : 'off');
                },
            }),
            ' Keys of one letter or sign do what this list says',
        ),
        h(
            'div',
            { class: 'buttons' },
            h('button', { class: 'plain', type: 'button', onclick: () => help.close() }, 'Close'),
        ),
    );
    const state = h('span', { class: 'tag' }, source.live ? 'server' : 'report');
    document.body.append(
        h(
            'a',
            {
                class: 'skip',
                href: '#main',
                onclick: e => {
                    e.preventDefault();
                    main.focus();
                },
            },
            'Skip to the page',
        ),
        h(
            'div',
            { class: 'shell' },
            h(
                'header',
                { class: 'bar' },
                h(
                    'a',
                    {
                        class: 'brand',
                        href: `#/${pages[0].name}`,
                        'aria-label': 'duckbourse, overview',
                    },
                    mark(),
                    h('span', {}, 'duckbourse'),
                ),
                find.node,
                h('span', { class: 'push' }),
                h(
                    'a',
                    { class: 'fresh', href: '#/quality' },
                    state,
                    app.meta.publication.as_of
                        ? tag(`as of ${day(app.meta.publication.as_of)}`, 'warn')
                        : null,
                    h(
                        'span',
                        { class: 'long' },
                        app.meta.session ? `session ${day(app.meta.session)}` : 'no bars',
                    ),
                ),
                h(
                    'button',
                    {
                        class: 'icon help',
                        type: 'button',
                        'aria-label': 'Keys and help',
                        onclick: () => help.showModal(),
                    },
                    '?',
                ),
                h(
                    'button',
                    {
                        class: 'icon',
                        type: 'button',
                        'aria-label': 'Light or dark',
                        title: 'Light or dark (t)',
                        onclick: theme,
                    },
                    '◐',
                ),
            ),
            h(
                'nav',
                { class: 'nav', 'aria-label': 'Pages' },
                h(
                    'ul',
                    {},
                    pages.map(({ name, title }, i) =>
                        h(
                            'li',
                            {},
                            h(
                                'a',
                                { href: `#/${name}`, 'data-page': name },
                                title,
                                h('kbd', { 'aria-hidden': 'true' }, i + 1),
                            ),
                        ),
                    ),
                ),
            ),
            main,
        ),
        help,
        polite,
    );
    watchTips(app.definitionOf);
    addEventListener('hashchange', app.draw);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', app.draw);
    addEventListener('keydown', e => {
        if (
            !hasKeys ||
            e.ctrlKey ||
            e.metaKey ||
            e.altKey ||
            e.target.closest?.('input, select, textarea') ||
            document.querySelector('dialog[open]')
        )
            return;
        if (e.key === '/') {
            find.input.focus();
            e.preventDefault();
        } else if (e.key === '?') help.showModal();
        else if (e.key === 't') theme();
        else if (pages[e.key - 1]) app.go(`#/${pages[e.key - 1].name}`);
        else if (keys[e.key]) {
            keys[e.key]();
            e.preventDefault();
        }
    });
    const isOfLive = () => pages.some(page => page.name === app.path[0] && page.isLive);
    /* Ask again what is published, and what day it is; return whether either is another. */
    const look = async () => {
        const of = meta => [meta.publication?.build_id, day(meta.answered_at)],
            before = of(app.meta);
        try {
            app.meta = await source.get('/meta');
        } catch (error) {
            app.say(`The server cannot be asked: ${error.message}`);
        }
        const now = of(app.meta);
        if (before[0] !== now[0]) app.say('A newer publication is here.');
        return `${before}` !== `${now}`;
    };
    source.watch(
        async kind => {
            const isOther = kind !== 'live' && (await look());
            if (isOther || isOfLive()) app.draw();
        },
        connected => {
            state.textContent = connected ? '● server' : '○ connecting';
            state.className = `tag ${connected ? 'good' : 'warn'}`;
        },
    );
    if (source.live) {
        const lookAgain = async () => {
            if (!document.hidden && (await look())) app.draw();
        };
        setInterval(lookAgain, 1000 * META_SECONDS);
        document.addEventListener('visibilitychange', lookAgain);
    }
    await app.draw();
    performance.mark('drawn');
}

function mark() {
    return s(
        'svg',
        { width: 22, height: 22, viewBox: '0 0 22 22', 'aria-hidden': 'true' },
        s('rect', {
            x: 2.5,
            y: 9,
            width: 4,
            height: 8,
            fill: 'none',
            stroke: 'var(--up)',
            'stroke-width': 1.6,
        }),
        s('path', {
            d: 'M4.5 5v4M4.5 17v2M11 3v3M11 15v3M17.5 6v4M17.5 16v3',
            stroke: 'var(--ink-2)',
            'stroke-width': 1.4,
        }),
        s('rect', { x: 9, y: 6, width: 4, height: 9, fill: 'var(--down)' }),
        s('rect', {
            x: 15.5,
            y: 10,
            width: 4,
            height: 6,
            fill: 'none',
            stroke: 'var(--up)',
            'stroke-width': 1.6,
        }),
    );
}

function foot({ meta, source }) {
    const p = meta.publication;
    return h(
        'footer',
        { class: 'foot' },
        meta.left_out?.length
            ? h('p', { class: 'whole' }, `Left out of this report: ${meta.left_out.join('; ')}.`)
            : null,
        h('span', {}, 'build ', h('code', {}, p.build_id)),
        h('span', {}, 'revision ', h('code', {}, p.git_revision)),
        h('span', {}, 'data ', h('code', {}, (p.data_version ?? '').slice(0, 12))),
        h('span', {}, `built ${day(p.built_at)} ${clockTime(p.built_at)} UTC`),
        h(
            'span',
            {},
            source.live
                ? 'served'
                : `report of ${day(meta.answered_at)} ${clockTime(meta.answered_at)} UTC`,
        ),
        h(
            'span',
            {},
            'Charts: TradingView Lightweight Charts™, © 2026 TradingView, Inc., ',
            h('a', { href: SITE, rel: 'noopener noreferrer' }, 'tradingview.com'),
        ),
    );
}

function search(app) {
    const list = h('ul', {
        class: 'hits',
        role: 'listbox',
        id: 'hits',
        'aria-label': 'Symbols',
        hidden: true,
    });
    const input = h('input', {
        type: 'search',
        placeholder: 'Symbol or company',
        'aria-label': 'Search for a symbol',
        role: 'combobox',
        'aria-controls': 'hits',
        'aria-expanded': 'false',
        autocomplete: 'off',
    });
    let hits = [],
        at = 0;
    const open = x => {
        input.value = '';
        draw();
        input.blur();
        app.go(`#/symbol/${encodeURIComponent(x.symbol)}`);
    };
    const rank = (x, q) =>
        x.symbol.toLowerCase() === q
            ? 0
            : x.symbol.toLowerCase().startsWith(q)
              ? 1
              : `${x.symbol} ${x.name ?? ''}`.toLowerCase().includes(q)
                ? 2
                : 9;
    function draw() {
        const q = input.value.trim().toLowerCase(),
            isOpen = q || document.activeElement === input;
        hits = isOpen
            ? app.meta.symbols
                  .map(x => ({ ...x, rank: rank(x, q) }))
                  .filter(x => x.rank < 9)
                  .sort((a, b) => a.rank - b.rank)
                  .slice(0, 12)
            : [];
        at = Math.min(at, Math.max(0, hits.length - 1));
        list.hidden = !hits.length;
        input.setAttribute('aria-expanded', String(!list.hidden));
        list.replaceChildren(
            ...hits.map((x, i) =>
                h(
                    'li',
                    {
                        role: 'option',
                        id: `hit-${i}`,
                        'aria-selected': String(i === at),
                        onpointerdown: e => {
                            e.preventDefault();
                            open(x);
                        },
                    },
                    h('b', {}, x.symbol),
                    h('span', {}, x.name ?? ''),
                    x.last_minute_date ? tag('minutes') : null,
                ),
            ),
        );
        if (hits.length) input.setAttribute('aria-activedescendant', `hit-${at}`);
        else input.removeAttribute('aria-activedescendant');
    }
    for (const event of ['input', 'focus'])
        input.addEventListener(event, () => {
            at = 0;
            draw();
        });
    input.addEventListener('blur', () => {
        list.hidden = true;
        input.setAttribute('aria-expanded', 'false');
    });
    input.addEventListener('keydown', e => {
        if (['ArrowDown', 'ArrowUp'].includes(e.key) && hits.length) {
            at = (at + (e.key === 'ArrowDown' ? 1 : hits.length - 1)) % hits.length;
            draw();
            e.preventDefault();
        }
        if (e.key === 'Enter' && hits[at]) open(hits[at]);
        if (e.key === 'Escape') {
            input.value = '';
            input.blur();
        }
        e.stopPropagation();
    });
    return {
        node: h(
            'div',
            { class: 'search', role: 'search' },
            input,
            h('kbd', { 'aria-hidden': 'true' }, '/'),
            list,
        ),
        input,
    };
}
