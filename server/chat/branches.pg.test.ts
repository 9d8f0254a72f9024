/** How many branches may stand beside each other, on every way that adds one; a refusal costs nothing, and everything else goes on. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { beginTurn, beginTurnAlone, isFull, type NewTurn } from '../../db/chat/turns.ts';
import { uuidv7 } from '../../db/uuid.ts';
import { MAX_BRANCHES } from '../../protocol/primitives.ts';
import { type Bench, startBench, TestEngine } from './testing/engine.ts';
import { fillBranches } from './testing/fill-branches.ts';
import type { Reader } from './testing/reader.ts';

let bench: Bench;
let engine: TestEngine;
let userId: string;
let reader: Reader;
let conversationId: string;
let question: string;
let answer: string;

beforeAll(async () => {
  bench = await startBench({ tokensPerSecond: 1_000 });
  engine = new TestEngine(bench, 'branches-test');
});
afterAll(() => bench.close());
beforeEach(async () => {
  userId = await bench.newUser();
  reader = engine.connect(userId);
  const avatarId = await bench.newAvatar(userId);
  ({ conversationId } = await engine.chat.open(reader.caller, { avatarId, kind: 'conversation' }));
  ({ messageId: question, replyMessageId: answer } = await ask('What shall I cook?'));
});

async function ask(text: string, parentId?: string | null) {
  const where = parentId === undefined ? {} : { parentId };
  const started = await engine.turns.send(reader.caller, { conversationId, clientMessageId: uuidv7(), text, ...where });
  await reader.done(started.generationId);
  return started;
}
const regenerate = (messageId: string, by = engine, from = reader) =>
  by.turns.regenerate(from.caller, { messageId, clientMessageId: uuidv7() });
const edit = (messageId: string, by = engine, from = reader) =>
  by.turns.edit(from.caller, { messageId, text: 'And what tomorrow?', clientMessageId: uuidv7() });
const full = (field: 'messageId' | 'parentId') => ({
  code: 'chat.too_many_branches',
  details: { field, limit: MAX_BRANCHES },
});

/** Everything that a turn changes: the conversation, its rows, and what is held and charged. */
async function state(): Promise<unknown> {
  return bench.db.asService(async ({ sql }) => [
    ...(await sql`select revision, head_message_id, last_message_at, title from chat.conversations where id = ${conversationId}`),
    ...(await sql`select count(*) from chat.messages where conversation_id = ${conversationId}`),
    ...(await sql`select count(*) from chat.generations where conversation_id = ${conversationId}`),
    ...(await sql`select h.tokens from billing.holds h join billing.accounts a on a.id = h.account_id where a.owner_id = ${userId}`),
    ...(await sql`select x.held_tokens, x.used_tokens, b.balance from billing.accounts a join billing.spending x on x.account_id = a.id
      join billing.account_balances b on b.account_id = a.id and b.asset = 'token' where a.owner_id = ${userId}`),
  ]);
}

/** @param refuse must be refused. */
async function expectNothingFrom(refuse: () => Promise<unknown>, field: 'messageId' | 'parentId'): Promise<void> {
  const before = await state();
  await expect(refuse()).rejects.toMatchObject(full(field));
  await expect.poll(state).toEqual(before);
  expect(engine.hub.runningCount).toBe(0);
}

describe('at the limit', () => {
  it('writes no further answer to a message, whichever of them is named', async () => {
    await fillBranches(bench, answer, MAX_BRANCHES - 1);
    const last = await regenerate(answer);
    await reader.done(last.generationId);
    await expectNothingFrom(() => regenerate(answer), 'messageId');
    await expectNothingFrom(() => regenerate(last.replyMessageId), 'messageId');
    await expectNothingFrom(() => regenerate(question), 'messageId');
  });

  it('takes no further edit of a message, and none of the first message', async () => {
    const second = await ask('And for a guest?');
    for (const messageId of [question, second.messageId]) {
      await fillBranches(bench, messageId, MAX_BRANCHES - 1);
      const last = await edit(messageId);
      await reader.done(last.generationId);
      await expectNothingFrom(() => edit(messageId), 'messageId');
      await expectNothingFrom(() => edit(last.messageId), 'messageId');
    }
  });

  it('takes no further message at such a place', async () => {
    const second = await ask('And for a guest?');
    await fillBranches(bench, second.messageId);
    await fillBranches(bench, question);
    await expectNothingFrom(() => ask('One more', answer), 'parentId');
    await expectNothingFrom(() => ask('One more', null), 'parentId');
  });

  it('goes on with everything else: selecting, reading, talking, and commands that come again', async () => {
    await fillBranches(bench, answer, MAX_BRANCHES - 1);
    const command = { messageId: answer, clientMessageId: uuidv7() };
    const last = await engine.turns.regenerate(reader.caller, command);
    await reader.done(last.generationId);
    expect(await engine.turns.regenerate(reader.caller, command)).toMatchObject({ generationId: last.generationId });
    const { messages } = await engine.chat.select(reader.caller, { messageId: answer });
    const { siblings = [] } = messages[1] ?? {};
    expect(siblings).toHaveLength(MAX_BRANCHES);
    expect(siblings.slice(-2)).toEqual([answer, last.replyMessageId]);
    const other = siblings[7] ?? '';
    await engine.chat.select(reader.caller, { messageId: other });
    const next = await ask('Number 192 sounds good.');
    await reader.done((await regenerate(next.replyMessageId)).generationId);
    await reader.done((await edit(next.messageId)).generationId);
    const page = await engine.chat.history(reader.caller, { conversationId });
    expect(page.messages.map(({ siblings }) => siblings.length)).toEqual([1, MAX_BRANCHES, 2, 1]);
    expect(page.messages[1]?.messageId).toBe(other);
  });

  it('gives back what was held before anybody knew', async () => {
    // The next turn is put together from memory, which does not know what was not added by a command.
    const child = await ask('And for a guest?');
    const head = child.replyMessageId;
    const id = uuidv7();
    await bench.db.asService(
      ({ sql }) => sql`insert into chat.messages (id, conversation_id, user_id, parent_id, role, text, token_count)
        values (${id}, ${conversationId}, ${userId}, ${head}, 'user', 'Hi', 1)`,
    );
    await fillBranches(bench, id);
    await expectNothingFrom(() => ask('One more'), 'parentId');
    await expectNothingFrom(() => ask('One more'), 'parentId');
  });
});

describe('two gateways', () => {
  it.each([
    ['another answer', () => answer, regenerate],
    ['an edit', () => question, edit],
  ] as const)('cannot both add the last one: %s', async (_, of, add) => {
    const other = new TestEngine(bench, 'branches-other');
    const there = other.connect(userId);
    const messageId = of();
    await fillBranches(bench, messageId, MAX_BRANCHES - 1);
    const outcomes = await Promise.allSettled([
      ...Array.from({ length: 3 }, () => add(messageId)),
      ...Array.from({ length: 3 }, () => add(messageId, other, there)),
    ]);
    const begun = outcomes.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    expect(begun).toHaveLength(1);
    const { generationId = '' } = begun[0] ?? {};
    await Promise.race([reader.done(generationId), there.done(generationId)]);
    await expect(add(messageId, other, there)).rejects.toMatchObject(full('messageId'));
    const { messages } = await engine.chat.history(reader.caller, { conversationId });
    expect(messages.map(({ siblings }) => siblings.length)).toContain(MAX_BRANCHES);
  });

  it.each(['message', 'answer'] as const)('are refused where the turn is written, one more %s', async (what) => {
    await fillBranches(bench, what === 'message' ? question : answer);
    const { conversation } = await engine.chat.attach(reader.caller, { conversationId });
    const isNew = what === 'message';
    const turn = (): NewTurn => ({
      conversationId,
      revision: conversation.revision,
      question: { id: isNew ? uuidv7() : question, parentId: null, isNew, text: 'Hi.', tokenCount: 2 },
      clientMessageId: null,
      title: 'Hi.',
      at: new Date(),
      generation: {
        id: uuidv7(),
        payeeUserId: userId,
        messageId: uuidv7(),
        clientRequestId: null,
        owner: 'branches-test',
        model: 'tsumugi-persona',
        trace: { parts: [] },
        promptTokens: 9,
        firstTurn: false,
      },
    });
    const before = await state();
    const alone = bench.db.inOneStatement((statement) => beginTurnAlone(statement, userId, turn()));
    await expect(alone.catch(isFull)).resolves.toBe(true);
    const within = bench.db.asUserAtOnce(userId, (tx) => beginTurn(tx, turn()));
    await expect(within.catch(isFull)).resolves.toBe(true);
    expect(await state()).toEqual(before);
  });
});
