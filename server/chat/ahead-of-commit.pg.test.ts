/**
 * Where nobody pays, the model is asked while the turn is still being committed: what it says before the commit reaches nobody.
 * Where tokens are held with the turn, it is asked when they are: a commit that fails has asked nothing.
 */
import postgres from 'postgres';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { uuidv7 } from '../../db/uuid.ts';
import type { ChatRequest, StreamEnd, StreamHandle, StreamListener } from '../llm/model.ts';
import { type Bench, startBench, TestEngine } from './testing/engine.ts';

let bench: Bench;
let owner: postgres.Sql;
/** Every request to the model as it ended, and whether it had said something. */
const requests: Promise<{ reason: StreamEnd['finishReason']; spoke: boolean }>[] = [];

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

/** Fails at the commit and not before, and leaves a model that is asked too early time to speak. */
const refuseCommits = () =>
  owner.unsafe(`
    create function chat.refuse_commit() returns trigger language plpgsql as
      $$ begin perform pg_sleep(0.1); raise exception 'refused at the commit'; end $$;
    create constraint trigger refuse_commit after insert on chat.generations deferrable initially deferred
      for each row execute function chat.refuse_commit()`);
const acceptCommits = () =>
  owner.unsafe('drop trigger refuse_commit on chat.generations; drop function chat.refuse_commit()');

async function tryInVain(billingMode: 'metered' | 'free') {
  requests.length = 0;
  const engine = new TestEngine({ ...bench, model: notingModel() }, `ahead-${billingMode}`, { billingMode });
  const userId = await bench.newUser();
  const avatarId = await bench.newAvatar(userId);
  const reader = engine.connect(userId);
  const { conversationId } = await engine.chat.open(reader.caller, { avatarId, kind: 'conversation' });
  const body = { conversationId, clientMessageId: uuidv7(), text: 'Are you there?' };
  await refuseCommits();
  await expect(engine.turns.send(reader.caller, body)).rejects.toThrow('refused at the commit');
  await acceptCommits();
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
  await owner.unsafe(`
    create function chat.delay_commit() returns trigger language plpgsql as $$ begin perform pg_sleep(0.15); return null; end $$;
    create constraint trigger delay_commit after insert on chat.generations deferrable initially deferred
      for each row execute function chat.delay_commit()`);
  let pushedBefore = -1;
  const { generationId } = await engine.turns
    .send(reader.caller, { conversationId, clientMessageId: uuidv7(), text: 'Take your time.' })
    .finally(() => {
      pushedBefore = reader.pushes.length + witness.pushes.filter(({ type }) => type === 'chat.delta').length;
    });
  expect(pushedBefore).toBe(0);
  await owner.unsafe('drop trigger delay_commit on chat.generations; drop function chat.delay_commit()');
  for (const one of [reader, witness]) {
    const first = await one.next('chat.delta', (body) => body.generationId === generationId);
    expect(first.offset).toBe(0);
    const done = await one.done(generationId);
    expect(one.texts.get(generationId)).toHaveLength(done.length);
  }
  // It had spoken for a while: the first piece that was shown was more than a word.
  expect((await reader.next('chat.delta')).seq).toBeGreaterThan(0);
});
