/** The whole server: the plan of a new account, its limit of avatars, and what operators do with plans and organisations. */
import postgres from 'postgres';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Person } from './testing/people.ts';
import { startTestServer, type TestServer } from './testing/start-server.ts';

let server: TestServer;
let hana: Person;
let operator: Person;
beforeAll(async () => {
  server = await startTestServer();
  [hana, operator] = [await Person.signUp(server.url), await Person.signUp(server.url)];
  const sql = postgres(server.env['DATABASE_URL'] ?? '', { max: 1, onnotice: () => {} });
  await sql`insert into identity.user_roles (user_id, role) values (${operator.auth.tokens?.userId ?? ''}, 'admin')`;
  await sql.end();
  await operator.auth.signIn(operator.email, operator.password);
});
afterAll(async () => {
  hana?.leave();
  await server?.close();
});

async function call(
  as: Person,
  method: string,
  path: string,
  body?: object,
): Promise<{ status: number; body: unknown }> {
  const response = await fetch(`${server.url}${path}`, {
    method,
    headers: { authorization: `Bearer ${as.auth.tokens?.accessToken}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: await response.json() };
}

it('000-R3: a new account is on the free plan, in its month, with the tokens of its sign-up alone', async () => {
  const phone = await hana.device();
  const { plans } = await phone.request('billing.plans', {});
  expect(plans.map(({ planId, current }) => [planId, current])).toEqual([
    ['free', true],
    ['pro', false],
    ['business', false],
  ]);
  const own = await phone.request('billing.subscription', {});
  expect(own).toMatchObject({
    planId: 'free',
    status: 'free',
    usedTokens: 0,
    atCap: 'stop',
    scheduled: null,
    organization: null,
  });
  const days = (Date.parse(own.periodEnd) - Date.parse(own.periodStart)) / 86_400_000;
  expect(days).toBeGreaterThanOrEqual(28);
  expect(days).toBeLessThanOrEqual(31);
  expect(await phone.request('billing.balance', {})).toEqual({ balance: 10_000_000 });
});

it('two devices cannot take more avatars than the plan allows', async () => {
  const devices = [await hana.device(), await hana.device({ codec: 'msgpack' })];
  const wishes = Array.from({ length: 14 }, (_, index) =>
    (devices[index % 2] ?? devices[0])?.request('companion.create_avatar', {
      name: `A${index}`,
      systemPrompt: 'You are A.',
    }),
  );
  const outcomes = await Promise.allSettled(wishes);
  expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(10);
  const refused = outcomes.flatMap((one) => (one.status === 'rejected' ? [(one.reason as { code: string }).code] : []));
  expect(refused).toEqual(Array.from({ length: 4 }, () => 'companion.avatar_limit'));
});

it('all devices hear of a choice that one of them made', async () => {
  const [phone, desk] = [await hana.device(), await hana.device()];
  const heard = new Promise((resolve) => void desk.on('billing.subscription', resolve));
  await phone.request('billing.set_at_cap', { atCap: 'use_bought' });
  expect(await heard).toMatchObject({ atCap: 'use_bought', atCapIsDefault: false });
  await expect(phone.request('billing.set_at_cap', { atCap: 'explode' as never })).rejects.toMatchObject({
    code: 'protocol.invalid_body',
  });
  await expect(phone.request('billing.change_plan', { planId: 'pro' })).rejects.toMatchObject({
    code: 'billing.checkout_required',
  });
});

it('operators change plans for periods to come, and nobody else does', async () => {
  const change = { avatarLimit: 3, monthlyTokenLimit: 50_000 };
  expect(await call(hana, 'PUT', '/admin/plans/free', change)).toMatchObject({ status: 403 });
  expect(await call(operator, 'PUT', '/admin/plans/free', change)).toMatchObject({ status: 200, body: change });
  const phone = await hana.device();
  expect(await phone.request('billing.subscription', {})).toMatchObject({
    avatarLimit: 10,
    monthlyTokenLimit: 10_000_000,
  });
  const newcomer = await Person.signUp(server.url);
  expect(await (await newcomer.device()).request('billing.subscription', {})).toMatchObject(change);
  newcomer.leave();
  const refused = await call(operator, 'PUT', '/admin/plans/free', { amountMinor: 5 });
  expect(refused).toMatchObject({ status: 400, body: { error: { code: 'protocol.invalid_body' } } });
  for (const wrong of [{ currency: 'zzz' }, { name: { en: ' ', ja: 'プロ' } }, { monthlyTokens: -1 }])
    expect(await call(operator, 'PUT', '/admin/plans/pro', wrong)).toMatchObject({ status: 400 });
  expect(await call(operator, 'PUT', '/admin/plans/%00', change)).toMatchObject({ status: 404 });
  expect(await call(operator, 'PUT', '/admin/plans/gold', change)).toMatchObject({
    status: 404,
    body: { error: { code: 'billing.plan_not_found' } },
  });
  const gold = {
    planId: 'gold',
    name: { en: 'Gold', ja: 'ゴールド' },
    avatarLimit: 5,
    monthlyTokenLimit: null,
    monthlyTokens: 10,
    amountMinor: 100,
    currency: 'jpy',
    interval: 'year',
  };
  expect(await call(operator, 'POST', '/admin/plans', gold)).toMatchObject({
    status: 201,
    body: { ...gold, active: true },
  });
  expect(await call(operator, 'POST', '/admin/plans', gold)).toMatchObject({ status: 409 });
  const { body } = await call(operator, 'GET', '/admin/events?limit=50');
  const actions = (body as { events: { action: string; outcome: string }[] }).events.map(
    ({ action, outcome }) => `${action} ${outcome}`,
  );
  expect(actions).toEqual(
    expect.arrayContaining(['plans.change refused', 'plans.change done', 'plans.create done', 'plans.create failed']),
  );
});

it('000-Q1: operators put people into organisations, under whose cap they spend', async () => {
  const made = await call(operator, 'POST', '/admin/organizations', { name: 'Cafe Hana', monthlyTokenLimit: 70_000 });
  expect(made).toMatchObject({ status: 201, body: { name: 'Cafe Hana', monthlyTokenLimit: 70_000, members: [] } });
  const { organizationId } = made.body as { organizationId: string };
  const userId = hana.auth.tokens?.userId ?? '';
  const added = await call(operator, 'POST', `/admin/organizations/${organizationId}/members`, { userId });
  expect(added).toMatchObject({ status: 200, body: { members: [{ userId, role: 'member', spends: true }] } });
  const phone = await hana.device();
  expect((await phone.request('billing.subscription', {})).organization).toMatchObject({
    organizationId,
    monthlyTokenLimit: 70_000,
  });
  expect(await call(operator, 'PUT', `/admin/organizations/${organizationId}`, { monthlyTokenLimit: 5 })).toMatchObject(
    { status: 200 },
  );
  expect((await phone.request('billing.subscription', {})).organization).toMatchObject({ monthlyTokenLimit: 5 });
  const removed = await call(operator, 'POST', `/admin/organizations/${organizationId}/remove-member`, { userId });
  expect(removed).toMatchObject({ status: 200, body: { members: [] } });
  expect((await phone.request('billing.subscription', {})).organization).toBeNull();
});
