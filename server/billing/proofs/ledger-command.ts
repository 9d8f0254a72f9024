/** `npm run ledger -- …`: what an operator or an auditor does with the ledger's proofs. Prints no key but public ones. */
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { open, readFile, rm } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import type { Database } from '../../../db/client.ts';
import { MasterKeyFile, type MasterKeySource } from '../../../db/keys/master-key-source.ts';
import { parseVerifierKey, type VerifierKey } from '../../../protocol/ledger-proof/signed-note.ts';
import { CheckpointBook } from './checkpoint-book.ts';
import { BadExport, writeExport } from './export-file.ts';
import { CheckpointFiles } from './files.ts';
import { CheckpointKeys } from './keys.ts';
import { type LedgerReport, verifyDatabase, verifyExport } from './verify.ts';

export const ledgerHelp = `npm run ledger -- <command>
  verify                      recomputes the whole ledger in the database: hashes, chains, ends, balances, trees, and every checkpoint
                              of the database and of the checkpoint folder. Safe while servers run.
    --checkpoints <dir>       another folder with checkpoint files
    --keys <file> --key <key> verifier keys to trust instead of those of this server's own keys
  verify --export <file>      the same of an export, without a database: needs --checkpoints, and --keys or --key
  export [--out <file>]       writes all entries, without personal data, to a file or to the standard output
  keys                        prints the verifier keys, one a line; /ledger/keys has the same
  rotate-key                  puts a new signing key in front of the key file; after a restart servers sign with it, and with the others
                              beside it, so that whoever knows those learns of it. What is taken out of the file signs no more

verify ends with 0 when everything is right, 1 when a fault was found, 2 for a wrong call, 3 when it could not be checked: also of an
export where no checkpoint stands for any entry of a shard that has some.
`;

export const exitCodes = { right: 0, fault: 1, wrongCall: 2, notChecked: 3 } as const;
export class WrongCall extends Error {
  override readonly name = 'WrongCall';
}

export type LedgerCommand =
  | {
      name: 'verify';
      exportFile: string | undefined;
      checkpoints: string | undefined;
      keys: string | undefined;
      key: string[];
    }
  | { name: 'export'; out: string | undefined }
  | { name: 'keys' }
  | { name: 'rotate-key' };

/** @throws WrongCall with what is wrong and the help. */
export function parseLedgerCommand(args: readonly string[]): LedgerCommand {
  const [name, ...rest] = args;
  const text = { type: 'string' } as const;
  try {
    if (name === 'verify') {
      const options = { export: text, checkpoints: text, keys: text, key: { type: 'string', multiple: true } } as const;
      const { values } = parseArgs({ args: rest, options });
      const { checkpoints, keys, key = [] } = values;
      if (values.export !== undefined && checkpoints === undefined)
        throw new Error('An export is verified against checkpoints: --checkpoints <dir> is missing.');
      if (values.export !== undefined && keys === undefined && key.length === 0)
        throw new Error('Without a server of its own --export needs verifier keys: --keys <file> or --key <key>.');
      return { name, exportFile: values.export, checkpoints, keys, key };
    }
    if (name === 'export') return { name, out: parseArgs({ args: rest, options: { out: text } }).values.out };
    if ((name === 'keys' || name === 'rotate-key') && rest.length === 0) return { name };
  } catch (error) {
    throw new WrongCall(`${error instanceof Error ? error.message : String(error)}\n\n${ledgerHelp}`);
  }
  throw new WrongCall(ledgerHelp);
}

export type LedgerCommandParts = {
  print(line: string): void;
  /** Opened only by commands that need it. */
  openDatabase(): Promise<Database>;
  keySource(): MasterKeySource;
  origin: string;
  checkpointFolder: string;
};

/** @returns the exit code. @throws Error that says why it could not be done. */
export async function runLedgerCommand(parts: LedgerCommandParts, command: LedgerCommand): Promise<number> {
  if (command.name === 'verify') return verify(parts, command);
  if (command.name === 'export') return exportTo(parts, command.out);
  if (command.name === 'keys') {
    for (const line of await (await openKeys(parts)).lines()) parts.print(line);
    return exitCodes.right;
  }
  const source = parts.keySource();
  if (!(source instanceof MasterKeyFile))
    throw new WrongCall('The keys stand in TSUMUGI_LEDGER_KEYS: put a new `id:base64` pair in front of them there.');
  parts.print(
    `${source.addActive()} signs after the next start of the servers. Keep the others in ${source.path} for a while: they sign beside it, and what they signed is verified with them.`,
  );
  return exitCodes.right;
}

async function verify(parts: LedgerCommandParts, command: Extract<LedgerCommand, { name: 'verify' }>): Promise<number> {
  const book = new CheckpointBook(await keysFor(parts, command));
  const folder = command.checkpoints ?? parts.checkpointFolder;
  if (command.checkpoints !== undefined && !existsSync(folder)) throw new WrongCall(`There is no folder ${folder}.`);
  const files = new CheckpointFiles(folder);
  const report =
    command.exportFile === undefined
      ? await verifyDatabase(await parts.openDatabase(), files, book)
      : await verifyFile(command.exportFile, files, book);
  // A database has them while its server has not signed yet; of an export somebody may have taken the checkpoints out.
  const bare = command.exportFile === undefined ? [] : report.shards.filter(isBare);
  printReport(report, bare, parts.print);
  if (!report.ok) return exitCodes.fault;
  return bare.length > 0 ? exitCodes.notChecked : exitCodes.right;
}

/** Its hashes may be right all the same: whoever writes a whole chain anew can make them so. */
const isBare = ({ entries, covered }: LedgerReport['shards'][number]): boolean => entries > 0 && covered === 0;

async function verifyFile(path: string, files: CheckpointFiles, book: CheckpointBook): Promise<LedgerReport> {
  await book.addFiles(files);
  if (book.checkpoints.length === 0 && book.faults.length === 0)
    throw new WrongCall(
      `${files.folder} has no checkpoint that these keys have signed: nothing can be verified against it.`,
    );
  try {
    return await verifyExport(path, book);
  } catch (error) {
    throw error instanceof BadExport ? new Error(`${path}: ${error.message}`) : error;
  }
}

function printReport(
  { ok, entries, shards, faults, notes }: LedgerReport,
  bare: LedgerReport['shards'],
  print: (line: string) => void,
): void {
  for (const { shard, entries: count, checkpoints, covered } of shards) {
    const open = count - covered;
    const behind = open > 0 ? `, ${open} behind the last one` : '';
    print(`shard ${shard}: ${count} entries, ${checkpoints} checkpoints${behind}`);
  }
  for (const note of notes) print(`note: ${note}`);
  for (const { shard, seq, problem } of faults) {
    const place = shard === null ? '' : `shard ${shard}, entry ${seq}: `;
    print(`FAULT ${place}${problem}`);
  }
  for (const { shard, entries: count } of bare)
    print(`NOT CHECKED shard ${shard}: no checkpoint stands for any of its ${count} entries`);
  if (!ok) print(`${faults.length} faults were found.`);
  else if (bare.length === 0) print(`${entries} entries are right.`);
  else print('No fault was found, and not everything could be checked.');
}

async function keysFor(
  parts: LedgerCommandParts,
  { keys, key }: { keys: string | undefined; key: string[] },
): Promise<readonly VerifierKey[]> {
  if (keys === undefined && key.length === 0) {
    const own = await openKeys(parts);
    return [0, 1, 2, 3, 4, 5, 6, 7].flatMap((shard) => own.verifiersOf(shard));
  }
  const lines = keys === undefined ? [] : (await readFile(keys, 'utf8')).split('\n');
  const given = [...lines, ...key].map((line) => line.trim()).filter((line) => line !== '' && !line.startsWith('#'));
  try {
    return await Promise.all(given.map(parseVerifierKey));
  } catch (error) {
    throw new WrongCall(error instanceof Error ? error.message : String(error));
  }
}

const openKeys = (parts: LedgerCommandParts) => CheckpointKeys.open(parts.keySource(), parts.origin);

async function exportTo(parts: LedgerCommandParts, out: string | undefined): Promise<number> {
  if (out === undefined) {
    await writeExport(await parts.openDatabase(), async (piece) => {
      if (!process.stdout.write(piece)) await once(process.stdout, 'drain');
    });
    return exitCodes.right;
  }
  const file = await open(out, 'wx', 0o600);
  try {
    const rows = await writeExport(await parts.openDatabase(), (piece) => file.appendFile(piece));
    await file.sync();
    parts.print(`${rows} entries are in ${out}.`);
    return exitCodes.right;
  } catch (error) {
    // Nobody shall take a part for the whole.
    await rm(out);
    throw error;
  } finally {
    await file.close();
  }
}
