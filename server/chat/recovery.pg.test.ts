/** When a gateway takes over what others left: through faults that pass, and whatever becomes of the clock. */
import postgres from 'postgres';
import { afterAll, beforeAll, beforeEach, expect, it, onTestFinished } from 'vitest';
import { uuidv7 } from '../../db/uuid.ts';
import { type Clock, systemClock } from '../clock.ts';
import { type Bench, LONG_ANSWER, longAnswer, startBench, TestEngine } from './testing/engine.ts';

let setBackMs = 0;
/** Looks around every few milliseconds, for a lease that lives a second. */
const hasty: Clock = {
  now: () => systemClock.now() - setBackMs,
  monotonicMs: () => systemClock.monotonicMs() * 4,
  after: (ms, task) => systemClock.after(ms / 20, task),
};

let bench: Bench;
let dead: TestEngine;
let userId: string;
let conversationId: string;
let generationId: string;

beforeAll(async () => {
  bench = await startBench({ tokensPerSecond: 100 });
});
afterAll(() => bench.close());

/** An answer of a gateway that everybody will hold for dead. */
beforeEach(async () => {
  setBackMs = 0;
  dead = new TestEngine(bench, `dead-${uuidv7()}`, { maxOutputTokens: LONG_ANSWER });
  userId = await bench.newUser();
  const asker = dead.connect(userId);
  const avatarId = await bench.newAvatar(userId);
  ({ conversationId } = await dead.chat.open(asker.caller, { avatarId, kind: 'conversation' }));
  const text = `${longAnswer} Tell me of the sea.`;
  ({ generationId } = await dead.turns.send(asker.caller, { conversationId, clientMessageId: uuidv7(), text }));
  await asker.next('chat.delta', (body) => body.seq >= 2);
  return async () => {
    await dead.hub.interruptAll();
    await dead.settler.idle();
  };
});

it('starts though an answer cannot be taken over yet, and takes it over later', async () => {
  const owner = postgres(bench.test.ownerUrl, { max: 1, onnotice: () => {} });
  onTestFinished(() => owner.end());
  await owner.unsafe(`
    create function refuse_fence() returns trigger language plpgsql as $$ begin raise exception 'not now'; end $$;
    create trigger refuse_fence before update on live.log_heads for each row when (new.epoch > old.epoch)
      execute function refuse_fence()`);
  await dead.endLease();
  const heir = new TestEngine(bench, `heir-${uuidv7()}`, {}, hasty);
  const witness = heir.connect(userId);
  await heir.engine.start();
  onTestFinished(() => heir.engine.stop());
  await heir.engine.news.ready(userId);
  expect(heir.recovery.isAdopting(generationId)).toBe(true);
  await owner`drop function refuse_fence() cascade`;
  expect((await witness.done(generationId)).finishReason).toBe('interrupted');
});

it('judges others again one lease after it was cut off, though the clock is set back', async () => {
  const heir = new TestEngine(bench, `heir-${uuidv7()}`, {}, hasty);
  const witness = heir.connect(userId);
  await dead.recovery.start();
  await heir.engine.start();
  onTestFinished(() => heir.engine.stop());
  await heir.engine.news.ready(userId);
  const lost = heir.counted('lease lost');
  await bench.live.releaseLease(`gateway:${heir.engine.owner}`, heir.engine.owner);
  await lost;
  setBackMs = 3_600_000;
  await dead.recovery.stop();
  expect((await witness.done(generationId)).finishReason).toBe('interrupted');
});
