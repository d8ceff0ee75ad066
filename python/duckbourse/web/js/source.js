/*
  Where answers come from. A page asks for an address ('/symbols/AAPL/1d') and gets the same JSON
  from a report, which holds it, and from a server. Pages know no more than this:

    get(address)        a promise of the answer, kept for the next time; throws NotHere
    has(address)        false if it is certain that there is no answer
    watch(changed)      calls changed(kind, data) for a newer publication or a live event
    act(address, body)  sends a command; only a server takes one
    live                whether it is a server
*/
export class NotHere extends Error {}

export class Source {
    #answers = new Map();
    get(address) {
        if (!this.#answers.has(address)) {
            const answer = this.ask(address);
            answer.catch(() => this.#answers.delete(address));
            this.#answers.set(address, answer);
        }
        return this.#answers.get(address);
    }
    forget(prefix) {
        for (const address of [...this.#answers.keys()]) {
            if (address.startsWith(prefix)) this.#answers.delete(address);
        }
    }
}
