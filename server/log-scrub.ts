/**
 * Takes out of log facts what must not be written: by the name of a field, and by the look of a text wherever it stands.
 * Owns the two lists; both err on the side of silence.
 */
const REDACTED = '[redacted]';
const MAX_DEPTH = 6;
const MAX_ITEMS = 50;
const MAX_TEXT = 2_000;

/** Fields whose content is a secret, personal or somebody's words. Counts (`tokensIn: 5`) are numbers and stay. */
const secretName =
  /(token|ticket|pass(word|phrase|wd)|secret|cookie|authori[sz]ation|api[-_]?key|(master|private|data|hash)[-_]?keys?$|credential|e[-_]?mail|(^|_)mail|phone|address$|^ip$|display[-_]?name|^bod(y|ies)$|^texts?$|content|prompt|^messages?$|greeting|snippet|^query$|parameters|^sql$|stdin)/i;

/** Looks, wherever they stand in a text. */
const looks: readonly (readonly [RegExp, string])[] = [
  [/\b(Bearer|Basic)\s+[\w.~+/=-]+/gi, `$1 ${REDACTED}`],
  [
    /([?&;\s](?:ticket|token|access_token|refresh_token|code|key|password|secret|api_key)=)[^&\s"'#;]+/gi,
    `$1${REDACTED}`,
  ],
  [/\b([a-z][a-z0-9+.-]*:\/\/)[^\s/@"']+@/gi, `$1${REDACTED}@`],
  [/[\p{L}\p{N}._%+-]+@[\p{L}\p{N}-]+(?:\.[\p{L}\p{N}-]+)+/gu, '[mail]'],
  [/\bsk-[\w-]{8,}/g, REDACTED],
  // Stripe's keys and signing secrets.
  [/\b(?:(?:sk|rk)_(?:test|live)|whsec)_[\w-]{8,}/g, REDACTED],
  // Our own access, refresh and ticket tokens (`server/identity/tokens.ts`).
  [/\bts[a-z]_[\w-]{16,}/g, REDACTED],
  [/\bey[JK][\w-]{8,}\.[\w-]+\.[\w-]*/g, REDACTED],
];

export function scrubText(text: string): string {
  let clean = text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text;
  for (const [look, instead] of looks) clean = clean.replace(look, instead);
  return clean;
}

/** A plain copy that may be written. Never throws, whatever is passed. */
export function scrub(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return scrubText(value);
  if (typeof value === 'bigint') return value.toString();
  if (typeof value !== 'object' || value === null)
    return typeof value === 'function' || typeof value === 'symbol' ? undefined : value;
  if (value instanceof Error) return scrubError(value, depth);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer || value instanceof SharedArrayBuffer)
    return `[${value.byteLength} bytes]`;
  if (depth >= MAX_DEPTH) return '[deep]';
  if (Array.isArray(value)) return value.slice(0, MAX_ITEMS).map((item) => scrub(item, depth + 1));
  if (value instanceof Map || value instanceof Set) return `[${value.size} entries]`;
  return scrubFields(value, depth);
}

function scrubFields(value: object, depth: number): Record<string, unknown> {
  const clean: Record<string, unknown> = {};
  for (const name of Object.keys(value).slice(0, MAX_ITEMS)) {
    const field = read(value, name);
    const isHarmless = field === null || field === undefined || typeof field === 'number' || typeof field === 'boolean';
    clean[name] = secretName.test(name) && !isHarmless ? REDACTED : scrub(field, depth + 1);
  }
  return clean;
}

/** Name, message, stack, code and cause. Drivers hang statements, parameters and rows on their errors: those are left out. */
function scrubError(error: Error, depth: number): Record<string, unknown> {
  const message = withoutValues(error.message);
  const clean: Record<string, unknown> = { type: error.name, message: scrubText(message) };
  const code = read(error, 'code');
  if (typeof code === 'string' || typeof code === 'number') clean['code'] = code;
  // The stack begins with the whole message; what follows are places in the code.
  if (typeof error.stack === 'string') clean['stack'] = scrubText(error.stack.replace(error.message, () => message));
  if (error.cause !== undefined && depth < MAX_DEPTH)
    clean['cause'] = error.cause instanceof Error ? scrubError(error.cause, depth + 1) : scrub(error.cause, depth + 1);
  return clean;
}

/** Drizzle puts a failed statement and all its values into the message: texts of people are among them. */
function withoutValues(message: string): string {
  const values = message.startsWith('Failed query:') ? message.indexOf('\nparams:') : -1;
  return values < 0 ? message : message.slice(0, values);
}

/** A getter that throws must not keep the rest from the log. */
function read(value: object, name: string): unknown {
  try {
    return (value as Record<string, unknown>)[name];
  } catch {
    return '[unreadable]';
  }
}
