/** 000-R28: a crash costs at most the record that it cut off; whatever else happens to a file of checkpoints is found. */
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CheckpointBook } from './checkpoint-book.ts';
import { parseRecords } from './checkpoint-records.ts';
import { CheckpointFiles } from './files.ts';
import { CheckpointKeys } from './keys.ts';
import { newLedgerKey } from './testing.ts';

let folder = '';
let keys: CheckpointKeys;
let notes: string[];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tsumugi-checkpoints-'));
  const masterKeys = [newLedgerKey('k2'), newLedgerKey('k1')];
  keys = await CheckpointKeys.open({ load: () => masterKeys }, 'log.example/ledger');
  notes = [5, 9, 12].map((size) => keys.sign(0, size, randomBytes(32)));
});
afterAll(() => rm(folder, { recursive: true }));

const [first, second, third] = [() => notes[0] ?? '', () => notes[1] ?? '', () => notes[2] ?? ''];
const path = (dir: string) => join(dir, 'shard-0', '1970-01-01.txt');
async function read(dir: string, by = keys) {
  const book = new CheckpointBook(by.verifiersOf(0));
  await book.addFiles(new CheckpointFiles(dir));
  return { sizes: book.checkpoints.map(({ size }) => size), faults: book.faults, notes: book.notes };
}

test('a record that was cut off, at whatever byte, hides neither the one before nor the one behind it, and is no fault', async () => {
  const dir = await mkdtemp(join(folder, 'cut-'));
  const files = new CheckpointFiles(dir);
  await files.append(0, first(), 0);
  const begin = (await readFile(path(dir))).length;
  const whole = Buffer.from(`${second()}\n`).length;
  const [firstSigned] = second().split(/(?<==)\n(?=\u2014)/);
  for (let cut = 0; cut < whole; cut++) {
    await writeFile(path(dir), `${first()}\n${second()}\n`);
    await truncate(path(dir), begin + cut);
    expect((await files.last(0))?.note, `${cut}`).toBe(first());
    await files.append(0, third(), 0);
    const found = await read(dir);
    // A note that lacks the signature of the second key alone is one; so is one that lacks the empty line behind it.
    const isNote = [Buffer.from(`${firstSigned}\n`).length, whole - 1].some((end) => cut === end || cut === end - 1);
    expect(found, `${cut}`).toMatchObject({ sizes: isNote ? [5, 9, 12] : [5, 12], faults: [] });
    expect(found.notes, `${cut}`).toHaveLength(isNote || cut === 0 ? 0 : 1);
  }
});

test('what a file system fills up with NUL is as good as cut off; an older server left one line break more', () => {
  const record = `${first()}\n`;
  expect(parseRecords(`${record}log.example/ledger/0\n9${'\0'.repeat(40)}`)).toMatchObject({ cutOff: 1, damaged: 0 });
  for (const begun of [
    'log.example/ledger/0\n',
    'log.example/ledger/0\n9\n',
    second().slice(0, second().indexOf('\n\n') + 1),
  ])
    expect(parseRecords(`${record}${begun}\n\n${third()}\n`)).toEqual({
      notes: [first(), third()],
      cutOff: 1,
      damaged: 0,
    });
});

describe('damage', () => {
  test('one flipped bit anywhere is a fault, but where it makes the last record look cut off', async () => {
    const dir = await mkdtemp(join(folder, 'flip-'));
    // By one key alone: of two, each proves the text without the other.
    const alone = await CheckpointKeys.open({ load: () => [newLedgerKey()] }, 'log.example/ledger');
    for (const size of [3, 4]) await new CheckpointFiles(dir).append(0, alone.sign(0, size, randomBytes(32)), 0);
    const whole = await readFile(path(dir));
    const passed: number[] = [];
    for (let at = 0; at < whole.length; at += 1) {
      const changed = Buffer.from(whole);
      changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8));
      await writeFile(path(dir), changed);
      if ((await read(dir, alone)).faults.length === 0) passed.push(at);
    }
    expect(passed.every((at) => at >= whole.length - 2)).toBe(true);
  });

  test.each([
    ['line ends of another system', (text: string) => text.replaceAll('\n', '\r\n')],
    ['a byte order mark', (text: string) => `\ufeff${text}`],
    ['a signature alone', (text: string) => `${text}${first().split('\n\n')[1]}\n`],
    ['a line without an end', (text: string) => text + 'A'.repeat(100_000)],
    ['records whose parts were put the other way round', (text: string) => text.split('\n\n').reverse().join('\n\n')],
  ])('%s', async (_what, change) => {
    const dir = await mkdtemp(join(folder, 'damage-'));
    await new CheckpointFiles(dir).append(0, first(), 0);
    await writeFile(path(dir), change(`${first()}\n${second()}\n`));
    expect((await read(dir)).faults).not.toEqual([]);
  });
});
