/** Nothing is charged twice, nothing that was used is free, and every sum is what its parts are. Pure. */
import type { Stored, StoredEntry, StoredGeneration } from './stored.ts';
import type { Violation } from './violation.ts';

export function checkMoney(stored: Stored): Violation[] {
  return [
    ...wrongCharges(stored),
    ...strayEntries(stored),
    ...wrongBalances(stored),
    ...wrongUsage(stored),
    ...leftOpen(stored),
  ];
}

function wrongCharges({ generations, entries, accounts }: Stored): Violation[] {
  const byGeneration = Map.groupBy(entries, (one) => one.generationId);
  const owners = new Map(accounts.map(({ id, userId }) => [id, userId]));
  return generations.flatMap((generation) => {
    const problem = chargeProblem(generation, byGeneration.get(generation.id) ?? [], owners);
    return problem === undefined
      ? []
      : [{ invariant: 'every answer is charged once', subject: generation.id, detail: problem }];
  });
}

function chargeProblem(
  generation: StoredGeneration,
  entries: readonly StoredEntry[],
  owners: ReadonlyMap<string, string | null>,
): string | undefined {
  const used = (generation.tokensIn ?? 0) + (generation.tokensOut ?? 0);
  if (used === 0) return entries.length === 0 ? undefined : `it used nothing and has ${entries.length} entries`;
  if (entries.length === 0) return `it used ${used} tokens and has no entry`;
  // One of what was granted, one of what was bought.
  if (new Set(entries.map(({ asset }) => asset)).size < entries.length) return `it has ${entries.length} entries`;
  const paid = entries.reduce((sum, { amount }) => sum + amount, 0);
  if (paid !== used) return `it used ${used}, its entries say ${paid}`;
  for (const entry of entries) {
    if (entry.status !== 'settled') return `its entry is ${entry.status}`;
    if (owners.get(entry.from) !== generation.userId) return `somebody else paid: account ${entry.from}`;
    if (entry.conversationId !== generation.conversationId)
      return `its entry names the conversation ${entry.conversationId}`;
  }
  return undefined;
}

function strayEntries({ generations, entries }: Stored): Violation[] {
  const known = new Set(generations.map(({ id }) => id));
  return entries
    .filter(({ purpose, generationId }) => purpose === 'generation' && !known.has(generationId ?? ''))
    .map(({ id, generationId }) => ({
      invariant: 'every entry has its reason',
      subject: id,
      detail: `there is no generation ${generationId}`,
    }));
}

function wrongBalances({ entries, balances }: Stored): Violation[] {
  const sums = new Map<string, number>();
  const move = (account: string, asset: string, amount: number) =>
    sums.set(`${account} ${asset}`, (sums.get(`${account} ${asset}`) ?? 0) + amount);
  for (const { from, to, asset, amount } of entries) {
    move(from, asset, -amount);
    move(to, asset, amount);
  }
  const wrong: Violation[] = [];
  const totals = new Map<string, number>();
  for (const { accountId, asset, balance } of balances) {
    totals.set(asset, (totals.get(asset) ?? 0) + balance);
    const sum = sums.get(`${accountId} ${asset}`) ?? 0;
    sums.delete(`${accountId} ${asset}`);
    if (sum !== balance)
      wrong.push({
        invariant: 'balances are sums of entries',
        subject: accountId,
        detail: `balance ${balance}, entries ${sum} ${asset}`,
      });
  }
  for (const [account, sum] of sums)
    if (sum !== 0)
      wrong.push({ invariant: 'balances are sums of entries', subject: account, detail: `no balance, entries ${sum}` });
  for (const [asset, total] of totals)
    if (total !== 0)
      wrong.push({ invariant: 'each asset sums up to zero', subject: asset, detail: `it sums up to ${total}` });
  return wrong;
}

function wrongUsage({ generations, usage }: Stored): Violation[] {
  const expected = new Map<string, { tokensIn: number; tokensOut: number }>();
  for (const { userId, tokensIn, tokensOut } of generations) {
    const sum = expected.get(userId) ?? { tokensIn: 0, tokensOut: 0 };
    expected.set(userId, { tokensIn: sum.tokensIn + (tokensIn ?? 0), tokensOut: sum.tokensOut + (tokensOut ?? 0) });
  }
  const counted = new Map(usage.map((one) => [one.userId, one]));
  return [...expected].flatMap(([userId, { tokensIn, tokensOut }]): Violation[] => {
    const found = counted.get(userId);
    if ((found?.tokensIn ?? 0) === tokensIn && (found?.tokensOut ?? 0) === tokensOut) return [];
    const detail = `answers used ${tokensIn} in, ${tokensOut} out; counted ${found?.tokensIn ?? 0} in, ${found?.tokensOut ?? 0} out`;
    return [{ invariant: 'usage is the sum of answers', subject: userId, detail }];
  });
}

/** When nothing runs any more, nothing is set aside, and nothing waits to be booked. */
function leftOpen({ open, spending }: Stored): Violation[] {
  const left = Object.entries(open).flatMap(([what, count]): Violation[] =>
    count === 0 ? [] : [{ invariant: 'nothing is left open', subject: what, detail: `there are ${count}` }],
  );
  const held = spending.flatMap(({ accountId, held }): Violation[] =>
    held === 0 ? [] : [{ invariant: 'nothing is left open', subject: accountId, detail: `${held} tokens are held` }],
  );
  return [...left, ...held];
}
