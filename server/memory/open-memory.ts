/** The memory that the settings ask for: the offline embedding, or a provider's when a model is named. */
import type { Database } from '../../db/client.ts';
import type { TaskRunner } from '../../workers/runner.ts';
import type { Clock } from '../clock.ts';
import { type Embedder, OfflineEmbedder } from './embedder.ts';
import type { QueueLog } from './remember-queue.ts';
import { defaultLimits, MemoryService } from './service.ts';

/** What memory needs of the model's client. */
export type EmbeddingProvider = { embedder(model: string): Promise<Embedder> };

type Parts = {
  config: { readonly openaiEmbeddingModel: string | undefined };
  db: Database;
  pool: TaskRunner;
  clock: Clock;
  log: QueueLog;
  model: EmbeddingProvider;
};

/** A provider answers over the network: its search may take longer, and its scores lie closer together and higher. */
const PROVIDER = { deadlineMs: 2_000, minScore: 0.3 };

/** @throws the provider's error when a model is named and it cannot be reached: its dimensions must be known. */
export async function openMemory({ config, db, pool, clock, log, model }: Parts): Promise<MemoryService> {
  const name = config.openaiEmbeddingModel;
  const embedder = name === undefined ? new OfflineEmbedder(pool) : await model.embedder(name);
  const limits = name === undefined ? defaultLimits : { ...defaultLimits, ...PROVIDER };
  return new MemoryService({ db, runner: pool, embedder, clock, log }, limits);
}
