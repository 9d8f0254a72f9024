/** What payouts need of others, as narrow types; the program puts them together. */
import type { Tx } from '../../../db/client.ts';

export type Creator = { creatorId: string; userId: string; status: 'active' | 'suspended'; createdAtMs: number };
export type NamedCreator = Creator & { displayName: string; locale: 'en' | 'ja' };

/** Identity provides it. */
export type CreatorDirectory = {
  /** Makes him one where he is not yet. */
  ensure(tx: Tx, userId: string): Promise<Creator & { isNew: boolean }>;
  find(tx: Tx, userId: string): Promise<Creator | undefined>;
  findById(tx: Tx, creatorId: string): Promise<NamedCreator | undefined>;
  /** Ids in order behind `after`. */
  list(tx: Tx, after: string | undefined, limit: number): Promise<string[]>;
  setStatus(tx: Tx, creatorId: string, status: 'active' | 'suspended'): Promise<boolean>;
};

export type PayoutLog = {
  info(facts: object, message: string): void;
  warn(facts: object, message: string): void;
};
