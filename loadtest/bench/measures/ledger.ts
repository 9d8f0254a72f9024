/** (7) What the ledger costs: entries decided and booked by the real writer beside a bare insert of the same rows. A server of its own. */
import { measureLedger as measureAppending } from '../../micro/ledger.ts';
import type { Row } from '../report.ts';

export async function measureLedger(quick: boolean): Promise<{ rows: Row[]; details: Record<string, unknown> }> {
  const figures = await measureAppending(quick);
  const { appendedPerS, barePerS, ratio, p99Ms, inFlight, meanBatch, holdMs, emptyTransactionMs } = figures;
  const what = `${inFlight} in flight`;
  return {
    rows: [
      {
        ...{ measure: `ledger entries appended, ${what}`, value: ratio, unit: '×', against: 'bare insert' },
        ...{ target: 0.25, atLeast: true, note: `batches of ${Math.round(meanBatch)}` },
      },
      { measure: 'ledger entries appended', value: appendedPerS, unit: '/s', note: `bare ${Math.round(barePerS)}/s` },
      { measure: `ledger entry, wish to answer, p99, ${what}`, value: p99Ms, unit: 'ms', target: 25 },
      { measure: 'hold, beyond an empty transaction', value: holdMs - emptyTransactionMs, unit: 'ms', target: 1 },
    ],
    details: { ledger: figures },
  };
}
