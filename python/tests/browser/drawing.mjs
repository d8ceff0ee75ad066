/*
  When pages are drawn again, and how long they wait for a server, without a browser.

    node drawing.mjs FOLDER

  FOLDER holds the modules of the pages. The first fault ends it with exit code 1.
*/
import assert from 'node:assert/strict';
import { mock } from 'node:test';
import { pathToFileURL } from 'node:url';

const modules = `${pathToFileURL(process.argv[2])}/`;
const { oneAtATime, hands, inSlices } = await import(`${modules}drawing.js`);
const { ServerSource } = await import(`${modules}source-server.js`);
const { number } = await import(`${modules}format.js`);
const turns = () => new Promise(done => setImmediate(done));

// events come faster than answers: each drawing ends, and what came meanwhile is one more
{
    const drawn = [],
        answers = [];
    const draw = oneAtATime(async (key, isCurrent) => {
        await new Promise(done => answers.push(done));
        if (isCurrent()) drawn.push(key);
    });
    const first = draw('live');
    for (let n = 0; n < 10; n++) draw('live');
    for (const count of [1, 2]) {
        assert.equal(answers.length, count);
        answers[count - 1]();
        await turns();
        assert.deepEqual(drawn, Array(count).fill('live'));
    }
    await first;
    assert.equal(answers.length, 2);
    // another page goes ahead, and the one before draws nothing over it
    draw('live');
    draw('live');
    const other = draw('risk');
    answers[3]();
    await other;
    answers[2]();
    await turns();
    assert.deepEqual(drawn, ['live', 'live', 'risk']);
    assert.equal(answers.length, 4);
}

// nothing is replaced under a finger, nor below an open menu
{
    class Area extends EventTarget {
        fire(type, more = {}) {
            const event = new Event(type);
            Object.defineProperties(event, {
                target: { value: { nodeName: 'BUTTON', ...more } },
                key: { value: more.key },
            });
            this.dispatchEvent(event);
        }
    }
    const area = new Area(),
        free = hands(area, 2 ** 30),
        isFree = async () => {
            const seen = await Promise.race([free().then(() => true), turns().then(() => false)]);
            return seen;
        },
        after = () => new Promise(done => setTimeout(done, 2)),
        SELECT = { nodeName: 'SELECT' };
    assert(await isFree());
    area.fire('pointerdown');
    assert(!(await isFree()));
    area.fire('pointerup');
    await after();
    assert(await isFree());
    // a waiting drawing waits for the second press, too
    area.fire('pointerdown');
    let isDrawn = false;
    free().then(() => (isDrawn = true));
    area.fire('pointerdown');
    await turns();
    assert(!isDrawn);
    area.fire('pointercancel');
    await after();
    assert(isDrawn);
    for (const end of ['change', 'focusout', 'Escape']) {
        area.fire('pointerdown', SELECT);
        area.fire('pointerup', SELECT);
        await after();
        assert(!(await isFree()), end);
        area.fire(end === 'Escape' ? 'keydown' : end, { ...SELECT, key: end });
        await after();
        assert(await isFree(), end);
    }
    // what never ends is let go
    const lost = new Area(),
        soon = hands(lost, 1);
    lost.fire('pointerdown');
    await soon();
    // the others' timers keep this process no longer
    area.fire('pointerup');
}

// a page is drawn step by step, in order: it rests after some work, and before what needs a picture
{
    const frames = [],
        done = [];
    globalThis.requestAnimationFrame = frame => frames.push(frame);
    const paint = async () => {
            frames.splice(0).forEach(frame => frame());
            await new Promise(done => setTimeout(done, 2));
        },
        // a step of 20 ms of work
        busy = n => {
            for (const end = performance.now() + 20; performance.now() < end; );
            done.push(n);
            return true;
        };
    let isCurrent = true;
    const steps = [() => done.push(1), () => done.push(2) && 'paint', () => busy(3), () => busy(4)],
        drawn = inSlices(
            () => steps.shift()?.() ?? false,
            () => isCurrent,
        );
    assert.deepEqual(done, []);
    await paint();
    assert.deepEqual(done, [1, 2]);
    frames.splice(0).forEach(frame => frame());
    for (const count of [3, 4]) {
        while (done.length < count) await turns();
        assert.equal(done.length, count);
    }
    await drawn;
    // nothing is drawn for a page that is left
    const left = inSlices(
        () => done.push('late') && 'paint',
        () => isCurrent,
    );
    await paint();
    isCurrent = false;
    await paint();
    await left;
    assert.deepEqual(done, [1, 2, 3, 4, 'late']);
}

// a number is written as Intl writes it
for (const digits of [0, 1, 2, 4]) {
    const exact = new Intl.NumberFormat('en-US', {
        minimumFractionDigits: digits,
        maximumFractionDigits: digits,
    });
    for (const value of [0, 1.005, 0.5, 2.5, 0.125, 1e-7, 999.995, 1234567.891, 123456789012, 1e20])
        for (const signed of [value, -value]) {
            const written = exact.format(signed).replace(/^-(?=.*[1-9])/, '−');
            assert.equal(number(signed, digits), written.replace('-', ''), `${signed}, ${digits}`);
        }
}

// an answer that the clock changes is asked for again, each time; the others are kept
globalThis.sessionStorage = { getItem: () => 'token', setItem() {} };
{
    const asked = [];
    globalThis.fetch = async address => {
        asked.push(address);
        const kept = address.endsWith('overview') ? 'no-store' : 'private, no-cache';
        return new Response('{}', { headers: { 'cache-control': kept } });
    };
    const source = new ServerSource();
    for (let n = 0; n < 3; n++) for (const address of ['/overview', '/risk']) await source.get(address);
    assert.deepEqual(asked.sort(), [...Array(3).fill('api/pages/overview'), 'api/pages/risk']);
}

// a server that hangs is no server: of a page after its seconds, of the events after their silence
{
    const { timeout } = AbortSignal,
        waited = [];
    AbortSignal.timeout = milliseconds => {
        waited.push(milliseconds);
        return timeout.call(AbortSignal, 1);
    };
    const hung = (_, { signal }) =>
        new Promise((_, no) => signal.addEventListener('abort', () => no(signal.reason)));
    globalThis.fetch = hung;
    const source = new ServerSource();
    // the timer of a signal keeps no process
    const alive = setInterval(() => {}, 1000);
    await assert.rejects(source.get('/live'), /no answer in 10 seconds/);
    await assert.rejects(source.act('/live/halt', {}), /no answer in 60 seconds/);
    clearInterval(alive);
    assert.deepEqual(waited, [10_000, 60_000]);
    mock.timers.enable({ apis: ['setTimeout'] });
    const said = [];
    let isAborted = false;
    globalThis.fetch = async (_, { signal }) => {
        signal.addEventListener('abort', () => (isAborted = true));
        const body = new ReadableStream({
            start(controller) {
                controller.enqueue(new TextEncoder().encode(': still here\n\n'));
                signal.addEventListener('abort', () => controller.error(signal.reason));
            },
        });
        return new Response(body);
    };
    source.watch(() => {}, isThere => said.push(isThere));
    for (let n = 0; n < 10; n++) await turns();
    mock.timers.tick(20_000);
    for (let n = 0; n < 10; n++) await turns();
    assert.deepEqual([said, isAborted], [[true], false]);
    mock.timers.tick(10_000);
    for (let n = 0; n < 10; n++) await turns();
    assert.deepEqual([said, isAborted], [[true, false], true]);
}
process.exit(0);
