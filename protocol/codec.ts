/**
 * How frames become bytes, for both ends and both subprotocols; runs in browsers and in Node.
 * Decoding is strict, because it meets the world: one value and nothing behind it, no keys that reach prototypes, no
 * extension types, valid UTF-8, bounded depth. It refuses the rest with `MalformedFrame`, which never quotes the data.
 */
import { Packr } from 'msgpackr';
import { checkKey, MalformedFrame, maxDepth, readMsgpack } from './msgpack-reader.ts';

/** In the order in which a client that can do both should offer them. */
export const subprotocols = ['tsumugi.v1.msgpack', 'tsumugi.v1.json'] as const;
export type Subprotocol = (typeof subprotocols)[number];

/** True for a name out of a `Sec-WebSocket-Protocol` header that this protocol knows. */
export function isSubprotocol(name: string): name is Subprotocol {
  return (subprotocols as readonly string[]).includes(name);
}

export interface Codec {
  readonly subprotocol: Subprotocol;
  /** Frames travel as binary messages; otherwise as text. */
  readonly binary: boolean;
  /** Members that are undefined are left out. */
  encode(frame: object): Uint8Array | string;
  /** @throws MalformedFrame */
  decode(data: Uint8Array | string): unknown;
}

// No records, no shared structures: plain maps, which every MessagePack library reads.
const packrOptions = { useRecords: false, skipValues: [undefined], largeBigIntToFloat: true };
const packr = new Packr(packrOptions);

const msgpack: Codec = {
  subprotocol: 'tsumugi.v1.msgpack',
  binary: true,
  encode: (frame) => packr.pack(withWideIntegers(frame)),
  decode(data) {
    if (typeof data === 'string') throw new MalformedFrame('text where binary was expected');
    return readMsgpack(data);
  },
};

/**
 * Numbers beyond 32 bits are written as floating point by the library, also where they are integers, and other languages do not
 * take one for the other. As bigint they are written as integers. Hardly a frame has one, so it is looked for before copying.
 */
function withWideIntegers(value: unknown): unknown {
  return hasWideInteger(value) ? widen(value) : value;
}

function isWideInteger(value: number): boolean {
  return (value > 0xffff_ffff || value < -0x8000_0000) && Number.isSafeInteger(value);
}

function hasWideInteger(value: unknown): boolean {
  if (typeof value === 'number') return isWideInteger(value);
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return false;
  for (const key in value) if (hasWideInteger((value as Record<string, unknown>)[key])) return true;
  return false;
}

function widen(value: unknown): unknown {
  if (typeof value === 'number') return isWideInteger(value) ? BigInt(value) : value;
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value;
  if (Array.isArray(value)) return value.map(widen);
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, widen(member)]));
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

const json: Codec = {
  subprotocol: 'tsumugi.v1.json',
  binary: false,
  encode: (frame) => JSON.stringify(frame),
  decode: (data) => parseJson(data),
};

export const codecs: Readonly<Record<Subprotocol, Codec>> = { 'tsumugi.v1.msgpack': msgpack, 'tsumugi.v1.json': json };

/**
 * JSON from outside, under the same rules as frames.
 * @throws MalformedFrame
 */
export function parseJson(data: Uint8Array | string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(typeof data === 'string' ? data : utf8.decode(data));
  } catch {
    throw new MalformedFrame('not valid JSON in UTF-8');
  }
  checkPlain(value, 1);
  return value;
}

/** The parser of JSON does not recurse, this walk does: it is the walk that has to stop. */
function checkPlain(value: unknown, depth: number): void {
  if (typeof value !== 'object' || value === null) return;
  if (depth > maxDepth) throw new MalformedFrame('nested too deeply');
  if (Array.isArray(value)) {
    for (const item of value) checkPlain(item, depth + 1);
    return;
  }
  for (const [key, item] of Object.entries(value)) {
    checkKey(key);
    checkPlain(item, depth + 1);
  }
}
