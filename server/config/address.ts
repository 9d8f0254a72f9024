/** Looks whether HOST and PORT can be listened on by this user on this machine, so that a wrong one stops the start by its name. */
import { createServer } from 'node:net';

export type AddressFault = { setting: 'HOST' | 'PORT'; problem: string };

/**
 * A port that is taken is left to the start itself: another server of the same folder is told of first, and one that is ending
 * may be waited for.
 * @returns the setting at fault and what is wrong with it; undefined when all is well. Listens for a moment.
 */
export async function findAddressFault(host: string, port: number): Promise<AddressFault | undefined> {
  switch (await faultOfListening(host, port)) {
    case undefined:
    case 'EADDRINUSE':
      return undefined;
    case 'EACCES':
    case 'EPERM':
      return { setting: 'PORT', problem: `expected a port that this user may listen on, got ${port}.` };
    default:
      return { setting: 'HOST', problem: `expected an address of this machine, got ${JSON.stringify(host)}.` };
  }
}

function faultOfListening(host: string, port: number): Promise<string | undefined> {
  const probe = createServer();
  return new Promise((resolve) => {
    probe.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    probe.listen({ port, host: host.replace(/^\[(.*)\]$/, '$1') }, () => probe.close(() => resolve(undefined)));
  });
}
