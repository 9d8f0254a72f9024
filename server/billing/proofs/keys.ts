/**
 * The Ed25519 keys that checkpoints are signed with: 32-byte seeds of a setting or of a file that only its owner reads, never in
 * the database. All of them sign, the first one in front: a key is changed by putting a new one before it, and whoever knows the old
 * one alone learns of the new one from what both have signed.
 * Each shard is a log of its own, so each key has a verifier key for each of them: the log's origin is part of it.
 */
import { createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto';
import type { MasterKeySource } from '../../../db/keys/master-key-source.ts';
import {
  checkpointText,
  noteOf,
  parseVerifierKey,
  type VerifierKey,
  verifierLine,
} from '../../../protocol/ledger-proof/signed-note.ts';
import { SHARDS } from '../../../workers/billing/hash-entries.ts';

/** PKCS #8 of an Ed25519 key, up to its seed (RFC 8410). */
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex');

export class CheckpointKeys {
  readonly origin: string;
  /** In the order of the verifiers. */
  readonly #signing: readonly KeyObject[];
  /** By shard, the newest first. */
  readonly #verifiers: ReadonlyMap<number, readonly VerifierKey[]>;

  private constructor(
    origin: string,
    signing: readonly KeyObject[],
    verifiers: ReadonlyMap<number, readonly VerifierKey[]>,
  ) {
    this.origin = origin;
    this.#signing = signing;
    this.#verifiers = verifiers;
  }

  /** @param origin of all logs; a shard's is `<origin>/<shard>`. */
  static async open(source: Pick<MasterKeySource, 'load'>, origin: string): Promise<CheckpointKeys> {
    const seeds = source.load().map(({ key }) => key.export());
    const privateKeys = seeds.map((seed) =>
      createPrivateKey({ key: Buffer.concat([PKCS8, seed]), format: 'der', type: 'pkcs8' }),
    );
    if (privateKeys.length === 0) throw new Error('There is no key to sign checkpoints with.');
    const publicKeys = privateKeys.map(publicBytes);
    const verifiers = new Map<number, VerifierKey[]>();
    for (let shard = 0; shard < SHARDS; shard++) {
      const lines = await Promise.all(publicKeys.map((key) => verifierLine(originOf(origin, shard), key)));
      verifiers.set(shard, await Promise.all(lines.map(parseVerifierKey)));
    }
    return new CheckpointKeys(origin, privateKeys, verifiers);
  }

  originOf(shard: number): string {
    return originOf(this.origin, shard);
  }

  verifiersOf(shard: number): readonly VerifierKey[] {
    return this.#verifiers.get(shard) ?? [];
  }

  /** A signed checkpoint. */
  sign(shard: number, size: number, root: Uint8Array): string {
    const verifiers = this.verifiersOf(shard);
    if (verifiers.length === 0) throw new RangeError(`There is no shard ${shard}.`);
    const text = checkpointText({ origin: this.originOf(shard), size, root: Uint8Array.from(root) });
    const signatures = this.#signing.flatMap((key, at) => {
      const verifier = verifiers[at];
      if (verifier === undefined) return [];
      const signature = Uint8Array.from(sign(null, Buffer.from(text), key));
      return [{ name: verifier.name, keyId: verifier.keyId, signature }];
    });
    return noteOf(text, ...signatures);
  }

  /** A line each, as verifiers take them. */
  async lines(): Promise<string[]> {
    const all = [...this.#verifiers.values()].flat();
    return Promise.all(all.map(({ name, publicKey }) => verifierLine(name, publicKey)));
  }
}

export function originOf(origin: string, shard: number): string {
  return `${origin}/${shard}`;
}

function publicBytes(key: KeyObject): Uint8Array {
  const { x = '' } = createPublicKey(key).export({ format: 'jwk' });
  return Uint8Array.from(Buffer.from(x, 'base64url'));
}
