import { describe, expect, it } from 'vitest';
import { Lifecycle } from './lifecycle.ts';

const silent = { info: () => {}, error: () => {} };

describe('Lifecycle', () => {
  it('stops in reverse order, once, and goes on behind a failure', async () => {
    const stopped: string[] = [];
    const failures: object[] = [];
    const lifecycle = new Lifecycle({ ...silent, error: (facts) => failures.push(facts) });
    lifecycle.add('database', 'db', (name) => void stopped.push(name));
    lifecycle.add('pool', 'pool', () => Promise.reject(new Error('stuck')));
    expect(lifecycle.add('gateway', 'gw', (name) => void stopped.push(name))).toBe('gw');
    await Promise.all([lifecycle.close(), lifecycle.close()]);
    expect(stopped).toEqual(['gw', 'db']);
    expect(failures).toEqual([expect.objectContaining({ part: 'pool' })]);
  });
});
