/**
 * What appending to the ledger costs beside a bare insert of the same rows: entries are decided (the outbox) and booked (chains,
 * balances, what was spent, indexes) by the real code, 256 in flight, against `insert … select from unnest(…)` in batches of the
 * same sizes into a table without indexes, on the same server. Rounds of both take turns.
 * `node loadtest/micro/ledger.ts [--quick]` prints the figures; `measureLedger` gives them.
 */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import postgres from 'postgres';
import { Database } from '../../db/client.ts';
import { startEmbeddedPostgres } from '../../db/embedded/embedded-postgres.ts';
import { prepareAppLogin } from '../../db/login.ts';
import { migrate } from '../../db/migrate.ts';
import { uuidv7 } from '../../db/uuid.ts';
import type { Movement } from '../../server/billing/ledger/movement.ts';
import { BillingService } from '../../server/billing/service.ts';
import { systemClock } from '../../server/clock.ts';
import { WorkerPool } from '../../workers/pool.ts';

export type LedgerFigures = {
  inFlight: number;
  /** Entries booked and acknowledged in a second; the median of the rounds. */
  appendedPerS: number;
  /** Rows of the bare insert in a second; the median of the rounds. */
  barePerS: number;
  /** `appendedPerS` through `barePerS`. Target: at least 0.25. */
  ratio: number;
  /** From the wish to the acknowledgement, milliseconds, over all rounds. */
  p50Ms: number;
  p99Ms: number;
  meanBatch: number;
  /** One hold in a transaction of its own, and a transaction that does nothing: medians, milliseconds. */
  holdMs: number;
  emptyTransactionMs: number;
};

const IN_FLIGHT = 256;
const ACCOUNTS = 2_000;
/** As many answers go into one transaction of the settler. */
const MAX_BATCH = 128;

export async function measureLedger(quick = false): Promise<LedgerFigures> {
  const dataDir = mkdtempSync(join(tmpdir(), 'tsumugi-ledger-'));
  const cluster = await startEmbeddedPostgres({ dataDir, log: () => {} });
  try {
    await migrate(cluster.ownerUrl);
    const url = await prepareAppLogin(cluster.ownerUrl, 'only-for-this-measurement');
    return await measure(url, cluster.ownerUrl, quick ? 3 : 6, quick ? 1_000 : 2_000);
  } finally {
    await cluster.stop();
    rmSync(dataDir, { recursive: true, force: true });
  }
}

async function measure(url: string, ownerUrl: string, rounds: number, roundMs: number): Promise<LedgerFigures> {
  const [db, side] = [new Database(url, { max: 10 }), new Database(url, { max: 3 })];
  const bare = postgres(ownerUrl, { max: 1, onnotice: () => {} });
  const pool = new WorkerPool({ threads: 1, maxQueue: 1_000 });
  const log = { warn: console.error, error: console.error };
  const billing = new BillingService(db, pool, systemClock, { signUpGrantTokens: 1e9 }, { side, log });
  try {
    await billing.start();
    const users = Array.from({ length: ACCOUNTS }, () => randomUUID());
    const accounts = await openAccounts(db, billing, users);
    await bare`create table public.bare as select * from billing.token_ledger with no data`;
    await append(db, billing, accounts, roundMs);
    const samples: number[] = [];
    const batches: number[] = [];
    const [appended, inserted]: [number[], number[]] = [[], []];
    for (let round = 0; round < rounds; round++) {
      const run = await append(db, billing, accounts, roundMs);
      samples.push(...run.latenciesMs);
      batches.push(...run.batches);
      appended.push(run.perS);
      inserted.push(await insertBare(bare, accounts, run.batches, roundMs));
    }
    const { ok, problems } = await billing.verifyChain();
    if (!ok) throw new Error(`The ledger does not hold: ${JSON.stringify(problems.slice(0, 3))}`);
    const [appendedPerS, barePerS] = [medianOf(appended), medianOf(inserted)];
    return {
      inFlight: IN_FLIGHT,
      appendedPerS,
      barePerS,
      ratio: appendedPerS / barePerS,
      p50Ms: quantile(samples, 0.5),
      p99Ms: quantile(samples, 0.99),
      meanBatch: batches.reduce((sum, size) => sum + size, 0) / batches.length,
      ...(await measureHold(db, billing, users)),
    };
  } finally {
    await billing.stop();
    await Promise.all([pool.close(), bare.end(), db.close(), side.close()]);
  }
}

async function openAccounts(db: Database, billing: BillingService, users: readonly string[]): Promise<string[]> {
  const accounts: string[] = [];
  for (let at = 0; at < users.length; at += 200) {
    const some = users.slice(at, at + 200);
    const refs = await db.asService(async (tx) => {
      accounts.push(...(await billing.ledger.accountsOf(tx, some)).values());
      return (await Promise.all(some.map((user) => billing.grantSignUp(tx, user)))).flat();
    });
    await billing.ledger.settled(refs);
  }
  return accounts;
}

/** Whatever is wished for while a transaction is under way goes into the next one, as answers that end do. */
async function append(db: Database, billing: BillingService, accounts: readonly string[], forMs: number) {
  const latenciesMs: number[] = [];
  const batches: number[] = [];
  const endsAt = performance.now() + forMs;
  const waiting: { movement: Movement; resolve: () => void }[] = [];
  let storing = false;
  const store = async (): Promise<void> => {
    storing = true;
    while (waiting.length > 0) {
      const batch = waiting.splice(0, MAX_BATCH);
      batches.push(batch.length);
      const refs = await db.asService((tx) =>
        billing.ledger.enqueue(
          tx,
          batch.map(({ movement }) => movement),
        ),
      );
      void billing.ledger.settled(refs).then(() => {
        for (const { resolve } of batch) resolve();
      });
    }
    storing = false;
  };
  const startedAt = performance.now();
  const talk = async (talker: number): Promise<void> => {
    for (let turn = talker; performance.now() < endsAt; turn += IN_FLIGHT) {
      const wishedAt = performance.now();
      await new Promise<void>((resolve) => {
        waiting.push({ movement: movementOf(accounts, turn), resolve });
        if (!storing) {
          storing = true;
          setImmediate(store);
        }
      });
      latenciesMs.push(performance.now() - wishedAt);
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, (_, talker) => talk(talker)));
  return { latenciesMs, batches, perS: (latenciesMs.length / (performance.now() - startedAt)) * 1_000 };
}

function movementOf(accounts: readonly string[], turn: number): Movement {
  const generationId = uuidv7();
  return {
    fromAccount: accounts[turn % accounts.length] ?? '',
    // Half of the answers are those of somebody's avatar.
    toAccount: turn % 2 ? (accounts[(turn * 7 + 1) % accounts.length] ?? '') : '00000000-0000-4000-8000-000000000000',
    asset: 'token',
    tokenAmount: 1 + (turn % 500),
    purpose: 'generation',
    idempotencyKey: `generation:${generationId}`,
    conversationId: randomUUID(),
    messageId: randomUUID(),
    generationId,
  };
}

/** Rows per second: one statement a batch, committed each, one behind the other. */
async function insertBare(
  sql: postgres.Sql,
  accounts: readonly string[],
  sizes: readonly number[],
  forMs: number,
): Promise<number> {
  const startedAt = performance.now();
  let rows = 0;
  let turn = 0;
  for (let at = 0; performance.now() - startedAt < forMs; at++) {
    const batch = Array.from({ length: sizes[at % sizes.length] ?? 1 }, () => movementOf(accounts, turn++));
    const pick = <T>(of: (movement: Movement) => T): T[] => batch.map(of);
    const hash = 'ab'.repeat(32);
    await sql`
      insert into public.bare (shard, seq, hash, prev_hash, hash_version, id, from_account, to_account, asset, token_amount,
        unit_price_micro, purpose, conv_id, msg_id, generation_id, status, reverses_id, idempotency_key, created_at)
      select shard, seq, decode(hash, 'hex'), decode(prev_hash, 'hex'), 1, id, from_account, to_account, asset, token_amount,
        unit_price_micro, purpose, conv_id, msg_id, generation_id, status, reverses_id, idempotency_key, created_at
      from unnest(
        ${pick(() => 1)}::smallint[], ${pick(() => turn)}::bigint[], ${pick(() => hash)}::text[], ${pick(() => hash)}::text[],
        ${pick(() => randomUUID())}::uuid[], ${pick((one) => one.fromAccount)}::uuid[], ${pick((one) => one.toAccount)}::uuid[],
        ${pick((one) => one.asset)}::text[], ${pick((one) => one.tokenAmount)}::bigint[], ${pick(() => 0)}::bigint[],
        ${pick((one) => one.purpose)}::text[], ${pick((one) => one.conversationId ?? null)}::uuid[],
        ${pick((one) => one.messageId ?? null)}::uuid[], ${pick((one) => one.generationId ?? null)}::uuid[],
        ${pick(() => 'settled')}::text[], ${pick(() => null)}::uuid[], ${pick((one) => one.idempotencyKey)}::text[],
        ${pick(() => new Date().toISOString())}::timestamptz[]
      ) as t (shard, seq, hash, prev_hash, id, from_account, to_account, asset, token_amount, unit_price_micro, purpose, conv_id,
        msg_id, generation_id, status, reverses_id, idempotency_key, created_at)`;
    rows += batch.length;
  }
  return (rows / (performance.now() - startedAt)) * 1_000;
}

async function measureHold(db: Database, billing: BillingService, users: readonly string[]) {
  const [held, empty]: [number[], number[]] = [[], []];
  const timed = async (into: number[], work: () => Promise<unknown>) => {
    const startedAt = performance.now();
    await work();
    into.push(performance.now() - startedAt);
  };
  for (const userId of users.slice(0, 1_000)) {
    await timed(empty, () => db.asUser(userId, (tx) => tx.sql`select 1`));
    const wish = { generationId: randomUUID(), userId, promptTokens: 500, maxOutputTokens: 1_000, minOutputTokens: 1 };
    await timed(held, () => db.asUser(userId, (tx) => billing.hold(tx, wish)));
  }
  return { holdMs: medianOf(held), emptyTransactionMs: medianOf(empty) };
}

const medianOf = (numbers: readonly number[]): number => quantile(numbers, 0.5);
function quantile(numbers: readonly number[], part: number): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0;
}

if (import.meta.main) console.table(await measureLedger(process.argv.includes('--quick')));
