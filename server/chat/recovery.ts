/**
 * Closes what a gateway that is gone left running: the text that was shown is in the live log; it becomes the message, marked as
 * interrupted, and is settled once. Runs at start, and whenever a gateway's lease has ended.
 */

import { adoptRunning, listOwners } from '../../db/chat/generations.ts';
import type { GenerationRow } from '../../db/chat/rows.ts';
import type { Database } from '../../db/client.ts';
import type { LiveStore } from '../../db/live/live-store.ts';
import type { Clock } from '../clock.ts';
import { Generation } from './generation.ts';
import type { GenerationHub } from './hub.ts';
import type { ChatLog } from './needs.ts';
import type { StoredTrace } from './prompt.ts';

type Parts = {
  db: Database;
  live: Pick<LiveStore, 'acquireLease' | 'releaseLease' | 'renewLeases' | 'readLog' | 'fenceLog'>;
  hub: GenerationHub;
  clock: Clock;
  log: ChatLog;
};

const LEASE_MS = 10_000;
const RENEW_MS = 3_000;

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
    await this.#parts.live.fenceLog(row.id, row.epoch);
    const pieces = await this.#parts.live.readLog(row.id, -1);
    const {
      conversationId,
      userId,
      payeeUserId,
      avatarId,
      parentId,
      messageId,
      epoch,
      model,
      promptTokens,
      firstTurn,
    } = row;
    const sourceRefs = (row.trace as StoredTrace).parts.flatMap(({ memoryId, score }) =>
      memoryId === undefined ? [] : [{ memoryId, score: score ?? 0 }],
    );
    const facts = {
      generationId: row.id,
      conversationId,
      userId,
      payeeUserId,
      avatarId,
      parentId,
      messageId,
      epoch,
      model,
      promptTokens,
      firstTurn,
      sourceRefs,
    };
    this.#parts.hub.adopt(new Generation({ ...facts, startedAtMs: this.#parts.clock.now() }, pieces));
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
