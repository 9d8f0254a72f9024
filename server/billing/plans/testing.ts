/** Plans over a database and a ledger of their own, with a payment provider that the test speaks for. */
import { randomUUID } from 'node:crypto';
import type { SubscriptionRow } from '../../../db/billing/plans/subscriptions.ts';
import type { Database } from '../../../db/client.ts';
import { createTestDatabase, type TestDatabase } from '../../../db/testing/postgres.ts';
import type { Push } from '../../../protocol/down.ts';
import { WorkerPool } from '../../../workers/pool.ts';
import { systemClock } from '../../clock.ts';
import type { SubscriptionFacts, SubscriptionGateway } from '../purchases/subscription-gateway.ts';
import { BillingService } from '../service.ts';
import { PlanPeriods } from './periods.ts';
import { QuotaWarnings } from './quota-warnings.ts';
import { PlanService } from './service.ts';
import { type PaymentProvider, Subscriptions } from './subscriptions.ts';

export type Told = { userId: string; push: Push };
/** What one gateway has of plans. */
export type PlanGateway = {
  billing: BillingService;
  periods: PlanPeriods;
  subscriptions: Subscriptions;
  service: PlanService;
  warnings: QuotaWarnings;
};
export type PlanHarness = PlanGateway & {
  test: TestDatabase;
  db: Database;
  told: Told[];
  /** What was asked of the provider. */
  asked: string[];
  /** What the provider says when it is asked. */
  facts: Map<string, SubscriptionFacts>;
  anotherGateway(): Promise<PlanGateway>;
  newUser(signedUpAt: string, timeZone?: string): Promise<string>;
  /** Granted tokens on the account, all booked. */
  tokens(userId: string): Promise<number>;
  close(): Promise<void>;
};

const silent = { info() {}, warn() {}, error() {} };

export async function createPlanHarness(): Promise<PlanHarness> {
  const test = await createTestDatabase();
  const db = test.database;
  const pool = new WorkerPool({ threads: 1, maxQueue: 1_000 });
  const told: Told[] = [];
  const asked: string[] = [];
  const facts = new Map<string, SubscriptionFacts>();
  const opened: PlanGateway[] = [];
  const open = async (): Promise<PlanGateway> => {
    const billing = new BillingService(db, pool, systemClock, { signUpGrantTokens: 0 });
    await billing.start();
    const tell = (userId: string, push: Push) => void told.push({ userId, push });
    const periods = new PlanPeriods({ ledger: billing.ledger, allowances: billing, atCap: 'stop' });
    const provider = fakeProvider(asked, facts);
    const onChange = (userId: string) => void told.push({ userId, push: { type: 'billing.subscription' } as Push });
    const subscriptions = new Subscriptions({ db, periods, ledger: billing.ledger, provider, log: silent, onChange });
    const service = new PlanService({ db, periods, subscriptions, tell, log: silent });
    const warnings = new QuotaWarnings({ db, tell, log: silent });
    billing.ledger.onBooked((spent) => warnings.onBooked(spent));
    const gateway = { billing, periods, subscriptions, service, warnings };
    opened.push(gateway);
    return gateway;
  };
  const first = await open();
  return {
    ...first,
    test,
    db,
    told,
    asked,
    facts,
    anotherGateway: open,
    async newUser(signedUpAt, timeZone = 'UTC') {
      const userId = randomUUID();
      await db.asService(async (tx) => {
        await tx.sql`insert into identity.users (id, created_at) values (${userId}, ${signedUpAt})`;
        await tx.sql`insert into identity.profiles (user_id, time_zone) values (${userId}, ${timeZone})`;
      });
      return userId;
    },
    async tokens(userId) {
      const [row] = await db.asService(
        (tx) => tx.sql<{ tokens: string }[]>`
          select coalesce(sum(t), 0) as tokens from (
            select b.balance as t from billing.accounts a join billing.account_balances b on b.account_id = a.id and b.asset = 'token'
            where a.owner_id = ${userId}
            union all select p.token_amount from billing.accounts a join billing.pending_entries p on p.to_account = a.id where a.owner_id = ${userId}
            union all select -p.token_amount from billing.accounts a join billing.pending_entries p on p.from_account = a.id where a.owner_id = ${userId}
          ) as x`,
      );
      return Number(row?.tokens ?? 0);
    },
    async close() {
      for (const gateway of opened) {
        await gateway.warnings.idle();
        await gateway.billing.stop();
      }
      await pool.close();
      await test.close();
    },
  };
}

/** The other end of the narrow interface: not a mock of ours but what the test says the world is like. */
function fakeProvider(asked: string[], facts: Map<string, SubscriptionFacts>): PaymentProvider {
  const change = (id: string, part: Partial<SubscriptionFacts>) => {
    const known = facts.get(id);
    if (known !== undefined) facts.set(id, { ...known, ...part });
  };
  const gateway: SubscriptionGateway = {
    read: async (id) => facts.get(id),
    async change(id, { product, when }) {
      asked.push(`change ${product.id} ${when}`);
      const next = product.id === facts.get(id)?.product?.id ? null : product;
      change(id, when !== 'period_end' ? { product, nextProduct: null } : { nextProduct: next });
      change(id, { cancelAtPeriodEnd: false });
    },
    async setCancelAtPeriodEnd(id, cancel) {
      asked.push(cancel ? 'cancel' : 'resume');
      change(id, { cancelAtPeriodEnd: cancel });
    },
    async cancelNow(id) {
      asked.push(`end ${id}`);
      change(id, { status: 'canceled', endedAtMs: Date.now() });
    },
  };
  return { name: 'stripe_offline', gateway };
}

/** A subscription as the provider shows it: active, for a month from `start`. */
export function factsOf(
  change: Partial<SubscriptionFacts> & { plan?: string; start: string; end: string },
): SubscriptionFacts {
  const { plan = 'pro', start, end, ...rest } = change;
  return {
    provider: 'stripe_offline' satisfies SubscriptionRow['provider'],
    subscriptionId: `sub_${randomUUID().replaceAll('-', '')}`,
    customerId: 'cus_1',
    product: { type: 'plan', id: plan },
    nextProduct: null,
    anchorMs: Date.parse(start),
    status: 'active',
    periodStartMs: Date.parse(start),
    periodEndMs: Date.parse(end),
    cancelAtPeriodEnd: false,
    canceledAtMs: null,
    endedAtMs: null,
    createdAtMs: Date.parse(start),
    ...rest,
  };
}
