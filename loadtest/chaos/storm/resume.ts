/** How long a resume takes: a bare socket asks for what it lacks of a running answer, and gets it. */
import { WebSocket } from 'ws';
import type { UpBody } from '../../../protocol/up.ts';
import type { StreamingClient } from './streaming-client.ts';

export type ResumeTimes = {
  /** From the ticket to the greeting. */
  connectMs: number;
  /** From `chat.attach` to its answer. */
  replyMs: number;
  /** From `chat.attach` to the missing text. */
  textMs: number;
};

type Frame = { type: string; id?: number; body?: { resumed?: boolean } };
const patienceMs = 20_000;

/** Pieces that the client says it lacks: there is always something to send at once, however slowly the model writes. */
const behindPieces = 3;

export async function timeResume(client: StreamingClient): Promise<ResumeTimes> {
  const generation = client.conversation?.generation;
  if (generation === undefined) throw new Error('The answer has ended before its resume was timed.');
  const { seq, epoch } = generation.cursor;
  const after = { generationId: generation.generationId, seq: Math.max(-1, seq - behindPieces), epoch };
  const began = performance.now();
  const ticket = await client.auth.socketTicket();
  const socket = new WebSocket(`${client.origin.replace('http', 'ws')}/ws?ticket=${ticket}`, 'tsumugi.v1.json');
  try {
    return await exchange(socket, { conversationId: client.conversationId, after, limit: 50 }, began);
  } finally {
    socket.terminate();
  }
}

function exchange(socket: WebSocket, body: UpBody<'chat.attach'>, began: number): Promise<ResumeTimes> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('nothing within 20 s')), patienceMs);
    let asked = 0;
    let replied = 0;
    socket.on('error', reject);
    socket.on('close', (code) => reject(new Error(`closed with ${code}`)));
    socket.on('message', (data) => {
      const frame = JSON.parse(String(data)) as Frame;
      if (frame.type === 'gateway.hello') {
        asked = performance.now();
        socket.send(JSON.stringify({ type: 'chat.attach', id: 1, body }));
      } else if (frame.id === 1) {
        replied = performance.now();
        if (frame.body?.resumed !== true) reject(new Error(`it was not resumed: ${String(data).slice(0, 200)}`));
      } else if (frame.type === 'chat.delta' && replied > 0) {
        clearTimeout(timer);
        resolve({ connectMs: asked - began, replyMs: replied - asked, textMs: performance.now() - asked });
      }
    });
  });
}
