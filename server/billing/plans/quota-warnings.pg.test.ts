/** Warnings about caps: each once a period, on all gateways, whatever dies in between; and the caps of organisations they are about. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { findOrganizationStanding } from '../../../db/billing/plans/standing.ts';
import { Organizations } from '../../identity/organizations.ts';
import { createPlanHarness, type PlanGateway, type PlanHarness } from './testing.ts';

let plans: PlanHarness;
let other: PlanGateway;
let organizations: Organizations;
beforeAll(async () => {
  plans = await createPlanHarness();
  other = await plans.anotherGateway();
  const { billing } = plans;
  organizations = new Organizations(plans.db, {
    setCap: (tx, organizationId, change) => billing.setOrganizationAllowance(tx, organizationId, change),
    setSpender: (tx, userId, organizationId) => billing.setAllowance(tx, userId, { organizationId }),
    find: findOrganizationStanding,
  });
});
afterAll(() => plans.close());
beforeEach(() => {
  plans.told.length = 0;
});

const CAP = 1_000;

async function newSpender(cap: number | null = CAP): Promise<string> {
  const userId = await plans.newUser(new Date(Date.now() - 3_600_000).toISOString());
  const { db, billing } = plans;
  await db.asService((tx) => plans.service.begin(tx, userId));
  await db.asService((tx) => billing.setAllowance(tx, userId, { capTokens: cap }));
  await move(userId, 'in', 100_000);
  return userId;
}

async function move(userId: string, direction: 'in' | 'out', tokenAmount: number): Promise<void> {
  const { ledger } = plans.billing;
  const refs = await plans.db.asService(async (tx) => {
    const account = await ledger.accountOf(tx, userId);
    const platform = ledger.platformAccountFor(account);
    const [fromAccount, toAccount] = direction === 'in' ? [platform, account] : [account, platform];
    const [standing] = await tx.sql<{ organization: string | null }[]>`
      select organization_id as organization from billing.spending where account_id = ${account}`;
    const under = standing?.organization == null ? {} : { organizationId: standing.organization };
    const purpose = direction === 'in' ? ('plan_grant' as const) : ('generation' as const);
    const rest = { asset: 'token' as const, tokenAmount, purpose, idempotencyKey: `test:${randomUUID()}` };
    return ledger.enqueue(tx, [{ fromAccount, toAccount, ...rest, ...(direction === 'out' ? under : {}) }]);
  });
  await ledger.settled(refs);
  await Promise.all([plans.warnings.idle(), other.warnings.idle()]);
}
const spend = (userId: string, tokens: number) => move(userId, 'out', tokens);
const warned = (userId: string) =>
  plans.told.flatMap(({ userId: who, push }) =>
    who === userId && push.type === 'billing.quota_warning' ? [`${push.body.scope} ${push.body.percent}`] : [],
  );
const accountOf = (userId: string) => plans.db.asService((tx) => plans.billing.ledger.accountOf(tx, userId));

describe('of a person', () => {
  test('at 80 and at 100 percent, each once, with what is used', async () => {
    const userId = await newSpender();
    await spend(userId, 799);
    expect(warned(userId)).toEqual([]);
    await spend(userId, 1);
    expect(warned(userId)).toEqual(['user 80']);
    await spend(userId, 100);
    await spend(userId, 99);
    expect(warned(userId)).toEqual(['user 80']);
    await spend(userId, 1);
    await spend(userId, 1);
    expect(warned(userId)).toEqual(['user 80', 'user 100']);
    expect(plans.told.map(({ push }) => push.body)).toContainEqual(
      expect.objectContaining({ percent: 80, usedTokens: 800, monthlyTokenLimit: CAP, organizationId: null }),
    );
    expect((await plans.service.subscription(userId)).warned).toEqual([80, 100]);
  });

  test('another cap within the period is warned of as well, at once where it is reached already', async () => {
    const userId = await newSpender();
    await spend(userId, CAP);
    const setCap = (capTokens: number) =>
      plans.db.asService((tx) => plans.billing.setAllowance(tx, userId, { capTokens }));
    await setCap(10 * CAP);
    expect((await plans.service.subscription(userId)).warned).toEqual([]);
    await spend(userId, 7 * CAP - 1);
    expect(warned(userId)).toEqual(['user 80', 'user 100']);
    await spend(userId, 1);
    expect(warned(userId)).toEqual(['user 80', 'user 100', 'user 80']);
    expect((await plans.service.subscription(userId)).warned).toEqual([80]);
    await spend(userId, 2 * CAP);
    expect(warned(userId).slice(2)).toEqual(['user 80', 'user 100']);
    await setCap(9 * CAP);
    await Promise.all([plans.warnings.noteMissed(), other.warnings.noteMissed()]);
    expect(warned(userId).slice(4)).toEqual(['user 80', 'user 100']);
    await plans.warnings.noteMissed();
    expect(warned(userId)).toHaveLength(6);
  });

  test('both at once where one answer leaps over both; none without a cap', async () => {
    const [userId, free] = [await newSpender(), await newSpender(null)];
    await spend(userId, CAP);
    await spend(free, 50_000);
    expect([warned(userId), warned(free)]).toEqual([['user 80', 'user 100'], []]);
  });

  test('several gateways, and one that was started anew, tell it once; the next period tells it again', async () => {
    const userId = await newSpender();
    await spend(userId, 900);
    const account = await accountOf(userId);
    const restarted = await plans.anotherGateway();
    await Promise.all([plans, other, restarted].map(({ warnings }) => warnings.note([account], [])));
    expect(warned(userId)).toEqual(['user 80']);
    // Another period, as far as this row goes.
    await plans.db.asService(
      (tx) =>
        tx.sql`update billing.spending set period_start = period_start + interval '1 second' where account_id = ${account}`,
    );
    await restarted.warnings.note([account], []);
    expect(warned(userId)).toEqual(['user 80', 'user 80']);
  });

  test('what nobody noted is found, what was noted and not told is told, and only once', async () => {
    const [missed, untold] = [await newSpender(), await newSpender()];
    const account = await accountOf(missed);
    // As a gateway leaves it that died between booking and noting.
    await plans.db.asService(
      (tx) => tx.sql`update billing.spending set used_tokens = 1000 where account_id = ${account}`,
    );
    await plans.warnings.noteMissed();
    await other.warnings.noteMissed();
    expect(warned(missed)).toEqual(['user 80', 'user 100']);
    // As one leaves it that died between noting and telling.
    await spend(untold, 850);
    const second = await accountOf(untold);
    await plans.db.asService(
      (tx) => tx.sql`update billing.quota_warnings set told_at = null where account_id = ${second}`,
    );
    plans.told.length = 0;
    await Promise.all([plans.warnings.tellUntold(0), other.warnings.tellUntold(0)]);
    await plans.warnings.tellUntold(0);
    expect(warned(untold)).toEqual(['user 80']);
  });
});

describe('of an organisation (000-Q1)', () => {
  test('its members spend under one cap, and all of them are told', async () => {
    const { id } = await organizations.create('Cafe Hana', { capTokens: 2_000, timeZone: 'Asia/Tokyo' });
    const [a, b, manager, outsider] = [
      await newSpender(null),
      await newSpender(null),
      await newSpender(null),
      await newSpender(null),
    ];
    for (const userId of [a, b]) await organizations.putMember(id, { userId, role: 'member', spends: true });
    await organizations.putMember(id, { userId: manager, role: 'manager', spends: false });
    await spend(a, 1_000);
    await spend(outsider, 5_000);
    await spend(b, 700);
    for (const userId of [a, b, manager]) expect(warned(userId)).toEqual(['organization 80']);
    expect(warned(outsider)).toEqual([]);
    expect(await organizations.get(id)).toMatchObject({
      spending: { usedTokens: 1_700, capTokens: 2_000 },
      members: { length: 3 },
    });
    expect((await plans.service.subscription(a)).organization).toMatchObject({ name: 'Cafe Hana', usedTokens: 1_700 });
    const wish = {
      generationId: randomUUID(),
      userId: b,
      promptTokens: 200,
      maxOutputTokens: 400,
      minOutputTokens: 200,
    };
    const held = plans.db.asService((tx) => plans.billing.hold(tx, wish));
    await expect(held).rejects.toMatchObject({ code: 'billing.organization_cap_reached' });
  });

  test('who leaves, or spends elsewhere, does not count any more', async () => {
    const first = await organizations.create('First', { capTokens: 1_000 });
    const second = await organizations.create('Second', { capTokens: 1_000 });
    const userId = await newSpender(null);
    await organizations.putMember(first.id, { userId, role: 'member', spends: true });
    await organizations.putMember(second.id, { userId, role: 'member', spends: true });
    await spend(userId, 300);
    await organizations.removeMember(second.id, userId);
    await spend(userId, 300);
    const used = async (id: string) => (await organizations.get(id)).spending?.usedTokens;
    expect([await used(first.id), await used(second.id)]).toEqual([0, 300]);
    expect((await organizations.get(first.id)).members).toMatchObject([{ userId, spends: false }]);
    expect((await plans.service.subscription(userId)).organization).toBeNull();
  });

  test('refuses what is not there and what is wrong, naming it; members see their own organisation only', async () => {
    const { id } = await organizations.create('Mine', {});
    const userId = await newSpender();
    const member = { userId, role: 'member', spends: true } as const;
    await expect(organizations.putMember(randomUUID(), member)).rejects.toMatchObject({
      code: 'identity.organization_not_found',
    });
    await expect(organizations.putMember(id, { ...member, userId: randomUUID() })).rejects.toMatchObject({
      code: 'ops.user_not_found',
    });
    await expect(organizations.removeMember(id, userId)).rejects.toMatchObject({ code: 'identity.not_a_member' });
    await expect(organizations.create(' ', {})).rejects.toMatchObject({ code: 'protocol.invalid_body' });
    await expect(organizations.create('X', { timeZone: 'Mars/Olympus' })).rejects.toMatchObject({
      code: 'protocol.invalid_body',
    });
    await organizations.putMember(id, member);
    const seen = (as: string) =>
      plans.db.asUser(as, async (tx) => (await tx.sql`select id from identity.organizations`).map((row) => row['id']));
    expect([await seen(userId), await seen(randomUUID())]).toEqual([[id], []]);
  });
});

test('what happens at the cap is the choice of the person, and of the server where he has none', async () => {
  const userId = await newSpender();
  expect(await plans.service.subscription(userId)).toMatchObject({ atCap: 'stop', atCapIsDefault: true });
  expect(await plans.service.setAtCap(userId, 'use_bought')).toMatchObject({
    atCap: 'use_bought',
    atCapIsDefault: false,
  });
  const stored = async () => {
    const account = await accountOf(userId);
    const [row] = await plans.db.asService(
      (tx) => tx.sql`select at_cap from billing.spending where account_id = ${account}`,
    );
    return row?.['at_cap'];
  };
  expect(await stored()).toBe('use_bought');
  expect(await plans.service.setAtCap(userId, null)).toMatchObject({ atCap: 'stop', atCapIsDefault: true });
  expect(await stored()).toBe('stop');
});
