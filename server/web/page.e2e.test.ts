/** The page in a real Chromium against the whole server: what a person does with it on an ordinary day. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { AuthClient } from '../../protocol/auth-client.ts';
import { TsumugiClient } from '../../protocol/client.ts';
import { HeldModel } from '../testing/held-model.ts';
import { chromiumPath, findFlaws, keepPicture } from './testing/browser.ts';
import { usePageBench } from './testing/page-bench.ts';
import {
  answered,
  answers,
  begin,
  firstWords,
  newEmail,
  password,
  say,
  signIn,
  signUp,
  streaming,
} from './testing/person.ts';

describe.skipIf(chromiumPath === undefined)('the page', () => {
  let model: HeldModel;
  beforeAll(async () => {
    model = await HeldModel.start();
  });
  afterAll(() => model?.[Symbol.asyncDispose]());
  beforeEach(() => model.release());
  const bench = usePageBench(() => ({ env: model.env }));
  const { open } = bench;

  it('says what is wrong beside the field, and lets a person in by keyboard alone', async () => {
    const page = await open();
    await page.goto('/');
    await keepPicture(page, 'gate-en-light');
    expect(await findFlaws(page)).toEqual([]);
    await page.getByRole('button', { name: 'Create an account' }).click();
    await page.getByLabel('Mail address').fill('nobody');
    await page.getByLabel('Password', { exact: true }).fill('short');
    await page.keyboard.press('Enter');
    const wrong = page.getByLabel('Mail address');
    await expect.poll(() => wrong.getAttribute('aria-invalid')).toBe('true');
    await expect.poll(() => wrong.evaluate((field) => field === document.activeElement)).toBe(true);
    await page.getByText('At least 10 characters, please.').waitFor();
    await keepPicture(page, 'gate-errors');

    await page.keyboard.press('ControlOrMeta+A');
    await page.keyboard.type(newEmail());
    await page.keyboard.press('Tab');
    await page.keyboard.type(password);
    await page.getByRole('button', { name: 'Show the password' }).click();
    await expect.poll(() => page.getByLabel('Password', { exact: true }).getAttribute('type')).toBe('text');
    await page.getByLabel('Password', { exact: true }).press('Enter');
    await page.locator('.avatar-card').first().waitFor();
    expect(await findFlaws(page)).toEqual([]);
    // The heading has the focus, so that a reader says where one is.
    await expect.poll(() => page.evaluate(() => document.activeElement?.tagName)).toBe('H1');
    await keepPicture(page, 'home-en-light');
  });

  it('streams an answer, keeps it over a reload, and keeps what was being typed', async () => {
    const page = await open();
    await signUp(page);
    await begin(page);
    await keepPicture(page, 'chat-empty-light');
    model.hold();
    await page.locator('.suggestion').first().click();
    await firstWords(page);
    await keepPicture(page, 'chat-streaming-light');
    model.release();
    await answered(page);
    const text = await answers(page).last().locator('.prose').textContent();
    expect(text?.length).toBeGreaterThan(20);
    // What a screen reader is told last is the end of the answer; and one can go on writing at once.
    const isToldToTheEnd = async (): Promise<boolean> => {
      const told = (await page.locator('[aria-live="polite"]').last().textContent())?.replace(/\s/g, '') ?? '';
      return told !== '' && (text?.replace(/\s/g, '').endsWith(told) ?? false);
    };
    await expect.poll(isToldToTheEnd).toBe(true);
    const field = page.getByLabel('Write a message');
    await expect.poll(() => field.evaluate((each) => each === document.activeElement)).toBe(true);
    expect(await findFlaws(page)).toEqual([]);
    await keepPicture(page, 'chat-light');

    await page.getByLabel('Write a message').fill('a thought that is not');
    await page.reload();
    await answers(page).last().waitFor();
    expect(await answers(page).last().locator('.prose').textContent()).toBe(text);
    expect(await page.getByLabel('Write a message').inputValue()).toBe('a thought that is not');
    expect(page.url()).toMatch(/\/chat\/[0-9a-f-]{36}$/);
  });

  it('stops, answers again, swipes between answers and edits', async () => {
    const page = await open();
    await signUp(page);
    await begin(page);
    model.hold();
    await say(page, 'Tell me a long story about the sea.');
    await firstWords(page);
    await page.getByRole('button', { name: 'Stop the answer' }).click();
    await answered(page);
    await page.getByText('You stopped here.').waitFor();
    model.release();
    const first = await answers(page).last().locator('.prose').textContent();

    await page.getByRole('button', { name: 'Another answer' }).last().click();
    await answers(page).getByText('2/2').waitFor();
    const second = await answers(page).last().locator('.prose').textContent();
    expect(second).not.toBe(first);
    await keepPicture(page, 'chat-swipes-light');
    await page.getByRole('button', { name: 'Previous version' }).focus();
    await page.keyboard.press('Enter');
    await answers(page).getByText('1/2').waitFor();
    expect(await answers(page).last().locator('.prose').textContent()).toBe(first);

    await page.getByRole('button', { name: 'Edit message' }).click();
    await page.keyboard.press('Escape');
    await expect
      .poll(() => page.evaluate(() => document.activeElement?.getAttribute('aria-label')))
      .toBe('Edit message');
    await page.keyboard.press('Enter');
    await page.getByLabel('Edit your message').fill('Tell me about the mountains instead.');
    await keepPicture(page, 'chat-editing-light');
    await page.keyboard.press('Control+Enter');
    await page.locator('.own').getByText('2/2').waitFor();
    await expect.poll(() => answers(page).count()).toBe(1);
    await answered(page);
    expect(await page.locator('.own .bubble').textContent()).toBe('Tell me about the mountains instead.');
  });

  it('does not send while a word is being converted', async () => {
    const page = await open();
    await signUp(page);
    await begin(page);
    const field = page.getByLabel('Write a message');
    await field.fill('つむぎ');
    await field.dispatchEvent('keydown', { key: 'Enter', isComposing: true, bubbles: true, cancelable: true });
    await page.keyboard.press('Shift+Enter');
    expect(await field.inputValue()).toBe('つむぎ\n');
    expect(await page.locator('.own').count()).toBe(0);
    await page.keyboard.press('Enter');
    await page.locator('.own').waitFor();
    await expect.poll(() => field.inputValue()).toBe('');
    await answered(page);
  });

  it('shows a second device the same conversation while it is being written', async () => {
    const [one, two] = await Promise.all([open(), open()]);
    const email = await signUp(one);
    await begin(one);
    await signIn(two, email);
    await two.goto(new URL(one.url()).pathname);
    await two.getByLabel('Write a message').waitFor();
    await one.getByRole('link', { name: 'Open in 2 places' }).waitFor();
    await one.getByLabel('Write a message').pressSequentially('Can you');
    await two.getByText('You are writing on another device…').waitFor();
    await keepPicture(two, 'chat-typing-elsewhere');
    expect(await one.getByText('You are writing on another device…').count()).toBe(0);
    model.hold();
    await say(one, 'Can you hear me on both?');
    await two.locator('.own .bubble', { hasText: 'both' }).waitFor();
    await streaming(two).waitFor();
    model.release();
    await Promise.all([answered(one), answered(two)]);
    await answers(two).first().waitFor();
    expect(await answers(two).locator('.prose').textContent()).toBe(await answers(one).locator('.prose').textContent());
    await expect.poll(() => two.getByText('You are writing on another device…').count()).toBe(0);
    await two.close();
    await one.getByRole('link', { name: 'Open in 2 places' }).waitFor({ state: 'detached' });
  });

  it('lets a text turn its own direction and nothing else', async () => {
    const page = await open();
    await signUp(page);
    await begin(page);
    // Hebrew; then an override that is never closed, and closing marks that were never opened.
    await say(page, 'שלום, how are you?');
    await answers(page).first().waitFor();
    await answered(page);
    await say(page, '\u202egnp.exe \u2069\u2069\u202e and more');
    await answers(page).nth(1).waitFor();
    await answered(page);
    const directions = (selector: string) =>
      page.locator(selector).evaluateAll((found) => found.map((one) => getComputedStyle(one).direction));
    expect(await directions('.own .bubble')).toEqual(['rtl', 'ltr']);
    expect(await directions('.own .message-foot')).toEqual(['ltr', 'ltr']);
    const bidi = await page
      .locator('.own .bubble')
      .evaluateAll((found) => found.map((one) => getComputedStyle(one).unicodeBidi));
    for (const value of bidi) expect(value).toMatch(/isolate|plaintext/);
    await keepPicture(page, 'chat-directions');
    expect(await findFlaws(page)).toEqual([]);
  });

  it('goes on where it was when the connection breaks', async () => {
    const page = await open();
    const sockets: { close(): void }[] = [];
    let reachable = true;
    await page.routeWebSocket(/\/ws/, (socket) => {
      if (!reachable) return void socket.close({ code: 4100 });
      socket.connectToServer();
      sockets.push({ close: () => void socket.close({ code: 4100 }) });
    });
    await signUp(page);
    await begin(page);
    model.hold();
    await say(page, 'Hold on to this thread.');
    await firstWords(page);
    reachable = false;
    for (const socket of sockets) socket.close();
    await page.getByText('Reconnecting… nothing is lost.').waitFor();
    await keepPicture(page, 'chat-reconnecting-light');
    reachable = true;
    await page.getByText('Reconnecting… nothing is lost.').waitFor({ state: 'detached' });
    model.release();
    await answered(page);
    const shown = await answers(page).last().locator('.prose').textContent();
    await page.reload();
    await answers(page).last().waitFor();
    expect(await answers(page).last().locator('.prose').textContent()).toBe(shown);
  });

  it('loads older messages while one scrolls back, and stays where one reads', async () => {
    const email = newEmail();
    const conversationId = await writeLongConversation(email, 36);
    const page = await open();
    await signIn(page, email);
    await page.goto(`/chat/${conversationId}`);
    await page.locator('.own .bubble', { hasText: 'Line 36.' }).waitFor();
    const log = page.getByRole('log');
    const shown = await page.locator('.message').count();
    await expect
      .poll(() => log.evaluate((each) => each.scrollHeight - each.scrollTop - each.clientHeight))
      .toBeLessThan(4);
    await log.evaluate((each) => each.scrollTo(0, 500));
    // Measured in the page at once: the older page may be here before a second look could be.
    const topOf = (id: string) =>
      page.locator(`[data-message-id="${id}"]`).evaluate((each) => each.getBoundingClientRect().top);
    const reading = (await page.locator('.message').nth(3).getAttribute('data-message-id')) ?? '';
    const before = await topOf(reading);
    await expect.poll(() => page.locator('.message').count()).toBeGreaterThan(shown);
    expect(Math.abs((await topOf(reading)) - before)).toBeLessThan(3);
    await page.getByRole('button', { name: 'Newest' }).click();
    await expect
      .poll(() => log.evaluate((each) => each.scrollHeight - each.scrollTop - each.clientHeight))
      .toBeLessThan(4);
    await log.evaluate((each) => each.scrollTo(0, 0));
    await page.locator('.own .bubble', { hasText: 'Line 1.' }).first().waitFor();
  });

  /** By the client, since a person would take long: every answer is stopped at its first words. */
  async function writeLongConversation(email: string, turns: number): Promise<string> {
    const auth = new AuthClient({ url: bench.server.url });
    await auth.signUp({ email, password, displayName: 'Hana' });
    const client = new TsumugiClient({ url: bench.server.url, getTicket: () => auth.socketTicket() });
    await client.connect();
    const { avatars } = await client.request('companion.list_avatars', {});
    const avatar = avatars.find((each) => each.lang === 'en');
    expect(avatar).toBeDefined();
    const { conversationId } = await client.request('chat.open', {
      avatarId: avatar?.avatarId ?? '',
      kind: 'conversation',
    });
    const conversation = await client.conversation(conversationId);
    for (let turn = 1; turn <= turns; turn++) {
      const generation = await conversation.send(`Line ${turn}. ${'It goes on for a while. '.repeat(6)}`);
      for await (const _piece of generation) await generation.stop();
      await generation.done;
    }
    client.close();
    return conversationId;
  }
});
