/** Everything about the account and about this browser. */
import { lang, t } from '../i18n/translate.ts';
import { errorText } from '../session/error-text.ts';
import { account, signOut } from '../session/store.ts';
import { Screen } from '../shell/screen.tsx';
import { theme, themes } from '../theme/theme.ts';
import { Segmented } from '../ui/field.tsx';
import { Icon } from '../ui/icons.tsx';
import { notify } from '../ui/notices.tsx';
import { PasswordForm } from './password-form.tsx';
import { ProfileForm } from './profile-form.tsx';
import { Sessions } from './sessions.tsx';
import { saveLocale } from './store.ts';

export function SettingsScreen() {
  return (
    <Screen
      title={t('settings.title')}
      aside={
        <button
          type="button"
          class="button quiet small"
          onClick={() => void signOut().catch((error: unknown) => notify(errorText(error), 'wrong'))}
        >
          <Icon name="exit" size={17} />
          {t('settings.signOut')}
        </button>
      }
    >
      <section class="panel" aria-labelledby="look-title">
        <h2 id="look-title">{t('settings.look')}</h2>
        <Segmented
          label={t('settings.language')}
          choices={[
            { value: 'ja', text: '日本語' },
            { value: 'en', text: 'English' },
          ]}
          value={lang.value}
          onValue={(value) => void saveLocale(value).catch((error: unknown) => notify(errorText(error), 'wrong'))}
        />
        <Segmented
          label={t('settings.theme')}
          choices={themes.map((each) => ({ value: each, text: t(`settings.theme.${each}`) }))}
          value={theme.value}
          onValue={(value) => {
            theme.value = value;
          }}
        />
      </section>
      {account.value !== undefined && <ProfileForm key={account.value.userId} account={account.value} />}
      <PasswordForm />
      <Sessions />
    </Screen>
  );
}
