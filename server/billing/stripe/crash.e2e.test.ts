/** A gateway is killed between the answer to a webhook and the work on it, by a signal and not in theory. */
import postgres from 'postgres';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemClock } from '../../clock.ts';
import { Person } from '../../testing/people.ts';
import { startTestServer, type TestServer } from '../../testing/start-server.ts';
import { type OfflineStripe, startOfflineStripe } from './offline/server.ts';

const secretKey = 'sk_test_of_the_crash';
let offline: OfflineStripe;
let server: TestServer;
beforeAll(async () => {
  offline = await startOfflineStripe({ secretKey, clock: systemClock });
  const env = {
    STRIPE_SECRET_KEY: secretKey,
    STRIPE_WEBHOOK_SECRET: `whsec_of_yesterday, ${offline.sendEventsTo('')}`,
    STRIPE_API_BASE: offline.url,
  };
  server = await startTestServer({ env });
  offline.sendEventsTo(`${server.url}/stripe/webhook`);
});
afterAll(async () => {
  await server?.close();
  await offline?.close();
});

test('what was answered is worked on after kill -9', async () => {
  const person = await Person.signUp(server.url);
  const device = await person.device();
  expect((await device.request('billing.products', {})).buying).toBe('on');
  const asked = { type: 'tickets', id: 'tickets_5', requestKey: 'before-the-crash' };
  const { url } = await device.request('billing.checkout', asked);
  await offline.webhooks.idle();
  // From now on the provider only talks: who asks it gets nothing.
  offline.failNext(1_000_000, 503);
  offline.checkout.complete(url?.split('/').at(-1) ?? '');
  await offline.webhooks.idle();
  expect(offline.store.list('event', ({ pending_webhooks }) => pending_webhooks > 0)).toEqual([]);
  person.leave();
  await server.kill();

  offline.failNext(0, 503);
  const sql = postgres(server.env['DATABASE_URL'] ?? '', { max: 1, onnotice: () => {} });
  try {
    const [waiting] = await sql`select count(*)::int as events from billing.provider_events where processed_at is null`;
    expect(waiting?.['events']).toBeGreaterThan(0);
    // The leases of the dead gateway are over.
    await sql`update billing.provider_events set next_attempt_at = now() where processed_at is null`;
    server = await server.restart();
    person.moveTo(server.url);
    const again = await person.device();
    await expect.poll(async () => (await again.request('billing.tickets', {})).balance).toBe(5);
    await expect
      .poll(async () => (await sql`select 1 from billing.provider_events where processed_at is null`).length)
      .toBe(0);
    expect((await again.request('billing.purchases', {})).purchases).toMatchObject([
      { type: 'tickets', status: 'paid' },
    ]);
    person.leave();
  } finally {
    await sql.end();
  }
});
