/** The versions of an avatar's prompt: one is active, the others can be read and taken up again. */
import { useSignal } from '@preact/signals';
import { useRef } from 'preact/hooks';
import type { UpReply } from '../../../protocol/up.ts';
import { formatDateTime } from '../i18n/format.ts';
import { t } from '../i18n/translate.ts';
import { errorText } from '../session/error-text.ts';
import { MoreButton } from '../ui/more-button.tsx';
import { notify } from '../ui/notices.tsx';
import { activatePrompt, listPrompts } from './store.ts';

/** The pages that are shown, and the active version, which may stand on none of them. */
export type PromptPages = Readonly<UpReply<'companion.list_prompts'>>;
type VersionsProps = {
  avatarId: string;
  pages: PromptPages;
  onChanged: (change: (now: PromptPages) => PromptPages) => void;
};

export function PromptVersions({ avatarId, pages, onChanged }: VersionsProps) {
  const list = useRef<HTMLOListElement>(null);
  const { prompts, nextBefore } = pages;
  const busy = useSignal(false);
  const activate = async (version: number) => {
    busy.value = true;
    try {
      const active = await activatePrompt(avatarId, version);
      // Of what is shown by now: a further page may have come meanwhile.
      onChanged((now) => ({
        ...now,
        active,
        prompts: now.prompts.map((prompt) => ({ ...prompt, active: prompt.version === version })),
      }));
      notify(t('avatar.activated', { version }));
    } catch (error) {
      notify(errorText(error), 'wrong');
    } finally {
      busy.value = false;
    }
  };
  const loadMore = async () => {
    if (nextBefore === null) return;
    try {
      const next = await listPrompts(avatarId, nextBefore);
      onChanged((now) => {
        if (now.nextBefore !== nextBefore) return now;
        const older = next.prompts.map((prompt) => ({ ...prompt, active: prompt.version === now.active?.version }));
        return { ...now, prompts: [...now.prompts, ...older], nextBefore: next.nextBefore };
      });
    } catch (error) {
      notify(errorText(error), 'wrong');
    }
  };
  return (
    <section class="panel" aria-labelledby="versions-title">
      <h2 id="versions-title">{t('avatar.versions')}</h2>
      <p class="field-hint">{t('avatar.versionsHint')}</p>
      <ol class="versions" ref={list}>
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
      {nextBefore !== null && <MoreButton list={list} shown={prompts.length} onMore={loadMore} />}
    </section>
  );
}
