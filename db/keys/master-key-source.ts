/**
 * Where master keys come from: a setting, or a file that only its owner reads. The first key encrypts, the others decrypt.
 * Refuses a file that others can read, and keys of another length than 32 bytes. Never prints a key.
 */
import { createSecretKey, type KeyObject, randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';

export type MasterKey = Readonly<{ id: string; key: KeyObject }>;

export interface MasterKeySource {
  /** Active key first. */
  load(): MasterKey[];
  /** True when `load` may give something else than last time. Cheap. */
  changed(): boolean;
}

/** @param text `id:base64` pairs, separated by commas or line breaks. @param from for the error: where it stood. @throws Error that names the fault, never the key. */
export function parseMasterKeys(text: string, from = 'Master keys'): MasterKey[] {
  const keys: MasterKey[] = [];
  for (const part of text.split(/[,\n]/).map((piece) => piece.trim())) {
    if (part === '' || part.startsWith('#')) continue;
    const match = /^([A-Za-z0-9_-]{1,32}):([A-Za-z0-9+/_-]{43}=?)$/.exec(part);
    const [, id, encoded] = match ?? [];
    if (id === undefined || encoded === undefined)
      throw new Error(`${from}: expected \`id:base64\` pairs, each key 32 bytes.`);
    if (keys.some((other) => other.id === id)) throw new Error(`${from}: the id "${id}" stands there twice.`);
    keys.push({ id, key: createSecretKey(Buffer.from(encoded, 'base64')) });
  }
  if (keys.length === 0) throw new Error(`${from}: expected at least one \`id:base64\` pair.`);
  return keys;
}

/** Keys of a setting; they change with a restart only. */
export class FixedMasterKeys implements MasterKeySource {
  readonly #keys: MasterKey[];

  constructor(text: string) {
    this.#keys = parseMasterKeys(text);
  }

  load(): MasterKey[] {
    return this.#keys;
  }

  changed(): boolean {
    return false;
  }
}

/** Keys in a file of mode 0600, one a line. Every process that uses the file sees a new key at its next use. */
export class MasterKeyFile implements MasterKeySource {
  readonly path: string;
  #seen = '';

  constructor(path: string) {
    this.path = path;
  }

  /** Makes the file with one random key unless it is there; of two starting at once, one wins and both use its key. */
  createIfMissing(): void {
    if (existsSync(this.path)) return;
    mkdirSync(dirname(this.path), { recursive: true, mode: 0o700 });
    const draft = this.#writeDraft([newMasterKey()]);
    try {
      linkSync(draft, this.path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    } finally {
      rmSync(draft, { force: true });
    }
  }

  load(): MasterKey[] {
    const stamp = this.#stamp();
    if (process.platform !== 'win32' && (statSync(this.path).mode & 0o077) !== 0) {
      throw new Error(`${this.path} can be read by others; run: chmod 600 ${this.path}`);
    }
    const keys = parseMasterKeys(readFileSync(this.path, 'utf8'), this.path);
    this.#seen = stamp;
    return keys;
  }

  changed(): boolean {
    return this.#stamp() !== this.#seen;
  }

  /** Puts a new random key in front. @returns its id. */
  addActive(): string {
    const key = newMasterKey();
    this.#replace([key, ...this.load()]);
    return key.id;
  }

  /** Takes a key out for good. The caller has made sure that nothing is wrapped by it. */
  remove(id: string): void {
    const kept = this.load().filter((key) => key.id !== id);
    if (kept.length === 0) throw new Error('The last master key cannot be removed.');
    this.#replace(kept);
  }

  #replace(keys: readonly MasterKey[]): void {
    renameSync(this.#writeDraft(keys), this.path);
  }

  #writeDraft(keys: readonly MasterKey[]): string {
    const draft = `${this.path}.${process.pid}.${randomBytes(4).toString('hex')}`;
    const file = openSync(draft, 'wx', 0o600);
    try {
      writeSync(file, `${keys.map(({ id, key }) => `${id}:${key.export().toString('base64')}`).join('\n')}\n`);
      // A key must be on the disk before anything is encrypted with it.
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    return draft;
  }

  #stamp(): string {
    const { mtimeMs, ino, size } = statSync(this.path);
    return `${mtimeMs}:${ino}:${size}`;
  }
}

function newMasterKey(): MasterKey {
  return { id: `k${randomBytes(6).toString('hex')}`, key: createSecretKey(randomBytes(32)) };
}
