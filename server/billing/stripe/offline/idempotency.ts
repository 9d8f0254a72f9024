/** Idempotency keys as Stripe has them: the same request again gets the stored answer, another one under its key is refused. */
import { createHash } from 'node:crypto';
import { OfflineError } from './offline-error.ts';

export type StoredAnswer = { status: number; body: object };
type Entry = { digest: string; answer: StoredAnswer | undefined; atS: number };

const KEEP_S = 86_400;

export class IdempotencyKeys {
  readonly #entries = new Map<string, Entry>();
  readonly #nowS: () => number;

  constructor(nowS: () => number) {
    this.#nowS = nowS;
  }

  /** @returns the answer of the first time. @throws OfflineError when the request differs, or is being answered. */
  begin(key: string, path: string, body: string): StoredAnswer | undefined {
    this.#forgetOld();
    const digest = createHash('sha256').update(`${path}\0${body}`).digest('hex');
    const known = this.#entries.get(key);
    if (known === undefined) {
      this.#entries.set(key, { digest, answer: undefined, atS: this.#nowS() });
      return undefined;
    }
    if (known.digest !== digest)
      throw new OfflineError(
        400,
        'idempotency_key_in_use',
        'Keys for idempotent requests can only be used with the same parameters they were first used with.',
        undefined,
        'idempotency_error',
      );
    if (known.answer === undefined)
      throw new OfflineError(409, 'lock_timeout', 'There is currently another in-progress request using this key.');
    return known.answer;
  }

  /** Refused requests are kept as well; those that failed before they began are not. */
  end(key: string, answer: StoredAnswer | undefined): void {
    const known = this.#entries.get(key);
    if (known === undefined) return;
    if (answer === undefined) this.#entries.delete(key);
    else known.answer = structuredClone(answer);
  }

  #forgetOld(): void {
    const before = this.#nowS() - KEEP_S;
    for (const [key, { atS }] of this.#entries) {
      if (atS >= before) return;
      this.#entries.delete(key);
    }
  }
}
