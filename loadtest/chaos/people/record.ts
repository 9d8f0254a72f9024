/**
 * What the clients were told, kept apart from the client library: taken from the frames on the wire. Every text that any device
 * was shown goes in here; two accounts of the same thing that differ are a violation at once.
 */
import type { Message } from '../../../protocol/chat.ts';
import type { DownBody } from '../../../protocol/down.ts';
import type { Violation } from '../checks/violation.ts';

export type Shown = { text: string; device: string };
export type Asked = {
  userId: string;
  conversationId: string | undefined;
  text: string | undefined;
  /** Every `messageId generationId` that it was acknowledged with. */
  acknowledged: Set<string>;
};
type Done = DownBody<'chat.done'>;

export class ClientRecord {
  /** The longest text that was shown of each generation. */
  readonly shown = new Map<string, Shown>();
  /** Whole messages, by id. */
  readonly messages = new Map<string, Message>();
  /** Commands that start an answer, by their `clientMessageId`. */
  readonly asked = new Map<string, Asked>();
  /** What the end of each generation was told to be. */
  readonly ends = new Map<string, Done>();
  /** Which devices were sent pieces of each generation as it grew. */
  readonly readAlong = new Map<string, Set<string>>();
  readonly violations: Violation[] = [];
  frames = 0;
  deltas = 0;

  /** @param offset where `text` begins in the whole answer. */
  text(generationId: string, offset: number, text: string, device: string): void {
    const known = this.shown.get(generationId);
    if (known === undefined) {
      this.shown.set(generationId, { text: offset === 0 ? text : '', device });
      return;
    }
    const overlap = known.text.slice(offset, offset + text.length);
    if (!text.startsWith(overlap)) {
      const detail = `${device} was shown ${quoted(text)} at ${offset} where ${known.device} had ${quoted(overlap)}`;
      this.violate('text is never taken back', generationId, detail);
    } else if (offset <= known.text.length && offset + text.length > known.text.length)
      this.shown.set(generationId, { text: known.text.slice(0, offset) + text, device });
  }

  /** A piece of a growing answer reached a device. */
  piece(generationId: string, device: string): void {
    this.deltas += 1;
    const devices = this.readAlong.get(generationId);
    if (devices === undefined) this.readAlong.set(generationId, new Set([device]));
    else devices.add(device);
  }

  message(message: Message, device: string): void {
    const known = this.messages.get(message.messageId);
    if (known === undefined) this.messages.set(message.messageId, message);
    else if (known.text !== message.text || known.parentId !== message.parentId)
      this.violate(
        'a message never changes',
        message.messageId,
        `${device} was told ${quoted(message.text)}, before it was ${quoted(known.text)}`,
      );
    if (message.generationId !== null) this.text(message.generationId, 0, message.text, device);
  }

  ask(clientMessageId: string, userId: string, conversationId: string | undefined, text: string | undefined): void {
    const known = this.asked.get(clientMessageId);
    if (known === undefined) this.asked.set(clientMessageId, { userId, conversationId, text, acknowledged: new Set() });
  }

  acknowledge(clientMessageId: string, messageId: string, generationId: string): void {
    this.asked.get(clientMessageId)?.acknowledged.add(`${messageId} ${generationId}`);
  }

  done(body: Done, device: string): void {
    const known = this.ends.get(body.generationId);
    if (known === undefined) this.ends.set(body.generationId, body);
    else if (fingerprint(known) !== fingerprint(body))
      this.violate(
        'an answer ends once',
        body.generationId,
        `${device} was told ${fingerprint(body)}, before it was ${fingerprint(known)}`,
      );
  }

  violate(invariant: string, subject: string, detail: string): void {
    this.violations.push({ invariant, subject, detail });
  }
}

function fingerprint({ messageId, finishReason, usage, ledger, length }: Done): string {
  return JSON.stringify({ messageId, finishReason, usage, ledger, length });
}

/** Short enough for a line. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 28)} … ${text.slice(-28)}` : text);
}
