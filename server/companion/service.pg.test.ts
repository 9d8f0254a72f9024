import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../db/testing/postgres.ts';
import { uuidv7 } from '../../db/uuid.ts';
import type { Caller } from '../peer.ts';
import { samples, seedSamples } from './samples.ts';
import { CompanionService } from './service.ts';

let test: TestDatabase;
let companion: CompanionService;
const changed: string[] = [];

async function newCaller(): Promise<Caller> {
  const userId = uuidv7();
  await test.database.asService((tx) => tx.sql`insert into identity.users (id) values (${userId})`);
  return { userId, sessionId: uuidv7() } as Caller;
}

beforeAll(async () => {
  test = await createTestDatabase();
  companion = new CompanionService(test.database, { maxAvatars: async () => 2 }, (avatarId) => changed.push(avatarId));
});
afterAll(() => test.close());

describe('CompanionService', () => {
  it('creates a private avatar with version 1 of its prompt active (000-R5, 000-R6)', async () => {
    const caller = await newCaller();
    const avatar = await companion.createAvatar(caller, {
      name: ' Hana ',
      systemPrompt: 'You are Hana.',
      params: { temperature: 0.2 },
    });
    expect(avatar).toMatchObject({ name: 'Hana', visibility: 'private', owned: true, sample: false, version: 1 });
    const { prompts } = await companion.listPrompts(caller, { avatarId: avatar.avatarId });
    expect(prompts).toEqual([
      expect.objectContaining({
        version: 1,
        active: true,
        systemPrompt: 'You are Hana.',
        params: { temperature: 0.2 },
      }),
    ]);
  });

  it('keeps one version active, and gives the next turn the new one at once (000-R6)', async () => {
    const caller = await newCaller();
    const { avatarId } = await companion.createAvatar(caller, { name: 'A', systemPrompt: 'first' });
    expect(await companion.findActive(avatarId)).toMatchObject({ promptVersion: 1, systemPrompt: 'first' });
    await companion.addPrompt(caller, { avatarId, systemPrompt: 'second' });
    expect(await companion.findActive(avatarId)).toMatchObject({ promptVersion: 2, systemPrompt: 'second' });
    await companion.addPrompt(caller, { avatarId, systemPrompt: 'third', activate: false });
    await companion.activatePrompt(caller, { avatarId, version: 1 });
    const { prompts } = await companion.listPrompts(caller, { avatarId });
    expect(prompts.map((prompt) => [prompt.version, prompt.active])).toEqual([
      [3, false],
      [2, false],
      [1, true],
    ]);
    expect(changed).toContain(avatarId);
    await expect(companion.activatePrompt(caller, { avatarId, version: 9 })).rejects.toMatchObject({
      code: 'companion.prompt_not_found',
    });
  });

  it('numbers versions without gaps when two devices add at once', async () => {
    const caller = await newCaller();
    const { avatarId } = await companion.createAvatar(caller, { name: 'A', systemPrompt: 'one' });
    await Promise.all([1, 2, 3, 4].map((n) => companion.addPrompt(caller, { avatarId, systemPrompt: `p${n}` })));
    const { prompts } = await companion.listPrompts(caller, { avatarId });
    expect(prompts.map((prompt) => prompt.version)).toEqual([5, 4, 3, 2, 1]);
    expect(prompts.filter((prompt) => prompt.active)).toHaveLength(1);
  });

  it('refuses the avatar beyond the limit, also when two devices race for the last place', async () => {
    const caller = await newCaller();
    const outcomes = await Promise.allSettled(
      [1, 2, 3].map((n) => companion.createAvatar(caller, { name: `A${n}`, systemPrompt: 'x' })),
    );
    const refused = outcomes.filter((outcome) => outcome.status === 'rejected');
    expect(refused).toEqual([
      expect.objectContaining({
        reason: expect.objectContaining({ code: 'companion.avatar_limit', details: { maxAvatars: 2 } }),
      }),
    ]);
  });

  it('shows a published avatar to others, but neither its prompts nor a way to change it', async () => {
    const [owner, other] = [await newCaller(), await newCaller()];
    const { avatarId } = await companion.createAvatar(owner, { name: 'Open', systemPrompt: 'secret sauce' });
    const namesFor = async (caller: Caller) =>
      (await companion.listAvatars(caller, {})).avatars.map((avatar) => avatar.name);
    expect(await namesFor(other)).not.toContain('Open');
    await companion.publishAvatar(owner, { avatarId, visibility: 'published' });
    expect(await namesFor(other)).toContain('Open');
    const notFound = { code: 'companion.avatar_not_found' };
    await expect(companion.listPrompts(other, { avatarId })).rejects.toMatchObject(notFound);
    await expect(companion.updateAvatar(other, { avatarId, name: 'Mine' })).rejects.toMatchObject(notFound);
    await expect(companion.deleteAvatar(other, avatarId)).rejects.toMatchObject(notFound);
    expect(await companion.findPromptText(other.userId, avatarId, 1)).toBeUndefined();
    await companion.deleteAvatar(owner, avatarId);
    expect(await namesFor(other)).not.toContain('Open');
    expect(await companion.findActive(avatarId)).toMatchObject({ deleted: true });
  });

  it('lets row level security refuse what the service does not even try', async () => {
    const [owner, other] = [await newCaller(), await newCaller()];
    const { avatarId } = await companion.createAvatar(owner, { name: 'Mine', systemPrompt: 'x' });
    const asOther = test.database.asUser(
      other.userId,
      (tx) => tx.sql`update companion.avatars set name = 'taken' where id = ${avatarId} returning id`,
    );
    expect([...(await asOther)]).toEqual([]);
    await expect(
      test.database.asUser(
        other.userId,
        (tx) =>
          tx.sql`insert into companion.avatars (id, owner_user_id, name, lang, accent) values (${uuidv7()}, ${owner.userId}, 'x', 'en', '#000000')`,
      ),
    ).rejects.toThrow(/row-level security/);
    await expect(
      test.database.asUser(
        owner.userId,
        (tx) => tx.sql`update companion.avatars set owner_user_id = ${other.userId} where id = ${avatarId}`,
      ),
    ).rejects.toThrow(/permission denied/);
    await expect(
      test.database.asUser(
        owner.userId,
        (tx) => tx.sql`update companion.avatar_prompts set system_prompt = 'rewritten' where avatar_id = ${avatarId}`,
      ),
    ).rejects.toThrow(/permission denied/);
  });

  it.each([
    ['name', { name: 'a\nb', systemPrompt: 'x' }],
    ['name', { name: '   ', systemPrompt: 'x' }],
    ['systemPrompt', { name: 'a', systemPrompt: ' \n ' }],
    ['systemPrompt', { name: 'a', systemPrompt: 'a\0b' }],
    ['greeting', { name: 'a', systemPrompt: 'x', greeting: '\ud800' }],
  ])('refuses a bad %s and says so', async (field, body) => {
    const caller = await newCaller();
    await expect(companion.createAvatar(caller, body)).rejects.toMatchObject({
      code: 'protocol.invalid_body',
      details: { field },
    });
  });

  it('refuses a name that would turn around the text beside it', async () => {
    const owner = await newCaller();
    for (const name of ['gnp.\u202eexe', 'a\u2066b', 'one\u2028two'])
      await expect(companion.createAvatar(owner, { name, systemPrompt: 'x' })).rejects.toMatchObject({
        code: 'protocol.invalid_body',
        details: { field: 'name' },
      });
  });

  it('brings the samples once, however often it starts', async () => {
    const taught: string[] = [];
    const teach = async (_avatarId: string, texts: readonly string[]) => void taught.push(...texts);
    await Promise.all([seedSamples(test.database, teach), seedSamples(test.database, teach)]);
    await seedSamples(test.database, teach);
    expect(taught.toSorted()).toEqual(samples.flatMap((sample) => sample.knowledge).toSorted());
    const { avatars } = await companion.listAvatars(await newCaller(), {});
    expect(
      avatars
        .filter((avatar) => avatar.sample)
        .map((avatar) => avatar.lang)
        .toSorted(),
    ).toEqual(['en', 'ja', 'ja']);
  });
});
