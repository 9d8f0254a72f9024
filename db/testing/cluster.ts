/**
 * The PostgreSQL of a test run: in a folder of its own under the temporary folder, without fsync, with a migrated template
 * database. The folder names the process it belongs to, so that the next run finds what a killed one left.
 */
import { chownSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import postgres from 'postgres';
import { type Binaries, locateBinaries } from '../embedded/binaries.ts';
import { initialize, newPassword, startCluster } from '../embedded/cluster.ts';
import { isAlive, startTimeOf } from '../embedded/process.ts';
import { ensurePostgresUser } from '../embedded/system-user.ts';
import { migrate } from '../migrate.ts';

export type TestCluster = { ownerUrl: string; template: string; stop(): Promise<void> };

const prefix = 'tsumugi-test-';
const template = 'tsumugi_template';
const silent = () => {};

export async function startTestCluster(): Promise<TestCluster> {
  const folder = join(tmpdir(), `${prefix}${process.pid}-${startTimeOf(process.pid) ?? 0}`);
  const user = ensurePostgresUser(console.info);
  mkdirSync(folder, { mode: 0o700 });
  if (user) chownSync(folder, user.uid, user.gid);
  const options = {
    binaries: givenBinaries() ?? locateBinaries(user, console.info),
    user,
    folder,
    password: newPassword(),
    settings: ['fsync=off', 'full_page_writes=off', 'max_connections=200', 'autovacuum=off', 'max_wal_size=2GB'],
    log: silent,
  };
  const remove = () => rmSync(folder, { recursive: true, force: true });
  try {
    await initialize(options, ['--no-sync']);
    const cluster = await startCluster(options);
    const atExit = () => {
      cluster.signal('SIGQUIT');
      remove();
    };
    process.once('exit', atExit);
    await makeTemplate(cluster.url('postgres'), cluster.url(template));
    return {
      ownerUrl: cluster.url('postgres'),
      template,
      async stop() {
        // Nothing of it is kept, so there is no use in an orderly end.
        cluster.signal('SIGQUIT');
        await cluster.exited;
        process.removeListener('exit', atExit);
        remove();
      },
    };
  } catch (error) {
    remove();
    throw error;
  }
}

/** `TSUMUGI_TEST_POSTGRES_BIN=/usr/lib/postgresql/15/bin npm test` shows that the oldest version serves as well. */
function givenBinaries(): Binaries | undefined {
  const folder = process.env['TSUMUGI_TEST_POSTGRES_BIN'];
  return folder ? { initdb: join(folder, 'initdb'), postgres: join(folder, 'postgres') } : undefined;
}

async function makeTemplate(ownerUrl: string, templateUrl: string): Promise<void> {
  const sql = postgres(ownerUrl, { max: 1, onnotice: silent });
  try {
    await sql.unsafe(`CREATE DATABASE ${template}`);
    await migrate(templateUrl);
  } finally {
    await sql.end();
  }
}

/** Ends and removes the clusters of runs that were killed. */
export function sweepLeftovers(): void {
  for (const name of readdirSync(tmpdir())) {
    const [, pid, startTime] = /^tsumugi-test-(\d+)-(\d+)$/.exec(name) ?? [];
    if (pid === undefined || isAlive(Number(pid), Number(startTime))) continue;
    const folder = join(tmpdir(), name);
    try {
      const postmaster = Number(readFileSync(join(folder, 'postmaster.pid'), 'utf8').split('\n')[0]);
      // The number may belong to somebody else by now.
      if (readFileSync(`/proc/${postmaster}/cmdline`, 'utf8').includes(folder)) process.kill(postmaster, 'SIGQUIT');
    } catch {
      // It is gone already, or another user's.
    }
    try {
      rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
    } catch {
      // Another user's: his next run removes it.
    }
  }
}
