/**
 * Reads the part of MessagePack that JSON could say too (plus byte strings). It refuses extension types, keys that are no
 * strings or reach prototypes, depth, invalid UTF-8, integers that a number cannot hold, and bytes behind the value.
 * A container never allocates more than the bytes that are there could fill.
 */

/** The data of the other side cannot be read. The message says why and never quotes the data. */
export class MalformedFrame extends Error {
  constructor(why: string) {
    super(why);
    this.name = 'MalformedFrame';
  }
}

/** Objects and arrays within each other; the frame itself counts as the first. */
export const maxDepth = 32;

/** @throws MalformedFrame for a key through which a prototype could be reached. */
export function checkKey(key: string): void {
  if (key === '__proto__' || key === 'constructor' || key === 'prototype') {
    throw new MalformedFrame('a key that is not allowed');
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
/** Below this many bytes, joining characters is cheaper than the decoder's call. */
const SHORT_BYTES = 24;

/**
 * The one value that `bytes` holds.
 * @throws MalformedFrame
 */
export function readMsgpack(bytes: Uint8Array): unknown {
  const reader = new Reader(bytes);
  const value = reader.value(1);
  if (reader.at !== bytes.length) throw new MalformedFrame('bytes behind the value');
  return value;
}

class Reader {
  at = 0;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  value(depth: number): unknown {
    const token = this.#bytes[this.#take(1)] ?? 0;
    if (token < 0x80) return token;
    if (token < 0x90) return this.#map(token & 0x0f, depth);
    if (token < 0xa0) return this.#array(token & 0x0f, depth);
    if (token < 0xc0) return this.#string(token & 0x1f);
    if (token >= 0xe0) return token - 0x100;
    return this.#marked(token, depth);
  }

  #marked(token: number, depth: number): unknown {
    const view = this.#view;
    switch (token) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xc4:
      case 0xc5:
      case 0xc6:
        return this.#binary(this.#length(token - 0xc4));
      case 0xca:
        return view.getFloat32(this.#take(4));
      case 0xcb:
        return view.getFloat64(this.#take(8));
      case 0xcc:
      case 0xcd:
      case 0xce:
        return this.#length(token - 0xcc);
      case 0xcf:
        return safeInteger(view.getBigUint64(this.#take(8)));
      case 0xd0:
        return view.getInt8(this.#take(1));
      case 0xd1:
        return view.getInt16(this.#take(2));
      case 0xd2:
        return view.getInt32(this.#take(4));
      case 0xd3:
        return safeInteger(view.getBigInt64(this.#take(8)));
      case 0xd9:
      case 0xda:
      case 0xdb:
        return this.#string(this.#length(token - 0xd9));
      case 0xdc:
      case 0xdd:
        return this.#array(this.#length(token - 0xdc + 1), depth);
      case 0xde:
      case 0xdf:
        return this.#map(this.#length(token - 0xde + 1), depth);
      default:
        throw new MalformedFrame('an extension type');
    }
  }

  /** Moves on by `count` bytes that must be there; gives the place where they begin. */
  #take(count: number): number {
    const from = this.at;
    if (count > this.#bytes.length - from) throw new MalformedFrame('the data ends too early');
    this.at = from + count;
    return from;
  }

  /** An unsigned number of 1, 2 or 4 bytes, for `power` 0, 1 or 2. */
  #length(power: number): number {
    if (power === 0) return this.#view.getUint8(this.#take(1));
    return power === 1 ? this.#view.getUint16(this.#take(2)) : this.#view.getUint32(this.#take(4));
  }

  #container(count: number, bytesEach: number, depth: number): void {
    if (depth > maxDepth) throw new MalformedFrame('nested too deeply');
    if (count * bytesEach > this.#bytes.length - this.at) throw new MalformedFrame('the data ends too early');
  }

  #array(count: number, depth: number): unknown[] {
    this.#container(count, 1, depth);
    const items: unknown[] = [];
    for (let i = 0; i < count; i++) items.push(this.value(depth + 1));
    return items;
  }

  #map(count: number, depth: number): Record<string, unknown> {
    this.#container(count, 2, depth);
    const members: Record<string, unknown> = {};
    for (let i = 0; i < count; i++) {
      // No place for a container: one as a key would lead to the next, as deep as there are bytes.
      const key = this.value(maxDepth + 1);
      if (typeof key !== 'string') throw new MalformedFrame('a key that is no string');
      checkKey(key);
      members[key] = this.value(depth + 1);
    }
    return members;
  }

  #binary(length: number): Uint8Array {
    const from = this.#take(length);
    // Not `bytes.slice`: of a Buffer of Node that would be a view into memory that is used again.
    return new Uint8Array(this.#bytes.subarray(from, from + length));
  }

  #string(length: number): string {
    const from = this.#take(length);
    if (length <= SHORT_BYTES) {
      const ascii = this.#ascii(from, length);
      if (ascii !== undefined) return ascii;
    }
    try {
      return utf8.decode(this.#bytes.subarray(from, from + length));
    } catch {
      throw new MalformedFrame('a string that is not UTF-8');
    }
  }

  #ascii(from: number, length: number): string | undefined {
    let text = '';
    for (let i = from; i < from + length; i++) {
      const unit = this.#bytes[i] ?? 0x80;
      if (unit >= 0x80) return undefined;
      text += String.fromCharCode(unit);
    }
    return text;
  }
}

function safeInteger(value: bigint): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number)) throw new MalformedFrame('an integer beyond 53 bits');
  return number;
}
