/**
 * Ends answers: the message, the settlement, the usage and the entry of the ledger in one transaction, for all answers that end
 * while the transaction before is under way. Announces after the commit. Ends each generation once, whoever else tries.
 */

import * as generations from '../../db/chat/generations.ts';
import { insertAnswers, type NewAnswer } from '../../db/chat/messages.ts';
import type { Database, Tx } from '../../db/client.ts';
import type { FinishReason } from '../../protocol/chat.ts';
import type { DownBody } from '../../protocol/down.ts';
import type { ErrorCode } from '../../protocol/error-code.ts';
import type { Clock } from '../clock.ts';
import type { Generation } from './generation.ts';
import type { Billing, ChatLog, Settled, TokenMeter } from './needs.ts';

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
  /** Committed. `balance` is the payer's, undefined when nothing was charged. */
  settled(generation: Generation, done: DoneBody, balance: number | undefined): void;
  /** It had been ended elsewhere. */
  superseded(generation: Generation): void;
};

const RETRY_MS = 500;

export class Settler {
  readonly #db: Database;
  readonly #billing: Billing;
  readonly #meter: TokenMeter;
  readonly #clock: Clock;
  readonly #log: ChatLog;
  readonly #events: SettlerEvents;
  #waiting: Generation[] = [];
  #working: Promise<void> | undefined;

  constructor(parts: {
    db: Database;
    billing: Billing;
    meter: TokenMeter;
    clock: Clock;
    log: ChatLog;
    events: SettlerEvents;
  }) {
    this.#db = parts.db;
    this.#billing = parts.billing;
    this.#meter = parts.meter;
    this.#clock = parts.clock;
    this.#log = parts.log;
    this.#events = parts.events;
  }

  /** Takes an answer whose stream has ended and whose text is all in the log. */
  add(generation: Generation): void {
    this.#waiting.push(generation);
    this.#working ??= this.#work();
  }

  /** Resolves when nothing waits any more. */
  async idle(): Promise<void> {
    while (this.#working !== undefined) await this.#working;
  }

  async #work(): Promise<void> {
    // One turn of the event loop later, so that answers that end together are settled together.
    await new Promise<void>((resolve) => setImmediate(resolve));
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, MAX_BATCH);
      await this.#settle(batch);
    }
    this.#working = undefined;
  }

  async #settle(batch: Generation[]): Promise<void> {
    try {
      const closings = await this.#close(batch);
      const outcome = await this.#db.asService((tx) => this.#store(tx, closings));
      for (const closing of closings) this.#announce(closing, outcome);
    } catch (error) {
      this.#log.error(
        { error, generations: batch.map((generation) => generation.key) },
        'answers could not be settled; trying again',
      );
      // One at a time from now on, so that one that cannot be stored does not hold up the rest. Their text is in the live log.
      for (const generation of batch) this.#clock.after(RETRY_MS, () => this.#retry(generation));
    }
  }

  #retry(generation: Generation): void {
    if (generation.settled) return;
    this.#waiting.push(generation);
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
    const [, revisions, settled] = await Promise.all([
      insertAnswers(tx, ours.filter(hasText).map(toAnswer)),
      generations.moveHeads(tx, ours.map(toMove)),
      this.#billing.settle(tx, ours.map(toSettlement)),
    ]);
    await generations.noteLedger(
      tx,
      settled.flatMap(({ generationId, entry }) => (entry === undefined ? [] : [{ generationId, ...entry }])),
    );
    return { ended, revisions, settled: new Map(settled.map((one) => [one.generationId, one])) };
  }

  #announce(closing: Closing, outcome: Outcome): void {
    const { generation } = closing;
    const { conversationId, messageId } = generation.facts;
    generation.settled = true;
    if (!outcome.ended.has(generation.key)) {
      this.#events.superseded(generation);
      return;
    }
    const settled = outcome.settled.get(generation.key);
    const { entry } = settled ?? {};
    this.#events.settled(
      generation,
      {
        conversationId,
        generationId: generation.key,
        messageId: hasText(closing) ? messageId : null,
        finishReason: closing.finishReason,
        usage: { tokensIn: closing.tokensIn, tokensOut: closing.tokensOut },
        ledger: entry === undefined ? null : { seq: entry.seq, hash: entry.hash },
        length: generation.text.length,
        revision: outcome.revisions.get(conversationId) ?? 0,
        ...(closing.error === undefined ? {} : { error: closing.error }),
      },
      entry === undefined ? undefined : settled?.balance,
    );
  }
}

/** Rows of one transaction; what waits longer goes into the next one. */
const MAX_BATCH = 256;

type Outcome = { ended: Set<string>; revisions: Map<string, number>; settled: Map<string, Settled> };

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
