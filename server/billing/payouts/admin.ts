/** What operators do with payouts: run a month, look, approve, hold, cancel, retry, reverse; shares and suspension of creators. */
import { findObstacle } from '../../../db/billing/payouts/claims.ts';
import * as rows from '../../../db/billing/payouts/payouts.ts';
import { listRuns, type RunRow } from '../../../db/billing/payouts/runs.ts';
import type { Database, Tx } from '../../../db/client.ts';
import { type AdminCall, adminReply } from '../../admin-call.ts';
import { pageOf, uuidOf } from '../../admin-query.ts';
import type { Clock } from '../../clock.ts';
import { AppError } from '../../errors.ts';
import type { HttpRequest, Principal } from '../../http.ts';
import * as shapes from './admin-shapes.ts';
import { download, langOf, payoutIdOf } from './http.ts';
import { MONTH } from './month.ts';
import { reconcilePayouts } from './reconciliation.ts';
import { type PayoutService, toPayout } from './service.ts';
import type { Format } from './statements.ts';
import { moveByOperator, type OperatorState } from './states.ts';

type Parts = { db: Database; clock: Clock; payouts: PayoutService };

export function payoutAdminCalls(parts: Parts): AdminCall[] {
  return [...runCalls(parts), ...lookCalls(parts), ...stateCalls(parts), ...creatorCalls(parts)];
}

function runCalls({ db, payouts }: Parts): AdminCall[] {
  return [
    {
      method: 'POST',
      path: '/admin/payout-runs',
      action: 'payouts.run',
      says: 'Makes the payouts of a month, each once; with `dryRun` only says what would be made.',
      body: shapes.RunMonth,
      reply: shapes.RunReply,
      errors: ['billing.payout_month_open', 'billing.payout_month_passed'],
      note: ({ body }) => ({ ...(body as shapes.RunMonth) }),
      async run({ body }, _, admin) {
        const { month, dryRun } = body as shapes.RunMonth;
        if (dryRun) {
          const { payouts: planned } = await payouts.runs.preview(month);
          return adminReply({ run: null, made: 0, planned } satisfies shapes.RunReply);
        }
        const { run, made } = await payouts.runs.run(month, admin.userId);
        return adminReply({ run: toRun(run), made, planned: [] } satisfies shapes.RunReply);
      },
    },
    {
      method: 'GET',
      path: '/admin/payout-runs',
      action: 'payouts.runs',
      says: 'Monthly runs, latest first.',
      reply: shapes.RunPage,
      query: ['limit'],
      async run({ query }, _, admin) {
        const found = await db.asAdmin(admin.userId, (tx) => listRuns(tx, pageOf(query).limit));
        return adminReply({ runs: found.map(toRun) } satisfies shapes.RunPage);
      },
    },
    {
      method: 'GET',
      path: '/admin/payout-reconciliation',
      action: 'payouts.reconcile',
      says: 'Whether creators’ money adds up: each sale once, lines to payouts, everything to zero. Reads it all.',
      reply: shapes.Reconciliation,
      run: async () => adminReply((await reconcilePayouts(db)) satisfies shapes.Reconciliation),
    },
  ];
}

function lookCalls({ db, payouts }: Parts): AdminCall[] {
  const statement = (format: Format): AdminCall => ({
    method: 'GET',
    path: `/admin/payouts/:id/statement.${format}`,
    action: 'payouts.statement',
    target: 'payout',
    says: `The statement of a payout as ${format.toUpperCase()}; \`lang\` is en or ja, else the creator’s.`,
    media: format === 'pdf' ? 'application/pdf' : 'text/csv',
    query: ['lang'],
    errors: ['billing.payout_not_found', 'busy'],
    run: async ({ query }, id, admin) =>
      download(await payouts.statements.write({ operatorId: admin.userId }, payoutIdOf(id), format, langOf(query))),
  });
  return [
    {
      method: 'GET',
      path: '/admin/payouts',
      action: 'payouts.list',
      says: 'Payouts, latest first; `status`, `month`, `creatorId`, `before` and `limit` choose.',
      reply: shapes.PayoutPage,
      query: ['status', 'month', 'creatorId', 'before', 'limit'],
      run: async ({ query }, _, admin) => {
        const { limit } = pageOf(query);
        const filter = { ...filterOf(query), limit };
        return db.asAdmin(admin.userId, async (tx) => {
          const found = await rows.listPayouts(tx, filter);
          const shown: shapes.AdminPayout[] = [];
          for (const row of found) shown.push(await toAdminPayout(tx, row));
          const nextBefore = found.length < limit ? null : (found.at(-1)?.payoutId ?? null);
          return adminReply({ payouts: shown, nextBefore } satisfies shapes.PayoutPage);
        });
      },
    },
    {
      method: 'GET',
      path: '/admin/payouts/:id',
      action: 'payouts.read',
      target: 'payout',
      says: 'One payout, with everything that happened to it.',
      reply: shapes.PayoutDetail,
      errors: ['billing.payout_not_found'],
      run: (_, id, admin) => readDetail(db, admin, payoutIdOf(id)),
    },
    statement('pdf'),
    statement('csv'),
  ];
}

function stateCalls({ db, clock, payouts }: Parts): AdminCall[] {
  const move = (verb: string, to: OperatorState, says: string): AdminCall => ({
    method: 'POST',
    path: `/admin/payouts/:id/${verb}`,
    action: `payouts.${verb}`,
    target: 'payout',
    says,
    body: shapes.Reason,
    reply: shapes.PayoutDetail,
    errors: ['billing.payout_not_found', 'billing.payout_state'],
    async run(request, id, admin) {
      const payoutId = payoutIdOf(id);
      await db.asService((tx) => moveByOperator(tx, payoutId, to, actorOf(request, admin), clock.now()));
      return readDetail(db, admin, payoutId);
    },
  });
  return [
    move('approve', 'approved', 'Lets a payout that waits for it be transferred.'),
    move('retry', 'approved', 'Lets a payout that the provider refused be transferred once more.'),
    move('hold', 'held', 'Keeps a payout back until it is released.'),
    move('release', 'pending', 'Gives a held payout back to those that wait for approval.'),
    move('cancel', 'canceled', 'Gives a payout up; its money is owed to the creator again.'),
    {
      method: 'POST',
      path: '/admin/payouts/:id/reverse',
      action: 'payouts.reverse',
      target: 'payout',
      says: 'Takes the transfer of a payout back; its money is owed to the creator again.',
      body: shapes.Reason,
      reply: shapes.PayoutDetail,
      errors: [
        'billing.payout_not_found',
        'billing.payout_state',
        'billing.payouts_unavailable',
        'billing.provider_rejected',
      ],
      async run(request, id, admin) {
        const payoutId = payoutIdOf(id);
        await payouts.transfers.reverse(payoutId, actorOf(request, admin));
        return readDetail(db, admin, payoutId);
      },
    },
    {
      method: 'POST',
      path: '/admin/payout-transfers',
      action: 'payouts.send',
      says: 'Makes the transfers that are due now instead of at the server’s next turn.',
      reply: shapes.Sent,
      errors: ['billing.payouts_unavailable'],
      run: async () => adminReply({ paid: await payouts.transfers.sendDue() }),
    },
  ];
}

function creatorCalls({ payouts }: Parts): AdminCall[] {
  const read = async (creatorId: string) => {
    const { createdAtMs, shares, userId, status, displayName } = await payouts.getCreator(creatorId);
    const shown = shares.map(({ shareBps, effectiveFromMs, setBy }) => ({
      shareBps,
      effectiveFrom: iso(effectiveFromMs),
      setBy,
    }));
    const creator = { creatorId, userId, status, displayName, since: iso(createdAtMs), shares: shown };
    return adminReply(creator satisfies shapes.CreatorDetail);
  };
  const suspend = (verb: 'suspend' | 'resume', says: string): AdminCall => ({
    method: 'POST',
    path: `/admin/creators/:id/${verb}`,
    action: `creators.${verb}`,
    target: 'creator',
    says,
    reply: shapes.CreatorDetail,
    errors: ['billing.creator_not_found', 'protocol.invalid_body'],
    async run(_, id) {
      const creatorId = creatorIdOf(id);
      await payouts.setSuspended(creatorId, verb === 'suspend');
      return read(creatorId);
    },
  });
  return [
    {
      method: 'GET',
      path: '/admin/creators/:id',
      action: 'creators.read',
      target: 'creator',
      says: 'One creator and the shares that were agreed with him.',
      reply: shapes.CreatorDetail,
      errors: ['billing.creator_not_found', 'protocol.invalid_body'],
      run: (_, id) => read(creatorIdOf(id)),
    },
    {
      method: 'POST',
      path: '/admin/creators/:id/share',
      action: 'creators.set_share',
      target: 'creator',
      says: 'Agrees on a share for sales from a moment on; earlier sales keep theirs.',
      body: shapes.SetShare,
      reply: shapes.CreatorDetail,
      errors: ['billing.creator_not_found', 'billing.share_conflict', 'protocol.invalid_body'],
      note: ({ body }) => ({ ...(body as shapes.SetShare) }),
      async run({ body }, id, admin) {
        const { shareBps, effectiveFrom } = body as shapes.SetShare;
        const creatorId = creatorIdOf(id);
        await payouts.setShare(creatorId, {
          shareBps,
          effectiveFromMs: momentOf(effectiveFrom),
          setBy: admin.userId,
        });
        return read(creatorId);
      },
    },
    suspend('suspend', 'Pays this creator nothing until he is resumed; he goes on earning.'),
    suspend('resume', 'Lets a suspended creator be paid again.'),
  ];
}

function readDetail(db: Database, admin: Principal, payoutId: string) {
  return db.asAdmin(admin.userId, async (tx) => {
    const row = await rows.findPayout(tx, payoutId);
    if (row === undefined) throw new AppError('billing.payout_not_found');
    const events = (await rows.listPayoutEvents(tx, payoutId)).map(
      ({ atMs, fromStatus, toStatus, actorType, actorId, reason, code }) => ({
        ...{ at: iso(atMs), fromStatus, toStatus, actorType, actorId, reason, code },
      }),
    );
    return adminReply({ payout: await toAdminPayout(tx, row), events } satisfies shapes.PayoutDetail);
  });
}

async function toAdminPayout(tx: Tx, row: rows.PayoutRow): Promise<shapes.AdminPayout> {
  const { creatorId, runId, payoutAccountId, providerTransferId, failureCode } = row;
  const waitsFor = row.status === 'approved' ? ((await findObstacle(tx, creatorId)) ?? null) : null;
  return { ...toPayout(row), creatorId, runId, payoutAccountId, providerTransferId, failureCode, waitsFor };
}

function toRun({ runId, month, timeZone, startMs, endMs, startedBy, startedAtMs, finishedAtMs }: RunRow): shapes.Run {
  const period = { periodStart: iso(startMs), periodEnd: iso(endMs) };
  const finishedAt = finishedAtMs === null ? null : iso(finishedAtMs);
  return { runId, month, timeZone, ...period, startedBy, startedAt: iso(startedAtMs), finishedAt };
}

const statuses: readonly string[] = [
  'carried',
  'pending',
  'held',
  'approved',
  'transferring',
  'paid',
  'failed',
  'reversed',
  'canceled',
];

function filterOf(query: URLSearchParams): Omit<rows.PayoutFilter, 'limit'> {
  const [creatorId, before] = [uuidOf(query, 'creatorId'), uuidOf(query, 'before')];
  const [status, month] = [query.get('status') ?? '', query.get('month') ?? ''];
  if (status !== '' && !statuses.includes(status)) throw AppError.invalid('status', `one of ${statuses.join(', ')}`);
  if (month !== '' && !MONTH.test(month)) throw AppError.invalid('month', 'a month such as 2026-10');
  return {
    ...(creatorId === undefined ? {} : { creatorId }),
    ...(before === undefined ? {} : { before }),
    ...(status === '' ? {} : { status: status as rows.PayoutStatus }),
    ...(month === '' ? {} : { month }),
  };
}

/** Before there was anything to sell is a slip of the keyboard; the year 0 is even none of the database's. */
function momentOf(effectiveFrom: string): number {
  const atMs = Date.parse(effectiveFrom);
  if (!(atMs >= Date.UTC(2000))) throw AppError.invalid('effectiveFrom', 'a moment in 2000 or later');
  return atMs;
}

function creatorIdOf(id: string): string {
  const found = uuidOf(new URLSearchParams({ id }), 'id');
  if (found === undefined) throw new AppError('billing.creator_not_found');
  return found;
}

const actorOf = ({ body }: HttpRequest, { userId }: Principal) =>
  ({ type: 'admin', userId, reason: (body as shapes.Reason).reason }) as const;
const iso = (ms: number): string => new Date(ms).toISOString();
