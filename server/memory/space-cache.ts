/**
 * Keeps the spaces that are used in memory: loads one at its first use, lets go of those unused for longest when there are too
 * many bytes, and notices rows that others have added by each space's high-water mark.
 */
import type { Database } from '../../db/client.ts';
import { readVectors, type SpaceKey } from '../../db/memory/embeddings.ts';
import type { Clock } from '../clock.ts';
import { VectorSpace } from './vector-space.ts';

export type SpaceLimits = {
  /** All spaces together. */
  maxBytes: number;
  /** The newest rows of one space that are searched. */
  maxRowsPerSpace: number;
  /** How old the knowledge of what other gateways have added may be. What this one adds is seen at once. */
  refreshMs: number;
};

/** Asked for its dimensions when a space is made, not before: they may not be known at the start. */
export type VectorModel = { readonly model: string; readonly dimensions: number };

type Cached = {
  readonly space: VectorSpace;
  /** The first reading; everybody who comes meanwhile waits for the same one. */
  loaded: Promise<void>;
  checking: Promise<void> | undefined;
  checkedMs: number;
  bytes: number;
};

export class SpaceCache {
  readonly #db: Database;
  readonly #clock: Clock;
  readonly #model: VectorModel;
  readonly #limits: SpaceLimits;
  /** In the order of use, the longest unused first. */
  readonly #cached = new Map<string, Cached>();
  #bytes = 0;

  constructor(db: Database, clock: Clock, model: VectorModel, limits: SpaceLimits) {
    this.#db = db;
    this.#clock = clock;
    this.#model = model;
    this.#limits = limits;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get size(): number {
    return this.#cached.size;
  }

  /** The space of an owner. Waits for the database only at its first use; later checks go on behind the caller's back. */
  async open(key: SpaceKey): Promise<VectorSpace> {
    const name = `${key.scope}:${key.ownerId}`;
    const known = this.#cached.get(name);
    if (known === undefined) return this.#load(name, key);
    this.#cached.delete(name);
    this.#cached.set(name, known);
    await known.loaded;
    if (this.#clock.now() - known.checkedMs >= this.#limits.refreshMs) this.#check(name, key, known).catch(() => {});
    return known.space;
  }

  /** Reads what was added since, if the space is in memory. */
  async refresh(key: SpaceKey): Promise<void> {
    const name = `${key.scope}:${key.ownerId}`;
    const cached = this.#cached.get(name);
    if (cached === undefined) return;
    // A check that is under way may have read before the rows came.
    await cached.checking?.catch(() => {});
    await this.#check(name, key, cached);
  }

  /** Lets go of a space, e.g. because rows were erased; it is read again at its next use. */
  forget(key: SpaceKey): void {
    const name = `${key.scope}:${key.ownerId}`;
    const cached = this.#cached.get(name);
    if (cached !== undefined) this.#drop(name, cached);
  }

  /** Lets go of all spaces of a kind. */
  forgetAll(scope: SpaceKey['scope']): void {
    for (const [name, cached] of [...this.#cached]) if (name.startsWith(`${scope}:`)) this.#drop(name, cached);
  }

  async #load(name: string, key: SpaceKey): Promise<VectorSpace> {
    const space = new VectorSpace(this.#model.dimensions, this.#limits.maxRowsPerSpace);
    const cached: Cached = { space, loaded: Promise.resolve(), checking: undefined, checkedMs: 0, bytes: 0 };
    this.#cached.set(name, cached);
    cached.loaded = this.#check(name, key, cached);
    try {
      await cached.loaded;
      return space;
    } catch (error) {
      this.#drop(name, cached);
      throw error;
    }
  }

  #check(name: string, key: SpaceKey, cached: Cached): Promise<void> {
    cached.checking ??= this.#read(name, key, cached).finally(() => {
      cached.checking = undefined;
    });
    return cached.checking;
  }

  async #read(name: string, key: SpaceKey, cached: Cached): Promise<void> {
    const { space } = cached;
    const rows = await this.#db.asService((tx) =>
      readVectors(tx, key, this.#model.model, space.lastPlace, this.#limits.maxRowsPerSpace),
    );
    space.append(rows);
    cached.checkedMs = this.#clock.now();
    if (this.#cached.get(name) !== cached) return;
    this.#bytes += space.bytes - cached.bytes;
    cached.bytes = space.bytes;
    this.#evict(name);
  }

  #evict(except: string): void {
    for (const [name, cached] of this.#cached) {
      if (this.#bytes <= this.#limits.maxBytes) return;
      if (name !== except) this.#drop(name, cached);
    }
  }

  #drop(name: string, cached: Cached): void {
    if (this.#cached.get(name) !== cached) return;
    this.#cached.delete(name);
    this.#bytes -= cached.bytes;
  }
}
