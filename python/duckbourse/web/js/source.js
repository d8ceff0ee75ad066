/*
  Where answers come from. A page asks for an address ('/symbols/AAPL/1d') and gets the same JSON
  from a report, which holds it, and from a server. Pages know no more than this:

    get(address)        a promise of the answer, kept for the next time unless it says what changes
                        by the clock; throws NotHere
    has(address)        false if it is certain that there is no answer
    watch(changed)      calls changed(kind, data) for a newer publication, a live event, and
                        ('again') after the server was away
    act(address, body, token)  sends a command, with a token of its own if there is one; only a
                        server takes one; throws OnlyReads if the token may not
    live                whether it is a server
    account             whose session `/live` is, or null: the one that is traded, or was last
*/
export class NotHere extends Error {}
export class OnlyReads extends Error {}

// each zoom of a chart is an answer: the ones that were asked for last are kept
const MOST_KEPT = 60;

export class Source {
    #answers = new Map();
    account = null;
    get(address) {
        const answer = this.#answers.get(address) ?? this.ask(address);
        answer.catch(() => {
            if (this.#answers.get(address) === answer) this.#answers.delete(address);
        });
        this.#answers.delete(address);
        this.#answers.set(address, answer);
        if (this.#answers.size > MOST_KEPT) this.#answers.delete(this.#answers.keys().next().value);
        return answer;
    }
    /* Keep no answer of this address: the next one may be another. */
    drop(address) {
        this.#answers.delete(address);
    }
    forget(prefix) {
        for (const address of [...this.#answers.keys()]) {
            if (address.startsWith(prefix)) this.#answers.delete(address);
        }
    }
}
