/**
 * A seeded story of accounts, holds, settlements, corrections, crashes and requests that come twice: it drives the real code over a
 * real database, and after each step compares what is stored with the oracle. The same seed tells the same story.
 */
import { randomUUID } from 'node:crypto';
import type postgres from 'postgres';
import type { Database } from '../../../db/client.ts';
import type { TaskRunner } from '../../../workers/runner.ts';
import { ManualClock } from '../../clock.ts';
import { isAppError } from '../../errors.ts';
import type { Movement } from '../ledger/movement.ts';
import { BillingService } from '../service.ts';
import { type Entry, Oracle } from './oracle.ts';

export type SimulationParts = {
  db: Database;
  /** The superuser: crashes end leases, holds grow old, and the comparison looks past the rules. */
  owner: postgres.Sql;
  runner: TaskRunner;
};
const PEOPLE = 5;

export class Simulation {
  readonly #parts: SimulationParts;
  readonly #random: () => number;
  readonly #oracle = new Oracle(PEOPLE);
  readonly #users = Array.from({ length: PEOPLE }, () => randomUUID());
  readonly #organization = randomUUID();
  readonly #accounts: string[] = [];
  /** Answers that were begun, ended or not: what was ended may be settled once more. */
  readonly #answers: { id: string; user: number; payee: number; used: number | undefined }[] = [];
  readonly #done = new Map<string, number>();
  #billing: BillingService;
  #starts = 0;

  constructor(parts: SimulationParts, seed: number) {
    this.#parts = parts;
    this.#random = randomNumbers(seed);
    this.#billing = this.#gateway();
  }

  /** @returns how often each kind of step was taken. @throws Error that says at which step what differed. */
  async run(steps: number): Promise<ReadonlyMap<string, number>> {
    await this.#billing.start();
    await this.#parts.db.asService(async (tx) => {
      for (const user of this.#users) this.#accounts.push(await this.#billing.ledger.accountOf(tx, user));
      await this.#billing.setOrganizationAllowance(tx, this.#organization, {});
    });
    for (let step = 1; step <= steps; step++) {
      const [name, act] = this.#pick(this.#kinds);
      await act();
      this.#done.set(name, (this.#done.get(name) ?? 0) + 1);
      await this.#compare(`step ${step} (${name})`);
    }
    const { ok, problems } = await this.#billing.verifyChain();
    if (!ok) throw new Error(`The ledger does not hold: ${JSON.stringify(problems.slice(0, 5))}`);
    await this.#billing.stop();
    return this.#done;
  }

  readonly #kinds: readonly (readonly [string, () => Promise<void>])[] = [
    ['grant', () => this.#grant()],
    ['hold', () => this.#hold()],
    ['hold', () => this.#hold()],
    ['hold', () => this.#hold()],
    ['settle', () => this.#settle(false)],
    ['settle', () => this.#settle(false)],
    ['crash before booking', () => this.#settle(true)],
    ['settle again', () => this.#settleAgain()],
    ['expire', () => this.#expire()],
    ['reverse', () => this.#reverse()],
    ['allow', () => this.#allow()],
    ['crash', () => this.#crash()],
  ];

  async #grant(): Promise<void> {
    const to = this.#below(PEOPLE);
    const asset = this.#random() < 0.6 ? 'token' : 'addon_token';
    const amount = 1 + this.#below(800);
    const key = `simulation:${randomUUID()}`;
    const account = this.#accounts[to] ?? '';
    const movement: Movement = {
      ...{
        fromAccount: this.#billing.ledger.platformAccountFor(account),
        toAccount: account,
        asset,
        tokenAmount: amount,
      },
      ...{ purpose: asset === 'token' ? 'adjustment' : 'addon_purchase', idempotencyKey: key },
    };
    // Asked for as often as somebody who hears nothing asks.
    const times = 1 + this.#below(3);
    await Promise.all(Array.from({ length: times }, () => this.#book([movement])));
    const kind = { spent: false, inOrganization: false, reversed: false, isReversal: false };
    this.#oracle.book({ key, from: -1, to, asset, amount, ...kind });
  }

  async #hold(): Promise<void> {
    const [id, user] = [randomUUID(), this.#below(PEOPLE)];
    const [prompt, max, min] = [this.#below(120), this.#below(200), this.#below(20)];
    const wish = { generationId: id, promptTokens: prompt, maxOutputTokens: max, minOutputTokens: Math.min(min, max) };
    const userId = this.#users[user] ?? '';
    const found = await this.#parts.db
      .asUser(userId, (tx) => this.#billing.hold(tx, { ...wish, userId }))
      .then(
        (held) => held.maxOutputTokens,
        (error: unknown) => {
          if (isAppError(error)) return error.code;
          throw error;
        },
      );
    const expected = this.#oracle.hold(id, user, prompt, max, wish.minOutputTokens);
    const said = typeof expected === 'number' ? expected : `billing.${expected}`;
    if (found !== said) throw new Error(`A hold gave ${found} instead of ${said}.`);
    const payee = this.#random() < 0.5 ? -1 : this.#below(PEOPLE);
    if (typeof expected === 'number')
      this.#answers.push({ id, user, payee: payee === user ? -1 : payee, used: undefined });
  }

  /** @param crash the gateway dies between its commit and the booking. */
  async #settle(crash: boolean): Promise<void> {
    const answer = this.#pick(this.#answers.filter(({ used }) => used === undefined));
    if (answer === undefined) return;
    answer.used = this.#random() < 0.1 ? 0 : this.#below(400);
    const charges = await this.#decide(answer);
    if (crash) await this.#crash();
    else await this.#billing.booked(charges);
    this.#oracle.settle(answer.id, answer.user, answer.payee, answer.used);
  }

  async #settleAgain(): Promise<void> {
    const answer = this.#pick(this.#answers.filter(({ used }) => used !== undefined && used > 0));
    // What cost nothing is not known to the ledger; the chat ends such an answer once.
    if (answer === undefined || !this.#oracle.entries.some(({ key }) => key.split(':')[1] === answer.id)) return;
    await this.#billing.booked(await this.#decide({ ...answer, used: this.#below(400) + 1 }));
  }

  #decide({ id, user, payee, used = 0 }: { id: string; user: number; payee: number; used: number | undefined }) {
    const tokensIn = Math.floor(used / 2);
    const counts = { tokensIn, tokensOut: used - tokensIn, newConversation: false, atMs: Date.now() };
    const where = { generationId: id, conversationId: randomUUID(), messageId: null };
    const parties = { userId: this.#users[user] ?? '', payeeUserId: this.#users[payee] ?? null };
    return this.#parts.db.asService((tx) => this.#billing.settle(tx, [{ ...where, ...parties, ...counts }]));
  }

  /** Time passes for one hold; whoever settles it later takes what is there. */
  async #expire(): Promise<void> {
    const id = this.#pick([...this.#oracle.holds.keys()]);
    if (id === undefined) return;
    await this.#parts.owner`update billing.holds set expires_at = now() - interval '1 second' where id = ${id}`;
    await this.#billing.releaseExpiredHolds();
    this.#oracle.holds.delete(id);
  }

  async #reverse(): Promise<void> {
    const entry = this.#pick(this.#oracle.entries.filter(({ reversed, isReversal }) => !reversed && !isReversal));
    if (entry === undefined) return;
    const key = `reversal:${randomUUID()}`;
    const movement = await this.#reversalOf(entry, key);
    const times = 1 + this.#below(2);
    await Promise.all(Array.from({ length: times }, () => this.#book([movement])));
    this.#oracle.reverse(entry, key);
  }

  async #reversalOf(entry: Entry, key: string): Promise<Movement> {
    const [row] = await this.#parts.owner<
      { id: string; from: string; to: string; at: Date; organization: string | null }[]
    >`
      select id, from_account as "from", to_account as "to", created_at as at,
        (select organization_id from billing.organization_entries o where o.entry_id = e.id) as organization
      from billing.token_ledger e where idempotency_key = ${entry.key}`;
    if (row === undefined) throw new Error(`The ledger has no entry ${entry.key}.`);
    if ((row.organization !== null) !== entry.inOrganization) throw new Error(`${entry.key} counts for the wrong cap.`);
    return {
      ...{
        fromAccount: row.to,
        toAccount: row.from,
        asset: entry.asset,
        tokenAmount: entry.amount,
        purpose: 'reversal',
      },
      ...{ reversesId: row.id, idempotencyKey: key },
      ...(entry.spent ? { spentAt: row.at } : {}),
      ...(row.organization === null ? {} : { organizationId: row.organization }),
    };
  }

  async #allow(): Promise<void> {
    const user = this.#below(PEOPLE);
    const person = this.#oracle.people[user];
    if (person === undefined) return;
    person.cap = this.#random() < 0.4 ? null : this.#below(1_500);
    person.useBought = this.#random() < 0.5;
    person.inOrganization = this.#random() < 0.5;
    this.#oracle.organization.cap = this.#random() < 0.4 ? null : this.#below(3_000);
    await this.#parts.db.asService(async (tx) => {
      await this.#billing.setAllowance(tx, this.#users[user] ?? '', {
        capTokens: person.cap,
        atCap: person.useBought ? 'use_bought' : 'stop',
        organizationId: person.inOrganization ? this.#organization : null,
      });
      const capTokens = this.#oracle.organization.cap;
      await this.#billing.setOrganizationAllowance(tx, this.#organization, { capTokens });
    });
  }

  /** The gateway is gone, its leases end, and another one starts. */
  async #crash(): Promise<void> {
    await this.#parts.owner`update billing.ledger_heads set lease_until = now() - interval '1 second'`;
    this.#billing = this.#gateway();
    await this.#billing.start();
  }

  /** Its clock stands still: nothing happens but what a step does. */
  #gateway(): BillingService {
    const { db, runner } = this.#parts;
    const name = `simulated ${this.#starts++}`;
    return new BillingService(db, runner, new ManualClock(), { signUpGrantTokens: 0 }, { name });
  }

  async #book(movements: readonly Movement[]): Promise<void> {
    const refs = await this.#parts.db.asService((tx) => this.#billing.ledger.enqueue(tx, movements));
    await this.#billing.ledger.bookPending();
    if (refs.length !== movements.length) throw new Error('Not every movement has a reference.');
  }

  async #compare(when: string): Promise<void> {
    const { owner } = this.#parts;
    const rows = await owner<Record<string, number | string>[]>`
      select a.id, coalesce((select balance from billing.account_balances b where b.account_id = a.id and asset = 'token'), 0)::int as token,
        coalesce((select balance from billing.account_balances b where b.account_id = a.id and asset = 'addon_token'), 0)::int as addon,
        s.used_tokens::int as used, s.held_tokens::int as held, s.held_addon_tokens::int as "heldAddon"
      from billing.accounts a join billing.spending s on s.account_id = a.id where a.id = any(${this.#accounts})`;
    const found = new Map(rows.map(({ id, ...row }) => [id, row]));
    for (const [user, account] of this.#accounts.entries()) {
      const { token = 0, addon = 0, used = 0 } = this.#oracle.people[user] ?? {};
      const held = { held: this.#oracle.held(user, 'tokens'), heldAddon: this.#oracle.held(user, 'addon') };
      same(`${when}: person ${user}`, found.get(account), { token, addon, used, ...held });
    }
    const [shared] = await owner`
      select used_tokens::int as used, held_tokens::int as held, (select count(*)::int from billing.holds where account_id = any(${this.#accounts})) as holds,
        (select count(*)::int from billing.pending_entries) as pending
      from billing.organization_spending where organization_id = ${this.#organization}`;
    const open = { held: this.#oracle.heldInOrganization(), holds: this.#oracle.holds.size, pending: 0 };
    same(`${when}: all`, shared, { used: this.#oracle.organization.used, ...open });
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  #pick<T>(from: readonly [T, ...T[]] | readonly T[]): T {
    return from[this.#below(from.length)] as T;
  }
}

function same(where: string, found: unknown, expected: unknown): void {
  const [one, other] = [JSON.stringify(found), JSON.stringify(expected)];
  if (one !== other) throw new Error(`${where}: stored ${one}, expected ${other}`);
}

/** Mulberry32. */
function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
