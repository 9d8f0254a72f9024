/** `npm run keys -- …`: what an operator does with keys while servers run. Prints ids and counts, never a key. */
import { countByMasterKey } from '../../db/keys/queries.ts';
import { type RotationOptions, type RotationParts, retireMasterKey, rotateKeys } from './rotate-keys.ts';

export const keysHelp = `npm run keys -- <command>
  list                       the master keys and how many keys each of them wraps
  rotate [--hashes] [--data] a new master key, and everything wrapped by it; with --hashes also a new key of the mail
                             look-up, with --data also fresh data keys and their columns encrypted anew.
                             Safe while servers run, safe to break off and start again.
  retire <id>                takes an old master key out of the key file; refused while it is needed`;

type Command = { name: 'list' } | { name: 'rotate'; options: RotationOptions } | { name: 'retire'; id: string };

/** @throws Error with the help text for anything else than the commands above. */
export function parseKeysCommand(args: readonly string[]): Command {
  const [name, ...rest] = args;
  if (name === 'list' && rest.length === 0) return { name };
  if (name === 'rotate' && rest.every((flag) => flag === '--hashes' || flag === '--data')) {
    return { name, options: { hashes: rest.includes('--hashes'), data: rest.includes('--data') } };
  }
  const [id] = rest;
  if (name === 'retire' && id !== undefined && rest.length === 1) return { name, id };
  throw new Error(keysHelp);
}

/** @throws Error that says what to do, for the command line. */
export async function runKeysCommand(parts: RotationParts, args: readonly string[]): Promise<void> {
  const command = parseKeysCommand(args);
  if (command.name === 'rotate') return rotateKeys(parts, command.options);
  if (command.name === 'retire') return retireMasterKey(parts, command.id);
  const counts = await parts.db.asService((tx) => countByMasterKey(tx));
  for (const id of parts.keys.ring.ids) {
    const wrapped = counts.find((row) => row.master_key_id === id)?.keys ?? 0;
    parts.print(`${id}${id === parts.keys.ring.activeId ? ' (active)' : ''}: ${wrapped} keys`);
  }
}
