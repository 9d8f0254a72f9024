/**
 * The answers being written on this gateway: starts them, feeds their text through the live log to the readers, stops them, and
 * hands them to the settler. A generation belongs to the server: a disconnect changes nothing here.
 */
import type { Push } from '../../protocol/down.ts';
import type { Clock } from '../clock.ts';
import type { ChatModel, ChatRequest, StreamEnd } from '../llm/model.ts';
import type { Audience } from './audience.ts';
import type { Followers } from './followers.ts';
import type { Generation } from './generation.ts';
import { LogWriter } from './log-writer.ts';
import type { ChatLog, ChatMetrics, TextLog } from './needs.ts';
import type { RemoteGenerations } from './remote-generations.ts';
import type { DoneBody } from './settler.ts';

export type HubOptions = {
  rollUpMs: number;
  /** How long a finished answer can be resumed from memory and its log stays readable. */
  keepMs: number;
  maxRunningPerUser: number;
  /** Name of this gateway among all. */
  owner: string;
};
type HubParts = {
  model: ChatModel;
  textLog: TextLog;
  audience: Audience;
  remote: RemoteGenerations;
  followers: Followers;
  clock: Clock;
  log: ChatLog;
  metrics: ChatMetrics;
};
/** The end of an answer, kept for readers who come back a moment later. */
type Finished = { generation: Generation; done: Push };

const DROP_EVERY_MS = 250;

const HAND_OVER_STEP_MS = 10;
const TURN_AGAIN_MS = 1_000;

export class GenerationHub {
  readonly #parts: HubParts;
  readonly #options: HubOptions;
  readonly #writer: LogWriter;
  readonly #running = new Map<string, Generation>();
  /** Turns that are being written: their answers may be in the rows, and do not run yet. */
  readonly #beingStored = new Set<string>();
  /** Answers that could not be stored: their rows still run. */
  readonly #abandoned = new Set<string>();
  readonly #byConversation = new Map<string, Generation>();
  readonly #countByUser = new Map<string, number>();
  readonly #finished = new Map<string, Finished>();
  readonly #handedOver = new WeakSet<Generation>();
  readonly #toDrop: string[] = [];
  /** Answers that were lost to another gateway, whose readers are being turned to it. */
  readonly #turning = new Map<string, Promise<void>>();
  #settle: (generation: Generation) => void = () => {};
  #seekEnd: (generation: Generation) => Promise<void> = async () => {};
  #onIdle: (() => void)[] = [];
  #handingOver = false;

  constructor(parts: HubParts, options: HubOptions) {
    this.#parts = parts;
    this.#options = options;
    this.#writer = new LogWriter(
      parts.textLog,
      parts.clock,
      options.rollUpMs,
      { written: (generation) => this.#written(generation), fenced: (generation) => this.lose(generation) },
      parts,
    );
  }

  /** Where ended answers go; set once, since the settler announces through this hub. */
  onEnded(settle: (generation: Generation) => void): void {
    this.#settle = settle;
  }

  /** What is done for readers of an answer that was lost to another gateway, and that none writes any more. Set once. */
  onLost(seekEnd: (generation: Generation) => Promise<void>): void {
    this.#seekEnd = seekEnd;
  }

  get runningCount(): number {
    return this.#running.size;
  }

  running(): Iterable<Generation> {
    return this.#running.values();
  }

  countOf(userId: string): number {
    return this.#countByUser.get(userId) ?? 0;
  }

  get maxRunningPerUser(): number {
    return this.#options.maxRunningPerUser;
  }

  /** Whether a row that names this owner speaks of this gateway. */
  owns(owner: string): boolean {
    return owner === this.#options.owner;
  }

  find(generationId: string): Generation | undefined {
    return this.#running.get(generationId);
  }

  findByConversation(conversationId: string): Generation | undefined {
    return this.#byConversation.get(conversationId);
  }

  /** Whether it is known here what becomes of an answer of this gateway. */
  knows(generationId: string): boolean {
    return this.#running.has(generationId) || this.#beingStored.has(generationId) || this.#abandoned.has(generationId);
  }

  /** Writes the turn of an answer. */
  async whileStored<T>(generationId: string, write: () => Promise<T>): Promise<T> {
    this.#beingStored.add(generationId);
    try {
      return await write();
    } finally {
      this.#beingStored.delete(generationId);
    }
  }

  findFinished(generationId: string): Finished | undefined {
    return this.#finished.get(generationId);
  }

  /**
   * Asks the model, perhaps while the transaction of the turn is still being written, so that its time and the commit's pass
   * together. What it says goes into the log, and to nobody before `start`; when the transaction fails, `discard` follows instead.
   */
  prepare(generation: Generation, request: ChatRequest): void {
    this.#ask(generation, request);
  }

  /** The generation is committed: registers it and lets its text go on. Whoever asked is answered first. */
  start(generation: Generation): void {
    const { audience } = this.#parts;
    this.#register(generation);
    if (generation.lastSeq === -1) audience.beginStream(generation);
    else setImmediate(() => audience.beginWholeStream(generation, generation.epoch));
    if (generation.end !== undefined) this.#writer.note(generation, true);
  }

  /** There will be no such generation. */
  discard(generation: Generation): void {
    generation.discard();
    generation.handle?.abort();
    this.#dropLog(generation.key);
  }

  /** Takes over what a dead gateway left and lets the model write on behind it. What the provider counts is not the whole. */
  resume(generation: Generation, request: ChatRequest): void {
    this.#takeOver(generation);
    this.#ask(generation, request, (end) => ({ ...end, usage: undefined }));
  }

  #ask(generation: Generation, request: ChatRequest, toEnd: (end: StreamEnd) => StreamEnd = (end) => end): void {
    generation.handle = this.#parts.model.stream(request, {
      onText: (text) => {
        if (this.#handingOver) return;
        const first = generation.silent;
        generation.receive(text);
        if (first) this.#parts.metrics.firstToken(this.#parts.clock.now() - generation.facts.startedAtMs);
        this.#writer.note(generation, first);
      },
      onEnd: (end) => this.#end(generation, toEnd(end), false),
    });
    // The model may have failed or the user may have stopped before the handle was known.
    if (generation.end !== undefined) generation.handle.abort();
  }

  /** Takes over what a dead gateway left: its text so far is all there will be. */
  adopt(generation: Generation): void {
    this.#takeOver(generation);
    this.#end(generation, { finishReason: 'aborted', usage: undefined, error: undefined }, false);
  }

  /** @returns false when it had ended before. */
  stop(generation: Generation): boolean {
    if (generation.end !== undefined) return false;
    this.#end(generation, { finishReason: 'aborted', usage: undefined, error: undefined }, true);
    generation.handle?.abort();
    return true;
  }

  /** Ends what still runs as interrupted; for the end of this process. Resolves when all of it is settled. */
  async interruptAll(): Promise<void> {
    for (const generation of [...this.#running.values()]) {
      if (generation.end !== undefined) continue;
      this.#end(generation, { finishReason: 'aborted', usage: undefined, error: undefined }, false);
      generation.handle?.abort();
    }
    await this.idle();
  }

  /**
   * Takes nothing more from the model, so that another gateway can write on where the log ends. Resolves when everything that
   * has come is in the log. The answers stay running in the database: nobody ends them here.
   */
  async handOver(): Promise<void> {
    this.#handingOver = true;
    for (const generation of this.#running.values()) generation.handle?.abort();
    while ([...this.#running.values()].some((generation) => !generation.drained)) {
      await new Promise<void>((resolve) => void this.#parts.clock.after(HAND_OVER_STEP_MS, resolve));
    }
  }

  /** Resolves when no answer is being written. */
  idle(): Promise<void> {
    if (this.#running.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#onIdle.push(resolve));
  }

  /** The settler has committed the end. */
  finish(generation: Generation, done: DoneBody, balance: number | undefined): void {
    const { audience, metrics } = this.#parts;
    const { userId } = generation.facts;
    const push: Push = { type: 'chat.done', body: done };
    this.keepFinished(generation, push);
    this.#parts.followers.forget(generation.key);
    // The stream itself is left with its readers: whoever is slow still pulls the rest before this push.
    this.#forget(generation);
    audience.tell(userId, push);
    if (balance !== undefined) audience.tell(userId, { type: 'billing.balance', body: { balance } });
    metrics.tokens(done.usage.tokensIn, done.usage.tokensOut);
    metrics.finished(done.finishReason);
    this.#dropLog(generation.key);
  }

  /** Many with one statement: nobody waits for it, and what a crash leaves ends by itself. */
  #dropLog(generationId: string): void {
    if (this.#toDrop.push(generationId) > 1) return;
    const { clock, textLog, log } = this.#parts;
    clock.after(DROP_EVERY_MS, () => {
      textLog
        .dropLog(this.#toDrop.splice(0), this.#options.keepMs)
        .catch((error: unknown) => log.warn({ error }, 'the logs of finished answers could not be dropped'));
    });
  }

  /** An answer that has ended here or elsewhere stays resumable for a moment. */
  keepFinished(generation: Generation, done: Push): void {
    this.#finished.set(generation.key, { generation, done });
    this.#parts.clock.after(this.#options.keepMs, () => this.#finished.delete(generation.key));
  }

  /** Makes sure that the live log has all that was shown. */
  verifyLogs(): Promise<void> {
    return this.#writer.verify(this.#running.values());
  }

  /** It cannot be stored: the next start of a gateway takes it up. */
  abandon(generation: Generation): void {
    this.#abandoned.add(generation.key);
    this.forget(generation);
  }

  /** It was ended elsewhere. */
  forget(generation: Generation): void {
    if (!this.#has(generation)) return;
    this.#parts.audience.endStream(generation);
    this.#forget(generation);
  }

  /** Another gateway has taken it over, because it held this one for dead. Readers here go on with what that one writes, or wrote. */
  lose(generation: Generation): void {
    if (!this.#has(generation)) return;
    this.forget(generation);
    this.#turnReaders(generation);
  }

  /** Resolves when readers of an answer that was lost have been turned to whoever writes it. */
  async turned(generationId: string): Promise<void> {
    await this.#turning.get(generationId);
  }

  #turnReaders(generation: Generation): void {
    const { audience, remote, clock, log } = this.#parts;
    if (!audience.isRead(generation.facts.conversationId)) return;
    const turning = remote.find(generation.key).then((taken) => {
      if (taken !== undefined) audience.restartStream(taken);
      return taken !== undefined;
    });
    const again = (error: unknown) => {
      log.warn({ error }, 'an answer that was taken over cannot be followed; trying again');
      clock.after(TURN_AGAIN_MS, () => this.#turnReaders(generation));
    };
    const turned = turning.then(
      () => void this.#turning.delete(generation.key),
      () => void this.#turning.delete(generation.key),
    );
    this.#turning.set(generation.key, turned);
    // Behind `turned`, which whoever tells of the end waits for.
    turning.then((found) => (found ? undefined : this.#seekEnd(generation))).catch(again);
  }

  /** Readers anywhere may have seen more or less than the log has: they get what it has. */
  #takeOver(generation: Generation): void {
    const { remote, audience } = this.#parts;
    const lostBefore = this.#running.get(generation.key);
    if (lostBefore !== undefined) this.#forget(lostBefore);
    this.#register(generation);
    remote.leave(generation.key);
    remote.announceOwner(generation);
    audience.restartStream(generation);
  }

  #register(generation: Generation): void {
    const { conversationId, userId } = generation.facts;
    this.#running.set(generation.key, generation);
    this.#byConversation.set(conversationId, generation);
    this.#countByUser.set(userId, this.countOf(userId) + 1);
  }

  #end(generation: Generation, end: StreamEnd, stopped: boolean): void {
    if (generation.end !== undefined || (this.#handingOver && !stopped)) return;
    generation.end = { ...end, stopped };
    this.#writer.note(generation, true);
  }

  #written(generation: Generation): void {
    this.#parts.audience.wake(generation);
    this.#parts.followers.tell(generation);
    if (!generation.ended || !this.#running.has(generation.key) || this.#handedOver.has(generation)) return;
    this.#handedOver.add(generation);
    this.#settle(generation);
  }

  #has(generation: Generation): boolean {
    return this.#running.get(generation.key) === generation;
  }

  #forget(generation: Generation): void {
    generation.handle?.abort();
    // An answer is kept for a while; not so the prompt it was asked with, and the buffers that it came in.
    generation.handle = undefined;
    if (!this.#has(generation)) return;
    this.#running.delete(generation.key);
    const { conversationId, userId } = generation.facts;
    if (this.#byConversation.get(conversationId) === generation) this.#byConversation.delete(conversationId);
    const left = this.countOf(userId) - 1;
    if (left > 0) this.#countByUser.set(userId, left);
    else this.#countByUser.delete(userId);
    if (this.#running.size === 0) for (const resolve of this.#onIdle.splice(0)) resolve();
  }
}
