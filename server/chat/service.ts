/**
 * Conversations as their owner uses them: open, attach, read back, select branches, stop, delete, and ask why an answer was given.
 * Starting answers is the part of `turns.ts`. Refuses conversations of others by not finding them.
 */

import * as conversations from '../../db/chat/conversations.ts';
import * as generations from '../../db/chat/generations.ts';
import * as messages from '../../db/chat/messages.ts';
import type { ConversationRow, GenerationRow } from '../../db/chat/rows.ts';
import { findViews, type ViewWish } from '../../db/chat/views.ts';
import type { Database } from '../../db/client.ts';
import type { LiveStore } from '../../db/live/live-store.ts';
import { uuidv7 } from '../../db/uuid.ts';
import type { Push } from '../../protocol/down.ts';
import type { UpBody, UpReply } from '../../protocol/up.ts';
import type { Clock } from '../clock.ts';
import { AppError } from '../errors.ts';
import type { Caller } from '../peer.ts';
import { type Audience, deliver } from './audience.ts';
import { decodePlace, encodePlace } from './conversation-place.ts';
import { findEnded } from './ended-elsewhere.ts';
import type { GatewayCalls } from './gateway-calls.ts';
import type { Generation } from './generation.ts';
import type { GenerationHub } from './hub.ts';
import { toConversation, toPage } from './messages.ts';
import type { Billing, MemoryAccess } from './needs.ts';
import type { RemoteGenerations } from './remote-generations.ts';
import { SharedReads } from './shared-reads.ts';
import type { TurnContexts } from './turn-contexts.ts';
import type { TurnMaterials } from './turn-materials.ts';
import { Typing } from './typing.ts';
import type { UserNews } from './user-news.ts';

const PAGE = 50;
const LIST_PAGE = 30;
/** A conversation changes while it is read only in a race with an ending answer; it settles after a moment. */
const READ_TRIES = 5;

type Parts = {
  db: Database;
  live: Pick<LiveStore, 'readLog'>;
  billing: Pick<Billing, 'findPaid' | 'whenBooked'>;
  hub: GenerationHub;
  remote: RemoteGenerations;
  calls: GatewayCalls;
  news: UserNews;
  audience: Audience;
  materials: TurnMaterials;
  contexts: TurnContexts;
  memory: Pick<MemoryAccess, 'forgetConversation'>;
  clock: Clock;
};
type Read = Readonly<{ conversation: ConversationRow; messages: UpReply<'chat.history'> }>;
type View = Read & { running: Generation | undefined };
type Finished = { generation: Generation; done: Push };

/** A take-over reads the stored text and asks the model: some tenths of a second. */
const STOP_AGAIN_MS = 500;

export class ChatService {
  readonly #parts: Parts;
  readonly #typing: Typing;
  readonly #reads: SharedReads<ViewWish, Read | undefined>;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#typing = new Typing(parts.audience, parts.clock);
    this.#reads = new SharedReads(
      ({ userId, conversationId, limit }) => `${userId} ${conversationId} ${limit}`,
      (take) => readViews(parts.db, take),
    );
  }

  /** @throws AppError `chat.kind_unavailable`, `companion.avatar_not_found`. */
  async open(caller: Caller, body: UpBody<'chat.open'>): Promise<UpReply<'chat.open'>> {
    const { db, materials, contexts, audience, clock } = this.#parts;
    const { avatarId, kind } = body;
    if (kind !== 'conversation' || body.characterId !== undefined)
      throw new AppError('chat.kind_unavailable', { field: 'kind', expected: 'conversation' });
    if (avatarId === undefined) throw AppError.invalid('avatarId', 'the id of an avatar');
    const avatar = await materials.getAvatar(avatarId, caller.userId);
    const lang = body.lang ?? avatar.lang;
    const { id, revision } = await db.asUser(caller.userId, async (tx) => {
      const empty = await conversations.findEmpty(tx, caller.userId, avatarId, kind, lang);
      if (empty !== undefined) return empty;
      const startedAt = new Date(clock.now());
      const row = { id: uuidv7(clock.now()), userId: caller.userId, avatarId, kind, lang, startedAt };
      await conversations.insertConversation(tx, row);
      return { id: row.id, revision: 0 };
    });
    materials.noteAvatar(id, caller.userId, avatarId);
    contexts.note({
      conversationId: id,
      userId: caller.userId,
      avatarId,
      lang,
      revision,
      headMessageId: null,
      turns: [],
    });
    audience.attach(id, caller.peer);
    return { conversationId: id, revision };
  }

  async list(caller: Caller, body: UpBody<'chat.list_conversations'>): Promise<UpReply<'chat.list_conversations'>> {
    const limit = body.limit ?? LIST_PAGE;
    const page = {
      userId: caller.userId,
      avatarId: body.avatarId ?? null,
      before: body.before === undefined ? null : decodePlace(body.before),
      limit: limit + 1,
    };
    const rows = await this.#parts.db.asUser(caller.userId, (tx) => conversations.listConversations(tx, page));
    const shown = rows.slice(0, limit);
    const last = shown.at(-1);
    return {
      conversations: shown.map(toConversation),
      nextBefore: rows.length > limit && last !== undefined ? encodePlace(last) : null,
    };
  }

  async attach(caller: Caller, body: UpBody<'chat.attach'>): Promise<UpReply<'chat.attach'>> {
    const { hub, audience, materials, news } = this.#parts;
    const { conversationId, after } = body;
    await news.ready(caller.userId);
    const { conversation, messages: page, running, finished } = await this.#readToAttach(caller.userId, body);
    // From here on in one piece: what is read now and what is pushed next join without a gap.
    materials.noteAvatar(conversationId, caller.userId, conversation.avatarId);
    audience.attach(conversationId, caller.peer);
    const resumed = running?.key === after?.generationId ? running : finished?.generation;
    const sameEpoch = after?.epoch === undefined || after.epoch === resumed?.facts.epoch;
    const from = after !== undefined && sameEpoch ? resumed?.cursorAfter(after.seq) : undefined;
    if (resumed !== undefined && from !== undefined) {
      setImmediate(() =>
        deliver(caller.peer, resumed, { ...from }, finished?.done ?? hub.findFinished(resumed.key)?.done),
      );
    } else if (running !== undefined) {
      const here = running.cursor();
      setImmediate(() => deliver(caller.peer, running, here, hub.findFinished(running.key)?.done));
    }
    const described = running?.describe() ?? null;
    return {
      conversation: toConversation(conversation),
      ...page,
      generation: described !== null && from !== undefined ? { ...described, seq: from.seq, text: '' } : described,
      resumed: from !== undefined,
    };
  }

  detach(caller: Caller, conversationId: string): Record<string, never> {
    const running = this.#parts.hub.findByConversation(conversationId);
    if (running !== undefined) caller.peer.removeStream(running.key);
    this.#parts.audience.detach(conversationId, caller.peer);
    return {};
  }

  typing(caller: Caller, conversationId: string): Record<string, never> {
    this.#typing.note(caller, conversationId);
    return {};
  }

  /**
   * @throws AppError `chat.generation_not_found` for an answer of somebody else as well; `busy` when the gateway that writes it
   *   does not respond.
   */
  async stop(caller: Caller, generationId: string): Promise<{ stopped: boolean }> {
    const { hub, calls } = this.#parts;
    const running = hub.find(generationId);
    if (running !== undefined && running.facts.userId === caller.userId) return { stopped: hub.stop(running) };
    const row = await this.#getGeneration(caller, generationId);
    if (row.state === 'ended') return { stopped: false };
    const answer = hub.owns(row.owner) ? false : await calls.call(row.owner, { kind: 'stop', generationId });
    if (answer !== false) return { stopped: answer === true };
    // Nobody writes it at this moment: it has just ended, or it is being taken over and its text is still being read.
    const again = await this.#getGeneration(caller, generationId);
    if (again.state === 'ended') return { stopped: false };
    throw new AppError('busy', { retryAfterMs: STOP_AGAIN_MS }, 'The answer is being taken over by another server.');
  }

  async select(caller: Caller, body: UpBody<'chat.select'>): Promise<UpReply<'chat.select'>> {
    const { db, audience } = this.#parts;
    const limit = body.limit ?? PAGE;
    const reply = await db.asUser(caller.userId, async (tx) => {
      const target = await messages.findMessage(tx, body.messageId);
      if (target === undefined) throw new AppError('chat.message_not_found');
      const { conversationId } = target;
      const conversation = await getConversation(await conversations.lockConversation(tx, conversationId));
      if (body.expectedRevision !== undefined && body.expectedRevision !== conversation.revision) {
        throw new AppError('chat.revision_conflict', { revision: conversation.revision });
      }
      const end = await messages.newestEnd(tx, conversationId, target.id);
      const unchanged = end === conversation.headMessageId;
      const revision = unchanged ? conversation.revision : await conversations.moveHead(tx, conversationId, end);
      return {
        conversationId,
        revision,
        unchanged,
        ...toPage(await messages.branchUp(tx, conversationId, end, limit)),
      };
    });
    const { unchanged, ...answer } = reply;
    const { conversationId, revision } = answer;
    if (!unchanged) this.#parts.contexts.forget(conversationId);
    if (!unchanged)
      audience.tell(caller.userId, { type: 'chat.selected', body: { conversationId, revision } }, caller.peer);
    return answer;
  }

  async history(caller: Caller, body: UpBody<'chat.history'>): Promise<UpReply<'chat.history'>> {
    const { db } = this.#parts;
    const limit = body.limit ?? PAGE;
    if (body.before == null) return (await this.#read(caller.userId, body.conversationId, limit)).messages;
    const { before: beforeId } = body;
    return db.asUser(caller.userId, async (tx) => {
      await getConversation(await conversations.findConversation(tx, body.conversationId));
      const before = await messages.findMessage(tx, beforeId);
      if (before === undefined || before.conversationId !== body.conversationId)
        throw new AppError('chat.message_not_found', { field: 'before' });
      if (before.parentId === null) return { messages: [], nextBefore: null };
      return toPage(await messages.branchUp(tx, body.conversationId, before.parentId, limit));
    });
  }

  /** @throws AppError `busy` when the gateway that writes its answer does not respond; nothing has happened then. */
  async delete(caller: Caller, conversationId: string): Promise<Record<string, never>> {
    const { db, audience, contexts, memory, clock } = this.#parts;
    const { runningGenerationId: stoppedId } = await db.asUser(caller.userId, async (tx) =>
      getConversation(await conversations.findConversation(tx, conversationId)),
    );
    if (stoppedId !== null) await this.stop(caller, stoppedId);
    const runningId = await db.asUser(caller.userId, async (tx) => {
      const { runningGenerationId } = await getConversation(await conversations.lockConversation(tx, conversationId));
      await conversations.softDelete(tx, conversationId, new Date(clock.now()));
      return runningGenerationId;
    });
    contexts.forget(conversationId);
    await memory.forgetConversation(caller.userId, conversationId);
    audience.tell(caller.userId, { type: 'chat.conversation_deleted', body: { conversationId } }, caller.peer);
    // One that began in between.
    if (runningId !== null && runningId !== stoppedId) await this.stop(caller, runningId);
    return {};
  }

  async #getGeneration(caller: Caller, generationId: string): Promise<GenerationRow> {
    const row = await this.#parts.db.asUser(caller.userId, (tx) => generations.findGeneration(tx, generationId));
    if (row === undefined) throw new AppError('chat.generation_not_found');
    return row;
  }

  /** The answer that a reader has part of, if it has ended and is still kept. */
  async #findFinished(
    userId: string,
    conversation: ConversationRow,
    generationId: string,
  ): Promise<Finished | undefined> {
    const { hub, db, live, billing } = this.#parts;
    const kept = hub.findFinished(generationId);
    // Asked by id alone: an answer of another conversation, so of another user as well, is not for this reader.
    if (kept !== undefined) return kept.generation.facts.conversationId === conversation.id ? kept : undefined;
    await billing.whenBooked(generationId);
    const ended = await db.asUser(userId, (tx) => findEnded(tx, billing, live, conversation, generationId));
    return ended === undefined
      ? undefined
      : { generation: ended.generation, done: { type: 'chat.done', body: ended.done } };
  }

  /** What is told of the conversation while it is read is told to somebody who is not attached yet: then it is read again. */
  async #readToAttach(
    userId: string,
    { conversationId, after, limit = PAGE }: UpBody<'chat.attach'>,
  ): Promise<View & { finished: Finished | undefined }> {
    const watch = this.#parts.audience.watch(conversationId);
    try {
      for (let tries = 1; ; tries++) {
        watch.changed = false;
        const view = await this.#readStable(userId, conversationId, limit);
        const isOver = after !== undefined && view.running?.key !== after.generationId;
        const finished = isOver ? await this.#findFinished(userId, view.conversation, after.generationId) : undefined;
        if (!watch.changed || tries === READ_TRIES) return { ...view, finished };
      }
    } finally {
      watch.end();
    }
  }

  /** @throws AppError `chat.conversation_not_found`. */
  async #read(userId: string, conversationId: string, limit: number): Promise<Read> {
    const read = await this.#reads.read({ userId, conversationId, limit });
    if (read === undefined) throw new AppError('chat.conversation_not_found');
    return read;
  }

  /** Reads until the rows and whoever writes agree on which answer is being written, so that none falls between the two. */
  async #readStable(userId: string, conversationId: string, limit: number): Promise<View> {
    const { hub, remote, billing } = this.#parts;
    for (let tries = 1; ; tries++) {
      const read = await this.#read(userId, conversationId, limit);
      const expected = read.conversation.runningGenerationId;
      const here = hub.findByConversation(conversationId);
      if (here !== undefined ? here.key === expected : expected === null) return { ...read, running: here };
      // Stored, and not yet in the ledger: a moment later it is announced, and is no running answer for this gateway either.
      if (here !== undefined && expected === null) await billing.whenBooked(here.key);
      const elsewhere = here === undefined && expected !== null ? await remote.find(expected) : undefined;
      if (elsewhere !== undefined || tries === READ_TRIES) return { ...read, running: elsewhere };
    }
  }
}

async function readViews(db: Database, take: () => ViewWish[]): Promise<(Read | undefined)[]> {
  const views = await db.inOneStatement(async (statement) => {
    const wishes = take();
    return wishes.length === 0 ? [] : findViews(statement, wishes);
  });
  return views.map((view) => view && { conversation: view.conversation, messages: toPage(view.messages) });
}

async function getConversation(row: ConversationRow | undefined): Promise<ConversationRow> {
  if (row === undefined) throw new AppError('chat.conversation_not_found');
  return row;
}
