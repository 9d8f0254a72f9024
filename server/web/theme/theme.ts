/** Light or dark: the system's choice, or the person's, kept in this browser. */
import { effect, signal } from '@preact/signals';

export const themes = ['system', 'light', 'dark'] as const;
export type Theme = (typeof themes)[number];

const storageKey = 'tsumugi.theme';
export const theme = signal<Theme>('system');

/** Applies the kept choice and every later one to the root element. Call once. */
export function startTheme(): void {
  const kept = localStorage.getItem(storageKey);
  theme.value = themes.find((each) => each === kept) ?? 'system';
  effect(() => {
    const chosen = theme.value;
    if (chosen === 'system') {
      delete document.documentElement.dataset['theme'];
      localStorage.removeItem(storageKey);
    } else {
      document.documentElement.dataset['theme'] = chosen;
      localStorage.setItem(storageKey, chosen);
    }
  });
}
