import fc from 'fast-check';
import Type from 'typebox';
import { describe, expect, it } from 'vitest';
import { Nullable, Uuid } from '../../protocol/primitives.ts';
import { clientAddress, formatAddress } from './address.ts';
import { compileCheck } from './check-body.ts';
import { prefersJapanese } from './http-reply.ts';
import { checkLimits, defaultLimits } from './limits.ts';
import { type Bucket, isFlooded, takeFromBucket } from './rate.ts';

const bytes = (...values: number[]): ArrayBuffer => Uint8Array.from(values).buffer;

describe('addresses', () => {
  it('have one textual form each', () => {
    expect(formatAddress(bytes(127, 0, 0, 1))).toBe('127.0.0.1');
    expect(formatAddress(bytes(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 7))).toBe('10.0.0.7');
    expect(formatAddress(bytes(0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1))).toBe('2001:db8:0:0:0:0:0:1');
    expect(formatAddress(bytes())).toBe('');
  });

  it('are never what a client merely claims', () => {
    const remote = bytes(192, 0, 2, 1);
    expect(clientAddress(remote, '1.1.1.1', 0)).toBe('192.0.2.1');
    expect(clientAddress(remote, '1.1.1.1, 2.2.2.2', 1)).toBe('2.2.2.2');
    expect(clientAddress(remote, '<script>', 1)).toBe('192.0.2.1');
    expect(clientAddress(remote, '', 1)).toBe('192.0.2.1');
  });
});

it.each([
  ['ja', true],
  ['ja-JP,ja;q=0.9,en;q=0.8', true],
  ['en-US,en;q=0.9,ja;q=0.8', false],
  ['en;q=0.3, ja;q=0.7', true],
  ['ja, en', true],
  ['en, ja', false],
  ['fr', false],
  ['', false],
  ['ja;q=0', false],
])('reads Accept-Language "%s"', (header, expected) => {
  expect(prefersJapanese(header)).toBe(expected);
});

describe('a bucket', () => {
  const limit = { perSecond: 10, burst: 5 };
  const fresh = (): Bucket => ({ milliTokens: 5000, refilledAtMs: 0 });

  it('never grants more than its burst and its rate allow', () => {
    const waits = fc.array(fc.record({ waitMs: fc.nat(400), cost: fc.integer({ min: 1, max: 3 }) }), {
      maxLength: 100,
    });
    fc.assert(
      fc.property(waits, (steps) => {
        const bucket = fresh();
        let [nowMs, granted] = [0, 0];
        for (const { waitMs, cost } of steps) {
          nowMs += waitMs;
          if (takeFromBucket(bucket, limit, cost, nowMs) === 0) granted += cost;
        }
        // The last one granted may go into debt by what it costs beyond one token.
        expect(granted).toBeLessThanOrEqual(limit.burst + (nowMs * limit.perSecond) / 1000 + 2);
      }),
    );
  });

  it('grants again after the time that it told', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9 }), (refusals) => {
        const bucket = fresh();
        for (let i = 0; i < limit.burst; i++) expect(takeFromBucket(bucket, limit, 1, 0)).toBe(0);
        let waitMs = 0;
        for (let i = 0; i < refusals; i++) waitMs = takeFromBucket(bucket, limit, 1, 0);
        expect(waitMs).toBeGreaterThan(0);
        expect(takeFromBucket({ ...bucket }, limit, 1, waitMs - 1)).toBeGreaterThan(0);
        expect(takeFromBucket(bucket, limit, 1, waitMs)).toBe(0);
      }),
    );
  });

  it('takes nothing from anybody when the clock is set back', () => {
    const bucket: Bucket = { milliTokens: 5000, refilledAtMs: 3_600_000 };
    expect(takeFromBucket(bucket, limit, 1, 3_600_000)).toBe(0);
    for (let i = 0; i < 4; i++) expect(takeFromBucket(bucket, limit, 1, i)).toBe(0);
    expect(isFlooded(bucket, limit)).toBe(false);
    const waitMs = takeFromBucket(bucket, limit, 1, 3);
    expect(waitMs).toBeLessThanOrEqual(200);
    expect(takeFromBucket(bucket, limit, 1, 3 + waitMs)).toBe(0);
  });

  it('knows a flood from a client that is merely too fast', () => {
    const bucket = fresh();
    for (let i = 0; i < 9; i++) takeFromBucket(bucket, limit, 1, 0);
    expect(isFlooded(bucket, limit)).toBe(false);
    takeFromBucket(bucket, limit, 1, 0);
    expect(isFlooded(bucket, limit)).toBe(true);
  });
});

it('refuses limits that contradict each other', () => {
  expect(checkLimits(defaultLimits)).toBe(defaultLimits);
  expect(() => checkLimits({ ...defaultLimits, hardQueueBytes: 1 })).toThrow('below softBufferBytes');
  expect(() => checkLimits({ ...defaultLimits, hardQueueBytes: 2 ** 30 })).toThrow('hardQueueBytes');
});

it('says the limits of a text in words that can be read', () => {
  const check = compileCheck(Type.Object({ name: Type.String({ minLength: 2, maxLength: 3 }) }));
  expect(() => check({ name: 'a' })).toThrow('name: expected at least 2 characters.');
  expect(() => check({ name: 'abcd' })).toThrow('name: expected at most 3 characters.');
});

it('brings UUIDs of bodies into lower case, wherever a schema has them, and nothing else', () => {
  const [upper, lower] = ['0198C0DE-ABCD-7EF0-8ABC-0123456789AB', '0198c0de-abcd-7ef0-8abc-0123456789ab'];
  const check = compileCheck(
    Type.Object({
      id: Uuid,
      text: Type.String(),
      parent: Type.Optional(Nullable(Uuid)),
      place: Type.Union([Uuid, Type.Literal('END')]),
      after: Type.Object({ of: Uuid }),
      some: Type.Array(Uuid),
      pairs: Type.Array(Type.Object({ of: Uuid })),
    }),
  );
  const rest = { after: { of: upper }, some: [upper, lower], pairs: [{ of: upper }] };
  const body = { id: upper, text: upper, parent: upper, place: 'END', ...rest };
  check(body);
  expect(body).toEqual({
    id: lower,
    text: upper,
    parent: lower,
    place: 'END',
    after: { of: lower },
    some: [lower, lower],
    pairs: [{ of: lower }],
  });
  const bare = { id: lower, text: '', parent: null, place: upper, after: { of: lower }, some: [], pairs: [] };
  check(bare);
  expect(bare).toMatchObject({ parent: null, place: lower, some: [] });
});
