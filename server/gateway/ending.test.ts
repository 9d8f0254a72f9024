/** Every end of a socket has a name, also where uWS sends no close code. */
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { closeCodes } from '../../protocol/close-code.ts';
import { endingOf } from './ending.ts';
import { noMetrics } from './metrics.ts';
import { startGateway, TestClient, type TestGateway, USER_ID } from './test-gateway.ts';

const noReason = new ArrayBuffer(0);
let ends: string[];
let running: TestGateway;
let client: TestClient;
/** The TCP socket below the client's. */
let line: { write(bytes: Uint8Array): void; end(): void; resetAndDestroy(): void };

beforeEach(async () => {
  ends = [];
  running = await startGateway({
    metrics: { ...noMetrics, connectionClosed: (code, ending) => void ends.push(`${code} ${ending}`) },
  });
  client = new TestClient(running.url);
  client.socket.on('upgrade', ({ socket }) => {
    line = socket;
  });
  await once(client.socket, 'open');
  await client.frame(({ type }) => type === 'gateway.hello');
});
afterEach(() => {
  client.socket.terminate();
  running.gateway.close();
});

/** A frame as clients send it, masked with zeros. */
function frame(firstByte: number, payload: Uint8Array): Uint8Array {
  const head = Buffer.alloc(payload.length < 126 ? 6 : 14);
  head[0] = firstByte;
  head[1] = 0x80 | (payload.length < 126 ? payload.length : 127);
  if (payload.length >= 126) head.writeBigUInt64BE(BigInt(payload.length), 2);
  return Buffer.concat([head, payload]);
}

describe('the end of a socket is told by', () => {
  it.each<[ending: string, how: () => void]>([
    ['4002 server', () => void running.gateway.closeUser(USER_ID, 'closed_by_operator')],
    ['1000 client', () => client.socket.close(1000)],
    // Not ours, though it is one of our codes.
    [`${closeCodes.going_away.code} client`, () => client.socket.close(closeCodes.going_away.code)],
    ['1006 line', () => line.end()],
    ['1006 line', () => line.resetAndDestroy()],
    ['1006 too_large', () => line.write(frame(0x81, Buffer.alloc(running.gateway.limits.maxFrameBytes * 2 + 1)))],
    ['1006 invalid_frame', () => line.write(frame(0xf1, Buffer.from('{}')))],
    ['1006 invalid_frame', () => line.write(frame(0x81, Buffer.from([0xff, 0xfe])))],
    ['1006 invalid_frame', () => line.write(frame(0x88, Buffer.from([0x03, 0xe7])))],
  ])('%s', async (ending, how) => {
    how();
    await expect.poll(() => ends).toEqual([ending]);
    const told = running.log.lines.find(({ message }) => message.startsWith('socket '));
    expect(told?.facts).toMatchObject({ ending: ending.split(' ')[1] });
    expect(told?.level).toBe(/server|too_large|invalid/.test(ending) ? 'info' : 'debug');
  });

  it('the library’s words, which come only after seconds of silence, or may be new', () => {
    const words = (text: string) => endingOf(false, 1006, new TextEncoder().encode(text).buffer);
    expect(words('WebSocket timed out from inactivity')).toBe('idle');
    expect(words('Received something else')).toBe('unknown');
    expect(endingOf(false, 1006, noReason)).toBe('line');
  });
});
