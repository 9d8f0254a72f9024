/**
 * Where nobody pays, the model is asked while the turn is still being committed: what it says before the commit reaches nobody.
 * Where tokens are held with the turn, it is asked when they are: a commit that fails has asked nothing.
 */
import postgres from 'postgres';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { uuidv7 } from '../../db/uuid.ts';
import type { ChatRequest, StreamEnd, StreamHandle, StreamListener } from '../llm/model.ts';
import { CommitGate } from './testing/commit-gate.ts';
import { type Bench, startBench, TestEngine } from './testing/engine.ts';

let bench: Bench;
let owner: postgres.Sql;
/** Every request to the model as it ended, and whether it had said something. */
const requests: Promise<{ reason: StreamEnd['finishReason']; spoke: boolean }>[] = [];
/** Takes all that it may: it is being written until the commit decides. */
const LONG = '[[fault huge:300]]';

beforeAll(async () => {
  bench = await startBench({ tokensPerSecond: 100 });
  owner = postgres(bench.test.ownerUrl, { max: 1, onnotice: () => {} });
});
afterAll(async () => {
  await owner.end();
  await bench.close();
});

/** The real model, whose requests are noted. */
function notingModel(): Bench['model'] {
  const stream = (request: ChatRequest, listener: StreamListener): StreamHandle => {
    let spoke = false;
    const { promise, resolve } = Promise.withResolvers<{ reason: StreamEnd['finishReason']; spoke: boolean }>();
    requests.push(promise);
    return bench.model.stream(request, {
      onText(text) {
        spoke = true;
        listener.onText(text);
      },
      onEnd(end) {
        resolve({ reason: end.finishReason, spoke });
        listener.onEnd(end);
      },
    });
  };
  return new Proxy(bench.model, {
    get: (model, name) => {
      if (name === 'stream') return stream;
      const value: unknown = Reflect.get(model, name, model);
      return typeof value === 'function' ? value.bind(model) : value;
    },
  });
}

/** Pieces of answers that nobody knows of yet, or ever will. */
const unknownPieces = async () =>
  Number(
    (
      await owner`select count(*) as n from live.log_pieces where generation_id not in (select id::text from chat.generations)`
    )[0]?.['n'],
  );

async function tryInVain(billingMode: 'metered' | 'free') {
  requests.length = 0;
  const engine = new TestEngine({ ...bench, model: notingModel() }, `ahead-${billingMode}`, { billingMode });
  const userId = await bench.newUser();
  const avatarId = await bench.newAvatar(userId);
  const reader = engine.connect(userId);
  const { conversationId } = await engine.chat.open(reader.caller, { avatarId, kind: 'conversation' });
  const body = { conversationId, clientMessageId: uuidv7(), text: `${LONG} Are you there?` };
  {
    const before = await unknownPieces();
    await using gate = await CommitGate.close(bench.test.ownerUrl, 'refused at the commit');
    const refused = expect(engine.turns.send(reader.caller, body)).rejects.toThrow('refused at the commit');
    if (billingMode === 'free') await expect.poll(unknownPieces).toBeGreaterThan(before);
    await gate.open();
    await refused;
  }
  expect(engine.hub.runningCount).toBe(0);
  expect(reader.pushes.filter(({ type }) => type === 'chat.delta')).toEqual([]);
  // What it has said stands in the log of an answer that there is not, and goes with it.
  await expect
    .poll(
      () => owner`
    select 1 from live.log_heads where generation_id not in (select id::text from chat.generations)
      and expires_at > now() + interval '2 minutes'`,
    )
    .toHaveLength(0);
  return async () => {
    const { generationId } = await engine.turns.send(reader.caller, body);
    const done = await reader.done(generationId);
    expect(reader.texts.get(generationId)).toHaveLength(done.length);
    expect(await requests.at(-1)).toEqual({ reason: 'stop', spoke: true });
  };
}

it('cancels the request and leaves nothing when the commit fails; the same message can be sent again', async () => {
  const sendAgain = await tryInVain('free');
  expect(await requests[0]).toEqual({ reason: 'aborted', spoke: true });
  await sendAgain();
  expect(requests).toHaveLength(2);
});

it('asks nothing when the hold cannot be committed', async () => {
  const sendAgain = await tryInVain('metered');
  expect(requests).toEqual([]);
  await sendAgain();
  expect(requests).toHaveLength(1);
});

it('shows what was said ahead of the commit from its first word, behind the commit', async () => {
  const engine = new TestEngine({ ...bench, model: notingModel() }, 'ahead-slow', { billingMode: 'free' });
  const userId = await bench.newUser();
  const avatarId = await bench.newAvatar(userId);
  const reader = engine.connect(userId);
  const witness = engine.connect(userId);
  const { conversationId } = await engine.chat.open(reader.caller, { avatarId, kind: 'conversation' });
  await engine.chat.attach(witness.caller, { conversationId });
  const before = await unknownPieces();
  await using gate = await CommitGate.close(bench.test.ownerUrl);
  let pushedBefore = -1;
  const sent = engine.turns
    .send(reader.caller, { conversationId, clientMessageId: uuidv7(), text: `${LONG} Take your time.` })
    .finally(() => {
      pushedBefore = reader.pushes.length + witness.pushes.filter(({ type }) => type === 'chat.delta').length;
    });
  await expect.poll(unknownPieces).toBeGreaterThan(before + 2);
  await gate.open();
  const { generationId } = await sent;
  expect(pushedBefore).toBe(0);
  for (const one of [reader, witness]) {
    const first = await one.next('chat.delta', (body) => body.generationId === generationId);
    expect(first.offset).toBe(0);
    const done = await one.done(generationId);
    expect(one.texts.get(generationId)).toHaveLength(done.length);
  }
  // It had spoken for a while: the first piece that was shown was more than a word.
  expect((await reader.next('chat.delta')).seq).toBeGreaterThan(0);
});
