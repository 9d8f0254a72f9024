import { afterAll, beforeAll, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../db/testing/postgres.ts';
import { uuidv7 } from '../../db/uuid.ts';
import type { Avatar, AvatarPrompt } from '../../protocol/companion.ts';
import { PAGE_CHARACTERS } from '../../protocol/primitives.ts';
import type { UpReply } from '../../protocol/up.ts';
import type { Caller } from '../peer.ts';
import { samples, seedSamples } from './samples.ts';
import { CompanionService } from './service.ts';

let test: TestDatabase;
let companion: CompanionService;

async function newCaller(): Promise<Caller> {
  const userId = uuidv7();
  await test.database.asService((tx) => tx.sql`insert into identity.users (id) values (${userId})`);
  return { userId, sessionId: uuidv7() } as Caller;
}

async function publish(owner: Caller, name: string, greeting = ''): Promise<string> {
  const { avatarId } = await companion.createAvatar(owner, { name, systemPrompt: 'x', greeting });
  await companion.publishAvatar(owner, { avatarId, visibility: 'published' });
  return avatarId;
}

async function allAvatars(caller: Caller, limit?: number): Promise<Avatar[][]> {
  const pages: Avatar[][] = [];
  let before: string | null = null;
  do {
    const page: UpReply<'companion.list_avatars'> = await companion.listAvatars(caller, {
      before,
      ...(limit === undefined ? {} : { limit }),
    });
    pages.push(page.avatars);
    before = page.nextBefore;
  } while (before !== null);
  return pages;
}

async function allPrompts(caller: Caller, avatarId: string, limit?: number): Promise<AvatarPrompt[][]> {
  const pages: AvatarPrompt[][] = [];
  let before: number | null = null;
  do {
    const page: UpReply<'companion.list_prompts'> = await companion.listPrompts(caller, {
      avatarId,
      before,
      ...(limit === undefined ? {} : { limit }),
    });
    pages.push(page.prompts);
    before = page.nextBefore;
  } while (before !== null);
  return pages;
}

beforeAll(async () => {
  test = await createTestDatabase();
  companion = new CompanionService(test.database, { maxAvatars: async () => 1000 });
  await seedSamples(test.database, async () => {});
});
afterAll(() => test.close());

it('gives own avatars, then samples, then those of others, each once, however small the pages are', async () => {
  const [reader, other] = [await newCaller(), await newCaller()];
  for (const name of ['a', 'b', 'c', 'd']) await publish(other, name);
  const own = [await publish(reader, 'mine'), await publish(reader, 'mine too')];
  const whole = await companion.listAvatars(reader, {});
  const names = whole.avatars.map(({ name }) => name);
  expect(whole.avatars.slice(0, 2).map(({ avatarId }) => avatarId)).toEqual(own.toReversed());
  expect(whole.avatars.slice(2, 2 + samples.length).every(({ sample }) => sample)).toBe(true);
  expect(names.slice(2 + samples.length)).toEqual(['d', 'c', 'b', 'a']);
  expect(whole.nextBefore).toBeNull();
  for (const limit of [1, 2, 3, names.length])
    expect((await allAvatars(reader, limit)).flat(), `pages of ${limit}`).toEqual(whole.avatars);
});

it('tells avatars of the same instant apart, and goes on behind one that was removed meanwhile', async () => {
  const [reader, other] = [await newCaller(), await newCaller()];
  const at = new Date(Date.now() + 60_000).toISOString();
  const ids = Array.from({ length: 5 }, () => uuidv7()).toSorted();
  await test.database.asService(
    (tx) => tx.sql`
      insert into companion.avatars (id, owner_user_id, name, lang, accent, visibility, created_at)
      select id, ${other.userId}, 'twin', 'en', '#000000', 'published', ${at}::timestamptz + interval '7 microseconds'
      from unnest(${ids}::uuid[]) id`,
  );
  const isTwin = ({ avatarId }: Avatar) => ids.includes(avatarId);
  const listed = (await allAvatars(reader, 2)).flat().filter(isTwin);
  expect(listed.map(({ avatarId }) => avatarId)).toEqual(ids.toReversed());

  const first = await companion.listAvatars(reader, { limit: samples.length + 2 });
  const lastId = first.avatars.at(-1)?.avatarId ?? '';
  await companion.deleteAvatar(other, lastId);
  const { avatars } = await companion.listAvatars(reader, { before: first.nextBefore });
  expect(avatars.filter(isTwin).map(({ avatarId }) => avatarId)).toEqual(ids.filter((id) => id < lastId).toReversed());
});

it('ends a page of avatars with the one that makes it long', async () => {
  const reader = await newCaller();
  for (let n = 0; n < 20; n++) await publish(reader, `long ${n}`, 'あ'.repeat(2_000));
  const pages = await allAvatars(reader, 100);
  const [first = []] = pages;
  const characters = first.reduce((sum, { name, tagline, greeting }) => sum + (name + tagline + greeting).length, 0);
  expect(characters).toBeGreaterThanOrEqual(PAGE_CHARACTERS);
  expect(characters).toBeLessThan(PAGE_CHARACTERS + 2_280);
  expect(pages.flat().filter(({ owned }) => owned)).toHaveLength(20);
});

it.each([
  '',
  'x',
  '3.1.00000000-0000-7000-8000-000000000000',
  '0.-1.00000000-0000-7000-8000-000000000000',
  '0.999999999999999999.00000000-0000-7000-8000-000000000000',
  '0.1.nobody',
  '0.1.00000000-0000-7000-8000-000000000000.2',
])('says that %j is no place in the list of avatars', async (before) => {
  await expect(companion.listAvatars(await newCaller(), { before })).rejects.toMatchObject({
    code: 'protocol.invalid_body',
    details: { field: 'before' },
  });
});

it('finds by id what may be talked with, and nothing else', async () => {
  const [reader, other] = [await newCaller(), await newCaller()];
  const open = await publish(other, 'open');
  const gone = await publish(other, 'gone');
  await companion.deleteAvatar(other, gone);
  const { avatarId: hidden } = await companion.createAvatar(other, { name: 'hidden', systemPrompt: 'x' });
  const { avatarId: own } = await companion.createAvatar(reader, { name: 'own', systemPrompt: 'x' });
  const removed = await publish(reader, 'removed');
  await companion.deleteAvatar(reader, removed);
  const { avatars } = await companion.findAvatars(reader, [open, gone, hidden, own, removed, uuidv7(), open]);
  expect(avatars.map(({ name, owned }) => [name, owned]).toSorted()).toEqual([
    ['open', false],
    ['own', true],
  ]);
});

it('gives the versions of a prompt a page at a time, and the active one with the first', async () => {
  const owner = await newCaller();
  const { avatarId } = await companion.createAvatar(owner, { name: 'A', systemPrompt: 'p1' });
  for (let n = 2; n <= 7; n++) await companion.addPrompt(owner, { avatarId, systemPrompt: `p${n}` });
  await companion.activatePrompt(owner, { avatarId, version: 2 });
  const whole = await companion.listPrompts(owner, { avatarId });
  expect(whole).toMatchObject({ nextBefore: null, active: { version: 2, active: true, systemPrompt: 'p2' } });
  expect(whole.prompts.map(({ version }) => version)).toEqual([7, 6, 5, 4, 3, 2, 1]);
  const first = await companion.listPrompts(owner, { avatarId, limit: 3 });
  expect(first).toMatchObject({ nextBefore: 5, active: { version: 2 } });
  const second = await companion.listPrompts(owner, { avatarId, limit: 3, before: 5 });
  expect(second.prompts.map(({ version }) => version)).toEqual([4, 3, 2]);
  expect(second).toMatchObject({ nextBefore: 2, active: null });
  for (const limit of [1, 2, 7, 100])
    expect((await allPrompts(owner, avatarId, limit)).flat(), `pages of ${limit}`).toEqual(whole.prompts);
});

it('ends a page of prompts with the one that makes it long', async () => {
  const owner = await newCaller();
  const long = { systemPrompt: '長'.repeat(20_000), safetyRules: '規'.repeat(8_000) };
  const { avatarId } = await companion.createAvatar(owner, { name: 'A', ...long });
  for (let n = 2; n <= 5; n++) await companion.addPrompt(owner, { avatarId, ...long });
  const pages = await allPrompts(owner, avatarId, 100);
  expect(pages.map((page) => page.map(({ version }) => version))).toEqual([[5, 4], [3, 2], [1]]);
});

it.each([8, 2_147_483_647])('says that %i is no version to go on behind', async (before) => {
  const [owner, other] = [await newCaller(), await newCaller()];
  const { avatarId } = await companion.createAvatar(owner, { name: 'A', systemPrompt: 'x' });
  await expect(companion.listPrompts(owner, { avatarId, before })).rejects.toMatchObject({
    code: 'companion.prompt_not_found',
    details: { field: 'before', version: before },
  });
  // Nobody else learns how many versions there are.
  await expect(companion.listPrompts(other, { avatarId, before: 1 })).rejects.toMatchObject({
    code: 'companion.avatar_not_found',
  });
});
