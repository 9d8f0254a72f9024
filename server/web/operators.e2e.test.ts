/** Operators who look after money, and creators, in a real Chromium against the whole server and the local payment provider. */
import type { Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { chromiumPath, findFlaws, keepPicture } from './testing/browser.ts';
import { becomeOperator } from './testing/operator.ts';
import { usePageBench } from './testing/page-bench.ts';
import { answered, answers, begin, password, say, signUp } from './testing/person.ts';

const env = { STRIPE_MODE: 'offline', SIGN_UP_GRANT_TOKENS: '50000', REVERSAL_LIMIT_TOKENS: '1000' };

describe.skipIf(chromiumPath === undefined)('operators and creators', () => {
  const bench = usePageBench(() => ({ env }));
  const { open } = bench;
  const panel = (page: Page, name: string | RegExp) => page.getByRole('region', { name, exact: true });

  async function operator(): Promise<Page> {
    const page = await open();
    await becomeOperator(page, bench.server, await signUp(page));
    return page;
  }

  async function look(page: Page, name: string): Promise<void> {
    await keepPicture(page, name);
    expect(await findFlaws(page), name).toEqual([]);
  }

  async function part(page: Page, name: string): Promise<void> {
    await page.getByRole('link', { name: 'Operation' }).click();
    await page.getByRole('navigation', { name: 'Parts of operation' }).getByRole('link', { name }).click();
  }

  it('takes an entry back alone below the limit, and by two above it', async () => {
    const [person, one, two] = [await open(), await operator(), await operator()];
    const email = await signUp(person);
    await begin(person);
    await say(person, 'I walked by the river today.');
    await answers(person).first().waitFor();
    await answered(person);

    await part(one, 'Ledger');
    await one.getByLabel('Find in the ledger').fill(email);
    await one.getByRole('button', { name: 'Find', exact: true }).click();
    const entries = panel(one, /^Entries of/);
    await expect.poll(() => entries.locator('tbody tr').count()).toBe(2);
    await look(one, 'admin-ledger-light');
    await entries
      .getByRole('button', { name: /^Take back entry/ })
      .first()
      .click();
    const dialog = one.getByRole('dialog');
    await dialog.getByRole('button', { name: 'Take back' }).click();
    await dialog.getByText('Please say why, in a few words.').waitFor();
    await dialog.getByLabel('Why?').fill('The answer was cut off.');
    await look(one, 'admin-reversal-light');
    await dialog.getByRole('button', { name: 'Take back' }).click();
    await one.getByText('The correction is entered.').waitFor();
    await panel(one, 'Corrections').getByText('The answer was cut off.').waitFor();

    // The welcome gift is above the limit.
    await one.getByLabel('Find in the ledger').fill(email);
    await one.getByRole('button', { name: 'Find', exact: true }).click();
    await entries.locator('tr', { hasText: 'Welcome gift' }).getByRole('button').click();
    await dialog.getByLabel('Kind of reason').selectOption('misuse');
    await dialog.getByLabel('Why?').fill('Signed up many times.');
    await dialog.getByRole('button', { name: 'Take back' }).click();
    await one
      .getByText(/Another operator has to agree/)
      .first()
      .waitFor();
    expect(await panel(one, 'Corrections').getByRole('button', { name: 'Agree' }).count()).toBe(0);

    await part(two, 'Ledger');
    const waiting = panel(two, 'Corrections').locator('.row', { hasText: 'Signed up many times.' });
    await look(two, 'admin-corrections-light');
    await waiting.getByRole('button', { name: 'Agree' }).click();
    await waiting.getByText('Entered', { exact: true }).waitFor();
    await two.getByRole('button', { name: 'Compare now' }).click();
    await two.getByText('Everything agrees.').waitFor();
    await panel(two, 'Does everything agree?').scrollIntoViewIfNeeded();
    await look(two, 'admin-report-light');

    // The person sees both corrections, and that the answer was taken back.
    await person.getByRole('link', { name: 'Usage' }).click();
    await expect.poll(() => panel(person, 'Ledger').getByText('Correction').count()).toBe(2);
    await expect.poll(() => panel(person, 'Ledger').getByText('Taken back').count()).toBe(2);
    // Every step stands in the journal.
    await part(two, 'Live');
    await two.getByText('reversals.approve').first().waitFor();
  });

  it('gives money back, and what was bought with it', async () => {
    const [person, page] = [await open(), await operator()];
    const email = await signUp(person);
    await person.goto('/plan');
    await person
      .getByRole('button', { name: /^Buy .*icket.* for/ })
      .first()
      .click();
    await person.getByRole('button', { name: 'Pay with test card 4242' }).click();
    await person.getByRole('link', { name: 'Back to Tsumugi' }).click();
    await expect.poll(() => panel(person, 'Purchases').locator('.row').count()).toBe(1);

    await part(page, 'Purchases');
    await page.getByLabel('Find purchases').fill(email);
    await page.getByRole('button', { name: 'Find', exact: true }).click();
    await expect.poll(() => panel(page, 'Purchases').locator('.row').count()).toBe(1);
    await look(page, 'admin-purchases-light');
    await page.getByRole('button', { name: /^Refund purchase/ }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Amount').fill('9999999');
    await dialog.getByLabel('Why?').fill('Bought by mistake.');
    await dialog.getByRole('button', { name: 'Refund' }).click();
    await dialog.getByText('Not an amount that can be refunded.').waitFor();
    await dialog.getByLabel('Amount').fill('');
    await dialog.getByRole('button', { name: 'Refund' }).click();
    await page.getByText('The refund is on its way.').waitFor();
    await panel(person, 'Purchases').getByText('Refunded', { exact: true }).waitFor();
    await expect.poll(() => panel(person, 'Tickets').getByText('0 tickets').count()).toBe(1);
    await look(person, 'plan-refunded-light');
  });

  it('changes a plan for the periods to come, and adds one', async () => {
    const [person, page] = [await open(), await operator()];
    await signUp(person);
    await part(page, 'Plans');
    await page.getByRole('button', { name: 'Change the plan Pro' }).click();
    const dialog = page.getByRole('dialog');
    await look(page, 'admin-plan-light');
    await dialog.getByLabel('Companions at most').fill('many');
    await dialog.getByRole('button', { name: 'Save' }).click();
    await dialog.getByText('A whole number, please.').waitFor();
    await dialog.getByLabel('Companions at most').fill('77');
    await dialog.getByLabel('Included tokens that may be spent a month').fill('');
    await dialog.getByRole('button', { name: 'Save' }).click();
    await dialog.waitFor({ state: 'detached' });
    await page.getByRole('button', { name: 'New plan' }).click();
    await dialog.getByLabel('Id').fill('studio');
    await dialog.getByLabel('Name in English').fill('Studio');
    await dialog.getByLabel('Name in Japanese').fill('スタジオ');
    await dialog.getByLabel('Price').fill('12000');
    await dialog.getByLabel('Companions at most').fill('500');
    await dialog.getByLabel('Tokens each month begins with').fill('40000000');
    await dialog.getByRole('button', { name: 'Save' }).click();
    await dialog.waitFor({ state: 'detached' });
    await page.getByRole('button', { name: 'Change the plan Studio' }).waitFor();
    await look(page, 'admin-plans-light');
    await person.goto('/plan');
    await panel(person, 'Plans').getByText('¥12,000 a month').waitFor();
    await panel(person, 'Plans').getByText('up to 77 companions').waitFor();
    await look(person, 'plan-choice-light');
  });

  it('warns before a month is used up, and refuses afterwards with a way out', async () => {
    const page = await operator();
    await part(page, 'Plans');
    await page.getByRole('button', { name: 'Change the plan Free' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Included tokens that may be spent a month').fill('1500');
    await dialog.getByRole('button', { name: 'Save' }).click();
    await dialog.waitFor({ state: 'detached' });
    const person = await open();
    await signUp(person);
    await begin(person);
    const out = person.locator('.message-problem').getByRole('link', { name: 'Plans and tokens' });
    for (let turn = 0; turn < 30 && (await out.count()) === 0; turn++) {
      await say(person, `${turn}: and then I walked a little further.`);
      await Promise.race([
        answers(person)
          .nth(turn)
          .waitFor()
          .then(() => answered(person)),
        out.waitFor(),
      ]);
    }
    await person
      .getByText(/The tokens of this month are used up/)
      .first()
      .waitFor();
    await look(person, 'chat-cap-reached');
    await out.click();
    const meter = panel(person, 'Your plan').getByRole('meter', { name: 'Used of the monthly limit' });
    await meter.waitFor();
    await look(person, 'plan-cap-light');
  });

  it('makes a creator, and runs the payouts of a month once', async () => {
    const [person, page] = [await open(), await operator()];
    await signUp(person);
    await person.getByRole('link', { name: 'For creators' }).click();
    await look(person, 'creator-invitation-light');
    await person.getByRole('button', { name: 'Become a creator' }).click();
    await person.getByText('No payout yet.').waitFor();
    await person.getByLabel('Country of the bank').selectOption('JP');
    await look(person, 'creator-light');
    await person.getByRole('button', { name: 'Add an account' }).click();
    await person.getByRole('button', { name: /^Finish onboarding/ }).click();
    await person.getByRole('link', { name: 'Back to Tsumugi' }).click();
    await panel(person, 'Where you are paid').getByText(/ready/).waitFor();
    await look(person, 'creator-account-light');

    await part(page, 'Payouts');
    await page.getByRole('button', { name: 'Try', exact: true }).click();
    await page.getByText(/0 payouts would be made/).waitFor();
    await page.getByRole('button', { name: 'Run', exact: true }).click();
    await expect.poll(() => panel(page, 'Monthly run').locator('tbody tr').count()).toBe(1);
    await page.getByRole('button', { name: 'Run', exact: true }).click();
    await page.getByText(/0 payouts made/).waitFor();
    expect(await panel(page, 'Monthly run').locator('tbody tr').count()).toBe(1);
    await look(page, 'admin-payouts-light');
  });

  it('fits a phone, in Japanese, dark', async () => {
    const desk = await open();
    const email = await signUp(desk);
    await becomeOperator(desk, bench.server, email);
    const page = await open({
      colorScheme: 'dark',
      locale: 'ja-JP',
      viewport: { width: 360, height: 740 },
      hasTouch: true,
      isMobile: true,
    });
    // The account speaks English; this browser does not.
    await page.addInitScript(() => localStorage.setItem('tsumugi.lang', 'ja'));
    await page.goto('/');
    await page.getByLabel('メールアドレス').fill(email);
    await page.getByLabel('パスワード', { exact: true }).fill(password);
    await page.keyboard.press('Enter');
    await page.locator('.avatar-card').first().waitFor();
    for (const [path, name] of [
      ['/operation/ledger', 'admin-ledger'],
      ['/operation/plans', 'admin-plans'],
      ['/operation/purchases', 'admin-purchases'],
      ['/operation/payouts', 'admin-payouts'],
      ['/creator', 'creator'],
    ] as const) {
      await page.goto(path);
      await page.locator('.panel').first().waitFor();
      await page.locator('.spinning').first().waitFor({ state: 'detached' });
      await look(page, `phone-${name}-ja-dark`);
    }
  });
});
