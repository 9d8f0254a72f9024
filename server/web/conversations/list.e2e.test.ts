/** The list of conversations that is longer than a page, in a real Chromium against the whole server. */
import { describe, expect, it } from 'vitest';
import { Database } from '../../../db/client.ts';
import { AuthClient } from '../../../protocol/auth-client.ts';
import { TsumugiClient } from '../../../protocol/client.ts';
import { chromiumPath } from '../testing/browser.ts';
import { usePageBench } from '../testing/page-bench.ts';
import { answered, answers, newEmail, password, say, signIn } from '../testing/person.ts';

describe.skipIf(chromiumPath === undefined)('the list of conversations', () => {
  const bench = usePageBench();

  it('keeps what was asked for when an answer has ended', async () => {
    const auth = new AuthClient({ url: bench.server.url });
    const email = newEmail();
    const { userId } = await auth.signUp({ email, password, displayName: 'Hana', locale: 'en' });
    const client = new TsumugiClient({ url: bench.server.url, getTicket: () => auth.socketTicket() });
    await client.connect();
    const { avatars } = await client.request('companion.list_avatars', {});
    client.close();
    const database = new Database(bench.server.env['DATABASE_URL'] ?? '', { max: 1 });
    await database.asService(async (tx) => {
      await tx.sql`
        insert into chat.conversations (id, user_id, avatar_id, kind, lang, title, started_at, last_message_at)
        select gen_random_uuid(), ${userId}, ${avatars[0]?.avatarId ?? ''}, 'conversation', 'en', 'Talk ' || n, now(),
          now() - n * interval '1 minute' from generate_series(1, 45) n`;
      // One in which nothing was said is not listed.
      await tx.sql`
        insert into chat.messages (id, conversation_id, user_id, parent_id, role, text, token_count, created_at)
        select gen_random_uuid(), id, user_id, null, 'user', 'Hello', 1, last_message_at from chat.conversations where user_id = ${userId}`;
      await tx.sql`
        update chat.conversations c set head_message_id = m.id from chat.messages m
        where m.conversation_id = c.id and c.user_id = ${userId}`;
    });
    await database.close();

    const page = await bench.open();
    await signIn(page, email);
    const list = page.getByRole('navigation', { name: 'Conversations' });
    const rows = list.getByRole('listitem');
    await expect.poll(() => rows.count()).toBe(30);
    await list.getByRole('button', { name: 'Show more' }).click();
    await expect.poll(() => rows.count()).toBe(45);
    await list.getByRole('link', { name: /Talk 45/ }).click();
    await say(page, 'Good morning');
    await answers(page).first().waitFor();
    await answered(page);
    // Read again by then: this one stands first, and the others are still there.
    await rows.first().getByText('Talk 45').waitFor();
    expect(await rows.count()).toBe(45);
  });
});
