/** The memory that the settings ask for: the offline embedding, or a provider's when a model is named. */
import type { Database } from '../../db/client.ts';
import type { TaskRunner } from '../../workers/runner.ts';
import type { Clock } from '../clock.ts';
import { type Embedder, OfflineEmbedder, ProviderEmbedder } from './embedder.ts';
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

/** @throws the provider's error when it refuses the model: that is a wrong setting. One that is away is asked again later. */
export async function openMemory({ config, db, pool, clock, log, model }: Parts): Promise<MemoryService> {
  const name = config.openaiEmbeddingModel;
  if (name === undefined)
    return new MemoryService({ db, runner: pool, embedder: new OfflineEmbedder(pool), clock, log });
  const embedder = new ProviderEmbedder(name, () => model.embedder(name));
  await embedder.connect().catch((error: unknown) => {
    if (isRefusal(error)) throw error;
    log.warn(
      { error, model: name },
      'the embedding model cannot be reached; until it can, nothing is remembered or found',
    );
  });
  return new MemoryService({ db, runner: pool, embedder, clock, log }, { ...defaultLimits, ...PROVIDER });
}

/** An answer that will be the same next time: unknown model, wrong key. Not: too many requests, or no answer. */
function isRefusal(error: unknown): boolean {
  if (!(error instanceof Error) || !('status' in error) || typeof error.status !== 'number') return false;
  return error.status >= 400 && error.status < 500 && error.status !== 408 && error.status !== 429;
}
