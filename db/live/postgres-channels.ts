/**
 * Messages between gateways over LISTEN/NOTIFY. Owns two connections: one that speaks, so that messages keep their order, and
 * one that listens and comes back by itself. Messages of the time without a connection are lost (at most once).
 */
import { createHash } from 'node:crypto';
import { Connection, type ConnectionOptions, ConnectionPool } from '../connections.ts';
import { fromStored, toStored } from './stored-text.ts';

type Listener = (payload: string) => void;
/** NOTIFY takes less than 8000 bytes. */
const inlineBytes = 7_900;
const keepLongMs = 60_000;
const firstRetryMs = 50;
const lastRetryMs = 2_000;

export class PostgresChannels {
  readonly #url: string;
  readonly #options: ConnectionOptions;
  readonly #speaker: ConnectionPool;
  #ear: Connection | undefined;
  /** By the name that PostgreSQL knows. */
  readonly #listeners = new Map<string, Set<Listener>>();
  /** Long payloads are fetched; what comes behind them waits, so that the order holds. */
  readonly #pending = new Map<string, Promise<void>>();
  readonly #gapListeners = new Set<() => void>();
  #closed = false;
  #retryMs = firstRetryMs;
  #retry: NodeJS.Timeout | undefined;

  constructor(url: string, options: ConnectionOptions) {
    this.#url = url;
    this.#options = options;
    this.#speaker = new ConnectionPool(url, this.#options, 1);
  }

  async publish(channel: string, payload: string): Promise<void> {
    const name = nameOf(channel);
    const stored = toStored(payload);
    if (Buffer.byteLength(stored) < inlineBytes) {
      await this.#speaker.use(({ sql }) => sql`select pg_notify(${name}, ${`=${stored}`})`);
      return;
    }
    await this.#speaker.use(
      ({ sql }) => sql`
      with message as (
        insert into live.messages (payload, expires_at)
        values (${stored}, now() + ${keepLongMs} * interval '1 millisecond') returning message_id
      )
      select pg_notify(${name}, '#' || message_id) from message`,
    );
  }

  /** Resolves when messages of everybody arrive. @returns what ends it. */
  async subscribe(channel: string, listener: Listener): Promise<() => Promise<void>> {
    const name = nameOf(channel);
    const own: Listener = (payload) => listener(payload); // the same function may subscribe twice
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners.add(own));
    try {
      await this.#listen(name);
    } catch (error) {
      this.#forget(name, own);
      throw error;
    }
    return async () => {
      if (!this.#forget(name, own) || this.#closed) return;
      // Without a connection there is nothing to end: coming back listens to what is in the map.
      await this.#ear?.run((sql) => sql.unsafe(`UNLISTEN "${name}"`)).catch(() => {});
      // Somebody may have come in the meantime, whose LISTEN went out before.
      if (this.#listeners.has(name)) await this.#listen(name).catch(() => {});
    };
  }

  onGap(listener: () => void): () => void {
    const own = () => listener();
    this.#gapListeners.add(own);
    return () => void this.#gapListeners.delete(own);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#retry);
    await Promise.all([this.#speaker.close(5), this.#ear?.sql.end({ timeout: 5 })]);
  }

  async #listen(name: string): Promise<void> {
    if (this.#closed) throw new Error('The live store has been closed.');
    this.#ear ??= this.#open();
    await this.#ear.run((sql) => sql.unsafe(`LISTEN "${name}"`));
  }

  #open(): Connection {
    const ear = new Connection(this.#url, {
      ...this.#options,
      onnotify: (channel: string, payload: string) => this.#hear(channel, payload),
    } as ConnectionOptions);
    ear.onLost(() => {
      this.#ear = undefined;
      this.#comeBack();
    });
    return ear;
  }

  /** @returns true when nobody is left. */
  #forget(name: string, listener: Listener): boolean {
    const listeners = this.#listeners.get(name);
    if (!listeners?.delete(listener) || listeners.size > 0) return false;
    return this.#listeners.delete(name);
  }

  #comeBack(): void {
    if (this.#closed || this.#retry !== undefined || this.#listeners.size === 0) return;
    this.#retry = setTimeout(() => {
      this.#retry = undefined;
      Promise.all([...this.#listeners.keys()].map((name) => this.#listen(name))).then(
        () => {
          this.#retryMs = firstRetryMs;
          for (const listener of [...this.#gapListeners]) listener();
        },
        () => {
          this.#retryMs = Math.min(this.#retryMs * 2, lastRetryMs);
          this.#comeBack();
        },
      );
    }, this.#retryMs);
    this.#retry.unref();
  }

  #hear(name: string, message: string): void {
    const before = this.#pending.get(name);
    if (message.startsWith('=') && !before) {
      this.#deliver(name, fromStored(message.slice(1)));
      return;
    }
    const turn = (async () => {
      const payload = message.startsWith('=') ? message.slice(1) : await this.#fetch(message.slice(1));
      await before;
      if (payload !== undefined) this.#deliver(name, fromStored(payload));
    })();
    this.#pending.set(name, turn);
    void turn.finally(() => {
      if (this.#pending.get(name) === turn) this.#pending.delete(name);
    });
  }

  /** Undefined when it can not be had any more: then the message is lost, as in a time without connection. */
  async #fetch(id: string): Promise<string | undefined> {
    try {
      const [row] = await this.#speaker.use(
        ({ sql }) => sql<{ payload: string }[]>`select payload from live.messages where message_id = ${id}`,
      );
      return row?.payload;
    } catch {
      return undefined;
    }
  }

  #deliver(name: string, payload: string): void {
    for (const listener of [...(this.#listeners.get(name) ?? [])]) {
      // One listener's failure is not the others'; the process hears of it as of every rejection that nobody awaits.
      try {
        listener(payload);
      } catch (error) {
        void Promise.reject(error);
      }
    }
  }
}

/** PostgreSQL cuts names at 63 bytes. */
function nameOf(channel: string): string {
  return `tsumugi_${createHash('sha256').update(channel).digest('hex').slice(0, 32)}`;
}
