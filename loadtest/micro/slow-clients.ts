/**
 * What clients that stop reading cost the gateway and everybody else on it: `node loadtest/micro/slow-clients.ts [clients]`, 1,000
 * where nothing is said. Real sockets, the gateway in a process of its own; the text grows until all of them are waited for.
 */
import { measureSlowClients, type SlowFigures } from '../../server/gateway/test-slow-clients.ts';

const DEFAULT_CLIENTS = 1000;

export function slowClientsTable(figures: SlowFigures): string {
  const kib = (value: number) => `${(value / 1024).toFixed(1)} KiB`;
  const rows = [
    ['clients that stopped reading', `${figures.blocked} of ${figures.clients}`],
    ['waiting for one of them, at most', kib(figures.waitingMost)],
    ['memory for each', `${kib(figures.costBytes)} (limit ${kib(figures.softBufferBytes)})`],
    ['further memory for each of later crowds', kib(figures.creepBytes)],
    ['time to a reader that keeps up, median, alone', `${figures.alone.medianMs.toFixed(2)} ms`],
    ['the same beside them', `${figures.beside.medianMs.toFixed(2)} ms`],
  ];
  return rows.map(([name = '', value]) => `${name.padEnd(48)} ${value}`).join('\n');
}

if (import.meta.main) {
  const clients = Number(process.argv[2] ?? DEFAULT_CLIENTS);
  console.log(slowClientsTable(await measureSlowClients({ clients })));
  process.exit(0);
}
