/** What the machine itself takes for the one thing that a durable commit cannot do without. */
import { mkdtempSync, rmSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/** A page of PostgreSQL's log. */
const pageBytes = 8_192;
const EVERY_MS = 50;

/** Writes a page and flushes it, twenty times a second, beside a load. */
export class DiskProbe {
  readonly #folder = mkdtempSync(join(tmpdir(), 'tsumugi-disk-'));
  readonly #ended: Promise<number[]>;
  #going = true;

  private constructor() {
    this.#ended = this.#write();
  }

  static start(): DiskProbe {
    return new DiskProbe();
  }

  /** @returns how long each flush took, ms */
  async stop(): Promise<number[]> {
    this.#going = false;
    return this.#ended;
  }

  async #write(): Promise<number[]> {
    const file = await open(join(this.#folder, 'page'), 'w');
    try {
      return await this.#flushes(file);
    } finally {
      await file.close();
      rmSync(this.#folder, { recursive: true, force: true });
    }
  }

  async #flushes(file: FileHandle): Promise<number[]> {
    const page = Buffer.alloc(pageBytes);
    const taken: number[] = [];
    // As in PostgreSQL's log, the file has its length already: only the page itself has to reach the disk.
    await file.write(page, 0, pageBytes, 0);
    await file.sync();
    while (this.#going) {
      const beganMs = performance.now();
      await file.write(page, 0, pageBytes, 0);
      await file.datasync();
      taken.push(performance.now() - beganMs);
      await delay(EVERY_MS);
    }
    return taken;
  }
}
