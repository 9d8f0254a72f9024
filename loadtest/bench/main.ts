/** `npm run bench`: measures side by side in one run, prints one table, writes JSON. */
import { fileURLToPath } from 'node:url';
import { help, readOptions } from './options.ts';
import { table, verdict, writeReport } from './report.ts';
import { run } from './run.ts';

const options = readOptions(process.argv.slice(2));
if (options === 'help') console.log(help);
else {
  const report = await run(options);
  const name = `../results/${report.startedAt.replaceAll(':', '-')}.json`;
  const file = options.out ?? fileURLToPath(new URL(name, import.meta.url));
  writeReport(report, file);
  const machine = Object.entries(report.machine).map(([fact, value]) => `${fact}: ${value}`);
  console.log(`\n${machine.join('\n')}\n\n${table(report.rows)}`);
  for (const problem of report.problems) console.log(`problem: ${problem}`);
  console.log(`\nwritten to ${file}`);
  if (report.rows.some((row) => verdict(row) === 'FAIL')) console.log('some targets were missed');
  // A number beyond its target is a finding, not a failure of the run; text that arrived wrong is.
  if (report.problems.length > 0) process.exitCode = 1;
}
