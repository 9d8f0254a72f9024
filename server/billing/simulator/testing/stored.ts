/** What the database holds, in one snapshot, and where it is not what the oracle believes. */
import { isDeepStrictEqual } from 'node:util';
import type postgres from 'postgres';
import { genesisHash, hashEntry, SHARDS } from '../../../../workers/billing/hash-entries.ts';
import type { LedgerDraft } from '../../../../workers/tasks.ts';
import { balanceOf, book, heldOf, usedOf, usedOfOrganization, type World } from './world.ts';

type StoredEntry = LedgerDraft & {
  seq: number;
  hash: string;
  prevHash: string;
  organizationId: string | null;
  holdId: string | null;
};
export type Stored = {
  booked: StoredEntry[];
  pending: (StoredEntry & { refused: string | null })[];
  balances: { account: string; asset: string; balance: number }[];
  holds: Record<'id' | 'account' | 'state', string>[];
  spending: Record<string, unknown>[];
  organizations: Record<string, unknown>[];
  heads: { shard: number; seq: number; hash: string }[];
  usage: { userId: string; tokensIn: number; tokensOut: number; conversations: number }[];
};

const entryColumns = `e.id as "entryId", e.shard, e.from_account as "fromAccount", e.to_account as "toAccount", e.asset,
  e.token_amount as "tokenAmount", e.unit_price_micro as "unitPriceMicro", e.purpose, e.reverses_id as "reversesId",
  e.conv_id as "conversationId", e.msg_id as "messageId", e.generation_id as "generationId", e.idempotency_key as "idempotencyKey",
  (extract(epoch from e.created_at) * 1000)::float8 as "createdAtMs"`;
const parts: Record<keyof Stored, string> = {
  booked: `select ${entryColumns}, e.status, e.seq, encode(e.hash, 'hex') as hash, encode(e.prev_hash, 'hex') as "prevHash", null as "holdId",
    o.organization_id as "organizationId"
    from billing.token_ledger e left join billing.organization_entries o on o.entry_id = e.id order by e.shard, e.seq`,
  pending: `select ${entryColumns}, e.hold_id as "holdId", e.organization_id as "organizationId", e.refused from billing.pending_entries e`,
  balances: 'select account_id as account, asset, balance from billing.account_balances where balance <> 0',
  holds: `select id, account_id as account, organization_id as "organizationId", tokens, addon_tokens as "addonTokens", state
    from billing.holds`,
  spending: `select account_id as account, cap_tokens as "capTokens", at_cap as "atCap", organization_id as "organizationId",
    used_tokens as "usedTokens", held_tokens as "heldTokens", held_addon_tokens as "heldAddonTokens" from billing.spending`,
  organizations: `select organization_id as id, cap_tokens as "capTokens", used_tokens as "usedTokens", held_tokens as "heldTokens"
    from billing.organization_spending`,
  heads: `select shard, seq, encode(hash, 'hex') as hash from billing.ledger_heads order by shard`,
  usage: `select owner_id as "userId", sum(tokens_in)::int8 as "tokensIn", sum(tokens_out)::int8 as "tokensOut",
    sum(conv_count)::int8 as conversations from billing.usage_counters where owner_type = 'user' group by 1`,
};
const query = `select ${Object.entries(parts)
  .map(([name, part]) => `(select coalesce(json_agg(r), '[]') from (${part}) as r) as "${name}"`)
  .join(', ')}`;

export async function readStored(owner: postgres.Sql): Promise<Stored> {
  const [row] = await owner.unsafe<Stored[]>(query);
  if (row === undefined) throw new Error('The database has answered nothing.');
  return row;
}

export const bookedKeys = ({ booked }: Stored): Set<string> => new Set(booked.map((one) => one.idempotencyKey));

/** @returns one line for each difference; the chains' are found by `findBroken`. */
export function compare(world: World, stored: Stored): string[] {
  book(world, bookedKeys(stored));
  return [
    ...differ('entry', expectedEntries(world), foundEntries(stored)),
    ...differ(
      'balance',
      expectedBalances(world),
      foundOf(stored.balances, (one) => `${one.account} ${one.asset}`),
    ),
    ...differ(
      'hold',
      expectedHolds(world),
      foundOf(stored.holds, (one) => one.id),
    ),
    ...differ(
      'spending',
      expectedSpending(world),
      foundOf(stored.spending, (one) => String(one['account'])),
    ),
    ...differ(
      'organisation',
      expectedOrganizations(world),
      foundOf(stored.organizations, (one) => String(one['id'])),
    ),
    ...differ(
      'usage',
      expectedUsage(world),
      foundOf(stored.usage, (one) => one.userId),
    ),
    ...stored.pending.flatMap(({ refused, idempotencyKey }) =>
      refused === null ? [] : [`${idempotencyKey} is refused by the ledger: ${refused}`],
    ),
  ];
}

/** What must hold whatever has happened: chains from the first entry on, sums, and nothing spent that was not there. */
export function findBroken({ booked, balances, heads, spending }: Stored): string[] {
  const broken: string[] = [];
  const ends = new Map(Array.from({ length: SHARDS }, (_, shard) => [shard, { seq: 0, hash: genesisHash(shard) }]));
  for (const entry of booked) {
    const end = ends.get(entry.shard);
    const fits = entry.seq === (end?.seq ?? 0) + 1 && entry.prevHash === end?.hash;
    if (!fits || hashEntry(entry, entry.seq, entry.prevHash) !== entry.hash)
      broken.push(`the chain ${entry.shard} is broken at ${entry.seq}`);
    ends.set(entry.shard, { seq: entry.seq, hash: entry.hash });
  }
  for (const { shard, seq, hash } of heads)
    if (!isDeepStrictEqual(ends.get(shard), { seq, hash })) broken.push(`the chain ${shard} does not end at ${seq}`);
  for (const [asset, all] of Map.groupBy(balances, (one) => one.asset)) {
    const sum = all.reduce((total, { balance }) => total + balance, 0);
    if (sum !== 0) broken.push(`${asset} sums up to ${sum}`);
  }
  // Only what is taken back from somebody may lead him below what he has.
  const debtors = new Set(
    booked.flatMap((one) =>
      one.purpose === 'clawback' || one.purpose === 'reversal' ? [`${one.fromAccount} ${one.asset}`] : [],
    ),
  );
  const has = new Map(balances.map(({ account, asset, balance }) => [`${account} ${asset}`, balance]));
  for (const { account, heldTokens, heldAddonTokens } of spending)
    for (const [asset, held] of [
      ['token', heldTokens],
      ['addon_token', heldAddonTokens],
    ] as const) {
      const place = `${account} ${asset}`;
      if (!debtors.has(place) && (has.get(place) ?? 0) < Number(held))
        broken.push(`${place}: ${has.get(place) ?? 0} are there, ${held} are held`);
    }
  return broken;
}

type Rows = Map<string, unknown>;

function differ(what: string, expected: Rows, found: Rows): string[] {
  const keys = new Set([...expected.keys(), ...found.keys()]);
  return [...keys].flatMap((key) => {
    const [want, have] = [expected.get(key), found.get(key)];
    return isDeepStrictEqual(want, have)
      ? []
      : [`${what} ${key}: expected ${JSON.stringify(want) ?? 'none'}, found ${JSON.stringify(have) ?? 'none'}`];
  });
}

const foundOf = <T extends object>(rows: readonly T[], keyOf: (row: T) => string): Rows =>
  new Map(rows.map((row) => [keyOf(row), row]));

function expectedEntries({ entries }: World): Rows {
  return new Map(
    [...entries.values()].map(({ key, at: _, holdId, ...rest }) => [
      key,
      { ...rest, holdId: rest.booked ? null : holdId },
    ]),
  );
}

function foundEntries({ booked, pending }: Stored): Rows {
  const keys = new Map(booked.map((one) => [one.entryId, one.idempotencyKey]));
  const rows: Rows = new Map();
  for (const [isBooked, list] of [
    [true, booked],
    [false, pending],
  ] as const)
    for (const one of list) {
      const { idempotencyKey: key, fromAccount: from, toAccount: to, asset, tokenAmount: amount, purpose } = one;
      const { generationId, organizationId, holdId } = one;
      const reverses = one.reversesId === null ? null : (keys.get(one.reversesId) ?? 'unknown');
      const row = {
        from,
        to,
        asset,
        amount,
        purpose,
        generationId,
        organizationId,
        reverses,
        booked: isBooked,
        holdId,
      };
      // One key twice, in the outbox and in the ledger.
      rows.set(rows.has(key) ? `${key} again` : key, row);
    }
  return rows;
}

function expectedBalances(world: World): Rows {
  const places = new Map<string, unknown>();
  for (const { from, to, asset } of world.entries.values())
    for (const account of [from, to]) {
      const balance = balanceOf(world, account, asset);
      if (balance !== 0) places.set(`${account} ${asset}`, { account, asset, balance });
    }
  return places;
}

function expectedHolds({ holds }: World): Rows {
  return new Map([...holds].map(([id, { expired: _, ...rest }]) => [id, { id, ...rest }]));
}

function expectedSpending(world: World): Rows {
  return new Map(
    [...world.accounts.values()].map((one) => {
      const { account, capTokens, atCap, organizationId } = one;
      const held = heldOf(world, (hold) => hold.account === account);
      const sums = { usedTokens: usedOf(world, one), heldTokens: held.tokens, heldAddonTokens: held.addonTokens };
      return [account, { account, capTokens, atCap, organizationId, ...sums }];
    }),
  );
}

function expectedOrganizations(world: World): Rows {
  return new Map(
    [...world.organizations.values()].map((one) => {
      const { id, capTokens } = one;
      const heldTokens = heldOf(world, ({ organizationId }) => organizationId === id).tokens;
      return [id, { id, capTokens, usedTokens: usedOfOrganization(world, one), heldTokens }];
    }),
  );
}

function expectedUsage({ accounts }: World): Rows {
  return new Map(
    [...accounts.values()].flatMap(({ userId, used }) =>
      used.tokensIn + used.tokensOut === 0 ? [] : [[userId, { userId, ...used }] as const],
    ),
  );
}
