/**
 * `GET /stripe/return`: where the checkout and the portal send people back to. Grants nothing: it asks the provider and leads to the
 * page, which hears what was bought over its socket.
 */
import type { HttpReply, Route, RouteRequest } from '../../http.ts';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const policy =
  "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** @param look begins to look at the payment; never waits, never fails. */
export function returnRoute(look: (paymentId: string) => void): Route {
  return {
    method: 'GET',
    path: '/stripe/return',
    says: 'The page people see when they come back from the payment provider.',
    errors: [],
    handle(request: RouteRequest): HttpReply {
      const paymentId = request.query.get('payment') ?? '';
      if (UUID.test(paymentId)) look(paymentId);
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
<title>${text.title}</title><style>:root{color-scheme:light dark}body{font:1rem/1.6 system-ui,sans-serif;max-width:32rem;margin:20vh auto;padding:0 1.5rem}</style>
</head><body><main><h1>${text.title}</h1><p>${text.body}</p><p><a href="${place}">${text.link}</a></p></main></body></html>`;
}
