/** Tokens for money: never capped, never expiring. What is taken back may lead below zero, when they were spent already. */
import { findAddon, listAddons } from '../../../db/billing/purchases/addons.ts';
import type { Tx } from '../../../db/client.ts';
import type { Movement, PendingRef } from '../ledger/movement.ts';
import { addonOffer, addonPrice } from './addon-offer.ts';
import type { TokenLedger } from './needs.ts';
import type { Change, ProductType, Purchase } from './product.ts';

const TYPE = 'addon_tokens';
const MICRO = 1_000_000;

type Direction = 'to user' | 'from user';

export function addonTokenProduct(
  ledger: Pick<TokenLedger, 'accountOf' | 'platformAccountFor' | 'enqueue'>,
): ProductType {
  const move = async (
    tx: Tx,
    purchase: Purchase,
    direction: Direction,
    rest: Pick<Movement, 'tokenAmount' | 'purpose' | 'idempotencyKey'>,
  ): Promise<PendingRef[]> => {
    const account = await ledger.accountOf(tx, purchase.userId);
    const platform = ledger.platformAccountFor(account);
    const [fromAccount, toAccount] = direction === 'to user' ? [platform, account] : [account, platform];
    return ledger.enqueue(tx, [
      { fromAccount, toAccount, asset: 'addon_token', unitPriceMicro: unitPriceMicro(purchase), ...rest },
    ]);
  };
  return {
    type: TYPE,
    mode: 'payment',
    unit: 'token',
    maxQuantity: 20,
    checkExists: async (tx, id) => (await findAddon(tx, TYPE, id)) !== undefined,
    priceOf: async (tx, id) => addonPrice(await findAddon(tx, TYPE, id)),
    offers: async (tx) => (await listAddons(tx, TYPE)).map(addonOffer),
    async grant(tx, purchase) {
      const idempotencyKey = `purchase:${purchase.purchaseId}`;
      const rest = { tokenAmount: purchase.units, purpose: 'addon_purchase', idempotencyKey } as const;
      return { entries: await move(tx, purchase, 'to user', rest) };
    },
    revoke: (tx, purchase, { units, key }: Change) =>
      move(tx, purchase, 'from user', { tokenAmount: units, purpose: 'clawback', idempotencyKey: `clawback:${key}` }),
    restore: (tx, purchase, { units, key }: Change) =>
      move(tx, purchase, 'to user', { tokenAmount: units, purpose: 'adjustment', idempotencyKey: `restore:${key}` }),
  };
}

/** Millionths of a minor unit of currency for one token, rounded down. */
function unitPriceMicro({ amountMinor, units }: Purchase): number {
  return Number((BigInt(amountMinor) * BigInt(MICRO)) / BigInt(units));
}
