/**
 * A bare relay over raw uWebSockets.js, written by someone who wants it lean: plain `fetch`, its body read chunk by chunk,
 * events cut at empty lines, one JSON text frame a token. `{ask, text}` → `{id, text}` … `{id, done: true}`.
 */
import uws from 'uWebSockets.js';
import { announce, chatRequest, readRelayOptions } from './relay.ts';

type Send = (frame: string) => void;

const options = readRelayOptions();

async function relay(id: number, text: string, send: Send): Promise<void> {
  const response = await fetch(`${options.modelUrl}/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: 'Bearer bench' },
    body: JSON.stringify(chatRequest(text, options.maxTokens)),
  });
  if (!response.ok || !response.body) throw new Error(`the model answered ${response.status}`);
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of response.body) {
    rest += decoder.decode(chunk, { stream: true });
    for (let end = rest.indexOf('\n\n'); end >= 0; end = rest.indexOf('\n\n')) {
      const event = rest.slice(0, end);
      rest = rest.slice(end + 2);
      if (!event.startsWith('data: {')) continue;
      const token = JSON.parse(event.slice(6)).choices[0]?.delta?.content;
      if (token) send(JSON.stringify({ id, text: token }));
    }
  }
}

const app = uws.App();
app.ws<{ closed: boolean }>('/*', {
  idleTimeout: 120,
  upgrade: (response, request, context) => {
    response.upgrade(
      { closed: false },
      request.getHeader('sec-websocket-key'),
      request.getHeader('sec-websocket-protocol'),
      request.getHeader('sec-websocket-extensions'),
      context,
    );
  },
  message: (socket, message) => {
    const { ask: id, text } = JSON.parse(Buffer.from(message).toString()) as { ask: number; text: string };
    const data = socket.getUserData();
    // As bytes: this build of the library sends a string without characters above U+00FF in Latin-1, which is not UTF-8.
    const send: Send = (frame) => {
      if (!data.closed) socket.cork(() => socket.send(Buffer.from(frame)));
    };
    relay(id, text, send).then(
      () => send(JSON.stringify({ id, done: true })),
      (error) => send(JSON.stringify({ id, failed: String(error) })),
    );
  },
  close: (socket) => {
    socket.getUserData().closed = true;
  },
});
app.listen('127.0.0.1', options.port, (listening) => {
  if (!listening) throw new Error(`port ${options.port} is taken`);
  announce(uws.us_socket_local_port(listening));
});
