/** A bare relay over socket.io: the SDK's iterator, one `emit` a token. `ask` (id, text) → `token` (id, text) … `done` (id). */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Server } from 'socket.io';
import { announce, openAi, readRelayOptions, readWithSdk } from './relay.ts';

const options = readRelayOptions();
const model = openAi(options.modelUrl);
const http = createServer();
const io = new Server(http, { transports: ['websocket'] });

io.on('connection', (socket) => {
  socket.on('ask', async (id: number, text: string) => {
    try {
      await readWithSdk(model, text, options.maxTokens, (token) => socket.emit('token', id, token));
      socket.emit('done', id);
    } catch (error) {
      socket.emit('failed', id, String(error));
    }
  });
});

http.listen(options.port, '127.0.0.1', () => announce((http.address() as AddressInfo).port));
