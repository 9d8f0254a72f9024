/** Japanese or English, each named in its own language. */
import { chooseLang, lang } from '../i18n/translate.ts';
import { Icon } from '../ui/icons.tsx';

export function LanguageSwitch() {
  const other = lang.value === 'ja' ? 'en' : 'ja';
  return (
    <button type="button" class="button quiet small" lang={other} onClick={() => chooseLang(other)}>
      <Icon name="globe" size={17} />
      {other === 'ja' ? '日本語' : 'English'}
    </button>
  );
}
