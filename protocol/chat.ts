/** Frames of the domain chat: conversations, the message tree and generations. */
import Type, { type Static } from 'typebox';
import { Shard } from './billing-proofs.ts';
import { defineDown, defineUp } from './define.ts';
import { ErrorCodeName, Hash, Locale, MAX_BRANCHES, Nullable, PageLimit, Timestamp, Uuid } from './primitives.ts';

export const Kind = Type.Union([Type.Literal('conversation'), Type.Literal('diary'), Type.Literal('character')]);
export const MessageText = Type.String({ minLength: 1, maxLength: 20_000, description: 'Not only white space.' });
export const ClientMessageId = Type.String({
  minLength: 1,
  maxLength: 64,
  pattern: '^[ -~]+$',
  description: 'Chosen by the client, printable ASCII; sending it again never makes a second message.',
});
const Revision = Type.Integer({
  minimum: 0,
  description: 'Counts every change of the conversation’s tree or selection.',
});

export const FinishReason = Type.Union(
  ['stop', 'length', 'content_filter', 'stopped', 'interrupted', 'error'].map((reason) => Type.Literal(reason)) as [
    Type.TLiteral<'stop'>,
    Type.TLiteral<'length'>,
    Type.TLiteral<'content_filter'>,
    Type.TLiteral<'stopped'>,
    Type.TLiteral<'interrupted'>,
    Type.TLiteral<'error'>,
  ],
  { description: '`stopped`: by the user. `interrupted`: the server went away. `error`: see `error`.' },
);
export type FinishReason = Static<typeof FinishReason>;

export const Usage = Type.Object({
  tokensIn: Type.Integer({ minimum: 0 }),
  tokensOut: Type.Integer({ minimum: 0 }),
});
export type Usage = Static<typeof Usage>;

/** The entry of the token ledger that a generation was settled with, as `billing.proof` is asked for it. */
export const LedgerRef = Type.Object({ shard: Shard, seq: Type.Integer({ minimum: 1 }), hash: Hash });
export type LedgerRef = Static<typeof LedgerRef>;

export const Message = Type.Object({
  messageId: Uuid,
  conversationId: Uuid,
  parentId: Nullable(Uuid),
  role: Type.Union([Type.Literal('user'), Type.Literal('ai'), Type.Literal('character')]),
  text: Type.String(),
  clientMessageId: Nullable(ClientMessageId),
  generationId: Nullable(Uuid),
  finishReason: Nullable(FinishReason),
  usage: Nullable(Usage),
  siblings: Type.Array(Uuid, {
    description: `All branches at this place in order of creation, this one included; at most ${MAX_BRANCHES}.`,
  }),
  createdAt: Timestamp,
});
export type Message = Static<typeof Message>;

export const Conversation = Type.Object({
  conversationId: Uuid,
  avatarId: Nullable(Uuid),
  kind: Kind,
  lang: Locale,
  title: Type.String(),
  revision: Revision,
  startedAt: Timestamp,
  lastMessageAt: Nullable(Timestamp),
});
export type Conversation = Static<typeof Conversation>;

/** A generation that is being written, with its text so far. */
export const RunningGeneration = Type.Object({
  generationId: Uuid,
  messageId: Type.String({ format: 'uuid', description: 'Id that the message will have.' }),
  parentId: Uuid,
  epoch: Type.Integer({ minimum: 1 }),
  seq: Type.Integer({ minimum: -1, description: 'Of the last delta contained in `text`; -1 before the first.' }),
  text: Type.String(),
});
export type RunningGeneration = Static<typeof RunningGeneration>;

const Started = Type.Object({
  messageId: Type.String({ format: 'uuid', description: 'The user’s message that is answered.' }),
  generationId: Uuid,
  replyMessageId: Type.String({ format: 'uuid', description: 'Id that the answer will have.' }),
  revision: Revision,
});

export const open = defineUp('chat.open', {
  says: 'Opens a conversation; an empty one with the same partner is used again. This connection then receives its pushes.',
  body: Type.Object(
    {
      avatarId: Type.Optional(Uuid),
      characterId: Type.Optional(Uuid),
      kind: Kind,
      lang: Type.Optional(Locale),
    },
    { examples: [{ avatarId: '0198c0de-0000-7000-8000-000000000004', kind: 'conversation' }] },
  ),
  reply: Type.Object({ conversationId: Uuid, revision: Revision }),
  errors: ['companion.avatar_not_found', 'chat.kind_unavailable'],
});

export const listConversations = defineUp('chat.list_conversations', {
  says: 'The caller’s conversations, last used first.',
  body: Type.Object({
    avatarId: Type.Optional(Uuid),
    before: Type.Optional(Type.String({ maxLength: 128, description: '`nextBefore` of the page before.' })),
    limit: PageLimit(100),
  }),
  reply: Type.Object({ conversations: Type.Array(Conversation), nextBefore: Nullable(Type.String()) }),
  errors: [],
});

export const deleteConversation = defineUp('chat.delete_conversation', {
  says: 'Removes a conversation from every list; a running answer is stopped first.',
  body: Type.Object({ conversationId: Uuid }),
  reply: Type.Object({}),
  errors: ['chat.conversation_not_found'],
});

export const send = defineUp('chat.send', {
  says: `Adds a message of the user and starts the answer. Sending the same \`clientMessageId\` again gives the same answer, with the revision of now. At most ${MAX_BRANCHES} below one \`parentId\`.`,
  body: Type.Object({
    conversationId: Uuid,
    clientMessageId: ClientMessageId,
    text: MessageText,
    parentId: Type.Optional(Nullable(Uuid)),
  }),
  reply: Started,
  errors: [
    'chat.conversation_not_found',
    'chat.message_not_found',
    'chat.generation_running',
    'chat.too_many_generations',
    'chat.too_many_branches',
    'chat.client_message_conflict',
    'chat.wrong_role',
    'chat.prompt_too_long',
    'billing.insufficient_tokens',
    'billing.monthly_cap_reached',
    'billing.organization_cap_reached',
    'busy',
    'draining',
  ],
});

export const attach = defineUp('chat.attach', {
  says: 'Snapshot of a conversation, then its pushes. With `after`, the deltas behind `seq` follow instead of the text so far.',
  body: Type.Object({
    conversationId: Uuid,
    after: Type.Optional(
      Type.Object({
        generationId: Uuid,
        seq: Type.Integer({ minimum: -1 }),
        epoch: Type.Optional(Type.Integer({ minimum: 1 })),
      }),
    ),
    limit: PageLimit(200),
  }),
  reply: Type.Object({
    conversation: Conversation,
    messages: Type.Array(Message, { description: 'The end of the selected branch, oldest first.' }),
    nextBefore: Nullable(Uuid),
    generation: Nullable(RunningGeneration),
    resumed: Type.Boolean({
      description:
        'True when `after` was honoured: `generation.text` is empty and the missing deltas follow as pushes.',
    }),
  }),
  errors: ['chat.conversation_not_found'],
});

export const detach = defineUp('chat.detach', {
  says: 'No more pushes of this conversation on this connection. Idempotent; the generation goes on.',
  body: Type.Object({ conversationId: Uuid }),
  reply: Type.Object({}),
  errors: [],
});

export const stop = defineUp('chat.stop', {
  says: 'Stops an answer from any device; what was written is kept. Idempotent.',
  body: Type.Object({ generationId: Uuid }),
  reply: Type.Object({ stopped: Type.Boolean({ description: 'False when it had ended before.' }) }),
  errors: ['chat.generation_not_found'],
});

export const regenerate = defineUp('chat.regenerate', {
  says: `Writes another answer beside \`messageId\` (an answer, or the user’s message to answer again); at most ${MAX_BRANCHES} answers to one message.`,
  body: Type.Object({
    messageId: Uuid,
    expectedRevision: Type.Optional(Revision),
    clientMessageId: Type.Optional(ClientMessageId),
  }),
  reply: Started,
  errors: [
    'chat.message_not_found',
    'chat.generation_running',
    'chat.too_many_generations',
    'chat.too_many_branches',
    'chat.revision_conflict',
    'chat.client_message_conflict',
    'chat.prompt_too_long',
    'billing.insufficient_tokens',
    'billing.monthly_cap_reached',
    'billing.organization_cap_reached',
    'busy',
    'draining',
  ],
});

export const edit = defineUp('chat.edit', {
  says: `Adds a changed copy beside a message of the user and answers it; the old branch stays. At most ${MAX_BRANCHES} beside each other.`,
  body: Type.Object({
    messageId: Uuid,
    text: MessageText,
    expectedRevision: Type.Optional(Revision),
    clientMessageId: Type.Optional(ClientMessageId),
  }),
  reply: Started,
  errors: [
    'chat.message_not_found',
    'chat.wrong_role',
    'chat.generation_running',
    'chat.too_many_generations',
    'chat.too_many_branches',
    'chat.revision_conflict',
    'chat.client_message_conflict',
    'chat.prompt_too_long',
    'billing.insufficient_tokens',
    'billing.monthly_cap_reached',
    'billing.organization_cap_reached',
    'busy',
    'draining',
  ],
});

export const select = defineUp('chat.select', {
  says: 'Selects the branch that `messageId` stands on, down to its newest end.',
  body: Type.Object({ messageId: Uuid, expectedRevision: Type.Optional(Revision), limit: PageLimit(200) }),
  reply: Type.Object({
    conversationId: Uuid,
    revision: Revision,
    messages: Type.Array(Message),
    nextBefore: Nullable(Uuid),
  }),
  errors: ['chat.message_not_found', 'chat.revision_conflict'],
});

export const history = defineUp('chat.history', {
  says: 'A page of the selected branch before a message, oldest first.',
  body: Type.Object({
    conversationId: Uuid,
    before: Type.Optional(Nullable(Uuid)),
    limit: PageLimit(200),
  }),
  reply: Type.Object({ messages: Type.Array(Message), nextBefore: Nullable(Uuid) }),
  errors: ['chat.conversation_not_found', 'chat.message_not_found'],
});

/** One piece of the prompt of a generation, in the order in which the model got it. */
export const TraceWhy = Type.Union(
  [
    Type.Literal('active_prompt'),
    Type.Literal('safety_rules'),
    Type.Literal('similar_memory'),
    Type.Literal('answered_message'),
    Type.Literal('recent_turn'),
    Type.Literal('older_turns_over_budget'),
    Type.Literal('memories_over_budget'),
    Type.Literal('no_similar_memory'),
    Type.Literal('memory_search_unavailable'),
  ],
  { description: 'Why something went into a prompt, or did not. Newer servers may know more reasons.' },
);
export type TraceWhy = Static<typeof TraceWhy>;

export const TracePart = Type.Object({
  part: Type.Union([Type.Literal('system'), Type.Literal('safety'), Type.Literal('memory'), Type.Literal('turn')]),
  role: Type.Union([Type.Literal('system'), Type.Literal('user'), Type.Literal('assistant')]),
  tokens: Type.Integer({ minimum: 0 }),
  why: TraceWhy,
  text: Type.String({ description: 'Of long prompts, some parts have only their beginning.' }),
  textLength: Type.Integer({
    minimum: 0,
    description: 'UTF-16 units of the whole part; more than `text` has where that was cut.',
  }),
  source: Type.Object({
    avatarPromptVersion: Type.Optional(Type.Integer()),
    messageId: Type.Optional(Uuid),
    memoryId: Type.Optional(Uuid),
    score: Type.Optional(Type.Number({ description: 'Cosine similarity of a memory.' })),
  }),
});

export const Trace = Type.Object({
  generationId: Uuid,
  model: Type.String(),
  contextLimit: Type.Integer(),
  maxOutputTokens: Type.Integer(),
  tokensTotal: Type.Integer(),
  parts: Type.Array(TracePart),
  left: Type.Array(Type.Object({ part: Type.String(), count: Type.Integer(), tokens: Type.Integer(), why: TraceWhy }), {
    description: 'What did not go in, and why.',
  }),
});
export type Trace = Static<typeof Trace>;
export type TracePart = Static<typeof TracePart>;

export const trace = defineUp('chat.trace', {
  says: 'What went into the prompt of a generation, and why. The prompt text of somebody else’s avatar is withheld.',
  body: Type.Object({ generationId: Uuid }),
  reply: Trace,
  errors: ['chat.generation_not_found'],
});

export const messagePush = defineDown('chat.message', {
  says: 'A message was added, by anyone, on any device of the user.',
  body: Type.Object({
    message: Message,
    revision: Revision,
    generation: Nullable(RunningGeneration),
  }),
});

export const delta = defineDown('chat.delta', {
  says: 'The next piece of an answer. Applying the same delta twice changes nothing.',
  body: Type.Object({
    generationId: Uuid,
    epoch: Type.Integer({ minimum: 1 }),
    seq: Type.Integer({
      minimum: 0,
      description:
        'Of the last piece contained. Pieces are merged for slow readers, so numbers may be left out; `offset` never leaves a hole.',
    }),
    offset: Type.Integer({ minimum: 0, description: 'Where `text` begins, in UTF-16 units of the whole answer.' }),
    text: Type.String(),
  }),
});

export const snapshot = defineDown('chat.snapshot', {
  says: 'The whole text so far of a running answer; replaces what the client has (it fell behind, or the epoch changed).',
  body: Type.Object({ conversationId: Uuid, generation: RunningGeneration }),
});

export const done = defineDown('chat.done', {
  says: 'The answer is stored, settled and in the ledger.',
  body: Type.Object({
    conversationId: Uuid,
    generationId: Uuid,
    messageId: Type.Union([Uuid, Type.Null()], {
      description: 'Null when nothing was written, so that there is no message.',
    }),
    finishReason: FinishReason,
    usage: Usage,
    ledger: Type.Union([LedgerRef, Type.Null()], {
      description: 'The entry that it was paid by, to ask `billing.proof` for; null when nothing was charged.',
    }),
    length: Type.Integer({ description: 'UTF-16 units of the whole text, to check against.' }),
    revision: Revision,
    error: Type.Optional(
      Type.Object({ code: ErrorCodeName, message: Type.String(), retryAfterMs: Type.Optional(Type.Integer()) }),
    ),
  }),
});

export const typing = defineUp('chat.typing', {
  says: 'Tells the user’s other connections that he types here. Passed on at most once a second for each conversation.',
  body: Type.Object({ conversationId: Uuid }),
  reply: Type.Object({}),
  errors: [],
});

export const typingPush = defineDown('chat.typing', {
  says: 'The user types on another connection. Show it for some seconds; there is no end of it.',
  body: Type.Object({ conversationId: Uuid, sessionId: Uuid, connectionId: Uuid }),
});

export const selected = defineDown('chat.selected', {
  says: 'Something was changed elsewhere; attach again, unless what you have is of this revision.',
  body: Type.Object({ conversationId: Uuid, revision: Revision }),
});

export const conversationDeleted = defineDown('chat.conversation_deleted', {
  says: 'The conversation was removed on another device.',
  body: Type.Object({ conversationId: Uuid }),
});
