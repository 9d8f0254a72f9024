/**
 * Where nobody pays, the model is asked while the turn is still being committed: what it says before the commit reaches nobody.
 * Where tokens are held, it is asked when they are: a commit that fails has asked nothing.
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
  const logged = await owner`select count(*)::int as pieces from live.log_pieces where generation_id not in (
    select id::text from chat.generations)`;
  expect(logged[0]?.['pieces']).toBe(0);
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
