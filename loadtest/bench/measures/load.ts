/** One load on one target, the part that every measure under load has in common. */
import { setTimeout as delay } from 'node:timers/promises';
import type { ClientCount } from '../client/main.ts';
import { answerTokens, type Client, type Model, type Target, tokensPerSecond } from '../targets.ts';

/** What happened in one window: CPU of the process and of what it started, and what reached the client. */
export type Window = {
  seconds: number;
  cpuUs: number;
  childrenCpuUs: number;
  units: number;
  frames: number;
  loopP99Ms: number;
};

/** Length of one usual answer: asks are spread over it, so that starts and ends are spread evenly ever after. */
export const answerMs = (answerTokens.usual / tokensPerSecond) * 1_000;

export type Load = { client: Client; target: Target; group: string };

export async function openLoad(
  client: Client,
  target: Target,
  streams: number,
  model: Model,
  answers: 'usual' | 'short' = 'usual',
): Promise<Load> {
  const group = `${target.name} ${streams} ${performance.now()}`;
  const expected = answers === 'usual' ? { expected: model.expected } : {};
  await client.call({ do: 'open', group, lines: target.lines(streams, answers), ...expected });
  return { client, target, group };
}

/** Counts for `seconds`. With `profileDir` a CPU profile of the process is written there; it costs, so the numbers are then not to be used. */
export async function measureWindow(
  { client, target, group }: Load,
  seconds: number,
  profileDir?: string,
): Promise<Window> {
  const sample = async () => {
    const count = await client.call<ClientCount>({ do: 'count', group });
    return {
      count,
      probe: await target.running.read(),
      children: target.running.childrenCpuUs(),
      at: performance.now(),
    };
  };
  if (profileDir) await target.running.read({ profile: 'begin' });
  const from = await sample();
  await target.running.read('watch-loop');
  await delay(seconds * 1_000);
  const to = await sample();
  if (profileDir) await target.running.read({ profile: `${profileDir}/${target.name}-${Date.now()}.cpuprofile` });
  return {
    seconds: (to.at - from.at) / 1_000,
    cpuUs: to.probe.cpuUs - from.probe.cpuUs,
    childrenCpuUs: to.children - from.children,
    units: to.count.units - from.count.units,
    frames: to.count.frames - from.count.frames,
    loopP99Ms: to.probe.loopP99Ms,
  };
}

/** Lets running answers end, closes, and says what went wrong. */
export async function closeLoad({ client, target, group }: Load): Promise<{ count: ClientCount; problems: string[] }> {
  const count = await client.call<ClientCount>({ do: 'finish', group });
  await client.call({ do: 'close', group });
  return { count, problems: count.problems.map((problem) => `${target.name}: ${problem}`) };
}
