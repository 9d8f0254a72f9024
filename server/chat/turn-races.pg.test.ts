import { afterAll, beforeAll, expect, it } from 'vitest';
import { uuidv7 } from '../../db/uuid.ts';
import { type Bench, startBench, TestEngine } from './testing/engine.ts';

let bench: Bench;
let engine: TestEngine;

beforeAll(async () => {
  bench = await startBench({ tokensPerSecond: 200 });
  engine = new TestEngine(bench, 'races-test');
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
        text: `Message ${at}`,
      }),
    ),
  );
  const begun = outcomes.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  const refused = outcomes.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []));
  expect(begun).toHaveLength(1);
  expect(refused.map((reason) => reason.code)).toEqual(Array.from({ length: 7 }, () => 'chat.generation_running'));
  await devices[1].done(begun[0]?.generationId ?? '');
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
