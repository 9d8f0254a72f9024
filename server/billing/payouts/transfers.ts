/**
 * Brings approved payouts to the provider. Each is claimed first, so that a crash leaves it claimed and not lost; whoever finds it
 * afterwards asks the provider whether it was made before he asks for it again, under the same key.
 */

import { findByProviderId, setBankFailure } from '../../../db/billing/payouts/accounts.ts';
import { type Claim, claimTransfer } from '../../../db/billing/payouts/claims.ts';
import { findPayout, findPayoutIdByTransfer } from '../../../db/billing/payouts/payouts.ts';
import type { Database } from '../../../db/client.ts';
import { isUuid } from '../../../protocol/uuid.ts';
import type { Clock } from '../../clock.ts';
import { AppError } from '../../errors.ts';
import type { PayoutLog } from './needs.ts';
import { type PayoutProvider, type TransferFacts, TransferRefused } from './provider.ts';
import { type Actor, getLocked, setState, takeBack } from './states.ts';

/** Longer than a request with all its retries may take. */
const LEASE_MS = 5 * 60_000;

type Parts = { db: Database; clock: Clock; provider: PayoutProvider; log: PayoutLog };

export class Transfers {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Makes everything that is due. Any number of gateways may. @returns how many were paid. */
  async sendDue(): Promise<number> {
    const { db, provider, log } = this.#parts;
    let paid = 0;
    for (;;) {
      const claim = await db.asService((tx) => claimTransfer(tx, provider.name, LEASE_MS));
      if (claim === undefined) return paid;
      try {
        paid += (await this.#send(claim)) ? 1 : 0;
      } catch (error) {
        // Its outcome is not known: it stays claimed till the lease ends, and is looked for then.
        log.warn({ error, payoutId: claim.payoutId }, 'a transfer has no known outcome yet; it is asked for again');
      }
    }
  }

  async #send(claim: Claim): Promise<boolean> {
    const { db, clock, provider } = this.#parts;
    const { payoutId, providerAccountId, amountMinor, currency, month, attempt } = claim;
    try {
      const found = claim.isRepeated ? await provider.findTransfer(payoutId) : undefined;
      const idempotencyKey = `tsumugi-payout-${payoutId}-${attempt}`;
      const { providerTransferId } =
        found ??
        (await provider.transfer({ payoutId, providerAccountId, amountMinor, currency, month, idempotencyKey }));
      await this.#markPaid(payoutId, providerTransferId, { type: 'service' });
      return true;
    } catch (error) {
      if (!(error instanceof TransferRefused)) throw error;
      await db.asService(async (tx) => {
        const payout = await getLocked(tx, payoutId);
        if (payout.status !== 'transferring') return;
        const change = { status: 'failed', failureCode: error.code, code: error.code } as const;
        await setState(tx, payout, change, { type: 'provider' }, clock.now());
      });
      return false;
    }
  }

  async #markPaid(payoutId: string, providerTransferId: string, actor: Actor): Promise<void> {
    const { db, clock } = this.#parts;
    await db.asService(async (tx) => {
      const payout = await getLocked(tx, payoutId);
      if (payout.status !== 'transferring') return;
      await setState(tx, payout, { status: 'paid', providerTransferId, failureCode: null }, actor, clock.now());
    });
  }

  /**
   * An operator takes a transfer back; the money is owed to the creator again.
   * @throws AppError `billing.payout_not_found`, `billing.payout_state`, `billing.provider_rejected`.
   */
  async reverse(payoutId: string, actor: Actor): Promise<void> {
    const { db, provider } = this.#parts;
    const payout = await db.asService((tx) => findPayout(tx, payoutId));
    if (payout === undefined) throw new AppError('billing.payout_not_found');
    const { providerTransferId, status } = payout;
    if (status !== 'paid' || providerTransferId === null) throw new AppError('billing.payout_state', { status });
    try {
      await provider.reverse({ payoutId, providerTransferId });
    } catch (error) {
      if (!(error instanceof TransferRefused)) throw error;
      throw new AppError('billing.provider_rejected', { reason: error.code });
    }
    await this.#applyTransfer(await provider.readTransfer(providerTransferId), actor);
  }

  /** The provider has told something about a transfer: reads it and applies its state. */
  async transferChanged(providerTransferId: string): Promise<void> {
    await this.#applyTransfer(await this.#parts.provider.readTransfer(providerTransferId), { type: 'provider' });
  }

  async #applyTransfer(facts: TransferFacts | undefined, actor: Actor): Promise<void> {
    if (facts === undefined) return;
    const { db, clock } = this.#parts;
    const known = await db.asService((tx) => findPayoutIdByTransfer(tx, facts.providerTransferId));
    const payoutId = known ?? (await this.#ownPayoutId(facts));
    if (payoutId === undefined) return; // not one of ours
    // The news may be faster than the answer to our request.
    if (known === undefined) await this.#markPaid(payoutId, facts.providerTransferId, { type: 'provider' });
    await db.asService(async (tx) => {
      const payout = await getLocked(tx, payoutId);
      if (payout.providerTransferId !== facts.providerTransferId) return;
      await takeBack(tx, payout, facts.reversedMinor, actor, clock.now());
    });
  }

  /** The payout that a transfer says to be for, where there is one: an account may serve other servers as well, whose payouts are theirs. */
  async #ownPayoutId({ payoutId }: TransferFacts): Promise<string | undefined> {
    if (payoutId === null || !isUuid(payoutId)) return undefined;
    return (await this.#parts.db.asService((tx) => findPayout(tx, payoutId)))?.payoutId;
  }

  /** The provider's payment to a creator's bank went through or not: it stays his money, the creator has to mend his account. */
  async bankPaymentChanged(id: string, providerAccountId: string | null): Promise<void> {
    const { db, provider } = this.#parts;
    if (providerAccountId === null) return; // the platform's own bank
    const facts = await provider.readBankPayment(id, providerAccountId);
    if (facts === undefined || facts.status === 'other') return;
    await db.asService(async (tx) => {
      const account = await findByProviderId(tx, provider.name, providerAccountId);
      if (account === undefined) return;
      const code = facts.status === 'paid' ? null : (facts.failureCode ?? 'unknown');
      await setBankFailure(tx, account.accountId, code?.slice(0, 100) ?? null);
    });
  }
}
