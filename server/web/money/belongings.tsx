/** Tickets with what moved them, and the things that the account has a right to. */
import type { Entitlement, TicketTransaction } from '../../../protocol/billing-purchases.ts';
import { formatDateTime, formatNumber } from '../i18n/format.ts';
import { type TextKey, t } from '../i18n/translate.ts';
import { ListPanel } from '../ui/loaded-panel.tsx';
import { entitlements, ticketBalance, tickets } from './store.ts';

const ticketTexts: Readonly<Record<TicketTransaction['type'], TextKey>> = {
  purchase: 'money.ticket.purchase',
  consume: 'money.ticket.consume',
  refund: 'money.ticket.refund',
  grant: 'money.ticket.grant',
};
const sourceTexts: Readonly<Record<Entitlement['source'], TextKey>> = {
  purchase: 'money.source.purchase',
  grant: 'money.source.grant',
  restore: 'money.source.restore',
};

export function Tickets() {
  const count = ticketBalance.value;
  return (
    <ListPanel
      title={t('money.tickets')}
      what={tickets}
      empty={t('money.noTickets')}
      aside={
        count !== undefined && (
          <strong class="panel-figure">{t('money.ticketCount', { count: formatNumber(count) })}</strong>
        )
      }
    >
      {(items) => (
        <ul class="rows">
          {items.map((each) => (
            <li key={each.transactionId} class="row">
              <span class="row-words">
                <strong>{t(ticketTexts[each.type])}</strong>
                <time dateTime={each.createdAt}>{formatDateTime(each.createdAt)}</time>
              </span>
              <span class={each.amount > 0 ? 'entry-amount entry-in' : 'entry-amount'}>
                {each.amount > 0 ? '+' : '−'}
                {formatNumber(Math.abs(each.amount))}
              </span>
            </li>
          ))}
        </ul>
      )}
    </ListPanel>
  );
}

export function Entitlements() {
  return (
    <ListPanel title={t('money.rights')} what={entitlements} empty={t('money.noRights')}>
      {(items) => (
        <ul class="rows">
          {items.map((each) => (
            <li key={each.entitlementId} class="row">
              <span class="row-words">
                <strong dir="auto">{each.itemId}</strong>
                <span>
                  {t(sourceTexts[each.source])} ·{' '}
                  <time dateTime={each.grantedAt}>{formatDateTime(each.grantedAt)}</time>
                </span>
              </span>
              <span class={each.revokedAt === null ? 'chip chip-good' : 'chip chip-thread'}>
                {t(each.revokedAt === null ? 'money.holds' : 'money.revoked')}
              </span>
            </li>
          ))}
        </ul>
      )}
    </ListPanel>
  );
}
