/** The page begins here. */
import { render } from 'preact';
import { App } from './app.tsx';
import { startConnectionState } from './connection/store.ts';
import { startPresence } from './devices/store.ts';
import { startLanguage } from './i18n/translate.ts';
import { startMoneyNews } from './money/store.ts';
import { startPlanNews } from './plans/store.ts';
import { startRouter } from './router.ts';
import { start } from './start.ts';
import { startTheme } from './theme/theme.ts';
import { startBalanceNews } from './usage/store.ts';
import './styles/tokens.css';
import './styles/base.css';
import './styles/controls.css';
import './styles/shell.css';
import './styles/gate.css';
import './styles/home.css';
import './styles/editor.css';
import './styles/chat.css';
import './styles/prose.css';
import './styles/panels.css';
import './styles/money.css';

startTheme();
startLanguage();
startRouter();
startConnectionState();
startPresence();
startBalanceNews();
startMoneyNews();
startPlanNews();
void start();

const root = document.getElementById('app');
if (root !== null) render(<App />, root);
