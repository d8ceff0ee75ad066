/*
  Look at the pages of a server, and trade with them as people do.

    READ=… COMMAND=… node live.mjs ADDRESS SCREENSHOTS

  It asks the test for what a loop would do, with a line `> word`, and reads a line when it is done.
  Prints a line for each fault, and exits with 1 if there is one.
*/
import { createInterface } from 'node:readline';
import { browse, settled } from './browse.mjs';

const [address, folder] = process.argv.slice(2);
const { READ, COMMAND } = process.env;
const { check, opened, examine, end } = await browse(address, folder);
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
async function ask(what) {
    console.log(`> ${what}`);
    return (await lines.next()).value;
}
const WIDE = { width: 1440, height: 900 },
    PHONE = { width: 390, height: 844 };
const picture = (page, name) =>
    page.screenshot({ path: `${folder}/${name}.png`, fullPage: true });
async function became(page, what, isRight, argument) {
    await page
        .waitForFunction(isRight, argument)
        .catch(async () =>
            check(what, false, (await page.textContent('main')).slice(0, 200)),
        );
}
const shows = (page, text) =>
    became(
        page,
        `shows ${text}`,
        text => document.querySelector('main')?.textContent.includes(text),
        text,
    );
async function give(page, token) {
    await page.fill('dialog[open] input[type=password]', token);
    await page.keyboard.press('Enter');
}
async function go(page, name) {
    await page.evaluate(name => {
        document.querySelector('.foot')?.remove();
        location.hash = `#/${name}`;
    }, name);
    await settled(page);
}

// a token is asked for, again if it is refused, and stays in the tab
const { page, said } = await opened(WIDE, 'light', 'dialog[open]');
await examine(page, 'token');
await picture(page, 'token');
await give(page, 'wrong');
await page.waitForSelector('dialog[open] h2:text("refused")');
await give(page, READ);
await settled(page);
// a column that Live defines is one that the publication describes
const { columns } = await page.evaluate(async token => {
    const headers = { authorization: `Bearer ${token}` };
    return (await fetch('api/pages/docs', { headers })).json();
}, READ);
for (const name of ['overview', 'symbol/AAPL', 'scanners', 'backtest', 'portfolio', 'risk', 'quality']) {
    await go(page, name);
    await examine(page, `${name}, served`);
    await picture(page, name.replaceAll('/', '-'));
}
// a signal of another week, by its address, and one that is nowhere
const signal = JSON.parse(await ask('old signal'));
await go(page, `symbol/${signal.symbol}/5m?signal=${signal.id}&session=${signal.session}`);
const shown = await page.textContent('main .panel[aria-label=Signal]');
check('an old signal', shown.includes(signal.known) && shown.includes(' of '), shown);
await go(page, 'symbol/AAPL/5m?signal=nowhere');
await shows(page, 'is not in this publication');
await go(page, 'symbol/%E0');
await shows(page, 'symbol');
check('an address that is not encoded', (await page.locator('main .foot').count()) === 1);

// what a loop of play money does is seen without a reload
await go(page, 'live');
await page.selectOption('main .tools select', 'paper_us');
await shows(page, 'PAPER');
check('the title', (await page.title()).startsWith('PAPER'), await page.title());
await examine(page, 'live');
const wanted = await page.$$eval('main [data-doc]', nodes => nodes.map(node => node.dataset.doc));
const unknown = wanted.filter(name => !columns[name]);
check('live', wanted.length > 5 && !unknown.length, `no published column ${unknown}`);
await picture(page, 'live');
await ask('price 104.25');
await shows(page, '104.25');

// a click that begins before a drawing and ends after the next answer still clicks
await page.hover('main button:text("Halt")');
await page.mouse.down();
const newer = page.waitForResponse(answer => answer.url().endsWith('/api/pages/live'));
await ask('price 104.5');
await (await newer).finished();
await page.evaluate(() => new Promise(requestAnimationFrame));
await page.mouse.up();
await page.waitForSelector('dialog[open]');
await page.keyboard.press('Escape');
await shows(page, '104.5');

// a panel says which call answers it, also after it was drawn again
await page.click('main .panel[aria-label=Orders] .act:text-is("API")');
await ask('price 104.75');
await shows(page, '104.75');
const call = await page.textContent('main .panel[aria-label=Orders] .sql pre:visible');
check('the call of a panel', call.includes('/api/v1/live/orders'), call);
await page.click('main .panel[aria-label=Orders] .act:text-is("API")');
const calls = await page.locator('main .panel .act:text-is("API")').count();
check('the calls of the panels', calls === (await page.locator('main .panel').count()), calls);
const used = await page.textContent('main .panel[aria-label="Use of limits"]');
check('the use of limits', used.includes('Margin') && used.includes('Largest symbol: A'), used);

// it hangs, and goes on
await ask('hang');
await shows(page, 'No word from the loop');
await examine(page, 'live, silent');
await picture(page, 'live-silent');
await ask('go on');
await became(
    page,
    'the loop is back',
    () =>
        !document.querySelector('main .callout') &&
        /Last write of the loop\s*[0-4]\.\d s ago/.test(document.querySelector('main').textContent) &&
        document.querySelector('main .tools').textContent.includes('● running'),
);

// one position is closed: of one strategy, with the account's name typed and the second token
const closes = page.locator('main button:text-is("Close")');
check('a row for each strategy', (await closes.count()) === 2, await page.textContent('main'));
await page.click('main button[aria-label="Close A of crp.standard"]');
const send = page.locator('dialog[open] button.danger');
await page.fill('dialog[open] input[type=text]', 'paper_U');
check('a wrong name sends nothing', await send.isDisabled());
await page.fill('dialog[open] input[type=text]', 'paper_us');
await examine(page, 'confirmation');
await picture(page, 'live-close');
await page.keyboard.press('Enter');
await page.waitForSelector('dialog[open] label:not([hidden]) input[type=password]');
check('nothing was sent', (await ask('sent')) === '[]');
await give(page, READ);
// the field is emptied with the refusal, which reads like the one before
await page.waitForFunction(
    () => document.querySelector('dialog[open] input[type=password]').value === '',
);
await page.waitForSelector('dialog[open] [role=alert]:text("only reads")');
await give(page, COMMAND);
await page.waitForSelector('dialog[open]', { state: 'detached' });
let sent = await ask('sent');
check('the row is closed', sent === '[["order","A","crp.standard"]]', sent);
// the token of commands was for that one
await page.click('main button:text("Halt")');
await page.fill('dialog[open] input[type=text]', 'paper_us');
await page.keyboard.press('Enter');
await page.waitForSelector('dialog[open] label:not([hidden]) input[type=password]');
await give(page, COMMAND);
await page.waitForSelector('dialog[open]', { state: 'detached' });
sent = await ask('sent');
check('the loop is halted', sent.endsWith('["halt",null,null]]'), sent);
const kept = await page.evaluate(() => JSON.stringify({ ...sessionStorage }));
check('the token of commands is not kept', !kept.includes('command-'), kept);

// real money is another color and other words, on the page and in the dialog
await page.selectOption('main .tools select', 'kite_one');
await shows(page, 'REAL MONEY');
await became(page, 'a title of real money', () => document.title.startsWith('REAL MONEY'));
check('a frame', (await page.locator('main .session.real').count()) === 1);
await page.click('main button:text("Square off")');
check(
    'a dialog of real money',
    (await page.textContent('dialog.real[open] h2')).includes('REAL MONEY on kite_one'),
);
await examine(page, 'live, real money');
await picture(page, 'live-real');
await page.keyboard.press('Escape');
await page.selectOption('main .tools select', 'paper_us');
await shows(page, 'PAPER');

// a phone in the dark, and a definition by a tap, which stays under the finger until another
await page.context().close();
const small = await opened(PHONE, 'dark', 'dialog[open]', { hasTouch: true, isMobile: true });
await give(small.page, COMMAND);
await settled(small.page);
await go(small.page, 'live');
await small.page.selectOption('main .tools select', 'paper_us');
await shows(small.page, 'PAPER');
await examine(small.page, 'live, phone, dark');
await picture(small.page, 'live-phone-dark');
const wide = await small.page.evaluate(() => document.documentElement.scrollWidth);
check('live, phone', wide <= 390, `${wide} pixels wide`);
await small.page.tap('main .figures .def');
await small.page.waitForSelector('.tip:not([hidden])');
await small.page.tap('main h1');
await small.page.waitForSelector('.tip', { state: 'hidden' });
// the server's refusals are meant
const errors = [...said, ...small.said].filter(text => !/responded with a status of 40[134]/.test(text));
check('console', !errors.length, errors.join(' | '));
await end();
