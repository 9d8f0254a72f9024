import { createSecretKey, randomBytes } from 'node:crypto';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { MasterKeyRing } from './master-key-ring.ts';
import { FixedMasterKeys, MasterKeyFile, parseMasterKeys } from './master-key-source.ts';

let dir = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tsumugi-keys-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));
const address = { table: 't', column: 'c', rowId: '1' };

function newFile(): MasterKeyFile {
  const file = new MasterKeyFile(join(dir, 'deep', 'master-keys'));
  file.createIfMissing();
  return file;
}

test('a generated file is for its owner only, and is made once', () => {
  const file = newFile();
  const before = readFileSync(file.path, 'utf8');
  new MasterKeyFile(file.path).createIfMissing();
  expect(readFileSync(file.path, 'utf8')).toBe(before);
  if (process.platform !== 'win32') expect(statSync(file.path).mode & 0o777).toBe(0o600);
  expect(file.load()[0]?.key.symmetricKeySize).toBe(32);
});

test.skipIf(process.platform === 'win32')('a file that others can read is refused', () => {
  const file = newFile();
  chmodSync(file.path, 0o640);
  expect(() => file.load()).toThrow(/chmod 600/);
});

test('a ring sees a key that another process adds, and still opens what the old one wrapped', () => {
  const file = newFile();
  const ring = new MasterKeyRing(new MasterKeyFile(file.path));
  const oldId = ring.activeId;
  const secret = createSecretKey(randomBytes(32));
  const old = ring.wrap(secret, address);
  const newId = file.addActive();
  expect(ring.activeId).toBe(newId);
  expect(newId).not.toBe(oldId);
  expect(ring.unwrap(old, address).equals(secret)).toBe(true);
});

test('a ring meets an unknown key id by reading its file again', () => {
  const file = newFile();
  const ring = new MasterKeyRing(new MasterKeyFile(file.path));
  file.addActive();
  const secret = createSecretKey(randomBytes(32));
  const wrapped = new MasterKeyRing(file).wrap(secret, address);
  expect(ring.unwrap(wrapped, address).equals(secret)).toBe(true);
  expect(() => ring.unwrap({ ...wrapped, masterKeyId: 'gone' }, address)).toThrow(/"gone"/);
});

test('the last key cannot be removed; a removed one opens nothing', () => {
  const file = newFile();
  const ring = new MasterKeyRing(file);
  const wrapped = ring.wrap(createSecretKey(randomBytes(32)), address);
  expect(() => file.remove(wrapped.masterKeyId)).toThrow(/last/);
  file.addActive();
  file.remove(wrapped.masterKeyId);
  ring.reload();
  expect(() => ring.unwrap(wrapped, address)).toThrow(/not among the configured/);
});

test('keys of a setting: the first is active', () => {
  const key = () => randomBytes(32).toString('base64');
  const source = new FixedMasterKeys(`new:${key()},old:${key()}`);
  expect(new MasterKeyRing(source).activeId).toBe('new');
});

test.each([
  ['', 'at least one'],
  ['a:short', '32 bytes'],
  [`a:${'A'.repeat(43)}=,a:${'B'.repeat(43)}=`, 'twice'],
])('a faulty setting is refused without printing it: %j', (text, message) => {
  expect(() => parseMasterKeys(text)).toThrow(message);
  try {
    parseMasterKeys(text);
  } catch (error) {
    expect(String(error)).not.toContain('AAAA');
  }
});

test('a file that holds something else is named', () => {
  const file = newFile();
  writeFileSync(file.path, 'something else\n', { mode: 0o600 });
  expect(() => file.load()).toThrow(`${file.path}: expected \`id:base64\` pairs`);
});
