import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { buildPageIfNeeded } from './build.ts';

it('builds once for starts at the same time, and not again', async () => {
  const told: string[] = [];
  const log = { info: (line: string) => void told.push(line) };
  const [one, two] = await Promise.all([buildPageIfNeeded({ log }), buildPageIfNeeded({ log })]);
  expect(two).toBe(one);
  const before = told.length;
  expect(await buildPageIfNeeded({ log })).toBe(one);
  expect(told.length).toBe(before);
  expect((await readdir(join(one, '..'))).filter((name) => name.startsWith('.next-'))).toEqual([]);
});

it('holds nothing that the content security policy would refuse', async () => {
  const dir = await buildPageIfNeeded({ log: { info: () => {} } });
  const html = await readFile(join(dir, 'index.html'), 'utf8');
  expect(html).not.toMatch(/<script(?![^>]*\bsrc=)/);
  expect(html).not.toMatch(/<style|\sstyle=|\son\w+=|https?:\/\//);
  const scripts = (await readdir(join(dir, 'assets'))).filter((name) => name.endsWith('.js'));
  expect(scripts.length).toBeGreaterThan(0);
});
