/** Remembering and finding again, with a real PostgreSQL and real worker threads. */
import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Database } from '../../db/client.ts';
import { createTestDatabase, type TestDatabase } from '../../db/testing/postgres.ts';
import { embedTexts } from '../../workers/memory/embed-text.ts';
import { WorkerPool } from '../../workers/pool.ts';
import { ManualClock } from '../clock.ts';
import { type Embedder, OfflineEmbedder } from './embedder.ts';
import { defaultLimits, type MemoryLimits, MemoryService, type Remembered } from './service.ts';

let test_: TestDatabase;
let db: Database;
let pool: WorkerPool;
const clock = new ManualClock();

beforeAll(async () => {
  test_ = await createTestDatabase();
  db = test_.database;
  pool = new WorkerPool({ threads: 1, maxQueue: 1_000 });
  await pool.warmUp();
});
afterAll(async () => {
  await pool.close();
  await test_.close();
});

function open(limits: Partial<MemoryLimits> = {}, embedder: Embedder = new OfflineEmbedder(pool)): MemoryService {
  const log = { warn: (_facts: object, message: string) => expect.fail(message) };
  return new MemoryService(
    { db, runner: pool, embedder, clock, log },
    { ...defaultLimits, deadlineMs: 10_000, ...limits },
  );
}
const says = (ownerId: string, text: string, change: Partial<Remembered> = {}): Remembered => ({
  scope: 'user',
  ownerId,
  objectType: 'message',
  objectId: randomUUID(),
  text,
  meta: {},
  ...change,
});
const ask = (memory: MemoryService, userId: string, text: string, avatarId: string = randomUUID(), top = 5) =>
  memory.retrieve({ userId, avatarId, text, top });
const rowsOf = (ownerId: string) =>
  db.asService(
    (tx) =>
      tx.sql`select text, skip_reason, vector, place::int, model from memory.embeddings where owner_id = ${ownerId} order by place`,
  );

describe('retrieve', () => {
  test('finds what was said before, with where it came from', async () => {
    const memory = open();
    const [userId, conversationId, messageId] = [randomUUID(), randomUUID(), randomUUID()];
    memory.rememberTurn({
      userId,
      conversationId,
      messageId,
      text: '私は猫を二匹飼っています。名前はモモとソラです。',
    });
    memory.rememberTurn({ userId, conversationId, messageId: randomUUID(), text: '昨日は仕事が忙しくて疲れました。' });
    await memory.idle();
    const found = await ask(memory, userId, 'うちの猫の名前、覚えてる？');
    expect(found[0]).toEqual({
      memoryId: expect.any(String),
      scope: 'user',
      text: '私は猫を二匹飼っています。名前はモモとソラです。',
      score: expect.any(Number),
      source: { conversationId, messageId },
      createdAtMs: clock.now(),
    });
    const [best] = found;
    expect(await memory.findTexts(userId, [best?.memoryId ?? '', randomUUID()])).toEqual(
      new Map([[best?.memoryId, best?.text]]),
    );
  });

  test('000-R22: a user finds his own and the avatar’s namespace, and nobody else’s', async () => {
    const memory = open();
    const [alice, bob, avatar] = [randomUUID(), randomUUID(), randomUUID()];
    await memory.remember([says(alice, 'My sister lives in Osaka.'), says(bob, 'My sister lives in Nagoya.')]);
    await memory.teachAvatar(avatar, ['Sora has a sister in Kyoto.']);
    const texts = (await ask(memory, alice, 'Where does my sister live?', avatar)).map(({ scope, text }) => [
      scope,
      text,
    ]);
    expect(texts).toHaveLength(2);
    expect(texts).toContainEqual(['user', 'My sister lives in Osaka.']);
    expect(texts).toContainEqual(['avatar', 'Sora has a sister in Kyoto.']);
    expect((await ask(memory, alice, 'Where does my sister live?')).map(({ text }) => text)).toEqual([
      'My sister lives in Osaka.',
    ]);
    // Nor by id.
    const [bobs] = await ask(memory, bob, 'sister');
    expect(await memory.findTexts(alice, [bobs?.memoryId ?? ''])).toEqual(new Map());
  });

  test('what the question itself says is no answer', async () => {
    const memory = open();
    const userId = randomUUID();
    await memory.remember([says(userId, 'Where is my umbrella?'), says(userId, 'My umbrella is in the car.')]);
    expect((await ask(memory, userId, 'Where is my umbrella?')).map(({ text }) => text)).toEqual([
      'My umbrella is in the car.',
    ]);
  });

  test('nothing remembered: no worker is asked', async () => {
    const seen: string[] = [];
    const counting = new WorkerPool({ threads: 1, maxQueue: 1, onTask: (task) => seen.push(task) });
    const memory = new MemoryService({
      db,
      runner: counting,
      embedder: new OfflineEmbedder(counting),
      clock,
      log: { warn() {} },
    });
    expect(await ask(memory, randomUUID(), 'Where is my umbrella?')).toEqual([]);
    await counting.close();
    expect(seen).toEqual([]);
  });

  test('equals brute force over everything remembered', async () => {
    const words = fc.constantFrom(
      'cat',
      'sea',
      'Osaka',
      'nurse',
      'piano',
      '猫',
      '京都',
      '旅行',
      '仕事',
      'コーヒー',
      'green',
      'garden',
    );
    const sentence = fc.array(words, { minLength: 3, maxLength: 8 }).map((parts) => `We: ${parts.join(' ')}`);
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(sentence, { minLength: 1, maxLength: 30 }),
        sentence,
        fc.integer({ min: 1, max: 12 }),
        async (texts, query, top) => {
          const memory = open({ minScore: 0.3 });
          const userId = randomUUID();
          const half = Math.ceil(texts.length / 2);
          await memory.remember(texts.slice(0, half).map((text) => says(userId, text)));
          await ask(memory, userId, query);
          await memory.remember(texts.slice(half).map((text) => says(userId, text)));
          const found = await ask(memory, userId, query, randomUUID(), top);
          const [queryVector = new Float32Array()] = embedTexts([query], 256);
          const scored = embedTexts(texts, 256).map((vector, index) => ({
            text: texts[index],
            score: vector.reduce((sum, value, at) => sum + value * (queryVector[at] ?? 0), 0),
          }));
          const expected = scored
            .filter(({ text, score }) => score >= 0.3 && text !== query)
            .sort((a, b) => b.score - a.score);
          expect(found.map(({ score }) => score.toFixed(4))).toEqual(
            expected.slice(0, top).map(({ score }) => score.toFixed(4)),
          );
          for (const { text, score } of found) {
            expect(score).toBeCloseTo(scored.find((one) => one.text === text)?.score ?? 9, 4);
          }
        },
      ),
      { numRuns: 15 },
    );
  });

  test('ends at the deadline, and by its caller', async () => {
    const stuck: Embedder = { model: 'stuck', dimensions: 16, embed: () => new Promise(() => {}) };
    const userId = randomUUID();
    const working: Embedder = { ...stuck, embed: async (texts) => texts.map(() => new Float32Array(16).fill(0.25)) };
    await open({}, working).remember([says(userId, 'My umbrella is in the car.')]);
    await expect(ask(open({ deadlineMs: 20 }, stuck), userId, 'umbrella')).rejects.toMatchObject({
      name: 'TimeoutError',
    });
    const abort = new AbortController();
    const asked = open({}, stuck).retrieve({
      userId,
      avatarId: userId,
      text: 'umbrella',
      top: 1,
      signal: abort.signal,
    });
    abort.abort();
    await expect(asked).rejects.toMatchObject({ name: 'AbortError' });
  });
});

describe('remember', () => {
  test('000-R23: the same text of an owner is kept once, by whoever writes it', async () => {
    const userId = randomUUID();
    const text = 'I play the piano on Sundays.';
    const gateways = [open(), open(), open()];
    await Promise.all(
      gateways.flatMap((memory) => [
        memory.remember([says(userId, text)]),
        memory.remember([says(userId, text), says(userId, text)]),
      ]),
    );
    expect(await rowsOf(userId)).toHaveLength(1);
    const avatar = randomUUID();
    await open().teachAvatar(avatar, [text]);
    await open().remember([says(avatar, text)]);
    expect(await rowsOf(avatar)).toHaveLength(2);
  });

  test('000-R24: what is not for retrieval leaves a reason, and no text', async () => {
    const memory = open();
    const userId = randomUUID();
    await memory.remember([
      says(userId, 'My PIN is a secret.', { excluded: true }),
      says(userId, 'はい'),
      says(userId, 'We met in Kyoto.'),
    ]);
    const rows = await rowsOf(userId);
    expect(rows.map((row) => [row['text'], row['skip_reason'], row['vector'] === null])).toEqual([
      ['', 'excluded', true],
      ['', 'trivial', true],
      ['We met in Kyoto.', null, false],
    ]);
    expect(await ask(memory, userId, 'What is my secret PIN?')).toEqual([]);
    // Said again without the flag, it is kept; with the flag again, it stays.
    await memory.remember([says(userId, 'My PIN is a secret.')]);
    await memory.remember([says(userId, 'My PIN is a secret.', { excluded: true })]);
    expect((await ask(memory, userId, 'What is my secret PIN?')).map(({ text }) => text)).toEqual([
      'My PIN is a secret.',
    ]);
  });

  test('a long message is remembered in pieces of one source', async () => {
    const memory = open();
    const userId = randomUUID();
    const objectId = randomUUID();
    await memory.remember([
      says(userId, `${'The garden is green in June. '.repeat(30)}My dentist is called Abe.`, { objectId }),
    ]);
    expect((await rowsOf(userId)).length).toBeGreaterThan(1);
    const [found] = await ask(memory, userId, 'What is the name of my dentist called Abe?');
    expect(found?.source).toEqual({ messageId: objectId });
    expect(found?.text).toContain('dentist');
  });

  test('another gateway notices new rows by the high-water mark', async () => {
    const [here, there] = [open(), open()];
    const userId = randomUUID();
    await here.remember([says(userId, 'I have a red bicycle.')]);
    expect(await ask(there, userId, 'red bicycle')).toHaveLength(1);
    await here.remember([says(userId, 'The bicycle is broken.')]);
    expect(await ask(here, userId, 'bicycle')).toHaveLength(2);
    clock.advance(defaultLimits.refreshMs);
    await ask(there, userId, 'bicycle');
    await expect.poll(() => ask(there, userId, 'bicycle')).toHaveLength(2);
  });

  test('writers of one space at the same time leave no gap that a reader could miss', async () => {
    const userId = randomUUID();
    const writers = Array.from({ length: 6 }, () => open());
    const reader = open({ refreshMs: 0 });
    await Promise.all(
      writers.map((memory, index) => memory.remember([says(userId, `Fact number ${index} about the harbour.`)])),
    );
    expect(await ask(reader, userId, 'harbour facts', randomUUID(), 20)).toHaveLength(6);
    const places = (await rowsOf(userId)).map((row) => row['place']);
    expect(new Set(places).size).toBe(6);
  });

  test('a change of model makes a space of its own', async () => {
    const userId = randomUUID();
    await open().remember([says(userId, 'I have a red bicycle.')]);
    const other: Embedder = {
      model: 'other-16',
      dimensions: 16,
      embed: async (texts) => texts.map(() => new Float32Array(16).fill(0.25)),
    };
    const memory = open({}, other);
    expect(await ask(memory, userId, 'red bicycle')).toEqual([]);
    await memory.remember([says(userId, 'I have a red bicycle.'), says(userId, 'I have a blue boat.')]);
    expect(await ask(memory, userId, 'bicycle', randomUUID(), 9)).toHaveLength(2);
    expect(await ask(open(), userId, 'bicycle')).toHaveLength(1);
  });

  test('spaces unused for longest leave when memory is short, and come back', async () => {
    const memory = open({ maxBytes: 50_000 });
    const users = Array.from({ length: 12 }, () => randomUUID());
    for (const userId of users) {
      await memory.remember([says(userId, 'I have a red bicycle.')]);
      expect(await ask(memory, userId, 'bicycle')).toHaveLength(1);
      expect(memory.figures.bytes).toBeLessThanOrEqual(50_000);
    }
    expect(memory.figures.spaces).toBeLessThan(12);
    for (const userId of users) expect(await ask(memory, userId, 'bicycle')).toHaveLength(1);
  });
});

test('row level security: a person reads his own memories only and writes none', async () => {
  const memory = open();
  const [alice, bob] = [randomUUID(), randomUUID()];
  await memory.remember([says(alice, 'I have a red bicycle.'), says(bob, 'I have a blue boat.')]);
  await memory.teachAvatar(alice, ['An avatar with the id of a user.']);
  const asAlice = <T>(statement: string) => db.asUser(alice, (tx) => tx.sql.unsafe(statement)) as Promise<T[]>;
  expect(await asAlice('select text from memory.embeddings')).toEqual([{ text: 'I have a red bicycle.' }]);
  expect(await asAlice('select 1 from memory.spaces')).toEqual([]);
  expect(await asAlice("update memory.embeddings set text = 'x' returning id")).toEqual([]);
  expect(await asAlice('delete from memory.embeddings returning id')).toEqual([]);
  await expect(asAlice(`insert into memory.spaces values ('user', '${alice}', 'm', 1)`)).rejects.toMatchObject({
    code: '42501',
  });
  await expect(
    db.asUser(alice, (tx) => tx.sql`insert into memory.embeddings select * from memory.embeddings`),
  ).rejects.toMatchObject({ code: '42501' });
});

test('row level security: what an avatar knows is read by its owner, a sample’s by everybody', async () => {
  const memory = open();
  const [owner, stranger] = [randomUUID(), randomUUID()];
  const [own, published, sample] = [randomUUID(), randomUUID(), randomUUID()];
  await db.asService(async ({ sql }) => {
    for (const id of [owner, stranger]) await sql`insert into identity.users (id) values (${id})`;
    const avatar = (id: string, ownerId: string | null, visibility: string) => sql`
      insert into companion.avatars (id, owner_user_id, sample_key, name, lang, accent, visibility)
      values (${id}, ${ownerId}, ${ownerId === null ? id : null}, 'Sora', 'en', '#112233', ${visibility})`;
    await avatar(own, owner, 'private');
    await avatar(published, owner, 'published');
    await avatar(sample, null, 'published');
  });
  for (const id of [own, published, sample]) await memory.teachAvatar(id, [`Sora knows ${id}`]);
  const idsFor = async (userId: string) => {
    const all = await db.asService((tx) => tx.sql`select id from memory.embeddings where owner_scope = 'avatar'`);
    const texts = await memory.findTexts(
      userId,
      all.map((row) => row['id']),
    );
    return [own, published, sample].filter((id) => [...texts.values()].includes(`Sora knows ${id}`));
  };
  expect(await idsFor(owner)).toEqual([own, published, sample]);
  expect(await idsFor(stranger)).toEqual([sample]);
});
