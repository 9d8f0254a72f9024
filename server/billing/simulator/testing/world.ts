/** What the oracle believes: plain data, so that it can be copied and carried on in two ways. Time is counted in steps. */
import type { Asset, Purpose } from '../../ledger/movement.ts';

/** A step; periods and entries are compared by it, never by a clock. */
export type Tick = number;
/** From its first tick on, before its last one. */
export type Period = { from: Tick; until: Tick };

export type ModelEntry = {
  key: string;
  from: string;
  to: string;
  asset: Asset;
  amount: number;
  purpose: Purpose;
  at: Tick;
  booked: boolean;
  generationId: string | null;
  organizationId: string | null;
  /** The hold that is closed when it is booked. */
  holdId: string | null;
  /** Key of the entry that it takes back. */
  reverses: string | null;
};
export type ModelHold = {
  account: string;
  organizationId: string | null;
  tokens: number;
  addonTokens: number;
  state: 'held' | 'settling';
  expired: boolean;
};
export type ModelAccount = Period & {
  userId: string;
  account: string;
  capTokens: number | null;
  atCap: 'stop' | 'use_bought';
  organizationId: string | null;
  /** Tokens of answers, whether they could be charged or not. */
  used: { tokensIn: number; tokensOut: number; conversations: number };
};
export type ModelOrganization = Period & { id: string; capTokens: number | null };
export type ModelPurchase = {
  paymentId: string;
  userId: string;
  units: number;
  amountMinor: number;
  /** Null until it is paid. */
  purchaseId: string | null;
  applied: number;
  refundedMinor: number;
  dispute: Dispute;
  unitsRevoked: number;
  revision: number;
};
export type Dispute = 'none' | 'open' | 'won' | 'lost';
export type ModelReversal = {
  id: string;
  entry: string;
  state: 'waiting' | 'approved' | 'declined';
  requestedBy: string;
  needsSecond: boolean;
};

export type World = {
  tick: Tick;
  /** By user. */
  accounts: Map<string, ModelAccount>;
  organizations: Map<string, ModelOrganization>;
  /** By key. */
  entries: Map<string, ModelEntry>;
  /** By generation. */
  holds: Map<string, ModelHold>;
  purchases: Map<string, ModelPurchase>;
  reversals: Map<string, ModelReversal>;
  /** What operators have taken back alone. */
  alone: Map<string, number>;
  /** Requests that were answered, by user and key. */
  requests: Map<string, { request: string; answer: unknown }>;
};

export const newWorld = (): World => ({
  tick: 0,
  accounts: new Map(),
  organizations: new Map(),
  entries: new Map(),
  holds: new Map(),
  purchases: new Map(),
  reversals: new Map(),
  alone: new Map(),
  requests: new Map(),
});

/** Of an account in an asset: what is booked. */
export function balanceOf({ entries }: World, account: string, asset: Asset): number {
  let balance = 0;
  for (const entry of entries.values()) {
    if (!entry.booked || entry.asset !== asset) continue;
    if (entry.to === account) balance += entry.amount;
    if (entry.from === account) balance -= entry.amount;
  }
  return balance;
}

/** Counted against the cap of an account in its period. */
export function usedOf(world: World, { account, from, until }: ModelAccount): number {
  const counted = [...world.entries.values()].filter(
    (entry) => countsAgainstCap(entry) && entry.from === account && entry.at >= from && entry.at < until,
  );
  const back = takenBack(world);
  return counted.reduce((sum, { key, amount }) => sum + (back.has(key) ? 0 : amount), 0);
}

export function usedOfOrganization(world: World, { id, from, until }: ModelOrganization): number {
  const back = takenBack(world);
  let used = 0;
  for (const entry of world.entries.values()) {
    if (!countsAgainstCap(entry) || entry.organizationId !== id || back.has(entry.key)) continue;
    if (entry.at >= from && entry.at < until) used += entry.amount;
  }
  return used;
}

export function heldOf(world: World, is: (hold: ModelHold) => boolean): { tokens: number; addonTokens: number } {
  const sum = { tokens: 0, addonTokens: 0 };
  for (const hold of world.holds.values()) {
    if (!is(hold)) continue;
    sum.tokens += hold.tokens;
    sum.addonTokens += hold.addonTokens;
  }
  return sum;
}

/** Notes what the chains have by now; a hold is closed with its last entry. */
export function book(world: World, keys: ReadonlySet<string>): void {
  for (const entry of world.entries.values()) {
    if (entry.booked || !keys.has(entry.key)) continue;
    entry.booked = true;
    if (entry.holdId !== null) world.holds.delete(entry.holdId);
  }
}

const countsAgainstCap = ({ booked, purpose, asset }: ModelEntry) =>
  booked && purpose === 'generation' && asset === 'token';

function takenBack({ entries }: World): Set<string> {
  return new Set([...entries.values()].flatMap(({ booked, reverses }) => (booked && reverses ? [reverses] : [])));
}

/** @throws Error where the simulator itself is wrong. */
export function get<K, V>(map: ReadonlyMap<K, V>, key: K): V {
  const value = map.get(key);
  if (value === undefined) throw new Error(`The simulator knows nothing about ${String(key)}.`);
  return value;
}
