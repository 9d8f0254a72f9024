import { expect, it } from 'vitest';
import { measureSlowClients } from './test-slow-clients.ts';

/** Between two servers on a busy machine; a gateway that sent to the slow ones as well would need many times that. */
const NOISE_MS = 5;

it('clients that stop reading cost little memory, which serves the next ones, and the others no time', {
  timeout: 120_000,
  // The bound stands; the measurement of a whole process is noisy, so this one test may measure again.
  retry: 2,
}, async () => {
  const { clients, blocked, softBufferBytes, waitingMost, costBytes, creepBytes, aloneMs, besideMs } =
    await measureSlowClients({ clients: 150, ticks: 30 });
  expect(blocked).toBe(clients);
  // A quarter of the limit, and the one piece that went over it.
  expect(waitingMost).toBeLessThan(softBufferBytes / 4 + 2000);
  // The limit, and one merged frame of this endless text.
  expect(costBytes).toBeLessThan(2 * softBufferBytes);
  expect(creepBytes).toBeLessThan(softBufferBytes / 4);
  expect(besideMs).toBeLessThan(aloneMs + NOISE_MS);
});
