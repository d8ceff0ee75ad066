/*
  The answers of a server. It is asked with a token, which the user types once; the browser keeps it
  for the tab's life, sends it in a header, and never writes it into an address.
*/
import { h } from './dom.js';
import { Source, NotHere, OnlyReads } from './source.js';

const KEPT = 'bourse-token';
const PAUSES = [1000, 2000, 5000, 15000];
// a server that hangs, or a connection that is gone, gives no error by itself. A page may wait for
// its turn and then for its query, a command for its loop; the stream has a heartbeat in 15 seconds
const PAGE_SECONDS = 30,
    LIVE_SECONDS = 10,
    COMMAND_SECONDS = 60,
    SILENT_SECONDS = 25;

export class ServerSource extends Source {
    live = true;
    #asking = null;
    has() {
        return true;
    }
    async ask(address) {
        const answer = await this.#fetch(`api/pages${address}`, {
            seconds: address === '/live' ? LIVE_SECONDS : PAGE_SECONDS,
            headers: {
                accept: 'application/json',
                ...(address === '/live' && this.account
                    ? { 'x-bourse-account': this.account }
                    : {}),
            },
        });
        // the server says so of what changes by the clock
        if (/no-store/.test(answer.headers.get('cache-control'))) this.drop(address);
        return answer.json();
    }
    /* `token` is for this command only, and is not kept */
    async act(address, body, token) {
        const answer = await this.#fetch(`api${address}`, {
            method: 'POST',
            seconds: COMMAND_SECONDS,
            body: JSON.stringify(body),
            headers: {
                'content-type': 'application/json',
                accept: 'application/json',
                'x-bourse': '1',
                ...(token ? { authorization: `Bearer ${token}` } : {}),
            },
        });
        return answer.json();
    }
    /* Server-sent events by fetch, since EventSource sends no header; it connects again by itself. */
    async watch(changed, said = () => {}) {
        for (let failures = 0, isFirst = true; ;) {
            const silence = new AbortController();
            let timer;
            const goesOn = () => {
                clearTimeout(timer);
                timer = setTimeout(() => silence.abort(), 1000 * SILENT_SECONDS);
            };
            try {
                goesOn();
                const answer = await this.#fetch('api/events', {
                    signal: silence.signal,
                    headers: { accept: 'text/event-stream' },
                });
                const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
                said(true);
                // what happened meanwhile is not known
                if (!isFirst) this.#report('again', null, changed);
                isFirst = false;
                let text = '';
                for (let part = await reader.read(); !part.done; part = await reader.read()) {
                    failures = 0;
                    goesOn();
                    text += part.value.replaceAll('\r\n', '\n');
                    const events = text.split('\n\n');
                    text = events.pop();
                    for (const event of events) this.#receive(event, changed);
                }
            } catch (error) {
                if (error instanceof NotHere) return;
            } finally {
                clearTimeout(timer);
            }
            said(false);
            const pause = PAUSES[Math.min(failures++, PAUSES.length - 1)];
            await new Promise(done => setTimeout(done, pause));
        }
    }
    #receive(event, changed) {
        const fields = { event: 'message', data: '' };
        for (const line of event.split('\n')) {
            const [, name, value] = /^(event|data): ?(.*)$/.exec(line) ?? [];
            if (name === 'data') fields.data += value;
            else if (name) fields.event = value;
        }
        if (!['publication', 'live'].includes(fields.event)) return;
        this.#report(fields.event, fields.data ? JSON.parse(fields.data) : null, changed);
    }
    #report(kind, data, changed) {
        this.forget(kind === 'live' ? '/live' : '/');
        changed(kind, data);
    }
    async #fetch(address, { seconds, ...options }) {
        for (;;) {
            const token = sessionStorage.getItem(KEPT);
            const headers = {
                ...(token ? { authorization: `Bearer ${token}` } : {}),
                ...options.headers,
            };
            const answer = await fetch(address, {
                ...(seconds ? { signal: AbortSignal.timeout(1000 * seconds) } : {}),
                ...options,
                headers,
                cache: 'no-cache',
            }).catch(error => {
                if (error.name !== 'TimeoutError') throw error;
                throw new Error(`the server has given no answer in ${seconds} seconds.`);
            });
            if (answer.ok) return answer;
            if (answer.status === 401 && !options.headers.authorization) {
                await this.#askToken(token);
                continue;
            }
            const problem = await answer.json().catch(() => ({}));
            const text = [
                problem.detail ?? problem.title ?? `${answer.status} ${answer.statusText}`,
                problem.remedy,
            ]
                .filter(Boolean)
                .join(': ');
            if (answer.status === 401) throw new OnlyReads('That token was refused.');
            if (/insufficient_scope/.test(answer.headers.get('www-authenticate')))
                throw new OnlyReads(text);
            throw answer.status === 404 ? new NotHere(text) : new Error(text);
        }
    }
    #askToken(refused) {
        if (sessionStorage.getItem(KEPT) !== refused) return Promise.resolve();
        this.#asking ??= new Promise(done => {
            const field = h('input', {
                type: 'password',
                class: 'field',
                autocomplete: 'off',
                'aria-label': 'Token',
                autofocus: true,
            });
            const dialog = h(
                'dialog',
                { 'aria-labelledby': 'token-title', oncancel: e => e.preventDefault() },
                h(
                    'form',
                    {
                        method: 'dialog',
                        onsubmit: e => {
                            e.preventDefault();
                            if (!field.value.trim()) return;
                            sessionStorage.setItem(KEPT, field.value.trim());
                            dialog.close();
                            dialog.remove();
                            this.#asking = null;
                            done();
                        },
                    },
                    h('h2', { id: 'token-title' }, refused ? 'That token was refused' : 'Token'),
                    h(
                        'p',
                        {},
                        'The start message of ',
                        h('code', {}, './bourse serve'),
                        ' says where the token is. This tab keeps it until it is closed.',
                    ),
                    field,
                    h(
                        'div',
                        { class: 'buttons' },
                        h('button', { class: 'plain', type: 'submit' }, 'Open'),
                    ),
                ),
            );
            document.body.append(dialog);
            dialog.showModal();
        });
        return this.#asking;
    }
}
