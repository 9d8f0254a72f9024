/**
 * `npm run chaos -- --kill`: one gateway writes all answers and is killed with `kill -9`. Readers at another gateway time how long
 * each answer stands still; then everything that any client was shown is compared with what is stored, and the money is checked.
 */
import { checkLedgerChains } from '../checks/chains.ts';
import { checkMoney } from '../checks/money.ts';
import { countRunning, readStored } from '../checks/stored.ts';
import type { ChaosOptions } from '../options.ts';
import { Stack } from '../parts/stack.ts';
import { table } from '../report.ts';
import { type StormOutcome, spread, within } from './figures.ts';
import type { StreamingClient } from './streaming-client.ts';
import { openStreams, type Stream } from './streams.ts';

/** A lease of 4 s, the look after ended leases, and the work for each answer. */
const takenOverWithinMs = 10_000;
/** Below what the avatar allows, since the money is compared: the model of the run writes on whatever was agreed. */
const answerTokens = 900;
const settleWithinMs = 60_000;

export async function runKill(
  options: ChaosOptions,
  logFolder: string,
  say: (line: string) => void,
): Promise<StormOutcome> {
  const failures: string[] = [];
  const onUnexpectedEnd = (name: string, how: string) => void failures.push(`${name} ended with ${how}`);
  const gateways = Math.max(2, options.gateways);
  const stack = await Stack.start({ ...options, gateways, logFolder, onUnexpectedEnd });
  try {
    const [doomed] = stack.gateways;
    const [doomedOrigin = ''] = stack.origins;
    say(`${options.streams} people ask at the first gateway; each answer is read there and at another one …`);
    const clients = Math.max(options.clients, options.streams * 2);
    const streams = await openStreams(stack.origins, { ...options, clients, askAt: 0, answerTokens });
    await Promise.all(
      streams.flatMap((stream) => stream.clients.map((one) => within(one.firstText, 'the first text'))),
    );
    say('all are streaming; killing it …');
    const killedAt = performance.now();
    await doomed?.end('SIGKILL');
    const shown = new Map(streams.map((stream) => [stream, longestShown(stream)]));
    const times = await timeTakeOvers(streams, doomedOrigin, options.failover, killedAt, failures);
    say('stopping what goes on, and comparing …');
    await stopAll(streams, doomedOrigin);
    await untilSettled(stack, failures);
    await compare(stack, streams, shown, failures);
    for (const stream of streams) for (const client of stream.clients) client.close();
    return { tables: [times], failures };
  } finally {
    await stack.stop();
  }
}

/** The most that any of its readers was shown. */
function longestShown({ clients }: Stream): string {
  const texts = clients.map(({ conversation }) => conversation?.generation?.text ?? '');
  return texts.reduce((longest, text) => (text.length > longest.length ? text : longest), '');
}

const survivorOf = (stream: Stream, doomedOrigin: string): StreamingClient | undefined =>
  stream.clients.find(({ origin }) => origin !== doomedOrigin);

async function timeTakeOvers(
  streams: readonly Stream[],
  doomedOrigin: string,
  failover: ChaosOptions['failover'],
  killedAt: number,
  failures: string[],
): Promise<string> {
  const results = await Promise.allSettled(
    streams.map((stream) => within(takenOver(survivorOf(stream, doomedOrigin), failover), 'the take-over')),
  );
  const times = results.flatMap((one) => (one.status === 'fulfilled' ? [one.value - killedAt] : []));
  const late = streams.length - times.filter((ms) => ms <= takenOverWithinMs).length;
  if (late > 0)
    failures.push(`${late} of ${streams.length} answers were not taken over within ${takenOverWithinMs} ms of kill -9`);
  return table(`kill -9 of a gateway with ${streams.length} running answers, failover ${failover}`, [
    [
      failover === 'continue' ? 'new text of the new owner after' : 'closed as interrupted after',
      `${spread(times)}, target all within ${takenOverWithinMs} ms`,
    ],
    ['never', streams.length - times.length],
  ]);
}

/** Resolves with the moment in which a reader elsewhere sees what became of the answer. */
async function takenOver(client: StreamingClient | undefined, failover: ChaosOptions['failover']): Promise<number> {
  const { conversation } = client ?? {};
  const generation = conversation?.generation;
  if (conversation === undefined || generation === undefined) throw new Error('no reader at another gateway');
  if (failover === 'interrupt') {
    await generation.done;
    return performance.now();
  }
  const before = { epoch: generation.cursor.epoch, length: generation.text.length };
  return new Promise((resolve) => {
    const stop = conversation.onChange(() => {
      const { cursor, text } = generation;
      if (cursor.epoch === before.epoch || text.length <= before.length) return;
      stop();
      resolve(performance.now());
    });
  });
}

async function stopAll(streams: readonly Stream[], doomedOrigin: string): Promise<void> {
  await Promise.allSettled(
    streams.map((stream) => survivorOf(stream, doomedOrigin)?.conversation?.generation?.stop() ?? Promise.resolve()),
  );
}

async function untilSettled(stack: Stack, failures: string[]): Promise<void> {
  const until = performance.now() + settleWithinMs;
  while ((await countRunning(stack.postgres.url)) > 0) {
    if (performance.now() > until) {
      failures.push(`answers still run ${settleWithinMs} ms after they were stopped`);
      return;
    }
  }
}

async function compare(
  stack: Stack,
  streams: readonly Stream[],
  shown: ReadonlyMap<Stream, string>,
  failures: string[],
): Promise<void> {
  const stored = await readStored(stack.postgres.url);
  for (const stream of streams) {
    const seen = shown.get(stream) ?? '';
    const [{ conversationId } = { conversationId: '' }] = stream.clients;
    const kept = stored.messages.some(
      (message) =>
        message.conversationId === conversationId && message.role !== 'user' && message.text.startsWith(seen),
    );
    if (!kept) failures.push(`what was shown of ${stream.tag} (${seen.length} units) is not stored`);
  }
  const chains = await checkLedgerChains(stack.postgres.url);
  for (const { invariant, subject, detail } of [...checkMoney(stored), ...chains.violations])
    failures.push(`${invariant}: ${subject}: ${detail}`);
}
