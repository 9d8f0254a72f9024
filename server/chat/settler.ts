/**
 * Ends answers: the message, the usage and what is charged for it in one transaction, for all answers that end while the
 * transaction before is under way. From that commit on the ledger books it, whatever happens to this gateway; announced when it
 * has. Ends each generation once, whoever else tries.
 * While the database is away it tries for ever. An answer that the database refuses is found, set apart from the others and in the
 * end left alone: its text is in the live log, its row still runs, and the next start of a gateway takes it up again.
 */

import * as generations from '../../db/chat/generations.ts';
import { insertAnswers, type NewAnswer } from '../../db/chat/messages.ts';
import type { Database, Tx } from '../../db/client.ts';
import type { FinishReason } from '../../protocol/chat.ts';
import type { DownBody } from '../../protocol/down.ts';
import type { ErrorCode } from '../../protocol/error-code.ts';
import type { Clock } from '../clock.ts';
import { isOutage } from '../outage.ts';
import type { Generation } from './generation.ts';
import type { Billing, Charge, ChatLog, ChatMetrics, Settled, TokenMeter } from './needs.ts';

/** What one answer comes to. */
type Closing = {
  generation: Generation;
  finishReason: FinishReason;
  error: { code: ErrorCode; message: string; retryAfterMs?: number } | undefined;
  tokensIn: number;
  tokensOut: number;
  tokenCount: number;
  at: Date;
};

export type DoneBody = DownBody<'chat.done'>;
export type SettlerEvents = {
  /** Committed and booked. `balance` is the payer's, undefined when nothing was charged. */
  settled(generation: Generation, done: DoneBody, balance: number | undefined): void;
  /** It had been ended elsewhere. */
  superseded(generation: Generation): void;
  /** It cannot be stored, however often it is tried. */
  abandoned(generation: Generation): void;
};

const RETRY_MS = 500;
/** Of one that is refused for what it is; the pauses double. */
const MAX_TRIES = 6;
const LONGEST_PAUSE_MS = 10_000;

export class Settler {
  readonly #db: Database;
  readonly #billing: Billing;
  readonly #meter: TokenMeter;
  readonly #clock: Clock;
  readonly #log: ChatLog;
  readonly #events: SettlerEvents;
  readonly #metrics: ChatMetrics;
  /** Answers that were refused on their own, and how often. */
  readonly #suspects = new Map<Generation, number>();
  #waiting: Generation[] = [];
  #working: Promise<void> | undefined;
  /** Of what is stored and being booked. */
  readonly #announcing = new Set<Promise<void>>();

  constructor(parts: {
    db: Database;
    billing: Billing;
    meter: TokenMeter;
    clock: Clock;
    log: ChatLog;
    metrics: ChatMetrics;
    events: SettlerEvents;
  }) {
    this.#db = parts.db;
    this.#billing = parts.billing;
    this.#meter = parts.meter;
    this.#clock = parts.clock;
    this.#log = parts.log;
    this.#events = parts.events;
    this.#metrics = parts.metrics;
  }

  /** Takes an answer whose stream has ended and whose text is all in the log. */
  add(generation: Generation): void {
    this.#waiting.push(generation);
    this.#working ??= this.#work();
  }

  /** Resolves when nothing waits any more. */
  async idle(): Promise<void> {
    while (this.#working !== undefined || this.#announcing.size > 0) {
      await this.#working;
      await Promise.all(this.#announcing);
    }
  }

  async #work(): Promise<void> {
    // One turn of the event loop later, so that answers that end together are settled together.
    await new Promise<void>((resolve) => setImmediate(resolve));
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, MAX_BATCH);
      const suspects = batch.filter((generation) => this.#suspects.has(generation));
      const others = suspects.length === 0 ? batch : batch.filter((generation) => !suspects.includes(generation));
      if (others.length > 0) await this.#settle(others);
      for (const suspect of suspects) await this.#settle([suspect]);
    }
    this.#working = undefined;
  }

  async #settle(batch: Generation[]): Promise<void> {
    try {
      const closings = await this.#close(batch);
      const outcome = await this.#db.asServiceByKey((tx) => this.#store(tx, closings));
      const announcing = this.#announceBooked(closings, outcome).finally(() => this.#announcing.delete(announcing));
      this.#announcing.add(announcing);
    } catch (error) {
      await this.#recover(batch, error);
    }
  }

  /** The next answers are stored in the meantime. What is stored is announced in the end, whatever fails on the way. */
  async #announceBooked(closings: Closing[], outcome: Outcome): Promise<void> {
    let settled: Settled[];
    try {
      settled = await this.#billing.booked(outcome.charges);
    } catch (error) {
      this.#log.error({ error, answers: closings.length }, 'answers could not be booked; trying again');
      await new Promise<void>((resolve) => void this.#clock.after(RETRY_MS, resolve));
      return this.#announceBooked(closings, outcome);
    }
    const byGeneration = new Map(settled.map((one) => [one.generationId, one]));
    for (const closing of closings) this.#announce(closing, outcome, byGeneration.get(closing.generation.key));
  }

  async #recover(batch: Generation[], error: unknown): Promise<void> {
    const [first] = batch;
    if (isOutage(error)) {
      this.#metrics.settlementFailed('retried');
      this.#log.error({ error, answers: batch.length }, 'answers could not be settled; trying again');
      this.#clock.after(RETRY_MS, () => this.#retry(batch));
    } else if (batch.length > 1) {
      // One of them cannot be stored: each half on its own, until it is found. It must not hold up the rest.
      const half = Math.ceil(batch.length / 2);
      await this.#settle(batch.slice(0, half));
      await this.#settle(batch.slice(half));
    } else if (first !== undefined) {
      this.#suspect(first, error);
    }
  }

  #suspect(generation: Generation, error: unknown): void {
    const tries = (this.#suspects.get(generation) ?? 0) + 1;
    const facts = { error, generationId: generation.key, tries };
    if (tries < MAX_TRIES) {
      this.#suspects.set(generation, tries);
      this.#metrics.settlementFailed('retried');
      this.#log.error(facts, 'an answer could not be settled; trying again');
      const pauseMs = Math.min(RETRY_MS * 2 ** (tries - 1), LONGEST_PAUSE_MS);
      this.#clock.after(pauseMs, () => this.#retry([generation]));
      return;
    }
    this.#suspects.delete(generation);
    this.#metrics.settlementFailed('given_up');
    this.#log.error(facts, 'an answer cannot be settled; the next start of a gateway tries it again');
    this.#events.abandoned(generation);
  }

  #retry(generations: readonly Generation[]): void {
    this.#waiting.push(...generations.filter((generation) => !generation.settled));
    this.#working ??= this.#work();
  }

  /** Counts what the provider did not count. */
  async #close(batch: Generation[]): Promise<Closing[]> {
    const uncounted = batch.filter((generation) => generation.end?.usage === undefined && generation.text !== '');
    const counts = new Map<Generation, number>();
    for (const model of new Set(uncounted.map((generation) => generation.facts.model))) {
      const ofModel = uncounted.filter((generation) => generation.facts.model === model);
      const counted = await this.#meter.count(
        model,
        ofModel.map((generation) => generation.text),
      );
      for (const [index, generation] of ofModel.entries()) counts.set(generation, counted[index] ?? 0);
    }
    const at = new Date(this.#clock.now());
    return batch.map((generation) => toClosing(generation, counts.get(generation) ?? 0, at));
  }

  async #store(tx: Tx, closings: Closing[]): Promise<Outcome> {
    const ended = await generations.endRunning(tx, closings.map(toOutcome));
    const ours = closings.filter((closing) => ended.has(closing.generation.key));
    const [, revisions, charges] = await Promise.all([
      insertAnswers(tx, ours.filter(hasText).map(toAnswer)),
      generations.moveHeads(tx, ours.map(toMove)),
      this.#billing.settle(tx, ours.map(toSettlement)),
    ]);
    return { ended, revisions, charges };
  }

  #announce(closing: Closing, outcome: Outcome, settled: Settled | undefined): void {
    const { generation } = closing;
    const { conversationId, messageId } = generation.facts;
    generation.settled = true;
    this.#suspects.delete(generation);
    if (!outcome.ended.has(generation.key)) {
      this.#events.superseded(generation);
      return;
    }
    const { entry } = settled ?? {};
    this.#events.settled(
      generation,
      {
        conversationId,
        generationId: generation.key,
        messageId: hasText(closing) ? messageId : null,
        finishReason: closing.finishReason,
        usage: { tokensIn: closing.tokensIn, tokensOut: closing.tokensOut },
        ledger: entry === undefined ? null : { shard: entry.shard, seq: entry.seq, hash: entry.hash },
        length: generation.text.length,
        revision: outcome.revisions.get(conversationId) ?? 0,
        ...(closing.error === undefined ? {} : { error: closing.error }),
      },
      entry === undefined ? undefined : settled?.balance,
    );
  }
}

/** Rows of one transaction; what waits longer goes into the next one, while the ledger books this one. */
const MAX_BATCH = 128;

type Outcome = { ended: Set<string>; revisions: Map<string, number>; charges: Charge[] };

const hasText = ({ generation }: Closing): boolean => generation.text !== '';

function toClosing(generation: Generation, counted: number, at: Date): Closing {
  const { end, text, facts } = generation;
  const finishReason = finishReasonOf(generation);
  // A failure before the first token costs nothing; everything else costs the prompt, and what was written.
  const free = text === '' && finishReason !== 'stopped' && finishReason !== 'stop' && finishReason !== 'length';
  const tokensOut = free ? 0 : (end?.usage?.tokensOut ?? counted);
  const tokensIn = free ? 0 : (end?.usage?.tokensIn ?? facts.promptTokens);
  return { generation, finishReason, error: end?.error, tokensIn, tokensOut, tokenCount: tokensOut, at };
}

function finishReasonOf({ end }: Generation): FinishReason {
  if (end === undefined) return 'interrupted';
  if (end.stopped) return 'stopped';
  return end.finishReason === 'aborted' ? 'interrupted' : end.finishReason;
}

function toOutcome(closing: Closing): generations.Outcome {
  const { generation, finishReason, error, tokensIn, tokensOut, at } = closing;
  const { generationId, epoch } = generation.facts;
  return { generationId, epoch, finishReason, errorCode: error?.code ?? null, tokensIn, tokensOut, endedAt: at };
}

function toAnswer(closing: Closing): NewAnswer {
  const { generation, finishReason, tokensIn, tokensOut, tokenCount, at } = closing;
  const { messageId, conversationId, userId, parentId, generationId, sourceRefs } = generation.facts;
  const { text } = generation;
  return {
    id: messageId,
    conversationId,
    userId,
    parentId,
    text,
    tokenCount,
    generationId,
    finishReason,
    tokensIn,
    tokensOut,
    sourceRefs,
    createdAt: at,
  };
}

function toMove(closing: Closing): generations.HeadMove {
  const { conversationId, parentId, messageId } = closing.generation.facts;
  return { conversationId, parentId, messageId: hasText(closing) ? messageId : null, at: closing.at };
}

function toSettlement(closing: Closing) {
  const { generationId, userId, payeeUserId, conversationId, messageId, firstTurn } = closing.generation.facts;
  const { tokensIn, tokensOut, at } = closing;
  return {
    generationId,
    userId,
    payeeUserId,
    conversationId,
    messageId: hasText(closing) ? messageId : null,
    tokensIn,
    tokensOut,
    newConversation: firstTurn,
    atMs: at.getTime(),
  };
}
