/**
 * One open conversation as the page shows it. Owns what the screen needs beside the conversation itself: the message that
 * is on its way, failures with their retry, and what is being loaded. The text of the running answer has a signal of its
 * own, so that a delta touches one text node.
 */
import { batch, computed, type Signal, signal } from '@preact/signals';
import type { Conversation as Info, Message } from '../../../protocol/chat.ts';
import type { Conversation } from '../../../protocol/client/conversation.ts';
import { randomId } from '../../../protocol/client/environment.ts';
import type { Generation } from '../../../protocol/client/generation.ts';
import { conversations, forgetConversation } from '../conversations/store.ts';
import { isOutOfTokens } from '../money/way-out.tsx';
import { errorCode, errorText } from '../session/error-text.ts';
import { notify } from '../ui/notices.tsx';
import { keepDraft, readDraft } from './drafts.ts';
import { TypingSigns, type TypingSource } from './typing.ts';

export type Phase = 'loading' | 'ready' | 'failed' | 'gone';
/** A message that the server has not confirmed yet. */
export type Outgoing = Readonly<{ clientMessageId: string; text: string; error: unknown }>;
export type Running = Readonly<{ generationId: string; messageId: string; parentId: string | null }>;
/** An answer that ended badly, and the message that it was to answer. */
export type Broken = Readonly<{ error: unknown; parentId: string }>;

/** What the store needs of the client. */
export type ConversationSource = TypingSource & { conversation(conversationId: string): Promise<Conversation> };

export class ChatStore {
  readonly conversationId: string;
  readonly phase = signal<Phase>('loading');
  readonly failure = signal<unknown>(undefined);
  readonly meta = signal<Info | undefined>(undefined);
  readonly messages = signal<readonly Message[]>([]);
  readonly running = signal<Running | undefined>(undefined);
  readonly streamText = signal('');
  readonly draft: Signal<string>;
  readonly typing: TypingSigns;
  readonly outgoing = signal<Outgoing | undefined>(undefined);
  readonly broken = signal<Broken | undefined>(undefined);
  /** Counts the acts after which one goes on writing: what had the focus may be gone. */
  readonly acts = signal(0);
  /** Another answer or an edit has been asked for and has not begun yet. */
  readonly starting = signal(false);
  readonly hasOlder = signal(false);
  readonly loadingOlder = signal(false);
  /** An answer is being written or a message is on its way: nothing else may be started. */
  readonly busy = computed(
    () =>
      this.starting.value ||
      this.running.value !== undefined ||
      (this.outgoing.value !== undefined && this.outgoing.value.error === undefined),
  );
  /** An answer is being written or a message is on its way, as far as anybody can see. */
  readonly writing = computed(() => this.running.value !== undefined || this.outgoing.value !== undefined);
  /** The person's last message, where nothing was answered to it: the answer failed, was stopped at once or had no text. */
  readonly unanswered = computed(() => {
    const last = this.messages.value.at(-1);
    const isOpen = this.busy.value || this.writing.value || this.broken.value !== undefined;
    return isOpen || last?.role !== 'user' ? undefined : last.messageId;
  });
  readonly empty = computed(
    () => this.messages.value.length === 0 && this.outgoing.value === undefined && this.running.value === undefined,
  );

  readonly #source: () => ConversationSource;
  #live: Conversation | undefined;
  #followed: Generation | undefined;
  #unfollow: (() => void) | undefined;
  #ended = false;

  constructor(conversationId: string, source: () => ConversationSource) {
    this.conversationId = conversationId;
    this.#source = source;
    this.typing = new TypingSigns(conversationId, source);
    this.draft = signal(readDraft(conversationId));
  }

  /** Attaches and follows until `end`. Failures are a phase. */
  async start(): Promise<void> {
    this.phase.value = 'loading';
    try {
      const live = await this.#source().conversation(this.conversationId);
      if (this.#ended) return live.detach();
      this.#live = live;
      const untype = this.typing.follow();
      const unchange = live.onChange((change) => {
        if (change === 'removed') this.#removed();
        else if (change === 'text') this.streamText.value = live.generation?.text ?? '';
        else this.#read(live);
      });
      this.#unfollow = () => {
        untype();
        unchange();
      };
      this.#read(live);
      this.phase.value = 'ready';
    } catch (error) {
      if (this.#ended) return;
      this.failure.value = error;
      this.phase.value = errorCode(error) === 'chat.conversation_not_found' ? 'gone' : 'failed';
    }
  }

  end(): void {
    this.#ended = true;
    this.#unfollow?.();
    this.#live?.detach();
    this.#live = undefined;
  }

  /** Shows the message at once; a failure stays with it until it is sent again or taken back. */
  async send(text: string): Promise<void> {
    await this.#send({ clientMessageId: randomId(), text, error: undefined });
  }

  async sendAgain(): Promise<void> {
    const failed = this.outgoing.value;
    // Under the same id: if the first try did arrive, this one changes nothing.
    if (failed?.error !== undefined) await this.#send({ ...failed, error: undefined });
  }

  /** Gives up on a message that could not be sent; its text goes back to where one writes, in front of what stands there. */
  takeBack(): void {
    const text = this.outgoing.value?.text ?? '';
    this.outgoing.value = undefined;
    this.write([text, this.draft.value].filter((part) => part !== '').join('\n'));
  }

  /** Changes what is being written and keeps it over a reload. */
  write(text: string): void {
    this.draft.value = text;
    keepDraft(this.conversationId, text);
  }

  /** Another answer beside `messageId`, or a first one to a message of the user. @returns whether it began */
  regenerate(messageId: string): Promise<boolean> {
    this.acts.value++;
    return this.#begin((live) => live.regenerate(messageId));
  }

  /** @returns whether it was taken */
  edit(messageId: string, text: string): Promise<boolean> {
    this.acts.value++;
    return this.#begin((live) => live.edit(messageId, text));
  }

  async select(messageId: string): Promise<void> {
    await this.#begin((live) => live.select(messageId));
  }

  async stop(): Promise<void> {
    this.acts.value++;
    await this.#live?.stop().catch((error: unknown) => notify(errorText(error), 'wrong'));
  }

  async loadOlder(): Promise<void> {
    if (this.loadingOlder.value) return;
    this.loadingOlder.value = true;
    try {
      await this.#live?.loadOlder();
    } catch (error) {
      notify(errorText(error), 'wrong');
    } finally {
      this.loadingOlder.value = false;
    }
  }

  async #send(outgoing: Outgoing): Promise<void> {
    const live = this.#live;
    if (live === undefined || this.busy.value) return;
    batch(() => {
      this.broken.value = undefined;
      this.outgoing.value = outgoing;
      this.acts.value++;
    });
    try {
      await live.send(outgoing.text, { clientMessageId: outgoing.clientMessageId });
      this.outgoing.value = undefined;
      void conversations.load();
    } catch (error) {
      // Unless a push has brought the message in the meantime.
      if (this.outgoing.peek()?.clientMessageId === outgoing.clientMessageId)
        this.outgoing.value = { ...outgoing, error };
    }
  }

  async #begin(task: (live: Conversation) => Promise<unknown>): Promise<boolean> {
    const live = this.#live;
    if (live === undefined || this.busy.value) return false;
    batch(() => {
      this.broken.value = undefined;
      this.starting.value = true;
    });
    try {
      await task(live);
      return true;
    } catch (error) {
      const last = this.messages.peek().findLast(({ role }) => role === 'user');
      // What one can do something about stays in sight, with the way out beside it.
      if (isOutOfTokens(error) && last !== undefined) this.broken.value = { error, parentId: last.messageId };
      else notify(errorText(error), 'wrong');
      return false;
    } finally {
      this.starting.value = false;
    }
  }

  #read(live: Conversation): void {
    const running = live.generation;
    batch(() => {
      this.meta.value = live.info;
      this.messages.value = live.messages;
      this.hasOlder.value = live.hasOlder;
      this.streamText.value = running?.text ?? '';
      if (running?.generationId !== this.running.peek()?.generationId) this.running.value = running;
      const waiting = this.outgoing.peek();
      if (waiting !== undefined && live.messages.some((each) => each.clientMessageId === waiting.clientMessageId))
        this.outgoing.value = undefined;
    });
    if (running !== undefined && running !== this.#followed) {
      this.typing.clear();
      this.#follow(running);
    }
  }

  /** Learns how an answer ends, whoever asked for it. */
  #follow(generation: Generation): void {
    this.#followed = generation;
    this.broken.value = undefined;
    generation.done.then(
      (done) => {
        if (done.error !== undefined) this.broken.value = { error: done.error, parentId: generation.parentId };
        // Its place and its title in the list have changed.
        void conversations.load();
      },
      () => undefined,
    );
  }

  #removed(): void {
    if (this.#ended) return;
    forgetConversation(this.conversationId);
    this.phase.value = 'gone';
  }
}
