/** Buying over a database, a ledger and an offline payment server of its own; events are delivered by hand. For tests. */
import { randomUUID } from 'node:crypto';
import { createTestDatabase, type TestDatabase } from '../../../db/testing/postgres.ts';
import type { Push } from '../../../protocol/down.ts';
import { WorkerPool } from '../../../workers/pool.ts';
import { ManualClock } from '../../clock.ts';
import { Lifecycle } from '../../lifecycle.ts';
import { BillingService } from '../service.ts';
import { readEvent } from '../stripe/event-subject.ts';
import type { Event } from '../stripe/offline/objects.ts';
import { type OfflineStripe, startOfflineStripe } from '../stripe/offline/server.ts';
import { type Money, openMoney } from '../stripe/open-money.ts';
import type { Checkout } from './checkout.ts';

export const SECRET_KEY = 'sk_test_of_the_tests';
const silent = { info() {}, warn() {}, error() {}, debug() {} };

export type MoneyHarness = {
  test: TestDatabase;
  clock: ManualClock;
  offline: OfflineStripe;
  billing: BillingService;
  money: Money;
  pushes: { userId: string; push: Push }[];
  /** Another gateway over the same stores. */
  anotherGateway(): Promise<Money>;
  newUser(): Promise<string>;
  checkout(userId: string, type: string, id: string, quantity?: number, requestKey?: string): Promise<Checkout>;
  /** A checkout that is paid on the test page; nothing has been told yet. @returns its payment intent, if it is paid once */
  pay(checkout: Checkout): Promise<{ sessionId: string; intentId: string }>;
  /** Events that came up since the last call, in order. */
  newEvents(): Event[];
  /** Delivers events and works on them. */
  deliver(events: readonly Event[], to?: Money): Promise<void>;
  /** Delivers all new ones. */
  deliverAll(): Promise<void>;
  /** Bought tokens on the account. */
  boughtTokens(userId: string): Promise<number>;
  close(): Promise<void>;
};

export async function createMoneyHarness(): Promise<MoneyHarness> {
  const test = await createTestDatabase();
  const db = test.database;
  const clock = new ManualClock(Date.now());
  const pool = new WorkerPool({ threads: 1, maxQueue: 1_000 });
  const billing = new BillingService(db, pool, clock, { signUpGrantTokens: 0 });
  await billing.start();
  const offline = await startOfflineStripe({ secretKey: SECRET_KEY, clock });
  const lifecycle = new Lifecycle(silent);
  const pushes: MoneyHarness['pushes'] = [];
  const config = {
    stripeMode: 'stripe',
    stripeSecretKey: SECRET_KEY,
    stripeWebhookSecret: 'whsec_of_the_tests',
    stripeApiBase: offline.url,
    dataDir: '/nowhere',
    publicOrigins: ['https://talk.example.org'],
  } as const;
  const open = () =>
    openMoney({
      config,
      db,
      ledger: billing.ledger,
      clock,
      log: silent,
      lifecycle,
      tell: (userId, push) => void pushes.push({ userId, push }),
    });
  const money = await open();
  const seen = new Set<string>();
  const newEvents = (): Event[] => {
    const fresh = offline.store.list('event', ({ id }) => !seen.has(id)).reverse();
    for (const { id } of fresh) seen.add(id);
    return fresh;
  };
  const deliver = async (events: readonly Event[], to = money) => {
    for (const event of events) {
      const read = readEvent(event);
      if (read === undefined) throw new Error('The offline server made an event that is none.');
      await to.stripe?.inbox.receive(read);
    }
    await to.stripe?.inbox.work();
  };
  return {
    test,
    clock,
    offline,
    billing,
    money,
    pushes,
    anotherGateway: open,
    async newUser() {
      const userId = randomUUID();
      await db.asService((tx) => tx.sql`insert into identity.users (id) values (${userId})`);
      return userId;
    },
    checkout: (userId, type, id, quantity = 1, requestKey = randomUUID()) =>
      money.purchases.checkout(userId, { type, id, quantity, requestKey, locale: 'en' }),
    async pay({ url }) {
      const sessionId = url?.split('/').at(-1) ?? '';
      offline.checkout.complete(sessionId);
      return { sessionId, intentId: offline.store.get('checkout.session', sessionId).payment_intent ?? '' };
    },
    newEvents,
    deliver,
    deliverAll: () => deliver(newEvents()),
    async boughtTokens(userId) {
      const [row] = await db.asService(
        (tx) => tx.sql<{ balance: string }[]>`
          select b.balance from billing.accounts a join billing.account_balances b on b.account_id = a.id
          where a.owner_id = ${userId} and b.asset = 'addon_token'`,
      );
      return Number(row?.balance ?? 0);
    },
    async close() {
      await lifecycle.close();
      await offline.close();
      await billing.stop();
      await pool.close();
      await test.close();
    },
  };
}
