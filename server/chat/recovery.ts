/**
 * Closes what a gateway that is gone left running: the text that was shown is in the live log; it becomes the message, marked as
 * interrupted, and is settled once. Runs at start, and whenever a gateway's lease has ended.
 * A gateway that could not reach the live store judges nobody dead for a while: the others may have been cut off as well.
 * Takes up what is its own by the rows and written by nobody, too: the commit of a turn, or of a take-over, that it never heard of.
 */

import { adoptRunning, listOwners, listRunningOf, listTaken } from '../../db/chat/generations.ts';
import type { GenerationRow } from '../../db/chat/rows.ts';
import type { Database } from '../../db/client.ts';
import type { LiveStore } from '../../db/live/live-store.ts';
import type { Clock } from '../clock.ts';
import type { ChatRequest } from '../llm/model.ts';
import type { Continuation } from './continuation.ts';
import { factsOf } from './facts.ts';
import { Generation } from './generation.ts';
import type { GenerationHub } from './hub.ts';
import type { ChatLog, ChatMetrics, TokenMeter } from './needs.ts';

type Parts = {
  db: Database;
  live: Pick<LiveStore, 'acquireLease' | 'inheritLease' | 'releaseLease' | 'renewLeases' | 'readLog' | 'fenceLog'>;
  hub: GenerationHub;
  meter: TokenMeter;
  /** Undefined: what was cut off stays cut off. */
  continuation: Continuation | undefined;
  /** Told of a conversation whose turn nobody was told of. */
  tellStanding: (row: GenerationRow) => Promise<void>;
  clock: Clock;
  log: ChatLog;
  metrics: ChatMetrics;
};

/** A gateway that has not renewed for so long is held for dead. */
const LEASE_MS = 4_000;
const RENEW_MS = 1_000;
/** Answers that are taken over at the same time. */
const ADOPT_AT_ONCE = 16;
/** Rounds between two looks for answers of this gateway that nobody writes. */
const ROUNDS_TO_A_LOOK = 3;

/** The name of the lease that a living gateway holds. */
const leaseOf = (owner: string): string => `gateway:${owner}`;

export class Recovery {
  readonly #parts: Parts;
  readonly #owner: string;
  readonly #alone: boolean;
  #stopped = false;
  #renewedAtMs: number;
  #renewedAtMonotonicMs: number;
  /** Until the logs of this gateway's answers have been looked after, too. */
  #wasCutOff = false;
  /** Until it has been found out which answers others took over while this gateway had lost its lease. */
  #mayHaveLost = false;
  /** By the clock that nobody sets. */
  #trustAfterMs = Number.NEGATIVE_INFINITY;
  /** This gateway's already, and still to be closed or continued. */
  readonly #inherited: GenerationRow[] = [];
  readonly #adopting = new Set<string>();
  /** By the last look, this gateway's and written by nobody. */
  #unwritten = new Set<string>();
  #rounds = 0;
  #closing: Promise<unknown> | undefined;
  #givingUp: Promise<void> | undefined;
  #renewing: Promise<void> | undefined;

  /** @param alone true where no other gateway can be alive (the data folder is locked): nobody's lease is waited for. */
  constructor(parts: Parts, owner: string, alone: boolean) {
    this.#parts = parts;
    this.#owner = owner;
    this.#alone = alone;
    this.#renewedAtMs = parts.clock.now();
    this.#renewedAtMonotonicMs = parts.clock.monotonicMs();
  }

  /** Takes this gateway's lease and keeps it; closes what dead ones left, now or, where that fails, later. */
  async start(): Promise<void> {
    await this.#parts.live.acquireLease(leaseOf(this.#owner), this.#owner, LEASE_MS);
    this.#scheduleRound();
    this.#closeInBackground();
    await this.#closing;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    // One that is under way would take the lease again that is given back here.
    await this.#renewing;
    await this.#parts.live.releaseLease(leaseOf(this.#owner), this.#owner);
  }

  /** @returns how many answers were taken over. */
  async closeLeftovers(): Promise<number> {
    const { db, live } = this.#parts;
    for (const owner of await db.asService(listOwners)) {
      if (owner === this.#owner) continue;
      if (!(await this.#takeLeaseOf(owner))) continue;
      this.#inherit(await db.asService((tx) => adoptRunning(tx, owner, this.#owner)));
      await live.releaseLease(leaseOf(owner), this.#owner);
    }
    return this.#adoptInherited();
  }

  /** True for an answer that is this gateway's already, and not yet written by it. */
  isAdopting(generationId: string): boolean {
    return this.#adopting.has(generationId);
  }

  /**
   * A commit whose acknowledgement was lost may have happened: then the row says that this gateway writes an answer, and it does not
   * know. What is found twice is not just between the two, and is taken up like what a dead gateway left.
   * @returns how many there were.
   */
  async takeUpUnwritten(): Promise<number> {
    const { db, hub, tellStanding } = this.#parts;
    const own = await db.asService((tx) => listRunningOf(tx, this.#owner));
    const unwritten = own.filter((id) => !hub.knows(id) && !this.#adopting.has(id));
    const due = unwritten.filter((id) => this.#unwritten.has(id));
    this.#unwritten = new Set(unwritten);
    if (due.length === 0) return 0;
    const rows = await db.asService((tx) => adoptRunning(tx, this.#owner, this.#owner, due));
    this.#inherit(rows);
    const adopted = await this.#adoptInherited();
    await Promise.all(rows.map(tellStanding));
    return adopted;
  }

  #inherit(rows: readonly GenerationRow[]): void {
    this.#inherited.push(...rows);
    for (const { id } of rows) this.#adopting.add(id);
  }

  /** Whoever can take a gateway's own lease knows that it is dead, and is the only one to know. */
  async #takeLeaseOf(owner: string): Promise<boolean> {
    const { live } = this.#parts;
    if (!this.#alone) return (await live.inheritLease(leaseOf(owner), this.#owner, LEASE_MS)) !== undefined;
    await live.releaseLease(leaseOf(owner), owner);
    return (await live.acquireLease(leaseOf(owner), this.#owner, LEASE_MS)) !== undefined;
  }

  /** What fails stays for the next time: nobody else would take it, since it is this gateway's now. */
  async #adoptInherited(): Promise<number> {
    const due = this.#inherited.splice(0);
    const failures: unknown[] = [];
    let adopted = 0;
    const adoptNext = async (): Promise<void> => {
      for (let row = due.shift(); row !== undefined && !this.#stopped; row = due.shift()) {
        try {
          await this.#adopt(row);
          this.#adopting.delete(row.id);
          adopted += 1;
        } catch (error) {
          this.#inherited.push(row);
          failures.push(error);
        }
      }
    };
    await Promise.all(Array.from({ length: ADOPT_AT_ONCE }, adoptNext));
    if (failures.length > 0) throw new AggregateError(failures, `${failures.length} answers could not be taken over.`);
    return adopted;
  }

  async #adopt(row: GenerationRow): Promise<void> {
    const { live, hub, clock, metrics } = this.#parts;
    await live.fenceLog(row.id, row.epoch);
    // Should a piece be missing, which only a store that lost data can cause, the text up to there is what is kept.
    const pieces = await live.readLog(row.id, -1);
    const generation = new Generation(factsOf(row, clock.now()), pieces);
    const request = await this.#requestOf(row, generation.text);
    metrics.adopted(request === undefined ? 'closed' : 'continued');
    if (request === undefined) hub.adopt(generation);
    else hub.resume(generation, request);
  }

  /** How the answer can go on; undefined where it cannot, or shall not. */
  async #requestOf(row: GenerationRow, soFar: string): Promise<ChatRequest | undefined> {
    const { continuation, meter, log } = this.#parts;
    if (continuation === undefined) return undefined;
    try {
      const [tokensSoFar = 0] = soFar === '' ? [0] : await meter.count(row.model, [soFar]);
      return await continuation.build(row, soFar, tokensSoFar);
    } catch (error) {
      log.warn({ error, generationId: row.id }, 'an answer cannot be continued; it is closed as interrupted');
      return undefined;
    }
  }

  #scheduleRound(): void {
    if (this.#stopped) return;
    this.#parts.clock.after(RENEW_MS, () => {
      this.#renewing = this.#round();
    });
  }

  async #round(): Promise<void> {
    const { clock, log } = this.#parts;
    if (this.#stopped) return;
    try {
      await this.#keepLease();
      if (this.#mayHaveLost) this.#giveUpInBackground();
      if (clock.monotonicMs() >= this.#trustAfterMs) this.#closeInBackground();
    } catch (error) {
      this.#wasCutOff = true;
      log.warn({ error }, 'the lease of this gateway could not be renewed; trying again');
    }
    this.#scheduleRound();
  }

  async #keepLease(): Promise<void> {
    const { live, hub, clock, metrics } = this.#parts;
    const { lost } = await live.renewLeases([leaseOf(this.#owner)], this.#owner, LEASE_MS);
    if (lost.length > 0) await live.acquireLease(leaseOf(this.#owner), this.#owner, LEASE_MS);
    if (lost.length > 0 || this.#hasLapsed()) {
      metrics.leaseLost();
      this.#wasCutOff = true;
      this.#mayHaveLost = true;
      this.#trustAfterMs = clock.monotonicMs() + LEASE_MS;
    }
    this.#renewedAtMs = clock.now();
    this.#renewedAtMonotonicMs = clock.monotonicMs();
    if (!this.#wasCutOff) return;
    await hub.verifyLogs();
    this.#wasCutOff = false;
  }

  /** By either clock: one of them may have been set back, the other stands still while the machine sleeps. */
  #hasLapsed(): boolean {
    const { clock } = this.#parts;
    return clock.now() - this.#renewedAtMs > LEASE_MS || clock.monotonicMs() - this.#renewedAtMonotonicMs > LEASE_MS;
  }

  /** The lease is renewed meanwhile, however long the database takes to answer. */
  #giveUpInBackground(): void {
    this.#givingUp ??= this.#giveUpTaken()
      .catch((error: unknown) => {
        this.#mayHaveLost = true;
        this.#parts.log.warn({ error }, 'what others took over could not be looked up; trying again');
      })
      .finally(() => {
        this.#givingUp = undefined;
      });
  }

  /** The log refuses the next piece of such an answer; but while its model is silent there is none, and its readers would see nothing. */
  async #giveUpTaken(): Promise<void> {
    const { db, hub } = this.#parts;
    this.#mayHaveLost = false;
    const running = [...hub.running()];
    const taken = new Set(
      await db.asService((tx) =>
        listTaken(
          tx,
          running.map(({ key, epoch }) => ({ id: key, epoch })),
        ),
      ),
    );
    for (const generation of running) if (taken.has(generation.key)) hub.lose(generation);
  }

  /** Taking over hundreds of answers may take longer than a lease lives. */
  #closeInBackground(): void {
    this.#rounds += 1;
    const isToLook = this.#rounds % ROUNDS_TO_A_LOOK === 0;
    this.#closing ??= this.closeLeftovers()
      .then(() => (isToLook ? this.takeUpUnwritten() : 0))
      .catch((error: unknown) =>
        this.#parts.log.warn({ error }, 'what dead gateways left could not be closed; trying again'),
      )
      .finally(() => {
        this.#closing = undefined;
      });
  }
}
