/**
 * Starts answers: stores the user's message and the generation in one transaction, then asks the model. The same command sent
 * twice starts one answer. Refuses a second answer while one is being written in the conversation.
 */
import * as conversations from '../../db/chat/conversations.ts';
import * as generations from '../../db/chat/generations.ts';
import * as messages from '../../db/chat/messages.ts';
import type { ConversationRow, MessageRow, TurnRow } from '../../db/chat/rows.ts';
import type { Database, Tx } from '../../db/client.ts';
import { uuidv7 } from '../../db/uuid.ts';
import type { UpBody } from '../../protocol/up.ts';
import type { Clock } from '../clock.ts';
import { AppError } from '../errors.ts';
import type { ChatModel, ChatRequest } from '../llm/model.ts';
import type { Caller } from '../peer.ts';
import { type Audience, deliver } from './audience.ts';
import { Generation } from './generation.ts';
import type { GenerationHub } from './hub.ts';
import { toMessage } from './messages.ts';
import type { Billing, MemoryAccess, PartnerAvatar, Partners, TokenMeter } from './needs.ts';
import { type AssembledPrompt, assemblePrompt, toRequest } from './prompt.ts';
import {
  checkClientMessageId,
  checkText,
  findEarlier,
  type Intent,
  type Started,
  sameStart,
  titleOf,
} from './turn-intent.ts';
import type { Gathered, TurnMaterials } from './turn-materials.ts';

export type TurnOptions = {
  /** Name of this gateway among all; generations carry it. */
  owner: string;
  defaultMaxOutputTokens: number;
  historyTokens: number;
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
  materials: TurnMaterials;
};

/** The walk up the branch costs a look-up for each: enough for any budget of usual turns. */
const MAX_TURNS = 100;

export class Turns {
  readonly #parts: TurnParts;
  readonly #options: TurnOptions;
  #draining = false;

  constructor(parts: TurnParts, options: TurnOptions) {
    this.#parts = parts;
    this.#options = options;
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
      throw new AppError('chat.wrong_role', { field: 'body.messageId', expected: 'a message of the user' });
    return this.#start(caller, original.conversationId, {
      text,
      textTokens: undefined,
      parentId: original.parentId,
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
      answerTo,
      clientMessageId: undefined,
      clientRequestId: body.clientMessageId,
      expectedRevision: body.expectedRevision,
    });
  }

  async #start(caller: Caller, conversationId: string, intent: Intent): Promise<Started> {
    const { hub, memory, audience } = this.#parts;
    if (this.#draining) throw new AppError('draining');
    checkClientMessageId(intent.clientMessageId ?? intent.clientRequestId);
    // Whatever may need a connection of the same pool comes before the transaction, which holds one.
    const materials = await this.#gather(caller, conversationId, intent);
    const outcome = await this.#commit(caller, conversationId, intent, materials);
    if (!('generation' in outcome)) {
      this.#rejoin(caller, conversationId, outcome.started.generationId);
      return outcome.started;
    }
    const { generation, started, userMessage } = outcome;
    audience.attach(conversationId, caller.peer);
    hub.start(generation);
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
    return started;
  }

  async #commit(caller: Caller, conversationId: string, intent: Intent, materials: Materials): Promise<StoreOutcome> {
    const { db, hub } = this.#parts;
    const asked: Generation[] = [];
    const ask = (generation: Generation, request: ChatRequest): void => {
      asked.push(generation);
      hub.prepare(generation, request);
    };
    try {
      return await db.asUser(caller.userId, (tx) =>
        this.#store(tx, caller, conversationId, intent, { ...materials, ask }),
      );
    } catch (error) {
      for (const generation of asked) hub.discard(generation);
      throw error;
    }
  }

  /** A command that came again, perhaps over a new connection: its sender reads the answer from the beginning. */
  #rejoin(caller: Caller, conversationId: string, generationId: string): void {
    const { hub, audience } = this.#parts;
    if (!audience.attach(conversationId, caller.peer)) return;
    const finished = hub.findFinished(generationId);
    const generation = hub.find(generationId) ?? finished?.generation;
    if (generation === undefined) return;
    setImmediate(() =>
      deliver(caller.peer, generation, { epoch: generation.facts.epoch, seq: -1, offset: 0 }, finished?.done),
    );
  }

  async #gather(caller: Caller, conversationId: string, intent: Intent): Promise<Materials> {
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
    const pending = this.#work(caller, avatar, intent);
    // Whoever fails before it asks for this answers with that failure.
    pending.catch(() => {});
    return { avatar, pending };
  }

  /** What the workers have to say about a turn. Needs no connection of the pool that the transaction is in. */
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

  async #store(
    tx: Tx,
    caller: Caller,
    conversationId: string,
    intent: Intent,
    materials: Materials & { ask: AskModel },
  ): Promise<StoreOutcome> {
    const { billing, model } = this.#parts;
    const { avatar, pending, ask } = materials;
    const historyEnd = intent.answerTo === undefined ? intent.parentId : intent.answerTo;
    // One round trip: the queries run in this order on the connection, the lock first.
    const [conversation, earlier, balance, turns, parentRole] = await Promise.all([
      conversations.lockConversation(tx, conversationId),
      findEarlier(tx, conversationId, intent),
      billing.balanceIn(tx, caller.userId),
      messages.recentTurns(tx, conversationId, historyEnd, this.#options.historyTokens, MAX_TURNS),
      intent.parentId == null ? undefined : messages.findRole(tx, conversationId, intent.parentId),
    ]);
    if (conversation === undefined) throw new AppError('chat.conversation_not_found');
    if (earlier !== undefined) return { started: sameStart(earlier, intent, conversation) };
    this.#check(caller, conversation, intent, parentRole, balance);
    const { gathered, textTokens: tokenCount, prompts } = await pending;
    const now = new Date(this.#parts.clock.now());
    const question: TurnRow = {
      id: intent.answerTo ?? uuidv7(now.getTime()),
      role: 'user',
      text: intent.text,
      tokenCount,
    };
    const parentId = intent.parentId === undefined ? conversation.headMessageId : intent.parentId;
    const prompt = assemblePrompt({
      avatar,
      lang: conversation.lang,
      ...prompts[conversation.lang],
      memories: gathered.memories,
      memoryNote: gathered.note,
      turns: intent.answerTo === undefined ? [question, ...turns] : turns,
      contextLimit: model.contextLimit(model.defaultModel),
      maxOutputTokens: avatar.params.maxOutputTokens ?? this.#options.defaultMaxOutputTokens,
      historyTokens: this.#options.historyTokens,
      memoryTokens: this.#options.memoryTokens,
    });
    return this.#write(tx, caller, conversation, { intent, question, parentId, avatar, prompt, now, ask });
  }

  #check(
    caller: Caller,
    conversation: ConversationRow,
    intent: Intent,
    parentRole: MessageRow['role'] | undefined,
    balance: number,
  ): void {
    const { hub } = this.#parts;
    if (intent.parentId != null && parentRole === undefined)
      throw new AppError('chat.message_not_found', { field: 'body.parentId' });
    if (intent.expectedRevision !== undefined && intent.expectedRevision !== conversation.revision) {
      throw new AppError('chat.revision_conflict', { revision: conversation.revision });
    }
    if (conversation.runningGenerationId !== null) {
      throw new AppError('chat.generation_running', { generationId: conversation.runningGenerationId });
    }
    if (hub.countOf(caller.userId) >= hub.maxRunningPerUser) {
      throw new AppError('chat.too_many_generations', { limit: hub.maxRunningPerUser });
    }
    if (balance <= 0) throw new AppError('billing.insufficient_tokens', { balance });
  }

  async #write(tx: Tx, caller: Caller, conversation: ConversationRow, turn: PreparedTurn): Promise<StoreOutcome> {
    const { intent, question, parentId, avatar, prompt, now, ask } = turn;
    const { model } = this.#parts;
    const generationId = uuidv7(now.getTime());
    const replyMessageId = uuidv7(now.getTime());
    const conversationId = conversation.id;
    const isNew = intent.answerTo === undefined;
    const row = {
      id: question.id,
      conversationId,
      userId: caller.userId,
      parentId,
      text: intent.text,
      tokenCount: question.tokenCount,
      clientMessageId: intent.clientMessageId ?? null,
      createdAt: now,
    };
    const facts = {
      generationId,
      conversationId,
      userId: caller.userId,
      payeeUserId: avatar.ownerUserId,
      avatarId: avatar.avatarId,
      parentId: question.id,
      messageId: replyMessageId,
      epoch: 1,
      model: model.defaultModel,
      promptTokens: prompt.trace.tokensTotal,
      firstTurn: conversation.headMessageId === null,
      sourceRefs: prompt.trace.parts.flatMap(({ memoryId, score }) =>
        memoryId === undefined ? [] : [{ memoryId, score: score ?? 0 }],
      ),
      startedAtMs: now.getTime(),
    };
    const writing = Promise.all([
      isNew ? messages.insertUserMessage(tx, row) : undefined,
      generations.insertGeneration(tx, {
        ...facts,
        id: generationId,
        clientRequestId: intent.clientRequestId ?? null,
        owner: this.#options.owner,
        trace: prompt.trace,
        createdAt: now,
      }),
      conversations.moveHead(tx, conversationId, question.id, { at: now, title: titleOf(intent.text) }),
      isNew ? messages.findSiblings(tx, conversationId, parentId) : [],
    ]);
    const generation = new Generation(facts);
    ask(generation, toRequest(model.defaultModel, prompt, avatar, caller.userId));
    const [, , revision, siblings] = await writing;
    const userMessage: MessageRow = {
      ...row,
      role: 'user',
      generationId: null,
      finishReason: null,
      tokensIn: null,
      tokensOut: null,
      createdAtMs: now.getTime(),
      siblings,
    };
    return {
      started: { messageId: question.id, generationId, replyMessageId, revision },
      generation,
      userMessage: isNew ? userMessage : undefined,
    };
  }

  async #getMessage(caller: Caller, messageId: string): Promise<MessageRow> {
    const row = await this.#parts.db.asUser(caller.userId, (tx) => messages.findMessage(tx, messageId));
    if (row === undefined) throw new AppError('chat.message_not_found');
    return row;
  }
}

type PreparedTurn = {
  intent: Intent;
  question: TurnRow;
  parentId: string | null;
  avatar: PartnerAvatar;
  prompt: AssembledPrompt;
  now: Date;
  ask: AskModel;
};
/** Asks the model for a generation whose rows are about to be written. */
type AskModel = (generation: Generation, request: ChatRequest) => void;
/** What is known of a turn before its transaction. */
type Materials = { avatar: PartnerAvatar; pending: Promise<Worked> };
/** What the workers find out while the transaction reads. */
type Worked = {
  gathered: Gathered;
  textTokens: number;
  prompts: Record<'en' | 'ja', { systemTokens: number; safetyTokens: number }>;
};
type StoreOutcome =
  | { started: Started }
  | { started: Started; generation: Generation; userMessage: MessageRow | undefined };
