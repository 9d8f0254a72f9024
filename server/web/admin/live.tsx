/** What runs on this gateway right now, and what operators did. */
import { formatAgo, formatNumber } from '../i18n/format.ts';
import { t } from '../i18n/translate.ts';
import { FactTable } from '../ui/fact-table.tsx';
import { LoadedPanel, shortId } from '../ui/loaded-panel.tsx';
import { closeConnection, connections, events, generations } from './store.ts';
import { tell } from './tell.ts';

export function Connections() {
  return (
    <LoadedPanel title={t('admin.connections')} what={connections}>
      {({ total, connections: list }) => (
        <>
          <p class="field-hint">{t('admin.total', { count: formatNumber(total) })}</p>
          <FactTable
            caption={t('admin.connections')}
            rows={list}
            keyOf={(one) => one.connectionId}
            columns={[
              { title: t('admin.connection'), cell: (one) => shortId(one.connectionId) },
              { title: t('admin.user'), cell: (one) => shortId(one.userId) },
              { title: t('admin.network'), cell: (one) => one.network ?? '—' },
              { title: t('admin.since'), cell: (one) => formatAgo(one.openedAt) },
              {
                title: t('admin.action'),
                cell: (one) => (
                  <button
                    type="button"
                    class="button quiet small"
                    aria-label={t('admin.closeNamed', { id: one.connectionId.slice(-12) })}
                    onClick={() => void closeConnection(one.connectionId).catch(tell)}
                  >
                    {t('admin.close')}
                  </button>
                ),
              },
            ]}
          />
        </>
      )}
    </LoadedPanel>
  );
}

export function Generations() {
  return (
    <LoadedPanel title={t('admin.generations')} what={generations}>
      {({ total, generations: list }) => (
        <>
          <p class="field-hint">{t('admin.total', { count: formatNumber(total) })}</p>
          {list.length > 0 && (
            <FactTable
              caption={t('admin.generations')}
              rows={list}
              keyOf={(one) => one.generationId}
              columns={[
                { title: t('admin.generation'), cell: (one) => shortId(one.generationId) },
                { title: t('admin.user'), cell: (one) => shortId(one.userId) },
                { title: t('admin.model'), cell: (one) => one.model },
                { title: t('admin.since'), cell: (one) => formatAgo(one.startedAt) },
                { title: t('admin.length'), cell: (one) => formatNumber(one.length) },
              ]}
            />
          )}
        </>
      )}
    </LoadedPanel>
  );
}

export function Events() {
  return (
    <LoadedPanel title={t('admin.events')} what={events}>
      {({ events: list }) => (
        <ul class="rows">
          {list.map((event) => (
            <li key={event.eventId} class="row">
              <span class="row-words">
                <strong>
                  {event.action}
                  {event.target !== null && <> · {shortId(event.target.id)}</>}
                </strong>
                <span>
                  {formatAgo(event.at)} · {event.adminUserId === null ? t('admin.nobody') : shortId(event.adminUserId)}
                </span>
              </span>
              <span class={event.outcome === 'done' ? 'chip' : 'chip chip-thread'}>
                {t(`admin.outcome.${event.outcome}`)}
              </span>
            </li>
          ))}
        </ul>
      )}
    </LoadedPanel>
  );
}
