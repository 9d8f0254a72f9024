import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { Watchdog } from './watchdog.ts';

function watch(afterMs: number) {
  const watchdog = new Watchdog(5);
  onTestFinished(() => watchdog.close());
  let deadlines = 0;
  const stream = { deadlineMs: watchdog.now() + afterMs, onDeadline: () => void deadlines++ };
  watchdog.add(stream);
  return { watchdog, stream, deadlines: () => deadlines };
}

it('tells a stream that its time is over', async () => {
  const { deadlines } = watch(20);
  await expect.poll(deadlines).toBeGreaterThan(0);
});

it('holds nobody for silent while this process itself stood still: what came meanwhile is read first', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const near = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [far] = await once(server, 'connection');
  onTestFinished(() => {
    near.destroy();
    far.destroy();
    server.close();
  });
  const { watchdog, stream, deadlines } = watch(50);
  near.on('data', () => {
    stream.deadlineMs = watchdog.now() + 3_600_000;
  });
  await new Promise<void>((resolve) => {
    far.write('a piece', () => {
      // It waits in the socket, and the loop stands still, as when the machine has no time for it.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
      resolve();
    });
  });
  const other = watch(20);
  await expect.poll(other.deadlines).toBeGreaterThan(0);
  expect(deadlines()).toBe(0);
});
