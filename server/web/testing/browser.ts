/** A real Chromium for the tests of the page, and what they look at again and again. */
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';

const onPath = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'].flatMap((name) =>
  (process.env['PATH'] ?? '').split(delimiter).map((each) => join(each, name)),
);
const usualPlaces = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/usr/bin/google-chrome-stable',
  '/snap/bin/chromium',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  'C:/Program Files/Google/Chrome/Application/chrome.exe',
];

/** The system's Chromium; undefined where there is none. `CHROMIUM_PATH` names another one. */
export const chromiumPath: string | undefined = [process.env['CHROMIUM_PATH'], ...usualPlaces, ...onPath].find(
  (path) => path !== undefined && existsSync(path),
);

export function launchChromium(): Promise<Browser> {
  return chromium.launch({
    ...(chromiumPath === undefined ? {} : { executablePath: chromiumPath }),
    headless: true,
    timeout: 120_000,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}

/** A page of its own device, which notes everything that went wrong in it. */
export type Device = { page: Page; problems: string[]; close(): Promise<void> };

export async function openDevice(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<Device> {
  const context = await browser.newContext({
    baseURL: url,
    locale: 'en-GB',
    timezoneId: 'Asia/Tokyo',
    viewport: { width: 1280, height: 820 },
    permissions: ['clipboard-read', 'clipboard-write'],
    ...options,
  });
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  const problems: string[] = [];
  page.on('console', (message) => {
    // Violations of the content security policy arrive here too.
    if (message.type() === 'error' || message.type() === 'warning')
      problems.push(`${message.text()} ${message.location().url}`.trim());
  });
  page.on('pageerror', (error) => problems.push(String(error.stack)));
  return { page, problems, close: () => context.close() };
}

/** One folder that every run writes over. */
const folder = process.env['TSUMUGI_SCREENSHOTS'] ?? join(tmpdir(), 'tsumugi-pictures');

/** Keeps a picture for people to look at, in the folder that `TSUMUGI_SCREENSHOTS` names or in a temporary one. */
export async function keepPicture(page: Page, name: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await page.screenshot({ path: join(folder, `${name}.png`), animations: 'disabled' });
}

/** Names of controls that a screen reader could not say, and screens that are wider than the window. */
export function findFlaws(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const flaws: string[] = [];
    for (const control of document.querySelectorAll('button, a[href], input, textarea, select')) {
      const labelled =
        control instanceof HTMLInputElement ||
        control instanceof HTMLTextAreaElement ||
        control instanceof HTMLSelectElement;
      const label = labelled
        ? [...(control.labels ?? [])].map((each) => each.textContent).join('')
        : control.textContent;
      if (!control.getAttribute('aria-label') && (label ?? '').trim() === '')
        flaws.push(`no name: ${control.outerHTML.slice(0, 120)}`);
    }
    if (document.documentElement.scrollWidth > innerWidth)
      flaws.push(`wider than the window: ${document.documentElement.scrollWidth}`);
    if (document.querySelectorAll('h1').length !== 1) flaws.push('not exactly one h1');
    return flaws;
  });
}
