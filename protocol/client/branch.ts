/** The selected branch of a conversation as far as it has been loaded, oldest first. Pure: lists in, lists out. */
import type { Message } from '../chat.ts';

export class Branch {
  #messages: readonly Message[] = [];
  #nextBefore: string | null = null;

  /** A new array after every change, the same one in between. */
  get messages(): readonly Message[] {
    return this.#messages;
  }

  /** Where the next older page ends; null when the beginning is loaded. */
  get nextBefore(): string | null {
    return this.#nextBefore;
  }

  find(messageId: string): Message | undefined {
    return this.#messages.find((message) => message.messageId === messageId);
  }

  /** What stands behind `messageId`; null asks for the first message. */
  after(messageId: string | null): Message | undefined {
    if (messageId === null) return this.#nextBefore === null ? this.#messages[0] : undefined;
    const at = this.#indexOf(messageId);
    return at < 0 ? undefined : this.#messages[at + 1];
  }

  /** The end of the branch from the server. What was loaded of its beginning before is kept: ancestors never change. */
  adopt(messages: readonly Message[], nextBefore: string | null): void {
    const first = messages[0];
    const known = first === undefined ? -1 : this.#indexOf(first.messageId);
    this.#messages = known > 0 ? [...this.#messages.slice(0, known), ...messages] : messages;
    if (known <= 0) this.#nextBefore = nextBefore;
  }

  /** Puts a page of older messages in front, unless the front has changed since it was asked for. */
  prepend(before: string | null, messages: readonly Message[], nextBefore: string | null): boolean {
    if (before !== this.#nextBefore) return false;
    this.#messages = [...messages.filter((message) => this.find(message.messageId) === undefined), ...this.#messages];
    this.#nextBefore = nextBefore;
    return true;
  }

  /** Replaces the message, or adds it behind its parent; what stood there is another branch now. @returns false when its parent is not here. */
  put(message: Message): boolean {
    const at = this.#indexOf(message.messageId);
    if (at >= 0) {
      this.#messages = this.#messages.with(at, message);
      return true;
    }
    if (!this.cutAfter(message.parentId)) return false;
    this.#messages = [...this.#messages, message];
    return true;
  }

  /** Leaves what stands up to `messageId`; null leaves nothing. @returns false when it is not here. */
  cutAfter(messageId: string | null): boolean {
    const at = messageId === null ? -1 : this.#indexOf(messageId);
    if (at < 0 && messageId !== null) return false;
    if (messageId === null) this.#nextBefore = null;
    if (at + 1 < this.#messages.length) this.#messages = this.#messages.slice(0, at + 1);
    return true;
  }

  #indexOf(messageId: string): number {
    return this.#messages.findLastIndex((message) => message.messageId === messageId);
  }
}
