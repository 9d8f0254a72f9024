import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { takeLock, takeLockInTurn } from './lock.ts';
import { isAlive, startTimeOf } from './process.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tsumugi-lock-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const path = () => join(folder, 'server.lock');

test('is taken once, tells where, and is given free', () => {
  const lock = takeLock(folder);
  expect(() => takeLock(folder)).toThrow(`pid ${process.pid}, still starting`);
  lock.note('http://here');
  expect(() => takeLock(folder)).toThrow(`pid ${process.pid}, address http://here.`);
  lock.release();
  takeLock(folder).release();
  expect(readdirSync(folder)).toEqual([]);
});

test('is waited for when its holder is about to end, and only then', async () => {
  const lock = takeLock(folder);
  const said: string[] = [];
  const tell = (line: string) => void said.push(line);
  await expect(takeLockInTurn(folder, tell)).rejects.toThrow('still starting');
  expect(said).toEqual([]);
  lock.note('http://here');
  lock.leave();
  expect(() => takeLock(folder)).toThrow(`pid ${process.pid}, stopping.`);
  const next = takeLockInTurn(folder, tell);
  expect(said).toEqual([`waiting for the server that is stopping in ${folder} (pid ${process.pid})`]);
  lock.release();
  (await next).release();
  expect(readdirSync(folder)).toEqual([]);
});

test.each([
  ['of a process that is gone', JSON.stringify({ pid: 2 ** 22 - 1, startTime: 1 })],
  ['of a process whose number another one has now', JSON.stringify({ pid: process.pid, startTime: 1 })],
  ['that a crash cut short', '{"pid": 12'],
  ['that is empty', ''],
])('a lock %s is taken over', (_, content) => {
  writeFileSync(path(), content);
  const lock = takeLock(folder);
  expect(JSON.parse(readFileSync(path(), 'utf8'))).toMatchObject({ pid: process.pid });
  lock.release();
  expect(readdirSync(folder)).toEqual([]);
});

test('release leaves the lock of somebody else alone', () => {
  const lock = takeLock(folder);
  writeFileSync(path(), JSON.stringify({ pid: 1, startTime: startTimeOf(1) }));
  lock.release();
  lock.note('http://mine');
  expect(JSON.parse(readFileSync(path(), 'utf8'))).toMatchObject({ pid: 1 });
});

test('a process is known by number and begin', () => {
  expect(isAlive(process.pid, startTimeOf(process.pid))).toBe(true);
  expect(isAlive(process.pid, 1)).toBe(false);
  expect(startTimeOf(2 ** 22 - 1)).toBeUndefined();
});
