/** Lists of avatars and of prompts that are longer than a page, in a real Chromium against the whole server. */
import { describe, expect, it } from 'vitest';
import { Database } from '../../../db/client.ts';
import { uuidv7 } from '../../../db/uuid.ts';
import { AuthClient } from '../../../protocol/auth-client.ts';
import { TsumugiClient } from '../../../protocol/client.ts';
import { chromiumPath, findFlaws, keepPicture } from '../testing/browser.ts';
import { usePageBench } from '../testing/page-bench.ts';
import { newEmail, password, signIn } from '../testing/person.ts';

describe.skipIf(chromiumPath === undefined)('avatars on the page', () => {
  const bench = usePageBench();

  async function newPerson(): Promise<{ email: string; userId: string; client: TsumugiClient }> {
    const auth = new AuthClient({ url: bench.server.url });
    const email = newEmail();
    const { userId } = await auth.signUp({ email, password, displayName: 'Hana', locale: 'en' });
    const client = new TsumugiClient({ url: bench.server.url, getTicket: () => auth.socketTicket() });
    await client.connect();
    return { email, userId, client };
  }

  /** Past the limit of any plan, so by the database. @returns their ids, oldest first */
  async function publishMany(ownerUserId: string, count: number): Promise<string[]> {
    const database = new Database(bench.server.env['DATABASE_URL'] ?? '', { max: 1 });
    const rows = Array.from({ length: count }, (_, n) => ({ id: uuidv7(), name: `Guest ${n + 1}` }));
    await database.asService(async (tx) => {
      await tx.sql`
        insert into companion.avatars (id, owner_user_id, name, tagline, lang, accent, visibility, created_at)
        select id, ${ownerUserId}, name, 'One of many', 'en', '#34488c', 'published', now() + n * interval '1 microsecond'
        from unnest(${rows.map(({ id }) => id)}::uuid[], ${rows.map(({ name }) => name)}::text[]) with ordinality as r (id, name, n)`;
      await tx.sql`
        insert into companion.avatar_prompts (id, avatar_id, version, system_prompt, is_active)
        select gen_random_uuid(), id, 1, 'You are a guest.', true from unnest(${rows.map(({ id }) => id)}::uuid[]) id`;
    });
    await database.close();
    return rows.map(({ id }) => id);
  }

  it('shows more avatars by keyboard, goes on at the first new one, and knows those that are on no page shown', async () => {
    const publisher = await newPerson();
    const ids = await publishMany(publisher.userId, 60);
    publisher.client.close();
    const { email, client } = await newPerson();
    // The oldest stands on the last page.
    const { conversationId } = await client.request('chat.open', { avatarId: ids[0] ?? '', kind: 'conversation' });
    const conversation = await client.conversation(conversationId);
    await (await conversation.send('Hello')).done;
    client.close();

    const page = await bench.open();
    await signIn(page, email);
    const cards = page.locator('.avatar-card:not(.avatar-card-new)');
    await expect.poll(() => cards.count()).toBe(48);
    await page.locator('.recent-card', { hasText: 'Guest 1' }).first().waitFor();
    const more = page.getByRole('main').getByRole('button', { name: 'Show more' });
    await more.scrollIntoViewIfNeeded();
    await keepPicture(page, 'home-more-en-light');
    expect(await findFlaws(page)).toEqual([]);
    const firstNames = (await cards.allTextContents()).slice(0, 48);
    await more.focus();
    await page.keyboard.press('Enter');
    await expect.poll(() => cards.count()).toBe(63);
    expect((await cards.allTextContents()).slice(0, 48)).toEqual(firstNames);
    expect(await more.count()).toBe(0);
    const focused = cards.nth(48).getByRole('button').first();
    await expect.poll(() => focused.evaluate((each) => each === document.activeElement)).toBe(true);

    await page.evaluate(() => localStorage.setItem('tsumugi.lang', 'ja'));
    await page.reload();
    await page.getByRole('main').getByRole('button', { name: 'もっと見る' }).scrollIntoViewIfNeeded();
    await keepPicture(page, 'home-more-ja-light');
    await page.goto(`/chat/${conversationId}`);
    await page.getByRole('heading', { level: 1, name: 'Guest 1' }).waitFor();
  });

  it('shows older versions of a prompt, and takes one up that stands behind the first page', async () => {
    const { email, client } = await newPerson();
    const { avatarId } = await client.request('companion.create_avatar', {
      name: 'Wren',
      systemPrompt: 'The very first.',
    });
    for (const n of [2, 3, 4])
      await client.request('companion.add_prompt', { avatarId, systemPrompt: `${n} ${'long '.repeat(3_900)}` });

    const page = await bench.open();
    await signIn(page, email);
    await page.goto(`/avatars/${avatarId}`);
    const versions = page.locator('.version');
    await expect.poll(() => versions.count()).toBe(2);
    const more = page.getByRole('button', { name: 'Show more' });
    await more.focus();
    await page.keyboard.press('Enter');
    await expect.poll(() => versions.count()).toBe(4);
    const take = versions.nth(2).getByRole('button');
    await expect.poll(() => take.evaluate((each) => each === document.activeElement)).toBe(true);
    expect(await findFlaws(page)).toEqual([]);

    await versions.nth(3).getByRole('button').click();
    await expect.poll(() => page.getByLabel('Who are they?').inputValue()).toBe('The very first.');
    expect(await versions.count()).toBe(4);
    // Also where the active version stands on a page that is not shown.
    await page.reload();
    await expect.poll(() => versions.count()).toBe(2);
    expect(await page.getByLabel('Who are they?').inputValue()).toBe('The very first.');
    await page.locator('.versions').scrollIntoViewIfNeeded();
    await keepPicture(page, 'editor-more-en-light');
    client.close();
  });
});
