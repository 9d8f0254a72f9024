/**
 * Starts answers: stores the user's message and the generation, holds what it may cost, and asks the model. The same command sent
 * twice starts one answer. Refuses a second answer while one is being written in the conversation.
 *
 * Nothing is locked while a turn is put together: it is made from the conversation as it is known, from memory where the last turn
 * was here, and the one statement that writes it compares the revision. Who was overtaken reads again.
 */
import * as conversations from '../../db/chat/conversations.ts';
import * as messages from '../../db/chat/messages.ts';
import type { MessageRow, TurnRow } from '../../db/chat/rows.ts';
import { isFull, isOvertaken } from '../../db/chat/turns.ts';
import type { Database } from '../../db/client.ts';
import { uuidv7 } from '../../db/uuid.ts';
import { MAX_BRANCHES } from '../../protocol/primitives.ts';
import type { UpBody } from '../../protocol/up.ts';
import type { Clock } from '../clock.ts';
import { AppError } from '../errors.ts';
import type { ChatModel } from '../llm/model.ts';
import type { Caller, Peer } from '../peer.ts';
import type { Audience } from './audience.ts';
import { type ComposedTurn, toNewTurn } from './composed-turn.ts';
import { Generation, type GenerationFacts } from './generation.ts';
import { HoldAhead, isAmple } from './hold-ahead.ts';
import type { GenerationHub } from './hub.ts';
import { toMessage } from './messages.ts';
import type { Billing, ChatLog, MemoryAccess, PartnerAvatar, Partners, TokenMeter } from './needs.ts';
import { assemblePrompt, promptBound, toRequest } from './prompt.ts';
import { RunningPlace, RunningPlaces } from './running-places.ts';
import type { TurnContext, TurnContexts } from './turn-contexts.ts';
import { checkClientMessageId, checkText, fits, type Intent, type Started, tooManyBranches } from './turn-intent.ts';
import type { Gathered, TurnMaterials } from './turn-materials.ts';
import { readPlace, type TurnPlace } from './turn-place.ts';
import { TurnStore } from './turn-store.ts';
import { WarmTurns } from './warm-turns.ts';

export type TurnOptions = {
  /** Name of this gateway among all; generations carry it. */
  owner: string;
  /** Whether tokens are held before the model is asked; 'free' refuses nobody. */
  billingMode: 'metered' | 'free';
  defaultMaxOutputTokens: number;
  historyTokens: number;
  maxTurns: number;
  memoryTokens: number;
};
type TurnParts = {
  db: Database;
  hub: GenerationHub;
  audience: Audience;
  model: ChatModel;
  partners: Partners;
  memory: MemoryAccess;
  meter: TokenMeter;
  billing: Billing;
  clock: Clock;
  log: ChatLog;
  materials: TurnMaterials;
  contexts: TurnContexts;
  /** What reads along where another gateway writes. */
  elsewhere: { rejoin(peer: Peer, userId: string, generationId: string): Promise<void> };
};

/** Each further try means that somebody else's command was carried out in between. */
const MAX_TRIES = 5;
const BUSY_RETRY_MS = 100;

export class Turns {
  readonly #parts: TurnParts;
  readonly #options: TurnOptions;
  readonly #store: TurnStore;
  readonly #warm = new WarmTurns();
  readonly #places: RunningPlaces;
  #draining = false;

  constructor(parts: TurnParts, options: TurnOptions) {
    this.#parts = parts;
    this.#options = options;
    this.#store = new TurnStore(parts, options.billingMode);
    const { hub } = parts;
    this.#places = new RunningPlaces((userId) => hub.countOf(userId), hub.maxRunningPerUser);
  }

  /** From now on new answers are refused with `draining`. */
  drain(): void {
    this.#draining = true;
  }

  async send(caller: Caller, body: UpBody<'chat.send'>): Promise<Started> {
    const { conversationId, clientMessageId, parentId } = body;
    const text = checkText(body.text);
    return this.#start(caller, conversationId, {
      text,
      textTokens: undefined,
      parentId,
      placeField: 'parentId',
      answerTo: undefined,
      clientMessageId,
      clientRequestId: undefined,
      expectedRevision: undefined,
    });
  }

  async edit(caller: Caller, body: UpBody<'chat.edit'>): Promise<Started> {
    const text = checkText(body.text);
    const original = await this.#getMessage(caller, body.messageId);
    if (original.role !== 'user')
      throw new AppError('chat.wrong_role', { field: 'messageId', expected: 'a message of the user' });
    return this.#start(caller, original.conversationId, {
      text,
      textTokens: undefined,
      parentId: original.parentId,
      placeField: 'messageId',
      answerTo: undefined,
      clientMessageId: body.clientMessageId,
      clientRequestId: undefined,
      expectedRevision: body.expectedRevision,
    });
  }

  async regenerate(caller: Caller, body: UpBody<'chat.regenerate'>): Promise<Started> {
    const target = await this.#getMessage(caller, body.messageId);
    const answerTo = target.role === 'user' ? target.id : target.parentId;
    if (answerTo === null) throw new AppError('chat.message_not_found');
    const question = target.role === 'user' ? target : await this.#getMessage(caller, answerTo);
    return this.#start(caller, target.conversationId, {
      text: question.text,
      textTokens: question.tokenCount,
      parentId: question.parentId,
      placeField: 'messageId',
      answerTo,
      clientMessageId: undefined,
      clientRequestId: body.clientMessageId,
      expectedRevision: body.expectedRevision,
    });
  }

  async #start(caller: Caller, conversationId: string, intent: Intent): Promise<Started> {
    if (this.#draining) throw new AppError('draining');
    checkClientMessageId(intent.clientMessageId ?? intent.clientRequestId);
    const place = new RunningPlace(this.#places, caller.userId);
    try {
      return await this.#startAt(place, caller, conversationId, intent);
    } finally {
      place.free();
    }
  }

  async #startAt(place: RunningPlace, caller: Caller, conversationId: string, intent: Intent): Promise<Started> {
    const warm = this.#warm;
    const { hub, memory, audience, contexts } = this.#parts;
    for (let other = warm.written(conversationId); other; other = warm.written(conversationId)) await other;
    const context = contexts.find(conversationId, caller.userId);
    // Who has no place left is answered from the database: the command may have been carried out before.
    const usable = context !== undefined && fits(context, intent) && !this.#places.isFull(caller.userId);
    const known = usable ? { ...context, running: null, branches: undefined } : undefined;
    // The workers find out what belongs to the turn while the database is read.
    const begin = async () => {
      const materials = await this.#gather(caller, conversationId, intent, known);
      return this.#begin(caller, conversationId, intent, { ...materials, place }, known);
    };
    const outcome = await (known === undefined ? begin() : warm.write(conversationId, begin));
    if (!('generation' in outcome)) {
      this.#rejoin(caller, conversationId, outcome.started.generationId);
      return outcome.started;
    }
    const { generation, started, userMessage } = outcome;
    audience.attach(conversationId, caller.peer);
    if (userMessage === undefined) {
      audience.tell(
        caller.userId,
        { type: 'chat.selected', body: { conversationId, revision: started.revision } },
        caller.peer,
      );
    } else {
      const body = { message: toMessage(userMessage), revision: started.revision, generation: generation.describe() };
      audience.tell(caller.userId, { type: 'chat.message', body }, caller.peer);
      memory.rememberTurn({ userId: caller.userId, conversationId, messageId: userMessage.id, text: userMessage.text });
    }
    hub.start(generation);
    return started;
  }

  /** Makes the turn from what is known, and from what is read as often as that was outdated. */
  async #begin(
    caller: Caller,
    conversationId: string,
    intent: Intent,
    materials: Materials & { place: RunningPlace },
    known: TurnPlace | undefined,
  ): Promise<Outcome> {
    const { db, contexts } = this.#parts;
    const where = { userId: caller.userId, conversationId, ...this.#options };
    const { ahead, place } = materials;
    try {
      for (let tries = 1; ; tries++) {
        const isFirst = tries === 1;
        const cached = isFirst ? known : undefined;
        const at = cached ?? (await db.asUserAtOnce(caller.userId, (tx) => readPlace(tx, where, intent)));
        if ('started' in at) return at;
        checkTurn(at, intent);
        place.take();
        try {
          return await this.#write(caller, at, intent, { ...materials, ahead: isFirst ? ahead : undefined });
        } catch (error) {
          const isRefused = isFull(error);
          if (!isRefused && !isOvertaken(error)) throw error;
          contexts.forget(conversationId);
          if (isRefused) throw tooManyBranches(intent);
          if (tries === MAX_TRIES) throw new AppError('busy', { retryAfterMs: BUSY_RETRY_MS });
          // The next try is another answer, whose prompt may be longer: what it may cost is held with it.
          await ahead?.giveBack();
        }
      }
    } finally {
      void ahead?.giveBack();
    }
  }

  /** A command that came again, perhaps over a new connection: its sender reads the answer from the beginning. */
  #rejoin(caller: Caller, conversationId: string, generationId: string): void {
    const { audience, elsewhere, log } = this.#parts;
    if (!audience.attach(conversationId, caller.peer)) return;
    // Behind the answer to the command.
    setImmediate(() =>
      elsewhere
        .rejoin(caller.peer, caller.userId, generationId)
        .catch((error: unknown) => log.warn({ error }, 'an answer that was asked for again cannot be read along')),
    );
  }

  async #gather(
    caller: Caller,
    conversationId: string,
    intent: Intent,
    known: TurnContext | undefined,
  ): Promise<Materials> {
    const { materials, db } = this.#parts;
    let avatarId = materials.avatarOf(conversationId, caller.userId);
    if (avatarId === undefined) {
      const conversation = await db.asUser(caller.userId, (tx) => conversations.findConversation(tx, conversationId));
      if (conversation === undefined || conversation.avatarId === null)
        throw new AppError('chat.conversation_not_found');
      avatarId = conversation.avatarId;
      materials.noteAvatar(conversationId, caller.userId, avatarId);
    }
    const avatar = await materials.getAvatar(avatarId, caller.userId);
    // Before the workers, which take longer to be asked than to answer.
    const ahead = known && this.#holdAhead(caller.userId, known, avatar, intent);
    const pending = this.#work(caller, avatar, intent);
    // Whoever fails before it asks for this answers with that failure.
    pending.catch(() => {});
    return { avatar, pending, ahead };
  }

  /** While the workers are busy; only where the turn is likely to be written as it is known. */
  #holdAhead(userId: string, known: TurnContext, avatar: PartnerAvatar, intent: Intent): HoldAhead | undefined {
    const { clock, materials, model } = this.#parts;
    const { billingMode, defaultMaxOutputTokens, historyTokens, memoryTokens } = this.#options;
    if (billingMode === 'free') return undefined;
    const contextLimit = model.contextLimit(model.defaultModel);
    const maxOutputTokens = Math.min(avatar.params.maxOutputTokens ?? defaultMaxOutputTokens, contextLimit);
    const promptTokens = promptBound({
      ...materials.boundOf(avatar, known.lang),
      text: intent.text,
      turns: known.turns,
      contextLimit,
      historyTokens,
      memoryTokens,
    });
    if (!isAmple(known.balance, promptTokens + maxOutputTokens)) return undefined;
    return new HoldAhead(this.#parts, { generationId: uuidv7(clock.now()), userId, promptTokens, maxOutputTokens });
  }

  /** What the workers have to say about a turn. */
  async #work(caller: Caller, avatar: PartnerAvatar, intent: Intent): Promise<Worked> {
    const { materials, meter, model } = this.#parts;
    const [gathered, counted, ja, en] = await Promise.all([
      materials.gather(caller.userId, avatar.avatarId, intent.text),
      intent.textTokens === undefined ? meter.count(model.defaultModel, [intent.text]) : [intent.textTokens],
      materials.promptTokens(avatar, 'ja'),
      materials.promptTokens(avatar, 'en'),
    ]);
    return { gathered, textTokens: counted[0] ?? 0, prompts: { ja, en } };
  }

  async #compose(caller: Caller, context: TurnContext, intent: Intent, materials: Materials): Promise<ComposedTurn> {
    const { model, clock } = this.#parts;
    const { avatar, pending, ahead } = materials;
    const [{ gathered, textTokens: tokenCount, prompts }, isHeld] = await Promise.all([pending, ahead?.isHeld()]);
    const now = new Date(clock.now());
    const isNew = intent.answerTo === undefined;
    const question: TurnRow = {
      id: intent.answerTo ?? uuidv7(now.getTime()),
      role: 'user',
      text: intent.text,
      tokenCount,
    };
    const branch = isNew ? [question, ...context.turns] : context.turns;
    const prompt = assemblePrompt({
      avatar,
      lang: context.lang,
      ...prompts[context.lang],
      memories: gathered.memories,
      memoryNote: gathered.note,
      turns: branch,
      contextLimit: model.contextLimit(model.defaultModel),
      maxOutputTokens: avatar.params.maxOutputTokens ?? this.#options.defaultMaxOutputTokens,
      historyTokens: this.#options.historyTokens,
      memoryTokens: this.#options.memoryTokens,
    });
    const facts: GenerationFacts = {
      generationId: isHeld && ahead !== undefined ? ahead.generationId : uuidv7(now.getTime()),
      conversationId: context.conversationId,
      userId: caller.userId,
      payeeUserId: avatar.ownerUserId,
      avatarId: avatar.avatarId,
      parentId: question.id,
      messageId: uuidv7(now.getTime()),
      epoch: 1,
      model: model.defaultModel,
      promptTokens: prompt.trace.tokensTotal,
      firstTurn: context.headMessageId === null,
      sourceRefs: prompt.trace.parts.flatMap(({ memoryId, score }) =>
        memoryId === undefined ? [] : [{ memoryId, score: score ?? 0 }],
      ),
      startedAtMs: now.getTime(),
    };
    const parentId = intent.parentId === undefined ? context.headMessageId : intent.parentId;
    const request = toRequest(model.defaultModel, prompt, avatar, caller.userId);
    return {
      generation: new Generation(facts),
      question: { ...question, parentId, isNew },
      branch,
      prompt,
      request,
      now,
    };
  }

  async #write(caller: Caller, context: TurnContext, intent: Intent, materials: Materials): Promise<Outcome> {
    const { contexts } = this.#parts;
    const composed = await this.#compose(caller, context, intent, materials);
    const { generation, question, branch, now } = composed;
    const { generationId, messageId, conversationId } = generation.facts;
    const turn = toNewTurn(context, intent, composed, this.#options.owner);
    const { revision, siblings } = await this.#store.store(turn, composed, materials.ahead);
    contexts.begun(generation, { ...context, revision, headMessageId: question.id, turns: branch });
    const userMessage: MessageRow = {
      id: question.id,
      conversationId,
      parentId: question.parentId,
      role: 'user',
      text: question.text,
      tokenCount: question.tokenCount,
      clientMessageId: intent.clientMessageId ?? null,
      generationId: null,
      finishReason: null,
      tokensIn: null,
      tokensOut: null,
      createdAtMs: now.getTime(),
      siblings,
    };
    return {
      started: { messageId: question.id, generationId, replyMessageId: messageId, revision },
      generation,
      userMessage: question.isNew ? userMessage : undefined,
    };
  }

  async #getMessage(caller: Caller, messageId: string): Promise<MessageRow> {
    const row = await this.#parts.db.asUser(caller.userId, (tx) => messages.findMessage(tx, messageId));
    if (row === undefined) throw new AppError('chat.message_not_found');
    return row;
  }
}

/** @throws AppError for what may not be done in the conversation as it stands. */
function checkTurn({ revision, running, branches }: TurnPlace, intent: Intent): void {
  if (intent.expectedRevision !== undefined && intent.expectedRevision !== revision)
    throw new AppError('chat.revision_conflict', { revision });
  if (running !== null) throw new AppError('chat.generation_running', { generationId: running });
  // The turn itself counts once more: this only spares what is not needed for a refusal.
  if (branches !== undefined && branches >= MAX_BRANCHES) throw tooManyBranches(intent);
}

/** What is known of a turn before the database is asked. */
type Materials = { avatar: PartnerAvatar; pending: Promise<Worked>; ahead: HoldAhead | undefined };
/** What the workers find out. */
type Worked = {
  gathered: Gathered;
  textTokens: number;
  prompts: Record<'en' | 'ja', { systemTokens: number; safetyTokens: number }>;
};
type Outcome = { started: Started } | { started: Started; generation: Generation; userMessage: MessageRow | undefined };
