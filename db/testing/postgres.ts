/** A database of its own for a test file: a clone of the migrated template, with the server's login. */
import { connect } from 'node:net';
import { inject } from 'vitest';
import { cloneDatabase, type TestDatabase } from './clone.ts';
import type { HarnessReply } from './global-setup.ts';

export type { TestDatabase } from './clone.ts';

export async function createTestDatabase(): Promise<TestDatabase> {
  return cloneDatabase(await askHarness());
}

async function askHarness(): Promise<{ ownerUrl: string; template: string }> {
  const socket = connect(inject('tsumugiHarnessPort'), '127.0.0.1');
  socket.setEncoding('utf8');
  let text = '';
  for await (const chunk of socket) text += chunk;
  const reply = JSON.parse(text) as HarnessReply;
  if ('error' in reply) throw new Error(`No PostgreSQL for the tests: ${reply.error}`);
  return reply;
}
