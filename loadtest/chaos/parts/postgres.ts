/** The PostgreSQL of a run: a cluster in the run's folder that can crash and come back on the same port. */
import { chownSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { locateBinaries } from '../../../db/embedded/binaries.ts';
import {
  type ClusterOptions,
  initialize,
  newPassword,
  type RunningCluster,
  startCluster,
} from '../../../db/embedded/cluster.ts';
import { ensurePostgresUser } from '../../../db/embedded/system-user.ts';
import { freePort } from './part.ts';

export class Postgres {
  readonly #options: ClusterOptions;
  #cluster: RunningCluster;

  private constructor(options: ClusterOptions, cluster: RunningCluster) {
    this.#options = options;
    this.#cluster = cluster;
  }

  static async start(runFolder: string): Promise<Postgres> {
    const user = ensurePostgresUser(console.info);
    const folder = join(runFolder, 'postgres');
    mkdirSync(folder, { mode: 0o700 });
    if (user) chownSync(folder, user.uid, user.gid);
    const options = {
      binaries: locateBinaries(user, console.info),
      user,
      folder,
      password: newPassword(),
      port: await freePort(),
      // The machine does not lose power in a run: what a process has written survives that process.
      settings: ['fsync=off', 'max_connections=120'],
      log: () => {},
    };
    await initialize(options, ['--no-sync']);
    return new Postgres(options, await startCluster(options));
  }

  /** The owner's. */
  get url(): string {
    return this.#cluster.url('postgres');
  }

  /** Of the postmaster; its sessions are its children. */
  get pid(): number {
    return this.#cluster.pid;
  }

  /** Ends at once and without order: sessions are cut, nothing is written any more. */
  async crash(): Promise<void> {
    this.#cluster.signal('SIGQUIT');
    await this.#cluster.exited;
  }

  /** Recovers what was committed. */
  async restart(): Promise<void> {
    this.#cluster = await startCluster(this.#options);
  }

  killNow(): void {
    this.#cluster.signal('SIGQUIT');
  }
}
