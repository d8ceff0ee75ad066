/*
  Look at every page of a report as people do: at three widths, light and dark, with keys.

    node pages.mjs REPORT SCREENSHOTS

  Prints a line for each fault, and exits with 1 if there is one. Pages are those of the report, and
  the definitions of its columns are those that it holds.
*/
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { browse, settled } from './browse.mjs';

const [report, folder] = process.argv.slice(2);
const { check, opened, examine, end } = await browse(pathToFileURL(report).href, folder);
const PAGES = [
    'overview',
    'symbol',
    'symbol/IBM/1d',
    'scanners',
    'backtest',
    'portfolio',
    'risk',
    'quality',
];
// what Lighthouse rounds to nothing
const MOST_SHIFT = 0.0005;
const SIZES = { phone: [390, 844], tablet: [1024, 768], desktop: [1440, 900] };

/* Until the page of the address is there, and its charts have drawn. */
async function go(page, name) {
    await page.evaluate(name => {
        globalThis.shift = 0;
        if (location.hash === `#/${name}`) return;
        document.querySelector('.foot').remove();
        location.hash = `#/${name}`;
    }, name);
    await settled(page);
}

for (const [size, [width, height]] of Object.entries(SIZES)) {
    for (const theme of ['light', 'dark']) {
        const { page, said } = await opened({ width, height }, theme);
        const first = await page.evaluate(
            () =>
                new Promise(done => {
                    globalThis.shift = 0;
                    new PerformanceObserver(list => {
                        for (const { value } of list.getEntries()) globalThis.shift += value;
                    }).observe({ type: 'layout-shift', buffered: true });
                    setTimeout(() => done(globalThis.shift));
                }),
        );
        check(`${size}, ${theme}`, first < MOST_SHIFT, `${first} of the layout moves at first`);
        for (const name of PAGES) {
            const where = `${name}, ${size}, ${theme}`;
            await go(page, name);
            const { shift, wide, drawn, blank, isTitled, undefinedHeads } = await page.evaluate(async () => {
                const inked = canvas => {
                    const small = new OffscreenCanvas(64, 64).getContext('2d');
                    small.drawImage(canvas, 0, 0, 64, 64);
                    const { data } = small.getImageData(0, 0, 64, 64);
                    return data.some((value, place) => value !== data[place % 4]);
                };
                const charts = [...document.querySelectorAll('main .chart')].filter(chart =>
                    chart.querySelector('canvas'),
                );
                // of each pane the canvas above: growth, drawdown and two rolling figures have three
                const above = [...document.querySelectorAll('main .chart.panes td > div')]
                    .map(pane => pane.querySelectorAll('canvas')[1])
                    .filter(canvas => canvas?.width > 200 && inked(canvas));
                const isTitled = !location.hash.startsWith('#/portfolio') || above.length === 3;
                const labels = [...document.querySelectorAll('main th > *, main dt')];
                return {
                    shift: globalThis.shift,
                    wide: document.documentElement.scrollWidth,
                    drawn: document.querySelectorAll('main table, main canvas, main svg').length,
                    blank: charts.filter(
                        chart => ![...chart.querySelectorAll('canvas')].some(inked),
                    ).length,
                    isTitled,
                    undefinedHeads: labels
                        .filter(
                            label =>
                                ![label, ...label.children].some(
                                    node => node.dataset.tip || node.dataset.doc,
                                ),
                        )
                        .map(label => label.textContent),
                };
            });
            check(where, shift < MOST_SHIFT, `${shift} of the layout moves`);
            check(where, wide <= width, `${wide} pixels wide`);
            check(where, drawn > 0, 'nothing is drawn');
            check(where, blank === 0, `${blank} charts are blank`);
            check(where, isTitled, 'a pane has no title above its lines');
            check(where, undefinedHeads.length === 0, `no definition of ${undefinedHeads}`);
            await page.screenshot({
                path: `${folder}/${name.replaceAll('/', '-')}-${size}-${theme}.png`,
                fullPage: true,
            });
            await examine(page, where);
        }
        check(`${size}, ${theme}`, said.length === 0, said.join(' | '));
        await page.context().close();
    }
}

const { page, said } = await opened({ width: 1440, height: 900 }, 'light');
const press = async (...keys) => {
    for (const key of keys) await page.keyboard.press(key);
};
const became = (what, isRight, argument) =>
    page.waitForFunction(isRight, argument).catch(() => check(what, false, page.url()));
await press('/');
await page.keyboard.type('goldman');
await press('Enter');
await became('/ finds a company', () => document.querySelector('main h1')?.textContent.includes('GS'));
await press('3');
await became(
    '3 opens the scanners',
    () =>
        document.querySelector('main h1')?.textContent === 'Scanners' &&
        document.querySelector('main tbody tr'),
);
await page.focus('main tbody .open');
await press('j', 'Enter');
await became(
    'a row opens its signal',
    () =>
        /symbol\/\w+\/5m\?signal=/.test(location.hash) &&
        document.querySelector('main .panel[aria-label=Signal]'),
);
const before = page.url();
await press('ArrowRight');
await became('→ opens the next signal', before => location.href !== before, before);
await press('a');
await became('a hides what followed', () =>
    document.querySelector('main')?.textContent.includes('What followed is hidden'),
);
await press('a', '?');
await became('? opens the help', () => document.querySelector('dialog[open] .keys'));
await press('Escape');
await became('Escape closes the help', () => !document.querySelector('dialog[open]'));
await press('1');
await became('1 opens the overview', () => document.querySelector('main h1')?.textContent === 'Overview');
await page.focus('main .figures .def');
await page.keyboard.press('Shift+Tab');
await page.keyboard.press('Tab');
await became(
    'a definition shows on focus',
    () => document.querySelector('.tip:not([hidden])')?.textContent.length > 20,
);
await page.click('main .panel .act:text-is("SQL")');
check('SQL shows the query', (await page.textContent('main .sql pre:visible')).includes('select'));
const [file] = await Promise.all([
    page.waitForEvent('download'),
    page.click('main .panel .act:text-is("CSV")'),
]);
const saved = readFileSync(await file.path(), 'utf8');
check('CSV saves the table', saved.startsWith('known_ts,symbol,direction,scanner,preset,score,'), saved.slice(0, 200));
const docs = await page.evaluate(async () => {
    const block = document.getElementById('answer:/docs');
    const bytes = Uint8Array.from(atob(block.textContent), letter => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
    return Object.keys(JSON.parse(await new Response(stream).text()).columns);
});
for (const name of PAGES) {
    await go(page, name);
    const wanted = await page.$$eval('main [data-doc]', nodes =>
        nodes.filter(node => !node.dataset.tip).map(node => node.dataset.doc),
    );
    const unknown = [...new Set(wanted)].filter(name => !docs.includes(name));
    check(name, unknown.length === 0, `no published column ${unknown}`);
}
check('keys', said.length === 0, said.join(' | '));
await end();
