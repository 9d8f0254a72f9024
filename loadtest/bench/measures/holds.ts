/**
 * (6) What holding and settling tokens adds to the time to the first token: two servers that differ in `BILLING_MODE` alone, measured
 * in turn, each against the model itself. Where tokens are held, the model is asked behind the commit of the hold: of people who
 * have plenty, as those here, it is made while the turn is put together, otherwise with the turn. Where nobody pays, the model is
 * asked while the turn is being committed. The difference is all of that.
 */
import type { Pair } from '../client/group.ts';
import type { BenchOptions } from '../options.ts';
import type { Row } from '../report.ts';
import { median, percentile } from '../statistics.ts';
import { type Client, type Model, startServer, type Target } from '../targets.ts';
import { type FirstTokenResult, judgedLevel, measurePairs, summary } from './first-token.ts';

const TARGET_MS = 1;
const modes = ['metered', 'free'] as const;
type Mode = (typeof modes)[number];

export async function measureHolds(client: Client, model: Model, options: BenchOptions): Promise<FirstTokenResult> {
  const result: FirstTokenResult = { rows: [], problems: [], details: {} };
  const stops: (() => Promise<void>)[] = [];
  const start = async (mode: Mode): Promise<Target> => {
    const server = await startServer(model, options, { name: `tsumugi, ${mode}`, env: { BILLING_MODE: mode } });
    stops.unshift(() => server.stop());
    return server;
  };
  try {
    const targets = { metered: await start('metered'), free: await start('free') };
    const rounds: Record<Mode, Pair[][]> = { metered: [], free: [] };
    for (let round = 0; round < options.rounds; round++) {
      // Neither is always the first.
      for (const mode of round % 2 === 0 ? modes : modes.toReversed()) {
        const target = targets[mode];
        rounds[mode].push(await measurePairs(client, model, target, judgedLevel, options.windowS * 2, result.problems));
      }
    }
    for (const mode of modes) result.details[`holds, ${mode}`] = rounds[mode].map(summary);
    result.rows.push(...rowsOf(rounds));
  } finally {
    for (const stop of stops) await stop();
  }
  return result;
}

/** Medians over the rounds, so that one disturbed window decides nothing. */
function rowsOf(rounds: Readonly<Record<Mode, readonly Pair[][]>>): Row[] {
  const added = (mode: Mode, p: number) =>
    median(
      rounds[mode].map((pairs) =>
        percentile(
          pairs.map(({ directMs, throughMs }) => throughMs - directMs),
          p,
        ),
      ),
    );
  const row = (mode: Mode, name: string, p: number): Row => ({
    measure: `added to first token, ${judgedLevel} streams, BILLING_MODE=${mode}, ${name}`,
    value: added(mode, p),
    unit: 'ms',
    against: 'model directly',
  });
  const difference: Row = {
    measure: 'added to first token by holding and settling, p50',
    value: added('metered', 0.5) - added('free', 0.5),
    unit: 'ms',
    against: 'BILLING_MODE=free',
    target: TARGET_MS,
  };
  return [...modes.flatMap((mode) => [row(mode, 'p50', 0.5), row(mode, 'p99', 0.99)]), difference];
}
