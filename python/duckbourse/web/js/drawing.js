/* When a page is drawn: one drawing at a time, in slices, and none under a finger. */

/*
  Return draw(key), which does work(key, isCurrent). What is asked for again while it is at work is
  done once more afterward, so that each drawing ends, however long its answers take and however
  often it is asked for. Another key goes ahead at once, and `isCurrent` is false from then on.
*/
export function oneAtATime(work) {
    let current = null;
    return function draw(key) {
        if (current?.key === key) {
            current.isAskedAgain = true;
            return current.done;
        }
        const mine = (current = { key, isAskedAgain: false });
        mine.done = (async () => {
            try {
                await work(key, () => current === mine);
            } finally {
                // one that was overtaken is not wanted again either
                mine.isAskedAgain &&= current === mine;
                if (current === mine) current = null;
            }
            if (mine.isAskedAgain) await draw(key);
        })();
        return mine.done;
    };
}

// a pointer that leaves the window, or a menu that closes unseen, reports nothing
const MOST_HELD_SECONDS = 15;

/*
  Return free(), a promise that no pointer is down in `area` and no menu of it is open. A click is
  that of the element that both its press and its release met, and an open menu ends with its select.
*/
export function hands(area, milliseconds = 1000 * MOST_HELD_SECONDS) {
    let free = Promise.resolve(),
        release = null;
    const hold = () => {
            release?.();
            free = new Promise(done => {
                const timer = setTimeout(done, milliseconds);
                release = () => {
                    clearTimeout(timer);
                    done();
                };
            });
        },
        // after the click that follows
        letGo = () => setTimeout(() => release?.()),
        isSelect = e => e.target?.nodeName === 'SELECT';
    area.addEventListener('pointerdown', hold);
    for (const event of ['pointerup', 'pointercancel'])
        area.addEventListener(event, e => {
            if (!isSelect(e)) letGo();
        });
    area.addEventListener('keydown', e => {
        if (!isSelect(e)) return;
        if ([' ', 'Enter', 'ArrowDown', 'ArrowUp'].includes(e.key)) hold();
        else letGo();
    });
    for (const event of ['change', 'focusout'])
        area.addEventListener(event, e => {
            if (isSelect(e)) letGo();
        });
    return async () => {
        for (let seen; seen !== free; ) {
            seen = free;
            await seen;
        }
    };
}

// a slice of a slow phone then holds up a tap for no longer than people notice
const SLICE_MS = 10;
const rested = () => new Promise(done => setTimeout(done)),
    painted = () =>
        new Promise(done => {
            requestAnimationFrame(() => setTimeout(done));
            setTimeout(done, 200); // a tab that nobody sees paints nothing
        });

/*
  Do one step after the other, until step() returns false, with rests between them, in which the
  browser does what else there is: after some milliseconds of work, and a picture if one returns
  'paint'. Stop when `isCurrent` is false.
*/
export async function inSlices(step, isCurrent) {
    await painted();
    for (let began = performance.now(); isCurrent(); ) {
        const more = step();
        if (!more) return;
        if (more === 'paint') await painted();
        else if (performance.now() - began < SLICE_MS) continue;
        else await rested();
        began = performance.now();
    }
}
