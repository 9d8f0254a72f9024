import { expect, it } from 'vitest';
import { measureSlowClients } from './test-slow-clients.ts';

/** Between two servers on a busy machine; a gateway that sent to the slow ones as well would need many times that. */
const NOISE_MS = 5;
/** A page of the heap that was opened in between. The process has one heap, so each of a thousand has little of it. */
const NOISE_BYTES = 8 * 1024;

it('a thousand clients that stop reading cost the soft limit at most, which comes back, and the others no time', {
  timeout: 120_000,
}, async () => {
  const { clients, blocked, softBufferBytes, waitingMost, costBytes, keptBytes, creepBytes, aloneMs, besideMs } =
    await measureSlowClients({ clients: 1000, ticks: 30 });
  expect(blocked).toBe(clients);
  // A quarter of the limit, and the one piece that went over it.
  expect(waitingMost).toBeLessThan(softBufferBytes / 2);
  // A buffer that grows by doubling included.
  expect(costBytes).toBeLessThan(softBufferBytes);
  expect(keptBytes).toBeLessThan(NOISE_BYTES);
  expect(creepBytes).toBeLessThan(NOISE_BYTES);
  expect(besideMs).toBeLessThan(aloneMs + NOISE_MS);
});
