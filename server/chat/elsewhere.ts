/**
 * What other gateways did, for users and readers who are connected to this one: news are passed on, and the end of an answer comes
 * behind its whole text, and once, also where this gateway had been held for dead and has missed all of it.
 */
import { findStandings } from '../../db/chat/conversations.ts';
import type { Database } from '../../db/client.ts';
import type { LiveStore } from '../../db/live/live-store.ts';
import type { RunningGeneration } from '../../protocol/chat.ts';
import type { Push } from '../../protocol/down.ts';
import type { Clock } from '../clock.ts';
import type { Peer } from '../peer.ts';
import { type Audience, deliver } from './audience.ts';
import { findDone, findEnded } from './ended-elsewhere.ts';
import type { Generation } from './generation.ts';
import type { GenerationHub } from './hub.ts';
import type { Billing, ChatLog } from './needs.ts';
import type { RemoteGenerations } from './remote-generations.ts';
import type { DoneBody } from './settler.ts';
import type { TurnContexts } from './turn-contexts.ts';

type Parts = {
  db: Database;
  live: Pick<LiveStore, 'readLog'>;
  billing: Pick<Billing, 'findPaid' | 'whenBooked' | 'balanceIn'>;
  hub: GenerationHub;
  remote: RemoteGenerations;
  audience: Audience;
  contexts: TurnContexts;
  clock: Clock;
  log: ChatLog;
};

const TRY_AGAIN_MS = 1_000;
/** Five minutes. Clients that are still waiting then find out when they attach again. */
const MAX_TRIES = 300;

export class Elsewhere {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /**
   * News of another gateway for a user who is connected here. What fails because a store is away is tried again: the news come
   * once, and whoever reads the answer would wait for its end for ever.
   */
  async passOn(userId: string, push: Push): Promise<void> {
    const { audience, contexts } = this.#parts;
    forgetContext(contexts, push);
    if (push.type === 'chat.done') return this.#untilDone(() => this.#tellDone(userId, push));
    audience.tellHere(userId, push);
    if (push.type === 'chat.message' && push.body.generation !== null) {
      const { message, generation } = push.body;
      await this.#untilDone(() => this.#readAlong(userId, message.conversationId, generation));
    }
  }

  async #tellDone(userId: string, push: Push & { type: 'chat.done' }): Promise<void> {
    const { hub, audience } = this.#parts;
    const generation = await this.#finishHere(push.body);
    if (hub.findFinished(push.body.generationId) !== undefined) return;
    if (generation !== undefined) hub.keepFinished(generation, push);
    audience.tellHere(userId, push);
  }

  /** An answer has begun there, and who is attached here reads along; or hears of its end, if it has ended meanwhile. */
  async #readAlong(userId: string, conversationId: string, begun: RunningGeneration): Promise<void> {
    const { remote, audience } = this.#parts;
    if (!audience.isRead(conversationId)) return;
    const generation = await remote.find(begun.generationId);
    if (generation !== undefined) audience.beginWholeStream(generation, begun.epoch);
    else await this.#tellEndOf(userId, begun.generationId);
  }

  /** A command that came again: its sender reads the answer from the beginning, whoever writes it, or wrote it. */
  async rejoin(peer: Peer, userId: string, generationId: string): Promise<void> {
    const { hub, remote } = this.#parts;
    await this.#untilDone(async () => {
      const finished = hub.findFinished(generationId);
      const written = hub.find(generationId) ?? finished?.generation ?? (await remote.find(generationId));
      if (written === undefined) await this.#tellEndOf(userId, generationId, peer);
      else deliver(peer, written, { epoch: written.epoch, seq: -1, offset: 0 }, finished?.done);
    });
  }

  async #untilDone(work: () => Promise<void>): Promise<void> {
    const { clock, log } = this.#parts;
    for (let tries = 1; ; tries++) {
      try {
        return await work();
      } catch (error) {
        if (tries === MAX_TRIES) throw error;
        log.warn({ error }, 'news of another gateway could not be passed on; trying again');
        await new Promise<void>((resolve) => void clock.after(TRY_AGAIN_MS, resolve));
      }
    }
  }

  /** An answer of this gateway was taken over, and may have ended before its readers could be turned to the new owner. */
  tellMissedEnd(generation: Generation): Promise<void> {
    return this.#tellEndOf(generation.facts.userId, generation.key);
  }

  /** Of a turn that was written and that nobody heard of: who has not got it attaches again. */
  async tellStanding(userId: string, conversationId: string): Promise<void> {
    const { db, audience, contexts } = this.#parts;
    contexts.forget(conversationId);
    for (const { revision, deleted } of await db.asService((tx) => findStandings(tx, [conversationId])))
      if (!deleted) audience.tell(userId, { type: 'chat.selected', body: { conversationId, revision } });
  }

  /** @param only the one who does not know of it yet; otherwise everybody here. */
  async #tellEndOf(userId: string, generationId: string, only?: Peer): Promise<void> {
    const { db, billing } = this.#parts;
    await billing.whenBooked(generationId);
    const ended = await db.asService((tx) => findDone(tx, billing, generationId));
    if (ended === undefined) return;
    const push: Push = { type: 'chat.done', body: ended.done };
    if (only === undefined) await this.passOn(userId, push);
    else only.push(push);
  }

  /** Ended by somebody else; or by this gateway, with a commit that was never acknowledged. */
  async announceSuperseded(generation: Generation): Promise<void> {
    const { db, billing, hub } = this.#parts;
    await billing.whenBooked(generation.key);
    const { ended, balance } = await db.asService(async (tx) => ({
      ended: await findDone(tx, billing, generation.key),
      balance: await billing.balanceIn(tx, generation.facts.userId),
    }));
    if (ended?.epoch === generation.epoch) hub.finish(generation, ended.done, balance);
    else hub.lose(generation);
  }

  /** Readers here have followed it to its end; or they get what stands in the log. */
  async #finishHere(done: DoneBody): Promise<Generation | undefined> {
    const { db, live, billing, hub, remote, audience } = this.#parts;
    const { generationId, conversationId: id, revision } = done;
    await hub.turned(generationId);
    const taken = hub.find(generationId);
    if (taken !== undefined) hub.forget(taken); // Ended before this gateway noticed that it is another's.
    const followed = await remote.finish(done);
    if (followed !== undefined || !audience.isRead(id) || hub.findFinished(generationId) !== undefined) return followed;
    const ended = await db.asService((tx) => findEnded(tx, billing, live, { id, revision }, generationId));
    if (ended === undefined || hub.findFinished(generationId) !== undefined) return undefined;
    audience.restartStream(ended.generation);
    return ended.generation;
  }
}

/** The conversation has changed there. A turn would find out by itself, in vain once. */
function forgetContext(contexts: TurnContexts, push: Push): void {
  if (push.type === 'chat.message') contexts.forget(push.body.message.conversationId);
  else if (push.type === 'chat.done' || push.type === 'chat.selected' || push.type === 'chat.conversation_deleted')
    contexts.forget(push.body.conversationId);
}
