/* A browser and axe, with a count of what is wrong: what the tests of the pages have in common. */
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import packed from '@sparticuz/chromium';
import { chromium } from 'playwright-core';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
// of these the first would share a process with the browser, and the others weaken what is tested
const LEFT_OUT = ['--single-process', '--disable-web-security', '--allow-running-insecure-content'];
// of a machine that is busy with other tests
const PATIENCE = 120_000;
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'];

/*
  Return a browser for pages at an address. `check` prints a line for what is not right, `examine`
  for each violation that axe finds, and `end` leaves with 1 if there was one.
*/
export async function browse(address, folder) {
    if (folder) mkdirSync(folder, { recursive: true });
    const browser = await chromium.launch({
        executablePath: await packed.executablePath(),
        args: packed.args.filter(word => !LEFT_OUT.includes(word)),
    });
    let faults = 0;
    const check = (what, isRight, found = '') => {
        if (isRight) return;
        faults += 1;
        console.log(`${what}: ${found}`);
    };
    /* `said` is what its console and its errors say */
    async function opened(viewport, colorScheme, wait = '.foot', more = {}) {
        const context = await browser.newContext({ viewport, colorScheme, ...more });
        const page = await context.newPage();
        page.setDefaultTimeout(PATIENCE);
        const said = [];
        page.on('console', message => {
            if (['error', 'warning'].includes(message.type())) said.push(message.text());
        });
        page.on('pageerror', error => said.push(error.message));
        await page.goto(address);
        await page.waitForSelector(wait);
        return { page, said };
    }
    async function examine(page, where) {
        await page.evaluate(axe);
        const { violations } = await page.evaluate(
            only => globalThis.axe.run(document, { runOnly: { type: 'tag', values: only } }),
            RULES,
        );
        for (const { id, nodes } of violations) {
            const why = nodes[0].failureSummary.replaceAll(/\s+/g, ' ').slice(0, 200);
            check(where, false, `${id}: ${nodes.length} × ${nodes[0].html.slice(0, 160)} ${why}`);
        }
    }
    async function end() {
        await browser.close();
        console.log(`${faults} faults`);
        process.exit(faults ? 1 : 0);
    }
    return { browser, check, opened, examine, end };
}

/* Until the page is there, and its charts have drawn. */
export async function settled(page) {
    await page.waitForSelector('.foot');
    await page.waitForFunction(() =>
        [...document.querySelectorAll('main canvas')].every(canvas => canvas.width > 0),
    );
    await page.evaluate(
        () => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done))),
    );
}
