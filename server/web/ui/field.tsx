/** A labelled input with its hint and its error beside it, tied together for screen readers. */
import { useSignal } from '@preact/signals';
import type { ComponentChildren, TargetedEvent } from 'preact';
import { useId } from 'preact/hooks';
import { t } from '../i18n/translate.ts';
import { Icon } from './icons.tsx';

type FieldFrame = { label: string; hint?: string | undefined; error?: string | undefined };

function FieldFrame(props: FieldFrame & { id: string; children: ComponentChildren; aside?: ComponentChildren }) {
  return (
    <div class={props.error === undefined ? 'field' : 'field field-wrong'}>
      <div class="field-head">
        <label for={props.id}>{props.label}</label>
        {props.aside}
      </div>
      {props.children}
      {props.hint !== undefined && (
        <p class="field-hint" id={`${props.id}-hint`}>
          {props.hint}
        </p>
      )}
      {props.error !== undefined && (
        <p class="field-error" id={`${props.id}-error`}>
          <Icon name="alert" size={15} />
          {props.error}
        </p>
      )}
    </div>
  );
}

const describedBy = (id: string, { hint, error }: FieldFrame): string | undefined =>
  [hint !== undefined && `${id}-hint`, error !== undefined && `${id}-error`].filter(Boolean).join(' ') || undefined;

type InputProps = FieldFrame & { value: string; onValue: (value: string) => void };

type TextFieldProps = InputProps & {
  type?: 'text' | 'email';
  autocomplete?: 'nickname' | 'username';
  maxLength?: number;
  placeholder?: string;
  /** Which keyboard a phone brings up. */
  inputMode?: 'text' | 'email' | 'decimal';
};

export function TextField({ label, hint, error, value, onValue, type = 'text', ...rest }: TextFieldProps) {
  const id = useId();
  const attributes = {
    id,
    class: 'input',
    value,
    'aria-invalid': error !== undefined,
    'aria-describedby': describedBy(id, { label, hint, error }),
    onInput: (event: TargetedEvent<HTMLInputElement>) => onValue(event.currentTarget.value),
    ...(type === 'email' ? { autocapitalize: 'off' as const, spellcheck: false } : {}),
    ...rest,
  };
  return (
    <FieldFrame id={id} label={label} hint={hint} error={error}>
      {type === 'email' ? <input type="email" {...attributes} /> : <input type="text" {...attributes} />}
    </FieldFrame>
  );
}

type TextAreaProps = InputProps & { rows: number; maxLength?: number };

export function TextArea({ label, hint, error, value, onValue, ...rest }: TextAreaProps) {
  const id = useId();
  return (
    <FieldFrame id={id} label={label} hint={hint} error={error}>
      <textarea
        id={id}
        class="input"
        value={value}
        aria-invalid={error !== undefined}
        aria-describedby={describedBy(id, { label, hint, error })}
        onInput={(event: TargetedEvent<HTMLTextAreaElement>) => onValue(event.currentTarget.value)}
        {...rest}
      />
    </FieldFrame>
  );
}

/** A password that can be looked at. The button says what it does and whether it is pressed. */
export function PasswordField({
  label,
  hint,
  error,
  value,
  onValue,
  autocomplete,
}: InputProps & { autocomplete: 'current-password' | 'new-password' }) {
  const id = useId();
  const shown = useSignal(false);
  const attributes = {
    id,
    class: 'input',
    value,
    autocomplete,
    autocapitalize: 'off' as const,
    spellcheck: false,
    'aria-invalid': error !== undefined,
    'aria-describedby': describedBy(id, { label, hint, error }),
    onInput: (event: TargetedEvent<HTMLInputElement>) => onValue(event.currentTarget.value),
  };
  return (
    <FieldFrame id={id} label={label} hint={hint} error={error}>
      <div class="input-with-button">
        {shown.value ? <input type="text" {...attributes} /> : <input type="password" {...attributes} />}
        <button
          type="button"
          class="icon-button"
          aria-pressed={shown.value}
          aria-label={t('password.reveal')}
          title={t('password.reveal')}
          onClick={() => {
            shown.value = !shown.value;
          }}
        >
          <Icon name={shown.value ? 'hide' : 'eye'} />
        </button>
      </div>
    </FieldFrame>
  );
}

type Choice<T extends string> = { value: T; text: string };

/** A few choices side by side; a radio group for keyboards and readers. */
export function Segmented<T extends string>({
  label,
  choices,
  value,
  onValue,
}: {
  label: string;
  choices: readonly Choice<T>[];
  value: T;
  onValue: (value: T) => void;
}) {
  const name = useId();
  return (
    <fieldset class="segmented">
      <legend>{label}</legend>
      <div class="segmented-row">
        {choices.map((choice) => (
          <label key={choice.value} class="segment">
            <input
              type="radio"
              name={name}
              value={choice.value}
              checked={choice.value === value}
              onChange={() => onValue(choice.value)}
            />
            <span>{choice.text}</span>
          </label>
        ))}
      </div>
    </fieldset>
  );
}
