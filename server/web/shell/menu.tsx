/** The menu on narrow screens: whether it is open, and the button that opens it. */
import { signal } from '@preact/signals';
import { t } from '../i18n/translate.ts';
import { Icon } from '../ui/icons.tsx';

export const menuOpen = signal(false);

export function MenuButton() {
  return (
    <button
      type="button"
      class="icon-button menu-button"
      aria-label={t('nav.open')}
      aria-expanded={menuOpen.value}
      onClick={() => {
        menuOpen.value = true;
      }}
    >
      <Icon name="menu" />
    </button>
  );
}
