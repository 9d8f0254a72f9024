/** Clones of a migrated template, each with the server's login. Knows no test runner, so that long runs outside of one use it too. */
import { randomBytes } from 'node:crypto';
import postgres from 'postgres';
import { Database } from '../client.ts';
import { newPassword } from '../embedded/cluster.ts';
import { prepareAppLogin, quote } from '../login.ts';
import type { TestCluster } from './cluster.ts';

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

export async function cloneDatabase(cluster: Pick<TestCluster, 'ownerUrl' | 'template'>): Promise<TestDatabase> {
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
