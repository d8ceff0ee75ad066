/*
  Measure how a report opens in a browser on a slow machine: the CPU takes four times as long.

    node paint.mjs REPORT

  Prints a table of its pages, each opened cold three times, with the medians: first and largest
  contentful paint, the time until all is drawn, total blocking time (of each long task what is
  above 50 ms) and the shift of the layout. The score weighs these as Lighthouse 12 does for phones,
  without its speed index: a log-normal curve through its tenth percentile and its median.
*/
import { pathToFileURL } from 'node:url';
import { browse } from '../tests/browser/browse.mjs';

const SLOWER = 4,
    TIMES = 3;
const PAGES = ['overview', 'symbol', 'scanners', 'backtest', 'portfolio', 'risk', 'quality'];
// weight, and the values that score 0.9 and 0.5
const SCORED = {
    fcp: [10, 1800, 3000],
    lcp: [25, 2500, 4000],
    tbt: [30, 200, 600],
    cls: [25, 0.1, 0.25],
};
const address = pathToFileURL(process.argv[2]).href;
const { browser, end } = await browse(address);

function watch() {
    globalThis.seen = { lcp: 0, tbt: 0, cls: 0 };
    const follow = (type, add) =>
        new PerformanceObserver(list => list.getEntries().forEach(add)).observe({
            type,
            buffered: true,
        });
    follow('largest-contentful-paint', entry => (globalThis.seen.lcp = entry.startTime));
    follow('longtask', entry => (globalThis.seen.tbt += Math.max(0, entry.duration - 50)));
    follow('mark', entry => console.log(entry.name));
    follow('layout-shift', entry => {
        if (!entry.hadRecentInput) globalThis.seen.cls += entry.value;
    });
}
async function opened(name) {
    const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
    const page = await context.newPage();
    await page.addInitScript(watch);
    const devtools = await context.newCDPSession(page);
    await devtools.send('Emulation.setCPUThrottlingRate', { rate: SLOWER });
    // the page says itself when it is drawn: who asks it from outside holds it up
    const drawn = page.waitForEvent('console', message => message.text() === 'drawn');
    await page.goto(`${address}#/${name}`, { waitUntil: 'commit' });
    await drawn;
    await page.waitForTimeout(1000);
    const found = await page.evaluate(() => ({
        fcp: performance.getEntriesByName('first-contentful-paint')[0].startTime,
        drawn: performance.getEntriesByName('drawn')[0].startTime,
        ...globalThis.seen,
    }));
    await context.close();
    return found;
}
/* the part of a normal distribution above z; Abramowitz and Stegun 7.1.26 */
function above(z) {
    const x = Math.abs(z) / Math.SQRT2,
        t = 1 / (1 + 0.3275911 * x);
    const tail =
        t *
        (0.254829592 +
            t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429)))) *
        Math.exp(-x * x);
    return z > 0 ? tail / 2 : 1 - tail / 2;
}
const score = found =>
    Object.entries(SCORED).reduce((sum, [name, [weight, good, median]]) => {
        const spread = Math.log(median / good) / 1.2815515655;
        return sum + weight * above(Math.log(Math.max(found[name], 1e-9) / median) / spread);
    }, 0) / Object.values(SCORED).reduce((sum, [weight]) => sum + weight, 0);
const median = values => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];

console.log('| page | first paint ms | largest ms | drawn ms | blocked ms | shift | score |');
console.log('| --- | --- | --- | --- | --- | --- | --- |');
for (const name of PAGES) {
    const runs = [];
    for (let i = 0; i < TIMES; i++) runs.push(await opened(name));
    const of = Object.fromEntries(
        Object.keys(runs[0]).map(key => [key, median(runs.map(run => run[key]))]),
    );
    const whole = ['fcp', 'lcp', 'drawn', 'tbt'].map(key => Math.round(of[key]).toLocaleString('en'));
    console.log(
        `| ${name} | ${whole.join(' | ')} | ${of.cls.toFixed(3)} | ${Math.round(100 * score(of))} |`,
    );
}
await end();
