/** The hash chains of the ledger, recomputed by the code that the server verifies them with. */
import { Database } from '../../../db/client.ts';
import { checkChains } from '../../../server/billing/chain-check.ts';
import { hashEntries } from '../../../workers/billing/hash-entries.ts';
import type { TaskRunner } from '../../../workers/runner.ts';
import type { Tasks } from '../../../workers/tasks.ts';
import type { Violation } from './violation.ts';

/** Hashes in this process: nobody else waits for it. */
const here: TaskRunner = {
  run(task, input) {
    if (task !== 'billing/hash-entries') return Promise.reject(new Error(`${task} is not for here.`));
    const { heads, entries } = input as Tasks['billing/hash-entries']['input'];
    return Promise.resolve(hashEntries(heads, entries) as never);
  },
};

export async function checkLedgerChains(ownerUrl: string): Promise<{ entries: number; violations: Violation[] }> {
  const db = new Database(ownerUrl, { max: 2 });
  try {
    const { entries, problems } = await checkChains(db, here);
    const violations = problems.map(({ shard, seq, problem }) => ({
      invariant: 'the ledger’s chains hold',
      subject: `shard ${shard}, entry ${seq}`,
      detail: problem,
    }));
    return { entries, violations };
  } finally {
    await db.close();
  }
}
