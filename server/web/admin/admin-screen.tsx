/** Operation: what runs on this gateway right now, who has an account, what operators did. */
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { formatAgo, formatNumber } from '../i18n/format.ts';
import { t } from '../i18n/translate.ts';
import { errorText } from '../session/error-text.ts';
import { Screen } from '../shell/screen.tsx';
import { Confirm } from '../ui/dialog.tsx';
import { Icon } from '../ui/icons.tsx';
import { LoadedPanel, shortId } from '../ui/loaded-panel.tsx';
import { notify } from '../ui/notices.tsx';
import { closeConnection, connections, drain, events, generations, refreshAll } from './store.ts';
import { Users } from './users.tsx';

const tell = (error: unknown): void => notify(errorText(error), 'wrong');

export function AdminScreen() {
  const draining = useSignal(false);
  useEffect(() => void refreshAll(), []);
  return (
    <Screen
      title={t('admin.title')}
      aside={
        <div class="button-row">
          <button type="button" class="button quiet small" onClick={() => void refreshAll()}>
            <Icon name="again" size={17} />
            {t('admin.refresh')}
          </button>
          <button
            type="button"
            class="button quiet small wrong"
            onClick={() => {
              draining.value = true;
            }}
          >
            {t('admin.drain')}
          </button>
        </div>
      }
    >
      <Connections />
      <Generations />
      <Users />
      <Events />
      {draining.value && (
        <Confirm
          title={t('admin.drainTitle')}
          text={t('admin.drainText')}
          action={t('admin.drain')}
          onConfirm={() => {
            draining.value = false;
            drain().then(() => notify(t('admin.draining')), tell);
          }}
          onClose={() => {
            draining.value = false;
          }}
        />
      )}
    </Screen>
  );
}

function Connections() {
  return (
    <LoadedPanel title={t('admin.connections')} what={connections}>
      {({ total, connections: list }) => (
        <>
          <p class="field-hint">{t('admin.total', { count: formatNumber(total) })}</p>
          <div class="table-scroll">
            <table>
              <thead>
                <tr>
                  <th scope="col">{t('admin.connection')}</th>
                  <th scope="col">{t('admin.user')}</th>
                  <th scope="col">{t('admin.network')}</th>
                  <th scope="col">{t('admin.since')}</th>
                  <th scope="col">{t('admin.action')}</th>
                </tr>
              </thead>
              <tbody>
                {list.map((one) => (
                  <tr key={one.connectionId}>
                    <th scope="row">{shortId(one.connectionId)}</th>
                    <td>{shortId(one.userId)}</td>
                    <td>{one.network ?? '—'}</td>
                    <td>{formatAgo(one.openedAt)}</td>
                    <td>
                      <button
                        type="button"
                        class="button quiet small"
                        aria-label={t('admin.closeNamed', { id: one.connectionId.slice(-12) })}
                        onClick={() => void closeConnection(one.connectionId).catch(tell)}
                      >
                        {t('admin.close')}
                      </button>
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        </>
      )}
    </LoadedPanel>
  );
}

function Generations() {
  return (
    <LoadedPanel title={t('admin.generations')} what={generations}>
      {({ total, generations: list }) => (
        <>
          <p class="field-hint">{t('admin.total', { count: formatNumber(total) })}</p>
          {list.length > 0 && (
            <div class="table-scroll">
              <table>
                <thead>
                  <tr>
                    <th scope="col">{t('admin.generation')}</th>
                    <th scope="col">{t('admin.user')}</th>
                    <th scope="col">{t('admin.model')}</th>
                    <th scope="col">{t('admin.since')}</th>
                    <th scope="col">{t('admin.length')}</th>
                  </tr>
                </thead>
                <tbody>
                  {list.map((one) => (
                    <tr key={one.generationId}>
                      <th scope="row">{shortId(one.generationId)}</th>
                      <td>{shortId(one.userId)}</td>
                      <td>{one.model}</td>
                      <td>{formatAgo(one.startedAt)}</td>
                      <td>{formatNumber(one.length)}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          )}
        </>
      )}
    </LoadedPanel>
  );
}

function Events() {
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
