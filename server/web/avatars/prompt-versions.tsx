/** The versions of an avatar's prompt: one is active, the others can be read and taken up again. */
import { useSignal } from '@preact/signals';
import type { AvatarPrompt } from '../../../protocol/companion.ts';
import { formatDateTime } from '../i18n/format.ts';
import { t } from '../i18n/translate.ts';
import { errorText } from '../session/error-text.ts';
import { notify } from '../ui/notices.tsx';
import { activatePrompt } from './store.ts';

type VersionsProps = { avatarId: string; prompts: readonly AvatarPrompt[]; onChanged: () => Promise<void> };

export function PromptVersions({ avatarId, prompts, onChanged }: VersionsProps) {
  const busy = useSignal(false);
  const activate = async (version: number) => {
    busy.value = true;
    try {
      await activatePrompt(avatarId, version);
      await onChanged();
      notify(t('avatar.activated', { version }));
    } catch (error) {
      notify(errorText(error), 'wrong');
    } finally {
      busy.value = false;
    }
  };
  return (
    <section class="panel" aria-labelledby="versions-title">
      <h2 id="versions-title">{t('avatar.versions')}</h2>
      <p class="field-hint">{t('avatar.versionsHint')}</p>
      <ol class="versions">
        {prompts.map((prompt) => (
          <li key={prompt.version} class={prompt.active ? 'version version-active' : 'version'}>
            <div class="version-head">
              <strong>{t('avatar.version', { version: prompt.version })}</strong>
              <span>{formatDateTime(prompt.createdAt)}</span>
              {prompt.active ? (
                <span class="chip chip-thread">{t('avatar.active')}</span>
              ) : (
                <button
                  type="button"
                  class="button quiet small"
                  disabled={busy.value}
                  onClick={() => activate(prompt.version)}
                >
                  {t('avatar.activate')}
                </button>
              )}
            </div>
            <details>
              <summary>{t('avatar.readPrompt')}</summary>
              <pre class="prompt-text">{prompt.systemPrompt}</pre>
              {prompt.safetyRules !== '' && <pre class="prompt-text">{prompt.safetyRules}</pre>}
            </details>
          </li>
        ))}
      </ol>
    </section>
  );
}
