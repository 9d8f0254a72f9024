/** Selling a thing that billing has never heard of: a made-up prompt, registered as its domain would. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Tx } from '../../../db/client.ts';
import { AppError } from '../../errors.ts';
import type { RouteRequest } from '../../http.ts';
import { createMoneyHarness, type MoneyHarness } from '../purchases/testing.ts';
import { ticketAdminCalls } from './admin.ts';
import { entitledProduct } from './entitled-product.ts';

let h: MoneyHarness;
let userId: string;
const told: string[] = [];
const PROMPT = '0198c5a2-7d7c-7a52-8f1e-aabbccddeeff';

beforeAll(async () => {
  h = await createMoneyHarness();
  // All that the market would bring; nothing of billing knows prompts.
  h.money.products.add(
    entitledProduct(h.money.entitlements, {
      type: 'prompt',
      checkExists: (_, id) => Promise.resolve(id === PROMPT),
      priceOf: () => Promise.resolve({ amountMinor: 980, currency: 'jpy', name: { en: 'A prompt', ja: 'プロンプト' } }),
      onSold: async (_, { purchaseId }) => void told.push(`sold ${purchaseId}`),
      onTakenBack: async (_, { purchaseId }) => void told.push(`back ${purchaseId}`),
      onRestored: async (_, { purchaseId }) => void told.push(`again ${purchaseId}`),
    }),
  );
});
afterAll(() => h.close());
beforeEach(async () => {
  h.newEvents();
  told.length = 0;
  userId = await h.newUser();
});

const thing = { type: 'prompt', id: PROMPT };
const owns = (user = userId) => h.test.database.asUser(user, (tx) => h.money.entitlements.isEntitled(tx, user, thing));
const purchases = async () => (await h.money.purchases.page(userId, undefined, 10)).rows;
const rights = async () =>
  (await h.money.entitlements.page(userId, { validOnly: false, before: undefined, limit: 10 })).rows;
async function buy() {
  const paid = await h.pay(await h.checkout(userId, 'prompt', PROMPT));
  await h.deliverAll();
  return paid;
}

describe('a thing of another domain', () => {
  test('001-R25, 001-R55, 003-R47: is sold without a change in billing, and the right names its purchase', async () => {
    await buy();
    const [purchase] = await purchases();
    expect(purchase).toMatchObject({ type: 'prompt', itemId: PROMPT, amountMinor: 980, units: 1, tokensGranted: 0 });
    expect(await rights()).toMatchObject([
      { ...{ type: 'prompt', itemId: PROMPT }, source: 'purchase', sourcePurchaseId: purchase?.id },
    ]);
    expect(await owns()).toBe(true);
    expect(told).toEqual([`sold ${purchase?.id}`]);
  });

  test('that does not exist is not sold, one that is owned is not sold again', async () => {
    await expect(h.checkout(userId, 'prompt', 'nothing')).rejects.toMatchObject({ code: 'billing.product_not_found' });
    await expect(h.checkout(userId, 'prompt', PROMPT, 2)).rejects.toMatchObject({ code: 'protocol.invalid_body' });
    await buy();
    await expect(h.checkout(userId, 'prompt', PROMPT)).rejects.toMatchObject({ code: 'billing.already_owned' });
  });

  test('001-R24: a part of the money back leaves it, all of it takes it, a failed refund restores it', async () => {
    const { intentId } = await buy();
    const [purchase] = await purchases();
    h.offline.money.refund(intentId, 500, { metadata: {}, reason: null });
    await h.deliverAll();
    expect(await owns()).toBe(true);
    const rest = h.offline.money.refund(intentId, undefined, { metadata: {}, reason: null });
    await h.deliverAll();
    expect(await owns()).toBe(false);
    h.offline.money.failRefund(rest.id);
    await h.deliverAll();
    expect(await owns()).toBe(true);
    expect((await rights()).map(({ source, revokedAt }) => [source, revokedAt !== null])).toEqual([
      ['restore', false],
      ['purchase', true],
    ]);
    expect(told).toEqual([`sold ${purchase?.id}`, `back ${purchase?.id}`, `again ${purchase?.id}`]);
  });

  test('001-R24: that was ended by a decision comes back neither with a dispute that is won nor by another purchase', async () => {
    const end = async () => {
      const [right] = await rights();
      const by = { reason: 'against the rules', revokedBy: userId };
      await h.test.database.asService((tx) => h.money.entitlements.revoke(tx, userId, right?.id ?? '', by));
    };
    const first = await buy();
    await end();
    const dispute = h.offline.money.openDispute(first.intentId);
    await h.deliverAll();
    h.offline.money.closeDispute(dispute.id, 'won');
    await h.deliverAll();
    expect((await purchases()).map(({ status, dispute: state }) => [status, state])).toEqual([['paid', 'won']]);
    expect(await owns()).toBe(false);
    const second = await buy();
    expect(await owns()).toBe(true);
    h.offline.money.refund(second.intentId, undefined, { metadata: {}, reason: null });
    await h.deliverAll();
    expect(await owns()).toBe(false);
  });

  test('001-R62: paid twice from two windows gives one right, and the second money goes back by itself', async () => {
    const [first, second] = [await h.checkout(userId, 'prompt', PROMPT), await h.checkout(userId, 'prompt', PROMPT)];
    await h.pay(first);
    await h.pay(second);
    await h.deliverAll();
    await h.money.purchases.buying.refunds.sendDue();
    await h.deliverAll();
    const [later, earlier] = await purchases();
    expect([earlier?.status, later?.status].sort()).toEqual(['paid', 'refunded']);
    expect(await owns()).toBe(true);
    expect((await rights()).filter(({ revokedAt }) => revokedAt === null)).toHaveLength(1);
    // A sale that never was is not taken back from who made it.
    expect(told).toHaveLength(1);
    const refunds = h.offline.store.list('refund', ({ amount }) => amount === 980);
    expect(refunds.filter(({ metadata }) => metadata['tsumugi_refund'] !== undefined)).toHaveLength(1);
    expect(await h.money.purchases.verify()).toEqual([]);
  });

  test('given for free, it is not sold; when that ends, it is', async () => {
    const db = h.test.database;
    expect(await db.asService((tx) => h.money.entitlements.grantFree(tx, userId, thing, null))).toBe(true);
    expect(await db.asService((tx) => h.money.entitlements.grantFree(tx, userId, thing, null))).toBe(false);
    await expect(h.checkout(userId, 'prompt', PROMPT)).rejects.toMatchObject({ code: 'billing.already_owned' });
    const [right] = await rights();
    const end = (tx: Tx, reason: string) =>
      h.money.entitlements.revoke(tx, userId, right?.id ?? '', { reason, revokedBy: null });
    expect(await db.asService((tx) => end(tx, 'the campaign is over'))).toBe(true);
    expect(await db.asService((tx) => end(tx, 'again'))).toBe(false);
    await buy();
    expect(await owns()).toBe(true);
  });

  test('operators give rights and tickets away, each in the books with who gave it', async () => {
    const operator = await h.newUser();
    const db = h.test.database;
    const checkUser = (id: string) =>
      id === userId ? Promise.resolve() : Promise.reject(new AppError('ops.user_not_found'));
    const calls = ticketAdminCalls({ ...h.money, db, checkUser });
    const run = async (action: string, body: object, id = '') => {
      const call = calls.find((one) => one.action === action);
      const answer = await call?.run({ body } as RouteRequest, id, {
        userId: operator,
        sessionId: '',
        roles: ['admin'],
      });
      return answer?.body;
    };
    const right = { userId, type: 'prompt', itemId: PROMPT };
    expect(await run('entitlements.grant', right)).toEqual({ granted: true });
    expect(await run('entitlements.grant', right)).toEqual({ granted: false });
    expect(await rights()).toMatchObject([{ source: 'grant', grantedBy: operator, sourcePurchaseId: null }]);
    for (const wrong of [{ itemId: 'nothing' }, { type: 'tickets', itemId: 'tickets_5' }, { type: 'moon' }])
      await expect(run('entitlements.grant', { ...right, ...wrong })).rejects.toMatchObject({
        code: 'billing.product_not_found',
      });
    await expect(run('entitlements.grant', { ...right, userId: operator })).rejects.toMatchObject({
      code: 'ops.user_not_found',
    });
    const [held] = await rights();
    const reason = 'given by mistake';
    expect(await run('entitlements.revoke', { userId, reason }, held?.id)).toEqual({ revoked: true });
    expect(await run('entitlements.revoke', { userId, reason }, held?.id)).toEqual({ revoked: false });
    expect(await owns()).toBe(false);

    const gift = { userId, amount: 3, reason: 'for the wait', requestKey: 'gift-0001' };
    expect(await run('tickets.grant', gift)).toEqual({ balance: 3 });
    expect(await run('tickets.grant', gift)).toEqual({ balance: 3 });
    await expect(run('tickets.grant', { ...gift, amount: 4 })).rejects.toMatchObject({
      code: 'billing.idempotency_conflict',
    });
    expect((await h.money.tickets.page(userId, undefined, 5)).rows).toMatchObject([
      { type: 'grant', grantedBy: operator },
    ]);
  });

  test('nobody else has it', async () => {
    await buy();
    expect(await owns(await h.newUser())).toBe(false);
    const stranger = await h.newUser();
    expect(await h.test.database.asUser(stranger, (tx) => h.money.entitlements.isEntitled(tx, userId, thing))).toBe(
      false,
    );
  });
});
