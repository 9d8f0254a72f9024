/** What is on sale, as cards. Pressing one leaves for the page of the payment provider. */
import { useSignal } from '@preact/signals';
import type { Offer } from '../../../protocol/billing-purchases.ts';
import { Knot } from '../avatars/knot.tsx';
import { formatNumber } from '../i18n/format.ts';
import { formatMoney } from '../i18n/money.ts';
import { lang, t } from '../i18n/translate.ts';
import { errorText } from '../session/error-text.ts';
import { LoadedPanel } from '../ui/loaded-panel.tsx';
import { notify } from '../ui/notices.tsx';
import { buy, products } from './store.ts';

/** Kinds that have words of their own, in the order in which they are shown; whatever else is on sale comes behind them. */
const kinds = ['addon_tokens', 'tickets'] as const;

export function Offers() {
  return (
    <LoadedPanel title={t('money.offers')} what={products}>
      {({ offers, buying }) => {
        const shown = offers.filter(({ type }) => type !== 'plan');
        if (buying === 'off') return <p class="quiet-text">{t('money.off')}</p>;
        if (shown.length === 0) return <p class="quiet-text">{t('money.nothingOnSale')}</p>;
        return (
          <>
            {buying === 'offline' && <p class="note">{t('money.offline')}</p>}
            {[...kinds, ...otherKinds(shown)].map((kind) => (
              <OfferGroup key={kind} kind={kind} offers={shown.filter(({ type }) => type === kind)} />
            ))}
          </>
        );
      }}
    </LoadedPanel>
  );
}

const otherKinds = (offers: readonly Offer[]): string[] =>
  [...new Set(offers.map(({ type }) => type))].filter((type) => !kinds.some((kind) => kind === type));

function OfferGroup({ kind, offers }: { kind: string; offers: readonly Offer[] }) {
  if (offers.length === 0) return null;
  const title =
    kind === 'addon_tokens' ? t('money.tokens') : kind === 'tickets' ? t('money.tickets') : t('money.things');
  return (
    <section class="offer-group">
      <h3>{title}</h3>
      {kind === 'addon_tokens' && <p class="field-hint">{t('money.tokensHint')}</p>}
      <ul class="offers">
        {offers.map((offer) => (
          <OfferCard key={offer.id} offer={offer} />
        ))}
      </ul>
    </section>
  );
}

function OfferCard({ offer }: { offer: Offer }) {
  const busy = useSignal(false);
  const name = offer.name[lang.value];
  const price = formatMoney(offer.amountMinor, offer.currency);
  const purchase = async () => {
    if (busy.value) return;
    busy.value = true;
    try {
      await buy(offer.type, offer.id);
    } catch (error) {
      notify(errorText(error), 'wrong');
    } finally {
      busy.value = false;
    }
  };
  return (
    <li class="offer">
      <Knot seed={`${offer.type} ${offer.id}`} size={44} />
      <strong dir="auto">{name}</strong>
      {offer.unit !== 'thing' && !name.includes(formatNumber(offer.units)) && (
        <span class="offer-units">
          {t(offer.unit === 'token' ? 'money.tokenCount' : 'money.ticketCount', { count: formatNumber(offer.units) })}
        </span>
      )}
      <button
        type="button"
        class="button primary small"
        aria-label={t('money.buyNamed', { name, price })}
        aria-busy={busy.value}
        disabled={busy.value}
        onClick={() => void purchase()}
      >
        {price}
      </button>
    </li>
  );
}
