/**
 * What the ledger has to come to, said once more in plain numbers: balances, caps, holds, what is used. No database, no shared code
 * with the rules it checks.
 */

export type Hold = { user: number; tokens: number; addon: number; inOrganization: boolean };
export type Entry = {
  key: string;
  /** Index of a user; -1 is the platform. */
  from: number;
  to: number;
  asset: 'token' | 'addon_token';
  amount: number;
  spent: boolean;
  inOrganization: boolean;
  reversed: boolean;
  isReversal: boolean;
};
export type Person = {
  token: number;
  addon: number;
  used: number;
  cap: number | null;
  useBought: boolean;
  inOrganization: boolean;
};
export type Refusal = 'insufficient_tokens' | 'monthly_cap_reached' | 'organization_cap_reached';

export class Oracle {
  readonly people: Person[];
  readonly holds = new Map<string, Hold>();
  readonly entries: Entry[] = [];
  organization = { used: 0, cap: null as number | null };

  constructor(people: number) {
    this.people = Array.from({ length: people }, () => ({
      ...{ token: 0, addon: 0, used: 0, cap: null, useBought: false, inOrganization: false },
    }));
  }

  held(user: number, asset: 'tokens' | 'addon'): number {
    return [...this.holds.values()].reduce((sum, hold) => sum + (hold.user === user ? hold[asset] : 0), 0);
  }

  heldInOrganization(): number {
    return [...this.holds.values()].reduce((sum, hold) => sum + (hold.inOrganization ? hold.tokens : 0), 0);
  }

  /** @returns the longest answer that is paid for, or why there is none. */
  hold(id: string, user: number, prompt: number, max: number, min: number, needed = false): number | Refusal {
    const person = this.#person(user);
    const free = Math.max(0, person.token - this.held(user, 'tokens'));
    const freeAddon = Math.max(0, person.addon - this.held(user, 'addon'));
    const ofMonth = person.cap === null ? Infinity : Math.max(0, person.cap - person.used - this.held(user, 'tokens'));
    const { cap, used } = this.organization;
    const counts = person.inOrganization && cap !== null;
    const ofOrganization = counts ? Math.max(0, (cap ?? 0) - used - this.heldInOrganization()) : Infinity;
    const usable = Math.min(free, ofMonth, ofOrganization);
    const usableAddon = usable === free || person.useBought ? freeAddon : 0;
    const total = Math.min(usable + usableAddon, prompt + max);
    if (total < prompt + min && !needed) {
      if (free + freeAddon < prompt + min) return 'insufficient_tokens';
      return ofMonth <= ofOrganization ? 'monthly_cap_reached' : 'organization_cap_reached';
    }
    const tokens = Math.min(total, usable);
    const { inOrganization } = person;
    if (total > 0) this.holds.set(id, { user, tokens, addon: total - tokens, inOrganization });
    return Math.max(0, total - prompt);
  }

  /** Granted tokens first, never more than was held. */
  settle(id: string, user: number, payee: number, used: number): void {
    if (this.entries.some(({ key }) => key.split(':')[1] === id)) return;
    if (used > 0 && !this.holds.has(id)) this.hold(id, user, used, 0, 0, true);
    const hold = this.holds.get(id);
    this.holds.delete(id);
    if (hold === undefined || used === 0) return;
    const tokens = Math.min(used, hold.tokens);
    const addon = Math.min(used - tokens, hold.addon);
    const { inOrganization } = hold;
    const shared = { from: user, to: payee, spent: true, reversed: false, isReversal: false };
    const key = `generation:${id}`;
    if (tokens > 0) this.book({ ...shared, key, asset: 'token', amount: tokens, inOrganization });
    const ofAddon = { ...shared, spent: false, inOrganization: false };
    if (addon > 0) this.book({ ...ofAddon, key: `${key}:addon`, asset: 'addon_token', amount: addon });
  }

  reverse(entry: Entry, key: string): void {
    entry.reversed = true;
    this.book({ ...entry, key, from: entry.to, to: entry.from, reversed: false, isReversal: true });
  }

  book(entry: Entry): void {
    if (this.entries.some(({ key }) => key === entry.key)) return;
    this.entries.push(entry);
    const { from, to, asset, amount, spent, isReversal, inOrganization } = entry;
    const field = asset === 'token' ? 'token' : 'addon';
    if (from >= 0) this.#person(from)[field] -= amount;
    if (to >= 0) this.#person(to)[field] += amount;
    if (!spent) return;
    const change = isReversal ? -amount : amount;
    this.#person(isReversal ? to : from).used += change;
    if (inOrganization) this.organization.used += change;
  }

  #person(user: number): Person {
    const person = this.people[user];
    if (person === undefined) throw new RangeError(`Nobody is number ${user}.`);
    return person;
  }
}
