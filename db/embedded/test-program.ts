/** A program for the tests of the embedded PostgreSQL: starts it, says where, appends to the live log when told, waits for its end. */
import { PostgresLiveStore } from '../live/postgres.ts';
import { migrate } from '../migrate.ts';
import { startEmbeddedPostgres } from './embedded-postgres.ts';

const [, , dataDir = ''] = process.argv;
const say = (message: object) => process.send?.(message);

process.on('SIGINT', () => {}); // what a server does that is still draining
process.once('SIGTERM', () => process.exit(0)); // what one does that is told to stop while it starts
try {
  const running = await startEmbeddedPostgres({ dataDir, log: (line) => say({ log: line }), settings: ['fsync=off'] });
  running.announce('http://127.0.0.1:4567');
  await migrate(running.ownerUrl);
  const store = new PostgresLiveStore(running.ownerUrl);
  process.on('message', async (message: { append?: string; stop?: true }) => {
    if (message.append !== undefined) {
      const before = await store.readLog('g', -1);
      await store.appendLog([{ generationId: 'g', epoch: 1, seq: before.length, offset: 0, text: message.append }]);
      say({ log: 'appended', texts: (await store.readLog('g', -1)).map(({ text }) => text) });
    }
    if (message.stop) {
      await store.close();
      await running.stop();
      process.exit(0);
    }
  });
  say({ ready: running.describe });
} catch (error) {
  say({ refused: error instanceof Error ? error.message : String(error) });
  process.exit(1);
}
