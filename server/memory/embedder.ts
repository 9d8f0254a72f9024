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

/** Makes the embedder of a provider, which asks it once to learn the dimensions. */
export type Connect = () => Promise<Embedder>;

/**
 * A provider that may be away when the server starts: until it has answered once nothing is embedded or searched, and each
 * attempt asks again. Refuses nothing else.
 */
export class ProviderEmbedder implements Embedder {
  readonly model: string;
  readonly #connect: Connect;
  #connecting: Promise<Embedder> | undefined;
  #connected: Embedder | undefined;

  constructor(model: string, connect: Connect) {
    this.model = model;
    this.#connect = connect;
  }

  /** @throws Error while the provider has never answered; asks it in the background. */
  get dimensions(): number {
    if (this.#connected === undefined) {
      this.connect().catch(() => {});
      throw new Error(`The embedding model ${this.model} has not answered yet.`);
    }
    return this.#connected.dimensions;
  }

  async embed(texts: readonly string[]): Promise<Float32Array[]> {
    return (await this.connect()).embed(texts);
  }

  /** One question at a time, whoever asks. @throws the provider's error. */
  connect(): Promise<Embedder> {
    if (this.#connected !== undefined) return Promise.resolve(this.#connected);
    this.#connecting ??= this.#connect()
      .then((embedder) => {
        this.#connected = embedder;
        return embedder;
      })
      .finally(() => {
        this.#connecting = undefined;
      });
    return this.#connecting;
  }
}
