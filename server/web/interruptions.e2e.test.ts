/** An answer that is being written while the page is loaded anew, or its phone is offline for a while: no text twice, and none missing. */
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { Wire } from '../chat/testing/wire.ts';
import { HeldModel } from '../testing/held-model.ts';
import { chromiumPath, keepPicture } from './testing/browser.ts';
import { usePageBench } from './testing/page-bench.ts';
import { answered, answers, begin, firstWords, say, signUp } from './testing/person.ts';

/** What was on the screen of the answer in the making, at every change of it. */
type Watched = typeof globalThis & { shown?: string[] };
const watch = (): void => {
  const shown: string[] = [];
  Object.assign(globalThis, { shown });
  new MutationObserver(() => {
    const text = document.querySelector('.streaming .prose')?.textContent ?? '';
    // What stands there before the first word is no text of the answer.
    if (text !== '' && text !== 'writing…' && text !== shown.at(-1)) shown.push(text);
  }).observe(document, { subtree: true, childList: true, characterData: true });
};
const shownOn = (page: Page): Promise<string[]> => page.evaluate(() => (globalThis as Watched).shown ?? []);

/** Between words and marks the page may break lines as it likes. */
const plain = (text: string): string => text.replace(/[\s*_]/g, '');

describe.skipIf(chromiumPath === undefined)('an answer that is interrupted', () => {
  let model: HeldModel;
  beforeAll(async () => {
    model = await HeldModel.start();
  });
  afterAll(() => model?.[Symbol.asyncDispose]());
  beforeEach(() => model.hold());
  const bench = usePageBench(() => ({ env: model.env }));

  /** The answer goes on in steps that can be seen, and does not end with them. */
  async function readOn(page: Page): Promise<void> {
    for (let step = 0; step < 4; step++) {
      const before = (await shownOn(page)).length;
      model.say(3);
      await expect.poll(async () => (await shownOn(page)).length).toBeGreaterThan(before);
    }
  }

  /** Somebody who has asked, with the first words of the answer before him. */
  async function ask(page: Page): Promise<void> {
    await page.addInitScript(watch);
    await signUp(page);
    await begin(page);
    await say(page, 'Tell me of the sea, and of everybody who lives by it.');
    await firstWords(page);
  }

  /** All that was seen at any time is the beginning of what is stored, and longer each time. */
  async function expectNeitherHoleNorRepetition(page: Page, seen: readonly string[]): Promise<void> {
    await answered(page);
    const whole = (await answers(page).last().locator('.prose').textContent()) ?? '';
    await page.reload();
    await answers(page).last().waitFor();
    expect(await answers(page).last().locator('.prose').textContent()).toBe(whole);
    expect(seen.length).toBeGreaterThan(5);
    for (const [at, text] of seen.entries()) {
      expect(plain(whole).startsWith(plain(text)), `${text} | ${whole}`).toBe(true);
      expect(plain(text).length).toBeGreaterThanOrEqual(plain(seen[at - 1] ?? '').length);
    }
  }

  it('goes on over a reload', async () => {
    const page = await bench.open();
    await ask(page);
    const before = await shownOn(page);
    await page.reload();
    await firstWords(page);
    await keepPicture(page, 'chat-streaming-after-reload');
    await readOn(page);
    model.release();
    await answered(page);
    await expectNeitherHoleNorRepetition(page, [...before, ...(await shownOn(page))]);
  });

  it('goes on where it was when the phone was offline', async () => {
    const wire = await Wire.to(bench.server.url);
    onTestFinished(() => wire[Symbol.asyncDispose]());
    const page = await bench.open({ baseURL: wire.through(bench.server.url), viewport: { width: 390, height: 844 } });
    await ask(page);
    await readOn(page);
    wire.cut();
    wire.hold();
    await page.getByText('Reconnecting… nothing is lost.').waitFor();
    await keepPicture(page, 'chat-offline-phone');
    const [held = ''] = (await shownOn(page)).slice(-1);
    wire.release();
    await page.getByText('Reconnecting… nothing is lost.').waitFor({ state: 'detached' });
    await readOn(page);
    expect((await shownOn(page)).at(-1)?.length).toBeGreaterThan(held.length);
    model.release();
    await answered(page);
    await expectNeitherHoleNorRepetition(page, await shownOn(page));
  });
});
