/* Build nodes, never markup: no text of ours or anybody's is parsed as HTML. */
import { missing } from './format.js';

function fill(node, attributes, children) {
    for (const [name, value] of Object.entries(attributes ?? {})) {
        if (value === null || value === undefined || value === false) continue;
        if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
        else if (name === 'style')
            for (const [k, v] of Object.entries(value)) node.style.setProperty(k, v);
        else node.setAttribute(name, value === true ? '' : value);
    }
    node.append(...nodesOf(children));
    return node;
}
/*
  A child that is a function makes its nodes later, in a task of its own, when the page is there: its
  siblings after it are functions too, so that none of them moves.
*/
const later = [];
const nodesOf = children =>
    [children].flat(Infinity).flatMap(child => {
        if (child === null || child === undefined || child === false) return [];
        if (typeof child !== 'function') return [child];
        const hole = document.createComment('');
        later.push({ hole, make: child });
        return [hole];
    });
/* Make what comes next on the page; return false if nothing is left. */
export function fillNext() {
    const { hole, make } = later.shift() ?? {};
    if (!hole) return false;
    if (!hole.isConnected) return true; // of a page that never came, or is gone
    const rest = later.splice(0);
    hole.replaceWith(...nodesOf(make()));
    later.push(...rest);
    return true;
}
export const h = (name, attributes, ...children) =>
    fill(document.createElement(name), attributes, children);
export const s = (name, attributes, ...children) =>
    fill(document.createElementNS('http://www.w3.org/2000/svg', name), attributes, children);
/* A color of app.css, read once in a drawing: charts ask for each bar. */
const tokens = new Map();
export function token(name) {
    if (!tokens.has(name)) {
        const style = getComputedStyle(document.documentElement);
        tokens.set(name, style.getPropertyValue(`--${name}`).trim());
    }
    return tokens.get(name);
}
export const forgetTokens = () => tokens.clear();
export const tag = (text, kind = '') => h('span', { class: `tag ${kind}` }, text);
/* A number in the color of its sign, which also stands before it. */
export const toned = (value, text) =>
    h(
        'span',
        { class: value > 0 ? 'up' : value < 0 ? 'down' : '' },
        value > 0 ? '▲ ' : value < 0 ? '▼ ' : '',
        text,
    );
export const side = direction =>
    direction
        ? h(
              'span',
              { class: `tag ${direction === 'long' ? 'up' : 'down'}` },
              direction === 'long' ? '▲ long' : '▼ short',
          )
        : '–';
export const callout = (strong, text, kind = '') =>
    h(
        'div',
        { class: `callout ${kind}`, role: kind ? null : 'status' },
        h('b', { 'aria-hidden': 'true' }, kind ? 'i' : '⚠'),
        h('span', {}, h('b', {}, strong, ' '), text),
    );

const button = (text, attributes) =>
    h('button', { class: 'act', type: 'button', ...attributes }, text);
export const toggle = (text, pressed, onclick, title) =>
    button(text, { 'aria-pressed': String(pressed), onclick, title });

async function copied(text, node) {
    try {
        await navigator.clipboard.writeText(text);
    } catch {
        getSelection().selectAllChildren(node);
        document.execCommand('copy');
    }
}
function download(name, text) {
    const address = URL.createObjectURL(new Blob([text], { type: 'text/csv' }));
    const link = h('a', { href: address, download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
const fileName = title =>
    `${title
        .toLowerCase()
        .replace(/[^a-z0-9]+/g, '-')
        .replace(/^-|-$/g, '')}.csv`;
/* Text that a spreadsheet would take for a formula has an apostrophe before it; numbers stay. */
export function csvField(value) {
    if (missing(value)) return '';
    const text = String(value),
        isFormula = /^[=+\-@\t\r]/.test(text) && !(text.trim() !== '' && Number.isFinite(Number(text)));
    const safe = isFormula ? `'${text}` : text;
    return /[",\n\r]/.test(safe) || safe === '' ? `"${safe.replaceAll('"', '""')}"` : safe;
}

// the panels whose source is shown: a page that is drawn again shows it again
const open = new Set();
/*
  A panel: a title, its body, what it says in a sentence, and on request its SQL and a CSV file.
  `api` is the call that answers a panel which no query does.
*/
export function panel({ title, note, width = '', sql, api, say, body, flush = false, acts = [] }) {
    const text = api ?? [sql ?? []].flat().filter(Boolean).join('\n\n');
    const kind = api ? 'API' : 'SQL',
        what = api ? 'call' : 'query';
    let code = null,
        show = null;
    if (text) {
        const query = h(
            'pre',
            { tabindex: 0, role: 'region', 'aria-label': `${kind} of ${title}` },
            text,
        );
        const copy = button('Copy', {
            class: 'act copy',
            onclick: async () => {
                await copied(text, query);
                copy.textContent = 'Copied';
                setTimeout(() => {
                    copy.textContent = 'Copy';
                }, 2000);
            },
        });
        code = h(
            'div',
            { class: 'sql', hidden: !open.has(title) },
            api
                ? h('p', {}, 'The call that answers this panel', copy)
                : h('p', {}, 'The query of this panel, for ', h('code', {}, './bourse sql'), copy),
            query,
        );
        show = button(kind, {
            'aria-expanded': String(open.has(title)),
            title: `The ${what} of this panel`,
            onclick: e => {
                code.hidden = !code.hidden;
                open[code.hidden ? 'delete' : 'add'](title);
                e.currentTarget.setAttribute('aria-expanded', String(!code.hidden));
            },
        });
    }
    const inside = h('div', { class: flush ? 'body flush' : 'body' }, body);
    const tables = [...inside.querySelectorAll('.scroll')].filter(
        node => node.csv && !node.closest('[hidden]'),
    );
    const files = tables.map(node =>
        button('CSV', {
            title: `Save ${node.getAttribute('aria-label')} as CSV`,
            'aria-label': `CSV of ${node.getAttribute('aria-label')}`,
            onclick: () => download(fileName(node.getAttribute('aria-label')), node.csv()),
        }),
    );
    return h(
        'section',
        { class: `panel ${width}`, 'aria-label': title },
        h(
            'header',
            {},
            h('h2', {}, title),
            note ? h('span', { class: 'note' }, note) : null,
            h('div', { class: 'acts' }, acts, files, show),
        ),
        code,
        inside,
        say ? h('p', { class: 'say' }, say) : null,
    );
}

/* A name that breaks at its points and underscores, where it must. */
export const broken = name =>
    name.split(/(?<=[._])/).flatMap((part, i) => (i ? [h('wbr'), part] : [part]));

/* Figures with their definitions: {label, value, small, href, doc, tip}. */
export const figures = (items, columns = items.length) =>
    h(
        'dl',
        { class: 'figures', style: { '--cols': columns } },
        items
            .filter(Boolean)
            .map(({ label, value, small, href, doc, tip }) =>
                h(
                    'div',
                    {},
                    h('dt', {}, defined(label, doc, tip)),
                    h(
                        'dd',
                        {},
                        href ? h('a', { href }, value) : value,
                        small ? [' ', h('small', {}, small)] : null,
                    ),
                ),
            ),
    );
/* A label whose definition shows on hover and on focus. */
export const defined = (text, doc, tip) =>
    doc || tip
        ? h('span', { class: 'def', tabindex: 0, 'data-doc': doc, 'data-tip': tip ?? '' }, text)
        : text;
export const pairs = rows =>
    h(
        'dl',
        { class: 'kv' },
        rows.map(([label, value, doc, tip]) =>
            h('div', {}, h('dt', {}, defined(label, doc, tip)), h('dd', {}, value)),
        ),
    );

export function segments(label, options, chosen, choose) {
    return h(
        'div',
        { class: 'seg', role: 'group', 'aria-label': label },
        options.map(([value, text, off]) =>
            h(
                'button',
                {
                    type: 'button',
                    'aria-pressed': String(value === chosen),
                    disabled: off,
                    onclick: () => choose(value),
                },
                text ?? value,
            ),
        ),
    );
}
export function choice(label, options, chosen, choose) {
    return h(
        'label',
        {},
        h('span', { class: 'sr' }, label),
        h(
            'select',
            { onchange: e => choose(e.target.value), title: label },
            options.map(([value, text]) =>
                h('option', { value, selected: value === chosen }, text ?? value),
            ),
        ),
    );
}

/* the order that somebody gave a table, by its page and name: it outlives a new drawing */
const sorts = new Map();
/*
  A table. columns: {key, title, num, show(row), by(row), doc, tip, also, plain}. What a cell shows
  besides its key is `also`, by name: a CSV file has it too. One that is `plain` does not sort, and
  its key is not saved. `of` names the relation of the
  columns, whose descriptions are their definitions. A click on a title sorts, a row opens, and so
  does the button in its first cell, or in that of the column that `opens`; from there arrows or
  j and k move to other rows.
*/
export function table({ label, columns, rows, of, sort, onopen, tall, isOn, limit }) {
    if (!rows.length) return h('p', { class: 'empty' }, 'None.');
    const place = `${location.hash} ${label}`;
    let [by, down] = sorts.get(place) ?? sort ?? [null, false];
    const body = h('tbody'),
        opener = columns.find(c => c.opens) ?? columns[0];
    const order = column => {
        down = by === column.key ? !down : !!column.num;
        by = column.key;
        sorts.set(place, [by, down]);
        draw();
    };
    const heads = columns.map(c => {
        const doc = c.doc ?? (of && !c.tip ? `${of}.${c.key}` : null),
            tip = { 'data-doc': doc, 'data-tip': c.tip ?? '' };
        return h(
            'th',
            { class: c.num ? 'num' : null, scope: 'col' },
            c.plain
                ? h('span', { ...tip, tabindex: doc || c.tip ? 0 : null }, c.title)
                : h('button', { type: 'button', ...tip, onclick: () => order(c) }, c.title),
        );
    });
    function ordered() {
        const column = columns.find(c => c.key === by);
        return !column
            ? rows
            : [...rows].sort((a, b) => {
                  const [x, y] = [valueOf(column, a), valueOf(column, b)];
                  if (x === y) return 0;
                  if (missing(x)) return 1;
                  if (missing(y)) return -1;
                  return (x < y ? -1 : 1) * (down ? -1 : 1);
              });
    }
    function draw() {
        heads.forEach((th, i) =>
            columns[i].key === by
                ? th.setAttribute('aria-sort', down ? 'descending' : 'ascending')
                : th.removeAttribute('aria-sort'),
        );
        body.replaceChildren(
            ...ordered()
                .slice(0, limit)
                .map(row =>
                    h(
                        'tr',
                        onopen
                            ? { class: isOn?.(row) ? 'opens on' : 'opens', onclick: () => onopen(row) }
                            : {},
                        columns.map(c => {
                            const shown = c.show ? c.show(row) : (row[c.key] ?? '–');
                            return h(
                                'td',
                                { class: `${c.num ? 'num' : ''} ${c.class ?? ''}`.trim() || null },
                                // its click is the row's
                                onopen && c === opener
                                    ? h('button', { type: 'button', class: 'open' }, shown)
                                    : shown,
                            );
                        }),
                    ),
                ),
        );
    }
    draw();
    body.addEventListener('keydown', e => {
        const step = {
            ArrowDown: 'nextElementSibling',
            j: 'nextElementSibling',
            ArrowUp: 'previousElementSibling',
            k: 'previousElementSibling',
        }[e.key];
        const next = step && e.target.closest('tr')?.[step]?.querySelector('.open');
        if (next) {
            next.focus();
            e.preventDefault();
            e.stopPropagation();
        }
    });
    const node = h(
        'div',
        {
            class: 'scroll',
            tabindex: 0,
            role: 'region',
            'aria-label': label,
            style: tall ? { '--tall': tall } : {},
        },
        h(
            'table',
            {},
            h('caption', { class: 'sr' }, label),
            h('thead', {}, h('tr', {}, heads)),
            body,
        ),
    );
    node.csv = () => csvOf(columns, ordered());
    return node;
}
const valueOf = (column, row) => (column.by ? column.by(row) : row[column.key]);
/* The lines of a CSV file: every value that the cells of these columns show, unrounded. */
export function csvOf(columns, rows) {
    const saved = new Map();
    for (const c of columns)
        for (const [key, value] of [
            ...(c.plain ? [] : [[c.key, row => valueOf(c, row)]]),
            ...(c.also ?? []).map(key => [key, row => (row.r ?? row)[key]]),
        ])
            if (!saved.has(key)) saved.set(key, value);
    return [[...saved.keys()], ...rows.map(row => [...saved.values()].map(value => value(row)))]
        .map(line => line.map(csvField).join(',') + '\r\n')
        .join('');
}

/*
  One tooltip for every definition and mark: with the mouse, the keyboard and a finger. That of a
  text stays below it, so that a pointer can be moved onto it and a magnifier over it (WCAG 1.4.13);
  that of a mark in a drawing follows the pointer. Escape, and a tap elsewhere, close it.
*/
const LEAVING_MS = 250;
export function watchTips(definitionOf) {
    const tip = h('div', { class: 'tip', hidden: true, role: 'tooltip', id: 'tip' });
    document.body.append(tip);
    let shown = null,
        leaving = 0;
    const hide = () => {
        clearTimeout(leaving);
        leaving = 0;
        shown?.removeAttribute('aria-describedby');
        shown = null;
        tip.hidden = true;
    };
    const markOf = e => e.target.closest?.('[data-tip]');
    const isDrawing = mark => mark instanceof SVGElement || !!mark.tipAt;
    async function show(mark, text, x, y) {
        clearTimeout(leaving);
        leaving = 0;
        if (shown !== mark) {
            hide();
            shown = mark;
            mark.setAttribute('aria-describedby', 'tip');
        }
        const doc = mark.getAttribute('data-doc');
        const lines = [text, doc ? await definitionOf(doc) : ''].filter(Boolean).join('\n');
        if (shown !== mark) return;
        tip.classList.toggle('follows', isDrawing(mark));
        tip.textContent = lines;
        tip.hidden = !lines;
        const box = tip.getBoundingClientRect();
        // below what it is about, or above where there is no place
        const [below, above] = isDrawing(mark)
            ? [y + 16, y - box.height - 10]
            : [y, mark.getBoundingClientRect().top - box.height];
        tip.style.left = `${Math.max(4, Math.min(x, innerWidth - box.width - 4))}px`;
        tip.style.top = `${below + box.height > innerHeight ? Math.max(4, above) : below}px`;
    }
    const showAtText = mark => {
        const b = mark.getBoundingClientRect();
        return show(mark, mark.getAttribute('data-tip'), b.left, b.bottom);
    };
    document.addEventListener('pointermove', e => {
        if (e.pointerType === 'touch') return;
        const mark = markOf(e);
        if (mark && isDrawing(mark))
            show(
                mark,
                mark.tipAt ? mark.tipAt(e) : mark.getAttribute('data-tip'),
                e.clientX + 12,
                e.clientY,
            );
        else if (mark && mark !== shown) showAtText(mark);
        else if (mark || tip.contains(e.target)) {
            clearTimeout(leaving);
            leaving = 0;
        } else if (shown && tip.classList.contains('follows')) hide();
        else if (shown) leaving ||= setTimeout(hide, LEAVING_MS);
    });
    // a tap, which moves nothing
    document.addEventListener('click', e => {
        const mark = markOf(e);
        if (e.pointerType !== 'mouse' && e.detail && mark) {
            if (mark.tipAt) show(mark, mark.tipAt(e), e.clientX + 12, e.clientY);
            else showAtText(mark);
        } else if (e.pointerType !== 'mouse' && shown && !tip.contains(e.target)) hide();
    });
    document.addEventListener('focusin', e => {
        const mark = markOf(e);
        if (mark?.matches(':focus-visible')) showAtText(mark);
    });
    document.addEventListener('focusout', hide);
    document.addEventListener('keydown', e => {
        if (e.key === 'Escape') hide();
    });
    document.addEventListener('scroll', () => shown && !isDrawing(shown) && showAtText(shown), true);
}
