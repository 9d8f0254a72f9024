import { expect, it } from 'vitest';
import { measureSlowClients } from './test-slow-clients.ts';

/** Between two servers on a busy machine; a gateway that sent to the slow ones as well would need many times that, each time. */
const NOISE_MS = 5;
/** Each one fills megabytes of the kernel's buffers four times over: a thousand take a minute, and cost the same each. */
const CLIENTS = 100;
/** Pages of the one heap that were opened in between, divided by the clients. */
const NOISE_BYTES = 16 * 1024;

it('clients that stop reading cost the soft limit each at most, which comes back, and the others no time', async () => {
  const { clients, blocked, softBufferBytes, waitingMost, costBytes, keptBytes, creepBytes, alone, beside } =
    await measureSlowClients({ clients: CLIENTS, ticks: 30 });
  expect(blocked).toBe(clients);
  // A quarter of the limit, and the one piece that went over it.
  expect(waitingMost).toBeLessThan(softBufferBytes / 2);
  // A buffer that grows by doubling included.
  expect(costBytes).toBeLessThan(softBufferBytes);
  expect(keptBytes).toBeLessThan(NOISE_BYTES);
  expect(creepBytes).toBeLessThan(NOISE_BYTES);
  expect(beside.leastMs).toBeLessThan(alone.leastMs + NOISE_MS);
  expect(beside.medianMs).toBeLessThan(alone.medianMs + NOISE_MS);
});
