/** `npm run bench`: starts everything, measures side by side in one run, prints one table, writes JSON, stops everything. */
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { measureCpu } from './measures/cpu.ts';
import { measureFirstToken } from './measures/first-token.ts';
import { measureMemory } from './measures/memory.ts';
import { measureThroughput } from './measures/throughput.ts';
import { type BenchOptions, help, readOptions } from './options.ts';
import { canPin, cores } from './processes.ts';
import { type Report, type Row, table, verdict, writeReport } from './report.ts';
import { startClient, startModel, startRelays, startServer } from './targets.ts';

type Result = { rows: Row[]; problems?: string[]; details?: Record<string, unknown> };

async function run(options: BenchOptions): Promise<Report> {
  const report: Report = {
    startedAt: new Date().toISOString(),
    machine: machine(),
    rows: [],
    problems: [],
    details: {},
  };
  const stops: (() => Promise<void>)[] = [];
  const started = <Value extends { running: { stop(): Promise<void> }; stop?(): Promise<void> }>(
    value: Value,
  ): Value => {
    stops.unshift(() => (value.stop ? value.stop() : value.running.stop()));
    return value;
  };
  const measure = async (name: (typeof options.only)[number], task: () => Promise<Result>) => {
    if (!options.only.includes(name)) return;
    console.error(`measuring ${name} …`);
    const { rows, problems = [], details = {} } = await task();
    report.rows.push(...rows);
    report.problems.push(...problems);
    Object.assign(report.details, details);
  };
  try {
    const client = started(await startClient());
    const model = started(await startModel(client));
    const server = started(await startServer(model, options));
    const relays = (await startRelays(model)).map(started);
    const [socketIo, , bareUws] = relays;
    if (!socketIo || !bareUws) throw new Error('a relay is missing');
    const compared = options.quick ? [socketIo, bareUws] : relays;
    // Memory first: later loads leave pools and compiled code behind that blur a growth of a few kilobytes.
    await measure('memory', () => measureMemory(client, server, bareUws));
    await measure('cpu', () => measureCpu(client, model, [server, ...compared], options));
    await measure('first-token', () => measureFirstToken(client, model, server, [socketIo, bareUws], options));
    await measure('throughput', () =>
      measureThroughput(client, model, options.quick ? [server] : [server, socketIo], options),
    );
  } finally {
    for (const stop of stops) await stop();
  }
  return report;
}

function machine(): Record<string, unknown> {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    node: process.version,
    pinned: canPin
      ? `measured on core ${cores.measured}; model, clients and database on core ${cores.around}`
      : 'not pinned',
  };
}

const options = readOptions(process.argv.slice(2));
if (options === 'help') console.log(help);
else {
  const report = await run(options);
  const file =
    options.out ?? fileURLToPath(new URL(`../results/${report.startedAt.replaceAll(':', '-')}.json`, import.meta.url));
  writeReport(report, file);
  console.log(
    `\n${Object.entries(report.machine)
      .map(([name, value]) => `${name}: ${value}`)
      .join('\n')}\n\n${table(report.rows)}`,
  );
  for (const problem of report.problems) console.log(`problem: ${problem}`);
  console.log(`\nwritten to ${file}`);
  // A number beyond its target is a finding, not a failure of the run; text that arrived wrong is.
  if (report.problems.length > 0) process.exitCode = 1;
  if (report.rows.some((row) => verdict(row) === 'FAIL')) console.log('some targets were missed');
}
