/**
 * The Ed25519 keys that checkpoints are signed with: 32-byte seeds of a setting or of a file that only its owner reads, never in
 * the database. The first one signs; what the others have signed still verifies, so a key is changed by putting a new one in front.
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
  readonly #signing: KeyObject;
  /** By shard, the signing key's first. */
  readonly #verifiers: ReadonlyMap<number, readonly VerifierKey[]>;

  private constructor(origin: string, signing: KeyObject, verifiers: ReadonlyMap<number, readonly VerifierKey[]>) {
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
    const [signing] = privateKeys;
    if (signing === undefined) throw new Error('There is no key to sign checkpoints with.');
    const publicKeys = privateKeys.map(publicBytes);
    const verifiers = new Map<number, VerifierKey[]>();
    for (let shard = 0; shard < SHARDS; shard++) {
      const lines = await Promise.all(publicKeys.map((key) => verifierLine(originOf(origin, shard), key)));
      verifiers.set(shard, await Promise.all(lines.map(parseVerifierKey)));
    }
    return new CheckpointKeys(origin, signing, verifiers);
  }

  originOf(shard: number): string {
    return originOf(this.origin, shard);
  }

  verifiersOf(shard: number): readonly VerifierKey[] {
    return this.#verifiers.get(shard) ?? [];
  }

  /** A signed checkpoint. */
  sign(shard: number, size: number, root: Uint8Array): string {
    const [verifier] = this.verifiersOf(shard);
    if (verifier === undefined) throw new RangeError(`There is no shard ${shard}.`);
    const text = checkpointText({ origin: verifier.name, size, root: Uint8Array.from(root) });
    const signature = Uint8Array.from(sign(null, Buffer.from(text), this.#signing));
    return noteOf(text, { name: verifier.name, keyId: verifier.keyId, signature });
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
