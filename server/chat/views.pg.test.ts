/** What many are given with one statement is what each is given alone; and nobody gets what is not his. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { findConversation } from '../../db/chat/conversations.ts';
import { branchUp } from '../../db/chat/messages.ts';
import { type ConversationView, findViews, type ViewWish } from '../../db/chat/views.ts';
import { uuidv7 } from '../../db/uuid.ts';
import { PAGE_CHARACTERS } from '../../protocol/primitives.ts';
import { type Bench, LONG_ANSWER, longAnswer, startBench, TestEngine } from './testing/engine.ts';
import { fillBranches } from './testing/fill-branches.ts';
import type { Reader } from './testing/reader.ts';

type Talk = { userId: string; conversationId: string; reader: Reader; messageIds: string[] };

let bench: Bench;
let engine: TestEngine;
let hana: Talk;
let ken: Talk;

beforeAll(async () => {
  bench = await startBench({ tokensPerSecond: 1_000 });
  engine = new TestEngine(bench, 'views-test', { maxOutputTokens: LONG_ANSWER });
  [hana, ken] = await Promise.all([talk('One', 'Two', 'Three'), talk('Only')]);
});
afterAll(() => bench.close());

async function talk(...texts: string[]): Promise<Talk> {
  const userId = await bench.newUser();
  const reader = engine.connect(userId);
  const avatarId = await bench.newAvatar(userId);
  const { conversationId } = await engine.chat.open(reader.caller, { avatarId, kind: 'conversation' });
  const messageIds: string[] = [];
  for (const text of texts) {
    const sent = await engine.turns.send(reader.caller, { conversationId, clientMessageId: uuidv7(), text });
    messageIds.push(sent.messageId);
    await reader.done(sent.generationId);
  }
  return { userId, conversationId, reader, messageIds };
}

const read = (...wishes: ViewWish[]) => bench.db.inOneStatement((statement) => findViews(statement, wishes));
const wishOf = ({ userId, conversationId }: Talk, limit = 50): ViewWish => ({ userId, conversationId, limit });

/** The same by the queries that look at one conversation. */
async function readAlone({ userId, conversationId, limit }: ViewWish): Promise<ConversationView | undefined> {
  return bench.db.asUser(userId, async (tx) => {
    const conversation = await findConversation(tx, conversationId);
    if (conversation === undefined) return undefined;
    const { headMessageId } = conversation;
    const messages = headMessageId === null ? [] : await branchUp(tx, conversationId, headMessageId, limit);
    return { conversation: { ...conversation }, messages: messages.map((row) => ({ ...row })) };
  });
}

it('gives each what he would get alone, in the order of asking', async () => {
  const { generationId } = await engine.turns.edit(hana.reader.caller, {
    messageId: hana.messageIds[2] ?? '',
    clientMessageId: uuidv7(),
    text: `${longAnswer} Three, said otherwise: "quoted", \u0001 and 紡ぎ🧵`,
    expectedRevision: (await readAlone(wishOf(hana)))?.conversation.revision ?? -1,
  });
  const wishes = [wishOf(ken), wishOf(hana), wishOf(hana, 2), wishOf(ken, 1)];
  const views = await read(...wishes);
  expect(views[1]?.conversation.runningGenerationId).toBe(generationId);
  expect(views[1]?.messages.at(-1)?.siblings).toHaveLength(2);
  expect(views.map((view) => view?.messages.length)).toEqual([2, 5, 2, 1]);
  await engine.chat.stop(hana.reader.caller, generationId);
  await hana.reader.done(generationId);
  expect(await read(...wishes)).toEqual(await Promise.all(wishes.map(readAlone)));
});

it('ends a page with the message that makes it long, and goes on behind it', async () => {
  const long = await talk(...['a', 'b', 'c', 'd', 'e'].map((letter) => letter.repeat(20_000)));
  const [view] = await read(wishOf(long));
  expect(view?.messages.map(({ text }) => text.length >= 20_000)).toEqual([true, false, true, false]);
  expect(view).toEqual(await readAlone(wishOf(long)));
  const { reader, conversationId } = long;
  const paged: string[] = [];
  let before: string | null = null;
  do {
    const page: Awaited<ReturnType<typeof engine.chat.history>> = await engine.chat.history(reader.caller, {
      conversationId,
      before,
      limit: 200,
    });
    expect(page.messages.length).toBeLessThanOrEqual(4);
    paged.unshift(...page.messages.flatMap(({ role, messageId }) => (role === 'user' ? messageId : [])));
    before = page.nextBefore;
  } while (before !== null);
  expect(paged).toEqual(long.messageIds);
});

it('ends a page where its messages have many branches, and goes on behind it', async () => {
  const forked = await talk('a', 'b', 'c', 'd', 'e', 'f');
  const all = (await readAlone(wishOf(forked)))?.messages ?? [];
  for (const { id, role } of all) if (role === 'ai') await fillBranches(bench, id);
  const [view] = await read(wishOf(forked));
  // Five answers of two hundred branches and the questions between them.
  expect(view?.messages.map(({ siblings }) => siblings.length)).toEqual([200, 1, 200, 1, 200, 1, 200, 1, 200]);
  expect(JSON.stringify(view).length).toBeLessThan(2 * PAGE_CHARACTERS);
  expect(view).toEqual(await readAlone(wishOf(forked)));
  const { conversationId, reader } = forked;
  const rest = await engine.chat.history(reader.caller, { conversationId, before: view?.messages[0]?.id ?? '' });
  expect(rest).toMatchObject({ messages: [{}, {}, {}].map((_, i) => ({ messageId: all[i]?.id })), nextBefore: null });
});

it('gives nobody what is somebody else’s, deleted or unknown, whoever stands beside him', async () => {
  const gone = await talk('Forget me');
  await engine.chat.delete(gone.reader.caller, gone.conversationId);
  const stranger = { ...wishOf(hana), userId: ken.userId };
  const unknown = { ...wishOf(ken), conversationId: uuidv7() };
  const views = await read(wishOf(hana), stranger, wishOf(gone), unknown, wishOf(ken));
  expect(views.map((view) => view?.conversation.id)).toEqual([
    hana.conversationId,
    undefined,
    undefined,
    undefined,
    ken.conversationId,
  ]);
  expect(await read()).toEqual([]);
});

it('is refused within a transaction, and leaves no rights behind', async () => {
  const within = bench.db.asUser(ken.userId, (tx) => findViews({ sql: tx.sql as never }, [wishOf(hana)]));
  await expect(within).rejects.toThrow('a transaction of its own');
  const leftBehind = await bench.db.inOneStatement(async ({ sql }) => {
    await findViews({ sql }, [wishOf(hana)]);
    return sql`select count(*)::int as n from chat.messages`;
  });
  expect(leftBehind[0]).toEqual({ n: 0 });
});
