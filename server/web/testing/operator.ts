/** Makes an account an operator, as whoever runs the server does. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Page } from 'playwright-core';
import type { TestServer } from '../../testing/start-server.ts';
import { signIn } from './person.ts';

/** The page shows it from the next sign-in on. */
export async function becomeOperator(page: Page, server: TestServer, email: string): Promise<void> {
  const command = fileURLToPath(new URL('../../command-line/admin.ts', import.meta.url));
  const { PATH = '' } = process.env;
  await promisify(execFile)(process.execPath, [command, 'grant', email], { env: { PATH, ...server.env } });
  await page.getByRole('link', { name: 'Settings' }).click();
  await page.getByRole('button', { name: 'Sign out', exact: true }).click();
  await signIn(page, email);
}
