/**
 * Turns tokens that an avatar's owner has earned into money, where the operator has set a rate. Only what was earned, never what was
 * granted or bought, only what is still there and not held, and only whole smallest units; the rest waits. The tokens go back to the
 * platform by an entry that is decided in the payout's transaction.
 */
import { insertEarning } from '../../../db/billing/payouts/earnings.ts';
import type { Period } from '../../../db/billing/payouts/runs.ts';
import { freeTokens, setAside, sumConvertedTokens, sumEarnedTokens } from '../../../db/billing/payouts/tokens.ts';
import type { Tx } from '../../../db/client.ts';
import { uuidv7 } from '../../../db/uuid.ts';
import type { Clock } from '../../clock.ts';
import type { Movement, PendingRef } from '../ledger/movement.ts';
import type { CreatorDirectory } from './needs.ts';
import { holdingMs, type PayoutPolicy } from './policy.ts';
import { FULL_BPS } from './share.ts';

const MICRO = 1_000_000n;

/** What is needed of the ledger. */
export type TokenLedger = {
  accountOf(tx: Tx, userId: string): Promise<string>;
  platformAccountFor(account: string): string;
  enqueue(tx: Tx, movements: readonly Movement[]): Promise<PendingRef[]>;
};
type Parts = { clock: Clock; policy: PayoutPolicy; creators: CreatorDirectory; ledger: TokenLedger };

/** @returns how much money tokens make, and how many of them it takes: the fewest that make as much. */
export function convert(tokens: number, rateMicro: number): { minor: number; tokens: number } {
  if (rateMicro <= 0) return { minor: 0, tokens: 0 };
  const rate = BigInt(rateMicro);
  const minor = (BigInt(tokens) * rate) / MICRO;
  const taken = (minor * MICRO + rate - 1n) / rate;
  return { minor: Number(minor), tokens: Number(taken) };
}

export class TokenEarnings {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  get isOn(): boolean {
    return this.#parts.policy.tokenRateMicro > 0;
  }

  /** In the transaction, and under the lock, of the creator's payout. */
  async take(tx: Tx, creatorId: string, currency: string, month: string, period: Period): Promise<void> {
    const { policy, creators, ledger } = this.#parts;
    if (!this.isOn || currency !== policy.tokenCurrency) return;
    const creator = await creators.findById(tx, creatorId);
    if (creator === undefined) return;
    const account = await ledger.accountOf(tx, creator.userId);
    const beforeMs = period.endMs - holdingMs(policy);
    for (const asset of ['token', 'addon_token'] as const) {
      const earned = await sumEarnedTokens(tx, account, asset, beforeMs);
      const left = earned - (await sumConvertedTokens(tx, creatorId, asset));
      if (left <= 0) continue;
      const { minor, tokens } = convert(Math.min(left, await freeTokens(tx, account, asset)), policy.tokenRateMicro);
      if (minor === 0) continue;
      await this.#book(tx, { creatorId, account, asset, currency, month, minor, tokens, atMs: period.endMs - 1 });
    }
  }

  async #book(
    tx: Tx,
    of: {
      creatorId: string;
      account: string;
      asset: 'token' | 'addon_token';
      currency: string;
      month: string;
      minor: number;
      tokens: number;
      atMs: number;
    },
  ): Promise<void> {
    const { clock, policy, ledger } = this.#parts;
    const { creatorId, account, asset, currency, month, minor, tokens, atMs } = of;
    const id = uuidv7(clock.now());
    const sourceKey = `tokens:${creatorId}:${month}:${asset}`;
    const isNew = await insertEarning(tx, {
      ...{ id, creatorId, kind: 'tokens', sourceKey, purchaseId: null, productType: asset, productId: null, currency },
      ...{ grossMinor: minor, shareBps: FULL_BPS, creatorMinor: minor, platformMinor: 0, tokenAmount: tokens },
      ...{ happenedAtMs: atMs, availableAtMs: atMs },
    });
    if (!isNew) return;
    await setAside(tx, id, account, asset, tokens);
    await ledger.enqueue(tx, [
      {
        ...{ fromAccount: account, toAccount: ledger.platformAccountFor(account), asset, tokenAmount: tokens },
        unitPriceMicro: policy.tokenRateMicro,
        purpose: 'payout_conversion',
        idempotencyKey: `payout_conversion:${id}`,
        holdId: id,
      },
    ]);
  }
}
