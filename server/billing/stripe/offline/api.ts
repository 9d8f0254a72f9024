/** The API of the local Stripe server: its routes, as data. What is not here answers as Stripe answers an unknown URL. */
import { addPrice, type OfflineCheckout } from './checkout.ts';
import type { OfflineConnect } from './connect.ts';
import { pageOf, present } from './expand.ts';
import type { Params } from './form.ts';
import type { OfflineMoney } from './money.ts';
import type { OfflineObject } from './objects.ts';
import { OfflineError } from './offline-error.ts';
import type { OfflineStore } from './store.ts';
import type { OfflineSubscriptions } from './subscriptions.ts';
import type { Webhooks } from './webhooks.ts';

export type ApiParts = {
  store: OfflineStore;
  webhooks: Webhooks;
  money: OfflineMoney;
  subscriptions: OfflineSubscriptions;
  checkout: OfflineCheckout;
  connect: OfflineConnect;
  pageUrl: () => string;
};
type Answer = OfflineObject | { list: readonly OfflineObject[] } | { id: string; object: string; deleted: true };
type Handler = (params: Params, id: string, api: ApiParts) => Answer;

const routes: Record<string, Handler> = {
  'POST customers': (params, _, { store, webhooks }) => {
    const customer = store.add({
      ...store.base('customer'),
      email: params.text('email') ?? null,
      metadata: params.map('metadata'),
      invoice_settings: { default_payment_method: null },
    });
    webhooks.emit('customer.created', customer);
    return customer;
  },
  'GET customers/:id': (_, id, { store }) => store.get('customer', id),
  'POST customers/:id': (params, id, { store, webhooks }) => {
    const customer = store.get('customer', id);
    const method = params.inner('invoice_settings').text('default_payment_method');
    if (method !== undefined) customer.invoice_settings.default_payment_method = store.get('payment_method', method).id;
    Object.assign(customer.metadata, params.map('metadata'));
    store.changed();
    webhooks.emit('customer.updated', customer);
    return customer;
  },
  'DELETE customers/:id': (_, id, { store }) => {
    store.delete(store.get('customer', id).id);
    return { id, object: 'customer', deleted: true };
  },
  'GET customers/:id/payment_methods': (_, id, { store }) => {
    const customer = store.get('customer', id).id;
    return { list: store.list('payment_method', (one) => one.customer === customer) };
  },
  'POST payment_methods/:id/detach': (_, id, { store, webhooks }) => {
    const method = store.get('payment_method', id);
    const { customer: before } = method;
    method.customer = null;
    const customer = before === null ? undefined : store.find('customer', before);
    if (customer?.invoice_settings.default_payment_method === id)
      customer.invoice_settings.default_payment_method = null;
    store.changed();
    webhooks.emit('payment_method.detached', method, { previous: { customer: before } });
    return method;
  },

  'POST products': (params, _, { store }) => {
    const id = params.text('id') ?? store.newId('product');
    if (store.any(id) !== undefined)
      throw new OfflineError(400, 'resource_already_exists', `Product already exists: ${id}`, 'id');
    return store.add({
      ...store.base('product', id),
      name: params.getText('name'),
      active: true,
      metadata: params.map('metadata'),
    });
  },
  'GET products/:id': (_, id, { store }) => store.get('product', id),
  'POST prices': (params, _, { store }) => addPrice(store, params),
  'GET prices/:id': (_, id, { store }) => store.get('price', id),
  'GET prices': (params, _, { store }) => {
    const keys = params.texts('lookup_keys');
    const fits = (key: string | null) => keys.length === 0 || (key !== null && keys.includes(key));
    return { list: store.list('price', ({ lookup_key }) => fits(lookup_key)) };
  },

  'POST checkout/sessions': (params, _, { checkout }) => checkout.create(params),
  'GET checkout/sessions/:id': (_, id, { store }) => store.get('checkout.session', id),
  'POST checkout/sessions/:id/expire': (_, id, { checkout }) => checkout.expire(id),

  'GET billing_portal/configurations': (_, __, { store }) => ({ list: store.list('billing_portal.configuration') }),
  'POST billing_portal/configurations': (params, _, { store }) =>
    store.add({
      ...store.base('billing_portal.configuration'),
      active: true,
      metadata: params.map('metadata'),
      features: {},
    }),
  'POST billing_portal/sessions': (params, _, { store, pageUrl }) => {
    const base = store.base('billing_portal.session');
    return store.add({
      ...base,
      customer: store.get('customer', params.getText('customer'), 'customer').id,
      configuration: params.text('configuration') ?? '',
      return_url: params.getText('return_url'),
      locale: params.text('locale') ?? null,
      url: `${pageUrl()}/p/session/${base.id}`,
    });
  },

  'GET payment_intents/:id': (_, id, { store }) => store.get('payment_intent', id),
  'GET charges/:id': (_, id, { store }) => store.get('charge', id),
  'POST refunds': (params, _, { money, store }) => {
    const charge = params.text('charge');
    const intent = charge === undefined ? params.getText('payment_intent') : store.get('charge', charge).payment_intent;
    const more = { metadata: params.map('metadata'), reason: params.text('reason') ?? null };
    return money.refund(store.get('payment_intent', intent).id, params.integer('amount'), more);
  },
  'GET refunds/:id': (_, id, { store }) => store.get('refund', id),
  'GET refunds': (params, _, { store }) => ({ list: store.list('refund', ofIntent(params)) }),
  'GET disputes/:id': (_, id, { store }) => store.get('dispute', id),
  'GET disputes': (params, _, { store }) => ({ list: store.list('dispute', ofIntent(params)) }),

  'GET subscriptions/:id': (_, id, { store }) => store.get('subscription', id),
  'GET subscriptions': (params, _, { store }) => {
    const customer = params.text('customer');
    const status = params.text('status');
    return {
      list: store.list(
        'subscription',
        (one) =>
          (customer === undefined || one.customer === customer) &&
          (status === 'all' || (status === undefined ? one.status !== 'canceled' : one.status === status)),
      ),
    };
  },
  'POST subscriptions/:id': (params, id, { subscriptions, store }) => {
    const proration = params.text('proration_behavior') as 'none' | 'always_invoice' | 'create_prorations' | undefined;
    const items = params.list('items').map((item) => {
      const price = item.text('price');
      const quantity = item.integer('quantity') ?? 1;
      return {
        price: price === undefined ? addPrice(store, item.inner('price_data')) : store.get('price', price),
        quantity,
      };
    });
    return subscriptions.update(id, {
      items,
      cancelAtPeriodEnd: params.flag('cancel_at_period_end'),
      metadata: params.map('metadata'),
      ...(proration === undefined ? {} : { proration }),
    });
  },
  'DELETE subscriptions/:id': (_, id, { subscriptions }) => subscriptions.cancel(id),
  'GET invoices/:id': (_, id, { store }) => store.get('invoice', id),
  'GET invoices': (params, _, { store }) => {
    const subscription = params.text('subscription');
    return {
      list: store.list(
        'invoice',
        ({ parent }) => subscription === undefined || parent.subscription_details.subscription === subscription,
      ),
    };
  },
  'POST invoices/:id/pay': (_, id, { subscriptions }) => subscriptions.payInvoice(id),
  'GET invoice_payments': (params, _, { store }) => {
    const intent = params.inner('payment').text('payment_intent');
    const invoice = params.text('invoice');
    return {
      list: store.list(
        'invoice_payment',
        (one) =>
          (intent === undefined || one.payment.payment_intent === intent) &&
          (invoice === undefined || one.invoice === invoice),
      ),
    };
  },

  'POST accounts': (params, _, { connect }) => connect.createAccount(params),
  'GET accounts/:id': (_, id, { store }) => store.get('account', id),
  'DELETE accounts/:id': (_, id, { store }) => {
    store.delete(store.get('account', id).id);
    return { id, object: 'account', deleted: true };
  },
  'POST account_links': (params, _, { connect }) => connect.createLink(params),
  'POST transfers': (params, _, { connect }) => connect.transfer(params),
  'GET transfers/:id': (_, id, { store }) => store.get('transfer', id),
  'GET transfers': (params, _, { store }) => {
    const group = params.text('transfer_group');
    return { list: store.list('transfer', (one) => group === undefined || one.transfer_group === group) };
  },
  'GET payouts/:id': (_, id, { store }) => store.get('payout', id),
  'POST transfers/:id/reversals': (params, id, { connect }) => connect.reverse(id, params),

  'GET events': (params, _, { store }) => {
    const type = params.text('type');
    return { list: store.list('event', (one) => type === undefined || one.type === type) };
  },
  'GET events/:id': (_, id, { store }) => store.get('event', id),
  'POST webhook_endpoints': (params, _, { store }) =>
    store.add({
      ...store.base('webhook_endpoint'),
      url: params.getText('url'),
      enabled_events: params.texts('enabled_events'),
      status: 'enabled',
      secret: store.newId('webhook_endpoint').replace('we_', 'whsec_'),
    }),
};

/** @throws OfflineError */
export function answerApi(api: ApiParts, method: string, path: string, params: Params): object {
  api.subscriptions.runDue();
  api.checkout.runDue();
  const segments = path.replace(/^\/v1\//, '').split('/');
  for (const [pattern, handler] of Object.entries(routes)) {
    const [wanted, shape = ''] = pattern.split(' ');
    const parts = shape.split('/');
    if (wanted !== method || parts.length !== segments.length) continue;
    if (!parts.every((part, place) => part === ':id' || part === segments[place])) continue;
    const id = decodeURIComponent(segments[parts.indexOf(':id')] ?? '');
    const answer = handler(params, id, api);
    return 'list' in answer
      ? pageOf(api.store, path, answer.list, params)
      : present(api.store, answer, params.texts('expand'));
  }
  throw new OfflineError(404, 'unknown_url', `Unrecognized request URL (${method}: ${path}).`);
}

function ofIntent(params: Params): (one: { payment_intent: string; charge: string }) => boolean {
  const intent = params.text('payment_intent');
  const charge = params.text('charge');
  return (one) =>
    (intent === undefined || one.payment_intent === intent) && (charge === undefined || one.charge === charge);
}
