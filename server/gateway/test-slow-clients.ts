/** Measures what clients that stop reading cost a gateway, and everybody else on it. For tests and benchmarks. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { TestClient } from './test-gateway.ts';
import type { Answer, Looks, Order } from './test-slow-server.ts';

export type SlowFigures = {
  clients: number;
  softBufferBytes: number;
  /** How many of them the gateway was waiting for in the end. */
  blocked: number;
  /** Most that waited for one of them in the gateway, bytes. */
  waitingMost: number;
  /** Growth of the process for each of them, bytes. */
  costBytes: number;
  /** What of it is still held for each of them when they have gone, bytes. */
  keptBytes: number;
  /** Further growth for each one of further crowds, who come when the crowd before has left, bytes. */
  creepBytes: number;
  /** Time from the growth of the text to a reader that keeps up: alone, and beside the slow ones. */
  alone: Delays;
  beside: Delays;
};
/** The least is what the gateway takes; all that is above it may be the machine's. */
export type Delays = { leastMs: number; medianMs: number };
export type SlowOptions = { clients: number; ticks?: number };

/** Of the size of a roll-up of a fast model. */
const PIECE_UNITS = 1000;
const PIECES_A_ROUND = 200;
const WARM_UP_PIECES = 4000;
/** So many still find room in the kernel. */
const READ_PIECES = 1000;
const FURTHER_CROWDS = 2;
/**
 * glibc then gives every freed buffer back to the system at once. Otherwise what a process holds tells mostly how much garbage lay
 * between two collections: tens of megabytes more or less, whatever the readers cost.
 */
const everyFreeReturns = {
  MALLOC_ARENA_MAX: '1',
  MALLOC_MMAP_THRESHOLD_: '4096',
  MALLOC_MMAP_MAX_: '1000000',
  MALLOC_TRIM_THRESHOLD_: '0',
  MALLOC_TOP_PAD_: '0',
};
const program = fileURLToPath(new URL('test-slow-server.ts', import.meta.url));

export async function measureSlowClients({ clients, ticks = 100 }: SlowOptions): Promise<SlowFigures> {
  const server = fork(program, {
    execArgv: ['--expose-gc', '--max-semi-space-size=1'],
    env: { ...process.env, ...everyFreeReturns },
  });
  try {
    const [{ port, softBufferBytes }] = (await once(server, 'message')) as [{ port: number; softBufferBytes: number }];
    const reader = await TestClient.open(`ws://127.0.0.1:${port}/ws`, 'tsumugi.v1.json');
    // What the first connections and a text of this length bring with them is no cost of the slow ones.
    const first = await connectAll(port, clients);
    await tell(server, { do: 'follow' });
    await tell(server, { do: 'grow', pieces: READ_PIECES, units: PIECE_UNITS });
    await leave(first, server);
    const alone = await delays(server, reader, ticks);
    await tell(server, { do: 'grow', pieces: WARM_UP_PIECES, units: PIECE_UNITS });
    await tell(server, { do: 'follow' });
    const before = await tell(server, { do: 'look' });

    const slow = await connectAll(port, clients);
    const full = await fill(server, clients);
    const beside = await delays(server, reader, ticks, false);
    await leave(slow, server);
    const after = await tell(server, { do: 'look' });
    // What the allocator keeps serves the next ones: a leak would add up.
    let again = full;
    for (let crowd = 0; crowd < FURTHER_CROWDS; crowd++) {
      const next = await connectAll(port, clients);
      again = await fill(server, clients);
      await leave(next, server);
    }
    reader.socket.terminate();
    return {
      clients,
      softBufferBytes,
      blocked: full.blocked,
      waitingMost: full.waitingMost,
      costBytes: (full.heldBytes - before.heldBytes) / clients,
      keptBytes: (after.heldBytes - before.heldBytes) / clients,
      creepBytes: (again.heldBytes - full.heldBytes) / (clients * FURTHER_CROWDS),
      alone,
      beside,
    };
  } finally {
    server.kill();
  }
}

async function tell(server: ChildProcess, order: Order): Promise<Looks> {
  server.send(order);
  const [answer] = (await once(server, 'message')) as [Extract<Answer, { looks: Looks }>];
  return answer.looks;
}

/** Lets the text grow until every one of them is waited for, and then some more, which changes nothing for them. */
async function fill(server: ChildProcess, clients: number): Promise<Looks> {
  await tell(server, { do: 'follow' });
  const more = () => tell(server, { do: 'grow', pieces: PIECES_A_ROUND, units: PIECE_UNITS });
  while ((await more()).blocked < clients);
  await more();
  return tell(server, { do: 'look' });
}

/** Sockets that finish the upgrade and then never read again. */
function connectAll(port: number, count: number): Promise<Socket[]> {
  return Promise.all(Array.from({ length: count }, (_, i) => connectDeaf(port, i)));
}

async function connectDeaf(port: number, number: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  const headers = ['Host: test', 'Upgrade: websocket', 'Connection: Upgrade', 'Sec-WebSocket-Version: 13'];
  headers.push('Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', `Authorization: Bearer user-${number}`);
  headers.push('Sec-WebSocket-Protocol: tsumugi.v1.json');
  socket.write(`GET /ws HTTP/1.1\r\n${headers.join('\r\n')}\r\n\r\n`);
  await once(socket, 'data');
  socket.on('error', () => {});
  return socket.pause();
}

async function leave(sockets: readonly Socket[], server: ChildProcess): Promise<Looks> {
  for (const socket of sockets) socket.destroy();
  let looks = await tell(server, { do: 'count' });
  while (looks.connections > 1) looks = await tell(server, { do: 'count' });
  return looks;
}

async function delays(server: ChildProcess, reader: TestClient, ticks: number, fresh = true): Promise<Delays> {
  if (fresh) await tell(server, { do: 'follow' });
  const found: number[] = [];
  for (let i = 0; i < ticks; i++) {
    reader.frames.length = 0;
    const arrival = reader
      .frame(({ body }) => String(body?.['text']).endsWith('>'))
      .then((frame) => {
        const sentAt = Number(/<([\d.]+)>$/.exec(String(frame.body?.['text']))?.[1]);
        return performance.timeOrigin + performance.now() - sentAt;
      });
    await tell(server, { do: 'tick' });
    found.push(await arrival);
  }
  found.sort((a, b) => a - b);
  return { leastMs: found[0] ?? Number.NaN, medianMs: found[Math.floor(ticks / 2)] ?? Number.NaN };
}
