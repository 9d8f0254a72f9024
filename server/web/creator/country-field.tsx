/** A choice of countries by name. */
import { useId, useMemo } from 'preact/hooks';
import { countryName } from '../i18n/format.ts';
import { lang, t } from '../i18n/translate.ts';

/** Where the provider can pay to; it refuses what it cannot. */
const countries =
  'AE AT AU BE BG BR CA CH CY CZ DE DK EE ES FI FR GB GI GR HK HR HU IE IT JP LI LT LU LV MT MX MY NL NO NZ PL PT RO SE SG SI SK TH US'.split(
    ' ',
  );

export function CountryField({ value, onValue }: { value: string; onValue: (value: string) => void }) {
  const id = useId();
  const named = useMemo(() => {
    const all = countries.includes(value) ? countries : [value, ...countries];
    return all
      .map((code) => ({ code, name: countryName(code) }))
      .sort((a, b) => a.name.localeCompare(b.name, lang.value));
  }, [lang.value]);
  return (
    <div class="field">
      <div class="field-head">
        <label for={id}>{t('creator.country')}</label>
      </div>
      <select id={id} class="input" value={value} onChange={(event) => onValue(event.currentTarget.value)}>
        {named.map(({ code, name }) => (
          <option key={code} value={code}>
            {name}
          </option>
        ))}
      </select>
    </div>
  );
}
