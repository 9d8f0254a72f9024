import { expect, it } from 'vitest';
import { reasonIn } from './cluster.ts';

it('finds what was wrong in what PostgreSQL said, not what came of it', () => {
  const full = [
    'running bootstrap script ... ok',
    '2026-01-01 00:00:00.000 UTC [7] ERROR:  could not write to file "base/4/1": No space left on device',
    '2026-01-01 00:00:00.000 UTC [7] STATEMENT:  CREATE DATABASE template0;',
    'child process exited with exit code 1',
    'initdb: removing contents of data directory "/data"',
  ].join('\n');
  expect(reasonIn(full)).toBe('could not write to file "base/4/1": No space left on device');
  expect(reasonIn('initdb: error: cannot be run as root\ninitdb: hint: …\n')).toBe('cannot be run as root');
  expect(reasonIn('one\ntwo\n')).toBe('one | two');
});
