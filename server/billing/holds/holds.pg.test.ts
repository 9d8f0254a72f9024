/** Holds against a real PostgreSQL: balances, caps of people and organisations, races, expiry, and what settlement takes of them. */
import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { insertHoldAhead } from '../../../db/billing/holds.ts';
import { Database } from '../../../db/client.ts';
import { createTestDatabase, type TestDatabase } from '../../../db/testing/postgres.ts';
import { WorkerPool } from '../../../workers/pool.ts';
import { systemClock } from '../../clock.ts';
import { isAppError } from '../../errors.ts';
import type { Movement } from '../ledger/movement.ts';
import { BillingService } from '../service.ts';

let test_: TestDatabase;
let owner: postgres.Sql;
let pool: WorkerPool;
let db: Database;
let billing: BillingService;
const GRANT = 1_000;

beforeAll(async () => {
  test_ = await createTestDatabase();
  owner = postgres(test_.ownerUrl, { max: 1, onnotice: () => {} });
  db = test_.database;
  pool = new WorkerPool({ threads: 1, maxQueue: 1_000 });
  billing = new BillingService(db, pool, systemClock, { signUpGrantTokens: GRANT });
  await billing.start();
});
afterAll(async () => {
  await billing.stop();
  await pool.close();
  await owner.end();
  await test_.close();
});

async function newUser(addonTokens = 0): Promise<string> {
  const userId = randomUUID();
  const refs = await db.asService(async (tx) => {
    const account = await billing.ledger.accountOf(tx, userId);
    const bought: Movement = {
      fromAccount: billing.ledger.platformAccountFor(account),
      toAccount: account,
      asset: 'addon_token',
      tokenAmount: addonTokens,
      purpose: 'addon_purchase',
      idempotencyKey: `addon:${randomUUID()}`,
    };
    const granted = await billing.grantSignUp(tx, userId);
    return [...granted, ...(await billing.ledger.enqueue(tx, addonTokens > 0 ? [bought] : []))];
  });
  await billing.ledger.settled(refs);
  return userId;
}
type Wish = { prompt: number; max: number; min?: number; generationId?: string };
const hold = (userId: string, { prompt, max, min = 1, generationId = randomUUID() }: Wish, on = db) =>
  on.asUser(userId, (tx) =>
    billing.hold(tx, { generationId, userId, promptTokens: prompt, maxOutputTokens: max, minOutputTokens: min }),
  );
const refused = (userId: string, wish: Wish) =>
  hold(userId, wish).then(
    () => 'held',
    (error: unknown) => (isAppError(error) ? error.code : error),
  );
const settle = async (userId: string, generationId: string, tokensIn: number, tokensOut: number) =>
  billing.booked(
    await db.asService((tx) =>
      billing.settle(tx, [
        {
          generationId,
          userId,
          payeeUserId: null,
          conversationId: randomUUID(),
          messageId: null,
          tokensIn,
          tokensOut,
          newConversation: false,
          atMs: Date.now(),
        },
      ]),
    ),
  );
const stateOf = async (userId: string) => {
  const [row] = await owner`
    select s.used_tokens::int as used, s.held_tokens::int as held, s.held_addon_tokens::int as "heldAddon",
      coalesce((select balance from billing.account_balances b where b.account_id = a.id and asset = 'token'), 0)::int as token,
      coalesce((select balance from billing.account_balances b where b.account_id = a.id and asset = 'addon_token'), 0)::int as addon,
      (select count(*)::int from billing.holds h where h.account_id = a.id) as holds
    from billing.accounts a join billing.spending s on s.account_id = a.id where a.owner_id = ${userId}`;
  return row;
};

describe('a hold', () => {
  test('sets prompt and longest answer aside; the rest comes back when it is settled', async () => {
    const userId = await newUser();
    const generationId = randomUUID();
    expect(await hold(userId, { prompt: 100, max: 300, generationId })).toEqual({ maxOutputTokens: 300 });
    expect(await stateOf(userId)).toMatchObject({ held: 400, token: GRANT, used: 0, holds: 1 });
    expect(await settle(userId, generationId, 100, 40)).toMatchObject([{ balance: GRANT - 140 }]);
    expect(await stateOf(userId)).toMatchObject({ held: 0, token: GRANT - 140, used: 140, holds: 0 });
  });

  test('is shortened to what is there, and refused below the shortest answer', async () => {
    const userId = await newUser();
    expect(await hold(userId, { prompt: 600, max: 300 })).toEqual({ maxOutputTokens: 300 });
    expect(await hold(userId, { prompt: 50, max: 300, min: 20 })).toEqual({ maxOutputTokens: 50 });
    expect(await refused(userId, { prompt: 0, max: 300 })).toBe('billing.insufficient_tokens');
    expect(await stateOf(userId)).toMatchObject({ held: GRANT, holds: 2 });
    const figures = await hold(userId, { prompt: 7, max: 9, min: 2 }).catch((error: { details: unknown }) => error);
    expect(figures).toMatchObject({ details: { available: 0, needed: 9 } });
  });

  test('bounds what is settled: whatever the provider counts, no balance goes below zero', async () => {
    const userId = await newUser();
    const generationId = randomUUID();
    await hold(userId, { prompt: 900, max: 500, generationId });
    await settle(userId, generationId, 5_000, 5_000);
    expect(await stateOf(userId)).toMatchObject({ held: 0, token: 0, used: GRANT, holds: 0 });
  });

  test('of an answer that used nothing is given back', async () => {
    const userId = await newUser();
    const generationId = randomUUID();
    await hold(userId, { prompt: 100, max: 100, generationId });
    expect(await settle(userId, generationId, 0, 0)).toMatchObject([{ entry: undefined, balance: GRANT }]);
    expect(await stateOf(userId)).toMatchObject({ held: 0, holds: 0 });
  });

  test('takes granted tokens first, then bought ones: an answer may make two entries', async () => {
    const userId = await newUser(500);
    const generationId = randomUUID();
    expect(await hold(userId, { prompt: 1_000, max: 300, generationId })).toEqual({ maxOutputTokens: 300 });
    expect(await stateOf(userId)).toMatchObject({ held: GRANT, heldAddon: 300 });
    await settle(userId, generationId, 1_000, 120);
    expect(await stateOf(userId)).toMatchObject({ held: 0, heldAddon: 0, token: 0, addon: 380, used: GRANT });
    const keys = await owner`
      select idempotency_key as key from billing.token_ledger where generation_id = ${generationId} order by 1`;
    expect(keys.map(({ key }) => key)).toEqual([`generation:${generationId}`, `generation:${generationId}:addon`]);
  });

  test('is made once for a person, by that person or the server alone', async () => {
    const [userId, other] = [await newUser(), await newUser()];
    const wish = { generationId: randomUUID(), userId, promptTokens: 1, maxOutputTokens: 1, minOutputTokens: 1 };
    await expect(db.asUser(other, (tx) => billing.hold(tx, wish))).rejects.toMatchObject({ code: '42501' });
    await db.asUser(userId, async (tx) => {
      await billing.hold(tx, wish);
      // The transaction is the person's again.
      const rows = await tx.sql`select 1 from billing.accounts`;
      expect(rows).toHaveLength(1);
    });
    await expect(hold(userId, { ...wish, prompt: 1, max: 1 })).rejects.toMatchObject({ code: '23505' });
    // Someone who has no account yet gets one, and has nothing.
    expect(await refused(randomUUID(), { prompt: 1, max: 1 })).toBe('billing.insufficient_tokens');
  });
});

describe('caps', () => {
  const allow = (userId: string, change: Parameters<BillingService['setAllowance']>[2]) =>
    db.asService((tx) => billing.setAllowance(tx, userId, change));

  test('001-R16: the month’s cap counts what is used and what is held', async () => {
    const userId = await newUser();
    await allow(userId, { capTokens: 500 });
    const generationId = randomUUID();
    await hold(userId, { prompt: 100, max: 200, generationId });
    expect(await hold(userId, { prompt: 100, max: 200 })).toEqual({ maxOutputTokens: 100 });
    expect(await refused(userId, { prompt: 1, max: 1 })).toBe('billing.monthly_cap_reached');
    await settle(userId, generationId, 100, 50);
    // 150 used, 200 held.
    expect(await hold(userId, { prompt: 100, max: 200 })).toEqual({ maxOutputTokens: 50 });
  });

  test('at the cap bought tokens are used by who wants that, and are not counted', async () => {
    const userId = await newUser(400);
    await allow(userId, { capTokens: 100 });
    const first = randomUUID();
    await hold(userId, { prompt: 50, max: 50, generationId: first });
    await settle(userId, first, 50, 50);
    expect(await refused(userId, { prompt: 10, max: 10 })).toBe('billing.monthly_cap_reached');
    await allow(userId, { atCap: 'use_bought' });
    const second = randomUUID();
    expect(await hold(userId, { prompt: 10, max: 1_000, generationId: second })).toEqual({ maxOutputTokens: 390 });
    await settle(userId, second, 10, 30);
    expect(await stateOf(userId)).toMatchObject({ used: 100, token: GRANT - 100, addon: 360, heldAddon: 0 });
  });

  test('an organisation’s cap is shared by its members', async () => {
    const organizationId = randomUUID();
    const [ann, ben] = [await newUser(), await newUser()];
    await db.asService(async (tx) => {
      await billing.setOrganizationAllowance(tx, organizationId, { capTokens: 300 });
      for (const member of [ann, ben]) await billing.setAllowance(tx, member, { organizationId });
    });
    const generationId = randomUUID();
    await hold(ann, { prompt: 100, max: 100, generationId });
    expect(await hold(ben, { prompt: 50, max: 100 })).toEqual({ maxOutputTokens: 50 });
    expect(await refused(ben, { prompt: 1, max: 1 })).toBe('billing.organization_cap_reached');
    await settle(ann, generationId, 100, 20);
    expect(await hold(ann, { prompt: 10, max: 100 })).toEqual({ maxOutputTokens: 70 });
    const [row] = await owner`
      select used_tokens::int as used, held_tokens::int as held from billing.organization_spending where organization_id = ${organizationId}`;
    expect(row).toEqual({ used: 120, held: 180 });
    expect(await billing.verifyChain()).toMatchObject({ ok: true });
  });

  test('a month that is over gives way to the next by the database’s clock; what is held stays held', async () => {
    const userId = await newUser();
    await allow(userId, { capTokens: 200 });
    const generationId = randomUUID();
    await hold(userId, { prompt: 50, max: 50, generationId });
    await settle(userId, generationId, 50, 50);
    await hold(userId, { prompt: 50, max: 50 });
    expect(await refused(userId, { prompt: 1, max: 1 })).toBe('billing.monthly_cap_reached');
    // As if the month had ended now.
    await owner`
      update billing.spending s set period_anchor = clock_timestamp(), period_end = clock_timestamp()
      from billing.accounts a where a.id = s.account_id and a.owner_id = ${userId}`;
    expect(await hold(userId, { prompt: 20, max: 500 })).toEqual({ maxOutputTokens: 80 });
    expect(await stateOf(userId)).toMatchObject({ used: 0, held: 200 });
  });
});

describe('a thousand answers at a nearly empty balance', () => {
  test('spend no more than there is, over several gateways', async () => {
    const userId = await newUser(150);
    const gateways = [db, new Database(test_.url, { max: 10 }), new Database(test_.url, { max: 10 })];
    const ids = Array.from({ length: 1_000 }, () => randomUUID());
    const outcomes = await Promise.all(
      ids.map(async (generationId, index) => {
        try {
          const wish = { prompt: 20, max: 30, min: 10, generationId };
          const { maxOutputTokens } = await hold(userId, wish, gateways[index % gateways.length]);
          return { generationId, held: 20 + maxOutputTokens };
        } catch (error) {
          if (isAppError(error, 'billing.insufficient_tokens')) return undefined;
          throw error;
        }
      }),
    );
    const held = outcomes.filter((one) => one !== undefined);
    expect(held.reduce((sum, one) => sum + one.held, 0)).toBeLessThanOrEqual(GRANT + 150);
    // 23 times 50; the last one would have had 0.
    expect(held).toHaveLength(23);
    // Each says more than it may.
    await Promise.all(held.map(({ generationId }) => settle(userId, generationId, 20, 1_000)));
    expect(await stateOf(userId)).toMatchObject({ held: 0, heldAddon: 0, token: 0, addon: 0, holds: 0 });
    await Promise.all(gateways.slice(1).map((gateway) => gateway.close()));
    expect(await billing.verifyChain()).toMatchObject({ ok: true });
  });

  test('nor more than balance, month and organisation allow together, ahead of turns or with them', async () => {
    const organizationId = randomUUID();
    const [ann, ben] = [await newUser(), await newUser()];
    await db.asService(async (tx) => {
      await billing.setOrganizationAllowance(tx, organizationId, { capTokens: 700 });
      await billing.setAllowance(tx, ann, { organizationId, capTokens: 450 });
      await billing.setAllowance(tx, ben, { organizationId, capTokens: 400 });
    });
    const west = new Database(test_.url, { max: 10 });
    const gateway = new BillingService(west, pool, systemClock, { signUpGrantTokens: 0 });
    const ask = async (userId: string, index: number) => {
      const wish = { generationId: randomUUID(), userId, promptTokens: 20, maxOutputTokens: 30 };
      const isHeld =
        index % 4 < 2
          ? await (index % 4 === 0 ? billing : gateway).holdAhead(wish)
          : (await refused(userId, { prompt: 20, max: 30, min: 30, generationId: wish.generationId })) === 'held';
      return isHeld ? [{ userId, generationId: wish.generationId }] : [];
    };
    const askMany = async (count: number) =>
      (await Promise.all(Array.from({ length: count }, (_, at) => ask(at % 3 === 0 ? ann : ben, at)))).flat();
    const held = await askMany(1_000);
    // Ben may not take all of it, and Ann not either; together they take all that the organisation has.
    expect(held).toHaveLength(14);
    expect(await stateOf(ben)).toMatchObject({ held: expect.toSatisfy((tokens: number) => tokens <= 400) });
    expect(await stateOf(ann)).toMatchObject({ held: expect.toSatisfy((tokens: number) => tokens <= 450) });
    // While they are settled, each for more than it may, others still try.
    const [later] = await Promise.all([
      askMany(200),
      ...held.map(({ userId, generationId }) => settle(userId, generationId, 1_000, 1_000)),
    ]);
    expect(later).toEqual([]);
    const [annNow, benNow] = [await stateOf(ann), await stateOf(ben)];
    expect([annNow?.['held'], benNow?.['held'], annNow?.['used'] + benNow?.['used']]).toEqual([0, 0, 700]);
    const [row] = await owner`
      select used_tokens::int as used, held_tokens::int as held from billing.organization_spending where organization_id = ${organizationId}`;
    expect(row).toEqual({ used: 700, held: 0 });
    await west.close();
    expect(await billing.verifyChain()).toMatchObject({ ok: true });
  });
});

describe('a hold ahead of its turn', () => {
  const ahead = (userId: string, promptTokens: number, maxOutputTokens: number, generationId = randomUUID()) =>
    billing.holdAhead({ generationId, userId, promptTokens, maxOutputTokens });

  test('is all or nothing, within balance and caps, and is given back or settled as any other', async () => {
    const userId = await newUser();
    const [first, second] = [randomUUID(), randomUUID()];
    expect(await ahead(userId, 100, 300, first)).toBe(true);
    expect(await ahead(userId, 301, 300)).toBe(false);
    expect(await ahead(userId, 300, 300, second)).toBe(true);
    expect(await stateOf(userId)).toMatchObject({ held: GRANT, holds: 2 });
    for (let times = 0; times < 2; times++) await billing.giveBack([second]);
    expect(await settle(userId, first, 100, 40)).toMatchObject([{ balance: GRANT - 140 }]);
    // What is settled cannot be given back.
    await billing.giveBack([first]);
    expect(await stateOf(userId)).toMatchObject({ held: 0, token: GRANT - 140, holds: 0 });
    await db.asService((tx) => billing.setAllowance(tx, userId, { capTokens: 200 }));
    expect(await ahead(userId, 30, 31)).toBe(false);
    expect(await ahead(userId, 30, 30)).toBe(true);
  });

  test('leaves nothing of its context on the connection, and is refused within anybody’s transaction', async () => {
    const [ann, ben] = [await newUser(), await newUser()];
    const alone = new Database(test_.url, { max: 1 });
    try {
      const wish = { userId: ann, promptTokens: 1, maxOutputTokens: 1 };
      await alone.inOneStatement((statement) =>
        insertHoldAhead(statement, { ...wish, generationId: randomUUID() }, 60),
      );
      const [left] = await alone.inOneStatement(
        ({ sql }) => sql`select nullif(current_setting('app.user_id', true), '') as "user",
          nullif(current_setting('app.role', true), '') as role, current_setting('synchronous_commit') as durable,
          (select count(*)::int from billing.holds) as seen`,
      );
      expect(left).toEqual({ user: null, role: null, durable: 'on', seen: 0 });
      for (const within of [ann, ben]) {
        const theirs = alone.asUser(
          within,
          ({ sql }) => sql`select billing.hold_ahead(${randomUUID()}, ${ann}, 1, 1, 60)`,
        );
        await expect(theirs).rejects.toMatchObject({ code: '42501' });
      }
      expect(await stateOf(ann)).toMatchObject({ held: 2, holds: 1 });
    } finally {
      await alone.close();
    }
  });

  test('takes bought tokens, an organisation’s cap and the next month as a hold with the turn does', async () => {
    const [rich, member] = [await newUser(5_000), await newUser()];
    const [first, second] = [randomUUID(), randomUUID()];
    expect(await ahead(rich, 300, 300, first)).toBe(true);
    // What is left of the granted ones, and the rest of bought ones.
    expect(await ahead(rich, 300, 300, second)).toBe(true);
    const parts = async (id: string) =>
      (await owner`select tokens::int, addon_tokens::int as addon from billing.holds where id = ${id}`)[0];
    expect([await parts(first), await parts(second)]).toEqual([
      { tokens: 600, addon: 0 },
      { tokens: GRANT - 600, addon: 1_200 - GRANT },
    ]);
    const organizationId = randomUUID();
    await db.asService(async (tx) => {
      await billing.setOrganizationAllowance(tx, organizationId, { capTokens: 500 });
      await billing.setAllowance(tx, member, { organizationId });
    });
    expect(await ahead(member, 200, 300)).toBe(true);
    expect(await ahead(member, 1, 1)).toBe(false);
    const [shared] = await owner`
      select held_tokens::int as held from billing.organization_spending where organization_id = ${organizationId}`;
    expect(shared).toEqual({ held: 500 });
    // His month is over, and with it what was used of its cap.
    const late = await newUser();
    await db.asService((tx) => billing.setAllowance(tx, late, { capTokens: 100 }));
    await owner`update billing.spending s set used_tokens = 90, period_start = period_start - interval '2 months',
      period_end = period_start from billing.accounts a where a.id = s.account_id and a.owner_id = ${late}`;
    expect(await ahead(late, 40, 60)).toBe(true);
    expect(await stateOf(late)).toMatchObject({ held: 100, used: 0 });
  });

  test('takes no more than there is, whoever else holds with his turn', async () => {
    const userId = await newUser();
    const held = await Promise.all(
      Array.from({ length: 1_000 }, async (_, index) => {
        if (index % 2 === 0) return (await ahead(userId, 20, 30)) ? 50 : 0;
        const code = await refused(userId, { prompt: 20, max: 30, min: 30 });
        return code === 'held' ? 50 : 0;
      }),
    );
    expect(held.reduce<number>((sum, tokens) => sum + tokens, 0)).toBe(GRANT);
    expect(await stateOf(userId)).toMatchObject({ held: GRANT, token: GRANT, holds: GRANT / 50 });
  });
});

describe('a hold that nobody settles', () => {
  const age = (generationId: string) =>
    owner`update billing.holds set expires_at = now() - interval '1 second' where id = ${generationId}`;

  test('is given back when its time is over; answers that run keep theirs', async () => {
    const userId = await newUser();
    const [left, running] = [randomUUID(), randomUUID()];
    for (const generationId of [left, running]) {
      await hold(userId, { prompt: 100, max: 100, generationId });
      await age(generationId);
    }
    await billing.extendHolds([running]);
    expect(await billing.releaseExpiredHolds()).toBe(1);
    expect(await stateOf(userId)).toMatchObject({ held: 200, holds: 1 });
    await settle(userId, running, 100, 1);
    expect(await stateOf(userId)).toMatchObject({ held: 0, holds: 0, token: GRANT - 101 });
  });

  test('and is settled after all takes what is there', async () => {
    const userId = await newUser();
    const [late, other] = [randomUUID(), randomUUID()];
    await hold(userId, { prompt: 300, max: 300, generationId: late });
    await age(late);
    expect(await billing.releaseExpiredHolds()).toBe(1);
    await hold(userId, { prompt: 500, max: 300, generationId: other });
    expect(await settle(userId, late, 300, 300)).toMatchObject([{ balance: 800 }]);
    await settle(userId, other, 500, 300);
    expect(await stateOf(userId)).toMatchObject({ held: 0, holds: 0, token: 0, used: GRANT });
  });

  test('is not given back while its entries wait to be booked', async () => {
    const userId = await newUser();
    const generationId = randomUUID();
    await hold(userId, { prompt: 100, max: 100, generationId });
    const used = { tokensIn: 100, tokensOut: 10, newConversation: false, atMs: Date.now() };
    const one = { generationId, userId, payeeUserId: null, conversationId: randomUUID(), messageId: null, ...used };
    const charges = await db.asService((tx) => billing.settle(tx, [one]));
    await age(generationId);
    await billing.releaseExpiredHolds();
    await billing.booked(charges);
    expect(await stateOf(userId)).toMatchObject({ held: 0, holds: 0, token: GRANT - 110 });
    expect(await billing.verifyChain()).toMatchObject({ ok: true });
  });
});

test('the months of a person follow each other without gap or overlap, in any zone', async () => {
  const zones = [
    'Asia/Tokyo',
    'Europe/Berlin',
    'America/New_York',
    'Pacific/Apia',
    'America/Sao_Paulo',
    'UTC',
    'Asia/Kathmandu',
  ];
  const instant = fc.date({ min: new Date('2001-01-01'), max: new Date('2040-01-01'), noInvalidDate: true });
  await fc.assert(
    fc.asyncProperty(instant, instant, fc.constantFrom(...zones), async (anchor, at, zone) => {
      const [month] = await owner`
        with here as (select billing.period_start(${anchor}, ${zone}, ${at}) as first, billing.period_end(${anchor}, ${zone}, ${at}) as last)
        select first <= ${at} and ${at} < last as inside, billing.period_start(${anchor}, ${zone}, last) = last as follows,
          billing.period_end(${anchor}, ${zone}, first - interval '1 microsecond') = first as preceded,
          extract(epoch from last - first) / 86400 as days from here`;
      expect(month).toMatchObject({ inside: true, follows: true, preceded: true });
      expect(Number(month?.['days'])).toBeGreaterThan(26.9);
      expect(Number(month?.['days'])).toBeLessThan(32.1);
    }),
    { numRuns: 200 },
  );
  const ends = async (anchor: string, at: string) =>
    (await owner`select billing.period_end(${anchor}::timestamptz, 'UTC', ${at}::timestamptz) as last`)[0]?.[
      'last'
    ].toISOString();
  expect(await ends('2026-01-31T10:00Z', '2026-02-01T00:00Z')).toBe('2026-02-28T10:00:00.000Z');
  expect(await ends('2026-01-31T10:00Z', '2026-03-01T00:00Z')).toBe('2026-03-31T10:00:00.000Z');
});
