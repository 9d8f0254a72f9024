/**
 * `npm run chaos -- --storm`: how fast streams come back. Many answers run, each read by several clients through every gateway;
 * resumes are timed one by one; then everybody is cut at once.
 */
import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';
import { defaultBackoff } from '../../../protocol/client/backoff.ts';
import { percentile } from '../../bench/statistics.ts';
import type { ChaosOptions } from '../options.ts';
import { Stack } from '../parts/stack.ts';
import { Random } from '../random.ts';
import { table } from '../report.ts';
import { answerText } from '../story.ts';
import { readUsage, usageTable } from './cpu.ts';
import { type StormOutcome, spread, within } from './figures.ts';
import { timeResume } from './resume.ts';
import { type StreamingClient, steps } from './streaming-client.ts';
import { openStreams } from './streams.ts';

const targets = { resumeP99Ms: 50, backSlackMs: 2_000 } as const;
const resumeSamples = 300;

export async function runStorm(
  options: ChaosOptions,
  logFolder: string,
  say: (line: string) => void,
): Promise<StormOutcome> {
  const failures: string[] = [];
  const onUnexpectedEnd = (name: string, how: string) => void failures.push(`${name} ended with ${how}`);
  const stack = await Stack.start({ ...options, logFolder, onUnexpectedEnd });
  try {
    say(`${options.streams} people sign up and ask, ${options.clients} clients read …`);
    const streams = await openStreams(stack.origins, options);
    const clients = streams.flatMap((stream) => stream.clients);
    await Promise.all(clients.map((client) => within(client.firstText, 'the first text')));
    say(`all ${clients.length} are streaming; timing ${resumeSamples} resumes …`);
    const lag = monitorEventLoopDelay({ resolution: 10 });
    lag.enable();
    const resumes = await measureResumes(clients, new Random(options.seed), failures);
    say('cutting everybody at once …');
    const before = readUsage(stack);
    const cutAt = performance.now();
    const storm = await measureStorm(clients, failures);
    const wallMs = performance.now() - cutAt;
    const usage = usageTable('processor time from the cut until all were back', before, readUsage(stack), wallMs);
    say('comparing the texts …');
    for (const { tag, clients: readers } of streams) checkTexts(tag, readers, failures);
    for (const client of clients) client.close();
    return { tables: [resumes, storm, usage, lagOf(lag)], failures };
  } finally {
    await stack.stop();
  }
}

async function measureResumes(
  clients: readonly StreamingClient[],
  random: Random,
  failures: string[],
): Promise<string> {
  const times = { connectMs: [] as number[], replyMs: [] as number[], textMs: [] as number[] };
  for (let sample = 0; sample < resumeSamples; sample++) {
    const client = random.pick(clients);
    if (client === undefined) break;
    try {
      const { connectMs, replyMs, textMs } = await timeResume(client);
      times.connectMs.push(connectMs);
      times.replyMs.push(replyMs);
      times.textMs.push(textMs);
    } catch (error) {
      failures.push(`a resume failed: ${String(error)}`);
    }
  }
  const p99 = percentile(times.textMs, 0.99);
  if (!(p99 <= targets.resumeP99Ms))
    failures.push(`resume p99 is ${p99.toFixed(1)} ms, at most ${targets.resumeP99Ms} were promised`);
  return table(`resume of one stream while all run, ${times.textMs.length} times`, [
    ['ticket, socket and greeting', spread(times.connectMs)],
    ['from chat.attach to its answer', spread(times.replyMs)],
    ['from chat.attach to the missing text', `${spread(times.textMs)}, target p99 ${targets.resumeP99Ms} ms`],
  ]);
}

async function measureStorm(clients: readonly StreamingClient[], failures: string[]): Promise<string> {
  const cutAt = performance.now();
  for (const client of clients) client.cut();
  const results = await Promise.allSettled(clients.map((client) => within(client.firstText, 'streaming again')));
  const times = results.flatMap((one) => (one.status === 'fulfilled' ? [one.value - cutAt] : []));
  const limitMs = defaultBackoff.minMs + targets.backSlackMs;
  const late = clients.length - times.filter((ms) => ms <= limitMs).length;
  if (late > 0) failures.push(`${late} of ${clients.length} clients were not streaming again within ${limitMs} ms`);
  return table(`${clients.length} clients cut at once`, [
    [
      'streaming again after',
      `${spread(times)}, target all within ${limitMs} ms (back-off ${defaultBackoff.minMs} + ${targets.backSlackMs})`,
    ],
    ['never', clients.length - times.length],
    ...steps.map(
      (step, place) =>
        [`  of that: ${step}`, spread(clients.flatMap((client) => tookOf(client, cutAt, place)))] as const,
    ),
  ]);
}

/** How long a step of the last connection took. */
function tookOf({ reached }: StreamingClient, cutAt: number, place: number): number[] {
  const [step, before] = [steps[place], steps[place - 1]];
  const [till, from] = [step && reached.get(step), before === undefined ? cutAt : reached.get(before)];
  return till === undefined || from === undefined ? [] : [till - from];
}

function checkTexts(tag: string, clients: readonly StreamingClient[], failures: string[]): void {
  const expected = answerText(tag);
  for (const { conversation } of clients) {
    const text = conversation?.generation?.text ?? conversation?.messages.at(-1)?.text ?? '';
    if (text === '' || !expected.startsWith(text.toWellFormed().replace(/\ufffd$/, '')))
      failures.push(`a client of ${tag} shows another text than the model wrote (${text.length} units)`);
  }
}

/** The process that plays all clients is late itself by so much; what is measured contains it. */
function lagOf(lag: IntervalHistogram): string {
  const at = (percent: number) => (lag.percentile(percent) / 1e6).toFixed(1);
  return table('the measuring process', [['event loop late by', `p50 ${at(50)}, p99 ${at(99)}, max ${at(100)} ms`]]);
}
