/** The chat engine over real parts: PostgreSQL, its live store, the ledger, worker threads and a model server over HTTP. */

import type { LiveStore } from '../../../db/live/live-store.ts';
import { PostgresLiveStore } from '../../../db/live/postgres.ts';
import { RedisLiveStore } from '../../../db/live/redis.ts';
import { createTestDatabase } from '../../../db/testing/postgres.ts';
import { startRedis } from '../../../db/testing/redis.ts';
import { uuidv7 } from '../../../db/uuid.ts';
import { WorkerPool } from '../../../workers/pool.ts';
import { BillingService } from '../../billing/service.ts';
import { type Clock, systemClock } from '../../clock.ts';
import { CompanionService } from '../../companion/service.ts';
import { OpenAiChatModel } from '../../llm/client.ts';
import { startPersona } from '../../llm/persona/start.ts';
import type { Peer } from '../../peer.ts';
import type { GenerationHub } from '../hub.ts';
import type { ChatMetrics, MemoryAccess, RetrievedMemory } from '../needs.ts';
import type { Recovery } from '../recovery.ts';
import type { ChatService } from '../service.ts';
import type { Settler } from '../settler.ts';
import { type Chat, type ChatOptions, createChat } from '../start-chat.ts';
import type { TraceReader } from '../trace.ts';
import type { Turns } from '../turns.ts';
import { Reader } from './reader.ts';

const none = () => {};
const noMetrics: ChatMetrics = {
  firstToken: none,
  tokens: none,
  finished: none,
  logWritten: none,
  logFailed: none,
  logRestored: none,
  leaseLost: none,
  newsMissed: none,
  adopted: none,
  settlementFailed: none,
};
const noLog = { warn: () => {}, error: () => {} };

type Counted = 'log failed' | 'log restored' | 'lease lost' | 'news missed';

/** One gateway's worth of the engine. Several share a bench: they have the database in common and nothing else. */
export class TestEngine {
  readonly readers = new Set<Reader>();
  readonly forgotten: string[] = [];
  /** What became of settlements that failed. */
  readonly failures: string[] = [];
  readonly remembered: { userId: string; text: string }[] = [];
  memories: RetrievedMemory[] = [];
  readonly hub: GenerationHub;
  readonly chat: ChatService;
  readonly turns: Turns;
  readonly traces: TraceReader;
  readonly recovery: Recovery;
  readonly settler: Settler;
  readonly engine: Chat;
  #waiting: { what: Counted; resolve: () => void }[] = [];
  readonly #live: LiveStore;
  readonly #owner: string;

  constructor(bench: Bench, owner: string, options: Partial<ChatOptions> = {}, clock: Clock = systemClock) {
    const { db, live, model, billing, pool, companion } = bench;
    const peersOf = (userId: string): Peer[] => [...this.readers].filter((reader) => reader.userId === userId);
    const memory: MemoryAccess = {
      retrieve: async () => this.memories,
      rememberTurn: (turn) => void this.remembered.push(turn),
      forgetConversation: async (_userId, conversationId) => void this.forgotten.push(conversationId),
      findTexts: async () => new Map(this.memories.map(({ memoryId, text }) => [memoryId, text])),
    };
    const meter = {
      count: (name: string, texts: readonly string[]) => pool.run('billing/meter-tokens', { model: name, texts }),
    };
    const engine = createChat(
      {
        db,
        live,
        model,
        meter,
        billing,
        memory,
        partners: companion,
        presence: { peersOf },
        clock,
        log: noLog,
        metrics: {
          ...noMetrics,
          settlementFailed: (outcome) => void this.failures.push(outcome),
          logFailed: () => this.#count('log failed'),
          logRestored: () => this.#count('log restored'),
          leaseLost: () => this.#count('lease lost'),
          newsMissed: () => this.#count('news missed'),
        },
      },
      {
        rollUpMs: 10,
        keepMs: 60_000,
        maxRunningPerUser: 3,
        billingMode: 'metered',
        maxOutputTokens: 300,
        historyTokens: 1_000,
        memoryTokens: 300,
        manyGateways: true,
        alone: false,
        failover: 'interrupt',
        owner,
        ...options,
      },
    );
    this.engine = engine;
    this.#live = live;
    this.#owner = owner;
    ({
      hub: this.hub,
      chat: this.chat,
      turns: this.turns,
      traces: this.traces,
      recovery: this.recovery,
      settler: this.settler,
    } = engine);
  }

  /** Resolves when this has been counted once more. */
  counted(what: Counted): Promise<void> {
    return new Promise((resolve) => this.#waiting.push({ what, resolve }));
  }

  #count(what: Counted): void {
    const heard = this.#waiting.filter((waiting) => waiting.what === what);
    this.#waiting = this.#waiting.filter((waiting) => !heard.includes(waiting));
    for (const { resolve } of heard) resolve();
  }

  /** For everybody else this gateway is dead from now on; it writes on all the same. */
  async endLease(): Promise<void> {
    await this.#live.acquireLease(`gateway:${this.#owner}`, this.#owner, 60_000);
    await this.#live.releaseLease(`gateway:${this.#owner}`, this.#owner);
  }

  /** Another connection of a user. */
  connect(userId: string): Reader {
    const reader = new Reader(userId);
    this.readers.add(reader);
    this.engine.news.join(userId);
    reader.onClose(() => {
      this.readers.delete(reader);
      if (![...this.readers].some((other) => other.userId === userId)) this.engine.news.leave(userId);
    });
    return reader;
  }
}

export type Bench = Awaited<ReturnType<typeof startBench>>;

/** Tokens of an answer that runs for as long as a test wants it to: `maxOutputTokens` of its engine, and `longAnswer` in the question. */
export const LONG_ANSWER = 6_000;
/** In front of a question. */
export const longAnswer = `[[fault huge:${LONG_ANSWER}]]`;

/** What engines of one test file share. */
export async function startBench(options: { tokensPerSecond?: number; live?: 'postgres' | 'redis' } = {}) {
  const test = await createTestDatabase();
  const redis = options.live === 'redis' ? await startRedis() : undefined;
  const live: LiveStore = redis === undefined ? new PostgresLiveStore(test.url) : new RedisLiveStore(redis.url);
  const pool = new WorkerPool({ threads: 1, maxQueue: 1_000 });
  const persona = await startPersona({ faults: true, seed: 7, tokensPerSecond: options.tokensPerSecond ?? 500 });
  const model = new OpenAiChatModel({
    baseUrl: persona.baseUrl,
    apiKey: persona.apiKey,
    defaultModel: 'tsumugi-persona',
    idleTimeoutMs: 60_000,
    firstTokenTimeoutMs: 60_000,
    maxRetries: 1,
    maxRetryWaitMs: 200,
  });
  const db = test.database;
  const billing = new BillingService(db, pool, systemClock, { signUpGrantTokens: 100_000 });
  await billing.start();
  const companion = new CompanionService(db, { maxAvatars: async () => 10 });
  return {
    test,
    db,
    live,
    /** Undefined where PostgreSQL is the live store. */
    redis,
    pool,
    model,
    billing,
    companion,
    /** An account with its grant of tokens. */
    async newUser(): Promise<string> {
      const userId = uuidv7();
      const grant = await db.asService(async (tx) => {
        await tx.sql`insert into identity.users (id) values (${userId})`;
        return billing.grantSignUp(tx, userId);
      });
      await billing.ledger.settled(grant);
      return userId;
    },
    async newAvatar(ownerUserId: string): Promise<string> {
      const caller = new Reader(ownerUserId).caller;
      const { avatarId } = await companion.createAvatar(caller, {
        name: 'Wren',
        systemPrompt: 'You are Wren, warm and dry.',
        lang: 'en',
      });
      return avatarId;
    },
    async close(): Promise<void> {
      await billing.stop();
      await model.close();
      await persona.stop();
      await pool.close();
      await live.close();
      await redis?.stop();
      await test.close();
    },
  };
}
