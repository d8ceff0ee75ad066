/* The pages that a report and a server have in common, in the order of the navigation. */
import { overviewPage } from './page-overview.js';
import { symbolPage } from './page-symbol.js';
import { scannersPage } from './page-scanners.js';
import { backtestPage } from './page-backtest.js';
import { portfolioPage } from './page-portfolio.js';
import { riskPage } from './page-risk.js';
import { qualityPage } from './page-quality.js';

export const PAGES = [
    { name: 'overview', title: 'Overview', draw: overviewPage },
    { name: 'symbol', title: 'Symbol', draw: symbolPage },
    { name: 'scanners', title: 'Scanners', draw: scannersPage },
    { name: 'backtest', title: 'Backtest', draw: backtestPage },
    { name: 'portfolio', title: 'Portfolio', draw: portfolioPage },
    { name: 'risk', title: 'Risk', draw: riskPage },
    { name: 'quality', title: 'Data quality', draw: qualityPage },
];
