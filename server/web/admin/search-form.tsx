/** One field to find things by. */
import { useSignal } from '@preact/signals';
import { t } from '../i18n/translate.ts';
import { TextField } from '../ui/field.tsx';
import { tell } from './tell.ts';

type SearchFormProps = { label: string; hint: string; onFind: (text: string) => Promise<void> };

export function SearchForm({ label, hint, onFind }: SearchFormProps) {
  const wanted = useSignal('');
  return (
    <search>
      <form
        class="search"
        onSubmit={(event) => {
          event.preventDefault();
          void onFind(wanted.value).catch(tell);
        }}
      >
        <TextField
          label={label}
          hint={hint}
          value={wanted.value}
          onValue={(value) => {
            wanted.value = value;
          }}
        />
        <button type="submit" class="button">
          {t('admin.find')}
        </button>
      </form>
    </search>
  );
}
