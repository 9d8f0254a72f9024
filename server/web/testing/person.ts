/** What a person does on the page again and again, in English. */
import type { Locator, Page } from 'playwright-core';

export const password = 'correct horse battery';
let people = 0;
export const newEmail = (): string => `person${++people}.${process.pid}@example.com`;

/** @returns the mail address */
export async function signUp(page: Page, email = newEmail()): Promise<string> {
  await page.goto('/');
  await page.getByRole('button', { name: 'Create an account' }).click();
  await page.getByLabel('What should we call you?').fill('Hana');
  await page.getByLabel('Mail address').fill(email);
  await page.getByLabel('Password', { exact: true }).fill(password);
  await page.getByRole('button', { name: 'Create an account' }).click();
  await page.getByRole('heading', { level: 1, name: /Hana/ }).waitFor();
  return email;
}

export async function signIn(page: Page, email: string): Promise<void> {
  await page.goto('/');
  await page.getByLabel('Mail address').fill(email);
  await page.getByLabel('Password', { exact: true }).fill(password);
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { level: 1, name: /Hana/ }).waitFor();
}

/** Begins a conversation with the English sample. */
export async function begin(page: Page): Promise<void> {
  await page.locator('.avatar-card', { hasText: 'English' }).first().getByRole('button').click();
  await page.getByRole('list', { name: 'Ways to begin' }).waitFor();
}

export async function say(page: Page, text: string): Promise<void> {
  await page.getByLabel('Write a message').fill(text);
  await page.keyboard.press('Enter');
}

export const answers = (page: Page): Locator => page.locator('.answer:not(.streaming)');
export const streaming = (page: Page): Locator => page.locator('.streaming');
/** Words of an answer that is being written are there, not only the sign that somebody writes. */
export const firstWords = (page: Page): Promise<void> =>
  streaming(page).locator('.prose > :not(.thinking)', { hasText: /\S/ }).first().waitFor();
/** The answer that is being written has ended. */
export const answered = (page: Page): Promise<void> => streaming(page).waitFor({ state: 'detached' });
