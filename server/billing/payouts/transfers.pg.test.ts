/** Accounts and transfers through the real SDK against the local server: crashes, refusals, races, reversals, news in any order. */

import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { claimTransfer } from '../../../db/billing/payouts/claims.ts';
import { findPayout, listPayoutEvents, listPayouts, type PayoutRow } from '../../../db/billing/payouts/payouts.ts';
import { ColumnKeys } from '../../../db/keys/column-keys.ts';
import { FixedMasterKeys } from '../../../db/keys/master-key-source.ts';
import { isAppError } from '../../errors.ts';
import { createMoneyHarness, type MoneyHarness } from '../purchases/testing.ts';
import { StripePayoutProvider } from '../stripe/payout-provider.ts';
import { PayoutAccounts } from './accounts.ts';
import { reconcilePayouts } from './reconciliation.ts';
import { moveByOperator } from './states.ts';
import { createPayoutHarness, type PayoutHarness } from './testing.ts';
import { Transfers } from './transfers.ts';

let m: MoneyHarness;
let h: PayoutHarness;
let provider: StripePayoutProvider;
let accounts: PayoutAccounts;
let transfers: Transfers;
let keys: ColumnKeys;
let month = 0;
const warnings: string[] = [];
const log = { info: () => {}, warn: (_: object, message: string) => void warnings.push(message) };
const operator = { type: 'admin', userId: '00000000-0000-4000-8000-0000000000aa' } as const;

beforeAll(async () => {
  m = await createMoneyHarness();
  h = await createPayoutHarness({ database: m.test });
  const stripe = m.money.stripe?.stripe;
  if (stripe === undefined) throw new Error('no stripe');
  provider = new StripePayoutProvider(stripe, 'stripe');
  keys = new ColumnKeys(new FixedMasterKeys(`k1:${randomBytes(32).toString('base64')}`));
  const parts = { db: h.db, clock: h.clock, creators: h.creators, provider };
  accounts = new PayoutAccounts({ ...parts, cells: keys.cells, returnUrl: () => 'https://talk.example.org/' });
  transfers = new Transfers({ ...parts, log });
});
afterAll(async () => {
  expect((await reconcilePayouts(h.db)).faults).toEqual([]);
  await m.close();
});
beforeEach(() => {
  warnings.length = 0;
});

const code = (work: Promise<unknown>) =>
  work.then(() => 'done').catch((error) => (isAppError(error) ? error.code : String(error)));
const bankOf = (providerAccountId: string) => m.offline.connect.setPayoutsEnabled(providerAccountId, true);
async function providerIdOf(accountId: string): Promise<string> {
  const [row] = await h.db.asService(
    (tx) => tx.sql`select provider_account_id as id from billing.payout_accounts where id = ${accountId}`,
  );
  return String(row?.['id']);
}
async function newCreator() {
  const creator = await h.newCreator();
  await h.db.asService((tx) => keys.dataKeys.createFor(tx, creator.userId));
  return creator;
}
async function newPayee() {
  const creator = await newCreator();
  const { accountId } = await accounts.add(creator.userId, 'JP');
  const providerAccountId = await providerIdOf(accountId);
  return { ...creator, accountId, providerAccountId };
}
/** A creator with a bank and an approved payout of a month that nobody had before. */
async function newApproved() {
  const payee = await newPayee();
  bankOf(payee.providerAccountId);
  await accounts.changed(payee.providerAccountId);
  const payout = await approve(payee);
  return { ...payee, payout };
}
async function approve({ userId, creatorId }: { userId: string; creatorId: string }): Promise<PayoutRow> {
  const year = 2026 + Math.floor(month / 12);
  const name = `${year}-${String((month % 12) + 1).padStart(2, '0')}`;
  month += 1;
  await h.sell(userId, 10_000, `${name}-02T00:00:00Z`);
  h.moveTo(new Date(Date.UTC(2026, month, 5)).toISOString());
  await h.runs.run(name, null);
  const [payout] = await h.db.asService((tx) => listPayouts(tx, { creatorId, limit: 1 }));
  if (payout === undefined) throw new Error('no payout');
  await h.db.asService((tx) => moveByOperator(tx, payout.payoutId, 'approved', operator, h.clock.now()));
  return payout;
}
const read = async (payoutId: string) => {
  const row = await h.db.asService((tx) => findPayout(tx, payoutId));
  if (row === undefined) throw new Error('no payout');
  return row;
};
const transfersOf = (payoutId: string) =>
  m.offline.store.list('transfer', ({ metadata }) => metadata['tsumugi_payout'] === payoutId);
/** The lease of whoever has claimed a transfer and died ends. */
const leaseEnds = () =>
  h.db.asService(
    (tx) => tx.sql`update billing.payouts set claimed_until = now() - interval '1 s' where status = 'transferring'`,
  );

describe('an account', () => {
  test('is made at the provider once, asks its questions there, and then pays (001-R28)', async () => {
    const { userId } = await newCreator();
    const first = await accounts.add(userId, 'JP');
    expect(first.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/connect\/acctlnk_/);
    const providerAccountId = await providerIdOf(first.accountId);
    expect(await accounts.list(userId)).toMatchObject([
      { isDefault: true, state: 'incomplete', bankLabel: null, requirementsDue: 0 },
    ]);
    bankOf(providerAccountId);
    const [ready] = await accounts.refresh(userId);
    expect(ready).toMatchObject({ state: 'ready', bankLabel: 'OFFLINE TEST BANK ••6789', requirementsDue: 0 });
    // Encrypted: the bank is nowhere in the row.
    const [row] = await h.db.asService(
      (tx) => tx.sql`select * from billing.payout_accounts where id = ${first.accountId}`,
    );
    expect(JSON.stringify(row)).not.toContain('6789');
    expect(Buffer.from(row?.['bank_label_enc'] as Uint8Array).includes('OFFLINE')).toBe(false);
    m.offline.connect.setPayoutsEnabled(providerAccountId, false);
    expect(await accounts.refresh(userId)).toMatchObject([{ state: 'waiting', requirementsDue: 1 }]);
  });

  test('whose making broke off is gone on with: the provider has one', async () => {
    const { userId } = await newCreator();
    const before = m.offline.store.list('account').length;
    m.offline.failNext(9, 0);
    expect(await code(accounts.add(userId, 'JP'))).toBe('billing.provider_unavailable');
    m.offline.failNext(0, 0);
    expect(await accounts.list(userId)).toHaveLength(1);
    await accounts.add(userId, 'JP');
    expect(await accounts.list(userId)).toHaveLength(1);
    expect(m.offline.store.list('account').length).toBe(before + 1);
  });

  test('one of a creator is the default; removing it makes another one it', async () => {
    const { userId } = await newCreator();
    const made = [];
    for (const country of ['JP', 'US', 'FR']) {
      made.push((await accounts.add(userId, country)).accountId);
      await accounts.link(userId, made.at(-1) ?? '');
    }
    const defaults = async () =>
      (await accounts.list(userId)).filter(({ isDefault }) => isDefault).map(({ accountId }) => accountId);
    expect(await defaults()).toEqual([made[0]]);
    await Promise.all(made.map((accountId) => accounts.setDefault(userId, accountId)));
    expect(await defaults()).toHaveLength(1);
    const [old = ''] = await defaults();
    await accounts.remove(userId, old);
    expect(await defaults()).toHaveLength(1);
    expect(await code(accounts.setDefault(userId, old))).toBe('billing.payout_account_not_found');
    expect(await code(accounts.remove(userId, old))).toBe('billing.payout_account_not_found');
    const two = h.db.asService(
      (tx) =>
        tx.sql`update billing.payout_accounts set is_default = true where user_id = ${userId} and deleted_at is null`,
    );
    await expect(two).rejects.toThrow('payout_accounts_one_default');
  });

  test('of an erased person keeps nothing of his bank, and news about it are taken', async () => {
    const payee = await newPayee();
    await h.db.asService((tx) => tx.sql`delete from identity.data_keys where user_id = ${payee.userId}`);
    keys.dataKeys.forget(payee.userId);
    bankOf(payee.providerAccountId);
    await accounts.changed(payee.providerAccountId);
    expect(await accounts.list(payee.userId)).toMatchObject([{ state: 'ready', bankLabel: null }]);
  });

  test('is limited in number, and for creators and their own alone', async () => {
    const [mine, other] = [await newPayee(), await newPayee()];
    for (const country of ['US', 'FR', 'DE', 'GB']) await accounts.add(mine.userId, country);
    expect(await code(accounts.add(mine.userId, 'IT'))).toBe('billing.payout_account_limit');
    expect(await code(accounts.add(await h.newUser(), 'JP'))).toBe('billing.not_a_creator');
    for (const work of ['link', 'setDefault', 'remove'] as const)
      expect(await code(accounts[work](mine.userId, other.accountId))).toBe('billing.payout_account_not_found');
    const seen = await h.db.asUser(mine.userId, (tx) => tx.sql`select distinct user_id from billing.payout_accounts`);
    expect(seen).toEqual([{ user_id: mine.userId }]);
  });

  test('of a creator whom the provider’s bank refused says so until a payment arrives', async () => {
    const payee = await newPayee();
    const failed = m.offline.connect.payBank(payee.providerAccountId, 500, 'jpy', 'account_closed');
    await transfers.bankPaymentChanged(failed.id, payee.providerAccountId);
    expect(await accounts.list(payee.userId)).toMatchObject([{ bankFailureCode: 'account_closed' }]);
    await transfers.bankPaymentChanged(
      m.offline.connect.payBank(payee.providerAccountId, 500, 'jpy').id,
      payee.providerAccountId,
    );
    expect(await accounts.list(payee.userId)).toMatchObject([{ bankFailureCode: null }]);
    await transfers.bankPaymentChanged('po_unknown', payee.providerAccountId);
    await transfers.bankPaymentChanged('po_unknown', null);
  });
});

describe('a transfer', () => {
  test('is made once, by however many gateways', async () => {
    const { payout, providerAccountId } = await newApproved();
    const others = Array.from({ length: 4 }, () => new Transfers({ db: h.db, clock: h.clock, provider, log }));
    await Promise.all(others.map((one) => one.sendDue()));
    const [transfer, ...more] = transfersOf(payout.payoutId);
    expect(more).toEqual([]);
    expect(transfer).toMatchObject({ amount: payout.amountMinor, currency: 'jpy', destination: providerAccountId });
    expect(await read(payout.payoutId)).toMatchObject({
      status: 'paid',
      providerTransferId: transfer?.id,
      paidAtMs: expect.any(Number),
    });
    expect(await transfers.sendDue()).toBe(0);
  });

  test('waits for an account, one that is ready, and a creator who is not suspended', async () => {
    const payee = await newPayee();
    const { payoutId } = await approve(payee);
    expect(await transfers.sendDue()).toBe(0);
    bankOf(payee.providerAccountId);
    await accounts.changed(payee.providerAccountId);
    await h.db.asService((tx) => h.creators.setStatus(tx, payee.creatorId, 'suspended'));
    expect(await transfers.sendDue()).toBe(0);
    expect(await read(payoutId)).toMatchObject({ status: 'approved' });
    await h.db.asService((tx) => h.creators.setStatus(tx, payee.creatorId, 'active'));
    expect(await transfers.sendDue()).toBe(1);
  });

  test('holds its account while it takes it: who removes it meanwhile is refused', async () => {
    const { payout, accountId, userId } = await newApproved();
    const removed = await h.db.asService(async (tx) => {
      expect(await claimTransfer(tx, provider.name, 60_000)).toMatchObject({ payoutId: payout.payoutId, accountId });
      const removing = code(accounts.remove(userId, accountId));
      await expect
        .poll(async () => {
          const [row] = await h.db.asService(
            ({ sql }) => sql<{ waiting: number }[]>`select count(*)::int as waiting from pg_stat_activity
              where datname = current_database() and wait_event_type = 'Lock' and query like '%update billing.payout_accounts%'`,
          );
          return row?.waiting;
        })
        .toBe(1);
      return { removing };
    });
    expect(await removed.removing).toBe('billing.payout_state');
    expect((await accounts.list(userId)).map((one) => one.accountId)).toContain(accountId);
    await leaseEnds();
    expect(await transfers.sendDue()).toBe(1);
  });

  test('whose answer is lost stays claimed, and is found instead of made again', async () => {
    const { payout, accountId, userId } = await newApproved();
    const { payoutId } = payout;
    // The request arrives; its sender dies before he hears of it.
    const dying = Object.assign(Object.create(provider), {
      name: provider.name,
      transfer: async (order: Parameters<StripePayoutProvider['transfer']>[0]) => {
        await provider.transfer(order);
        throw new Error('the power went');
      },
    }) as StripePayoutProvider;
    await new Transfers({ db: h.db, clock: h.clock, provider: dying, log }).sendDue();
    expect(await read(payoutId)).toMatchObject({ status: 'transferring' });
    expect(warnings).toHaveLength(1);
    expect(await code(h.db.asService((tx) => moveByOperator(tx, payoutId, 'canceled', operator, 0)))).toBe(
      'billing.payout_state',
    );
    expect(await code(accounts.remove(userId, accountId))).toBe('billing.payout_state');
    expect(await transfers.sendDue()).toBe(0);
    await leaseEnds();
    expect(await transfers.sendDue()).toBe(1);
    expect(transfersOf(payoutId)).toHaveLength(1);
    expect(await read(payoutId)).toMatchObject({ status: 'paid', attempt: 0 });
  });

  test('whose request never arrived is made when its lease has ended', async () => {
    const { payout } = await newApproved();
    m.offline.failNext(9, 0);
    expect(await transfers.sendDue()).toBe(0);
    m.offline.failNext(0, 0);
    await leaseEnds();
    expect(await transfers.sendDue()).toBe(1);
    expect(transfersOf(payout.payoutId)).toHaveLength(1);
  });

  test('that the provider refuses has failed, and is made under another key when an operator retries', async () => {
    const { payout, providerAccountId } = await newApproved();
    const { payoutId } = payout;
    // Nobody has told us that the account was shut.
    const account = m.offline.store.get('account', providerAccountId);
    account.payouts_enabled = false;
    expect(await transfers.sendDue()).toBe(0);
    expect(await read(payoutId)).toMatchObject({
      status: 'failed',
      attempt: 1,
      failureCode: 'insufficient_capabilities_for_transfer',
    });
    account.payouts_enabled = true;
    expect(await transfers.sendDue()).toBe(0);
    await h.db.asService((tx) => moveByOperator(tx, payoutId, 'approved', operator, h.clock.now()));
    expect(await transfers.sendDue()).toBe(1);
    expect(await read(payoutId)).toMatchObject({ status: 'paid', failureCode: null });
    const events = await h.db.asService((tx) => listPayoutEvents(tx, payoutId));
    expect(events.map(({ toStatus }) => toStatus)).toEqual(['pending', 'approved', 'failed', 'approved', 'paid']);
    expect(events[2]).toMatchObject({ actorType: 'provider', code: 'insufficient_capabilities_for_transfer' });
  });
});

describe('a transfer that comes back', () => {
  const returned = (payoutId: string) =>
    h.db.asService(
      (tx) => tx.sql`select creator_minor::int as minor from billing.creator_earnings
      where source_key like ${`payout_returned:${payoutId}:%`} order by created_at`,
    );

  test('by an operator is owed to the creator again', async () => {
    const { payout } = await newApproved();
    await transfers.sendDue();
    await transfers.reverse(payout.payoutId, { ...operator, reason: 'wrong creator' });
    expect(await read(payout.payoutId)).toMatchObject({ status: 'reversed', reversedMinor: payout.amountMinor });
    expect(await returned(payout.payoutId)).toEqual([{ minor: payout.amountMinor }]);
    expect(await code(transfers.reverse(payout.payoutId, operator))).toBe('billing.payout_state');
    expect(await code(transfers.reverse(randomUUID(), operator))).toBe('billing.payout_not_found');
  });

  test('in parts, told any number of times, is owed part by part and never more than it was', async () => {
    const { payout } = await newApproved();
    await transfers.sendDue();
    const [transfer] = transfersOf(payout.payoutId);
    const id = transfer?.id ?? '';
    const stripe = m.money.stripe?.stripe;
    await stripe?.transfers.createReversal(id, { amount: 1000 });
    await Promise.all([transfers.transferChanged(id), transfers.transferChanged(id), transfers.transferChanged(id)]);
    expect(await read(payout.payoutId)).toMatchObject({ status: 'paid', reversedMinor: 1000 });
    await stripe?.transfers.createReversal(id, {});
    await transfers.transferChanged(id);
    await transfers.transferChanged(id);
    expect(await read(payout.payoutId)).toMatchObject({ status: 'reversed' });
    expect(await returned(payout.payoutId)).toEqual([{ minor: 1000 }, { minor: payout.amountMinor - 1000 }]);
  });

  test('is known by its metadata when the news is faster than the answer', async () => {
    const { payout } = await newApproved();
    let early: Promise<void> | undefined;
    const slow = Object.assign(Object.create(provider), {
      name: provider.name,
      transfer: async (order: Parameters<StripePayoutProvider['transfer']>[0]) => {
        const made = await provider.transfer(order);
        early = transfers.transferChanged(made.providerTransferId);
        await early;
        return made;
      },
    }) as StripePayoutProvider;
    await new Transfers({ db: h.db, clock: h.clock, provider: slow, log }).sendDue();
    expect(await read(payout.payoutId)).toMatchObject({ status: 'paid' });
    expect(warnings).toEqual([]);
    await transfers.transferChanged('tr_of_somebody_else');
  });

  test('of another server at the same provider is that server’s, whatever it says to be for', async () => {
    const { accountId } = await newApproved();
    const destination = await providerIdOf(accountId);
    for (const payoutId of [randomUUID(), 'payout-7']) {
      const order = { payoutId, providerAccountId: destination, amountMinor: 500, currency: 'JPY', month: '2026-01' };
      const { providerTransferId } = await provider.transfer({ ...order, idempotencyKey: randomUUID() });
      await transfers.transferChanged(providerTransferId);
    }
  });
});
