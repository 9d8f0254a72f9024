/** `npm run keys -- …`: lists, rotates and retires the keys of encrypted columns, also while servers run. */
import { parseKeysCommand, runKeysCommand } from '../identity/keys-command.ts';
import { runCommand } from './with-identity.ts';

const args = process.argv.slice(2);
try {
  parseKeysCommand(args);
  await runCommand(({ storage, keys, source }) =>
    runKeysCommand({ db: storage.db, keys, source, print: (line) => console.log(line) }, args),
  );
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 2;
}
