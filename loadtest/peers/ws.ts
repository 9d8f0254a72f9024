/** A bare relay over ws: the SDK's iterator, one JSON text frame a token. `{ask, text}` → `{id, text}` … `{id, done: true}`. */
import type { AddressInfo } from 'node:net';
import { WebSocketServer } from 'ws';
import { announce, openAi, readRelayOptions, readWithSdk } from './relay.ts';

const options = readRelayOptions();
const model = openAi(options.modelUrl);
const server = new WebSocketServer({ host: '127.0.0.1', port: options.port, perMessageDeflate: false });

server.on('connection', (socket) => {
  socket.on('message', async (data) => {
    const { ask: id, text } = JSON.parse(data.toString()) as { ask: number; text: string };
    try {
      await readWithSdk(model, text, options.maxTokens, (token) => socket.send(JSON.stringify({ id, text: token })));
      socket.send(JSON.stringify({ id, done: true }));
    } catch (error) {
      socket.send(JSON.stringify({ id, failed: String(error) }));
    }
  });
});

server.on('listening', () => announce((server.address() as AddressInfo).port));
