/**
 * The live store in Redis (7.0 or newer, or Valkey): what several gateways share. One server or a primary with replicas, not
 * a cluster: one write of the log covers many keys. Channels are sharded ones: a message goes no further than to who subscribed. How
 * much survives the death of Redis itself is its own setting (`appendfsync`).
 */
import { Redis } from 'ioredis';
import type { LiveStore, LogPiece, OnceValue, TokenLimit, UserConnections } from './live-store.ts';
import { RedisUnfitError } from './redis-fault.ts';
import * as scripts from './redis-scripts.ts';
import { fromStored, toStored } from './stored-text.ts';

type Arg = string | number;
type Script = (...keysAndArgs: Arg[]) => Promise<unknown>;
type Scripts = {
  takeTokens: Script;
  appendLog: Script;
  acquireLease: Script;
  inheritLease: Script;
  renewLeases: Script;
  releaseLease: Script;
  putSession: Script;
  listSessions: Script;
  setPresence: Script;
  countPresence: Script;
};

const keepLogMs = 7 * 86_400_000;
const keepLeaseMs = 86_400_000;
const longestWaitMs = 86_400_000;
const oldestMajor = 7;
const answerMs = 5_000;

export class RedisLiveStore implements LiveStore {
  readonly #redis: Redis;
  readonly #run: Scripts;
  readonly #ear: Redis;
  readonly #listeners = new Map<string, Set<(payload: string) => void>>();
  readonly #gapListeners = new Set<() => void>();
  #versionChecked = false;
  /** The last thing that went wrong with a connection; a call that had to give up only knows that it did. */
  #lastFault: Error | undefined;
  #wasHeard = false;

  /** @param onError connection failures, for the log; ioredis comes back by itself. */
  constructor(url: string, options: { onError?: (error: Error) => void } = {}) {
    const shared = {
      retryStrategy: (times: number) => Math.min(times * 50, 1000),
      connectTimeout: 5_000,
      lazyConnect: true,
    };
    // A caller gets an error after two lost connections or when the server hangs, instead of waiting for good.
    const bounds = { maxRetriesPerRequest: 2, commandTimeout: answerMs };
    this.#redis = new Redis(url, { ...shared, ...bounds, enableAutoPipelining: true });
    this.#ear = new Redis(url, { ...shared, maxRetriesPerRequest: null });
    for (const client of [this.#redis, this.#ear]) {
      client.on('error', (error: Error) => {
        this.#lastFault = error;
        options.onError?.(error);
      });
    }
    this.#run = defineScripts(this.#redis);
    this.#ear.on('ready', () => void this.#heardAgain());
    this.#ear.on('smessage', (channel: string, message: string) => this.#deliver(channel, message));
  }

  async putSession(userId: string, sessionId: string, value: string, ttlMs: number): Promise<void> {
    const keys = [sessionKey(userId, sessionId), sessionsKey(userId)];
    await this.#run.putSession(...keys, toStored(value), ttlMs, toStored(sessionId));
  }

  async getSession(userId: string, sessionId: string): Promise<string | undefined> {
    const value = await this.#redis.get(sessionKey(userId, sessionId));
    return value === null ? undefined : fromStored(value);
  }

  async dropSession(userId: string, sessionId: string): Promise<void> {
    await Promise.all([
      this.#redis.del(sessionKey(userId, sessionId)),
      this.#redis.zrem(sessionsKey(userId), toStored(sessionId)),
    ]);
  }

  async listSessions(userId: string): Promise<string[]> {
    return ((await this.#run.listSessions(sessionsKey(userId))) as string[]).map(fromStored);
  }

  async putOnce(key: string, value: string, ttlMs: number): Promise<void> {
    await this.#redis.set(onceKey(key), toStored(value), 'PX', Math.max(1, Math.ceil(ttlMs)));
  }

  async takeOnce(key: string): Promise<string | undefined> {
    const value = await this.#redis.getdel(onceKey(key));
    return value === null ? undefined : fromStored(value);
  }

  async takeTokens(key: string, limit: TokenLimit, cost = 1): Promise<{ retryAfterMs: number }> {
    const waitMs = await this.#run.takeTokens(1, bucketKey(key), limit.burst, limit.perSecond, cost, longestWaitMs);
    return { retryAfterMs: Number(waitMs) };
  }

  async putOnceFor(
    bucket: string,
    { burst, perSecond }: TokenLimit,
    { key, value, ttlMs }: OnceValue,
  ): Promise<{ retryAfterMs: number }> {
    const put = [toStored(value), Math.max(1, Math.ceil(ttlMs))];
    const keys = [bucketKey(bucket), onceKey(key)];
    return { retryAfterMs: Number(await this.#run.takeTokens(2, ...keys, burst, perSecond, 1, longestWaitMs, ...put)) };
  }

  async appendLog(pieces: readonly LogPiece[]): Promise<{ refused: string[]; lost: string[] }> {
    if (pieces.length === 0) return { refused: [], lost: [] };
    const ids = [...new Set(pieces.map((piece) => piece.generationId))];
    const indexes = new Map(ids.map((id, index) => [id, index + 1]));
    const args: Arg[] = [];
    for (const piece of pieces) {
      args.push(
        indexes.get(piece.generationId) ?? 0,
        piece.epoch,
        piece.seq,
        `${piece.offset}:${toStored(piece.text)}`,
      );
    }
    const outcome = await this.#run.appendLog(ids.length, ...ids.map(logKey), keepLogMs, ...args);
    const [refused = [], lost = []] = (outcome as number[][]).map((some) => some.map((index) => ids[index - 1] ?? ''));
    return { refused, lost };
  }

  async fenceLog(generationId: string, epoch: number): Promise<void> {
    await this.#run.appendLog(1, logKey(generationId), keepLogMs, 1, epoch, -1, '');
  }

  async readLog(generationId: string, afterSeq: number): Promise<LogPiece[]> {
    const stored = await this.#redis.hgetall(logKey(generationId));
    const pieces: LogPiece[] = [];
    for (const [field, value] of Object.entries(stored)) {
      if (field === 'epoch' || Number(field) <= afterSeq) continue;
      pieces.push(readPiece(generationId, Number(field), value));
    }
    return pieces.sort((a, b) => a.seq - b.seq);
  }

  async dropLog(generationIds: readonly string[], keepMs: number): Promise<void> {
    await Promise.all(generationIds.map((id) => this.#redis.pexpire(logKey(id), Math.max(0, Math.ceil(keepMs)))));
  }

  async acquireLease(name: string, owner: string, ttlMs: number): Promise<{ epoch: number } | undefined> {
    const epoch = await this.#run.acquireLease(leaseKey(name), toStored(owner), ttlMs, keepLeaseMs);
    return epoch === null ? undefined : { epoch: Number(epoch) };
  }

  async inheritLease(name: string, heir: string, ttlMs: number): Promise<{ epoch: number } | undefined> {
    const epoch = await this.#run.inheritLease(leaseKey(name), toStored(heir), ttlMs, keepLeaseMs);
    return epoch === null ? undefined : { epoch: Number(epoch) };
  }

  async renewLeases(names: readonly string[], owner: string, ttlMs: number): Promise<{ lost: string[] }> {
    if (names.length === 0) return { lost: [] };
    const keys = names.map(leaseKey);
    const lost = await this.#run.renewLeases(keys.length, ...keys, toStored(owner), ttlMs, keepLeaseMs);
    return { lost: (lost as number[]).map((index) => names[index - 1] ?? '') };
  }

  async releaseLease(name: string, owner: string): Promise<void> {
    await this.#run.releaseLease(leaseKey(name), toStored(owner));
  }

  async setPresence(gateway: string, users: readonly UserConnections[], ttlMs: number): Promise<number[]> {
    if (users.length === 0) return [];
    const keys = users.map(({ userId }) => presenceKey(userId));
    const counts = users.map(({ connections }) => connections);
    return (await this.#run.setPresence(keys.length, ...keys, toStored(gateway), ttlMs, ...counts)) as number[];
  }

  async countPresence(userId: string): Promise<number> {
    return Number(await this.#run.countPresence(presenceKey(userId)));
  }

  async publish(channel: string, payload: string): Promise<void> {
    await this.#redis.spublish(channelKey(channel), toStored(payload));
  }

  async subscribe(channel: string, listener: (payload: string) => void): Promise<() => Promise<void>> {
    const key = channelKey(channel);
    const own = (payload: string) => listener(payload); // the same function may subscribe twice
    const listeners = this.#listeners.get(key) ?? new Set();
    this.#listeners.set(key, listeners.add(own));
    try {
      await this.#ear.ssubscribe(key);
    } catch (error) {
      this.#forget(key, own);
      throw error;
    }
    return async () => {
      // Commands keep their order on the connection: who subscribes again comes after this.
      if (this.#forget(key, own) && this.#ear.status !== 'end') await this.#ear.sunsubscribe(key);
    };
  }

  onGap(listener: () => void): () => void {
    const own = () => listener();
    this.#gapListeners.add(own);
    return () => void this.#gapListeners.delete(own);
  }

  /** Redis removes by itself what is over. */
  async sweep(): Promise<void> {}

  /** @throws Error when the server does not answer, or, the first time, cannot be used: `redisFault` says why. */
  async ping(): Promise<void> {
    if (this.#versionChecked) {
      await this.#redis.ping();
      return;
    }
    const info = await this.#redis.info('server').catch((error: unknown) => {
      throw this.#lastFault ?? error;
    });
    // A database that is not there is only complained about; everything would go to another one.
    if (this.#lastFault?.name === 'ReplyError') throw this.#lastFault;
    const [, version = '0'] = /^redis_version:(\S+)/m.exec(info) ?? [];
    if (Number.parseInt(version, 10) < oldestMajor)
      throw new RedisUnfitError(`is too old: it is ${version}, and 7.0 or newer is needed`);
    this.#versionChecked = true;
  }

  async close(): Promise<void> {
    this.#listeners.clear();
    await Promise.all([this.#redis, this.#ear].map((client) => leave(client)));
  }

  /** The client subscribes anew by itself when it is back; what is answered behind that says that it has. */
  async #heardAgain(): Promise<void> {
    const isFirst = !this.#wasHeard;
    this.#wasHeard = true;
    const [any] = this.#listeners.keys();
    if (isFirst || any === undefined) return;
    try {
      await this.#ear.ssubscribe(any);
    } catch {
      return; // Lost again: the next time tells.
    }
    // It may have been the last one, and ended meanwhile.
    if (!this.#listeners.has(any)) await this.#ear.sunsubscribe(any).catch(() => {});
    for (const listener of [...this.#gapListeners]) listener();
  }

  #forget(key: string, listener: (payload: string) => void): boolean {
    const listeners = this.#listeners.get(key);
    if (!listeners?.delete(listener) || listeners.size > 0) return false;
    return this.#listeners.delete(key);
  }

  #deliver(key: string, message: string): void {
    for (const listener of [...(this.#listeners.get(key) ?? [])]) {
      try {
        listener(fromStored(message));
      } catch (error) {
        // One listener's failure is not the others'; the process hears of it as of every rejection that nobody awaits.
        void Promise.reject(error);
      }
    }
  }
}

/** Waits for what was sent, if there is somebody to wait for. */
async function leave(client: Redis): Promise<void> {
  if (client.status === 'ready') await client.quit().catch(() => {});
  client.disconnect();
}

function defineScripts(redis: Redis): Scripts {
  redis.defineCommand('takeTokens', { lua: scripts.takeTokens });
  redis.defineCommand('appendLog', { lua: scripts.appendLog });
  redis.defineCommand('acquireLease', { numberOfKeys: 1, lua: scripts.acquireLease });
  redis.defineCommand('inheritLease', { numberOfKeys: 1, lua: scripts.inheritLease });
  redis.defineCommand('renewLeases', { lua: scripts.renewLeases });
  redis.defineCommand('releaseLease', { numberOfKeys: 1, lua: scripts.releaseLease });
  redis.defineCommand('putSession', { numberOfKeys: 2, lua: scripts.putSession });
  redis.defineCommand('listSessions', { numberOfKeys: 1, lua: scripts.listSessions });
  redis.defineCommand('setPresence', { lua: scripts.setPresence });
  redis.defineCommand('countPresence', { numberOfKeys: 1, lua: scripts.countPresence });
  return redis as unknown as Scripts;
}

function readPiece(generationId: string, seq: number, value: string): LogPiece {
  const first = value.indexOf(':');
  const second = value.indexOf(':', first + 1);
  return {
    generationId,
    epoch: Number(value.slice(0, first)),
    seq,
    offset: Number(value.slice(first + 1, second)),
    text: fromStored(value.slice(second + 1)),
  };
}

const sessionKey = (userId: string, sessionId: string) => `session:${toStored(userId)}:${toStored(sessionId)}`;
const sessionsKey = (userId: string) => `sessions:${toStored(userId)}`;
// As document 000 names them: `otp:{user_id}`, `pwdreset:{token}`.
const onceKey = (key: string) => toStored(key);
const bucketKey = (key: string) => `bucket:${toStored(key)}`;
const logKey = (generationId: string) => `generation:log:${toStored(generationId)}`;
const leaseKey = (name: string) => `lease:${toStored(name)}`;
const presenceKey = (userId: string) => `presence:${toStored(userId)}`;
const channelKey = (channel: string) => `live:${toStored(channel)}`;
