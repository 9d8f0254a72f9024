/**
 * Reads one line of an export of the ledger and writes the binary form of its entry at once, byte by byte: no text, no object and
 * no BigInt is made on the way. The columns stand in the order of the form (see `exportColumns`), in PostgreSQL's text format of
 * COPY: separated by tabs, `\N` for NULL, backslashes before what would break a line.
 */
import { HASH_VERSION, SHARDS } from '../../protocol/ledger-proof/entry-form.ts';

/** Of one line, in order. `protocol/ledger-proof/entry-form.ts` says what they are. */
export const exportColumns = [
  'hash_version',
  'shard',
  'seq',
  'id',
  'from_account',
  'to_account',
  'asset',
  'token_amount',
  'unit_price_micro',
  'purpose',
  'status',
  'reverses_id',
  'conv_id',
  'msg_id',
  'generation_id',
  'idempotency_key',
  'created_at_ms',
  'prev_hash',
  'hash',
] as const;

const TAB = 9;
const MINUS = 0x2d;
const BACKSLASH = 0x5c;
const CAPITAL_N = 0x4e;
const HASH_BYTES = 32;
const TWO_32 = 2 ** 32;
/** Everything of a form but its four texts. */
const FIXED_BYTES = 1 + 2 + 8 + 14 * 4 + 7 * 16 + 3 * 8 + HASH_BYTES;

/** Value of a hexadecimal digit; 255 for everything else. */
const digits = new Uint8Array(256).fill(255);
for (let value = 0; value < 16; value++) digits[value.toString(16).charCodeAt(0)] = value;
/** What stands behind a backslash, and what it means. */
const escapes = new Map([...'bfnrtv\\'].map((letter, at) => [letter.charCodeAt(0), '\b\f\n\r\t\v\\'.charCodeAt(at)]));

export class RowReader {
  /** The form, `length` bytes of it; the last 32 are the previous hash that the line names. */
  form = Buffer.allocUnsafeSlow(4_096);
  length = 0;
  /** The 32 bytes that the line says are the hash of it. */
  readonly stated = Buffer.alloc(HASH_BYTES);
  shard = -1;
  seq = 0;
  #line: Uint8Array = new Uint8Array();
  #at = 0;
  #end = 0;
  #to = 0;

  /** @throws RangeError that says what is wrong; `shard` and `seq` hold what was read before. */
  read(bytes: Uint8Array, start: number, end: number): void {
    this.shard = -1;
    this.seq = 0;
    this.#line = bytes;
    this.#at = start;
    this.#end = end;
    if (FIXED_BYTES + end - start > this.form.length)
      this.form = Buffer.allocUnsafeSlow((FIXED_BYTES + end - start) * 2);
    this.#head();
    for (let id = 0; id < 3; id++) this.#uuid(false);
    this.#text();
    this.#integer();
    this.#integer();
    this.#text();
    this.#text();
    for (let id = 0; id < 4; id++) this.#uuid(true);
    this.#text();
    this.#integer();
    this.#hash(this.form, this.#to);
    this.length = this.#to + HASH_BYTES;
    this.#next();
    this.#hash(this.stated, 0);
    if (this.#at !== end) throw new RangeError('there is more than a line has');
  }

  #head(): void {
    const version = this.#number();
    this.#next();
    const shard = this.#number();
    this.#next();
    if (shard < 0 || shard >= SHARDS) throw new RangeError(`there is no shard ${shard}`);
    this.shard = shard;
    this.seq = this.#number();
    this.#next();
    if (version !== HASH_VERSION) throw new RangeError(`hash version ${version} is not known`);
    this.form[0] = HASH_VERSION;
    this.form[1] = 0;
    this.form[2] = shard;
    this.#to = 3;
    this.#i64(this.seq);
  }

  #uuid(nullable: boolean): void {
    const { form } = this;
    const line = this.#line;
    let at = this.#at;
    if (nullable && line[at] === BACKSLASH && line[at + 1] === CAPITAL_N) {
      this.#u32(TWO_32 - 1);
      this.#at = at + 2;
      this.#next();
      return;
    }
    this.#u32(16);
    let to = this.#to;
    let wrong = 0;
    for (let byte = 0; byte < 16; byte++) {
      if (byte === 4 || byte === 6 || byte === 8 || byte === 10) wrong |= (line[at++] ?? 0) ^ MINUS;
      const high = digits[line[at] ?? 0] ?? 255;
      const low = digits[line[at + 1] ?? 0] ?? 255;
      wrong |= (high | low) & 0xf0;
      form[to++] = (high << 4) | low;
      at += 2;
    }
    if (wrong !== 0 || at > this.#end) throw new RangeError('an id is not a lower-case UUID');
    this.#to = to;
    this.#at = at;
    this.#next();
  }

  #text(): void {
    const { form } = this;
    const line = this.#line;
    const end = this.#end;
    const start = this.#to + 4;
    let [at, to] = [this.#at, start];
    for (; at < end; at++) {
      let byte = line[at] ?? 0;
      if (byte === TAB) break;
      if (byte === BACKSLASH) {
        at += 1;
        const meant = at < end ? escapes.get(line[at] ?? 0) : undefined;
        if (meant === undefined) throw new RangeError('a text holds a backslash that means nothing');
        byte = meant;
      }
      form[to++] = byte;
    }
    this.#u32(to - start);
    this.#to = to;
    this.#at = at;
    this.#next();
  }

  #integer(): void {
    const value = this.#number();
    this.#u32(8);
    this.#i64(value);
    this.#next();
  }

  #number(): number {
    const line = this.#line;
    const negative = line[this.#at] === MINUS;
    const start = negative ? this.#at + 1 : this.#at;
    let at = start;
    let value = 0;
    for (; at < this.#end; at++) {
      const digit = (line[at] ?? 0) - 0x30;
      if (digit < 0 || digit > 9) break;
      value = value * 10 + digit;
    }
    const zeroInFront = at - start > 1 && line[start] === 0x30;
    if (at === start || zeroInFront || !Number.isSafeInteger(value))
      throw new RangeError('a number is not a safe integer');
    this.#at = at;
    return negative ? -value : value;
  }

  #hash(into: Uint8Array, from: number): void {
    const line = this.#line;
    let at = this.#at;
    let wrong = 0;
    for (let to = from; to < from + HASH_BYTES; to++) {
      const high = digits[line[at] ?? 0] ?? 255;
      const low = digits[line[at + 1] ?? 0] ?? 255;
      wrong |= (high | low) & 0xf0;
      into[to] = (high << 4) | low;
      at += 2;
    }
    if (wrong !== 0 || at > this.#end) throw new RangeError('a hash is not 64 hexadecimal digits');
    this.#at = at;
  }

  #next(): void {
    if (this.#line[this.#at] !== TAB || this.#at >= this.#end)
      throw new RangeError('a column is missing or has another form');
    this.#at += 1;
  }

  #u32(value: number): void {
    const { form } = this;
    const to = this.#to;
    form[to] = value >>> 24;
    form[to + 1] = value >>> 16;
    form[to + 2] = value >>> 8;
    form[to + 3] = value;
    this.#to = to + 4;
  }

  #i64(value: number): void {
    const high = Math.floor(value / TWO_32);
    this.#u32(high >>> 0);
    this.#u32((value - high * TWO_32) >>> 0);
  }
}
