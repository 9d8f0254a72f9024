/** What purchases need of their neighbours, as narrow types. */
import type { Tx } from '../../../db/client.ts';
import type { Booked, Movement, PendingRef } from '../ledger/movement.ts';

export type TokenLedger = {
  accountOf(tx: Tx, userId: string): Promise<string>;
  platformAccountFor(account: string): string;
  enqueue(tx: Tx, movements: readonly Movement[]): Promise<PendingRef[]>;
  settled(refs: readonly PendingRef[]): Promise<Booked[]>;
};

export type PurchaseLog = {
  info(facts: object, message: string): void;
  warn(facts: object, message: string): void;
  error(facts: object, message: string): void;
};
