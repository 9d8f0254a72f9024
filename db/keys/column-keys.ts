/** All keys of encrypted and hashed columns, put together: what the server makes once and hands to its services. */
import type { Database } from '../client.ts';
import { Cells } from '../columns/cells.ts';
import { DataKeys } from './data-keys.ts';
import { HashKeys } from './hash-keys.ts';
import { MasterKeyRing } from './master-key-ring.ts';
import { FixedMasterKeys, MasterKeyFile, type MasterKeySource } from './master-key-source.ts';

export class ColumnKeys {
  readonly ring: MasterKeyRing;
  readonly dataKeys: DataKeys;
  readonly hashKeys: HashKeys;
  readonly cells: Cells;

  constructor(source: MasterKeySource, options: { maxCached?: number; cacheMs?: number; now?: () => number } = {}) {
    this.ring = new MasterKeyRing(source);
    this.dataKeys = new DataKeys(this.ring, options);
    this.hashKeys = new HashKeys(this.ring);
    this.cells = new Cells(this.dataKeys);
  }

  /** Makes the server's own keys when missing. @throws UnknownMasterKeyError when the master keys do not fit this database. */
  async prepare(db: Database): Promise<void> {
    await db.asService(async (tx) => {
      await this.hashKeys.ensure(tx);
      await this.dataKeys.check(tx);
      await this.dataKeys.createFor(tx, null);
    });
  }
}

/**
 * The source that the settings ask for.
 * @param setting value of TSUMUGI_MASTER_KEYS; without it the keys stand in `file`, which is made when missing.
 */
export function openMasterKeys(setting: string | undefined, file: string): MasterKeySource {
  if (setting !== undefined) return new FixedMasterKeys(setting);
  const source = new MasterKeyFile(file);
  source.createIfMissing();
  return source;
}
