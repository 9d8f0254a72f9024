/** A database of its own for a test file: a clone of the migrated template, with the server's login. */
import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import postgres from 'postgres';
import { inject } from 'vitest';
import { Database } from '../client.ts';
import { newPassword } from '../embedded/cluster.ts';
import { prepareAppLogin, quote } from '../login.ts';
import type { HarnessReply } from './global-setup.ts';

export type TestDatabase = {
  /** The server's login: row level security applies. */
  url: string;
  /** The superuser: for arranging and looking past the rules. */
  ownerUrl: string;
  /** Connected with `url`. */
  database: Database;
  /** Drops it all. Closes `database`; other connections are cut. */
  close(): Promise<void>;
};

export async function createTestDatabase(): Promise<TestDatabase> {
  const cluster = await askHarness();
  const name = `t_${randomBytes(6).toString('hex')}`;
  const admin = postgres(cluster.ownerUrl, { max: 1, onnotice: () => {} });
  try {
    await admin.unsafe(`CREATE DATABASE ${quote(name)} TEMPLATE ${quote(cluster.template)}`);
  } finally {
    await admin.end();
  }
  const owner = new URL(cluster.ownerUrl);
  owner.pathname = `/${name}`;
  const ownerUrl = owner.href;
  const url = await prepareAppLogin(ownerUrl, newPassword());
  const database = new Database(url);
  return {
    url,
    ownerUrl,
    database,
    async close() {
      await database.close();
      const sql = postgres(cluster.ownerUrl, { max: 1, onnotice: () => {} });
      try {
        await sql.unsafe(`DROP DATABASE ${quote(name)} WITH (FORCE)`);
        await sql.unsafe(`DROP ROLE ${quote(new URL(url).username)}`);
      } finally {
        await sql.end();
      }
    },
  };
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
