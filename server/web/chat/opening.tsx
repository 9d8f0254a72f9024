/** How a conversation begins: the greeting, and while nothing has been said, a few ways to start. */
import type { Avatar } from '../../../protocol/companion.ts';
import { Portrait } from '../avatars/portrait.tsx';
import { t } from '../i18n/translate.ts';
import type { ChatStore } from './store.ts';
import { suggestions } from './suggestions.ts';

export function Opening({ chat, avatar }: { chat: ChatStore; avatar: Avatar | undefined }) {
  if (avatar === undefined) return null;
  return (
    <section class="opening" aria-label={t('chat.opening')}>
      <Portrait name={avatar.name} accent={avatar.accent} size={120} />
      <h2 lang={avatar.lang}>{avatar.name}</h2>
      {avatar.greeting !== '' && (
        <p class="greeting" lang={avatar.lang}>
          {avatar.greeting}
        </p>
      )}
      {chat.empty.value && (
        <ul class="suggestions" aria-label={t('chat.suggestions')}>
          {suggestions(avatar.lang).map((text) => (
            <li key={text}>
              <button type="button" class="suggestion" lang={avatar.lang} onClick={() => void chat.send(text)}>
                {text}
              </button>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
