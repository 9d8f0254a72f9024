/**
 * A conversation that this client is attached to: the selected branch, the running answer and the revision, kept equal to
 * the server's through pushes, reconnects and lost frames. Whenever what it has cannot be right it attaches again;
 * it never guesses.
 */
import type { Conversation as ConversationInfo, Message } from '../chat.ts';
import type { DownBody, DownType } from '../down.ts';
import type { UpBody, UpReply, UpType } from '../up.ts';
import { Answers } from './answers.ts';
import { Branch } from './branch.ts';
import { type ClientClock, randomId } from './environment.ts';
import { asTsumugiError, TsumugiError } from './error.ts';
import type { Generation } from './generation.ts';
import { guarded } from './guarded.ts';
import type { RequestOptions } from './requests.ts';

/** `messages`: the list or its facts. `text`: only the running answer grew. `generation`: one began or ended. `removed`: deleted elsewhere. */
export type ConversationChange = 'messages' | 'text' | 'generation' | 'removed';

/** What a conversation needs of the client. */
export interface ConversationHost {
  readonly clock: ClientClock;
  readonly connected: boolean;
  /** Counts the connections so far. */
  readonly connections: number;
  request<T extends UpType>(
    type: T,
    body: UpBody<T>,
    options?: RequestOptions & { onReply?: (reply: UpReply<T>) => void },
  ): Promise<UpReply<T>>;
  on<T extends DownType>(type: T, listener: (body: DownBody<T>) => void): () => void;
  onConnected(listener: () => void): () => void;
  onClosed(listener: (reason: TsumugiError) => void): () => void;
}

type Started = UpReply<'chat.send'>;
const retryAttachMs = 1_000;
/** Longer than a server's lease lives: then somebody has taken the answer over. */
const stopTries = 12;
const stopAgainMs = 1_000;

export class Conversation {
  readonly conversationId: string;
  readonly #host: ConversationHost;
  readonly #pageSize: number;
  readonly #branch = new Branch();
  readonly #answers: Answers;
  readonly #listeners = new Set<(change: ConversationChange) => void>();
  readonly #unsubscribe: (() => void)[] = [];
  readonly #onDetached: () => void;
  #info: ConversationInfo | undefined;
  #revision = 0;
  #attaching: Promise<void> | undefined;
  #attachAgain = false;
  #resume = true;
  #retry: { cancel(): void } | undefined;
  #ended: TsumugiError | undefined;

  /** Use `client.conversation(id)`. */
  constructor(host: ConversationHost, conversationId: string, pageSize: number, onDetached: () => void) {
    this.conversationId = conversationId;
    this.#host = host;
    this.#pageSize = pageSize;
    this.#onDetached = onDetached;
    this.#answers = new Answers(
      this.#branch,
      (generationId) => this.#stop(generationId),
      (change) => this.#emit(change),
      () => this.#resync(false),
      () => host.clock.now(),
    );
    this.#subscribe();
  }

  /** Attaches for the first time. @throws TsumugiError `chat.conversation_not_found`, `client.timeout`, … */
  async start(): Promise<this> {
    try {
      await this.#attach();
    } catch (error) {
      this.#end(asTsumugiError(error));
      throw error;
    }
    return this;
  }

  /** The loaded end of the selected branch, oldest first; without the answer that is being written. A new array after each change. */
  get messages(): readonly Message[] {
    return this.#branch.messages;
  }

  /** The answer that is being written. */
  get generation(): Generation | undefined {
    return this.#answers.running;
  }

  get revision(): number {
    return this.#revision;
  }

  /** Title, language, avatar, as of the last attach. */
  get info(): ConversationInfo | undefined {
    return this.#info;
  }

  /** True when `loadOlder` has something to load. */
  get hasOlder(): boolean {
    return this.#branch.nextBefore !== null;
  }

  get detached(): boolean {
    return this.#ended !== undefined;
  }

  /** @returns ends the listening. Text changes come up to some 40 times a second. */
  onChange(listener: (change: ConversationChange) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /**
   * Sends a message and returns its answer as soon as it has begun. Sent again after a reconnect under the same
   * `clientMessageId`, so that it arrives once.
   * @param options.parentId the message to answer to; default the end of the selected branch.
   */
  send(
    text: string,
    options: { clientMessageId?: string; parentId?: string | null } & RequestOptions = {},
  ): Promise<Generation> {
    const { clientMessageId = randomId(), parentId, ...request } = options;
    const body = {
      conversationId: this.conversationId,
      clientMessageId,
      text,
      ...(parentId === undefined ? {} : { parentId }),
    };
    const place = parentId === undefined ? (this.#branch.messages.at(-1)?.messageId ?? null) : parentId;
    return this.#begin(
      (onReply) => this.#host.request('chat.send', body, { ...request, onReply }),
      (started) => this.#sentMessage(started.messageId, place, text, clientMessageId),
    );
  }

  /** Writes another answer beside `messageId`; default beside the last message. */
  regenerate(messageId?: string, options: RequestOptions = {}): Promise<Generation> {
    const target = messageId ?? this.#branch.messages.at(-1)?.messageId;
    if (target === undefined)
      return Promise.reject(new TsumugiError('chat.message_not_found', 'There is no message to answer.'));
    const body = { messageId: target, clientMessageId: randomId(), expectedRevision: this.#revision };
    return this.#begin((onReply) => this.#host.request('chat.regenerate', body, { ...options, onReply }));
  }

  /** Adds a changed copy beside a message of the user and answers it. */
  edit(messageId: string, text: string, options: RequestOptions = {}): Promise<Generation> {
    const clientMessageId = randomId();
    const edited = this.#branch.find(messageId);
    const body = { messageId, text, clientMessageId, expectedRevision: this.#revision };
    return this.#begin(
      (onReply) => this.#host.request('chat.edit', body, { ...options, onReply }),
      (started) => {
        if (edited !== undefined) this.#sentMessage(started.messageId, edited.parentId, text, clientMessageId);
      },
    );
  }

  /** Shows the branch that `messageId` stands on. */
  async select(messageId: string, options: RequestOptions = {}): Promise<void> {
    const body = { messageId, expectedRevision: this.#revision, limit: this.#pageSize };
    await this.#orResync(
      this.#host.request('chat.select', body, {
        ...options,
        onReply: (reply) => {
          this.#sawRevision(reply.revision);
          this.#branch.adopt(reply.messages, reply.nextBefore);
          this.#emit('messages');
        },
      }),
    );
  }

  /** Loads one page before the first message. @returns whether there is more. */
  async loadOlder(limit: number = this.#pageSize): Promise<boolean> {
    const before = this.#branch.nextBefore;
    if (before === null) return false;
    const page = await this.#host.request('chat.history', { conversationId: this.conversationId, before, limit });
    if (this.#branch.prepend(before, page.messages, page.nextBefore)) this.#emit('messages');
    return this.hasOlder;
  }

  /** Stops the running answer. @returns false when none was running. */
  async stop(): Promise<boolean> {
    const running = this.#answers.running;
    return running === undefined ? false : running.stop();
  }

  /** No more pushes; the answer goes on at the server. The object is done with. */
  detach(): void {
    if (this.#ended !== undefined) return;
    this.#end(TsumugiError.ofClient('client.detached'));
    if (this.#host.connected)
      this.#host.request('chat.detach', { conversationId: this.conversationId }).catch(() => {});
  }

  /** @param ask sends the command; its listener must run while the reply is being read. */
  async #begin(
    ask: (onReply: (started: Started) => void) => Promise<Started>,
    onStarted: (started: Started) => void = () => {},
  ): Promise<Generation> {
    if (this.#ended !== undefined) throw this.#ended;
    const connections = this.#host.connections;
    const endStart = this.#answers.expectStart();
    try {
      const begun = new Promise<Generation>((resolve, reject) => {
        ask((reply) => {
          // Detached meanwhile: its pieces and its end would not be heard here.
          if (this.#ended !== undefined) return reject(this.#ended);
          this.#sawRevision(reply.revision);
          onStarted(reply);
          const { generationId, replyMessageId, messageId } = reply;
          resolve(this.#answers.track({ generationId, messageId: replyMessageId, parentId: messageId }));
        }).catch(reject);
      });
      const generation = await this.#orResync(begun);
      // Sent again over another connection: the answer may have ended in between, and its pushes with the old one.
      if (this.#host.connections !== connections) this.#resync(true);
      return generation;
    } finally {
      endStart();
    }
  }

  /** The server tells other connections of the message; this one has it already. */
  #sentMessage(messageId: string, parentId: string | null, text: string, clientMessageId: string): void {
    if (this.#branch.find(messageId) !== undefined) return;
    const { conversationId } = this;
    const siblings = this.#branch.after(parentId)?.siblings ?? [];
    const createdAt = new Date(this.#host.clock.now()).toISOString();
    const facts = { conversationId, generationId: null, finishReason: null, usage: null, createdAt };
    const message: Message = {
      ...facts,
      messageId,
      parentId,
      role: 'user',
      text,
      clientMessageId,
      siblings: [...siblings, messageId],
    };
    if (this.#branch.put(message)) this.#emit('messages');
  }

  /** Stopping must not fail because the answer is just going from one server to another. */
  async #stop(generationId: string): Promise<boolean> {
    for (let tries = 1; ; tries++) {
      try {
        return (await this.#host.request('chat.stop', { generationId })).stopped;
      } catch (error) {
        if (!(error instanceof TsumugiError && error.code === 'busy') || tries === stopTries) throw error;
        await this.#pause(Math.min(error.retryAfterMs ?? stopAgainMs, stopAgainMs));
      }
    }
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => void this.#host.clock.after(delayMs, () => resolve()));
  }

  async #orResync<T>(request: Promise<T>): Promise<T> {
    try {
      return await request;
    } catch (error) {
      if (error instanceof TsumugiError && error.code === 'chat.revision_conflict') this.#resync(true);
      throw error;
    }
  }

  #subscribe(): void {
    const mine = (body: { conversationId: string }) => body.conversationId === this.conversationId;
    this.#unsubscribe.push(
      this.#host.on('chat.delta', (body) => this.#answers.delta(body)),
      this.#host.on('chat.snapshot', (body) => mine(body) && this.#answers.adopt(body.generation)),
      this.#host.on('chat.done', (body) => {
        if (!mine(body)) return;
        this.#sawRevision(body.revision);
        this.#answers.done(body);
      }),
      this.#host.on('chat.message', (body) => mine(body.message) && this.#onMessage(body)),
      this.#host.on('chat.selected', (body) => mine(body) && body.revision > this.#revision && this.#resync(true)),
      this.#host.on('chat.conversation_deleted', (body) => {
        if (mine(body)) this.#end(new TsumugiError('chat.conversation_not_found', 'The conversation was deleted.'));
      }),
      this.#host.onConnected(() => {
        // An attach that was under way when the connection broke is sent again by itself.
        if (this.#attaching === undefined && this.#info !== undefined) this.#resync(true);
      }),
      this.#host.onClosed((reason) => this.#answers.fail(reason)),
    );
  }

  #onMessage(body: DownBody<'chat.message'>): void {
    this.#sawRevision(body.revision);
    if (!this.#answers.holds(body.message)) {
      if (this.#branch.put(body.message)) this.#emit('messages');
      else this.#resync(true);
    }
    if (body.generation !== null) this.#answers.adopt(body.generation, false);
  }

  #sawRevision(revision: number): void {
    this.#revision = Math.max(this.#revision, revision);
  }

  /** Brings everything up to date, now or as soon as the attach under way has ended. @param resume false asks for whole texts. */
  #resync(resume: boolean): void {
    if (this.#ended !== undefined) return;
    this.#resume &&= resume;
    if (this.#attaching !== undefined) {
      this.#attachAgain = true;
      return;
    }
    this.#retry?.cancel();
    this.#attach().catch((error: unknown) => this.#attachFailed(asTsumugiError(error)));
  }

  #attachFailed(error: TsumugiError): void {
    if (error.code === 'chat.conversation_not_found') this.#end(error);
    if (this.#ended !== undefined) return;
    // Without a connection the next one brings the next try.
    if (!this.#host.connected) return;
    this.#retry = this.#host.clock.after(error.retryAfterMs ?? retryAttachMs, () => this.#resync(true));
  }

  #attach(): Promise<void> {
    this.#attaching ??= this.#doAttach().finally(() => {
      this.#attaching = undefined;
      if (this.#attachAgain) {
        this.#attachAgain = false;
        this.#resync(true);
      }
    });
    return this.#attaching;
  }

  async #doAttach(): Promise<void> {
    const after = this.#resume ? this.#answers.resumePoint() : undefined;
    this.#resume = true;
    const body = {
      conversationId: this.conversationId,
      limit: this.#pageSize,
      ...(after === undefined ? {} : { after }),
    };
    await this.#host.request('chat.attach', body, {
      onReply: (reply) => this.#onAttached(reply, reply.resumed ? after?.generationId : undefined),
    });
  }

  #onAttached(reply: UpReply<'chat.attach'>, resumedId: string | undefined): void {
    // Taken before something that this client already knows of: only a newer one can be right.
    if (reply.conversation.revision < this.#revision && this.#info !== undefined) {
      this.#attachAgain = true;
      this.#revision = reply.conversation.revision;
      this.#resume = false;
      return;
    }
    this.#info = reply.conversation;
    this.#revision = reply.conversation.revision;
    this.#branch.adopt(reply.messages, reply.nextBefore);
    this.#answers.attached(reply, resumedId);
    this.#emit('messages');
  }

  #end(reason: TsumugiError): void {
    if (this.#ended !== undefined) return;
    this.#ended = reason;
    this.#retry?.cancel();
    for (const end of this.#unsubscribe) end();
    this.#answers.fail(reason);
    this.#onDetached();
    this.#emit('removed');
    this.#listeners.clear();
  }

  #emit(change: ConversationChange): void {
    for (const listener of [...this.#listeners]) guarded(() => listener(change));
  }
}
