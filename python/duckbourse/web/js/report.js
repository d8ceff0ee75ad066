/* A report: the pages, with the answers that the file holds. */
import { h } from './dom.js';
import { start } from './app.js';
import { PAGES } from './pages.js';
import { ReportSource } from './source-report.js';

start(new ReportSource(), PAGES).catch(error =>
    document.body.append(
        h('p', { class: 'empty' }, `This report could not start: ${error.message}`),
    ),
);
