/**
 * The answers of one conversation that have not ended for this client: which deltas, snapshots and ends belong to which.
 * Asks for an attach when something is missing; decides nothing about messages of people.
 */
import type { Message, RunningGeneration } from '../chat.ts';
import type { DownBody } from '../down.ts';
import type { UpReply } from '../up.ts';
import type { Branch } from './branch.ts';
import { TsumugiError } from './error.ts';
import { type Done, Generation, type GenerationIds } from './generation.ts';

type Delta = DownBody<'chat.delta'>;
type DoneBody = DownBody<'chat.done'>;
type Early = { pieces: Delta[]; done: DoneBody | undefined };

/** Frames that may come before the reply that names their answer; more means that they are not ours. */
const maxEarlyPieces = 256;
const maxEarlyAnswers = 8;

export class Answers {
  readonly #branch: Branch;
  readonly #stop: (generationId: string) => Promise<boolean>;
  readonly #changed: (change: 'messages' | 'text' | 'generation') => void;
  readonly #attachAgain: () => void;
  readonly #nowMs: () => number;
  readonly #open = new Map<string, Generation>();
  /** Messages of answers that came before the answer's end was told. */
  readonly #held = new Map<string, Message>();
  /** Ends whose text is not complete here; the attach under way brings it. */
  readonly #owed = new Map<string, DoneBody>();
  readonly #early = new Map<string, Early>();
  /** Siblings of an answer's place when it began. */
  readonly #siblings = new Map<string, readonly string[]>();
  #starting = 0;
  #last: Generation | undefined;

  constructor(
    branch: Branch,
    stop: (generationId: string) => Promise<boolean>,
    changed: (change: 'messages' | 'text' | 'generation') => void,
    attachAgain: () => void,
    nowMs: () => number,
  ) {
    this.#nowMs = nowMs;
    this.#branch = branch;
    this.#stop = stop;
    this.#changed = changed;
    this.#attachAgain = attachAgain;
  }

  get running(): Generation | undefined {
    return this.#last !== undefined && !this.#last.ended ? this.#last : undefined;
  }

  /** From now on frames of unknown answers are kept, until the returned function is called. */
  expectStart(): () => void {
    this.#starting += 1;
    return () => {
      this.#starting -= 1;
      if (this.#starting === 0) this.#early.clear();
    };
  }

  /**
   * An answer that has begun. Frames that came before are applied.
   * @param joined it began before this client looked, so that other answers at its place may be unknown here.
   */
  track(ids: GenerationIds, joined = false): Generation {
    const known = this.#open.get(ids.generationId);
    if (known !== undefined) return known;
    const generation = new Generation(ids, { epoch: 0, seq: -1, text: '' }, this.#stop);
    this.#last = generation;
    const finished = this.#branch.messages.find((message) => message.generationId === ids.generationId);
    if (finished !== undefined) {
      // A repeated send of something that has long been answered.
      generation.end(doneOfMessage(finished));
      return generation;
    }
    this.#open.set(ids.generationId, generation);
    const besides = this.#branch.after(ids.parentId)?.siblings ?? (joined ? undefined : []);
    if (besides !== undefined) this.#siblings.set(ids.generationId, besides);
    if (!this.#branch.cutAfter(ids.parentId)) this.#attachAgain();
    this.#changed('generation');
    const early = this.#early.get(ids.generationId);
    this.#early.delete(ids.generationId);
    for (const piece of early?.pieces ?? []) this.delta(piece);
    if (early?.done !== undefined) this.done(early.done);
    return generation;
  }

  delta(piece: Delta): void {
    const generation = this.#open.get(piece.generationId);
    if (generation === undefined) {
      const early = this.#earlyOf(piece.generationId);
      if (early !== undefined && early.pieces.length < maxEarlyPieces) early.pieces.push(piece);
      return;
    }
    const applied = generation.apply(piece);
    if (applied === 'hole') this.#attachAgain();
    else if (applied === 'grown') this.#changed('text');
  }

  /** A snapshot of a running answer, asked for or not. */
  adopt(running: RunningGeneration, joined = true): void {
    if (this.track(running, joined).adopt(running) === 'grown') this.#changed('text');
  }

  /** True when the message belongs to an answer whose end is still to come; it then joins the list with it. */
  holds(message: Message): boolean {
    if (message.generationId === null || !this.#open.has(message.generationId)) return false;
    this.#held.set(message.generationId, message);
    return true;
  }

  done(body: DoneBody): void {
    const generation = this.#open.get(body.generationId);
    if (generation === undefined) {
      const early = this.#earlyOf(body.generationId);
      if (early !== undefined) early.done = body;
      else if (body.messageId !== null && this.#branch.find(body.messageId) === undefined) this.#attachAgain();
      return;
    }
    if (generation.text.length !== body.length) {
      this.#owed.set(body.generationId, body);
      this.#attachAgain();
      return;
    }
    this.#finish(generation, doneOfPush(body, generation.text));
  }

  /** Where a new attach may go on instead of getting the whole text again. */
  resumePoint(): { generationId: string; seq: number; epoch: number } | undefined {
    const running = this.running;
    if (running === undefined || running.cursor.epoch === 0 || this.#owed.has(running.generationId)) return undefined;
    return { generationId: running.generationId, ...running.cursor };
  }

  /**
   * What the server says is running, and what is not any more.
   * @param resumedId the answer whose rest the server promised to push; it may have ended in the meantime.
   */
  attached(reply: UpReply<'chat.attach'>, resumedId: string | undefined): void {
    const running = reply.generation;
    for (const generation of [...this.#open.values()]) {
      if (generation.generationId === running?.generationId) continue;
      if (generation.generationId === resumedId) this.#hold(generation, reply.messages);
      else this.#endUnseen(generation, reply.messages);
    }
    if (running === null) return;
    if (reply.resumed) this.track(running, true);
    else this.adopt(running);
  }

  fail(reason: TsumugiError): void {
    for (const generation of this.#open.values()) generation.end(reason);
    for (const map of [this.#open, this.#held, this.#owed, this.#siblings, this.#early]) map.clear();
  }

  /** It has ended, but its last pieces and its end are still to be pushed: its message waits for them. */
  #hold(generation: Generation, messages: readonly Message[]): void {
    const message = messages.find((candidate) => candidate.generationId === generation.generationId);
    if (message === undefined) return;
    this.#held.set(generation.generationId, message);
    this.#branch.cutAfter(message.parentId);
  }

  /** It ended while this client was away, or before its last pieces were here. */
  #endUnseen(generation: Generation, messages: readonly Message[]): void {
    const owed = this.#owed.get(generation.generationId);
    const message = messages.find((candidate) => candidate.generationId === generation.generationId);
    const seen: Done = {
      messageId: null,
      text: generation.text,
      finishReason: 'interrupted',
      usage: null,
      ledger: null,
    };
    const stored = message === undefined ? seen : doneOfMessage(message);
    const done = owed === undefined ? stored : doneOfPush(owed, stored.text);
    this.#forget(generation.generationId);
    generation.end(done);
    this.#changed('generation');
  }

  #finish(generation: Generation, done: Done): void {
    const message = this.#held.get(generation.generationId);
    const siblings = this.#siblings.get(generation.generationId);
    this.#forget(generation.generationId);
    generation.end(done);
    const put =
      done.messageId !== null &&
      this.#branch.put(message ?? messageOf(generation, done, this.#branch, siblings ?? [], this.#nowMs()));
    // Nothing was written, or it is not known what else stands at this place: the server is to say.
    if (!put || (message === undefined && siblings === undefined)) this.#attachAgain();
    this.#changed('messages');
    this.#changed('generation');
  }

  #forget(generationId: string): void {
    for (const map of [this.#open, this.#held, this.#owed, this.#siblings]) map.delete(generationId);
  }

  #earlyOf(generationId: string): Early | undefined {
    if (this.#starting === 0) return undefined;
    let early = this.#early.get(generationId);
    if (early === undefined && this.#early.size < maxEarlyAnswers) {
      early = { pieces: [], done: undefined };
      this.#early.set(generationId, early);
    }
    return early;
  }
}

function doneOfMessage(message: Message): Done {
  const { messageId, text, usage } = message;
  return { messageId, text, usage, finishReason: message.finishReason ?? 'stop', ledger: null };
}

function doneOfPush(body: DoneBody, text: string): Done {
  const { messageId, finishReason, usage, ledger, error } = body;
  const done: Done = { messageId, text, finishReason, usage, ledger };
  return error === undefined
    ? done
    : { ...done, error: new TsumugiError(error.code, error.message, { retryAfterMs: error.retryAfterMs }) };
}

/** The message as the server stores it, for the moment until it sends or repeats it. */
function messageOf(
  generation: Generation,
  done: Done,
  branch: Branch,
  siblings: readonly string[],
  nowMs: number,
): Message {
  const { messageId, generationId, parentId } = generation;
  return {
    messageId,
    generationId,
    parentId,
    conversationId: branch.find(parentId)?.conversationId ?? '',
    role: 'ai',
    text: done.text,
    clientMessageId: null,
    finishReason: done.finishReason,
    usage: done.usage,
    siblings: [...siblings, messageId],
    createdAt: new Date(nowMs).toISOString(),
  };
}
