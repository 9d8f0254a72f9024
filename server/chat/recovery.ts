/**
 * Closes what a gateway that is gone left running: the text that was shown is in the live log; it becomes the message, marked as
 * interrupted, and is settled once. Runs at start, and whenever a gateway's lease has ended.
 */

import { adoptRunning, listOwners } from '../../db/chat/generations.ts';
import type { GenerationRow } from '../../db/chat/rows.ts';
import type { Database } from '../../db/client.ts';
import type { LiveStore } from '../../db/live/live-store.ts';
import type { Clock } from '../clock.ts';
import type { ChatRequest } from '../llm/model.ts';
import type { Continuation } from './continuation.ts';
import { factsOf } from './facts.ts';
import { Generation } from './generation.ts';
import type { GenerationHub } from './hub.ts';
import type { ChatLog, TokenMeter } from './needs.ts';

type Parts = {
  db: Database;
  live: Pick<LiveStore, 'acquireLease' | 'releaseLease' | 'renewLeases' | 'readLog' | 'fenceLog'>;
  hub: GenerationHub;
  meter: TokenMeter;
  /** Undefined: what was cut off stays cut off. */
  continuation: Continuation | undefined;
  clock: Clock;
  log: ChatLog;
};

/** A gateway that has not renewed for so long is held for dead. */
const LEASE_MS = 4_000;
const RENEW_MS = 1_000;

/** The name of the lease that a living gateway holds. */
const leaseOf = (owner: string): string => `gateway:${owner}`;

export class Recovery {
  readonly #parts: Parts;
  readonly #owner: string;
  readonly #alone: boolean;
  #stopped = false;

  /** @param alone true where no other gateway can be alive (the data folder is locked): nobody's lease is waited for. */
  constructor(parts: Parts, owner: string, alone: boolean) {
    this.#parts = parts;
    this.#owner = owner;
    this.#alone = alone;
  }

  /** Takes this gateway's lease and keeps it; closes what dead ones left, now and later. */
  async start(): Promise<void> {
    await this.#parts.live.acquireLease(leaseOf(this.#owner), this.#owner, LEASE_MS);
    await this.closeLeftovers();
    this.#scheduleRound();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#parts.live.releaseLease(leaseOf(this.#owner), this.#owner);
  }

  /** @returns how many answers were taken over. */
  async closeLeftovers(): Promise<number> {
    const { db, live } = this.#parts;
    let adopted = 0;
    for (const owner of await db.asService(listOwners)) {
      if (owner === this.#owner) continue;
      if (this.#alone) await live.releaseLease(leaseOf(owner), owner);
      // Whoever can take a gateway's own lease knows that it is dead, and is the only one to know.
      const lease = await live.acquireLease(leaseOf(owner), this.#owner, LEASE_MS);
      if (lease === undefined) continue;
      const rows = await db.asService((tx) => adoptRunning(tx, owner, this.#owner));
      for (const row of rows) await this.#adopt(row);
      adopted += rows.length;
      await live.releaseLease(leaseOf(owner), this.#owner);
    }
    return adopted;
  }

  async #adopt(row: GenerationRow): Promise<void> {
    const { live, hub, clock } = this.#parts;
    await live.fenceLog(row.id, row.epoch);
    const pieces = await live.readLog(row.id, -1);
    const generation = new Generation(factsOf(row, clock.now()), pieces);
    const request = await this.#requestOf(row, generation.text);
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
    this.#parts.clock.after(RENEW_MS, () => void this.#round());
  }

  async #round(): Promise<void> {
    const { live, log } = this.#parts;
    try {
      const { lost } = await live.renewLeases([leaseOf(this.#owner)], this.#owner, LEASE_MS);
      if (lost.length > 0) await live.acquireLease(leaseOf(this.#owner), this.#owner, LEASE_MS);
      await this.closeLeftovers();
    } catch (error) {
      log.warn({ error }, 'the lease of this gateway could not be renewed; trying again');
    }
    this.#scheduleRound();
  }
}
