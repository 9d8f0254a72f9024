import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { findPathFault } from './paths.ts';

const folder = mkdtempSync(join(tmpdir(), 'tsumugi data 日本-'));
const file = join(folder, 'file');
writeFileSync(file, '');
afterAll(() => rmSync(folder, { recursive: true }));

const fault = (dataDir: string, ledgerKeyFile?: string, ledgerCheckpointDir?: string) =>
  findPathFault({ dataDir, ledgerKeyFile, ledgerCheckpointDir });

describe('the data folder', () => {
  it('may be there or be made later, and nothing is made by looking', () => {
    expect(fault(folder)).toBeUndefined();
    expect(fault(join(folder, 'one', 'two'))).toBeUndefined();
    expect(readdirSync(folder)).toEqual(['file']);
  });

  it.each([
    ['a file', file],
    ['below a file', join(file, 'data')],
    ['below a device', '/dev/null/data'],
  ])('is refused when it is %s', (_where, path) => {
    expect(fault(path)).toEqual({
      setting: 'TSUMUGI_DATA_DIR',
      problem: expect.stringMatching(/^expected a folder, got ".*", and .* is a file\.$/),
    });
  });

  it.runIf(process.platform === 'linux')('is refused where nobody can make a folder', () => {
    expect(fault('/proc/none/data')?.problem).toMatch(/\/proc cannot be written \([A-Z]+\)\.$/);
  });

  it.skipIf(process.getuid?.() === 0)('is refused when it cannot be written, which root always can', () => {
    const closed = join(folder, 'closed');
    mkdirSync(closed, { mode: 0o500 });
    expect(fault(join(closed, 'data'))?.problem).toMatch(/closed cannot be written \(EACCES\)\.$/);
  });
});

it('a key file that is given must be a file', () => {
  expect(fault(folder, file)).toBeUndefined();
  for (const path of [folder, join(folder, 'none'), join(file, 'below')])
    expect(fault(folder, path)?.setting).toBe('LEDGER_KEY_FILE');
});

it('a folder for checkpoints is looked at like the data folder', () => {
  expect(fault(folder, undefined, join(folder, 'one'))).toBeUndefined();
  expect(fault(folder, undefined, file)?.setting).toBe('LEDGER_CHECKPOINT_DIR');
});
