/** (7) What the CPU tasks do in a second, and retrieval beside reading the same vectors once. Measured after everything else has stopped. */
import { measureLedger } from '../../micro/ledger-verify.ts';
import { measureWorkers as measureTasks } from '../../micro/workers.ts';
import type { Row } from '../report.ts';

export async function measureWorkers(quick: boolean): Promise<{ rows: Row[]; details: Record<string, unknown> }> {
  const figures = await measureTasks(quick);
  const { retrieval, meteredPerS, hashedPerS, embeddedPerS, roundTripUs } = figures;
  const ledger = measureLedger(quick);
  const what = `top 10 of ${retrieval.rows.toLocaleString('en-US')} × ${retrieval.dimensions}`;
  return {
    rows: [
      { measure: `retrieval, ${what}`, value: retrieval.ratio, unit: '×', against: 'reading once', target: 2 },
      { measure: 'retrievals', value: retrieval.perS, unit: '/s', note: 'one core' },
      { measure: 'tokens metered', value: meteredPerS.fresh, unit: '/s', note: 'one core, new texts' },
      { measure: 'ledger entries hashed', value: hashedPerS, unit: '/s', note: 'one core' },
      {
        measure: 'ledger entries verified',
        value: ledger.verifiedPerCpuS,
        unit: '/s',
        note: 'per second of one core: exported lines to Merkle roots; at least 200,000',
      },
      { measure: 'messages embedded', value: embeddedPerS, unit: '/s', note: 'one core' },
      { measure: 'way to a worker and back', value: roundTripUs, unit: 'µs' },
    ],
    details: { workers: figures, ledger },
  };
}
