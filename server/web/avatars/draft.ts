/** An avatar as it is being written: texts as typed, checked and turned into frames when saved. */
import type { Avatar, AvatarPrompt, PromptParams } from '../../../protocol/companion.ts';
import type { TextKey } from '../i18n/translate.ts';
import type { Face, PromptDraft } from './store.ts';

export type AvatarDraft = {
  name: string;
  tagline: string;
  greeting: string;
  lang: 'en' | 'ja';
  accent: string;
  systemPrompt: string;
  safetyRules: string;
  temperature: string;
  topP: string;
  maxOutputTokens: string;
  seed: string;
  stop: string;
};

export type DraftErrors = Partial<Record<keyof AvatarDraft, TextKey>>;

/** Dyes that look well on silk, light and dark. */
export const accents = [
  '#34488c',
  '#b3342d',
  '#2f7566',
  '#8a5a2b',
  '#7a3f86',
  '#3d7a3a',
  '#b0447a',
  '#4a5568',
] as const;

export function emptyDraft(lang: 'en' | 'ja'): AvatarDraft {
  return {
    name: '',
    tagline: '',
    greeting: '',
    lang,
    accent: accents[0],
    systemPrompt: '',
    safetyRules: '',
    temperature: '',
    topP: '',
    maxOutputTokens: '',
    seed: '',
    stop: '',
  };
}

export function draftOf(avatar: Avatar, prompt: AvatarPrompt | undefined): AvatarDraft {
  const { name, tagline, greeting, lang, accent } = avatar;
  return {
    ...emptyDraft(lang),
    name,
    tagline,
    greeting,
    accent,
    ...(prompt === undefined ? {} : promptFields(prompt)),
  };
}

export function promptFields({
  systemPrompt,
  safetyRules,
  params,
}: Pick<AvatarPrompt, 'systemPrompt' | 'safetyRules' | 'params'>) {
  const text = (value: number | undefined): string => (value === undefined ? '' : String(value));
  return {
    systemPrompt,
    safetyRules,
    temperature: text(params.temperature),
    topP: text(params.topP),
    maxOutputTokens: text(params.maxOutputTokens),
    seed: text(params.seed),
    stop: (params.stop ?? []).join('\n'),
  };
}

const numberLimits = {
  temperature: { min: 0, max: 2, whole: false },
  topP: { min: 0, max: 1, whole: false },
  maxOutputTokens: { min: 1, max: 32_000, whole: true },
  seed: { min: 0, max: 2_147_483_647, whole: true },
} as const;
type NumberField = keyof typeof numberLimits;
const numberFields = Object.keys(numberLimits) as NumberField[];

/** The same limits as the schema's; the server checks again. */
export function checkDraft(draft: AvatarDraft): DraftErrors {
  const errors: DraftErrors = {};
  if (draft.name.trim() === '') errors.name = 'field.required';
  if (draft.systemPrompt.trim() === '') errors.systemPrompt = 'field.required';
  if (!/^#[0-9a-f]{6}$/i.test(draft.accent)) errors.accent = 'field.colorWrong';
  for (const field of numberFields) {
    if (draft[field].trim() === '') continue;
    const { min, max, whole } = numberLimits[field];
    const value = Number(draft[field]);
    if (!(value >= min && value <= max) || (whole && !Number.isInteger(value))) errors[field] = 'field.numberWrong';
  }
  if (stops(draft).length > 4) errors.stop = 'field.stopWrong';
  return errors;
}

export const numberRange = (field: NumberField): { min: number; max: number } => numberLimits[field];

const stops = (draft: AvatarDraft): string[] =>
  draft.stop
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');

export function faceOf(draft: AvatarDraft): Face & { name: string } {
  const { name, tagline, greeting, lang, accent } = draft;
  return { name: name.trim(), tagline: tagline.trim(), greeting: greeting.trim(), lang, accent: accent.toLowerCase() };
}

export function promptOf(draft: AvatarDraft): PromptDraft {
  const params: PromptParams = {};
  for (const field of numberFields) {
    if (draft[field].trim() !== '') params[field] = Number(draft[field]);
  }
  if (stops(draft).length > 0) params.stop = stops(draft);
  return { systemPrompt: draft.systemPrompt.trim(), safetyRules: draft.safetyRules.trim(), params };
}

/** True when saving needs a new version of the prompt and not only a new face. */
export const promptDiffers = (draft: AvatarDraft, active: AvatarPrompt | undefined): boolean =>
  active === undefined || JSON.stringify(promptFields(active)) !== JSON.stringify(promptFields({ ...promptOf(draft) }));
