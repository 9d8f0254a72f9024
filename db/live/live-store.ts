/**
 * What is alive right now: sessions, one-use codes, rate limits, the log of running generations, leases and messages between
 * gateways. One interface; `postgres.ts` and `redis.ts` implement it, one contract suite holds for both.
 * All times are the store's own clock unless a parameter gives one; all lives are in milliseconds.
 */
export interface LiveStore {
  // Sessions: `session:{user_id}:{uuid}`. A cache of identity.sessions with its own end of life.
  putSession(userId: string, sessionId: string, value: string, ttlMs: number): Promise<void>;
  getSession(userId: string, sessionId: string): Promise<string | undefined>;
  dropSession(userId: string, sessionId: string): Promise<void>;
  /** The session ids. */
  listSessions(userId: string): Promise<string[]>;

  // One-use values (socket tickets, codes): taken by exactly one taker, gone after their life.
  putOnce(key: string, value: string, ttlMs: number): Promise<void>;
  takeOnce(key: string): Promise<string | undefined>;

  /**
   * Token bucket: `burst` at most, refilled with `perSecond`. Atomic across gateways. A negative `cost` gives tokens back.
   * @returns how long to wait when refused, 0 when granted.
   */
  takeTokens(key: string, limit: TokenLimit, cost?: number): Promise<{ retryAfterMs: number }>;
  /** `putOnce` for a token of that bucket, where it is granted. */
  putOnceFor(bucket: string, limit: TokenLimit, once: OnceValue): Promise<{ retryAfterMs: number }>;

  /**
   * Appends pieces of many generations in one write; when it resolves they survive the death of this process.
   * A piece with an epoch below the generation's highest known one is refused and its generation id returned (fencing).
   * A piece that is there already (same generation, epoch and seq) counts as written: a writer may try again.
   * A piece whose log is gone although it is not the first one is not written, and its generation id is in `lost`: the store has
   * lost data. The writer then appends everything from `seq` 0 on again, so that the log never has a hole.
   */
  appendLog(pieces: readonly LogPiece[]): Promise<{ refused: string[]; lost: string[] }>;
  /**
   * From when it resolves, pieces with a lower epoch are refused: what `readLog` then gives is all that the older owner was
   * ever told is stored. For taking a generation over.
   */
  fenceLog(generationId: string, epoch: number): Promise<void>;
  /** Pieces with `seq > afterSeq`, in order. */
  readLog(generationId: string, afterSeq: number): Promise<LogPiece[]>;
  /** The logs are not needed any more (compacted into messages); they may stay readable for `keepMs`. */
  dropLog(generationIds: readonly string[], keepMs: number): Promise<void>;

  /** Takes or renews a lease; an ended one too, when nobody took it in between. The epoch rises by one with every change of owner. Undefined while another owner holds it. */
  acquireLease(name: string, owner: string, ttlMs: number): Promise<{ epoch: number } | undefined>;
  /**
   * Takes the lease of an owner that has let it end. One that the store does not know may have been lost with the store's data:
   * it can be inherited only after its owner has had `ttlMs` to acquire it again, which he can at any time. Undefined till then.
   */
  inheritLease(name: string, heir: string, ttlMs: number): Promise<{ epoch: number } | undefined>;
  renewLeases(names: readonly string[], owner: string, ttlMs: number): Promise<{ lost: string[] }>;
  releaseLease(name: string, owner: string): Promise<void>;

  /**
   * Says how many connections a gateway has of each of these users, none of whom is named twice; 0 takes it out. Said again before
   * the end of its life, or forgotten.
   * @returns the numbers on all gateways, in the same order.
   */
  setPresence(gateway: string, users: readonly UserConnections[], ttlMs: number): Promise<number[]>;
  /** The number on all gateways. */
  countPresence(userId: string): Promise<number>;

  /** Fan-out between gateways. At most once, in order per publisher; the publisher's own subscription hears it too. */
  publish(channel: string, payload: string): Promise<void>;
  subscribe(channel: string, listener: (payload: string) => void): Promise<() => Promise<void>>;

  /**
   * Told when messages may have been missed: the way to the store was lost, and everything that was subscribed is heard again.
   * Whoever keeps something up to date by messages reads it anew. @returns ends it.
   */
  onGap(listener: () => void): () => void;

  /** Removes what is over. The server calls it now and then; nothing that is over is seen before either. */
  sweep(): Promise<void>;
  /** Resolves when the store answers. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

export type TokenLimit = { burst: number; perSecond: number };

export type OnceValue = { key: string; value: string; ttlMs: number };

export type UserConnections = { userId: string; connections: number };

export type LogPiece = {
  generationId: string;
  epoch: number;
  /** From 0, without gaps. */
  seq: number;
  /** Where the text begins, UTF-16 units. */
  offset: number;
  text: string;
};
