/** The page in a real Chromium: everything around the conversation, in both languages, both themes, on wide and narrow screens. */
import type { Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { AuthClient } from '../../protocol/auth-client.ts';
import { chromiumPath, findFlaws, keepPicture } from './testing/browser.ts';
import { becomeOperator } from './testing/operator.ts';
import { usePageBench } from './testing/page-bench.ts';
import { answered, answers, begin, password, say, signIn, signUp } from './testing/person.ts';

describe.skipIf(chromiumPath === undefined)('around the conversation', () => {
  const bench = usePageBench();
  const { open } = bench;

  /** One exchange with the English sample. */
  async function talk(page: Page): Promise<void> {
    await begin(page);
    await say(page, 'I walked by the river today.');
    await answers(page).first().waitFor();
    await answered(page);
  }

  it('shows what went into an answer, and what it cost', async () => {
    const page = await open();
    await signUp(page);
    await talk(page);
    await page.getByRole('button', { name: 'What went into this answer?' }).click();
    const drawer = page.getByRole('dialog', { name: 'Inside this answer' });
    await drawer.getByText('I walked by the river today.').first().waitFor();
    expect(await drawer.locator('.trace-part').count()).toBeGreaterThan(1);
    await keepPicture(page, 'trace-light');
    expect(await findFlaws(page)).toEqual([]);
    await page.keyboard.press('Escape');
    await drawer.waitFor({ state: 'detached' });
    await expect
      .poll(() => page.evaluate(() => document.activeElement?.getAttribute('aria-label')))
      .toBe('What went into this answer?');

    await page.getByRole('link', { name: 'Usage' }).click();
    await page.locator('.entry').first().waitFor();
    const balance = await page.locator('.figure-main dd').first().textContent();
    expect(Number(balance?.replaceAll(',', ''))).toBeGreaterThan(0);
    expect(await page.locator('.entry').count()).toBeGreaterThanOrEqual(2);
    await page.locator('.entry summary').first().click();
    expect(await page.locator('.entry dd code').first().textContent()).toMatch(/^[0-9a-f]{64}$/);
    await page.getByText('As a table').click();
    expect(await page.locator('tbody tr').count()).toBe(1);
    await keepPicture(page, 'usage-light');
    expect(await findFlaws(page)).toEqual([]);
  });

  it('creates a companion, changes its character, publishes and deletes it', async () => {
    const page = await open();
    await signUp(page);
    await page.getByRole('link', { name: 'New companion' }).click();
    await page.getByRole('button', { name: 'Create companion' }).click();
    await expect.poll(() => page.getByLabel('Name', { exact: true }).getAttribute('aria-invalid')).toBe('true');
    await page.getByLabel('Name', { exact: true }).fill('Kaito');
    await page.getByLabel('Tagline').fill('Barista at midnight');
    await page.getByLabel('Greeting').fill('The usual?');
    await page.getByLabel('Colour 4').check();
    await page.getByLabel('Who are they?').fill('You are Kaito, a barista who works nights in Kobe.');
    await keepPicture(page, 'avatar-new-light');
    expect(await findFlaws(page)).toEqual([]);
    await page.getByRole('button', { name: 'Create companion' }).click();

    await page.getByRole('link', { name: 'Edit Kaito' }).click();
    await page.getByLabel('Who are they?').fill('You are Kaito, and you speak in short, dry sentences.');
    await page.getByText('Fine tuning').click();
    await page.getByLabel('Temperature').fill('3');
    await page.getByRole('button', { name: 'Save changes' }).click();
    await expect.poll(() => page.getByLabel('Temperature').getAttribute('aria-invalid')).toBe('true');
    await page.getByLabel('Temperature').fill('0.8');
    await page.getByRole('button', { name: 'Save changes' }).click();
    await page.locator('.version').nth(1).waitFor();
    await page.locator('.version-active', { hasText: 'Version 2' }).waitFor();
    await keepPicture(page, 'avatar-edit-light');
    expect(await findFlaws(page)).toEqual([]);
    await page.getByRole('button', { name: 'Use this one' }).click();
    await page.locator('.version-active', { hasText: 'Version 1' }).waitFor();
    await expect.poll(() => page.getByLabel('Who are they?').inputValue()).toContain('works nights');

    await page.getByRole('button', { name: 'Publish' }).click();
    await page.getByRole('button', { name: 'Take back' }).waitFor();
    const other = await open();
    await signUp(other);
    await other.getByRole('button', { name: 'Talk with Kaito' }).waitFor();
    expect(await other.getByRole('link', { name: 'Edit Kaito' }).count()).toBe(0);

    await page.getByRole('button', { name: 'Delete', exact: true }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Delete', exact: true }).click();
    await page.getByRole('heading', { level: 1, name: /Hana/ }).waitFor();
    await expect.poll(() => page.getByRole('button', { name: 'Talk with Kaito' }).count()).toBe(0);
  });

  it('changes profile, password, sessions, language and theme', async () => {
    const [page, other] = await Promise.all([open(), open()]);
    const email = await signUp(page);
    await signIn(other, email);
    await page.getByRole('link', { name: 'Settings' }).click();
    await page.getByLabel('What should we call you?').fill('Hana Mori');
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByText('Saved.').waitFor();
    await page.getByLabel('Current password').fill('not the password');
    await page.getByLabel('New password').fill(`${password} staple`);
    await page.getByRole('button', { name: 'Change password' }).click();
    await page.getByText('This is not your current password.').waitFor();
    expect(await findFlaws(page)).toEqual([]);
    await keepPicture(page, 'settings-light');

    await expect.poll(() => page.locator('.row').count()).toBe(2);
    await page.getByRole('button', { name: /^Sign out Chrome/ }).click();
    await other.getByText('Your session has ended. Please sign in again.').waitFor();
    await expect.poll(() => page.locator('.row').count()).toBe(1);

    await page.getByRole('radio', { name: '日本語' }).check();
    await page.getByRole('heading', { level: 1, name: '設定' }).waitFor();
    await expect.poll(() => page.locator('html').getAttribute('lang')).toBe('ja');
    await page.getByRole('radio', { name: 'ダーク' }).check();
    await expect.poll(() => page.locator('html').getAttribute('data-theme')).toBe('dark');
    await keepPicture(page, 'settings-ja-dark');
    await page.reload();
    await page.getByRole('heading', { level: 1, name: '設定' }).waitFor();
    await page.getByRole('button', { name: 'サインアウト', exact: true }).click();
    await page.getByRole('heading', { level: 1, name: 'おかえりなさい' }).waitFor();
    await page.reload();
    await page.getByRole('heading', { level: 1, name: 'おかえりなさい' }).waitFor();
    await keepPicture(page, 'gate-ja-dark');
  });

  it('deletes a conversation, on every device', async () => {
    const [page, other] = await Promise.all([open(), open()]);
    const email = await signUp(page);
    await talk(page);
    await signIn(other, email);
    const path = new URL(page.url()).pathname;
    await other.goto(path);
    await answers(other).first().waitFor();
    await page.locator('.chat-head').getByRole('button', { name: 'Delete conversation' }).click();
    // Also on the narrowest phone, all of the warning can be read.
    await page.setViewportSize({ width: 320, height: 640 });
    const isCut = (each: HTMLElement) => each.scrollWidth > each.clientWidth;
    expect(await page.getByText('This cannot be undone').evaluate(isCut)).toBe(false);
    await page.getByRole('dialog').getByRole('button', { name: 'Delete', exact: true }).click();
    await page.getByRole('heading', { level: 1, name: /Hana/ }).waitFor();
    await other.getByText('This conversation does not exist, or it is not yours.').waitFor();
    await page.goto(path);
    await page.getByRole('heading', { level: 1, name: 'Conversation' }).waitFor();
    await page.getByText('This conversation does not exist, or it is not yours.').waitFor();
  });

  it.each(['light', 'dark'] as const)('fits a phone, in Japanese, %s', async (colorScheme) => {
    const page = await open({
      colorScheme,
      locale: 'ja-JP',
      viewport: { width: 360, height: 740 },
      hasTouch: true,
      isMobile: true,
    });
    const look = async (name: string) => {
      await keepPicture(page, `phone-${name}-ja-${colorScheme}`);
      expect(await findFlaws(page), name).toEqual([]);
    };
    await page.goto('/');
    await look('gate');
    await page.getByRole('button', { name: 'アカウントを作成' }).click();
    await page.getByLabel('お呼びする名前').fill('はな');
    await page.getByLabel('メールアドレス').fill(`phone.${colorScheme}.${process.pid}@example.com`);
    await page.getByLabel('パスワード', { exact: true }).fill(password);
    await page.getByRole('button', { name: 'アカウントを作成' }).tap();
    await page.locator('.avatar-card').first().waitFor();
    await look('home');
    await page.locator('.avatar-card', { hasText: '日本語' }).first().getByRole('button').tap();
    await page.locator('.suggestion').first().waitFor();
    await look('chat-empty');
    await page
      .getByLabel('メッセージを書く')
      .fill('今日は川沿いを歩きました。水が少し冷たくて、もう冬だなと思いました。');
    await page.getByRole('button', { name: '送信' }).tap();
    await answers(page).first().waitFor();
    await answered(page);
    await look('chat');
    await page.getByRole('button', { name: 'この返事の材料を見る' }).tap();
    await page.locator('.trace-part').first().waitFor();
    await look('trace');
    await page.getByRole('button', { name: '閉じる' }).tap();
    await page.getByRole('button', { name: 'メニューを開く' }).tap();
    await page.getByRole('dialog').getByRole('link', { name: '利用状況' }).waitFor();
    await look('menu');
    await page.getByRole('dialog').getByRole('link', { name: '利用状況' }).tap();
    await page.locator('.entry').first().waitFor();
    await look('usage');
    await page.goto('/settings');
    await page.locator('.row').first().waitFor();
    await look('settings');
    await page.goto('/avatars/new');
    await page.locator('.editor').waitFor();
    await look('avatar-new');
  });

  it('lets an operator see what runs, close a socket and sign an account out', async () => {
    const [page, other] = await Promise.all([open(), open()]);
    const email = await signUp(page);
    const otherEmail = await signUp(other);
    await becomeOperator(page, bench.server, email);
    await page.getByRole('link', { name: 'Operation' }).click();
    const rows = page.locator('tbody tr');
    await expect.poll(() => rows.count()).toBe(2);
    await keepPicture(page, 'operation-light');
    expect(await findFlaws(page)).toEqual([]);
    await page.getByLabel('Find by mail address').fill(otherEmail);
    await page.getByRole('button', { name: 'Find', exact: true }).click();
    await expect.poll(() => page.getByRole('button', { name: /^Sign out/ }).count()).toBe(1);
    await page.getByRole('button', { name: /^Sign out/ }).click();
    await other.getByText('Your session has ended. Please sign in again.').waitFor();
    await expect.poll(() => rows.count()).toBe(1);
    await page.getByRole('button', { name: 'Drain this server' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click();
    await page.getByRole('button', { name: 'Refresh' }).click();
    await page.getByText('users.sign_out').waitFor();
  });

  it('shows more of many sessions, and goes on at the first new one', async () => {
    const page = await open();
    const email = await signUp(page);
    const elsewhere = new AuthClient({ url: bench.server.url });
    for (let n = 0; n < 52; n++) await elsewhere.signIn(email, password);
    await page.goto('/settings');
    const sessions = page.getByRole('region', { name: 'Where you are signed in' });
    const rows = sessions.getByRole('listitem');
    await expect.poll(() => rows.count()).toBe(50);
    await sessions.getByRole('button', { name: 'Show more' }).press('Enter');
    await expect.poll(() => rows.count()).toBe(53);
    expect(await sessions.getByRole('button', { name: 'Show more' }).count()).toBe(0);
    const first = rows.nth(50).getByRole('button');
    await expect.poll(() => first.evaluate((each) => each === document.activeElement)).toBe(true);
    await rows.nth(52).getByText('This device').waitFor();
    await keepPicture(page, 'settings-many-sessions');
  });

  it('says so when there is nothing at an address', async () => {
    const page = await open();
    await signUp(page);
    await page.goto('/nowhere/at/all');
    await page.getByRole('heading', { level: 1, name: 'This thread leads nowhere' }).waitFor();
    await page.goto('/operation');
    await page.getByRole('heading', { level: 1, name: 'This thread leads nowhere' }).waitFor();
  });
});
