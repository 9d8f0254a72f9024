/** The socket as an AsyncAPI 3.0 document, out of the schemas that the server itself checks with. */
import type { TSchema } from 'typebox';
import { closeCodes } from '../../protocol/close-code.ts';
import { subprotocols } from '../../protocol/codec.ts';
import type { DownFrame, UpFrame } from '../../protocol/define.ts';
import { downFrames } from '../../protocol/down.ts';
import { ErrorEnvelope, RequestId } from '../../protocol/envelope.ts';
import { type ErrorCode, errorCodes } from '../../protocol/error-code.ts';
import { upFrames } from '../../protocol/up.ts';
import { PROTOCOL_VERSION } from '../../protocol/version.ts';
import { exampleOf } from './example.ts';

/** What any command can meet beside its own errors. */
export const commonErrors = [
  'protocol.invalid_body',
  'protocol.unknown_type',
  'protocol.rate_limited',
  'busy',
  'internal',
] as const satisfies readonly ErrorCode[];

type Json = Record<string, unknown>;
const channel = { $ref: '#/channels/socket' };
const inChannel = (name: string) => ({ $ref: `#/channels/socket/messages/${name}` });

export function asyncApi(): Json {
  const ups: readonly UpFrame[] = upFrames;
  const downs: readonly DownFrame[] = downFrames;
  const messages: Json = { error: errorMessage() };
  const operations: Json = {};
  for (const frame of ups) {
    messages[frame.type] = commandMessage(frame);
    messages[`${frame.type}.reply`] = replyMessage(frame);
    operations[frame.type] = commandOperation(frame);
  }
  for (const frame of downs) {
    // A push may carry the name of a command (`billing.balance`); as a message it needs one of its own.
    messages[`${frame.type}.push`] = pushMessage(frame);
    operations[`${frame.type}.push`] = {
      action: 'send',
      channel,
      summary: frame.says,
      messages: [inChannel(`${frame.type}.push`)],
    };
  }
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Tsumugi socket',
      version: PROTOCOL_VERSION,
      description:
        'Commands and pushes over one WebSocket. Every command gets exactly one reply or error with its `id`.',
      license: { name: 'MIT' },
    },
    defaultContentType: 'application/json',
    servers: {
      local: {
        host: '{address}',
        protocol: 'ws',
        description: 'The server that you have this document from; `wss` with TLS.',
        variables: { address: { default: '127.0.0.1:3000', description: 'Host and port.' } },
        security: [{ $ref: '#/components/securitySchemes/bearer' }, { $ref: '#/components/securitySchemes/ticket' }],
      },
    },
    channels: { socket: socketChannel(Object.keys(messages)) },
    operations,
    components: {
      messages,
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', description: 'The access token of sign-up, sign-in or refresh.' },
        ticket: { type: 'httpApiKey', in: 'query', name: 'ticket', description: 'Of `POST /auth/socket-ticket`.' },
      },
    },
    'x-common-errors': commonErrors,
    'x-error-codes': errorCodes,
    'x-close-codes': closeCodes,
  };
}

function socketChannel(names: readonly string[]): Json {
  return {
    address: '/ws',
    description:
      `Subprotocols: ${subprotocols.map((name) => `\`${name}\``).join(' (binary) and ')} (text). ` +
      'Authenticate with `Authorization: Bearer <access token>`, or with a one-use `?ticket=` of `POST /auth/socket-ticket`.',
    servers: [{ $ref: '#/servers/local' }],
    messages: Object.fromEntries(names.map((name) => [name, { $ref: `#/components/messages/${name}` }])),
    bindings: {
      ws: {
        method: 'GET',
        query: {
          type: 'object',
          properties: { ticket: { type: 'string', description: 'Taken once, within a minute.' } },
        },
        bindingVersion: '0.1.0',
      },
    },
  };
}

function commandMessage(frame: UpFrame): Json {
  const example = { type: frame.type, id: 1, body: exampleOf(frame.body, false) };
  return {
    name: frame.type,
    summary: frame.says,
    payload: envelope({ type: { const: frame.type }, id: plain(RequestId), body: plain(frame.body) }),
    examples: [{ name: frame.type, payload: example }],
  };
}

function replyMessage(frame: UpFrame): Json {
  const example = { type: 'reply', id: 1, body: exampleOf(frame.reply, true) };
  return {
    name: `${frame.type}.reply`,
    summary: `Answers \`${frame.type}\`.`,
    payload: envelope({ type: { const: 'reply' }, id: plain(RequestId), body: plain(frame.reply) }),
    examples: [{ name: `${frame.type}.reply`, payload: example }],
  };
}

function pushMessage(frame: DownFrame): Json {
  return {
    name: frame.type,
    summary: frame.says,
    payload: envelope({ type: { const: frame.type }, body: plain(frame.body) }),
    examples: [{ name: frame.type, payload: { type: frame.type, body: exampleOf(frame.body, true) } }],
  };
}

function errorMessage(): Json {
  return {
    name: 'error',
    summary:
      'Answers any command that failed. `x-error-codes` lists the codes and what to do about each, `x-errors` those of a command, ' +
      '`x-common-errors` those of all. Without an `id` it answers a frame that could not be read.',
    payload: plain(ErrorEnvelope),
    examples: [{ name: 'error', payload: { type: 'error', id: 1, code: 'busy', message: errorCodes.busy.says } }],
  };
}

function commandOperation(frame: UpFrame): Json {
  return {
    action: 'receive',
    channel,
    summary: frame.says,
    messages: [inChannel(frame.type)],
    reply: { channel, messages: [inChannel(`${frame.type}.reply`), inChannel('error')] },
    'x-errors': frame.errors,
  };
}

function envelope(properties: Json): Json {
  return { type: 'object', required: Object.keys(properties), properties };
}

/** A schema as plain data: what TypeBox keeps beside it for itself stays behind. */
export function plain(schema: TSchema): Json {
  return JSON.parse(JSON.stringify(schema)) as Json;
}
