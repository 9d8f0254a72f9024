/** The two dialects of the bare relays: socket.io (Engine.IO 4 over WebSocket) and one JSON frame a token. */
import type { Line, LineEvents, LineOptions } from './dialect.ts';
import { WireSocket } from './wire-socket.ts';

const wireOptions = (options: LineOptions, path: string) => ({
  port: options.port,
  path,
  ...(options.localAddress ? { localAddress: options.localAddress } : {}),
});

/** `{ask, text}` → `{id, text}` … `{id, done: true}`. */
export async function openJsonRelayLine(options: LineOptions, events: LineEvents): Promise<Line> {
  const wire = await WireSocket.connect(wireOptions(options, '/'));
  wire.onMessage = (payload) => {
    const frame = JSON.parse(payload.toString()) as { text?: string; done?: true; failed?: string };
    if (frame.text !== undefined) events.onText(frame.text);
    else if (frame.done) events.onDone();
    else events.onFailed(frame.failed ?? 'unknown frame');
  };
  wire.onClose = (code) => events.onFailed(`closed with ${code}`);
  return {
    ask: (text) => wire.sendText(JSON.stringify({ ask: 1, text })),
    close: () => {
      wire.onClose = () => {};
      wire.close();
    },
  };
}

/** Packets: `0` open, `40` connected, `2` ping (answered `3`), `42[event, …]`. */
export async function openSocketIoLine(options: LineOptions, events: LineEvents): Promise<Line> {
  const wire = await WireSocket.connect(wireOptions(options, '/socket.io/?EIO=4&transport=websocket'));
  await new Promise<void>((resolve, reject) => {
    wire.onClose = (code) => {
      reject(new Error(`closed with ${code}`));
      events.onFailed(`closed with ${code}`);
    };
    wire.onMessage = (payload) => {
      const packet = payload.toString();
      if (packet.startsWith('42')) takeEvent(packet, events);
      else if (packet === '2') wire.sendText('3');
      else if (packet.startsWith('40')) resolve();
      else if (packet.startsWith('0')) wire.sendText('40');
    };
  });
  return {
    ask: (text) => wire.sendText(`42${JSON.stringify(['ask', 1, text])}`),
    close: () => {
      wire.onClose = () => {};
      wire.close();
    },
  };
}

function takeEvent(packet: string, events: LineEvents): void {
  const [event, , text] = JSON.parse(packet.slice(2)) as [string, number, string?];
  if (event === 'token') events.onText(text ?? '');
  else if (event === 'done') events.onDone();
  else events.onFailed(text ?? event);
}
