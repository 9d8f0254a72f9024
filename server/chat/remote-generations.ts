/**
 * Answers that other gateways write, for readers here: their pieces are followed over a channel of the answer, with the live log
 * behind it for whatever the channel missed. Nothing is followed that nobody here reads. When an owner is silent, the rows are asked:
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

/** What the owner of an answer says on its channel. */
type Word = { pieces: readonly LogPiece[] } | { owner: string; epoch: number };
type Followed = {
  generation: Generation;
  owner: string;
  heardAtMs: number;
  /** When somebody here wanted to read it last. */
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
/** One that nobody here has read for so long is not followed any more: longer than anybody takes from asking to reading. */
const UNREAD_MS = 10_000;

const channelOf = (generationId: string): string => `generation:${generationId}`;

export class RemoteGenerations {
  readonly #parts: Parts;
  readonly #owner: string;
  readonly #followed = new Map<string, Promise<Followed | undefined>>();
  /** Answers of this gateway that others follow, and up to which piece they have been told. */
  #tellEnd: (userId: string, push: Push) => Promise<void> = async () => {};
  readonly #told = new Map<string, { followers: Set<string>; seq: number }>();

  constructor(parts: Parts, owner: string) {
    this.#parts = parts;
    this.#owner = owner;
  }

  // As the owner of answers.

  /** Another gateway has readers of `generation`. */
  addFollower(generation: Generation, gateway: string): void {
    const told = this.#told.get(generation.key);
    if (told === undefined) this.#told.set(generation.key, { followers: new Set([gateway]), seq: generation.lastSeq });
    else told.followers.add(gateway);
  }

  /** The same for an answer that this gateway is just taking over: it hears everything from the beginning. */
  expectFollower(generationId: string, gateway: string): void {
    const told = this.#told.get(generationId);
    if (told === undefined) this.#told.set(generationId, { followers: new Set([gateway]), seq: -1 });
    else told.followers.add(gateway);
  }

  removeFollower(generationId: string, gateway: string): void {
    const told = this.#told.get(generationId);
    told?.followers.delete(gateway);
    if (told?.followers.size === 0) this.#told.delete(generationId);
  }

  /** An answer of this gateway has grown. */
  tellFollowers(generation: Generation): void {
    const told = this.#told.get(generation.key);
    if (told === undefined || told.seq === generation.lastSeq) return;
    const pieces = generation.piecesAfter(told.seq);
    told.seq = generation.lastSeq;
    this.#say(generation.key, { pieces });
  }

  /** An answer of this gateway has ended. */
  forgetFollowers(generationId: string): void {
    this.#told.delete(generationId);
  }

  /** This gateway has taken an answer over: whoever followed the old owner turns to this one. */
  announceOwner(generation: Generation): void {
    this.#say(generation.key, { owner: this.#owner, epoch: generation.epoch });
  }

  // As a reader of answers of others.

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
    const early: Word[] = [];
    let hear = (word: Word): void => void early.push(word);
    const leave = await live.subscribe(channelOf(generationId), (payload) => hear(JSON.parse(payload) as Word));
    if (!(await this.#ask(row))) {
      await leave();
      return undefined;
    }
    const generation = new Generation(factsOf(row), await live.readLog(generationId, -1));
    const nowMs = this.#parts.clock.now();
    const followed: Followed = { generation, owner: row.owner, heardAtMs: nowMs, wantedAtMs: nowMs, leave };
    hear = (word) =>
      void this.#hear(followed, word).catch((error: unknown) =>
        this.#parts.log.warn({ error }, 'an answer of another gateway could not be followed'),
      );
    for (const word of early) hear(word);
    this.#watch(generationId, followed);
    return followed;
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

  #isUnread({ generation, wantedAtMs }: Followed): boolean {
    const { audience, clock } = this.#parts;
    return !audience.isRead(generation.facts.conversationId) && clock.now() - wantedAtMs >= UNREAD_MS;
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
      return await this.#parts.calls.call(owner, { kind: 'follow', generationId });
    } catch (error) {
      if (isAppError(error, 'busy')) return true;
      throw error;
    }
  }

  async #hear(followed: Followed, word: Word): Promise<void> {
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

  #say(generationId: string, word: Word): void {
    this.#parts.live
      .publish(channelOf(generationId), JSON.stringify(word))
      .catch((error: unknown) => this.#parts.log.warn({ error }, 'other gateways could not be told what is written'));
  }
}
