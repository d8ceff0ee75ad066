/* Numbers as people write them: a real minus, separators, the unit said once. Null is an en dash. */
export const NONE = '–';
export const missing = v => v === null || v === undefined || Number.isNaN(v);

/* Halves of what is written go up, as those of Intl do, which takes a while to load its locales. */
function fixed(v, digits) {
    const text = String(v),
        isPlain = v < 1e15 && !text.includes('e'),
        rounded = isPlain ? Number(`${Math.round(`${text}e${digits}`)}e-${digits}`) : v;
    const [whole, part] = rounded.toFixed(digits).split('.');
    return whole.replace(/\B(?=(\d{3})+$)/g, ',') + (part ? `.${part}` : '');
}
export const number = (v, digits = 0) =>
    missing(v) ? NONE : (v <= -0.5 * 10 ** -digits ? '−' : '') + fixed(Math.abs(v), digits);
export const signed = (v, digits = 2) =>
    missing(v) ? NONE : (v >= 0.5 * 10 ** -digits ? '+' : '') + number(v, digits);
/* of a percentage, and of a fraction */
export const pct = (v, digits = 2) => (missing(v) ? NONE : number(v, digits) + '%');
export const signedPct = (v, digits = 2) => (missing(v) ? NONE : signed(v, digits) + '%');
export const percent = v => (missing(v) ? v : 100 * v);
export const ofOne = (v, digits = 2) => pct(percent(v), digits);
export const signedOfOne = (v, digits = 2) => signedPct(percent(v), digits);
export const money = (v, currency = '', digits = 0) =>
    missing(v) ? NONE : `${number(v, digits)} ${currency}`.trim();
export const price = v => (missing(v) ? NONE : number(v, Math.abs(v) < 1 ? 4 : 2));
export const short = v =>
    missing(v)
        ? NONE
        : Math.abs(v) >= 1e9
          ? number(v / 1e9, 2) + ' bn'
          : Math.abs(v) >= 999_500
            ? number(v / 1e6, 2) + ' m'
            : Math.abs(v) >= 1e4
              ? number(v / 1e3, 0) + ' k'
              : number(v);
export const pValue = v => (missing(v) ? NONE : v < 0.001 ? '< 0.001' : number(v, 3));
const SAID = {
    crp: 'CRP',
    vwap: 'VWAP',
    obv: 'OBV',
    rsi: 'RSI',
    adx: 'ADX',
    atr: 'ATR',
    natr: 'NATR',
    ema: 'EMA',
    sma: 'SMA',
    macd: 'MACD',
    ewma: 'EWMA',
    pnl: 'P&L',
    var: 'VaR',
};
export const words = text =>
    missing(text)
        ? NONE
        : String(text)
              .split('_')
              .map(
                  (w, i) =>
                      SAID[w.toLowerCase()] ?? (i ? w : w.replace(/^./, c => c.toUpperCase())),
              )
              .join(' ');
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
export const monthName = m => MONTHS[m - 1];
export const day = text =>
    missing(text)
        ? NONE
        : `${+text.slice(8, 10)} ${MONTHS[+text.slice(5, 7) - 1]} ${text.slice(0, 4)}`;
export const clockTime = text =>
    missing(text) ? NONE : text.length < 12 ? text.slice(0, 5) : text.slice(11, 16);
export const seconds = text =>
    Date.parse(text.slice(0, 10) + 'T' + (text.slice(11, 19) || '00:00:00') + 'Z') / 1000;
export const stampOf = (time, withClock) =>
    new Date(time * 1000)
        .toISOString()
        .slice(0, withClock ? 16 : 10)
        .replace('T', ' ');
export const arrow = v => (missing(v) || v === 0 ? '' : v > 0 ? '▲' : '▼');
export const tone = v => (missing(v) || v === 0 ? '' : v > 0 ? 'up' : 'down');
export const distance = days =>
    days < 60
        ? plural(days, 'day')
        : days < 730
          ? `${Math.round(days / 30.4)} months`
          : `${number(days / 365.25, 1)} years`;
export const plural = (n, word) => `${number(n)} ${word}${n === 1 ? '' : 's'}`;
