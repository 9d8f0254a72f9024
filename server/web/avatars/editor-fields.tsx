/** The three parts of the form for an avatar: how it looks, who it is, how the model is asked. */
import type { TargetedEvent } from 'preact';
import { useId } from 'preact/hooks';
import { t } from '../i18n/translate.ts';
import { Segmented, TextArea, TextField } from '../ui/field.tsx';
import { type AvatarDraft, accents, type DraftErrors, numberRange } from './draft.ts';
import { Portrait } from './portrait.tsx';

type Fields = { draft: AvatarDraft; errors: DraftErrors; change: (part: Partial<AvatarDraft>) => void };

const says = (errors: DraftErrors, field: keyof AvatarDraft): string | undefined => {
  const key = errors[field];
  return key === undefined ? undefined : t(key);
};

export function FaceFields({ draft, errors, change }: Fields) {
  return (
    <section class="panel face" aria-labelledby="face-title">
      <h2 id="face-title">{t('avatar.face')}</h2>
      <div class="face-preview">
        <Portrait name={draft.name || '紡'} accent={draft.accent} size={112} />
        <strong lang={draft.lang}>{draft.name || t('avatar.nameless')}</strong>
        <span lang={draft.lang}>{draft.tagline}</span>
      </div>
      <div class="face-fields">
        <TextField
          label={t('avatar.name')}
          maxLength={80}
          value={draft.name}
          error={says(errors, 'name')}
          onValue={(name) => change({ name })}
        />
        <TextField
          label={t('avatar.tagline')}
          hint={t('avatar.taglineHint')}
          maxLength={200}
          value={draft.tagline}
          onValue={(tagline) => change({ tagline })}
        />
        <Segmented
          label={t('avatar.lang')}
          choices={[
            { value: 'ja', text: '日本語' },
            { value: 'en', text: 'English' },
          ]}
          value={draft.lang}
          onValue={(lang) => change({ lang })}
        />
        <AccentField draft={draft} errors={errors} change={change} />
        <TextArea
          label={t('avatar.greeting')}
          hint={t('avatar.greetingHint')}
          rows={3}
          maxLength={2000}
          value={draft.greeting}
          onValue={(greeting) => change({ greeting })}
        />
      </div>
    </section>
  );
}

function AccentField({ draft, errors, change }: Fields) {
  const name = useId();
  return (
    <fieldset class="swatches">
      <legend>{t('avatar.accent')}</legend>
      <div class="swatch-row">
        {accents.map((accent, i) => (
          <label key={accent} class="swatch">
            <input
              type="radio"
              name={name}
              checked={draft.accent === accent}
              aria-label={t('avatar.accentNumber', { number: i + 1 })}
              onChange={() => change({ accent })}
            />
            <svg viewBox="0 0 24 24" width="30" height="30" aria-hidden="true">
              <circle cx="12" cy="12" r="11" fill={accent} />
            </svg>
          </label>
        ))}
        <label class="swatch swatch-own">
          <span>{t('avatar.accentOwn')}</span>
          <input
            type="color"
            value={draft.accent}
            aria-invalid={errors.accent !== undefined}
            onInput={(event: TargetedEvent<HTMLInputElement>) => change({ accent: event.currentTarget.value })}
          />
        </label>
      </div>
    </fieldset>
  );
}

export function CharacterFields({ draft, errors, change }: Fields) {
  return (
    <section class="panel" aria-labelledby="character-title">
      <h2 id="character-title">{t('avatar.character')}</h2>
      <TextArea
        label={t('avatar.systemPrompt')}
        hint={t('avatar.systemPromptHint')}
        rows={8}
        maxLength={20_000}
        value={draft.systemPrompt}
        error={says(errors, 'systemPrompt')}
        onValue={(systemPrompt) => change({ systemPrompt })}
      />
      <TextArea
        label={t('avatar.safetyRules')}
        hint={t('avatar.safetyRulesHint')}
        rows={3}
        maxLength={8_000}
        value={draft.safetyRules}
        onValue={(safetyRules) => change({ safetyRules })}
      />
    </section>
  );
}

export function ParameterFields({ draft, errors, change }: Fields) {
  const number = (field: 'temperature' | 'topP' | 'maxOutputTokens' | 'seed') => (
    <TextField
      label={t(`avatar.${field}`)}
      hint={t('avatar.range', numberRange(field))}
      inputMode="decimal"
      placeholder={t('avatar.default')}
      value={draft[field]}
      error={says(errors, field)}
      onValue={(value) => change({ [field]: value })}
    />
  );
  return (
    <details class="panel">
      <summary>
        <h2>{t('avatar.parameters')}</h2>
        <span>{t('avatar.parametersHint')}</span>
      </summary>
      <div class="field-grid">
        {number('temperature')}
        {number('topP')}
        {number('maxOutputTokens')}
        {number('seed')}
      </div>
      <TextArea
        label={t('avatar.stop')}
        hint={t('avatar.stopHint')}
        rows={2}
        value={draft.stop}
        error={says(errors, 'stop')}
        onValue={(stop) => change({ stop })}
      />
    </details>
  );
}
