/**
 * Drives the real code of billing, through two gateways over a real PostgreSQL, with what a seed decides, and compares all that is
 * stored with an oracle after each step. The choices are the seed's; which of two that race comes first is the machine's, and either
 * is right.
 */
import { isDeepStrictEqual } from 'node:util';
import postgres from 'postgres';
import type { TaskRunner } from '../../../../workers/runner.ts';
import { checkChains } from '../../chain-check.ts';
import type { Action, Told } from './action.ts';
import { Drawer, type Step } from './draw.ts';
import { Gateway } from './gateway.ts';
import { decide } from './oracle.ts';
import { Outside } from './outside.ts';
import { perform } from './perform.ts';
import { bookedKeys, compare, findBroken, readStored, type Stored } from './stored.ts';
import { book, newWorld, type World } from './world.ts';

export type SimulationParts = { url: string; ownerUrl: string; runner: TaskRunner; seed: number; steps: number };
export type SimulationResult = { steps: number; entries: number; gateways: number; done: Record<string, number> };

/** Says the seed, the step, what was done in it and what is wrong. */
export class SimulationFailure extends Error {
  override readonly name = 'SimulationFailure';
}

/** Nobody waits longer for an entry than this, on the slowest machine. */
const PATIENCE_MS = 15_000;
const CHECKED_BY_SERVER = 25;

/** @param parts.url of a database that nobody has used. */
export async function simulate(parts: SimulationParts): Promise<SimulationResult> {
  const owner = postgres(parts.ownerUrl, { max: 2, onnotice: () => {} });
  const simulation = new Simulation(parts, owner);
  try {
    return await simulation.run();
  } finally {
    await simulation.close();
    await owner.end();
  }
}

type Performed = { action: Action; told: Told | undefined };

class Simulation {
  readonly #parts: SimulationParts;
  readonly #owner: postgres.Sql;
  readonly #outside: Outside;
  readonly #drawer: Drawer;
  readonly #gateways: Gateway[] = [];
  readonly #history: string[] = [];
  readonly #done: Record<string, number> = {};
  #world: World = newWorld();
  #started = 0;

  constructor(parts: SimulationParts, owner: postgres.Sql) {
    this.#parts = parts;
    this.#owner = owner;
    this.#outside = new Outside(owner);
    this.#drawer = new Drawer(parts.seed);
  }

  async run(): Promise<SimulationResult> {
    this.#gateways.push(await this.#open(), await this.#open());
    for (const organizationId of this.#drawer.organizations)
      await this.#step({
        kind: 'one',
        gateway: 0,
        action: { do: 'set organisation', organizationId, capTokens: 2_000 },
      });
    // The first operator talks as well, and may not correct his own entries alone.
    for (const userId of [this.#drawer.operators[0], undefined, undefined])
      await this.#step({ kind: 'one', gateway: 0, action: this.#drawer.signUp(userId) });
    for (const userId of this.#drawer.operators.slice(1))
      await this.#step({ kind: 'one', gateway: 1, action: this.#drawer.signUp(userId) });
    while (this.#world.tick < this.#parts.steps) await this.#step(this.#drawer.next(this.#world));
    await this.#bookAll();
    const { booked } = await readStored(this.#owner);
    return { steps: this.#world.tick, entries: booked.length, gateways: this.#started, done: this.#done };
  }

  async close(): Promise<void> {
    for (const gateway of this.#gateways) await gateway.kill();
  }

  async #step(step: Step): Promise<void> {
    this.#world.tick += 1;
    this.#history.push(`${this.#world.tick} ${JSON.stringify(step)}`);
    const name = step.kind === 'gateway' ? `a gateway ${step.what}` : step.kind === 'one' ? step.action.do : step.kind;
    this.#done[name] = (this.#done[name] ?? 0) + 1;
    const before = structuredClone(this.#world);
    let orders: Performed[][];
    try {
      orders = await this.#do(step);
    } catch (error) {
      throw this.#failure([`it failed: ${error instanceof Error ? error.stack : String(error)}`]);
    }
    const stored = await readStored(this.#owner);
    this.#judge(before, orders, stored);
    if (this.#world.tick % CHECKED_BY_SERVER === 0) await this.#checkByServer();
  }

  /** @returns the orders in which it may have happened. */
  async #do(step: Step): Promise<Performed[][]> {
    switch (step.kind) {
      case 'one':
        return [[await this.#perform(step.gateway, step.action)]];
      case 'race': {
        const [first, second] = step.actions;
        const [one, other] = await Promise.all([this.#perform(0, first), this.#perform(1, second)]);
        return [
          [one, other],
          [other, one],
        ];
      }
      case 'cut':
        return this.#cutOff(step);
      case 'gateway':
        await this.#change(step);
        return [[]];
    }
  }

  async #perform(place: number, action: Action): Promise<Performed> {
    return { action, told: await this.#patiently(perform(this.#at(place), this.#outside, action)) };
  }

  /** All of it, or nothing. Whoever had his answer has it for good. */
  async #cutOff({ action, gateway: place, turns }: Extract<Step, { kind: 'cut' }>): Promise<Performed[][]> {
    const gateway = this.#at(place);
    let told: Told | undefined;
    perform(gateway, this.#outside, action).then(
      (answer) => (told = answer),
      () => undefined,
    );
    for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
    const toldInTime = told;
    await gateway.kill();
    this.#gateways[place] = await this.#open();
    return toldInTime === undefined ? [[], [{ action, told: undefined }]] : [[{ action, told: toldInTime }]];
  }

  async #change({ what, gateway: place }: Extract<Step, { kind: 'gateway' }>): Promise<void> {
    const gateway = this.#at(place);
    if (what === 'looks') return this.#patiently(gateway.billing.ledger.bookPending());
    if (what === 'is replaced') return this.#replace(gateway);
    if (what === 'dies') await gateway.kill();
    else await gateway.stop();
    this.#gateways[place] = await this.#open();
  }

  /** Its leases lapse and the other one takes over, while it goes on and knows nothing of it. */
  async #replace(gateway: Gateway): Promise<void> {
    const heir = this.#gateways.find((one) => one !== gateway);
    if (heir === undefined) throw new Error('There is no other gateway.');
    const startedAt = performance.now();
    while ((await this.#outside.leaders()).some((leader) => leader !== heir.name)) {
      if (performance.now() - startedAt > PATIENCE_MS) throw new Error('Nobody takes over.');
      await this.#outside.lapseLeases([heir.name]);
      heir.clock.advance(1_000);
    }
    await this.#outside.keepLeases([heir.name]);
  }

  /** Those of gateways that died lapse here and there; the new one takes what is free then. */
  async #open(): Promise<Gateway> {
    const { url, runner, seed } = this.#parts;
    const name = `simulated ${seed} ${++this.#started}`;
    const gateway = new Gateway({ name, url, owner: this.#owner, runner });
    const living = this.#gateways.map((one) => one.name);
    if (this.#started % 2 === 0) await this.#outside.lapseLeases(living);
    await gateway.start();
    await this.#outside.keepLeases([...living, name]);
    return gateway;
  }

  /** Where it takes long, time passes: leases of the dead lapse, and those who live look around. */
  async #patiently<T>(work: Promise<T>): Promise<T> {
    let isOver = false;
    const over = work.then(
      () => (isOver = true),
      () => (isOver = true),
    );
    const startedAt = performance.now();
    while (!isOver) {
      await Promise.race([over, new Promise((resolve) => setTimeout(resolve, 25))]);
      if (isOver) break;
      if (performance.now() - startedAt > PATIENCE_MS) throw new Error('Nobody books it.');
      await this.#outside.lapseLeases(this.#gateways.map(({ name }) => name));
      for (const { clock } of this.#gateways) clock.advance(1_000);
    }
    return work;
  }

  #judge(before: World, orders: readonly Performed[][], stored: Stored): void {
    let nearest: string[] | undefined;
    const keys = bookedKeys(stored);
    for (const order of orders) {
      // What was decided meanwhile may have been booked before or behind what asks for balances.
      for (const bookedFirst of order.length === 0 ? [false] : [false, true]) {
        const world = structuredClone(before);
        const wrong = order.flatMap((one) => {
          if (bookedFirst) book(world, keys);
          const expected = decide(world, one.action, one.told?.id);
          return one.told === undefined || isDeepStrictEqual(expected, one.told.outcome)
            ? []
            : [`${one.action.do}: expected ${JSON.stringify(expected)}, told ${JSON.stringify(one.told.outcome)}`];
        });
        wrong.push(...compare(world, stored));
        if (wrong.length === 0) {
          this.#world = world;
          const broken = findBroken(stored);
          if (broken.length > 0) throw this.#failure(broken);
          return;
        }
        if (nearest === undefined || wrong.length < nearest.length) nearest = wrong;
      }
    }
    throw this.#failure(nearest ?? []);
  }

  async #bookAll(): Promise<void> {
    const gateway = this.#at(0);
    await this.#replace(this.#at(1));
    await this.#patiently(gateway.billing.ledger.bookPending());
    const stored = await readStored(this.#owner);
    if (stored.pending.length > 0) throw this.#failure([`${stored.pending.length} entries are never booked`]);
    this.#judge(structuredClone(this.#world), [[]], stored);
    await this.#checkByServer();
  }

  /** What operators and auditors would be told. */
  async #checkByServer(): Promise<void> {
    const { problems } = await checkChains(this.#at(0).db, this.#parts.runner);
    if (problems.length > 0) throw this.#failure(problems.map((one) => `the server says: ${JSON.stringify(one)}`));
  }

  #at(place: number): Gateway {
    const gateway = this.#gateways[place];
    if (gateway === undefined) throw new Error(`There is no gateway ${place}.`);
    return gateway;
  }

  #failure(wrong: readonly string[]): SimulationFailure {
    const { seed } = this.#parts;
    const lines = wrong.slice(0, 20).map((line) => `  ${line}`);
    return new SimulationFailure(
      `seed ${seed}, step ${this.#world.tick}:\n${lines.join('\n')}\nlast steps:\n${this.#history.slice(-6).join('\n')}\n` +
        `again with: node loadtest/billing/main.ts --seed ${seed} --steps ${this.#world.tick}`,
    );
  }
}
