/*
  Read what the chart of a signal says of prices, where a split came since.

    node adjusted.mjs REPORT ADDRESS TEXT…

  Prints a line for each text that is not drawn, and exits with 1 if there is one.
*/
import { pathToFileURL } from 'node:url';
import { browse } from './browse.mjs';

const [report, hash, ...texts] = process.argv.slice(2);
const { browser, check, end } = await browse();
const page = await browser.newPage();
await page.addInitScript(() => {
    const written = (globalThis.written = new Set()),
        { fillText } = CanvasRenderingContext2D.prototype;
    CanvasRenderingContext2D.prototype.fillText = function (text, ...place) {
        written.add(text);
        return fillText.call(this, text, ...place);
    };
});
await page.goto(`${pathToFileURL(report).href}${hash}`);
await page.waitForSelector('.foot');
for (const text of texts)
    await page
        .waitForFunction(text => globalThis.written.has(text), text)
        .catch(async () => {
            const written = await page.evaluate(() => [...globalThis.written].join(', '));
            check(text, false, `the chart has ${written}`);
        });
await end();
