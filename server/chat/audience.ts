/** Who hears what: every connection of a user hears of his conversations, attached ones read the text of answers as it grows. */
import type { Push } from '../../protocol/down.ts';
import type { Cursor, Peer } from '../peer.ts';
import type { Generation } from './generation.ts';
import type { Presence } from './needs.ts';
import type { UserNews } from './user-news.ts';

/** Gives one reader what it lacks of an answer, and the end of it where that is known already. */
export function deliver(peer: Peer, generation: Generation, from: Cursor, done: Push | undefined): void {
  if (peer.closed) return;
  peer.addStream(generation, from);
  if (done !== undefined) peer.push(done);
}

/** Whether a conversation has gone on since somebody began to read it. */
export type Watch = { changed: boolean; end: () => void };

export class Audience {
  readonly #presence: Presence;
  readonly #news: UserNews;
  readonly #readers = new Map<string, Set<Peer>>();
  readonly #attachments = new WeakMap<Peer, Set<string>>();
  readonly #watches = new Map<string, Set<Watch>>();

  constructor(presence: Presence, news: UserNews) {
    this.#presence = presence;
    this.#news = news;
  }

  /** From now on `peer` reads the answers of this conversation. False when it did before, or is gone. */
  attach(conversationId: string, peer: Peer): boolean {
    if (peer.closed) return false;
    let attached = this.#attachments.get(peer);
    if (attached === undefined) {
      attached = new Set();
      this.#attachments.set(peer, attached);
      peer.onClose((gone) => this.#forget(gone));
    }
    if (attached.has(conversationId)) return false;
    attached.add(conversationId);
    const readers = this.#readers.get(conversationId);
    if (readers === undefined) this.#readers.set(conversationId, new Set([peer]));
    else readers.add(peer);
    return true;
  }

  detach(conversationId: string, peer: Peer): void {
    this.#attachments.get(peer)?.delete(conversationId);
    const readers = this.#readers.get(conversationId);
    readers?.delete(peer);
    if (readers?.size === 0) this.#readers.delete(conversationId);
  }

  /** Tells every connection of the user, on every gateway; the one that caused it knows already. */
  tell(userId: string, push: Push, except?: Peer): void {
    this.tellHere(userId, push, except);
    this.#news.tell(userId, push);
  }

  /** Tells the user's connections on this gateway. */
  tellHere(userId: string, push: Push, except?: Peer): void {
    const conversationId = conversationOf(push);
    for (const watch of this.#watches.get(conversationId ?? '') ?? []) watch.changed = true;
    for (const peer of this.#presence.peersOf(userId)) if (peer !== except) peer.push(push);
  }

  /** For a reader that does not hear of it as a reader yet: what is told of the conversation until `end` has not reached him as one. */
  watch(conversationId: string): Watch {
    const watches = this.#watches.get(conversationId) ?? new Set();
    const watch: Watch = {
      changed: false,
      end: () => {
        watches.delete(watch);
        if (watches.size === 0 && this.#watches.get(conversationId) === watches) this.#watches.delete(conversationId);
      },
    };
    this.#watches.set(conversationId, watches.add(watch));
    return watch;
  }

  /** Conversations that somebody here is attached to. */
  readConversations(): string[] {
    return [...this.#readers.keys()];
  }

  /** Tells those who are attached to a conversation here. */
  tellReaders(push: Push & { type: 'chat.selected' | 'chat.conversation_deleted' }): void {
    for (const peer of this.#readers.get(push.body.conversationId) ?? []) peer.push(push);
  }

  /** Attached connections begin to read the answer from where it stands. */
  beginStream(generation: Generation): void {
    for (const peer of this.#readersOf(generation)) peer.addStream(generation, generation.cursor());
  }

  /** Attached connections read the answer from its first word: they were told that it began, and nothing of it since. */
  beginWholeStream(generation: Generation, epoch: number): void {
    for (const peer of this.#readersOf(generation)) peer.addStream(generation, { epoch, seq: -1, offset: 0 });
  }

  /** True when a connection here is attached to the conversation. */
  isRead(conversationId: string): boolean {
    return this.#readers.has(conversationId);
  }

  /** Another owner writes on, in a new epoch: readers get a snapshot, and then its pieces. */
  restartStream(generation: Generation): void {
    const beforeEpoch = { epoch: generation.epoch - 1, seq: -1, offset: 0 };
    for (const peer of this.#readersOf(generation)) peer.addStream(generation, { ...beforeEpoch });
  }

  wake(generation: Generation): void {
    for (const peer of this.#readersOf(generation)) peer.wakeStream(generation.key);
  }

  endStream(generation: Generation): void {
    for (const peer of this.#readersOf(generation)) peer.removeStream(generation.key);
  }

  #readersOf(generation: Generation): Iterable<Peer> {
    return this.#readers.get(generation.facts.conversationId) ?? [];
  }

  #forget(peer: Peer): void {
    const attached = this.#attachments.get(peer);
    this.#attachments.delete(peer);
    for (const conversationId of attached ?? []) {
      const readers = this.#readers.get(conversationId);
      readers?.delete(peer);
      if (readers?.size === 0) this.#readers.delete(conversationId);
    }
  }
}

/** Of news after which a conversation is not what it was before. */
function conversationOf(push: Push): string | undefined {
  if (push.type === 'chat.message') return push.body.message.conversationId;
  return push.type === 'chat.selected' || push.type === 'chat.done' ? push.body.conversationId : undefined;
}
