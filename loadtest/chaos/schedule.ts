/**
 * What breaks when, from a seed. Pure: the same seed and length give the same schedule. One part is broken at a time and heals
 * before the next one breaks; two failures at once that together destroy every copy of a text are outside of the promise.
 */
import { Random } from './random.ts';

export const faultNames = [
  'gateway-kill',
  'gateway-restart',
  'rolling-restart',
  'gateway-freeze',
  'all-gateways-kill',
  'redis-kill',
  'redis-loss',
  'redis-freeze',
  'postgres-crash',
  'model-kill',
  'sockets-cut',
] as const;
export type FaultName = (typeof faultNames)[number];

export const faultSays: Readonly<Record<FaultName, string>> = {
  'gateway-kill': 'kill -9 of one gateway, started again afterwards',
  'gateway-restart': 'SIGTERM to one gateway, started again when it has ended',
  'rolling-restart': 'SIGTERM to every gateway, one after the other',
  'gateway-freeze': 'one gateway stops for longer than its lease and then goes on',
  'all-gateways-kill': 'kill -9 of every gateway at once',
  'redis-kill': 'kill -9 of redis-server, started again with its data',
  'redis-loss': 'redis-server loses all its data',
  'redis-freeze': 'redis-server does not answer for a while',
  'postgres-crash': 'PostgreSQL ends at once, in the middle of everything, and recovers',
  'model-kill': 'kill -9 of the model server in the middle of its streams',
  'sockets-cut': 'every socket is cut at once',
};

export type FaultEvent = {
  /** From the beginning of the run. */
  atMs: number;
  fault: FaultName;
  /** Index of the gateway that it hits. */
  gateway: number;
  /** How long the part is away. */
  downMs: number;
};

export type ScheduleOptions = { seed: number; durationMs: number; gateways: number; only?: readonly FaultName[] };

/** Milliseconds that each fault keeps its part away: shortest and longest. */
const downtimes: Readonly<Record<FaultName, readonly [number, number]>> = {
  'gateway-kill': [500, 14_000],
  'gateway-restart': [200, 2_000],
  'rolling-restart': [200, 1_000],
  'gateway-freeze': [11_000, 14_000],
  'all-gateways-kill': [200, 3_000],
  'redis-kill': [100, 4_000],
  'redis-loss': [0, 0],
  'redis-freeze': [300, 3_000],
  'postgres-crash': [100, 3_000],
  'model-kill': [100, 4_000],
  'sockets-cut': [0, 0],
};
/** What is alive again needs this long until it is as good as before: start-up, take-over, and the texts that data loss cost. */
const healingMs = 3_000;
const calmMs = { begin: 3_000, min: 500, max: 5_000 } as const;
/** The last part of a run is left alone, so that its answers come to an end by themselves. */
const quietEndMs = 3_000;

/** Every fault once before any is repeated, as far as the time suffices. */
export function makeSchedule({ seed, durationMs, gateways, only = faultNames }: ScheduleOptions): FaultEvent[] {
  const random = new Random(seed).fork('schedule');
  const events: FaultEvent[] = [];
  let bag: FaultName[] = [];
  let atMs = calmMs.begin;
  for (;;) {
    if (bag.length === 0) bag = random.shuffled(only);
    const fault = bag.pop();
    if (fault === undefined) return events;
    const [shortest, longest] = downtimes[fault];
    const downMs = random.between(shortest, longest);
    const gateway = random.between(0, gateways - 1);
    if (atMs + downMs + quietEndMs > durationMs) return events;
    events.push({ atMs, fault, gateway, downMs });
    atMs += downMs + healingMs + random.between(calmMs.min, calmMs.max);
  }
}
