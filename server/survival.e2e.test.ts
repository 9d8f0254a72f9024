/** The whole server while parts of it are killed: what becomes of the answers that are being written, and of commands meanwhile. */
import { randomBytes } from 'node:crypto';
import postgres from 'postgres';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type CrashingPostgres, startCrashingPostgres } from '../db/testing/crashing-postgres.ts';
import { startRedis, type TestRedis } from '../db/testing/redis.ts';
import type { Conversation } from '../protocol/client/conversation.ts';
import type { Generation } from '../protocol/client/generation.ts';
import { HeldModel } from './testing/held-model.ts';
import { ModelProcess } from './testing/model-process.ts';
import { openConversation, Person, when } from './testing/people.ts';
import { startTestServer, type TestServer } from './testing/start-server.ts';

/** All servers share one database, so one key. */
const keys = {
  TSUMUGI_MASTER_KEYS: `test:${randomBytes(32).toString('base64')}`,
  TSUMUGI_LEDGER_KEYS: `test:${randomBytes(32).toString('base64')}`,
};
let database: CrashingPostgres;
let redis: TestRedis;
beforeAll(async () => {
  [database, redis] = await Promise.all([startCrashingPostgres(), startRedis()]);
});
afterAll(() => Promise.all([database?.stop(), redis?.stop()]));

type Talk = { person: Person; conversation: Conversation; generation: Generation };
const people: Person[] = [];
afterEach(() => {
  for (const person of people.splice(0)) person.leave();
});

/** Somebody who reads the beginning of an answer. */
async function talk(server: TestServer, person?: Person): Promise<Talk> {
  const speaker = person ?? (await Person.signUp(server.url));
  if (person === undefined) people.push(speaker);
  const conversation = await openConversation(await speaker.device());
  const generation = await conversation.send('Tell me everything.');
  await when(conversation, () => generation.text.length > 20);
  return { person: speaker, conversation, generation };
}

async function metric(server: TestServer, name: string): Promise<number> {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  return [...text.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'gm'))].reduce(
    (sum, [, n]) => sum + Number(n),
    0,
  );
}

/** What the ledger says about an answer. */
async function charges(generationId: string): Promise<number> {
  const sql = postgres(database.url, { max: 1, onnotice: () => {} });
  try {
    return (await sql`select 1 from billing.token_ledger where generation_id = ${generationId}`).length;
  } finally {
    await sql.end();
  }
}

describe.each(['Redis', 'PostgreSQL'])('PostgreSQL ending in the middle of answers, with %s as live store', (live) => {
  let model: HeldModel;
  let server: TestServer;
  beforeAll(async () => {
    model = await HeldModel.start();
    model.hold();
    const store = live === 'Redis' ? { REDIS_URL: redis.url } : undefined;
    server = await startTestServer({ env: { ...keys, DATABASE_URL: database.url, ...store, ...model.env } });
  });
  afterAll(async () => {
    await server?.close();
    await model?.[Symbol.asyncDispose]();
  });

  it('refuses commands at once, loses nothing, settles once, and serves again', async () => {
    const { conversation, generation, person } = await talk(server);
    const client = await person.device();
    await database.crash();
    // Nobody brings the database back meanwhile: who waited for it would wait for ever.
    const refused = client.request('chat.history', { conversationId: conversation.conversationId });
    await expect(refused).rejects.toMatchObject({ code: 'busy' });
    const shown = generation.text;
    // With Redis, text goes on meanwhile; else it is held back.
    model.say(8);
    if (live === 'Redis') await when(conversation, () => generation.text.length > shown.length);
    await database.restart();
    model.release();
    const done = await generation.done;
    expect(done).toMatchObject({ finishReason: 'stop' });
    expect(done.text.startsWith(shown)).toBe(true);
    expect(await charges(generation.generationId)).toBe(1);
    const { messages } = await client.request('chat.history', { conversationId: conversation.conversationId });
    expect(messages.at(-1)?.text).toBe(done.text);
    expect((await (await conversation.send('Are you well?')).done).finishReason).toBe('stop');
  });
});

it('a model server that is killed ends its answers with what was written, and says why', async () => {
  const model = await ModelProcess.start({ tokens: 1_000, tokensPerSecond: 50 });
  const server = await startTestServer({ env: model.env });
  try {
    const { generation } = await talk(server);
    await model.kill();
    const done = await generation.done;
    expect(done).toMatchObject({ finishReason: 'error', error: { code: 'llm.broken_stream' } });
    expect(done.text.startsWith(generation.text)).toBe(true);
    expect(done.usage?.tokensOut).toBeGreaterThan(0);
    await expect.poll(() => metric(server, 'tsumugi_generations_total')).toBe(1);
  } finally {
    await server.close();
  }
});

describe('a gateway that is killed with many running answers', () => {
  /** The lease, the round that finds it ended, and what two busy cores need to start and end a hundred answers. */
  const WITHIN_MS = 10_000;
  const PERSONS = 34;
  const PER_PERSON = 3;

  /** One after the other: an empty conversation would be used again. */
  async function talkMuch(server: TestServer, person: Person): Promise<Talk[]> {
    const talks: Talk[] = [];
    while (talks.length < PER_PERSON) talks.push(await talk(server, person));
    return talks;
  }

  it('leaves them to the other one, which keeps what was shown and settles each once', async () => {
    const model = await ModelProcess.start({ tokens: 5_000, tokensPerSecond: 10 });
    const env = { ...keys, DATABASE_URL: database.url, REDIS_URL: redis.url, ...model.env };
    const first = await startTestServer({ env });
    const second = await startTestServer({ env });
    const sql = postgres(database.url, { max: 1, onnotice: () => {} });
    try {
      const persons = await Promise.all(Array.from({ length: PERSONS }, () => Person.signUp(first.url)));
      people.push(...persons);
      const talks = (await Promise.all(persons.map((person) => talkMuch(first, person)))).flat();
      await first.kill();
      const killedAt = performance.now();
      const ids = talks.map(({ generation }) => generation.generationId);
      const shown = new Map(talks.map(({ generation }) => [generation.generationId, generation.text]));
      const running = async () =>
        (await sql`select 1 from chat.generations where state = 'running' and id = any(${ids})`).length;
      await expect.poll(running, { timeout: WITHIN_MS, interval: 50 }).toBe(0);
      const tookMs = performance.now() - killedAt;
      console.info(`${ids.length} answers of a killed gateway were closed after ${Math.round(tookMs)} ms`);
      // The lease of the dead one's chains has to end before another books.
      const pending = async () => (await sql`select 1 from billing.pending_entries`).length;
      await expect.poll(pending, { timeout: WITHIN_MS, interval: 50 }).toBe(0);
      const rows = await sql<{ id: string; text: string; charged: number }[]>`
        select m.generation_id as id, m.text, m.finish_reason,
          (select count(*)::int from billing.token_ledger l where l.generation_id = m.generation_id) as charged
        from chat.messages m where m.generation_id = any(${ids})`;
      expect(rows).toHaveLength(ids.length);
      expect(rows.filter(({ id, text }) => !text.startsWith(shown.get(id) ?? ''))).toEqual([]);
      expect(new Set(rows.map(({ charged }) => charged))).toEqual(new Set([1]));
      await expect.poll(() => metric(second, 'tsumugi_generations_adopted_total')).toBe(ids.length);
    } finally {
      await sql.end();
      await Promise.all([first.close(), second.close()]);
      await model.kill();
    }
  });
});
