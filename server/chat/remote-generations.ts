/**
 * Answers that other gateways write, for readers here: their owners tell this gateway what is written, with the live log
 * behind it for whatever was not heard. Nothing is followed that nobody here reads. When an owner is silent, the rows are asked:
 * messages between gateways arrive at most once, and the last one may be the one that was lost.
 */

import { findGeneration } from '../../db/chat/generations.ts';
import type { GenerationRow } from '../../db/chat/rows.ts';
import type { Database } from '../../db/client.ts';
import type { LiveStore, LogPiece } from '../../db/live/live-store.ts';
import type { Push } from '../../protocol/down.ts';
import type { Clock } from '../clock.ts';
import { isAppError } from '../errors.ts';
import type { Audience } from './audience.ts';
import { findDone } from './ended-elsewhere.ts';
import { factsOf } from './facts.ts';
import type { GatewayCalls } from './gateway-calls.ts';
import { Generation } from './generation.ts';
import type { Billing, ChatLog } from './needs.ts';
import type { DoneBody } from './settler.ts';

/** What is said on the channel of an answer: somebody has taken it over. */
type NewOwner = { owner: string; epoch: number };
type Heard = { pieces: readonly LogPiece[] } | NewOwner;
type Followed = {
  generation: Generation;
  owner: string;
  heardAtMs: number;
  /** When somebody here read it, or wanted to, last. */
  wantedAtMs: number;
  leave: () => Promise<void>;
};
type Parts = {
  db: Database;
  live: Pick<LiveStore, 'publish' | 'subscribe' | 'readLog'>;
  billing: Pick<Billing, 'findPaid'>;
  calls: GatewayCalls;
  audience: Audience;
  clock: Clock;
  log: ChatLog;
};

/** An owner that has said nothing for so long is looked after. */
const SILENCE_MS = 2_000;
/**
 * One that nobody here has read for so long is not followed any more: longer than anybody takes from asking to reading, or to come
 * back after all were cut off.
 */
const UNREAD_MS = 10_000;

const channelOf = (generationId: string): string => `generation:${generationId}`;

export class RemoteGenerations {
  readonly #parts: Parts;
  readonly #owner: string;
  readonly #followed = new Map<string, Promise<Followed | undefined>>();
  /** Where what is heard of an answer goes, from before its owner is asked for it. */
  readonly #ears = new Map<string, (heard: Heard) => void>();
  #tellEnd: (userId: string, push: Push) => Promise<void> = async () => {};

  constructor(parts: Parts, owner: string) {
    this.#parts = parts;
    this.#owner = owner;
  }

  /** This gateway has taken an answer over: whoever followed the old owner turns to this one. */
  announceOwner(generation: Generation): void {
    const word: NewOwner = { owner: this.#owner, epoch: generation.epoch };
    this.#parts.live
      .publish(channelOf(generation.key), JSON.stringify(word))
      .catch((error: unknown) => this.#parts.log.warn({ error }, 'other gateways could not be told of a new owner'));
  }

  /** Another gateway tells what it has written; pieces of one answer stand together. */
  hear(pieces: readonly LogPiece[]): void {
    for (let from = 0, to = 0; from < pieces.length; from = to) {
      const generationId = pieces[from]?.generationId ?? '';
      while (to < pieces.length && pieces[to]?.generationId === generationId) to += 1;
      this.#ears.get(generationId)?.({ pieces: pieces.slice(from, to) });
    }
  }

  /** What is done with the end of an answer that was not heard of. Set once. */
  onMissedEnd(tell: (userId: string, push: Push) => Promise<void>): void {
    this.#tellEnd = tell;
  }

  /** The answer as far as it is written, kept up to date from here on. Undefined when no other gateway writes it (any more). */
  async find(generationId: string): Promise<Generation | undefined> {
    let following = this.#followed.get(generationId);
    if (following === undefined) {
      following = this.#follow(generationId);
      this.#followed.set(generationId, following);
      // A failure is not kept: the next reader tries again.
      following.then(
        (followed) => followed ?? this.#followed.delete(generationId),
        () => this.#followed.delete(generationId),
      );
    }
    const followed = await following;
    if (followed !== undefined) followed.wantedAtMs = this.#parts.clock.now();
    return followed?.generation;
  }

  /** The answer has ended elsewhere. What is missing is read, so that the end comes behind the whole text. */
  async finish(done: DoneBody): Promise<Generation | undefined> {
    const followed = await this.#followed.get(done.generationId);
    if (followed === undefined) return undefined;
    const { generation } = followed;
    if (generation.length < done.length) await this.#fill(generation);
    generation.end ??= { finishReason: 'stop', usage: undefined, error: undefined, stopped: false };
    this.#parts.audience.wake(generation);
    this.leave(done.generationId);
    return generation;
  }

  /** Nothing more is expected from elsewhere: the answer has ended, or this gateway writes it now. */
  leave(generationId: string): void {
    const following = this.#followed.get(generationId);
    this.#followed.delete(generationId);
    following
      ?.then((followed) => followed?.leave())
      .catch((error: unknown) => this.#parts.log.warn({ error }, 'a channel could not be left'));
  }

  async #follow(generationId: string): Promise<Followed | undefined> {
    const { db, live } = this.#parts;
    const row = await db.asServiceAtOnce((tx) => findGeneration(tx, generationId));
    if (row === undefined || row.state !== 'running' || row.owner === this.#owner) return undefined;
    const early: Heard[] = [];
    let hear = (heard: Heard): void => void early.push(heard);
    const ear = (heard: Heard): void => hear(heard);
    this.#ears.set(generationId, ear);
    const stopHearing = (): void => {
      if (this.#ears.get(generationId) === ear) this.#ears.delete(generationId);
    };
    let unsubscribe: (() => Promise<void>) | undefined;
    const leave = async (): Promise<void> => {
      stopHearing();
      await unsubscribe?.();
    };
    try {
      unsubscribe = await live.subscribe(channelOf(generationId), (payload) => ear(JSON.parse(payload) as NewOwner));
      if (!(await this.#ask(row))) {
        await leave();
        return undefined;
      }
      const generation = new Generation(factsOf(row), await live.readLog(generationId, -1));
      const nowMs = this.#parts.clock.now();
      const followed: Followed = { generation, owner: row.owner, heardAtMs: nowMs, wantedAtMs: nowMs, leave };
      hear = (heard) =>
        void this.#hear(followed, heard).catch((error: unknown) =>
          this.#parts.log.warn({ error }, 'an answer of another gateway could not be followed'),
        );
      for (const heard of early) hear(heard);
      this.#watch(generationId, followed);
      return followed;
    } catch (error) {
      await leave().catch(() => {});
      throw error;
    }
  }

  #watch(generationId: string, followed: Followed): void {
    const { clock, log } = this.#parts;
    clock.after(SILENCE_MS, async () => {
      if ((await this.#followed.get(generationId)) !== followed) return;
      if (this.#isUnread(followed)) {
        this.#unfollow(followed);
        return;
      }
      try {
        if (clock.now() - followed.heardAtMs >= SILENCE_MS) await this.#lookAfter(followed);
      } catch (error) {
        log.warn({ error }, 'an answer of another gateway could not be looked after');
      }
      this.#watch(generationId, followed);
    });
  }

  #isUnread(followed: Followed): boolean {
    const { audience, clock } = this.#parts;
    const nowMs = clock.now();
    if (audience.isRead(followed.generation.facts.conversationId)) followed.wantedAtMs = nowMs;
    return nowMs - followed.wantedAtMs >= UNREAD_MS;
  }

  /** In this order: whoever wants it from now on asks the owner anew, behind this. */
  #unfollow({ generation, owner }: Followed): void {
    this.leave(generation.key);
    this.#parts.calls
      .call(owner, { kind: 'unfollow', generationId: generation.key })
      .catch((error: unknown) =>
        this.#parts.log.warn({ error }, 'an owner could not be told that nobody reads on here'),
      );
  }

  /** Nothing was heard for a while: the owner has nothing to say, or is gone, or was not heard. */
  async #lookAfter(followed: Followed): Promise<void> {
    const { generation } = followed;
    const { db, billing } = this.#parts;
    const [row, ended] = await db.asService(async (tx) => [
      await findGeneration(tx, generation.key),
      await findDone(tx, billing, generation.key),
    ]);
    if (ended !== undefined) {
      await this.#tellEnd(generation.facts.userId, { type: 'chat.done', body: ended.done });
    } else if (row !== undefined && row.epoch > generation.epoch) {
      await this.#turnTo(followed, row.owner, row.epoch);
    } else {
      await this.#fill(generation);
      this.#parts.audience.wake(generation);
    }
  }

  /** @returns false when the owner says that it has ended. One that does not answer may be dead: its log is shown as it stands. */
  async #ask({ owner, id: generationId }: Pick<GenerationRow, 'owner' | 'id'>): Promise<boolean> {
    try {
      return (await this.#parts.calls.call(owner, { kind: 'follow', generationId })) === true;
    } catch (error) {
      if (isAppError(error, 'busy')) return true;
      throw error;
    }
  }

  async #hear(followed: Followed, word: Heard): Promise<void> {
    const { generation } = followed;
    followed.heardAtMs = this.#parts.clock.now();
    if ('owner' in word) {
      await this.#turnTo(followed, word.owner, word.epoch);
      return;
    }
    if (word.pieces.some((piece) => piece.epoch !== generation.epoch)) return;
    if (!generation.append(word.pieces)) await this.#fill(generation);
    this.#parts.audience.wake(generation);
  }

  /** The channel missed something: the log has it. */
  async #fill(generation: Generation): Promise<void> {
    generation.append(await this.#parts.live.readLog(generation.key, generation.lastSeq));
  }

  /** A new owner may have closed the text at another place than the old one showed last: readers get what stands in the log. */
  async #turnTo(followed: Followed, owner: string, epoch: number): Promise<void> {
    const old = followed.generation;
    if (epoch <= old.epoch || owner === this.#owner) return;
    await this.#ask({ owner, id: old.key });
    const generation = new Generation({ ...old.facts, epoch }, await this.#parts.live.readLog(old.key, -1));
    followed.generation = generation;
    followed.owner = owner;
    this.#parts.audience.restartStream(generation);
  }
}
