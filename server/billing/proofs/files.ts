/**
 * Checkpoints on the disk: `<folder>/shard-<n>/<yyyy-mm-dd>.txt`, each record a signed note and an empty line behind it. Files are
 * only ever appended to (O_APPEND) and on the disk (fsync) before anybody is shown the checkpoint. A record that a crash has cut off
 * stays as it is and is passed over.
 */
import { mkdirSync } from 'node:fs';
import { open, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

export type CheckpointRecord = { file: string; note: string };

const FILE = /^\d{4}-\d\d-\d\d\.txt$/;
const SIGNATURE = '\u2014 ';

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
      // Behind a record that was cut off a new one must begin on its own.
      const gap = size === 0 || tail.toString() === '\n\n' ? '' : '\n\n';
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

  /** All records of a shard, in the order they were written, and how many were cut off. */
  async all(shard: number): Promise<{ records: CheckpointRecord[]; cutOff: number }> {
    const records: CheckpointRecord[] = [];
    let cutOff = 0;
    for (const file of await this.#files(shard)) {
      const parsed = parseRecords(await readFile(file, 'utf8'));
      records.push(...parsed.notes.map((note) => ({ file, note })));
      cutOff += parsed.cutOff;
    }
    return { records, cutOff };
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

/** Blocks between empty lines: a text, then its signatures. */
export function parseRecords(content: string): { notes: string[]; cutOff: number } {
  // Without the empty line behind it the last record may lack a part of its signature.
  const blocks = content.split('\n\n');
  const rest = blocks.pop() ?? '';
  const notes: string[] = [];
  let cutOff = rest === '' ? 0 : 1;
  let text: string | undefined;
  for (const block of blocks.filter((one) => one !== '')) {
    const isSignatures = block.split('\n').every((line) => line.startsWith(SIGNATURE));
    if (isSignatures && text !== undefined) {
      notes.push(`${text}\n\n${block}\n`);
      text = undefined;
      continue;
    }
    if (text !== undefined || isSignatures) cutOff += 1;
    text = isSignatures ? undefined : block;
  }
  return { notes, cutOff: text === undefined ? cutOff : Math.max(1, cutOff) };
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
