import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { uuidv7 } from '../../db/uuid.ts';
import { type Clock, systemClock } from '../clock.ts';
import { isOutage } from '../outage.ts';
import { type Bench, startBench, TestEngine } from './testing/engine.ts';

/** Waits for next to nothing. */
const hasty: Clock = { ...systemClock, after: (ms, task) => systemClock.after(ms / 50, task) };

let bench: Bench;
let owner: postgres.Sql;
beforeAll(async () => {
  bench = await startBench();
  owner = postgres(bench.test.ownerUrl, { max: 1, onnotice: () => {} });
  // A row that cannot be stored, whatever the reason may be one day.
  await owner.unsafe(`
    create function refuse() returns trigger language plpgsql as $$
      begin if exists (select from chat.messages m where m.id = new.parent_id and m.text like 'poison%')
        then raise check_violation using message = 'refused'; end if; return new; end $$;
    create trigger refuse before insert on chat.messages for each row when (new.role = 'ai') execute function refuse()`);
});
afterAll(async () => {
  await owner.end();
  await bench.close();
});

async function ask(engine: TestEngine, text: string) {
  const userId = await bench.newUser();
  const reader = engine.connect(userId);
  const avatarId = await bench.newAvatar(userId);
  const { conversationId } = await engine.chat.open(reader.caller, { avatarId, kind: 'conversation' });
  const { generationId } = await engine.turns.send(reader.caller, { conversationId, clientMessageId: uuidv7(), text });
  return { reader, conversationId, generationId };
}

describe('an answer that the database refuses', () => {
  it('holds up no other, is left alone in the end, and is settled by the next gateway that starts', async () => {
    const engine = new TestEngine(bench, 'first', {}, hasty);
    const [poisoned, ...others] = await Promise.all(
      ['poison', 'fine', 'fine too', 'just as fine'].map((text) => ask(engine, text)),
    );
    if (poisoned === undefined) throw new Error('There are four.');
    for (const { reader, generationId } of others) await reader.done(generationId);
    await engine.hub.idle();
    await engine.settler.idle();
    const stateOf = async () => {
      const [row] = await owner`select state from chat.generations where id = ${poisoned.generationId}`;
      return row?.['state'];
    };
    expect(await stateOf()).toBe('running');
    expect(engine.failures).toEqual([...Array(5).fill('retried'), 'given_up']);
    expect(poisoned.reader.pushes.some((push) => push.type === 'chat.done')).toBe(false);

    await owner`drop trigger refuse on chat.messages`;
    await engine.endLease();
    const next = new TestEngine(bench, 'next');
    expect(await next.recovery.closeLeftovers()).toBe(1);
    await next.hub.idle();
    expect(await stateOf()).toBe('ended');
    const { messages } = await next.chat.history(poisoned.reader.caller, { conversationId: poisoned.conversationId });
    expect(messages.at(-1)?.text).toBe(poisoned.reader.texts.get(poisoned.generationId));
  });
});

describe('an end whose commit was not acknowledged', () => {
  it('is announced from what is stored, and nothing is charged again', async () => {
    const engine = new TestEngine(bench, 'unheard');
    const { reader, generationId } = await ask(engine, 'fine');
    const done = await reader.done(generationId);
    const { generation } = engine.hub.findFinished(generationId) ?? {};
    if (generation === undefined) throw new Error('It has just ended.');
    engine.settler.add(generation);
    const again = () => reader.pushes.filter((push) => push.type === 'chat.done');
    await expect.poll(() => again().length).toBe(2);
    expect(again()[1]?.body).toEqual(done);
    expect(await owner`select 1 from billing.token_ledger where generation_id = ${generationId}`).toHaveLength(1);
  });
});

describe('isOutage', () => {
  it.each(['CONNECTION_LOST', 'ECONNREFUSED', '57P01', '40P01', '53300', 'busy'])('holds %s for passing', (code) =>
    expect(isOutage(Object.assign(new Error('x'), { code }))).toBe(true),
  );
  it.each([
    Object.assign(new Error('Reached the max retries per request limit'), { name: 'MaxRetriesPerRequestError' }),
    new Error('Connection is closed.'),
  ])('holds Redis for passing that is away: %s', (error) => expect(isOutage(error)).toBe(true));
  it.each(['23514', '22P02', '42703', 'ERR_INVALID_ARG_TYPE', '57P0', undefined])('blames the answer for %s', (code) =>
    expect(isOutage(Object.assign(new Error('x'), { code }))).toBe(false),
  );
});
