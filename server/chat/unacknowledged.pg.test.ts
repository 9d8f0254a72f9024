/** Commits whose acknowledgement is lost: PostgreSQL has carried out what this gateway takes for failed. */
import { afterAll, beforeAll, beforeEach, expect, it, onTestFinished } from 'vitest';
import { Database } from '../../db/client.ts';
import { uuidv7 } from '../../db/uuid.ts';
import { type Clock, systemClock } from '../clock.ts';
import { type Bench, startBench, TestEngine } from './testing/engine.ts';
import type { Reader } from './testing/reader.ts';
import { Wire } from './testing/wire.ts';

/** Looks around every few milliseconds; a lease lives as long as ever. */
const hasty: Clock = { ...systemClock, after: (ms, task) => systemClock.after(ms / 20, task) };

const QUESTION = 'Are you still there?';

let bench: Bench;
let wire: Wire;
let db: Database;
let engine: TestEngine;
let elsewhere: TestEngine;
let reader: Reader;
let witness: Reader;
let conversationId: string;

beforeAll(async () => {
  bench = await startBench({ tokensPerSecond: 400 });
  wire = await Wire.to(bench.test.url);
  // One connection: the second turn's statements are known to it, so that they go out together with their commit.
  db = new Database(wire.through(bench.test.url), { max: 1 });
});
afterAll(async () => {
  await db.close();
  await wire[Symbol.asyncDispose]();
  await bench.close();
});

beforeEach(async () => {
  elsewhere = new TestEngine(bench, `elsewhere-${uuidv7()}`);
  await elsewhere.engine.start();
  return () => elsewhere.engine.stop();
});

type Options = { billingMode: 'metered' | 'free'; failover: 'continue' | 'interrupt' };
async function begin(options: Options, isCold = false): Promise<void> {
  engine = new TestEngine({ ...bench, db }, `here-${uuidv7()}`, options, hasty);
  const { engine: started } = engine;
  await started.start();
  onTestFinished(() => started.stop());
  const userId = await bench.newUser();
  reader = engine.connect(userId);
  witness = elsewhere.connect(userId);
  await Promise.all([engine.engine.news.ready(userId), elsewhere.engine.news.ready(userId)]);
  const avatarId = await bench.newAvatar(userId);
  ({ conversationId } = await engine.chat.open(reader.caller, { avatarId, kind: 'conversation' }));
  for (const text of ['Hello.', 'Hello again.']) {
    const { generationId } = await engine.turns.send(reader.caller, { conversationId, clientMessageId: text, text });
    await reader.done(generationId);
    // As after a restart: the next turn is made from what is read.
    if (isCold) engine.engine.contexts.forget(conversationId);
  }
}

const running = () =>
  bench.db.asService(
    (tx) => tx.sql<{ id: string }[]>`
      select id from chat.generations where conversation_id = ${conversationId} and state = 'running'`,
  );

async function cutWhenWritten(): Promise<string> {
  try {
    await expect.poll(running).toHaveLength(1);
    return (await running())[0]?.id ?? '';
  } finally {
    wire.cut();
  }
}

/** @returns the id of the answer, which the sender was not told. */
async function sendUnheard(clientMessageId: string): Promise<string> {
  void wire.answerNothingTo(QUESTION);
  const [, id] = await Promise.all([
    expect(engine.turns.send(reader.caller, { conversationId, clientMessageId, text: QUESTION })).rejects.toThrow(),
    cutWhenWritten(),
  ]);
  return id;
}

it.each([
  { billingMode: 'metered', failover: 'continue', isCold: true, ends: 'stop' },
  { billingMode: 'metered', failover: 'continue', isCold: false, ends: 'stop' },
  { billingMode: 'free', failover: 'continue', isCold: true, ends: 'stop' },
  { billingMode: 'free', failover: 'interrupt', isCold: false, ends: 'interrupted' },
] as const)(
  'an answer whose turn was committed unheard is written, or closed, and told ($billingMode, $failover, cold: $isCold)',
  async ({ ends, isCold, ...options }) => {
    await begin(options, isCold);
    const clientMessageId = uuidv7();
    const generationId = await sendUnheard(clientMessageId);
    const again = await engine.turns.send(reader.caller, { conversationId, clientMessageId, text: QUESTION });
    expect(again.generationId).toBe(generationId);
    const done = await reader.done(generationId);
    expect(done.finishReason).toBe(ends);
    expect(reader.texts.get(generationId) ?? '').toHaveLength(done.length);
    // The other device was never told of the message.
    await witness.next('chat.selected', (body) => body.conversationId === conversationId);
    await witness.done(generationId);
    expect(await running()).toEqual([]);
    const next = await engine.turns.send(reader.caller, {
      conversationId,
      clientMessageId: uuidv7(),
      text: 'And now?',
    });
    expect((await reader.done(next.generationId)).finishReason).toBe('stop');
  },
);

it('what is being written is not taken up, however often is looked', async () => {
  await begin({ billingMode: 'metered', failover: 'continue' });
  const { generationId } = await engine.turns.send(reader.caller, {
    conversationId,
    clientMessageId: uuidv7(),
    text: '[[fault huge:100]] Tell me of the sea.',
  });
  await reader.next('chat.delta');
  expect(await engine.recovery.takeUpUnwritten()).toBe(0);
  expect(await engine.recovery.takeUpUnwritten()).toBe(0);
  await reader.done(generationId);
  expect(reader.pushes.filter(({ type }) => type === 'chat.snapshot')).toEqual([]);
});
