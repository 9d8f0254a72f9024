import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readEvent } from './event-subject.ts';

const event = (type: string, object: unknown, previous?: object) => ({
  id: 'evt_1',
  object: 'event',
  type,
  created: 1_800_000_000,
  livemode: false,
  data: { object, ...(previous === undefined ? {} : { previous_attributes: previous }) },
});

test.each([
  ['checkout.session.completed', { id: 'cs_1' }, { kind: 'checkout', id: 'cs_1' }],
  ['checkout.session.async_payment_failed', { id: 'cs_1' }, { kind: 'checkout', id: 'cs_1' }],
  ['payment_intent.succeeded', { id: 'pi_1' }, { kind: 'intent', id: 'pi_1' }],
  ['charge.refunded', { id: 'ch_1', payment_intent: 'pi_1' }, { kind: 'intent', id: 'pi_1' }],
  ['charge.dispute.closed', { id: 'du_1', payment_intent: { id: 'pi_1' } }, { kind: 'intent', id: 'pi_1' }],
  ['refund.failed', { id: 're_1', payment_intent: 'pi_1' }, { kind: 'intent', id: 'pi_1' }],
  ['charge.succeeded', { id: 'ch_1', payment_intent: null }, undefined],
  ['customer.subscription.deleted', { id: 'sub_1', customer: 'cus_1' }, { kind: 'subscription', id: 'sub_1' }],
  ['customer.updated', { id: 'cus_1' }, { kind: 'customer', id: 'cus_1' }],
  ['invoice.paid', { id: 'in_1' }, { kind: 'invoice', id: 'in_1' }],
  ['invoice_payment.paid', { id: 'inpay_1', invoice: 'in_1' }, { kind: 'invoice', id: 'in_1' }],
  ['payment_method.attached', { id: 'pm_1', customer: 'cus_1' }, { kind: 'customer', id: 'cus_1' }],
  ['transfer.reversed', { id: 'tr_1' }, { kind: 'transfer', id: 'tr_1' }],
  ['account.updated', { id: 'acct_1' }, { kind: 'account', id: 'acct_1' }],
  ['something.new', { id: 'x_1' }, undefined],
  ['payment_intent.succeeded', { id: '../../v1/accounts' }, undefined],
  ['payment_intent.succeeded', { id: 'x'.repeat(300) }, undefined],
  ['payment_intent.succeeded', [], undefined],
])('%s is about %o', (type, object, subject) => {
  expect(readEvent(event(type, object))?.subject).toEqual(subject);
});

test('a card that was taken away is about the customer who had it', () => {
  const detached = event('payment_method.detached', { id: 'pm_1', customer: null }, { customer: 'cus_1' });
  expect(readEvent(detached)?.subject).toEqual({ kind: 'customer', id: 'cus_1' });
});

test('of the body nothing is kept but ids, type and time', () => {
  const read = readEvent({
    ...event('customer.updated', { id: 'cus_1', email: 'hana@example.com', name: 'Hana' }),
    account: 'acct_1',
  });
  expect(read).toEqual({
    eventId: 'evt_1',
    type: 'customer.updated',
    createdAtMs: 1_800_000_000_000,
    livemode: false,
    accountId: 'acct_1',
    subject: { kind: 'customer', id: 'cus_1' },
  });
});

test.each(['a\u0000b', 'a\ud800', 'a b', ''])(
  'what the database cannot hold, or no provider sends, is no type: %j',
  (type) => {
    expect(readEvent(event(type, { id: 'cs_1' }))).toBeUndefined();
  },
);

test('anything else is no event, and nothing makes it throw', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      expect(readEvent(value)).toBeUndefined();
    }),
  );
  fc.assert(
    fc.property(
      fc.record({ id: fc.jsonValue(), type: fc.jsonValue(), created: fc.jsonValue(), data: fc.jsonValue() }),
      (some) => {
        const read = readEvent({ object: 'event', ...some });
        if (read !== undefined) expect(read.eventId).toMatch(/^[A-Za-z0-9_]{1,255}$/);
      },
    ),
  );
});
