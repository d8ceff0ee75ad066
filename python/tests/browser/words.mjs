/*
  What numbers and tables become, without a browser.

    node words.mjs FOLDER

  FOLDER holds the modules of the pages. The first fault ends it with exit code 1.
*/
import assert from 'node:assert/strict';
import { pathToFileURL } from 'node:url';

const modules = `${pathToFileURL(process.argv[2])}/`;
globalThis.location = { hash: '' };
const f = await import(`${modules}format.js`);
const { csvField, csvOf } = await import(`${modules}dom.js`);
const { oldPrices } = await import(`${modules}page-overview.js`);

for (const [found, wanted] of [
    [f.number(1234567.5), '1,234,568'],
    [f.number(-0.4), '0'],
    [f.number(-0.5), '−1'],
    [f.number(1.005, 2), '1.01'],
    [f.number(null), '–'],
    [f.number(Number.NaN), '–'],
    [f.number(1e21), '1e+21'],
    [f.signed(0.004), '0.00'],
    [f.signed(0.005), '+0.01'],
    [f.signedOfOne(-0.01234), '−1.23%'],
    [f.ofOne(0.5, 0), '50%'],
    [f.ofOne(null), '–'],
    [f.price(0.12345), '0.1235'],
    [f.price(-1), '−1.00'],
    [f.money(-1234.5, 'USD', 2), '−1,234.50 USD'],
    [f.short(9_999), '9,999'],
    [f.short(10_000), '10 k'],
    [f.short(999_499), '999 k'],
    [f.short(999_999), '1.00 m'],
    [f.short(-2.5e9), '−2.50 bn'],
    [f.pValue(0.0009), '< 0.001'],
    [f.words('crp_vwap_score'), 'CRP VWAP score'],
    [f.day('2010-05-28'), '28 May 2010'],
    [f.clockTime('2010-05-28 09:50:00'), '09:50'],
    [f.plural(1, 'day'), '1 day'],
    [f.distance(0), '0 days'],
    [f.distance(1), '1 day'],
    [f.distance(59), '59 days'],
    [f.distance(90), '3 months'],
    [f.distance(731), '2.0 years'],
])
    assert.equal(found, wanted);

// no spreadsheet takes a text for a formula, and numbers stay numbers
for (const [value, wanted] of [
    [null, ''],
    ['', '""'],
    [-1.5, '-1.5'],
    ['-1.5', '-1.5'],
    ['@SUM(A1)', "'@SUM(A1)"],
    ['=1+1', "'=1+1"],
    ['+cmd', "'+cmd"],
    ['-x', "'-x"],
    ['a"b,c', '"a""b,c"'],
    ['a\nb', '"a\nb"'],
])
    assert.equal(csvField(value), wanted);

// a file has what the cells show, unrounded: also what stands beside a key, and of a picture
assert.equal(
    csvOf(
        [
            { key: 'timeframe', also: ['calendar'] },
            { key: 'low', by: row => row.r?.low, also: ['high'] },
            { key: 'parts', plain: true, also: ['volume_score', 'low'] },
        ],
        [
            { timeframe: '1d', calendar: 'XNYS', low: -0.123456789, volume_score: 3 },
            { timeframe: '1d', calendar: 'XNSE', r: { low: 1, high: 2, calendar: 'XNSE' } },
        ],
    ),
    'timeframe,calendar,low,high,volume_score\r\n1d,XNYS,,,3\r\n1d,XNSE,1,2,\r\n',
);

// each calendar has its own newest bar, which is a minute's where there are minutes
const bar = (calendar, timeframe, last_bar_end) => ({ calendar, timeframe, last_bar_end });
assert.deepEqual(
    oldPrices(
        [
            bar('XNYS', '1m', '2026-10-30 16:00:00'),
            bar('XNSE', '1m', '2026-10-20 15:30:00'),
            bar('XNSE', '1d', '2026-10-30 15:30:00'),
            bar('XLON', '1d', '2026-10-01 16:30:00'),
        ],
        '2026-11-02 09:00:00',
    ).map(({ calendar, isMinute, age }) => [calendar, isMinute, age]),
    [
        ['XLON', false, 32],
        ['XNSE', true, 13],
    ],
);
