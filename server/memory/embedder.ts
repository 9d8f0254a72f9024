/** Who turns texts into vectors. A change of model makes a separate space: its vectors cannot be compared with the old ones. */
import { OFFLINE_DIMENSIONS, OFFLINE_MODEL } from '../../workers/memory/embed-text.ts';
import type { TaskRunner } from '../../workers/runner.ts';

export interface Embedder {
  readonly model: string;
  readonly dimensions: number;
  /** Unit vectors in the order of the texts. Rejects when the provider or the workers cannot do it now. */
  embed(texts: readonly string[]): Promise<Float32Array[]>;
}

/** Words hashed into vectors by a worker: no provider, no key, no cost. */
export class OfflineEmbedder implements Embedder {
  readonly model = OFFLINE_MODEL;
  readonly dimensions = OFFLINE_DIMENSIONS;
  readonly #runner: TaskRunner;

  constructor(runner: TaskRunner) {
    this.#runner = runner;
  }

  embed(texts: readonly string[]): Promise<Float32Array[]> {
    return this.#runner.run('memory/embed-text', { texts, dimensions: this.dimensions }, { priority: 'background' });
  }
}
