import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AdminCall, adminReply } from '../admin-call.ts';
import { systemClock } from '../clock.ts';
import { AppError, isAppError } from '../errors.ts';
import type { HttpReply, Route, RouteRequest } from '../http.ts';
import { networkOf } from '../identity/addresses.ts';
import { createIdentityHarness, type IdentityHarness, origin, password } from '../identity/testing.ts';
import { adminRoutes } from './admin.ts';

let harness: IdentityHarness;
let routes: Route[];
let admin: { token: string; userId: string };
let person: { token: string; userId: string; email: string };
const closed: string[] = [];
let drains = 0;
let seenMeanwhile: Event | undefined;

const live = [
  {
    connectionId: 'c1',
    userId: '01920000-0000-7000-8000-000000000001',
    sessionId: '01920000-0000-7000-8000-000000000002',
    address: '203.0.113.9',
    openedAtMs: 0,
  },
  {
    connectionId: 'c2',
    userId: '01920000-0000-7000-8000-000000000003',
    sessionId: '01920000-0000-7000-8000-000000000004',
    address: '203.0.113.9',
    openedAtMs: 1,
  },
];

const ofADomain: AdminCall = {
  method: 'POST',
  path: '/admin/things/:id/mend',
  action: 'things.mend',
  says: 'A call that another domain brings.',
  target: 'thing',
  note: ({ body }) => ({ much: (body as { much: number }).much }),
  run: async (_, id, by) => {
    if (id === 'watched') seenMeanwhile = (await events())[0];
    if (id === 'lost') throw new AppError('protocol.not_found');
    return adminReply({ id, by: by.userId });
  },
};

beforeAll(async () => {
  harness = await createIdentityHarness();
  const { identity, test: database } = harness;
  const account = async () => {
    const email = harness.newMail();
    const { userId, accessToken } = await identity.signUp({ email, password }, origin);
    return { userId, token: accessToken, email };
  };
  admin = await account();
  person = await account();
  await identity.admin.grantRole(admin.userId, 'admin', null);
  routes = adminRoutes(
    {
      db: database.database,
      clock: systemClock,
      authenticator: identity.authenticator,
      accounts: identity.admin,
      connections: {
        count: live.length,
        list: () => live,
        close: (id) => live.some(({ connectionId }) => connectionId === id) && closed.push(id) > 0,
      },
      generations: {
        count: 1,
        list: () => [
          {
            generationId: person.userId,
            conversationId: person.userId,
            userId: person.userId,
            model: 'm',
            startedAtMs: 0,
            length: 5,
          },
        ],
      },
      networkOf,
      drain: () => {
        drains++;
      },
    },
    [ofADomain],
  );
});
afterAll(() => harness.close());

type Given = { token?: string; query?: Record<string, string>; body?: unknown; bodyFault?: AppError };
async function call(method: string, path: string, given: Given = {}): Promise<HttpReply & { code?: string }> {
  const matches = routes.flatMap((route) => {
    const names = [...route.path.matchAll(/:(\w+)/g)].map(([, name]) => name ?? '');
    const found = new RegExp(`^${route.path.replace(/:\w+/g, '([^/]+)')}$`).exec(path);
    return route.method === method && found !== null
      ? [{ route, params: Object.fromEntries(names.map((name, i) => [name, found[i + 1] ?? ''])) }]
      : [];
  });
  const [match] = matches;
  if (match === undefined) throw new Error(`no route ${method} ${path}`);
  const request: RouteRequest = {
    method,
    path,
    query: new URLSearchParams(given.query),
    headers: new Map(given.token === undefined ? [] : [['authorization', `Bearer ${given.token}`]]),
    body: given.body,
    ...(given.bodyFault === undefined ? {} : { bodyFault: given.bodyFault }),
    rawBody: new Uint8Array(),
    address: '198.51.100.77',
    cookies: new Map(),
    signal: new AbortController().signal,
  };
  try {
    return await match.route.handle(request, match.params);
  } catch (error) {
    if (!isAppError(error)) throw error;
    return { status: 0, code: error.code };
  }
}
const asAdmin = (method: string, path: string, given: Given = {}) =>
  call(method, path, { token: admin.token, ...given });
type Event = {
  action: string;
  outcome: string;
  adminUserId: string | null;
  target: unknown;
  network: string | null;
  details: Record<string, unknown>;
};
/** Without those of asking for them: one may be of the same millisecond as what follows, and then they come in no order. */
const events = async (): Promise<Event[]> =>
  ((await asAdmin('GET', '/admin/events')).body as { events: Event[] }).events.filter(
    ({ action }) => action !== 'events.list',
  );

describe('who may', () => {
  test.each([
    'GET /admin/connections',
    'GET /admin/generations',
    'GET /admin/users',
    'POST /admin/users/search',
    'POST /admin/connections/c1/close',
    'POST /admin/users/x/sign-out',
    'POST /admin/drain',
    'GET /admin/events',
    'POST /admin/things/x/mend',
  ])('%s is refused to strangers and to users without the role', async (line) => {
    const [method = '', path = ''] = line.split(' ');
    expect((await call(method, path)).code).toBe('identity.unauthenticated');
    expect((await call(method, path, { token: 'x'.repeat(43) })).code).toBe('identity.unauthenticated');
    expect((await call(method, path, { token: person.token })).code).toBe('identity.forbidden');
    expect([closed, drains]).toEqual([[], 0]);
  });

  test('every route of the interface is among them', () => {
    expect(routes.map(({ path }) => path).every((path) => path.startsWith('/admin/'))).toBe(true);
    expect(routes.length).toBe(9);
  });
});

describe('what is entered', () => {
  test('calls that were done, with who and what, without the whole address', async () => {
    await asAdmin('POST', '/admin/connections/c1/close');
    const [event] = await events();
    expect(event).toMatchObject({
      action: 'connections.close',
      outcome: 'done',
      adminUserId: admin.userId,
      target: { type: 'connection', id: 'c1' },
      network: '198.51.100.0/24',
    });
  });

  test('refused and failed calls, with the reason', async () => {
    await call('GET', '/admin/users', { token: person.token });
    expect((await events())[0]).toMatchObject({
      action: 'users.list',
      outcome: 'refused',
      adminUserId: person.userId,
      details: { code: 'identity.forbidden' },
    });
    expect((await asAdmin('POST', '/admin/connections/none/close')).code).toBe('ops.connection_not_found');
    expect((await events())[0]).toMatchObject({
      outcome: 'failed',
      target: { id: 'none' },
      details: { code: 'ops.connection_not_found' },
    });
  });

  test('calls of other domains, with what they note once the role was found', async () => {
    const reply = await asAdmin('POST', '/admin/things/t1/mend', { body: { much: 3 } });
    expect(reply.body).toEqual({ id: 't1', by: admin.userId });
    await asAdmin('POST', '/admin/things/lost/mend', { body: { much: 4 } });
    const entered = (await events()).filter(({ action }) => action === 'things.mend');
    const about = (id: string) => entered.find(({ target }) => (target as { id: string }).id === id);
    expect(about('t1')).toMatchObject({ outcome: 'done', target: { type: 'thing' }, details: { much: 3 } });
    expect(about('lost')).toMatchObject({ outcome: 'failed', details: { much: 4, code: 'protocol.not_found' } });
  });

  test('calls that change something before they are carried out, and then their end in its place', async () => {
    await asAdmin('POST', '/admin/things/watched/mend', { body: { much: 5 } });
    const begun = { action: 'things.mend', adminUserId: admin.userId, target: { id: 'watched' }, details: { much: 5 } };
    expect(seenMeanwhile).toMatchObject({ ...begun, outcome: 'begun' });
    const entered = (await events()).filter(({ target }) => (target as { id: string } | null)?.id === 'watched');
    expect(entered).toEqual([expect.objectContaining({ ...begun, target: expect.anything(), outcome: 'done' })]);
  });

  test('bodies of another form, which only operators are told of', async () => {
    const wrong = { body: 'nothing', bodyFault: AppError.invalid('much', 'a number') };
    expect((await call('POST', '/admin/things/t2/mend', wrong)).code).toBe('identity.unauthenticated');
    expect((await call('POST', '/admin/things/t2/mend', { ...wrong, token: person.token })).code).toBe(
      'identity.forbidden',
    );
    expect((await asAdmin('POST', '/admin/things/t2/mend', wrong)).code).toBe('protocol.invalid_body');
    expect((await events())[0]).toMatchObject({
      action: 'things.mend',
      outcome: 'failed',
      target: { id: 't2' },
      details: { code: 'protocol.invalid_body' },
    });
  });

  test('a flood of strangers is bounded, and counted', async () => {
    for (let i = 0; i < 60; i++) await call('POST', '/admin/drain');
    const all = await harness.test.database.asService(
      (tx) =>
        tx.sql<{ count: number }[]>`select count(*)::int as count from ops.admin_events where action = 'server.drain'`,
    );
    expect(all[0]?.count).toBeLessThan(60);
    await asAdmin('GET', '/admin/generations');
    const leftOut = (await events()).map(({ details }) => Number(details['leftOut'] ?? 0));
    expect(Math.max(...leftOut)).toBeGreaterThan(20);
  });

  test('page by page, newest first', async () => {
    const first = (await asAdmin('GET', '/admin/events', { query: { limit: '3' } })).body as {
      events: { eventId: string }[];
      nextBefore: string;
    };
    const second = (await asAdmin('GET', '/admin/events', { query: { limit: '3', before: first.nextBefore } }))
      .body as typeof first;
    expect(first.events).toHaveLength(3);
    expect(second.events.some(({ eventId }) => first.events.some((one) => one.eventId === eventId))).toBe(false);
  });
});

describe('what it shows and does', () => {
  test('connections without addresses, filtered and paged', async () => {
    const all = await asAdmin('GET', '/admin/connections');
    expect(all.body).toMatchObject({
      total: 2,
      connections: [{ connectionId: 'c1', network: '203.0.113.0/24' }, { connectionId: 'c2' }],
    });
    expect(JSON.stringify(all.body)).not.toContain('203.0.113.9');
    expect(
      (await asAdmin('GET', '/admin/connections', { query: { userId: live[1]?.userId ?? '' } })).body,
    ).toMatchObject({ connections: [{ connectionId: 'c2' }] });
    expect((await asAdmin('GET', '/admin/connections', { query: { offset: '1', limit: '1' } })).body).toMatchObject({
      connections: [{ connectionId: 'c2' }],
    });
  });

  test('generations', async () => {
    expect((await asAdmin('GET', '/admin/generations')).body).toMatchObject({
      total: 1,
      generations: [{ model: 'm', length: 5 }],
    });
  });

  test('users by id and by mail, the mail masked', async () => {
    const byId = await asAdmin('GET', '/admin/users', { query: { userId: person.userId } });
    const byMail = await asAdmin('POST', '/admin/users/search', { body: { email: person.email } });
    expect(byMail.body).toEqual(byId.body);
    expect(byId.body).toMatchObject({ users: [{ userId: person.userId, roles: [] }] });
    expect(JSON.stringify(byId.body)).not.toContain(person.email);
    expect(
      (await asAdmin('POST', '/admin/users/search', { body: { email: 'nobody@example.com' } })).body,
    ).toMatchObject({ users: [] });
  });

  test('signs a user out everywhere', async () => {
    const { accessToken } = await harness.identity.signIn(person.email, password, origin);
    const reply = await asAdmin('POST', `/admin/users/${person.userId}/sign-out`);
    expect((reply.body as { sessions: number }).sessions).toBeGreaterThan(0);
    await expect(harness.identity.authenticate(accessToken)).rejects.toMatchObject({
      code: 'identity.unauthenticated',
    });
    expect((await asAdmin('POST', '/admin/users/01920000-0000-7000-8000-00000000dead/sign-out')).code).toBe(
      'ops.user_not_found',
    );
  });

  test('drains once asked by an operator', async () => {
    expect(await asAdmin('POST', '/admin/drain')).toMatchObject({ status: 202, body: { draining: true } });
    expect(drains).toBe(1);
  });

  test.each([{ limit: '-1' }, { limit: '9999' }, { limit: 'x' }, { offset: '1e3' }, { userId: "' or 1=1" }])(
    'a wrong query is named: %j',
    async (query) => {
      expect((await asAdmin('GET', '/admin/connections', { query })).code).toBe('protocol.invalid_body');
    },
  );
});
