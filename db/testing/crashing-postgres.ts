/** A PostgreSQL of its own for a test that ends it in the middle of everything: an immediate shutdown, and the recovery from it. */
import { chownSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { locateBinaries } from '../embedded/binaries.ts';
import { initialize, newPassword, startCluster } from '../embedded/cluster.ts';
import { ensurePostgresUser } from '../embedded/system-user.ts';
import { atEnd } from './at-end.ts';

export type CrashingPostgres = {
  /** The owner's; the same after a restart. */
  url: string;
  /** As by the power switch, but for what the kernel has: sessions are cut, nothing more is written. */
  crash(): Promise<void>;
  restart(): Promise<void>;
  /** Ends it and removes the data. */
  stop(): Promise<void>;
};

export async function startCrashingPostgres(): Promise<CrashingPostgres> {
  const silent = () => {};
  const user = ensurePostgresUser(silent);
  const folder = mkdtempSync(join(tmpdir(), 'tsumugi-crashing-'));
  if (user) chownSync(folder, user.uid, user.gid);
  const options = {
    binaries: locateBinaries(user, silent),
    user,
    folder,
    password: newPassword(),
    // A killed process loses nothing that the kernel has.
    settings: ['fsync=off'],
    log: silent,
  };
  await initialize(options, ['--no-sync']);
  let cluster = await startCluster(options);
  const { port } = cluster;
  const remove = () => rmSync(folder, { recursive: true, force: true });
  const ended = atEnd(() => {
    cluster.signal('SIGQUIT');
    remove();
  });
  const crash = async () => {
    cluster.signal('SIGQUIT');
    await cluster.exited;
  };
  return {
    url: cluster.url('postgres'),
    crash,
    async restart() {
      cluster = await startCluster({ ...options, port });
    },
    async stop() {
      await crash();
      ended();
      remove();
    },
  };
}
