/** What plans need of their neighbours, as narrow types. */
import type { AllowanceChange } from '../../../db/billing/spending.ts';
import type { Tx } from '../../../db/client.ts';
import type { Push } from '../../../protocol/down.ts';
import type { Booked, EntryRefused, Movement, PendingRef } from '../ledger/movement.ts';

export type PlanLedger = {
  accountOf(tx: Tx, userId: string): Promise<string>;
  platformAccountFor(account: string): string;
  enqueue(tx: Tx, movements: readonly Movement[]): Promise<PendingRef[]>;
  outcomesOf(refs: readonly PendingRef[]): Promise<(Booked | EntryRefused)[]>;
};
export type Allowances = { setAllowance(tx: Tx, userId: string, change: AllowanceChange): Promise<void> };
export type PlanLog = {
  info(facts: object, message: string): void;
  warn(facts: object, message: string): void;
  error(facts: object, message: string): void;
};
/** Every device of a person, on every gateway. */
export type Tell = (userId: string, push: Push) => void;
