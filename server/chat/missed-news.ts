/**
 * The way to the live store was lost and is back: what other gateways told meanwhile was not heard here. Every reader is told how his
 * conversation stands now; who has missed something attaches again, the others have nothing to do.
 */
import { findStandings } from '../../db/chat/conversations.ts';
import type { Database } from '../../db/client.ts';
import type { Clock } from '../clock.ts';
import type { Audience } from './audience.ts';
import type { ChatLog, ChatMetrics } from './needs.ts';
import type { TurnContexts } from './turn-contexts.ts';

type Parts = {
  db: Database;
  audience: Audience;
  contexts: TurnContexts;
  clock: Clock;
  log: ChatLog;
  metrics: ChatMetrics;
};

/** Conversations that are asked for with one statement. */
const AT_ONCE = 500;
const TRY_AGAIN_MS = 1_000;

export class MissedNews {
  readonly #parts: Parts;
  #catchingUp: Promise<void> | undefined;
  #again = false;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** The way was lost, and is back. */
  catchUp(): void {
    this.#parts.metrics.newsMissed();
    this.#begin();
  }

  /** Once more when it is asked for while it works. */
  #begin(): void {
    if (this.#catchingUp !== undefined) {
      this.#again = true;
      return;
    }
    this.#catchingUp = this.#tellStandings()
      .catch((error: unknown) => {
        const { clock, log } = this.#parts;
        log.warn({ error }, 'readers could not be told what they may have missed; trying again');
        clock.after(TRY_AGAIN_MS, () => this.#begin());
      })
      .finally(() => {
        this.#catchingUp = undefined;
        if (!this.#again) return;
        this.#again = false;
        this.#begin();
      });
  }

  async #tellStandings(): Promise<void> {
    const { db, audience, contexts } = this.#parts;
    const ids = audience.readConversations();
    for (let at = 0; at < ids.length; at += AT_ONCE) {
      const some = ids.slice(at, at + AT_ONCE);
      for (const { id: conversationId, revision, deleted } of await db.asServiceAtOnce((tx) =>
        findStandings(tx, some),
      )) {
        contexts.forget(conversationId);
        if (deleted) audience.tellReaders({ type: 'chat.conversation_deleted', body: { conversationId } });
        else audience.tellReaders({ type: 'chat.selected', body: { conversationId, revision } });
      }
    }
  }
}
