/** Chooses what happens next, from the seed and from what the oracle knows. */
import { Random } from '../../../llm/persona/random.ts';
import type { Action, Answered } from './action.ts';
import type { Dispute, World } from './world.ts';

export type Step =
  | { kind: 'one'; action: Action; gateway: number }
  /** At the same time, at two gateways. */
  | { kind: 'race'; actions: [Action, Action] }
  /** The gateway dies in the middle of it, so many turns of the event loop later. */
  | { kind: 'cut'; action: Action; gateway: number; turns: number }
  | { kind: 'gateway'; what: 'dies' | 'stops' | 'is replaced' | 'looks'; gateway: number };

export class Drawer {
  readonly #chance: Random;
  readonly #generations = new Map<string, Answered>();
  readonly #syncs = new Map<string, number>();
  readonly operators: readonly string[];
  readonly organizations: readonly string[];

  constructor(seed: number) {
    this.#chance = new Random(seed);
    this.organizations = [this.#uuid(), this.#uuid()];
    this.operators = [this.#uuid(), this.#uuid()];
  }

  next(world: World): Step {
    const dice = this.#chance.next();
    const gateway = this.#chance.chance(0.5) ? 1 : 0;
    if (dice < 0.08)
      return { kind: 'gateway', what: this.#chance.pick(['dies', 'stops', 'is replaced', 'looks'] as const), gateway };
    if (dice < 0.16) return { kind: 'cut', action: this.#cuttable(world), gateway, turns: this.#between(0, 40) };
    if (dice < 0.3) return { kind: 'race', actions: this.#race(world) };
    return { kind: 'one', action: this.#action(world), gateway };
  }

  /** People and operators that everything else is about. */
  signUp(userId = this.#uuid()): Action {
    return { do: 'sign up', userId, account: this.#uuid(), waits: this.#chance.chance(0.7) };
  }

  #action(world: World): Action {
    const draws: [number, () => Action | undefined][] = [
      [1, () => (world.accounts.size < 8 ? this.signUp() : undefined)],
      [0.5, () => ({ do: 'sign up again', userId: this.#user(world) })],
      [3, () => this.#grant(world)],
      [3, () => this.#allowance(world)],
      [
        1,
        () => ({
          do: 'set organisation',
          organizationId: this.#chance.pick(this.organizations),
          capTokens: this.#cap(),
        }),
      ],
      [1, () => this.#endMonth(world)],
      [0.5, () => ({ do: 'begin month', userId: this.#user(world) })],
      [0.7, () => this.#endMonthOfOrganization(world)],
      [14, () => this.#hold(world)],
      [6, () => this.#holdAhead(world)],
      [12, () => this.#settle(world)],
      [1, () => this.#someHolds(world, 'give back')],
      [2, () => this.#someHolds(world, 'let expire')],
      [1, () => this.#someHolds(world, 'extend')],
      [2, () => ({ do: 'release expired' })],
      [2, () => this.#beginPayment(world)],
      [4, () => this.#seePayment(world)],
      [3, () => this.#askReversal(world)],
      [2, () => this.#decideReversal(world)],
      [3, () => this.#askOnce(world)],
    ];
    const sum = draws.reduce((total, [weight]) => total + weight, 0);
    for (;;) {
      let at = this.#chance.next() * sum;
      for (const [weight, draw] of draws) {
        at -= weight;
        if (at >= 0) continue;
        const found = draw();
        if (found !== undefined) return found;
        break;
      }
    }
  }

  /** What is cut off leaves all of itself or nothing; ids that only the answer would tell are left out. */
  #cuttable(world: World): Action {
    const draw = this.#chance.pick([
      () => this.#hold(world),
      () => this.#holdAhead(world),
      () => this.#settle(world),
      () => this.#settle(world),
      () => this.#someHolds(world, 'give back'),
      () => this.#grant(world),
      () => this.#askOnce(world),
    ]);
    return draw() ?? this.#hold(world);
  }

  #race(world: World): [Action, Action] {
    const settle = () => this.#settle(world) ?? this.#grant(world);
    const same = (action: Action): [Action, Action] => [action, structuredClone(action)];
    const holds = (): [Action, Action] => {
      const first = this.#hold(world);
      return [first, this.#hold(world, this.#chance.chance(0.7) ? first.userId : undefined)];
    };
    const reversal = () => this.#askReversal(world) ?? this.#askOnce(world);
    const draw = this.#chance.pick([
      holds,
      holds,
      () => same(settle()),
      () => same(this.#askOnce(world)),
      () => same(reversal()),
      (): [Action, Action] => [settle(), this.#newHold(world)],
      (): [Action, Action] => [this.#askOnce(world), this.#hold(world)],
      (): [Action, Action] => [this.#holdAhead(world), this.#hold(world)],
      (): [Action, Action] => [settle(), this.#someHolds(world, 'give back') ?? this.#newHold(world)],
      (): [Action, Action] => [settle(), this.#holdAhead(world, this.#newHold(world))],
      (): [Action, Action] => [{ do: 'release expired' }, this.#settle(world) ?? this.#newHold(world)],
      (): [Action, Action] => [this.#allowance(world), this.#hold(world)],
    ]);
    return draw();
  }

  #grant(world: World): Action {
    const known = [...world.entries.values()].filter(({ purpose }) => purpose === 'plan_grant');
    const again = known.length > 0 && this.#chance.chance(0.2) ? this.#chance.pick(known) : undefined;
    const userId = [...world.accounts.values()].find(({ account }) => account === again?.to)?.userId;
    // The same key again, now and then for another amount: what stands stays.
    const tokens = this.#between(1, 800);
    return {
      do: 'grant',
      userId: userId ?? this.#user(world),
      tokens,
      key: again?.key ?? `grant:${this.#uuid()}`,
      waits: this.#waits(),
    };
  }

  #allowance(world: World): Action {
    const change = this.#chance.pick([
      () => ({ capTokens: this.#cap() }),
      () => ({ atCap: this.#chance.pick(['stop', 'use_bought'] as const) }),
      () => ({ organizationId: this.#chance.chance(0.6) ? this.#chance.pick(this.organizations) : null }),
    ])();
    return { do: 'set allowance', userId: this.#user(world), change };
  }

  #endMonth(world: World): Action | undefined {
    const open = [...world.accounts.values()].filter(({ until }) => until === Infinity);
    return open.length === 0 ? undefined : { do: 'end month', userId: this.#chance.pick(open).userId };
  }

  #endMonthOfOrganization(world: World): Action | undefined {
    const open = [...world.organizations.values()].filter(({ until }) => until === Infinity);
    return open.length === 0
      ? undefined
      : { do: 'end month of organisation', organizationId: this.#chance.pick(open).id };
  }

  /** Now and then for an answer that has one already, which is refused. */
  #hold(world: World, userId = this.#user(world)): Extract<Action, { do: 'hold' }> {
    const open = [...world.holds].flatMap(([id, { state }]) => (state === 'held' ? [id] : []));
    const fresh = this.#newHold(world, userId);
    if (open.length === 0 || !this.#chance.chance(0.04)) return fresh;
    this.#generations.delete(fresh.generationId);
    return { ...fresh, generationId: this.#chance.pick(open) };
  }

  /** Nobody begins an answer again while it is settled or given back: whoever did could stand in each other's way. */
  #newHold(world: World, userId = this.#user(world)): Extract<Action, { do: 'hold' }> {
    const generationId = this.#uuid();
    const [promptTokens, minOutputTokens] = [this.#between(0, 250), this.#between(1, 40)];
    const maxOutputTokens = minOutputTokens + this.#between(0, 400);
    const payeeUserId = this.#chance.chance(0.5) ? null : this.#user(world);
    const tokensOut = this.#used(maxOutputTokens);
    const newConversation = this.#chance.chance(0.3);
    const used = { tokensIn: promptTokens, tokensOut, newConversation };
    this.#generations.set(generationId, { generationId, userId, payeeUserId, ...used });
    return { do: 'hold', userId, generationId, promptTokens, maxOutputTokens, minOutputTokens };
  }

  #holdAhead(world: World, hold = this.#hold(world)): Action {
    const { minOutputTokens: _, ...wish } = hold;
    return { ...wish, do: 'hold ahead' };
  }

  /** All, a part, more than was held, or nothing at all. */
  #used(maxOutputTokens: number): number {
    const dice = this.#chance.next();
    if (dice < 0.3) return maxOutputTokens;
    return dice < 0.4 ? maxOutputTokens * 3 : this.#between(0, maxOutputTokens);
  }

  #settle(world: World): Extract<Action, { do: 'settle' }> | undefined {
    const charged = new Set([...world.entries.values()].map(({ generationId }) => generationId));
    // What came to nothing is settled once: it is the generation's row that ends it once, and here is none.
    const [open, done] = [[...world.holds.keys()], [...this.#generations.keys()].filter((id) => charged.has(id))];
    const released = [...this.#generations.keys()].filter((id) => !charged.has(id) && !world.holds.has(id)).slice(-3);
    const answers = new Map<string, Answered>();
    for (let count = this.#between(1, 3); count > 0; count--) {
      const dice = this.#chance.next();
      const from = dice < 0.75 ? open : dice < 0.9 ? done : released;
      const known = from.length === 0 ? undefined : this.#generations.get(this.#chance.pick(from));
      if (known === undefined) continue;
      if (from === released) this.#generations.delete(known.generationId);
      const aborted = from === open && this.#chance.chance(0.15);
      const again = from === done && this.#chance.chance(0.5) ? { tokensOut: known.tokensOut + 1 } : {};
      answers.set(known.generationId, { ...known, ...again, ...(aborted ? { tokensIn: 0, tokensOut: 0 } : {}) });
    }
    return answers.size === 0 ? undefined : { do: 'settle', answers: [...answers.values()], waits: this.#waits() };
  }

  #someHolds({ holds }: World, what: 'let expire' | 'extend' | 'give back'): Action | undefined {
    const generationIds = [...holds.keys()].filter(() => this.#chance.chance(0.4));
    return generationIds.length === 0 ? undefined : { do: what, generationIds };
  }

  #beginPayment(world: World): Action {
    const [units, amountMinor] = [this.#between(50, 900), this.#between(1, 700)];
    return { do: 'begin payment', paymentId: this.#uuid(), userId: this.#user(world), units, amountMinor };
  }

  #seePayment({ purchases }: World): Action | undefined {
    if (purchases.size === 0) return undefined;
    const { paymentId, amountMinor } = this.#chance.pick([...purchases.values()]);
    const newest = this.#syncs.get(paymentId) ?? 0;
    // Now and then one that was taken earlier comes later.
    const sync = Math.max(1, newest + this.#between(-1, 2));
    this.#syncs.set(paymentId, Math.max(newest, sync));
    const refundedMinor = this.#chance.chance(0.4) ? this.#between(0, amountMinor) : 0;
    const dispute: Dispute = this.#chance.pick(['none', 'none', 'none', 'open', 'won', 'lost']);
    return { do: 'see payment', paymentId, sync, refundedMinor, dispute, waits: this.#waits() };
  }

  #askReversal({ entries, requests }: World): Action | undefined {
    const booked = [...entries.values()].filter((entry) => entry.booked);
    if (booked.length === 0) return undefined;
    const operatorId = this.#chance.pick(this.operators);
    const known = [...requests].filter(([key]) => key.startsWith(`${operatorId} r`));
    if (known.length > 0 && this.#chance.chance(0.3)) {
      const [key, { request }] = this.#chance.pick(known);
      const [entry = '', reason = ''] = request.split(' ');
      const other = this.#chance.chance(0.3) ? 'otherwise' : reason;
      return { do: 'ask reversal', operatorId, entry, requestKey: key.split(' ')[1] ?? '', reason: other };
    }
    const requestKey = this.#chance.chance(0.6) ? `r${this.#uuid()}` : null;
    return { do: 'ask reversal', operatorId, entry: this.#chance.pick(booked).key, requestKey, reason: 'simulated' };
  }

  #decideReversal({ reversals }: World): Action | undefined {
    if (reversals.size === 0) return undefined;
    const { id: reversalId } = this.#chance.pick([...reversals.values()]);
    const what = this.#chance.chance(0.6) ? 'approve reversal' : 'decline reversal';
    return { do: what, operatorId: this.#chance.pick(this.operators), reversalId };
  }

  #askOnce(world: World): Action {
    const known = [...world.requests.keys()].filter((key) => key.includes(' o'));
    if (known.length > 0 && this.#chance.chance(0.5)) {
      const [userId = '', key = ''] = this.#chance.pick(known).split(' ');
      const tokens = Number(world.requests.get(`${userId} ${key}`)?.request);
      return { do: 'ask once', userId, key, tokens: tokens + (this.#chance.chance(0.3) ? 1 : 0), waits: this.#waits() };
    }
    return {
      do: 'ask once',
      userId: this.#user(world),
      key: `o${this.#uuid()}`,
      tokens: this.#between(1, 300),
      waits: this.#waits(),
    };
  }

  #user({ accounts }: World): string {
    return this.#chance.pick([...accounts.keys()]);
  }

  #cap(): number | null {
    return this.#chance.chance(0.3) ? null : this.#between(0, 2_500);
  }

  #waits(): boolean {
    return this.#chance.chance(0.6);
  }

  #between(min: number, max: number): number {
    return min + Math.floor(this.#chance.next() * (max - min + 1));
  }

  #uuid(): string {
    const digits = Array.from({ length: 32 }, () => Math.floor(this.#chance.next() * 16).toString(16)).join('');
    const parts = [
      digits.slice(0, 8),
      digits.slice(8, 12),
      `4${digits.slice(13, 16)}`,
      `8${digits.slice(17, 20)}`,
      digits.slice(20),
    ];
    return parts.join('-');
  }
}
