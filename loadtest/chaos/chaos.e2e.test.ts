/** The smallest run: one gateway is killed under two people. Shows that the program itself works; longer runs are for `npm run chaos`. */
import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, expect, test } from 'vitest';

const main = fileURLToPath(new URL('./main.ts', import.meta.url));
const seed = 900_000_000 + process.pid;
afterAll(() => rm(new URL(`../results/chaos-${seed}`, import.meta.url), { recursive: true, force: true }));

test('a short run breaks a gateway, finds every promise kept, and leaves nothing behind', async () => {
  const args = [
    '--seconds',
    '9',
    '--users',
    '2',
    '--devices',
    '2',
    '--only',
    'gateway-restart',
    '--seed',
    String(seed),
  ];
  const { stdout } = await promisify(execFile)(process.execPath, [main, ...args], { timeout: 230_000 });
  expect(stdout).toMatch(/gateway-restart of gateway [01]/);
  expect(stdout).toMatch(/answers that were shown +[1-9]/);
  expect(stdout).toContain('every promise holds');
  expect(stdout).not.toContain('VIOLATED');
});
