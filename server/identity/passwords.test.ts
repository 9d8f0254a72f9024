import { hash, parseOptions, verify } from '@node-rs/argon2';
import { expect, test } from 'vitest';
import { isAppError } from '../errors.ts';
import { defaultPasswordCost, Passwords } from './passwords.ts';

const cheap = { memoryKib: 8, passes: 1, concurrency: 2, queueLimit: 3 };
const argon = (hash: string) => ({ hash, scheme: 'argon2id' });

test('X-Q1: argon2id at the documented cost, a salt of its own each time', async () => {
  const passwords = new Passwords();
  const [one, two] = await Promise.all([passwords.hash('correct horse'), passwords.hash('correct horse')]);
  expect(one).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
  expect(one).not.toBe(two);
  expect(defaultPasswordCost.memoryKib).toBeGreaterThanOrEqual(19_456);
});

test('verifies, and nothing else passes', async () => {
  const passwords = new Passwords(cheap);
  const hash = await passwords.hash('pässword 紬');
  expect(await passwords.verify(argon(hash), 'pässword 紬')).toBe(true);
  expect(await passwords.verify(argon(hash), 'pa\u0308ssword 紬')).toBe(true);
  expect(await passwords.verify(argon(hash), 'passwort')).toBe(false);
  expect(await passwords.verify({ hash, scheme: 'bcrypt' }, 'pässword 紬')).toBe(false);
  expect(await passwords.verify(undefined, 'nobody has this password')).toBe(false);
});

test('every character counts, beyond the 72 bytes of other schemes too', async () => {
  const passwords = new Passwords(cheap);
  const hash = await passwords.hash(`${'x'.repeat(200)}a`);
  expect(await passwords.verify(argon(hash), `${'x'.repeat(200)}b`)).toBe(false);
});

test('an unknown account gets the same work as a wrong password: one verification, at the same cost, of the same text', async () => {
  const work: string[] = [];
  const passwords = new Passwords(cheap, {
    hash: (...given) => {
      work.push('hash');
      return hash(...given);
    },
    verify: (stored, given) => {
      work.push(JSON.stringify({ ...parseOptions(String(stored)), given: String(given) }));
      return verify(stored, given);
    },
  });
  const known = argon(await passwords.hash('correct horse'));
  await passwords.warmUp();
  const workOf = async (stored: Parameters<Passwords['verify']>[0]) => {
    work.length = 0;
    expect(await passwords.verify(stored, 'wrong password')).toBe(false);
    return [...work];
  };
  const ofKnown = await workOf(known);
  expect(ofKnown).toHaveLength(1);
  expect(await workOf(undefined)).toEqual(ofKnown);
  expect(await workOf({ hash: known.hash, scheme: 'bcrypt' })).toEqual(ofKnown);
});

test('the queue is bounded, keeps its order and empties', async () => {
  // One at a time: of two that run together either may be first to end.
  const passwords = new Passwords({ ...cheap, concurrency: 1, queueLimit: 4 });
  const done: number[] = [];
  const hashing = [0, 1, 2, 3, 4].map((at) => passwords.hash('x').then(() => done.push(at)));
  expect(passwords.queueLength).toBe(5);
  const refused = await passwords.hash('x').catch((error: unknown) => error);
  expect(isAppError(refused, 'busy')).toBe(true);
  await Promise.all(hashing);
  expect(done).toEqual([0, 1, 2, 3, 4]);
  expect(passwords.queueLength).toBe(0);
  await passwords.hash('x');
});

test('a failing hash gives its place back', async () => {
  const passwords = new Passwords({ ...cheap, concurrency: 1 });
  await expect(passwords.verify(argon('$argon2id$broken'), 'x')).rejects.toThrow();
  expect(passwords.queueLength).toBe(0);
  await passwords.hash('x');
});

test('a hash of another cost is recognised', async () => {
  const hash = await new Passwords(cheap).hash('x');
  expect(new Passwords(cheap).needsRehash(hash)).toBe(false);
  expect(new Passwords({ ...cheap, passes: 2 }).needsRehash(hash)).toBe(true);
});
