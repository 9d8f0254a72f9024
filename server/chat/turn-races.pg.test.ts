import { afterAll, beforeAll, expect, it } from 'vitest';
import { beginTurn, beginTurnAlone, isOvertaken, type NewTurn } from '../../db/chat/turns.ts';
import { uuidv7 } from '../../db/uuid.ts';
import { type Bench, LONG_ANSWER, longAnswer, startBench, TestEngine } from './testing/engine.ts';

let bench: Bench;
let engine: TestEngine;

beforeAll(async () => {
  bench = await startBench({ tokensPerSecond: 200 });
  engine = new TestEngine(bench, 'races-test', { maxOutputTokens: LONG_ANSWER });
});
afterAll(() => bench.close());

it('lets one of many messages that come at once begin, and tells the others why not', async () => {
  const userId = await bench.newUser();
  const avatarId = await bench.newAvatar(userId);
  const devices = [engine.connect(userId), engine.connect(userId)] as const;
  const { conversationId } = await engine.chat.open(devices[0].caller, { avatarId, kind: 'conversation' });
  const outcomes = await Promise.allSettled(
    Array.from({ length: 8 }, (_, at) =>
      engine.turns.send(devices[at % 2 === 0 ? 0 : 1].caller, {
        conversationId,
        clientMessageId: uuidv7(),
        text: `${longAnswer} Message ${at}`,
      }),
    ),
  );
  const begun = outcomes.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  const refused = outcomes.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []));
  expect(begun).toHaveLength(1);
  expect(refused.map((reason) => reason.code)).toEqual(Array.from({ length: 7 }, () => 'chat.generation_running'));
  await engine.chat.stop(devices[0].caller, begun[0]?.generationId ?? '');
  await devices[1].done(begun[0]?.generationId ?? '');
});

it('begins nothing in a conversation of somebody else, nor within another transaction, in one statement as in a transaction', async () => {
  const [mine, other] = [await bench.newUser(), await bench.newUser()];
  const avatarId = await bench.newAvatar(mine);
  const { caller } = engine.connect(mine);
  const { conversationId, revision } = await engine.chat.open(caller, { avatarId, kind: 'conversation' });
  const turn = (): NewTurn => ({
    conversationId,
    revision,
    question: { id: uuidv7(), parentId: null, isNew: true, text: 'Hi.', tokenCount: 2 },
    clientMessageId: null,
    title: 'Hi.',
    at: new Date(),
    generation: {
      id: uuidv7(),
      payeeUserId: mine,
      messageId: uuidv7(),
      clientRequestId: null,
      owner: 'races-test',
      model: 'tsumugi-persona',
      trace: { parts: [] },
      promptTokens: 9,
      firstTurn: true,
    },
  });
  const { db } = bench;
  const alone = (userId: string) => db.inOneStatement((statement) => beginTurnAlone(statement, userId, turn()));
  await expect(alone(other).catch(isOvertaken)).resolves.toBe(true);
  await expect(db.asUserAtOnce(other, (tx) => beginTurn(tx, turn())).catch(isOvertaken)).resolves.toBe(true);
  await expect(
    db.asUser(other, ({ sql }) => beginTurnAlone({ sql: sql as never }, mine, turn())),
  ).rejects.toMatchObject({ code: '42501' });
  expect((await engine.chat.attach(caller, { conversationId })).messages).toEqual([]);
  expect(await alone(mine)).toMatchObject({ revision: revision + 1 });
});

it('refuses an id of the client that cannot be stored as it is', async () => {
  const userId = await bench.newUser();
  const avatarId = await bench.newAvatar(userId);
  const { caller } = engine.connect(userId);
  const { conversationId } = await engine.chat.open(caller, { avatarId, kind: 'conversation' });
  for (const clientMessageId of ['a\0b', '\ud800'])
    await expect(engine.turns.send(caller, { conversationId, clientMessageId, text: 'Hi.' })).rejects.toMatchObject({
      code: 'protocol.invalid_body',
      details: { field: 'clientMessageId' },
    });
});
