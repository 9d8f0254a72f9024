/** What went wrong, in words for people and in their language. */
import { errorCodeText, t } from '../i18n/translate.ts';

type Coded = {
  code: string;
  message: string;
  retryAfterMs?: number | undefined;
  details?: Readonly<Record<string, unknown>> | undefined;
};

const isCoded = (error: unknown): error is Coded =>
  error instanceof Error && 'code' in error && typeof error.code === 'string';

/** The documented code, or undefined for anything else that was thrown. */
export const errorCode = (error: unknown): string | undefined => (isCoded(error) ? error.code : undefined);

/** The field that the server found wrong, if it named one. */
export function errorField(error: unknown): string | undefined {
  const field = isCoded(error) ? error.details?.['field'] : undefined;
  return typeof field === 'string'
    ? field
        .split(/[./]/)
        .filter((part) => part !== '' && part !== 'body')
        .at(0)
    : undefined;
}

export function errorText(error: unknown): string {
  if (!isCoded(error)) return t('error.unknown');
  if (error.code.startsWith('client.')) {
    return t('error.unreachable');
  }
  const text = errorCodeText(error.code) ?? t('error.unknown');
  if (error.retryAfterMs === undefined) return text;
  return `${text} ${t('error.retryIn', { seconds: Math.ceil(error.retryAfterMs / 1_000) })}`;
}
