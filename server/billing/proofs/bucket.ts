/**
 * Copies of checkpoints in S3-compatible storage: `<prefix>/shard-<n>/<size, 16 digits>.txt`, each written once (`If-None-Match: *`).
 * What could not be copied is tried again with the next one; the files on the disk stay the first place.
 */
import { AwsClient } from 'aws4fetch';
import type { SignerLog } from './signer.ts';

export type BucketOptions = {
  /** With the bucket and, if wanted, a prefix: `https://s3.example.org/bucket/prefix`. */
  url: string;
  region: string;
  accessKeyId: string;
  secretAccessKey: string;
};
type Copy = { shard: number; size: number; note: string };

const TIMEOUT_MS = 10_000;
/** More than a day without the bucket; the oldest go first, the files have them. */
const MAX_WAITING = 100_000;

export class CheckpointBucket {
  readonly #client: AwsClient;
  readonly #url: string;
  readonly #log: Pick<SignerLog, 'warn'>;
  readonly #waiting: Copy[] = [];
  #working: Promise<void> | undefined;

  constructor({ url, region, accessKeyId, secretAccessKey }: BucketOptions, log: Pick<SignerLog, 'warn'>) {
    this.#client = new AwsClient({ accessKeyId, secretAccessKey, region, service: 's3', retries: 2 });
    this.#url = url.replace(/\/+$/, '');
    this.#log = log;
  }

  /** Never throws; `idle` says when it is done. */
  put(shard: number, size: number, note: string): void {
    this.#waiting.push({ shard, size, note });
    if (this.#waiting.length > MAX_WAITING) this.#waiting.shift();
    this.#working ??= this.#work().finally(() => {
      this.#working = undefined;
    });
  }

  async idle(): Promise<void> {
    await this.#working;
  }

  async #work(): Promise<void> {
    try {
      for (let [next] = this.#waiting; next !== undefined; [next] = this.#waiting) {
        await this.#copy(next);
        this.#waiting.shift();
      }
    } catch (error) {
      this.#log.warn(
        { error, waiting: this.#waiting.length },
        'checkpoints could not be copied to the bucket; tried again later',
      );
    }
  }

  async #copy({ shard, size, note }: Copy): Promise<void> {
    const name = `shard-${shard}/${String(size).padStart(16, '0')}.txt`;
    const reply = await this.#client.fetch(`${this.#url}/${name}`, {
      method: 'PUT',
      body: note,
      headers: { 'content-type': 'text/plain; charset=utf-8', 'if-none-match': '*' },
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    await reply.body?.cancel();
    // 412: it is there already, written by another gateway or by a try whose answer was lost.
    if (!reply.ok && reply.status !== 412) throw new Error(`The bucket answered ${reply.status} for ${name}.`);
  }
}
