/** Balance, buying and what was bought, in a real Chromium against the whole server and the local payment provider. */
import type { Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { chromiumPath, findFlaws, keepPicture } from './testing/browser.ts';
import { usePageBench } from './testing/page-bench.ts';
import { answered, answers, begin, password, say, signUp } from './testing/person.ts';

describe.skipIf(chromiumPath === undefined)('tokens and money', () => {
  const { open } = usePageBench(() => ({ env: { STRIPE_MODE: 'offline', SIGN_UP_GRANT_TOKENS: '3000' } }));

  const panel = (page: Page, name: string) => page.getByRole('region', { name, exact: true });

  async function pay(page: Page): Promise<void> {
    await page.getByRole('button', { name: 'Pay with test card 4242' }).click();
    await page.getByRole('link', { name: 'Back to Tsumugi' }).click();
    await page.getByRole('heading', { level: 1, name: 'Plan and purchases' }).waitFor();
  }

  it('shows what there is, what was used by day, and the ledger (000-R29)', async () => {
    const page = await open();
    await signUp(page);
    await begin(page);
    await say(page, 'I walked by the river today.');
    await answers(page).first().waitFor();
    await answered(page);
    await page.getByRole('link', { name: 'Usage' }).click();
    await panel(page, 'Ledger').getByText('Answer', { exact: true }).waitFor();
    await panel(page, 'Ledger').getByText('Welcome gift').waitFor();
    await panel(page, 'This month')
      .getByText(/tokens used/)
      .waitFor();
    const given = page.locator('.figure', { hasText: 'Included tokens' });
    await expect
      .poll(async () => Number((await given.locator('dd').first().textContent())?.replaceAll(',', '')))
      .toBeLessThan(3000);
    await keepPicture(page, 'usage-light');
    expect(await findFlaws(page)).toEqual([]);
    // Signed every few seconds; until then the page says so and can be asked again.
    const newest = page.locator('.entry').first();
    await newest.locator('summary').click();
    await expect
      .poll(
        async () => {
          await newest.getByRole('button', { name: 'Check the proof' }).click();
          return newest.locator('.entry-proof [role=status]').textContent();
        },
        { interval: 1_000 },
      )
      .toMatch(/^Proven in this browser/);
    await keepPicture(page, 'usage-proof-light');
    await page.getByText('As a table').click();
    expect(await panel(page, 'By day').locator('tbody tr').count()).toBe(1);
  });

  it('sells tokens and tickets, shows them at once, and gives their purchase (001-R23, 001-R61)', async () => {
    const page = await open();
    await signUp(page);
    await page.getByRole('link', { name: 'Plan and purchases' }).click();
    await panel(page, 'Buy')
      .getByText(/no real money moves/)
      .waitFor();
    await panel(page, 'Purchases').getByText('Nothing bought yet.').waitFor();
    await keepPicture(page, 'plan-light');
    expect(await findFlaws(page)).toEqual([]);
    await page
      .getByRole('button', { name: /^Buy .*okens.* for/ })
      .first()
      .click();
    await pay(page);
    await expect.poll(() => panel(page, 'Purchases').locator('.row').count()).toBe(1);
    const bought = page.locator('.figure', { hasText: 'Bought tokens' }).locator('dd').first();
    await expect.poll(async () => Number((await bought.textContent())?.replaceAll(',', ''))).toBeGreaterThan(0);
    await page
      .getByRole('button', { name: /^Buy .*icket.* for/ })
      .first()
      .click();
    await pay(page);
    await expect.poll(() => panel(page, 'Tickets').locator('.row').count()).toBe(1);
    await expect.poll(() => panel(page, 'Cards').getByText('•••• 4242').count()).toBeGreaterThan(0);
    await keepPicture(page, 'plan-bought-light');
    await page.evaluate(() => scrollTo(0, 9e9));
    await page.locator('.content').evaluate((content) => content.scrollTo(0, 9e9));
    await keepPicture(page, 'plan-bought-end-light');
    expect(await findFlaws(page)).toEqual([]);
    await page.getByRole('link', { name: 'Usage' }).click();
    await panel(page, 'Ledger').getByText('Tokens bought').waitFor();
    await page.getByRole('link', { name: 'Plan and purchases' }).click();
    await page.getByRole('button', { name: 'Manage at the provider' }).click();
    await page.waitForURL(/\/p\/session\//);
  });

  it('puts a person on a plan, and lets him say what happens at its cap and end (000-R3, 000-R4)', async () => {
    const page = await open();
    await signUp(page);
    await page.goto('/plan');
    const mine = panel(page, 'Your plan');
    await mine.getByText('Free', { exact: true }).waitFor();
    await mine.getByRole('radio', { name: 'Go on with bought tokens' }).check();
    await page.getByText('Saved.').waitFor();
    await page.getByRole('button', { name: /^Choose the plan Pro/ }).click();
    await pay(page);
    await mine.getByText('Pro', { exact: true }).waitFor();
    await expect.poll(() => mine.getByRole('radio', { name: 'Go on with bought tokens' }).isChecked()).toBe(true);
    await mine.scrollIntoViewIfNeeded();
    await keepPicture(page, 'plan-pro-light');
    expect(await findFlaws(page)).toEqual([]);
    await mine.getByRole('button', { name: 'End the plan' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'End the plan' }).click();
    await mine.getByText(/^Free follows on/).waitFor();
    await keepPicture(page, 'plan-ending-light');
    await mine.getByRole('button', { name: 'Keep the plan after all' }).click();
    await mine.getByRole('button', { name: 'End the plan' }).waitFor();
    await page.getByRole('button', { name: /^Choose the plan Business/ }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Choose' }).click();
    await mine.getByText('Business', { exact: true }).waitFor();
  });

  it('comes back from a checkout that was left, with nothing bought', async () => {
    const page = await open();
    await signUp(page);
    await page.goto('/plan');
    await page
      .getByRole('button', { name: /^Buy .*okens.* for/ })
      .first()
      .click();
    await page.getByRole('button', { name: 'Back' }).click();
    await page.getByRole('link', { name: 'Back to Tsumugi' }).click();
    await panel(page, 'Purchases').getByText('Nothing bought yet.').waitFor();
    await page.getByRole('button', { name: 'Manage at the provider' }).click();
  });

  it('says that tokens are out, with a way out beside it', async () => {
    const page = await open();
    await signUp(page);
    await begin(page);
    const out = page.locator('.message-problem').getByRole('link', { name: 'Plans and tokens' });
    for (let turn = 0; turn < 40 && (await out.count()) === 0; turn++) {
      await say(page, `${turn}: ${'a long walk by the river and what I saw there '.repeat(20)}`);
      await Promise.race([
        answers(page)
          .nth(turn)
          .waitFor()
          .then(() => answered(page)),
        out.waitFor(),
      ]);
    }
    await page.getByText('The balance of tokens does not cover this.').first().waitFor();
    await keepPicture(page, 'chat-out-of-tokens');
    expect(await findFlaws(page)).toEqual([]);
    await out.click();
    await page.getByRole('heading', { level: 1, name: 'Plan and purchases' }).waitFor();
  });

  it.each(['light', 'dark'] as const)('fits a phone, in Japanese, %s', async (colorScheme) => {
    const page = await open({
      colorScheme,
      locale: 'ja-JP',
      viewport: { width: 360, height: 740 },
      hasTouch: true,
      isMobile: true,
    });
    await page.goto('/');
    await page.getByRole('button', { name: 'アカウントを作成' }).click();
    await page.getByLabel('お呼びする名前').fill('はな');
    await page.getByLabel('メールアドレス').fill(`money.${colorScheme}.${process.pid}@example.com`);
    await page.getByLabel('パスワード', { exact: true }).fill(password);
    await page.getByRole('button', { name: 'アカウントを作成' }).tap();
    await page.locator('.avatar-card').first().waitFor();
    for (const [path, name] of [
      ['/plan', 'plan'],
      ['/usage', 'usage'],
    ] as const) {
      await page.goto(path);
      await page.locator('.panel').nth(2).waitFor();
      await page.locator('.spinning').first().waitFor({ state: 'detached' });
      await keepPicture(page, `phone-${name}-ja-${colorScheme}`);
      await page.locator('.content').evaluate((content) => content.scrollTo(0, content.scrollHeight));
      await page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight));
      await keepPicture(page, `phone-${name}-end-ja-${colorScheme}`);
      expect(await findFlaws(page), name).toEqual([]);
    }
  });
});
