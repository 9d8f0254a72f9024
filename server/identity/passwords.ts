/**
 * Password hashes (X-Q1): argon2id off the event loop, a few at a time, behind a queue that refuses instead of growing.
 * Imported schemes are known by name; this server verifies argon2id only and treats the others as wrong.
 */
import * as argon2 from '@node-rs/argon2';
import { AppError } from '../errors.ts';

export type PasswordCost = Readonly<{ memoryKib: number; passes: number; concurrency: number; queueLimit: number }>;

/** OWASP's first recommendation for argon2id; about 20 ms and 19 MiB a hash. */
export const defaultPasswordCost: PasswordCost = { memoryKib: 19_456, passes: 2, concurrency: 2, queueLimit: 200 };

/** The work itself. */
export type Hashing = Pick<typeof argon2, 'hash' | 'verify'>;

export class Passwords {
  readonly #cost: PasswordCost;
  readonly #hashing: Hashing;
  readonly #waiting: (() => void)[] = [];
  #running = 0;
  #dummy: Promise<string> | undefined;

  constructor(cost: PasswordCost = defaultPasswordCost, hashing: Hashing = argon2) {
    this.#cost = cost;
    this.#hashing = hashing;
  }

  /** Hashes that wait or run, for metrics. */
  get queueLength(): number {
    return this.#running + this.#waiting.length;
  }

  /** @throws AppError `busy` when the queue is full. */
  hash(password: string): Promise<string> {
    return this.#queued(() => this.#hash(password));
  }

  /**
   * Takes one hash's time whatever is asked.
   * @param stored undefined for an unknown account: the work is done all the same, the answer is no.
   */
  async verify(stored: { hash: string; scheme: string } | undefined, password: string): Promise<boolean> {
    return this.#queued(async () => {
      this.#dummy ??= this.#hash('nobody has this password');
      const usable = stored?.scheme === 'argon2id';
      const matches = await this.#hashing.verify(usable ? stored.hash : await this.#dummy, toBytes(password));
      return matches && usable;
    });
  }

  /** True when the hash was made at another cost than today's. */
  needsRehash(stored: string): boolean {
    const { memoryCost, timeCost } = argon2.parseOptions(stored);
    return memoryCost !== this.#cost.memoryKib || timeCost !== this.#cost.passes;
  }

  /** Makes what the first verification of an unknown account needs, so that it is no slower than the second. */
  async warmUp(): Promise<void> {
    await this.verify(undefined, '');
  }

  #hash(password: string): Promise<string> {
    // argon2id and 16 bytes of salt are the library's defaults.
    return this.#hashing.hash(toBytes(password), {
      memoryCost: this.#cost.memoryKib,
      timeCost: this.#cost.passes,
      parallelism: 1,
    });
  }

  async #queued<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running >= this.#cost.concurrency) {
      if (this.#waiting.length >= this.#cost.queueLimit) throw new AppError('busy', { retryAfterMs: 1_000 });
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else {
      this.#running++;
    }
    try {
      return await work();
    } finally {
      // The place is handed on, so that nobody who comes in between overtakes the queue.
      const next = this.#waiting.shift();
      if (next === undefined) this.#running--;
      else next();
    }
  }
}

/** The same password typed on another keyboard may arrive composed otherwise. */
function toBytes(password: string): Uint8Array {
  return Buffer.from(password.normalize('NFC'), 'utf8');
}
