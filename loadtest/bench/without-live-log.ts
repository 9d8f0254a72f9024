/**
 * Preloaded into a server of a benchmark: its live store acknowledges pieces without keeping them. What the live log costs is
 * measured against it. Streams of such a server do not survive anything; no setting makes one.
 */
import { PostgresLiveStore } from '../../db/live/postgres.ts';
import { RedisLiveStore } from '../../db/live/redis.ts';

for (const store of [PostgresLiveStore.prototype, RedisLiveStore.prototype]) {
  store.appendLog = async () => ({ refused: [], lost: [] });
  store.dropLog = async () => {};
}
