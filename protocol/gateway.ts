/** Frames of the connection itself. */
import Type from 'typebox';
import { defineDown, defineUp } from './define.ts';
import { Empty, Timestamp, Uuid } from './primitives.ts';

export const hello = defineDown('gateway.hello', {
  says: 'The first frame of every connection.',
  body: Type.Object({
    connectionId: Uuid,
    userId: Uuid,
    sessionId: Uuid,
    protocol: Type.String({
      description: 'Version of the protocol; its major number is part of the subprotocol’s name.',
    }),
    serverTime: Timestamp,
    maxFrameBytes: Type.Integer({ description: 'Larger frames of the client close the socket.' }),
    idleTimeoutS: Type.Integer({
      description: 'The server pings within it; a client that answers pings may stay silent for ever.',
    }),
  }),
});

export const ping = defineUp('gateway.ping', {
  says: 'Proves that the server answers; browsers cannot send WebSocket pings.',
  body: Empty,
  reply: Type.Object({ serverTime: Timestamp }),
  errors: [],
});

export const draining = defineDown('gateway.draining', {
  says: 'This server goes down; the socket is closed with 4001, at the latest when the answer being read has ended. Then wait `reconnectInMs` and reconnect.',
  body: Type.Object({
    reconnectInMs: Type.Integer({
      minimum: 0,
      description: 'From the close on. Random, so that clients do not all come back at once.',
    }),
  }),
});
