/** One run: starts what the chosen measures need, measures in order, stops everything whatever happens. */
import { cpus, loadavg } from 'node:os';
import { measureCpu } from './measures/cpu.ts';
import { measureFirstToken } from './measures/first-token.ts';
import { measureHolds } from './measures/holds.ts';
import { measureLedger } from './measures/ledger.ts';
import { measureLiveLog } from './measures/live-log.ts';
import { measureMemory } from './measures/memory.ts';
import { measureThroughput } from './measures/throughput.ts';
import { measureWorkers } from './measures/workers.ts';
import type { BenchOptions, MeasureName } from './options.ts';
import { canPin, cores } from './processes.ts';
import { type Report, type Row, table } from './report.ts';
import { startClient, startModel, startRelays, startServer } from './targets.ts';

type Result = { rows: Row[]; problems?: string[]; details?: Record<string, unknown> };
type Measure = (name: MeasureName, task: () => Promise<Result>) => Promise<void>;
type Stoppable = { running: { stop(): Promise<void> }; stop?(): Promise<void> };

/** Measured after everything else has stopped. */
const ofItself: ReadonlySet<MeasureName> = new Set(['ledger', 'workers']);

export async function run(options: BenchOptions): Promise<Report> {
  const startedAt = new Date().toISOString();
  const report: Report = { startedAt, machine: machine(), rows: [], problems: [], details: {} };
  const measure: Measure = async (name, task) => {
    if (!options.only.includes(name)) return;
    console.error(`measuring ${name} …`);
    try {
      const { rows, problems = [], details = {} } = await task();
      report.rows.push(...rows);
      report.problems.push(...problems);
      Object.assign(report.details, details);
      console.error(table(rows));
    } catch (error) {
      // What the others have measured, and will, is worth keeping.
      report.problems.push(`${name} failed: ${error instanceof Error ? error.message : String(error)}`);
    }
  };
  if (options.only.some((name) => !ofItself.has(name))) await measureServers(options, measure);
  await measure('ledger', () => measureLedger(options.quick));
  await measure('workers', () => measureWorkers(options.quick));
  return report;
}

async function measureServers(options: BenchOptions, measure: Measure): Promise<void> {
  const stops: (() => Promise<void>)[] = [];
  const started = <Value extends Stoppable>(value: Value): Value => {
    stops.unshift(() => (value.stop ? value.stop() : value.running.stop()));
    return value;
  };
  try {
    const client = started(await startClient());
    const model = started(await startModel(client));
    const server = started(await startServer(model, options));
    const relays = (await startRelays(model)).map(started);
    const [socketIo, , bareUws] = relays;
    if (!socketIo || !bareUws) throw new Error('a relay is missing');
    // Memory first: later loads leave pools and compiled code behind that blur a growth of a few kilobytes.
    await measure('memory', () => measureMemory(client, model, [server, bareUws], options));
    const compared = options.quick ? [socketIo, bareUws] : relays;
    await measure('cpu', () => measureCpu(client, model, [server, ...compared], options));
    await measure('first-token', () => measureFirstToken(client, model, server, [socketIo, bareUws], options));
    const pushed = options.quick ? [server] : [server, socketIo];
    await measure('throughput', () => measureThroughput(client, model, pushed, options));
    // Its servers are its own.
    await measure('live-log', () => measureLiveLog(client, model, options));
    await measure('holds', () => measureHolds(client, model, options));
  } finally {
    for (const stop of stops) await stop();
  }
}

function machine(): Record<string, unknown> {
  const around = `model, clients and database on core ${cores.around}`;
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    node: process.version,
    'load before': (loadavg()[0] ?? 0).toFixed(1),
    pinned: canPin ? `measured on core ${cores.measured}; ${around}` : 'not pinned',
  };
}
