/** Takes shards that nobody leads, keeps their leases, and gives them back. By the database's clock alone. */
import { readLedHeads, releaseLeases, renewLeases, takeFreeShards } from '../../../db/billing/ledger/leases.ts';
import type { Database } from '../../../db/client.ts';
import type { LedgerWriter } from './writer.ts';

/** A leader that has not renewed for so long is held for dead. */
const LEASE_MS = 3_000;
/** Few at a time, so that gateways that reach for the same free shards share them. */
const TAKE_AT_ONCE = 2;

export class Leadership {
  readonly #db: Database;
  readonly #writer: LedgerWriter;
  readonly #name: string;

  constructor(db: Database, writer: LedgerWriter, name: string) {
    this.#db = db;
    this.#writer = writer;
    this.#name = name;
  }

  /** @returns true when this gateway leads more than before. */
  async takeFree(): Promise<boolean> {
    let taken = 0;
    for (;;) {
      const heads = await this.#db.asService((tx) => takeFreeShards(tx, this.#name, LEASE_MS, TAKE_AT_ONCE));
      if (heads.length === 0) return taken > 0;
      this.#writer.addHeads(heads);
      taken += heads.length;
    }
  }

  async renew(): Promise<void> {
    const { heads } = this.#writer;
    if (heads.length === 0) return;
    const kept = await this.#db.asService((tx) => renewLeases(tx, this.#name, heads, LEASE_MS));
    if (kept.length < heads.length) await this.lookUp();
  }

  /** What this gateway leads, and where those chains end, as the database says. Only between two bookings. */
  async lookUp(): Promise<void> {
    this.#writer.setHeads(await this.#db.asService((tx) => readLedHeads(tx, this.#name)));
  }

  async release(): Promise<void> {
    this.#writer.setHeads([]);
    await this.#db.asService((tx) => releaseLeases(tx, this.#name));
  }
}
