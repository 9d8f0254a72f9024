/** Looks at the paths of settings before anything is made, so that a wrong one stops the start by the name of its setting. */
import { accessSync, constants, mkdtempSync, rmdirSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

export type PathSettings = {
  dataDir: string;
  ledgerKeyFile: string | undefined;
  ledgerCheckpointDir: string | undefined;
};

/** @returns the setting at fault and what is wrong with it; undefined when all is well. Leaves nothing behind. */
export function findPathFault(paths: PathSettings): { setting: string; problem: string } | undefined {
  const { dataDir, ledgerKeyFile, ledgerCheckpointDir = dataDir } = paths;
  const folders = { TSUMUGI_DATA_DIR: dataDir, LEDGER_CHECKPOINT_DIR: ledgerCheckpointDir };
  for (const [setting, folder] of Object.entries(folders)) {
    const problem = findFolderFault(folder);
    if (problem !== undefined) return { setting, problem };
  }
  if (ledgerKeyFile === undefined || isFile(ledgerKeyFile)) return undefined;
  return { setting: 'LEDGER_KEY_FILE', problem: `expected a file, got ${JSON.stringify(ledgerKeyFile)}.` };
}

function findFolderFault(folder: string): string | undefined {
  const wanted = resolve(folder);
  const there = nearest(wanted);
  const got = `got ${JSON.stringify(folder)}`;
  if (!statSync(there).isDirectory()) return `expected a folder, ${got}, and ${there} is a file.`;
  try {
    accessSync(there, constants.W_OK | constants.X_OK);
    // Some file systems let nobody make a folder, whatever their rights say; Node's recursive `mkdir` would try for ever.
    if (there !== wanted) rmdirSync(mkdtempSync(join(there, '.tsumugi-')));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return `expected a folder that this user can write to, ${got}, and ${there} cannot be written (${code}).`;
  }
  return undefined;
}

/** The path itself, or what exists above it. */
function nearest(path: string): string {
  return isThere(path) || dirname(path) === path ? path : nearest(dirname(path));
}

function isFile(path: string): boolean {
  return isThere(path) && statSync(path).isFile();
}

function isThere(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return false; // something above it is a file, or closed to us: that is found there
  }
}
