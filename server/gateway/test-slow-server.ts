/**
 * A program for the measurement of slow clients: a gateway and one text that grows, in a process of its own, so that its memory is its
 * own. Told what to do over IPC by `test-slow-clients.ts`. For tests and benchmarks.
 */
import { setImmediate, setTimeout } from 'node:timers/promises';
import type { Push } from '../../protocol/down.ts';
import { systemClock } from '../clock.ts';
import type { Cursor } from '../peer.ts';
import { Gateway } from './gateway.ts';
import { defaultLimits } from './limits.ts';
import { handlersWith, testAuthenticator } from './test-gateway.ts';
import { GrowingText } from './test-stream.ts';

export type Order =
  /** A new text begins, and every connection reads it. */
  | { do: 'follow' }
  /** The text grows by so many pieces of so many units, one a turn. */
  | { do: 'grow'; pieces: number; units: number }
  /** Another, short text grows by the time on the clock. */
  | { do: 'tick' }
  | { do: 'look' }
  /** Only how many are here. */
  | { do: 'count' };
export type Looks = {
  connections: number;
  blocked: number;
  /** Bytes that wait for the slowest client, within the gateway's process. */
  waitingMost: number;
  /** Units of the text. */
  length: number;
  /** What the process holds: its memory, with what the heap uses in place of what the heap has reserved. */
  heldBytes: number;
};
export type Answer = { port: number; softBufferBytes: number } | { looks: Looks };

/** A text of any length that takes no room: what is measured is what the readers cost. */
class Endless extends GrowingText {
  #length = 0;

  override get length(): number {
    return this.#length;
  }

  override grow(piece: string): void {
    this.#length += piece.length;
    this.seq += 1;
  }

  override next(cursor: Cursor, maxUnits: number): Push | undefined {
    const { key: generationId, epoch, seq, length } = this;
    const { offset } = cursor;
    if (offset >= length) return undefined;
    const units = Math.min(length - offset, maxUnits);
    Object.assign(cursor, { seq, offset: offset + units });
    return { type: 'chat.delta', body: { generationId, epoch, seq, offset, text: 'a'.repeat(units) } };
  }
}

const SETTLED_BYTES = 128 * 1024;

let stream = new Endless();
let ticks = new GrowingText('ticks');
const silent = { debug() {}, info() {}, warn() {}, error() {} };
const gateway = new Gateway({
  handlers: handlersWith({}),
  authenticator: testAuthenticator,
  routes: [],
  clock: systemClock,
  log: silent,
  limits: { stallMs: Number(process.env['STALL_MS'] ?? defaultLimits.stallMs) },
});

function growBy(text: string, source: GrowingText = stream): void {
  source.grow(text);
  for (const connection of gateway.connections) connection.wakeStream(source.key);
}

function look(): Looks {
  const connections = [...gateway.connections];
  const { rss, heapTotal, heapUsed } = process.memoryUsage();
  return {
    connections: connections.length,
    blocked: gateway.blockedCount,
    waitingMost: Math.max(0, ...connections.map((connection) => connection.waitingBytes)),
    length: stream.length,
    heldBytes: rss - heapTotal + heapUsed,
  };
}

/**
 * Collects garbage until the process gets no smaller, so that two looks can be compared: what the collector finds is freed by
 * threads of its own, later on a busy machine.
 */
async function settle(): Promise<void> {
  let least = Number.POSITIVE_INFINITY;
  let unchanged = 0;
  for (let round = 0; round < 400 && unchanged < 10; round++) {
    globalThis.gc?.();
    await setTimeout(10);
    const { heldBytes } = look();
    unchanged = heldBytes < least - SETTLED_BYTES ? 0 : unchanged + 1;
    least = Math.min(least, heldBytes);
  }
}

async function obey(order: Order): Promise<void> {
  if (order.do === 'follow') {
    stream = new Endless();
    ticks = new GrowingText('ticks');
    for (const source of [stream, ticks])
      for (const connection of gateway.connections) connection.addStream(source, { epoch: 1, seq: -1, offset: 0 });
  } else if (order.do === 'grow') {
    const piece = 'a'.repeat(order.units);
    for (let i = 0; i < order.pieces; i++) {
      growBy(piece);
      await setImmediate();
    }
  } else if (order.do === 'look') {
    await settle();
  } else if (order.do === 'tick') growBy(`<${performance.timeOrigin + performance.now()}>`, ticks);
}

process.on('message', (order: Order) => {
  void obey(order).then(() => process.send?.({ looks: look() } satisfies Answer));
});
process.on('disconnect', () => process.exit(0));
const { port } = await gateway.listen(0, '127.0.0.1');
process.send?.({ port, softBufferBytes: gateway.limits.softBufferBytes } satisfies Answer);
