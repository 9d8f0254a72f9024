/** Opens what a command needs, beside a running server or without one, and closes it again whatever happens. */
import { join } from 'node:path';
import { findRunningPostgres } from '../../db/embedded/running.ts';
import { ColumnKeys, openMasterKeys } from '../../db/keys/column-keys.ts';
import type { MasterKeySource } from '../../db/keys/master-key-source.ts';
import { systemClock } from '../clock.ts';
import { ConfigError, loadConfig } from '../config.ts';
import { IdentityService } from '../identity/service.ts';
import { Lifecycle } from '../lifecycle.ts';
import { createLog } from '../log.ts';
import { openStorage, type Storage } from '../storage.ts';

export type CommandParts = { storage: Storage; keys: ColumnKeys; source: MasterKeySource; identity: IdentityService };

/** Runs a command and sets the exit code; an error becomes one line. */
export async function runCommand(work: (parts: CommandParts) => Promise<void>): Promise<void> {
  const log = createLog({ level: 'warn', write: (line) => void process.stderr.write(line) });
  const lifecycle = new Lifecycle(log);
  try {
    const config = loadConfig(process.env);
    // A server that runs in this folder has the data open: the command goes to its PostgreSQL.
    const databaseUrl = config.databaseUrl ?? findRunningPostgres(config.dataDir);
    const fail = (reason: string) => log.error({}, reason);
    const storage = await openStorage({ ...config, databaseUrl }, log, systemClock, lifecycle, fail);
    const source = openMasterKeys(config.masterKeys, join(config.dataDir, 'master-keys'));
    const keys = new ColumnKeys(source);
    const identity = new IdentityService({ db: storage.db, live: storage.live, keys });
    await keys.prepare(storage.db);
    await work({ storage, keys, source, identity });
  } catch (error) {
    const wrongSetting = error instanceof ConfigError;
    console.error(error instanceof Error ? error.message : String(error));
    process.exitCode = wrongSetting ? 2 : 1;
  } finally {
    await lifecycle.close();
  }
}
