import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocketServer } from 'ws';
import { WireSocket } from './wire-socket.ts';

let closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing) close();
  closing = [];
});

async function startEcho(): Promise<number> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false });
  closing.push(() => {
    for (const client of server.clients) client.terminate();
    server.close();
  });
  server.on('connection', (socket) => {
    socket.send('welcome');
    socket.on('message', (data, isBinary) => {
      if (data.toString() === 'close please') socket.close(4001);
      else socket.send(data, { binary: isBinary });
    });
  });
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

function nextMessages(wire: WireSocket, count: number): Promise<{ payload: Buffer; isText: boolean }[]> {
  return new Promise((resolve) => {
    const messages: { payload: Buffer; isText: boolean }[] = [];
    wire.onMessage = (payload, isText) => {
      messages.push({ payload: Buffer.from(payload), isText });
      if (messages.length === count) resolve(messages);
    };
  });
}

describe('the lean socket of the load client, against ws', () => {
  it('carries every size of frame both ways, as text and as bytes', async () => {
    const wire = await WireSocket.connect({ port: await startEcho(), path: '/' });
    const sizes = [0, 1, 125, 126, 65_535, 65_536, 300_000];
    const echoed = nextMessages(wire, 1 + sizes.length + 1);
    for (const size of sizes) wire.sendText('x'.repeat(size));
    wire.sendBinary(new Uint8Array([1, 2, 255]));
    const [welcome, ...messages] = await echoed;
    expect(welcome?.payload.toString()).toBe('welcome');
    expect(messages.map(({ payload }) => payload.length)).toEqual([...sizes, 3]);
    expect(messages.at(-1)).toEqual({ payload: Buffer.from([1, 2, 255]), isText: false });
    wire.close();
  });

  it('reports the code that the server closes with', async () => {
    const wire = await WireSocket.connect({ port: await startEcho(), path: '/' });
    const closed = new Promise<number>((resolve) => {
      wire.onClose = resolve;
    });
    wire.sendText('close please');
    expect(await closed).toBe(4001);
  });
});

describe('the lean socket against a server that sends byte by byte', () => {
  async function startRaw(reply: Buffer): Promise<number> {
    const server: Server = createServer((socket) => {
      socket.setNoDelay(true).on('error', () => {});
      socket.once('data', async () => {
        for (const byte of reply) await new Promise<void>((sent) => socket.write(Buffer.from([byte]), () => sent()));
      });
    });
    closing.push(() => server.close());
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  }

  it('puts the frames together again', async () => {
    const frames = Buffer.concat([Buffer.from([0x81, 2]), Buffer.from('ab'), Buffer.from([0x82, 126, 0, 3, 7, 8, 9])]);
    const head = Buffer.from('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n');
    const wire = await WireSocket.connect({ port: await startRaw(Buffer.concat([head, frames])), path: '/' });
    const [first, second] = await nextMessages(wire, 2);
    expect(first).toEqual({ payload: Buffer.from('ab'), isText: true });
    expect(second).toEqual({ payload: Buffer.from([7, 8, 9]), isText: false });
    wire.close();
  });

  it('tells why an upgrade was refused', async () => {
    const refusal = Buffer.from('HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n');
    await expect(WireSocket.connect({ port: await startRaw(refusal), path: '/' })).rejects.toThrow(/401 Unauthorized/);
  });
});
