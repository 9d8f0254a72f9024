/**
 * How fast the ledger is verified: entries hashed from fields, as its writer does, and lines of an export checked from their bytes
 * to the roots of the Merkle trees (form, hash, chain, leaf, nodes). One core. `node loadtest/micro/ledger-verify.ts [--quick]`
 */
import { randomUUID } from 'node:crypto';
import { genesisHash, hashEntries, SHARDS, shardOf } from '../../workers/billing/hash-entries.ts';
import { exportLine, genesisPlace, RowVerifier } from '../../workers/billing/verify-rows.ts';
import type { HashedEntry, LedgerDraft } from '../../workers/tasks.ts';
import { percentile } from '../bench/statistics.ts';

export type LedgerFigures = {
  /** Entries a second, wall clock. */
  hashedPerS: number;
  verifiedPerS: number;
  /** The same by the time that the process was computing: what a machine that does nothing else gives. */
  verifiedPerCpuS: number;
};

const ROWS = 20_000;

export function measureLedger(quick = false): LedgerFigures {
  const heads = Array.from({ length: SHARDS }, (_, shard) => ({ shard, seq: 0, hash: genesisHash(shard) }));
  const starts = heads.map(({ shard }) => genesisPlace(shard));
  const drafts = Array.from({ length: ROWS }, (_, index) => settledAnswer(index));
  const hashed = hashEntries(heads, drafts);
  const bytes = Buffer.from(drafts.map((draft, index) => lineOf(draft, hashed[index])).join(''));
  const verify = () => {
    const verifier = new RowVerifier(starts);
    verifier.push(bytes);
    if (verifier.faults.length > 0 || verifier.rows !== ROWS) throw new Error('What was hashed does not verify.');
  };
  verify();
  const rounds = quick ? 10 : 50;
  const hashing = timed(rounds, () => hashEntries(heads, drafts));
  const verifying = timed(rounds, verify);
  const perS = (ms: number) => (ROWS * 1_000) / ms;
  return {
    hashedPerS: perS(hashing.wallMs),
    verifiedPerS: perS(verifying.wallMs),
    verifiedPerCpuS: perS(verifying.cpuMs),
  };
}

/** The median round: what else a shared machine does falls upon some of them. */
function timed(rounds: number, work: () => unknown): { wallMs: number; cpuMs: number } {
  const each = Array.from({ length: rounds }, () => {
    const startedMs = performance.now();
    const before = process.cpuUsage();
    work();
    const { user, system } = process.cpuUsage(before);
    return { wallMs: performance.now() - startedMs, cpuMs: (user + system) / 1_000 };
  });
  const median = (of: (round: (typeof each)[number]) => number) => percentile(each.map(of), 0.5);
  return { wallMs: median(({ wallMs }) => wallMs), cpuMs: median(({ cpuMs }) => cpuMs) };
}

/** What nearly every entry of a ledger is. */
export function settledAnswer(index: number): LedgerDraft {
  const fromAccount = randomUUID();
  const generationId = randomUUID();
  return {
    entryId: randomUUID(),
    shard: shardOf(fromAccount),
    fromAccount,
    toAccount: randomUUID(),
    asset: 'token',
    tokenAmount: 100 + index,
    unitPriceMicro: 0,
    purpose: 'generation',
    status: 'settled',
    reversesId: null,
    conversationId: randomUUID(),
    messageId: randomUUID(),
    generationId,
    idempotencyKey: `generation:${generationId}`,
    createdAtMs: 1_767_225_600_000 + index,
  };
}

function lineOf(entry: LedgerDraft, hashed: HashedEntry | undefined): string {
  if (hashed === undefined) throw new Error('An entry was not hashed.');
  return exportLine([
    1,
    entry.shard,
    hashed.seq,
    entry.entryId,
    entry.fromAccount,
    entry.toAccount,
    entry.asset,
    entry.tokenAmount,
    entry.unitPriceMicro,
    entry.purpose,
    entry.status,
    entry.reversesId,
    entry.conversationId,
    entry.messageId,
    entry.generationId,
    entry.idempotencyKey,
    entry.createdAtMs,
    hashed.prevHash,
    hashed.hash,
  ]);
}

if (import.meta.main) {
  const { hashedPerS, verifiedPerS, verifiedPerCpuS } = measureLedger(process.argv.includes('--quick'));
  const round = (value: number) => Math.round(value).toLocaleString('en');
  console.table({
    'entries hashed per second': round(hashedPerS),
    'exported lines verified per second': `${round(verifiedPerS)} (target 200,000)`,
    'the same per second of computing': round(verifiedPerCpuS),
  });
}
