/** The gateway's own commands. */
import type { Clock } from '../clock.ts';
import type { Handlers } from '../handlers.ts';

export function gatewayFrames(clock: Clock): Handlers<'gateway.ping'> {
  return { 'gateway.ping': () => ({ serverTime: new Date(clock.now()).toISOString() }) };
}
