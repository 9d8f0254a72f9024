/**
 * The dialect of the server under test. The frames are those of `protocol/`; the reader is a bare one, because with hundreds
 * of streams in one process the typed client would be what is measured. It checks every offset and the final length.
 */
import { unpack } from 'msgpackr';
import { type Codec, codecs } from '../../../protocol/codec.ts';
import type { DownBody } from '../../../protocol/down.ts';
import type { UpBody, UpReply, UpType } from '../../../protocol/up.ts';
import type { Line, LineEvents, LineOptions } from './dialect.ts';
import { WireSocket } from './wire-socket.ts';

type Frame = { type: string; id?: number; code?: string; body: unknown };

/** Conversations are changed after so many answers, so that prompts keep the length that they have in practice. */
const answersPerConversation = 6;

export async function openTsumugiLine(options: LineOptions, events: LineEvents): Promise<Line> {
  const line = new TsumugiLine(options, events);
  await line.open();
  return line;
}

class TsumugiLine implements Line {
  readonly #options: LineOptions;
  readonly #events: LineEvents;
  readonly #codec: Codec;
  readonly #waiting = new Map<number, { resolve: (body: unknown) => void; reject: (error: Error) => void }>();
  #wire: WireSocket | undefined;
  #nextId = 1;
  #conversationId = '';
  #answers = 0;
  #generationId = '';
  #length = 0;

  constructor(options: LineOptions, events: LineEvents) {
    this.#options = options;
    this.#events = events;
    this.#codec = codecs[`tsumugi.v1.${options.codec ?? 'json'}`];
  }

  async open(): Promise<void> {
    const { port, accessToken, localAddress, avatarId } = this.#options;
    const wire = await WireSocket.connect({
      port,
      path: '/ws',
      headers: { Authorization: `Bearer ${accessToken}`, 'Sec-WebSocket-Protocol': this.#codec.subprotocol },
      ...(localAddress ? { localAddress } : {}),
    });
    this.#wire = wire;
    await new Promise<void>((resolve, reject) => {
      wire.onMessage = () => resolve();
      wire.onClose = (code) => reject(new Error(`closed with ${code}`));
    });
    wire.onMessage = (payload, isText) =>
      this.#take((isText ? JSON.parse(payload.toString()) : unpack(payload)) as Frame);
    wire.onClose = (code) => this.#fail(`closed with ${code}`);
    if (avatarId) await this.#openConversation();
  }

  ask(text: string): void {
    this.#ask(text).catch((error: Error) => this.#events.onFailed(error.message));
  }

  close(): void {
    if (this.#wire) this.#wire.onClose = () => {};
    this.#wire?.close();
  }

  async #ask(text: string): Promise<void> {
    this.#generationId = '';
    this.#length = 0;
    await this.#request('chat.send', {
      conversationId: this.#conversationId,
      clientMessageId: crypto.randomUUID(),
      text,
    });
  }

  async #openConversation(): Promise<void> {
    const avatarId = this.#options.avatarId ?? '';
    const before = this.#conversationId;
    const { conversationId } = await this.#request('chat.open', { avatarId, kind: 'conversation', lang: 'en' });
    this.#conversationId = conversationId;
    this.#answers = 0;
    if (before) await this.#request('chat.detach', { conversationId: before });
  }

  #request<T extends UpType>(type: T, body: UpBody<T>): Promise<UpReply<T>> {
    return new Promise((resolve, reject) => {
      const id = this.#nextId++;
      this.#waiting.set(id, { resolve: (reply) => resolve(reply as UpReply<T>), reject });
      const message = this.#codec.encode({ type, id, body });
      if (typeof message === 'string') this.#wire?.sendText(message);
      else this.#wire?.sendBinary(message);
    });
  }

  #take(frame: Frame): void {
    if (frame.type === 'chat.delta') this.#takeDelta(frame.body as DownBody<'chat.delta'>);
    else if (frame.type === 'chat.done') this.#takeDone(frame.body as DownBody<'chat.done'>);
    else if (frame.type === 'chat.snapshot') this.#events.onProblem('a snapshot instead of deltas');
    else if (frame.type === 'reply' || frame.type === 'error') this.#takeAnswer(frame);
  }

  #takeDelta(delta: DownBody<'chat.delta'>): void {
    if (this.#generationId === '') this.#generationId = delta.generationId;
    else if (this.#generationId !== delta.generationId) return;
    if (delta.offset !== this.#length) this.#events.onProblem(`offset ${delta.offset} at length ${this.#length}`);
    this.#length += delta.text.length;
    this.#events.onText(delta.text);
  }

  #takeDone(done: DownBody<'chat.done'>): void {
    if (done.conversationId !== this.#conversationId) return;
    if (done.error) {
      this.#events.onFailed(`${done.finishReason}: ${done.error.code}`);
      return;
    }
    if (!done.ledger) this.#events.onProblem('an answer without a ledger entry');
    this.#answers++;
    if (this.#answers < answersPerConversation) this.#events.onDone(done.length);
    else
      this.#openConversation().then(
        () => this.#events.onDone(done.length),
        (error: Error) => this.#events.onFailed(error.message),
      );
  }

  #takeAnswer(frame: Frame): void {
    const waiting = this.#waiting.get(frame.id ?? -1);
    this.#waiting.delete(frame.id ?? -1);
    if (frame.type === 'reply') waiting?.resolve(frame.body);
    else waiting?.reject(new Error(frame.code ?? 'error'));
  }

  #fail(reason: string): void {
    for (const { reject } of this.#waiting.values()) reject(new Error(reason));
    this.#waiting.clear();
    this.#events.onFailed(reason);
  }
}
