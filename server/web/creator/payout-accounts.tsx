/** Where a creator is paid. Name and bank are told to the provider, never to this server. */
import { useSignal } from '@preact/signals';
import type { PayoutAccount } from '../../../protocol/billing-payouts.ts';
import { countryName } from '../i18n/format.ts';
import { type TextKey, t } from '../i18n/translate.ts';
import { errorText } from '../session/error-text.ts';
import { Confirm } from '../ui/dialog.tsx';
import { LoadedPanel } from '../ui/loaded-panel.tsx';
import { notify } from '../ui/notices.tsx';
import { CountryField } from './country-field.tsx';
import { accounts, addAccount, answerQuestions, makeDefault, removeAccount } from './store.ts';

const tell = (error: unknown): void => notify(errorText(error), 'wrong');
const stateTexts: Readonly<Record<PayoutAccount['state'], TextKey>> = {
  incomplete: 'creator.account.incomplete',
  waiting: 'creator.account.waiting',
  ready: 'creator.account.ready',
};

export function PayoutAccounts() {
  const removing = useSignal<PayoutAccount | undefined>(undefined);
  return (
    <LoadedPanel title={t('creator.accounts')} hint={t('creator.accountsHint')} what={accounts}>
      {(list) => (
        <>
          {list.length === 0 && <p class="quiet-text">{t('creator.noAccounts')}</p>}
          <ul class="rows">
            {list.map((account) => (
              <AccountRow
                key={account.accountId}
                account={account}
                onRemove={() => {
                  removing.value = account;
                }}
              />
            ))}
          </ul>
          <AddAccount />
          {removing.value !== undefined && (
            <Confirm
              title={t('creator.removeTitle')}
              text={t('creator.removeText')}
              action={t('creator.remove')}
              onConfirm={() => {
                const { accountId } = removing.value ?? {};
                removing.value = undefined;
                if (accountId !== undefined) void removeAccount(accountId).catch(tell);
              }}
              onClose={() => {
                removing.value = undefined;
              }}
            />
          )}
        </>
      )}
    </LoadedPanel>
  );
}

function AccountRow({ account, onRemove }: { account: PayoutAccount; onRemove: () => void }) {
  const { accountId, country, state, isDefault, bankLabel, bankFailureCode } = account;
  const name = bankLabel ?? countryName(country);
  return (
    <li class="row">
      <span class="row-words">
        <strong dir="auto">{name}</strong>
        <span>
          {countryName(country)} · {t(stateTexts[state])}
        </span>
        {bankFailureCode !== null && (
          <span class="wrong-text">{t('creator.bankRefused', { code: bankFailureCode })}</span>
        )}
      </span>
      <span class="row-end">
        {isDefault ? (
          <span class="chip chip-good">{t('money.default')}</span>
        ) : (
          <button type="button" class="button quiet small" onClick={() => void makeDefault(accountId).catch(tell)}>
            {t('creator.makeDefault')}
          </button>
        )}
        {state !== 'ready' && (
          <button
            type="button"
            class="button primary small"
            onClick={() => void answerQuestions(accountId).catch(tell)}
          >
            {t('creator.continue')}
          </button>
        )}
        <button
          type="button"
          class="button quiet small wrong"
          aria-label={t('creator.removeNamed', { name })}
          onClick={onRemove}
        >
          {t('creator.remove')}
        </button>
      </span>
    </li>
  );
}

function AddAccount() {
  const country = useSignal(defaultCountry());
  const busy = useSignal(false);
  const add = async () => {
    busy.value = true;
    try {
      await addAccount(country.value);
    } catch (error) {
      tell(error);
    } finally {
      busy.value = false;
    }
  };
  return (
    <form
      class="search"
      onSubmit={(event) => {
        event.preventDefault();
        if (!busy.value) void add();
      }}
    >
      <CountryField
        value={country.value}
        onValue={(value) => {
          country.value = value;
        }}
      />
      <button type="submit" class="button" aria-busy={busy.value} disabled={busy.value}>
        {t('creator.addAccount')}
      </button>
    </form>
  );
}

const defaultCountry = (): string => new Intl.Locale(navigator.language).region ?? 'JP';
