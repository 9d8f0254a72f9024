/** The pages of the local Stripe server: checkout, portal, onboarding. Each says that no money moves. No scripts. */
import { minorDigits } from '../../../../protocol/currency.ts';
import type { ApiParts } from './api.ts';
import type { Session, Subscription } from './objects.ts';
import { OfflineError } from './offline-error.ts';

export type PageAnswer = { html: string } | { redirect: string };

/** @throws OfflineError */
export function answerPage(api: ApiParts, method: string, path: string, action: string): PageAnswer | undefined {
  const [, id] = /^\/(?:c\/pay|p\/session|connect)\/([A-Za-z0-9_]+)$/.exec(path) ?? [];
  if (id === undefined || (method !== 'GET' && method !== 'POST')) return undefined;
  api.subscriptions.runDue();
  api.checkout.runDue();
  if (path.startsWith('/c/pay/')) return method === 'GET' ? checkoutPage(api, id, '') : checkoutAction(api, id, action);
  if (path.startsWith('/p/session/')) return method === 'GET' ? portalPage(api, id) : portalAction(api, id, action);
  return method === 'GET' ? onboardingPage(api, id) : { redirect: api.connect.finishOnboarding(id).return_url };
}

function checkoutAction(api: ApiParts, id: string, action: string): PageAnswer {
  const session = api.store.get('checkout.session', id);
  if (action === 'cancel') return { redirect: session.cancel_url };
  if (session.status !== 'open') return { redirect: session.success_url };
  if (action === 'decline') {
    api.checkout.decline(id);
    return checkoutPage(api, id, isJapanese(session) ? 'カードが拒否されました。' : 'The card was declined.');
  }
  if (action !== 'pay') throw new OfflineError(400, 'parameter_invalid', 'Unknown action.');
  api.checkout.complete(id);
  return { redirect: session.success_url.replaceAll('{CHECKOUT_SESSION_ID}', session.id) };
}

function checkoutPage({ store }: ApiParts, id: string, fault: string): PageAnswer {
  const session = store.get('checkout.session', id);
  const ja = isJapanese(session);
  const lines = session.offline.items.map(({ price: priceId, quantity }) => {
    const price = store.get('price', priceId);
    const every =
      price.recurring === null
        ? ''
        : ja
          ? ` / ${price.recurring.interval === 'year' ? '年' : '月'}`
          : ` / ${price.recurring.interval}`;
    const amount = `${money(price.unit_amount * quantity, price.currency)}${every}`;
    return `<li><span>${escapeHtml(store.get('product', price.product).name)}${quantity > 1 ? ` × ${quantity}` : ''}</span><b>${escapeHtml(amount)}</b></li>`;
  });
  const open = session.status === 'open';
  const buttons = open
    ? button('pay', ja ? 'テストカード 4242 で支払う' : 'Pay with test card 4242', 'main') +
      button('decline', ja ? '拒否されるカードを試す' : 'Try a card that is declined')
    : `<p>${ja ? 'この決済は終了しています。' : 'This checkout is over.'}</p>`;
  const body = `<ul>${lines.join('')}</ul><p class="total">${ja ? '合計' : 'Total'} <b>${escapeHtml(money(session.amount_total, session.currency))}</b></p>
${fault === '' ? '' : `<p class="fault" role="alert">${escapeHtml(fault)}</p>`}
<form method="post">${buttons}${button('cancel', ja ? '戻る' : 'Back')}</form>`;
  return { html: frame(ja, ja ? 'お支払い' : 'Checkout', body) };
}

function portalPage({ store }: ApiParts, id: string): PageAnswer {
  const session = store.get('billing_portal.session', id);
  const ja = isJapanese(session);
  const subscriptions = store.list(
    'subscription',
    (one) => one.customer === session.customer && one.status !== 'canceled',
  );
  const invoices = store.list('invoice', (one) => one.customer === session.customer).slice(0, 24);
  const methods = store.list('payment_method', (one) => one.customer === session.customer);
  const subscriptionItem = (one: Subscription) => {
    const [item] = one.items.data;
    const name = item === undefined ? one.id : store.get('product', item.price.product).name;
    const action = one.cancel_at_period_end
      ? button(`resume:${one.id}`, ja ? '継続する' : 'Resume')
      : button(`cancel:${one.id}`, ja ? '期間末に解約する' : 'Cancel at period end');
    return `<li><span>${escapeHtml(name)} (${word(one.status, ja)}${one.cancel_at_period_end ? (ja ? '、解約予定' : ', ends') : ''})</span>${action}</li>`;
  };
  const card = ja ? 'カードを追加する' : 'Add a card';
  const body = `<form method="post"><h2>${ja ? 'プラン' : 'Plan'}</h2><ul>${subscriptions.map(subscriptionItem).join('') || '<li>–</li>'}</ul>
<h2>${ja ? 'カード' : 'Cards'}</h2><ul>${methods.map(({ card: { brand, last4 } }) => `<li>${escapeHtml(brand)} •••• ${escapeHtml(last4)}</li>`).join('') || '<li>–</li>'}</ul>
${button('add_card', card)}<h2>${ja ? '請求書' : 'Invoices'}</h2>
<ul>${invoices.map((one) => `<li><span>${day(one.created)}</span><b>${escapeHtml(money(one.total, one.currency))} ${word(one.status, ja)}</b></li>`).join('') || '<li>–</li>'}</ul>
${button('back', ja ? '戻る' : 'Back', 'main')}</form>`;
  return { html: frame(ja, ja ? 'お支払いの管理' : 'Manage payments', body) };
}

function portalAction(api: ApiParts, id: string, action: string): PageAnswer {
  const { store, subscriptions, money: offlineMoney } = api;
  const session = store.get('billing_portal.session', id);
  if (action === 'back') return { redirect: session.return_url };
  if (action === 'add_card') offlineMoney.addCard(session.customer, '1881');
  const [verb, subscriptionId = ''] = action.split(':');
  if (verb === 'cancel' || verb === 'resume') {
    if (store.get('subscription', subscriptionId).customer !== session.customer)
      throw OfflineError.missing('subscription', subscriptionId);
    subscriptions.update(subscriptionId, { cancelAtPeriodEnd: verb === 'cancel' });
  }
  return { redirect: session.url };
}

function onboardingPage({ store }: ApiParts, id: string): PageAnswer {
  const link = store.get('account_link', id);
  const body = `<p>${escapeHtml(link.account)}</p><form method="post">${button('finish', 'Finish onboarding · 登録を完了する', 'main')}</form>`;
  return { html: frame(false, 'Payout account · 受取口座', body) };
}

function money(amount: number, currency: string): string {
  const digits = minorDigits(currency);
  const format = new Intl.NumberFormat('en', {
    style: 'currency',
    currency: currency.toUpperCase(),
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
  return format.format(amount / 10 ** digits);
}

const japanese: Readonly<Record<string, string>> = {
  active: '有効',
  past_due: '支払い遅延',
  paid: '支払い済み',
  open: '未払い',
  void: '無効',
};
const word = (status: string, ja: boolean): string => (ja ? japanese[status] : undefined) ?? status.replace('_', ' ');
const day = (seconds: number): string => new Date(seconds * 1000).toISOString().slice(0, 10);
const isJapanese = ({ locale }: { locale: Session['locale'] }): boolean => locale === 'ja';
const button = (value: string, label: string, kind = ''): string =>
  `<button name="action" value="${escapeHtml(value)}" class="${kind}">${escapeHtml(label)}</button>`;

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (letter) => `&#${letter.charCodeAt(0)};`);
}

function frame(ja: boolean, title: string, body: string): string {
  const notice = ja
    ? 'オフラインのテスト決済です。実際のお金は動きません。'
    : 'Offline test payment. No real money moves, no card is charged.';
  return `<!doctype html><html lang="${ja ? 'ja' : 'en'}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)} – offline test</title><link rel="icon" href="data:,"><style>
${style}</style></head>
<body><p class="notice" role="note">${notice}</p><main><h1>${escapeHtml(title)}</h1>${body}</main></body></html>`;
}

/** Plainly another place than the server that is tried: a provider's page, and never to be mistaken for a real one. */
const style = `
:root{color-scheme:light dark;--ground:#f4f4f6;--paper:#fff;--ink:#1b1b25;--soft:#5c5c6b;--line:#dcdce3;--main:#4f46e5}
@media(prefers-color-scheme:dark){:root{--ground:#101016;--paper:#1a1a22;--ink:#ececf2;--soft:#a8a8b6;--line:#34343f}}
body{margin:0;background:var(--ground);color:var(--ink);font:1rem/1.5 "Inter","Hiragino Sans","Noto Sans JP","Noto Sans CJK JP",system-ui,sans-serif}
.notice{margin:0;padding:.7rem 1rem;background:#92400e;color:#fff;text-align:center;font-weight:600}
main{box-sizing:border-box;width:min(30rem,100vw - 2rem);margin:2.5rem auto;padding:1.8rem;border:1px solid var(--line);border-radius:1rem;background:var(--paper)}
h1{margin:0 0 .8rem;font-size:1.45rem;line-height:1.3}h2{margin:1.8rem 0 .2rem;color:var(--soft);font-size:.9rem;font-weight:600}p{color:var(--soft);overflow-wrap:anywhere}
ul{list-style:none;margin:0;padding:0}li{display:flex;align-items:center;justify-content:space-between;gap:1rem;min-height:2.6rem;padding:.4rem 0;border-bottom:1px solid var(--line)}
li b,.total b{font-variant-numeric:tabular-nums;white-space:nowrap}.total{display:flex;justify-content:space-between;margin:1rem 0 1.4rem;color:inherit;font-size:1.15rem;font-weight:600}
form{display:grid;gap:.6rem}form>ul,form>h2{margin-bottom:0}button{padding:.75rem 1rem;border:1px solid var(--line);border-radius:.7rem;background:none;color:inherit;font:inherit;font-weight:500;cursor:pointer}
li button{flex:none;padding:.4rem .8rem;font-size:.9rem}button.main{border-color:var(--main);background:var(--main);color:#fff}button:focus-visible{outline:3px solid var(--main);outline-offset:2px}
.fault{margin:0 0 1rem;padding:.6rem .8rem;border-radius:.6rem;background:#fee2e2;color:#991b1b}`;
