import { expect, it } from 'vitest';
import { measureSlowClients } from './test-slow-clients.ts';

// What it costs in memory and in the others' time is measured by `loadtest/micro/slow-clients.ts`: on a machine that is shared
// such figures prove nothing in a test.
it('clients that stop reading are held at a quarter of the soft limit each, and none is forgotten', {
  timeout: 120_000,
}, async () => {
  const { clients, blocked, softBufferBytes, waitingMost } = await measureSlowClients({ clients: 150, ticks: 30 });
  expect(blocked).toBe(clients);
  // A quarter of the limit, and the one piece that went over it.
  expect(waitingMost).toBeLessThan(softBufferBytes / 4 + 2000);
});
