/**
 * `GET /stripe/return`: where the checkout and the portal send people back to. Grants nothing: it asks the provider and leads to the
 * page, which hears what was bought over its socket.
 */

import { isUuid } from '../../../protocol/uuid.ts';
import type { HttpReply, Route, RouteRequest } from '../../http.ts';

const policy =
  "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** @param look begins to look at the payment; never waits, never fails. */
export function returnRoute(look: (paymentId: string) => void): Route {
  return {
    method: 'GET',
    path: '/stripe/return',
    says: 'The page people see when they come back from the payment provider.',
    media: 'text/html',
    errors: [],
    handle(request: RouteRequest): HttpReply {
      const paymentId = request.query.get('payment') ?? '';
      if (isUuid(paymentId)) look(paymentId);
      const japanese = request.query.get('lang') === 'ja';
      return {
        status: 200,
        body: pageOf(japanese, request.query.get('to') === 'creator' ? '/creator' : '/plan'),
        headers: {
          'content-type': 'text/html; charset=utf-8',
          'content-security-policy': policy,
          'cache-control': 'no-store',
        },
      };
    },
  };
}

/** @param place where the page goes on. */
function pageOf(japanese: boolean, place: '/plan' | '/creator'): string {
  const text = japanese
    ? {
        title: 'お戻りになりました',
        body: 'お支払いの結果は決済事業者に確認しており、まもなくアカウントに反映されます。反映されるまで、何も付与されません。',
        link: 'つむぎに戻る',
      }
    : {
        title: 'Welcome back',
        body: 'The result is being confirmed with the payment provider and appears in your account in a moment. Nothing is granted before that.',
        link: 'Back to Tsumugi',
      };
  return `<!doctype html><html lang="${japanese ? 'ja' : 'en'}"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><meta http-equiv="refresh" content="4; url=${place}">
<title>${text.title}</title><link rel="icon" href="/icon.svg" type="image/svg+xml"><style>${style}</style></head>
<body><main><p class="name">Tsumugi <span lang="ja">紡ぎ</span></p><h1>${text.title}</h1><p>${text.body}</p>
<div class="thread" aria-hidden="true"></div><p><a href="${place}">${text.link}</a></p></main></body></html>`;
}

/** A page of its own, before the app is there: the app's colours, spelt out. */
const style = `
:root{color-scheme:light dark;--silk:#f6f4ee;--paper:#fffefb;--ink:#1d2340;--soft:#4d5472;--line:#dfdacd;--indigo:#34488c;--on:#fff;--thread:#c2352b}
@media(prefers-color-scheme:dark){:root{--silk:#12152a;--paper:#1a1e38;--ink:#ece8df;--soft:#b4b8cf;--line:#2c3154;--indigo:#aebbf4;--on:#12152a;--thread:#ff8474}}
body{margin:0;min-height:100vh;min-height:100dvh;display:grid;place-items:center;background:var(--silk);color:var(--ink);font:1rem/1.65 "Inter","Hiragino Sans","Noto Sans JP","Noto Sans CJK JP",system-ui,sans-serif}
main{box-sizing:border-box;width:min(28rem,100vw - 2rem);padding:2.2rem 2rem;border:1px solid var(--line);border-radius:14px;background:var(--paper)}
.name,h1{font-family:"Iowan Old Style","Source Serif 4","Hiragino Mincho ProN","Noto Serif JP","Noto Serif CJK JP",Georgia,serif}
.name{margin:0;font-weight:600}.name span{color:var(--soft);font-size:.85rem}h1{margin:1.2rem 0 .4rem;font-size:1.6rem;line-height:1.3}p{margin:0;color:var(--soft)}.name{color:var(--ink)}
.thread{height:2px;margin:1.5rem 0;overflow:hidden;background:var(--line)}.thread::after{content:"";display:block;height:100%;background:var(--thread);animation:spin 4s linear both}
@keyframes spin{from{transform:translateX(-100%)}to{transform:none}}@media(prefers-reduced-motion){.thread::after{animation:none}}
a{display:inline-block;padding:.6rem 1.2rem;border-radius:2rem;background:var(--indigo);color:var(--on);font-weight:500;text-decoration:none}a:focus-visible{outline:2px solid var(--thread);outline-offset:2px}`;
