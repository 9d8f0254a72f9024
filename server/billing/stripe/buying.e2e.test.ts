/** The whole server with offline payments: from the command over the page of the checkout and a signed webhook to the push. */
import postgres from 'postgres';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { DownBody } from '../../../protocol/down.ts';
import { Person } from '../../testing/people.ts';
import { startTestServer, type TestServer } from '../../testing/start-server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ env: { STRIPE_MODE: 'offline' } });
});
afterAll(() => server?.close());

const press = (url: string | null, action: string) =>
  fetch(url ?? '', { method: 'POST', redirect: 'manual', body: new URLSearchParams({ action }) });

test('000-R15: somebody buys tokens and tickets, hears of it on another device, and has it after a restart', async () => {
  const person = await Person.signUp(server.url);
  const [desk, phone] = [await person.device(), await person.device()];
  const heard = new Promise<DownBody<'billing.purchase'>>((resolve) => {
    phone.on('billing.purchase', (body) => resolve(body));
  });
  const { offers, buying } = await desk.request('billing.products', {});
  expect(buying).toBe('offline');
  expect(offers.map(({ id }) => id)).toEqual(expect.arrayContaining(['tokens_100k', 'tickets_5']));

  const asked = { type: 'tickets', id: 'tickets_5', requestKey: 'buy-tickets-1' };
  const checkout = await desk.request('billing.checkout', asked);
  expect(await desk.request('billing.checkout', asked)).toEqual(checkout);
  const paid = await press(checkout.url, 'pay');
  expect(paid.headers.get('location')).toBe(`${server.url}/stripe/return?payment=${checkout.paymentId}&lang=en`);
  expect(await heard).toMatchObject({
    paymentId: checkout.paymentId,
    status: 'succeeded',
    purchase: { units: 5, amountMinor: 600 },
  });

  expect(await desk.request('billing.tickets', {})).toMatchObject({
    balance: 5,
    transactions: [{ type: 'purchase', amount: 5 }],
  });
  expect(await desk.request('billing.purchases', {})).toMatchObject({
    purchases: [{ type: 'tickets', status: 'paid' }],
    nextBefore: null,
  });
  expect(await desk.request('billing.entitlements', {})).toEqual({ entitlements: [], nextBefore: null });
  const { url } = await desk.request('billing.portal', { locale: 'ja' });
  expect(await (await fetch(url)).text()).toContain('実際のお金は動きません');
  const back = await fetch(paid.headers.get('location') ?? '');
  expect([back.status, back.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);

  const stranger = await Person.signUp(server.url);
  const other = await stranger.device();
  expect(await other.request('billing.purchases', {})).toEqual({ purchases: [], nextBefore: null });
  await expect(other.request('billing.portal', {})).rejects.toMatchObject({ code: 'billing.no_customer' });
  person.leave();
  stranger.leave();

  await server.stop();
  server = await server.restart();
  person.moveTo(server.url);
  const again = await person.device();
  expect(await again.request('billing.tickets', {})).toMatchObject({ balance: 5 });
  expect(await again.request('billing.checkout', asked)).toMatchObject({ status: 'succeeded', url: null });
  person.leave();
});

test('000-R4: somebody takes a plan, gets another one, leaves, stays, and gets his money back from an operator', async () => {
  const [person, operator] = [await Person.signUp(server.url), await Person.signUp(server.url)];
  const device = await person.device();
  const plan = async () => (await device.request('billing.subscription', {})).planId;
  expect(await plan()).toBe('free');
  const checkout = await device.request('billing.checkout', { type: 'plan', id: 'pro', requestKey: 'take-a-plan-1' });
  await press(checkout.url, 'pay');
  await expect.poll(plan).toBe('pro');
  await expect(
    device.request('billing.checkout', { type: 'plan', id: 'business', requestKey: 'take-a-plan-2' }),
  ).rejects.toMatchObject({ code: 'billing.already_subscribed' });
  await device.request('billing.change_plan', { planId: 'business' });
  await expect.poll(plan).toBe('business');
  expect(await device.request('billing.cancel_plan', {})).toMatchObject({ planId: 'business' });
  expect(await device.request('billing.resume_plan', {})).toMatchObject({ planId: 'business' });

  const paid = async () => (await device.request('billing.purchases', {})).purchases;
  await expect.poll(async () => (await paid()).map(({ itemId }) => itemId)).toEqual(['business', 'pro']);
  await grantAdmin(operator);
  for (const { purchaseId } of await paid()) {
    const answer = await fetch(`${server.url}/admin/purchases/${purchaseId}/refund`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${operator.auth.tokens?.accessToken}` },
      body: JSON.stringify({ reason: 'a change of heart', requestKey: `refund-${purchaseId}` }),
    });
    expect([answer.status, await answer.json()]).toMatchObject([200, { status: 'succeeded' }]);
  }
  await expect.poll(plan).toBe('free');
  expect((await paid()).map(({ status }) => status)).toEqual(['refunded', 'refunded']);
  person.leave();
  operator.leave();
});

/** As `npm run admin -- grant` does. */
async function grantAdmin({ auth, email, password }: Person): Promise<void> {
  const sql = postgres(server.env['DATABASE_URL'] ?? '', { max: 1, onnotice: () => {} });
  await sql`insert into identity.user_roles (user_id, role) values (${auth.tokens?.userId ?? ''}, 'admin')`;
  await sql.end();
  // The session of before does not know it yet.
  await auth.signIn(email, password);
}

test('the webhook refuses what is not signed, whatever it is, and stays within its bounds', async () => {
  const post = (body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string> = {}) =>
    fetch(`${server.url}/stripe/webhook`, { method: 'POST', body, headers });
  for (const body of [
    '',
    '{',
    '[]',
    '{"id":"evt_1","object":"event"}',
    new Uint8Array([0xff, 0xfe, 0, 1]),
    '['.repeat(100_000),
  ]) {
    for (const type of ['application/json', 'text/plain']) {
      const answer = await post(body, {
        'content-type': type,
        'stripe-signature': `t=${Math.floor(Date.now() / 1000)},v1=00`,
      });
      expect([answer.status, ((await answer.json()) as { error: { code: string } }).error.code]).toEqual([
        400,
        'billing.invalid_signature',
      ]);
    }
  }
  const huge = await post('x'.repeat(600 * 1024)).then(
    ({ status }) => status,
    () => 413,
  );
  expect(huge).toBe(413);
  expect((await fetch(`${server.url}/stripe/webhook`)).status).toBe(405);
});
