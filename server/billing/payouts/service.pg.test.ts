/** What a creator and an operator see and do, as the gateway calls it: replies have the form that is promised, and others' are not seen. */
import { randomBytes, randomUUID } from 'node:crypto';
import { Check } from 'typebox/value';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ColumnKeys } from '../../../db/keys/column-keys.ts';
import { FixedMasterKeys } from '../../../db/keys/master-key-source.ts';
import { PostgresLiveStore } from '../../../db/live/postgres.ts';
import * as protocol from '../../../protocol/billing-payouts.ts';
import { WorkerPool } from '../../../workers/pool.ts';
import { isAppError } from '../../errors.ts';
import type { HttpReply, HttpRequest, Route } from '../../http.ts';
import type { Caller } from '../../peer.ts';
import { payoutAdminCalls } from './admin.ts';
import { payoutFrames } from './frames.ts';
import { statementRoutes } from './http.ts';
import { PayoutService } from './service.ts';
import { createPayoutHarness, type PayoutHarness } from './testing.ts';

let h: PayoutHarness;
let pool: WorkerPool;
let live: PostgresLiveStore;
let service: PayoutService;
let frames: ReturnType<typeof payoutFrames>;
let creator: { userId: string; creatorId: string };
let other: { userId: string; creatorId: string };
let operator: string;
let payoutId: string;

beforeAll(async () => {
  h = await createPayoutHarness();
  pool = new WorkerPool({ threads: 1, maxQueue: 100 });
  live = new PostgresLiveStore(h.database.url);
  const keys = new ColumnKeys(new FixedMasterKeys(`k1:${randomBytes(32).toString('base64')}`));
  const log = { info: () => {}, warn: () => {} };
  const { db, clock, creators, policy } = h;
  service = new PayoutService({ db, clock, creators, policy, log, live, runner: pool, cells: keys.cells });
  frames = payoutFrames(service);
  [creator, other] = [await h.newCreator('=cmd 髙橋', 'ja'), await h.newCreator('Other', 'en')];
  operator = await h.newUser();
  await db.asService((tx) => tx.sql`insert into identity.user_roles (user_id, role) values (${operator}, 'admin')`);
  for (let i = 0; i < 5; i++) await h.sell(creator.userId, 1000 + i, `2026-01-0${i + 1}T00:00:00Z`);
  await h.sell(creator.userId, 2000, '2026-01-30T00:00:00Z');
  await h.sell(other.userId, 9000, '2026-01-02T00:00:00Z');
});
afterAll(async () => {
  await live.close();
  await pool.close();
  await h.database.close();
});

const as = (userId: string): Caller => ({ userId, sessionId: randomUUID(), peer: undefined as never });
const code = (work: Promise<unknown> | (() => unknown)) =>
  Promise.resolve()
    .then(() => (typeof work === 'function' ? work() : work))
    .then(() => 'done')
    .catch((error) => (isAppError(error) ? error.code : String(error)));
const request = (given: Partial<HttpRequest> = {}): HttpRequest => ({
  method: 'GET',
  path: '',
  query: new URLSearchParams(),
  headers: new Map(),
  body: undefined,
  rawBody: new Uint8Array(),
  address: '198.51.100.7',
  cookies: new Map(),
  signal: new AbortController().signal,
  ...given,
});
async function asOperator(line: string, given: Partial<HttpRequest> = {}): Promise<HttpReply> {
  const [method, path = ''] = line.split(' ');
  for (const call of payoutAdminCalls({ db: h.db, clock: h.clock, payouts: service })) {
    const found = new RegExp(`^${call.path.replace('.', '\\.').replace(':id', '([^/]+)')}$`).exec(path);
    if (call.method !== method || found === null) continue;
    if (call.body !== undefined) expect(Check(call.body, given.body)).toBe(true);
    const reply = await call.run(request(given), found[1] ?? '', { userId: operator, sessionId: '', roles: ['admin'] });
    if (call.reply !== undefined) expect(Check(call.reply, reply.body), `reply of ${line}`).toBe(true);
    return reply;
  }
  throw new Error(`no call ${line}`);
}

describe('a creator', () => {
  test('is one by wish, once, and sees his share and what he has earned', async () => {
    const userId = await h.newUser();
    expect(await frames['billing.creator'](as(userId), {})).toEqual({ creator: null });
    expect(await code(() => frames['billing.payouts'](as(userId), {}))).toBe('billing.not_a_creator');
    const made = await frames['billing.become_creator'](as(userId), {});
    expect(Check(protocol.becomeCreator.reply, made)).toBe(true);
    expect(await frames['billing.become_creator'](as(userId), {})).toEqual(made);
    const mine = await frames['billing.creator'](as(creator.userId), {});
    expect(Check(protocol.creator.reply, mine)).toBe(true);
    expect(mine.creator).toMatchObject({
      shareBps: 7000,
      canBePaid: false,
      balances: [{ currency: 'JPY', readyMinor: 0 }],
    });
    expect(mine.creator?.balances[0]?.waitingMinor).toBe(700 + 700 + 701 + 702 + 702 + 1400);
  });

  test('cannot be paid while there is no provider, and is told so', async () => {
    for (const work of [
      () => frames['billing.payout_accounts'](as(creator.userId), {}),
      () => frames['billing.add_payout_account'](as(creator.userId), { country: 'JP' }),
      () => frames['billing.remove_payout_account'](as(creator.userId), { accountId: randomUUID() }),
    ])
      expect(await code(work)).toBe('billing.payouts_unavailable');
  });
});

describe('an operator', () => {
  test('tries a month, runs it, and reads it', async () => {
    h.moveTo('2026-02-05T00:00:00Z');
    const body = { month: '2026-01', dryRun: true };
    const planned = (await asOperator('POST /admin/payout-runs', { body })).body as { planned: unknown[] };
    expect(planned.planned).toHaveLength(2);
    const done = await asOperator('POST /admin/payout-runs', { body: { ...body, dryRun: false } });
    expect(done.body).toMatchObject({
      made: 2,
      run: { month: '2026-01', startedBy: operator, timeZone: 'Asia/Tokyo' },
    });
    expect((await asOperator('GET /admin/payout-runs')).body).toMatchObject({ runs: [{ month: '2026-01' }] });
    const query = new URLSearchParams({ creatorId: creator.creatorId, status: 'pending', month: '2026-01' });
    const page = (await asOperator('GET /admin/payouts', { query })).body as { payouts: { payoutId: string }[] };
    expect(page.payouts).toHaveLength(1);
    payoutId = page.payouts[0]?.payoutId ?? '';
    expect((await asOperator(`GET /admin/payouts/${payoutId}`)).body).toMatchObject({
      payout: { creatorId: creator.creatorId, amountMinor: 3505 - 50, waitsFor: null },
      events: [{ toStatus: 'pending', actorType: 'admin', actorId: operator }],
    });
    for (const [name, value] of [
      ['status', 'gone'],
      ['month', '2026-1'],
      ['creatorId', 'x'],
      ['before', '1'],
    ] as const)
      expect(await code(asOperator('GET /admin/payouts', { query: new URLSearchParams({ [name]: value }) }))).toBe(
        'protocol.invalid_body',
      );
  });

  test('approves, holds, releases and cancels with a reason, which the creator does not see', async () => {
    const body = { reason: 'looks odd' };
    const verbs = ['approve', 'hold', 'release', 'approve'] as const;
    for (const verb of verbs) await asOperator(`POST /admin/payouts/${payoutId}/${verb}`, { body });
    const detail = (await asOperator(`GET /admin/payouts/${payoutId}`)).body as {
      payout: object;
      events: { reason: string | null }[];
    };
    expect(detail.payout).toMatchObject({ status: 'approved', waitsFor: 'no_account' });
    expect(detail.events.map(({ reason }) => reason)).toEqual([null, ...verbs.map(() => 'looks odd')]);
    const seen = await h.db.asUser(creator.userId, (tx) => tx.sql`select * from billing.payout_events`);
    expect(seen).toEqual([]);
    expect(await code(asOperator(`POST /admin/payouts/${payoutId}/release`, { body }))).toBe('billing.payout_state');
    expect(await code(asOperator(`POST /admin/payouts/${payoutId}/reverse`, { body }))).toBe(
      'billing.payouts_unavailable',
    );
    expect(await code(asOperator(`POST /admin/payouts/${randomUUID()}/hold`, { body }))).toBe(
      'billing.payout_not_found',
    );
    expect(await code(asOperator('POST /admin/payouts/x/hold', { body }))).toBe('billing.payout_not_found');
  });

  test('agrees on shares and suspends', async () => {
    const { creatorId } = other;
    const body = { shareBps: 8000, effectiveFrom: '2026-03-01T00:00:00Z' };
    const reply = await asOperator(`POST /admin/creators/${creatorId}/share`, { body });
    expect(reply.body).toMatchObject({ shares: [{ shareBps: 8000, setBy: operator }], status: 'active' });
    expect(await code(asOperator(`POST /admin/creators/${creatorId}/share`, { body }))).toBe('billing.share_conflict');
    const nought = { shareBps: 8000, effectiveFrom: '0000-01-01T00:00:00Z' };
    expect(await code(asOperator(`POST /admin/creators/${creatorId}/share`, { body: nought }))).toBe(
      'protocol.invalid_body',
    );
    expect((await asOperator(`POST /admin/creators/${creatorId}/suspend`)).body).toMatchObject({ status: 'suspended' });
    expect((await asOperator(`POST /admin/creators/${creatorId}/resume`)).body).toMatchObject({ status: 'active' });
    for (const id of [randomUUID(), ''])
      expect(await code(service.getCreator(id === '' ? randomUUID() : id))).toBe('billing.creator_not_found');
  });

  test('finds that all adds up', async () => {
    expect((await asOperator('GET /admin/payout-reconciliation')).body).toMatchObject({ ok: true, faults: [] });
  });
});

describe('payouts and their statements', () => {
  test('are seen page by page by their creator alone', async () => {
    const mine = await frames['billing.payouts'](as(creator.userId), {});
    expect(Check(protocol.payouts.reply, mine)).toBe(true);
    expect(mine).toMatchObject({
      payouts: [{ payoutId, amountMinor: 3455, lineCount: 5, month: '2026-01' }],
      nextBefore: null,
    });
    const lines: { lineId: string }[] = [];
    for (let after: string | undefined; ; ) {
      const page = await frames['billing.payout_lines'](as(creator.userId), {
        payoutId,
        limit: 2,
        ...(after ? { after } : {}),
      });
      expect(Check(protocol.payoutLines.reply, page)).toBe(true);
      lines.push(...page.lines);
      if (page.nextAfter === null) break;
      after = page.nextAfter;
    }
    expect(new Set(lines.map(({ lineId }) => lineId)).size).toBe(5);
    for (const work of [
      () => frames['billing.payout_lines'](as(other.userId), { payoutId }),
      () => frames['billing.payout_statement'](as(other.userId), { payoutId, format: 'csv' }),
      () => service.statements.write({ userId: other.userId }, payoutId, 'pdf'),
      () => service.statements.write({ operatorId: other.userId }, payoutId, 'pdf'),
    ])
      expect(await code(work)).toBe('billing.payout_not_found');
  });

  const download = async (path: string, userId?: string, query = {}): Promise<HttpReply> => {
    for (const route of statementRoutes(service.statements) as Route[]) {
      const [, name = ''] = /:(\w+)/.exec(route.path) ?? [];
      const found = new RegExp(`^${route.path.replace('.', '\\.').replace(/:\w+/, '([^/]+)')}$`).exec(path);
      if (found === null) continue;
      const caller = userId === undefined ? {} : { caller: { userId, sessionId: '', roles: [] } };
      return route.handle({ ...request({ query: new URLSearchParams(query) }), ...caller }, { [name]: found[1] ?? '' });
    }
    throw new Error(`no route ${path}`);
  };

  test('are CSV in the language of the account or another, and add up', async () => {
    const reply = await download(`/billing/payouts/${payoutId}/statement.csv`, creator.userId);
    expect(reply.headers).toMatchObject({ 'content-type': 'text/csv; charset=utf-8', 'cache-control': 'no-store' });
    const rows = String(reply.body)
      .trimEnd()
      .split('\r\n')
      .map((row) => row.split(','));
    expect(rows[0]?.[0]).toBe('\ufeff日時');
    const yours = rows.slice(1).map((row) => Number(row[8]));
    expect(yours.slice(0, -1).reduce((sum, one) => sum + one, 0)).toBe(3455);
    expect(yours.at(-1)).toBe(3455);
    const english = await download(`/billing/payouts/${payoutId}/statement.csv`, creator.userId, { lang: 'en' });
    expect(String(english.body)).toContain('Carried in from the month before');
    expect(await code(download(`/billing/payouts/${payoutId}/statement.csv`, creator.userId, { lang: 'de' }))).toBe(
      'protocol.invalid_body',
    );
    expect(await code(download('/billing/payouts/x/statement.csv', creator.userId))).toBe('billing.payout_not_found');
  });

  test('are PDF, for the creator and for operators', async () => {
    const mine = await download(`/billing/payouts/${payoutId}/statement.pdf`, creator.userId);
    const theirs = await asOperator(`GET /admin/payouts/${payoutId}/statement.pdf`);
    for (const { body, headers } of [mine, theirs]) {
      expect(Buffer.from(body as Uint8Array).toString('latin1', 0, 5)).toBe('%PDF-');
      expect(headers?.['content-disposition']).toMatch(
        /^attachment; filename="tsumugi-payout-2026-01-JPY-[0-9a-f]{12}\.pdf"$/,
      );
    }
  });

  test('can be fetched once by an address', async () => {
    const given = await frames['billing.payout_statement'](as(creator.userId), { payoutId, format: 'csv', lang: 'en' });
    expect(Check(protocol.payoutStatement.reply, given)).toBe(true);
    expect(String((await download(given.path)).body)).toContain('Payout');
    expect(await code(download(given.path))).toBe('protocol.not_found');
    expect(await code(download('/billing/statements/nothing'))).toBe('protocol.not_found');
  });

  test('of many lines are whole, piece after piece', async () => {
    const { userId } = await h.newCreator();
    const many = 5_001;
    await h.db.asService(
      (tx) => tx.sql`
      insert into billing.creator_earnings (id, creator_id, kind, source_key, purchase_id, currency, gross_minor, share_bps, creator_minor,
        platform_minor, happened_at, available_at)
      select gen_random_uuid(), c.id, 'sale', 'sale:many:' || i, gen_random_uuid(), 'JPY', 10, 7000, 7, 3, '2026-01-20',
        '2026-02-10' from generate_series(1, ${many}) i, identity.creators c where c.user_id = ${userId}`,
    );
    h.moveTo('2026-03-05T00:00:00Z');
    await service.work();
    const [payout] = (await frames['billing.payouts'](as(userId), {})).payouts;
    const written = await service.statements.write({ userId }, payout?.payoutId ?? '', 'csv', 'en');
    const rows = String(written.body).trimEnd().split('\r\n');
    expect(rows).toHaveLength(many + 5);
    expect(rows.at(-1)).toContain(`,${many * 7 - 50},`);
  });
});
