/** Reads along on one device's sockets, both ways, and tells the record. Decodes for itself: what the client library makes of it is not asked. */
import type { Message, RunningGeneration } from '../../../protocol/chat.ts';
import type { codecs } from '../../../protocol/codec.ts';
import type { DownBody } from '../../../protocol/down.ts';
import type { UpBody, UpReply } from '../../../protocol/up.ts';
import type { ClientRecord } from './record.ts';

type Frame = { type: string; id?: number; body?: unknown };
type Codec = (typeof codecs)[keyof typeof codecs];
type Started = UpReply<'chat.send'>;

export class WireTap {
  readonly #record: ClientRecord;
  readonly #device: string;
  readonly #userId: string;
  readonly #codec: Codec;
  /** How much of each generation this device has: an offset behind it is a hole. */
  readonly #lengths = new Map<string, number>();

  constructor(record: ClientRecord, device: string, userId: string, codec: Codec) {
    this.#record = record;
    this.#device = device;
    this.#userId = userId;
    this.#codec = codec;
  }

  /** The ears of a new socket. Ids of commands are counted by the client, not by the socket; they are never used twice. */
  listen(): { up(data: unknown): void; down(data: unknown): void } {
    const asked = new Map<number, Frame>();
    return {
      up: (data) => {
        const frame = this.#decode(data);
        if (frame?.id === undefined) return;
        asked.set(frame.id, frame);
        this.#up(frame);
      },
      down: (data) => {
        const frame = this.#decode(data);
        if (frame === undefined) return;
        this.#record.frames += 1;
        if (frame.type === 'reply') {
          const command = asked.get(frame.id ?? -1);
          asked.delete(frame.id ?? -1);
          if (command !== undefined) this.#reply(command, frame.body);
        } else if (frame.type !== 'error') this.#push(frame);
      },
    };
  }

  #decode(data: unknown): Frame | undefined {
    try {
      const read = this.#codec.decode(typeof data === 'string' ? data : new Uint8Array(data as ArrayBuffer));
      return read as Frame;
    } catch {
      this.#record.violate(
        'frames are readable',
        this.#device,
        `a frame could not be decoded: ${String(data).slice(0, 80)}`,
      );
      return undefined;
    }
  }

  #up({ type, body }: Frame): void {
    if (type === 'chat.send') {
      const { clientMessageId, conversationId, text } = body as UpBody<'chat.send'>;
      this.#record.ask(clientMessageId, this.#userId, conversationId, text);
    } else if (type === 'chat.regenerate' || type === 'chat.edit') {
      const { clientMessageId, text } = body as UpBody<'chat.edit'>;
      if (clientMessageId !== undefined) this.#record.ask(clientMessageId, this.#userId, undefined, text);
    }
  }

  #reply(command: Frame, body: unknown): void {
    if (command.type === 'chat.send' || command.type === 'chat.regenerate' || command.type === 'chat.edit') {
      const { clientMessageId } = command.body as { clientMessageId?: string };
      const { messageId, generationId } = body as Started;
      if (clientMessageId !== undefined) this.#record.acknowledge(clientMessageId, messageId, generationId);
    } else if (command.type === 'chat.attach') {
      const { messages, generation, resumed } = body as UpReply<'chat.attach'>;
      this.#messages(messages);
      if (generation !== null && !resumed) this.#snapshot(generation);
    } else if (command.type === 'chat.history' || command.type === 'chat.select')
      this.#messages((body as UpReply<'chat.history'>).messages);
  }

  #push({ type, body }: Frame): void {
    if (type === 'chat.delta') this.#delta(body as DownBody<'chat.delta'>);
    else if (type === 'chat.snapshot') this.#snapshot((body as DownBody<'chat.snapshot'>).generation);
    else if (type === 'chat.done') this.#record.done(body as DownBody<'chat.done'>, this.#device);
    else if (type === 'chat.message') {
      const { message, generation } = body as DownBody<'chat.message'>;
      this.#record.message(message, this.#device);
      if (generation !== null) this.#snapshot(generation);
    }
  }

  #delta({ generationId, offset, text }: DownBody<'chat.delta'>): void {
    this.#record.piece(generationId, this.#device);
    const has = this.#lengths.get(generationId) ?? 0;
    if (offset > has) {
      const detail = `${this.#device} has ${has} units and was sent a delta at ${offset}`;
      this.#record.violate('no holes on the wire', generationId, detail);
    }
    this.#lengths.set(generationId, Math.max(has, offset + text.length));
    this.#record.text(generationId, offset, text, this.#device);
  }

  #snapshot({ generationId, text }: RunningGeneration): void {
    this.#lengths.set(generationId, Math.max(text.length, this.#lengths.get(generationId) ?? 0));
    this.#record.text(generationId, 0, text, this.#device);
  }

  #messages(messages: readonly Message[]): void {
    for (const message of messages) this.#record.message(message, this.#device);
  }
}
