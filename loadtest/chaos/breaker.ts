/** Breaks and heals the parts of the stack as the schedule says, one after the other. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Stack } from './parts/stack.ts';
import type { Device } from './people/device.ts';
import type { FaultEvent } from './schedule.ts';

/**
 * A part that needs longer to come back than was planned moves everything behind it, so that there is always as much calm between
 * two faults; what would then come after the end is left out.
 * @returns when the last part is back.
 */
export async function breakThings(
  stack: Stack,
  devices: readonly Device[],
  schedule: readonly FaultEvent[],
  durationMs: number,
  say: (line: string) => void,
): Promise<void> {
  const beganAt = performance.now();
  const nowMs = () => performance.now() - beganAt;
  let lateMs = 0;
  for (const [index, event] of schedule.entries()) {
    const atMs = event.atMs + lateMs;
    if (atMs > durationMs) {
      say(`no time is left for ${schedule.length - index} more faults`);
      return;
    }
    await delay(Math.max(0, atMs - nowMs()));
    say(`${(nowMs() / 1000).toFixed(1).padStart(6)} s  ${event.fault}${aim(event)}`);
    await happen(stack, devices, event);
    lateMs = Math.max(lateMs, nowMs() - event.atMs - event.downMs);
  }
}

function aim({ fault, gateway, downMs }: FaultEvent): string {
  const which = fault.startsWith('gateway') ? ` of gateway ${gateway}` : '';
  return `${which}${downMs > 0 ? `, for ${(downMs / 1000).toFixed(1)} s` : ''}`;
}

async function happen(stack: Stack, devices: readonly Device[], { fault, gateway, downMs }: FaultEvent): Promise<void> {
  const { gateways, redis, postgres, model } = stack;
  const one = gateways[gateway];
  if (one === undefined) throw new Error(`There is no gateway ${gateway}.`);
  const away = async (end: () => unknown, back: () => unknown) => {
    await end();
    await delay(downMs);
    await back();
  };
  const restart = (part: typeof one) =>
    away(
      () => part.end('SIGTERM'),
      () => part.start(),
    );
  switch (fault) {
    case 'gateway-kill':
      return away(
        () => one.end('SIGKILL'),
        () => one.start(),
      );
    case 'gateway-restart':
      return restart(one);
    case 'rolling-restart':
      for (const part of gateways) await restart(part);
      return;
    case 'gateway-freeze':
      return away(
        () => one.freeze(),
        () => one.thaw(),
      );
    case 'all-gateways-kill':
      return away(
        () => Promise.all(gateways.map((part) => part.end('SIGKILL'))),
        () => Promise.all(gateways.map((part) => part.start())),
      );
    case 'redis-kill':
      return away(
        () => redis.kill(),
        () => redis.restart(),
      );
    case 'redis-loss':
      return redis.loseEverything();
    case 'redis-freeze':
      return away(
        () => redis.freeze(),
        () => redis.thaw(),
      );
    case 'postgres-crash':
      return away(
        () => postgres.crash(),
        () => postgres.restart(),
      );
    case 'model-kill':
      return away(
        () => model.end('SIGKILL'),
        () => model.start(),
      );
    case 'sockets-cut':
      for (const device of devices) device.route.cut();
      return;
  }
}
