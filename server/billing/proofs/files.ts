/**
 * Checkpoints on the disk: `<folder>/shard-<n>/<yyyy-mm-dd>.txt`, each record a signed note and an empty line behind it. Files are
 * only ever appended to (O_APPEND) and on the disk (fsync) before anybody is shown the checkpoint. A record that a crash has cut off
 * stays as it is and is passed over.
 */
import { mkdirSync } from 'node:fs';
import { open, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseRecords } from './checkpoint-records.ts';

export type CheckpointRecord = { file: string; note: string };

const FILE = /^\d{4}-\d\d-\d\d\.txt$/;

export class CheckpointFiles {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  /** Resolves when it is on the disk. @param atMs decides the file. */
  async append(shard: number, note: string, atMs: number): Promise<void> {
    const folder = join(this.folder, `shard-${shard}`);
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const path = join(folder, `${new Date(atMs).toISOString().slice(0, 10)}.txt`);
    const file = await open(path, 'a+', 0o600);
    try {
      const { size } = await file.stat();
      const tail = Buffer.alloc(Math.min(2, size));
      await file.read(tail, 0, tail.length, size - tail.length);
      // Behind a record that was cut off a new one must begin on its own: with one empty line before it, not more.
      const end = tail.toString();
      const gap = size === 0 || end === '\n\n' ? '' : end.endsWith('\n') ? '\n' : '\n\n';
      await file.appendFile(`${gap}${note}\n`);
      await file.sync();
      if (size === 0) await syncFolder(folder);
    } finally {
      await file.close();
    }
  }

  /** The last whole record of a shard. */
  async last(shard: number): Promise<CheckpointRecord | undefined> {
    for (const file of (await this.#files(shard)).toReversed()) {
      const note = parseRecords(await readFile(file, 'utf8')).notes.at(-1);
      if (note !== undefined) return { file, note };
    }
    return undefined;
  }

  /** All records of a shard, in the order they were written, how many were cut off, and the files that hold something else. */
  async all(shard: number): Promise<{ records: CheckpointRecord[]; cutOff: number; damaged: string[] }> {
    const records: CheckpointRecord[] = [];
    const damaged: string[] = [];
    let cutOff = 0;
    for (const file of await this.#files(shard)) {
      const parsed = parseRecords(await readFile(file, 'utf8'));
      for (const note of parsed.notes) records.push({ file, note });
      cutOff += parsed.cutOff;
      if (parsed.damaged > 0) damaged.push(file);
    }
    return { records, cutOff, damaged };
  }

  async #files(shard: number): Promise<string[]> {
    const folder = join(this.folder, `shard-${shard}`);
    try {
      const names = await readdir(folder);
      return names
        .filter((name) => FILE.test(name))
        .sort()
        .map((name) => join(folder, name));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw error;
    }
  }
}

async function syncFolder(path: string): Promise<void> {
  // A folder cannot be opened for this on Windows.
  if (process.platform === 'win32') return;
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
