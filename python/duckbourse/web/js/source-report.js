/* The answers that a report holds, packed in blocks of the page and unpacked when asked for. */
import { Source, NotHere } from './source.js';

export class ReportSource extends Source {
    live = false;
    #block(address) {
        return document.getElementById(`answer:${address}`);
    }
    has(address) {
        return this.#block(address) !== null;
    }
    async ask(address) {
        const block = this.#block(address);
        if (!block) throw new NotHere(`${decodeURIComponent(address)} is not in this report.`);
        if (block.type === 'application/json') return JSON.parse(block.textContent);
        const bytes = Uint8Array.from(atob(block.textContent), c => c.charCodeAt(0));
        const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
        return JSON.parse(await new Response(stream).text());
    }
    watch() {}
    async act() {
        throw new NotHere('A report takes no commands.');
    }
}
