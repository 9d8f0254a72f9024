/**
 * Memory: what users have said and avatars know, found again by likeness. Owns what is remembered and where it is searched;
 * PostgreSQL is the truth, shared memory what the workers search. Never holds up a turn for long: the caller goes on without.
 */
import { createHash } from 'node:crypto';
import type { Database } from '../../db/client.ts';
import {
  deleteOfConversation,
  findTexts,
  insertEmbeddings,
  type NewEmbedding,
  type Scope,
} from '../../db/memory/embeddings.ts';
import { uuidv7 } from '../../db/uuid.ts';
import { OFFLINE_MODEL } from '../../workers/memory/embed-text.ts';
import type { TaskRunner } from '../../workers/runner.ts';
import type { Match } from '../../workers/tasks.ts';
import type { Clock } from '../clock.ts';
import type { Embedder } from './embedder.ts';
import { type QueueLog, RememberQueue } from './remember-queue.ts';
import { SpaceCache, type SpaceLimits } from './space-cache.ts';
import type { SpaceRow, SpaceView } from './vector-space.ts';
import { findSkipReason, piecesOf } from './worth-keeping.ts';

export type MemoryLimits = SpaceLimits & {
  /** Cosine below which a memory is not similar; 0.12 fits the offline embedding. */
  minScore: number;
  /** How long a search may take. */
  deadlineMs: number;
  /** Texts that may wait to be remembered. */
  maxQueued: number;
};

export const defaultLimits: MemoryLimits = {
  maxBytes: 256 * 1024 * 1024,
  maxRowsPerSpace: 20_000,
  refreshMs: 15_000,
  minScore: 0.12,
  deadlineMs: 250,
  maxQueued: 5_000,
};

export type Memory = {
  memoryId: string;
  scope: Scope;
  text: string;
  /** Cosine, at most 1. */
  score: number;
  source: { conversationId?: string; messageId?: string };
  createdAtMs: number;
};

export type Remembered = {
  scope: Scope;
  ownerId: string;
  objectType: string;
  objectId: string | null;
  text: string;
  /** Not for retrieval: only that it was left out is recorded (000-R24). */
  excluded?: boolean;
  meta: Readonly<Record<string, string>>;
};

export type RetrieveQuery = {
  userId: string;
  avatarId: string;
  text: string;
  top: number;
  minScore?: number;
  signal?: AbortSignal;
};

type Parts = { db: Database; runner: TaskRunner; embedder: Embedder; clock: Clock; log: QueueLog };

export class MemoryService {
  readonly #db: Database;
  readonly #runner: TaskRunner;
  readonly #embedder: Embedder;
  readonly #clock: Clock;
  readonly #limits: MemoryLimits;
  readonly #spaces: SpaceCache;
  readonly #queue: RememberQueue<Remembered>;
  #onForgotten: (userId: string) => void = () => {};

  constructor({ db, runner, embedder, clock, log }: Parts, limits: MemoryLimits = defaultLimits) {
    this.#db = db;
    this.#runner = runner;
    this.#embedder = embedder;
    this.#clock = clock;
    this.#limits = limits;
    this.#spaces = new SpaceCache(db, clock, embedder, limits);
    const options = { maxQueued: limits.maxQueued, batch: 64, gatherMs: 200, retryMs: 1_000, maxTries: 5 };
    this.#queue = new RememberQueue((items) => this.remember(items), clock, log, options);
  }

  /** Bytes of vectors and texts in memory, and texts that wait to be remembered; for metrics. */
  get figures(): { bytes: number; spaces: number; queued: number; lost: number } {
    const { bytes, size } = this.#spaces;
    return { bytes, spaces: size, queued: this.#queue.length, lost: this.#queue.lost };
  }

  /**
   * The memories of the user and of the avatar that are most like `text`, best first, without `text` itself.
   * @throws TimeoutError when it takes longer than the deadline, AbortError by `signal`, an error with code `busy`.
   */
  async retrieve(query: RetrieveQuery): Promise<Memory[]> {
    const deadline = AbortSignal.timeout(this.#limits.deadlineMs);
    const signal = query.signal === undefined ? deadline : AbortSignal.any([deadline, query.signal]);
    return untilAborted(this.#retrieve(query, signal), signal);
  }

  /** Remembers a user's message in the background; never delays its caller. */
  rememberTurn(turn: {
    userId: string;
    conversationId: string;
    messageId: string;
    text: string;
    excluded?: boolean;
  }): void {
    const { userId, conversationId, messageId, text, excluded = false } = turn;
    this.#queue.add({
      scope: 'user',
      ownerId: userId,
      objectType: 'message',
      objectId: messageId,
      text,
      excluded,
      meta: { conversationId },
    });
  }

  /** What was said in this conversation is neither kept nor found any more. Other gateways are told to `forgetUser`. */
  async forgetConversation(userId: string, conversationId: string): Promise<void> {
    // What is still on its way would come back behind the deletion.
    await this.#queue.idle();
    const gone = await this.#db.asService((tx) => deleteOfConversation(tx, userId, conversationId));
    if (gone === 0) return;
    this.forgetUser(userId);
    this.#onForgotten(userId);
  }

  /** Rows of this user were erased: what is in memory of them is read again. */
  forgetUser(userId: string): void {
    this.#spaces.forget({ scope: 'user', ownerId: userId });
  }

  /** Rows of any user may have been erased without this gateway hearing of it. */
  forgetUsers(): void {
    this.#spaces.forgetAll('user');
  }

  /** @param tell other gateways; called with the user's id. */
  onForgotten(tell: (userId: string) => void): void {
    this.#onForgotten = tell;
  }

  /** What an avatar knows of itself; found by everybody who talks with it. */
  async teachAvatar(avatarId: string, texts: readonly string[]): Promise<void> {
    await this.remember(
      texts.map((text) => ({
        scope: 'avatar',
        ownerId: avatarId,
        objectType: 'knowledge',
        objectId: null,
        text,
        meta: {},
      })),
    );
  }

  /** Embeds and stores; resolves when a search of this process finds it. The same text of an owner is kept once (000-R23). */
  async remember(items: readonly Remembered[]): Promise<void> {
    const rows = await this.#rowsOf(items);
    if (rows.length === 0) return;
    const { model, dimensions } = this.#embedder;
    await this.#db.asService((tx) => insertEmbeddings(tx, model, dimensions, rows));
    const owners = new Map(rows.map(({ scope, ownerId }) => [`${scope}:${ownerId}`, { scope, ownerId }]));
    await Promise.all([...owners.values()].map((owner) => this.#spaces.refresh(owner)));
  }

  /** Texts of memories by id: the user's own, those of his avatars and of the samples. What is gone is left out. */
  async findTexts(userId: string, memoryIds: readonly string[]): Promise<Map<string, string>> {
    if (memoryIds.length === 0) return new Map();
    return this.#db.asUser(userId, (tx) => findTexts(tx, memoryIds));
  }

  /** Resolves when all turns that were handed over are remembered, or given up. */
  idle(): Promise<void> {
    return this.#queue.idle();
  }

  close(): Promise<void> {
    return this.#queue.close();
  }

  async #retrieve({ userId, avatarId, text, top, minScore }: RetrieveQuery, signal: AbortSignal): Promise<Memory[]> {
    const scopes = ['user', 'avatar'] as const;
    const spaces = await Promise.all([
      this.#spaces.open({ scope: 'user', ownerId: userId }),
      this.#spaces.open({ scope: 'avatar', ownerId: avatarId }),
    ]);
    const views = spaces.map((space) => space.view());
    // Most first turns end here: nothing is remembered yet, so no worker is asked.
    if (top <= 0 || spaces.every((space) => space.size === 0)) return [];
    const namespaces = views.map((view) => view.vectors);
    const request = { namespaces, top: top + EXTRA, minScore: minScore ?? this.#limits.minScore };
    // The offline embedding happens in the same task: one way to a worker instead of two.
    const query = this.#embedder.model === OFFLINE_MODEL ? undefined : (await this.#embedder.embed([text]))[0];
    const input = query === undefined ? { ...request, text } : { ...request, query };
    const matches = await this.#runner.run('memory/retrieve', input, { signal });
    const own = new Set(piecesOf(text));
    return toMemories(matches, views, scopes)
      .filter((memory) => !own.has(memory.text))
      .slice(0, top);
  }

  async #rowsOf(items: readonly Remembered[]): Promise<NewEmbedding[]> {
    const rows = new Map<string, NewEmbedding>();
    for (const item of items) {
      for (const text of piecesOf(item.text)) {
        const row = this.#rowOf(item, text);
        const known = rows.get(row.hash);
        // The same text twice in a batch: once is enough, and not skipped beats skipped.
        if (known === undefined || (known.skipReason !== null && row.skipReason === null)) rows.set(row.hash, row);
      }
    }
    const kept = [...rows.values()].filter((row) => row.skipReason === null);
    const vectors = kept.length === 0 ? [] : await this.#embedder.embed(kept.map((row) => row.text));
    for (const [index, row] of kept.entries()) row.vector = vectors[index];
    // What is not for retrieval is not copied either: its hash is enough to know it again.
    for (const row of rows.values()) if (row.skipReason !== null) row.text = '';
    return [...rows.values()];
  }

  #rowOf({ scope, ownerId, objectType, objectId, excluded = false, meta }: Remembered, text: string): NewEmbedding {
    const skipReason = excluded ? 'excluded' : (findSkipReason(text) ?? null);
    const createdAtMs = this.#clock.now();
    const hash = hashOf(scope, ownerId, text);
    const id = uuidv7(createdAtMs);
    return { id, scope, ownerId, objectType, objectId, text, vector: undefined, hash, skipReason, meta, createdAtMs };
  }
}

/** Room for the pieces of the question itself, which are left out of the answer. */
const EXTRA = 4;

/** 000-R23 with 000-Q4: the owner's scope is part of it, so that two avatars may know the same. */
function hashOf(scope: Scope, ownerId: string, text: string): string {
  return createHash('sha256').update(`${scope}\0${ownerId}\0${text}`).digest('hex');
}

function toMemories(matches: readonly Match[], views: readonly SpaceView[], scopes: readonly Scope[]): Memory[] {
  return matches.flatMap(({ namespace, row, score }) => {
    const found = views[namespace]?.rows[row];
    const scope = scopes[namespace];
    if (found === undefined || scope === undefined) return [];
    const { id: memoryId, text, createdAtMs } = found;
    return [{ memoryId, scope, text, score: Math.min(score, 1), source: sourceOf(found), createdAtMs }];
  });
}

function sourceOf({ objectType, objectId, meta }: SpaceRow): Memory['source'] {
  const conversationId = meta['conversationId'];
  return {
    ...(typeof conversationId === 'string' ? { conversationId } : {}),
    ...(objectType === 'message' && objectId !== null ? { messageId: objectId } : {}),
  };
}

/** Settles with `work`, or rejects with the signal's reason when that comes first; `work` then goes on unheard. */
function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const onAbort = () => reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  const forget = () => signal.removeEventListener('abort', onAbort);
  work.then(resolve, reject).finally(forget);
  return promise;
}
