/**
 * Recomputes the chains of the ledger, the balances, and what is held and used, from what is stored, and says where they differ.
 * Changes nothing.
 */
import { findBalanceMismatches } from '../../db/billing/accounts.ts';
import { readChain, readHeads, type StoredEntry } from '../../db/billing/ledger.ts';
import {
  type Difference,
  findHeldDifferences,
  findOrganizationDifferences,
  findUnbalancedAssets,
  findUsedDifferences,
} from '../../db/billing/reconciliation.ts';
import type { Database, Tx } from '../../db/client.ts';
import { genesisHash, HASH_VERSION, SHARDS } from '../../workers/billing/hash-entries.ts';
import type { TaskRunner } from '../../workers/runner.ts';
import type { ChainHead } from '../../workers/tasks.ts';

export type ChainProblem = { shard: number | null; seq: number | null; problem: string };
export type ChainReport = { ok: boolean; entries: number; problems: ChainProblem[] };

const PAGE = 2_000;
const MAX_PROBLEMS = 100;

/**
 * May run while others settle: each chain is checked up to the end that it had at the start.
 * @returns at most one problem a chain, since all behind the first difference differs; and wrong balances.
 */
export async function checkChains(db: Database, runner: TaskRunner): Promise<ChainReport> {
  const heads = await db.asService(readHeads);
  const problems: ChainProblem[] = [];
  if (heads.length !== SHARDS)
    problems.push({ shard: null, seq: null, problem: `${heads.length} heads instead of ${SHARDS}` });
  let entries = 0;
  for (const head of heads) {
    const checked = await checkChain(db, runner, head);
    entries += checked.entries;
    if (checked.problem !== undefined) problems.push(checked.problem);
  }
  problems.push(...(await findWrongSums(db)));
  return { ok: problems.length === 0, entries, problems };
}

/** Balances, and what is held and used, where they are not what entries and holds sum up to. */
export async function findWrongSums(db: Database): Promise<ChainProblem[]> {
  const problems: ChainProblem[] = [];
  for (const wrong of await db.asService((tx) => findBalanceMismatches(tx, MAX_PROBLEMS))) {
    const problem = `balance of ${wrong.accountId} in ${wrong.asset} is ${wrong.stored}, its entries sum up to ${wrong.entries}`;
    problems.push({ shard: null, seq: null, problem });
  }
  for (const [what, find] of sums) {
    for (const { subject, expected, found } of await db.asService((tx) => find(tx, MAX_PROBLEMS)))
      problems.push({ shard: null, seq: null, problem: `${what} of ${subject} is ${found}, its rows say ${expected}` });
  }
  return problems;
}

type Find = (tx: Tx, limit: number) => Promise<Difference[]>;
const sums: readonly (readonly [what: string, find: Find])[] = [
  ['the sum', findUnbalancedAssets],
  ['what is held', findHeldDifferences],
  ['what is used', findUsedDifferences],
  ['what is held or used by members', findOrganizationDifferences],
];

async function checkChain(
  db: Database,
  runner: TaskRunner,
  head: ChainHead & { lastSeq: number },
): Promise<{ entries: number; problem: ChainProblem | undefined }> {
  const { shard } = head;
  let end: ChainHead = { shard, seq: 0, hash: genesisHash(shard) };
  const found = (seq: number, problem: string) => ({ entries: end.seq, problem: { shard, seq, problem } });
  while (end.seq < head.seq) {
    const page = await db.asService((tx) => readChain(tx, shard, end.seq, Math.min(PAGE, head.seq - end.seq)));
    const wrong = await findWrong(runner, end, page);
    if (wrong !== undefined) return found(wrong.seq, wrong.problem);
    const last = page.at(-1);
    if (last === undefined) return found(end.seq + 1, 'the entry is missing, the chain ends too early');
    end = { shard, seq: last.seq, hash: last.hash };
  }
  if (end.hash !== head.hash) return found(end.seq, 'the stored end of the chain has another hash');
  // Both came from one statement, so an entry behind the end was not added by a writer in the meantime.
  if (head.lastSeq > head.seq) return found(head.seq + 1, 'there is an entry behind the stored end of the chain');
  return { entries: end.seq, problem: undefined };
}

async function findWrong(
  runner: TaskRunner,
  end: ChainHead,
  page: readonly StoredEntry[],
): Promise<{ seq: number; problem: string } | undefined> {
  const gap = page.findIndex((entry, index) => entry.seq !== end.seq + 1 + index);
  if (gap !== -1) return { seq: end.seq + 1 + gap, problem: 'the entry is missing' };
  const unknown = page.find((entry) => entry.hashVersion !== HASH_VERSION);
  if (unknown !== undefined) return { seq: unknown.seq, problem: `hash version ${unknown.hashVersion} is not known` };
  try {
    const hashed = await runner.run(
      'billing/hash-entries',
      { heads: [end], entries: page },
      { priority: 'background' },
    );
    const wrong = page.find(
      (entry, index) => entry.hash !== hashed[index]?.hash || entry.prevHash !== hashed[index]?.prevHash,
    );
    return wrong === undefined ? undefined : { seq: wrong.seq, problem: 'the entry does not match its hash' };
  } catch (error) {
    if (!(error instanceof Error) || error.name !== 'RangeError') throw error;
    return { seq: end.seq + 1, problem: `an entry of this page has a form that cannot be hashed: ${error.message}` };
  }
}
