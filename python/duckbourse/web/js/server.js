/* A server: the same pages, kept up to date, and the trading session. */
import { h } from './dom.js';
import { start } from './app.js';
import { PAGES } from './pages.js';
import { livePage } from './page-live.js';
import { ServerSource } from './source-server.js';

const LIVE = { name: 'live', title: 'Live', draw: livePage, isLive: true };
start(new ServerSource(), [...PAGES, LIVE]).catch(error =>
    document.body.append(h('p', { class: 'empty' }, `This page could not start: ${error.message}`)),
);
