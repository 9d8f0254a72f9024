/** `npm run ledger -- …`: verifies and exports the token ledger. */

import { findRunningPostgres } from '../../db/embedded/running.ts';
import { exitCodes, parseLedgerCommand, runLedgerCommand, WrongCall } from '../billing/proofs/ledger-command.ts';
import { checkpointFolder, ledgerKeySource } from '../billing/proofs/open-proofs.ts';
import { systemClock } from '../clock.ts';
import { ConfigError, loadConfig } from '../config.ts';
import { Lifecycle } from '../lifecycle.ts';
import { createLog } from '../log.ts';
import { openStorage } from '../storage.ts';

const log = createLog({ level: 'warn', write: (line) => void process.stderr.write(line) });
const lifecycle = new Lifecycle(log);
try {
  const command = parseLedgerCommand(process.argv.slice(2));
  const config = loadConfig(process.env);
  process.exitCode = await runLedgerCommand(
    {
      print: (line) => console.log(line),
      origin: config.ledgerOrigin,
      checkpointFolder: checkpointFolder(config),
      keySource: () => ledgerKeySource(config),
      openDatabase: async () => {
        // A server that runs in this folder has the data open: the command goes to its PostgreSQL.
        const databaseUrl = config.databaseUrl ?? findRunningPostgres(config.dataDir);
        const fail = (reason: string) => log.error({}, reason);
        return (await openStorage({ ...config, databaseUrl }, log, systemClock, lifecycle, fail)).db;
      },
    },
    command,
  );
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  const wrongCall = error instanceof WrongCall || error instanceof ConfigError;
  process.exitCode = wrongCall ? exitCodes.wrongCall : exitCodes.notChecked;
} finally {
  await lifecycle.close();
}
