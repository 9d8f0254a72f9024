import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { Packr, pack } from 'msgpackr';
import { describe, expect, it } from 'vitest';
import { codecs, isSubprotocol, subprotocols } from './codec.ts';
import { MalformedFrame, maxDepth } from './msgpack-reader.ts';

const { 'tsumugi.v1.msgpack': msgpack, 'tsumugi.v1.json': json } = codecs;
const bothCodecs = [msgpack, json];
const allowedKey = fc.string().filter((key) => !['__proto__', 'constructor', 'prototype'].includes(key));
/** What JSON can say; strings without lone surrogates, which UTF-8 cannot carry. */
const plainValue = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constant(null),
    fc.boolean(),
    fc.integer(),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => (Object.is(n, -0) ? 0 : n)),
    fc.integer({ min: Number.MIN_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER }),
    fc.string({ unit: 'grapheme', maxLength: 60 }),
    fc.array(tie('value'), { maxLength: 20 }),
    fc.dictionary(allowedKey, tie('value'), { maxKeys: 20, noNullPrototype: true }),
  ),
})).value;

function nested(depth: number): unknown {
  let value: unknown = {};
  for (let i = 1; i < depth; i++) value = i % 2 === 0 ? { a: value } : [value];
  return value;
}

/** Bytes of MessagePack written by hand. */
const raw = (...bytes: number[]): Uint8Array => Uint8Array.from(bytes);

describe.each(bothCodecs)('$subprotocol', (codec) => {
  it('gives back what was encoded', () => {
    fc.assert(
      fc.property(plainValue, (value) => {
        expect(codec.decode(codec.encode({ value }))).toEqual({ value });
      }),
      { numRuns: 300 },
    );
  });

  it('leaves out undefined members', () => {
    expect(codec.decode(codec.encode({ a: 1, b: undefined, c: { d: undefined } }))).toEqual({ a: 1, c: {} });
  });

  it.each(['__proto__', 'constructor', 'prototype'])('refuses the key %s at any level', (key) => {
    const hostile = Object.defineProperty({}, key, { value: {}, enumerable: true });
    const data = codec.encode({ body: [{ inner: hostile }] });
    expect(() => codec.decode(data)).toThrow(MalformedFrame);
  });

  it('reads up to the depth limit and refuses one level more', () => {
    expect(codec.decode(codec.encode(nested(maxDepth) as object))).toEqual(nested(maxDepth));
    expect(() => codec.decode(codec.encode(nested(maxDepth + 1) as object))).toThrow('nested too deeply');
  });

  it('answers any bytes with a value or MalformedFrame, never with another error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          codec.decode(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedFrame);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('refuses a frame that is cut off anywhere', () => {
    const encoded = codec.encode({
      type: 'chat.send',
      id: 7,
      body: { text: 'こんにちは'.repeat(9), n: [1.5, 70000, -3] },
    });
    const bytes = typeof encoded === 'string' ? new TextEncoder().encode(encoded) : Uint8Array.from(encoded);
    for (let end = 0; end < bytes.length; end++) {
      expect(() => codec.decode(bytes.subarray(0, end))).toThrow(MalformedFrame);
    }
  });

  it('never quotes the data in its refusal', () => {
    const secret = new TextEncoder().encode('{"password":"hunter2-hunter2"} and more');
    expect(() => codec.decode(secret)).toThrow(/^(?!.*hunter2).*$/);
  });
});

describe('tsumugi.v1.msgpack', () => {
  it('writes plain maps that a reader without our settings understands', () => {
    const bytes = msgpack.encode({ type: 'reply', id: 1, body: { a: [true, null, 'é'] } });
    const reader = new Packr({ mapsAsObjects: false, useRecords: false });
    expect(reader.unpack(bytes as Uint8Array)).toEqual(
      new Map<string, unknown>([
        ['type', 'reply'],
        ['id', 1],
        ['body', new Map([['a', [true, null, 'é']]])],
      ]),
    );
  });

  it.each([
    [2 ** 32 - 1, raw(0xce, 255, 255, 255, 255)],
    [2 ** 32, raw(0xd3, 0, 0, 0, 1, 0, 0, 0, 0)],
    [Number.MAX_SAFE_INTEGER, raw(0xd3, 0, 0x1f, 255, 255, 255, 255, 255, 255)],
    [-(2 ** 31), raw(0xd2, 0x80, 0, 0, 0)],
    [-(2 ** 31) - 1, raw(0xd3, 255, 255, 255, 255, 0x7f, 255, 255, 255)],
    [0.5, raw(0xcb, 0x3f, 0xe0, 0, 0, 0, 0, 0, 0)],
    [2 ** 53, raw(0xcb, 0x43, 0x40, 0, 0, 0, 0, 0, 0)],
  ])('writes %d as an integer where it is a safe one, however wide', (number, bytes) => {
    const frame = { list: [{ a: 1, number }] };
    expect(Uint8Array.from(msgpack.encode({ number }) as Uint8Array)).toEqual(
      raw(0x81, 0xa6, ...Buffer.from('number'), ...bytes),
    );
    expect(msgpack.decode(msgpack.encode(frame))).toEqual(frame);
    expect(frame.list[0]?.number).toBe(number);
  });

  it('reads every width of integer as a number', () => {
    expect(
      msgpack.decode(raw(0x93, 0xcf, 0, 0, 0, 0, 0, 0, 1, 0, 0xd3, 255, 255, 255, 255, 255, 255, 255, 254, 0xe0)),
    ).toEqual([256, -2, -32]);
    expect(() => msgpack.decode(raw(0xcf, 255, 255, 255, 255, 255, 255, 255, 255))).toThrow('beyond 53 bits');
  });

  it.each([
    ['a date', pack(new Date())],
    ['a set', new Packr({ moreTypes: true }).pack(new Set([1]))],
    ['a record', new Packr({ structures: [] }).pack({ a: 1 })],
    ['the unused token', raw(0xc1)],
    ['bytes behind the value', raw(0xc0, 0xc0)],
    ['a key that is no string', raw(0x81, 0x01, 0x02)],
    ['maps as keys, within each other', new Uint8Array(60_000).fill(0x81)],
    ['invalid UTF-8', raw(0xa2, 0xc3, 0x28)],
    ['an array that claims four billion items', raw(0xdd, 255, 255, 255, 255, 0xc0)],
    ['a map that claims more than is there', raw(0xdf, 255, 255, 255, 255, 0xa1, 0x61, 0xc0)],
    ['a string that claims more than is there', raw(0xdb, 0x7f, 255, 255, 255, 0x61)],
    ['nothing', raw()],
  ])('refuses %s', (_, bytes) => {
    expect(() => msgpack.decode(bytes)).toThrow(MalformedFrame);
  });

  it('copies byte strings, so that they outlive the buffer they came in', () => {
    const buffer = Buffer.from([0xc4, 2, 7, 8]);
    const read = msgpack.decode(buffer);
    buffer.fill(0);
    expect(read).toEqual(Uint8Array.of(7, 8));
  });

  it('needs no eval, in the build that browsers get', () => {
    const program = `
      const { codecs } = await import(${JSON.stringify(new URL('./codec.ts', import.meta.url).href)});
      const codec = codecs['tsumugi.v1.msgpack'];
      for (let i = 0; i < 50; i++) codec.decode(codec.encode({ type: 'x', id: i, body: { a: [1, { b: 'c' }] } }));
      try { new Function('return 1')(); } catch { console.log('done without eval'); }`;
    const flags = [
      '--disallow-code-generation-from-strings',
      '--conditions=browser',
      '--no-warnings',
      '--input-type=module',
    ];
    const run = spawnSync(process.execPath, [...flags, '-e', program], { encoding: 'utf8' });
    expect(run.stdout + run.stderr).toBe('done without eval\n');
  });
});

describe('tsumugi.v1.json', () => {
  it('refuses bytes that are not UTF-8', () => {
    expect(() => json.decode(raw(0x22, 0xc3, 0x28, 0x22))).toThrow(MalformedFrame);
  });
});

it('knows its subprotocols by name', () => {
  expect(subprotocols.every(isSubprotocol)).toBe(true);
  expect(isSubprotocol('tsumugi.v2.json')).toBe(false);
});
