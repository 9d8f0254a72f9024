/** A labelled choice of few or many. */
import { useId } from 'preact/hooks';

type SelectFieldProps<T extends string> = {
  label: string;
  choices: readonly { value: T; text: string }[];
  value: T;
  onValue: (value: T) => void;
};

export function SelectField<T extends string>({ label, choices, value, onValue }: SelectFieldProps<T>) {
  const id = useId();
  return (
    <div class="field">
      <div class="field-head">
        <label for={id}>{label}</label>
      </div>
      <select
        id={id}
        class="input"
        value={value}
        onChange={(event) => {
          const chosen = choices.find((choice) => choice.value === event.currentTarget.value);
          if (chosen !== undefined) onValue(chosen.value);
        }}
      >
        {choices.map((choice) => (
          <option key={choice.value} value={choice.value}>
            {choice.text}
          </option>
        ))}
      </select>
    </div>
  );
}
