/** Task `billing/meter-tokens`: exact token counts. Special tokens in a text are text: whoever writes them pays for them as such. */
import cl100k from 'gpt-tokenizer/encoding/cl100k_base';
import o200k from 'gpt-tokenizer/encoding/o200k_base';

export type EncodingName = 'o200k_base' | 'cl100k_base';
type Encoder = { countTokens(text: string, options: typeof asText): number; setMergeCacheSize(size: number): void };

const asText = { allowedSpecial: new Set<string>(), disallowedSpecial: new Set<string>() };
/**
 * Byte pair encoding takes the square of the length of a piece, and a run of letters, of signs or of white space is one piece.
 * Runs beyond this length, which no language has, are counted in parts, so that 20,000 letters cost 20 ms and not a second.
 */
const MAX_RUN = 1_024;
const LONG_RUN = new RegExp(
  ['[\\p{L}\\p{M}]', '[^\\s\\p{L}\\p{M}\\p{N}]', '\\s'].map((kind) => `${kind}{${MAX_RUN + 1},}`).join('|'),
  'gu',
);
const encoders: Record<EncodingName, Encoder> = { o200k_base: o200k, cl100k_base: cl100k };

/** The tokenizer of the model's family; the newest for models that are not OpenAI's. */
export function encodingOf(model: string): EncodingName {
  const name = model.toLowerCase().replace(/^ft:/, '');
  return /^(gpt-4(?![\d.o])|gpt-3\.?5|text-embedding-)/.test(name) ? 'cl100k_base' : 'o200k_base';
}

/** @returns tokens of each text, in order. */
export function meterTokens(model: string, texts: readonly string[]): number[] {
  const encoder = encoders[encodingOf(model)];
  return texts.map((text) => countTokens(encoder, text));
}

/** Loads both tables, which takes some hundred milliseconds the first time. */
export function warmTokenizers(): void {
  for (const encoder of Object.values(encoders)) {
    // Bounded: the cache of merges would otherwise keep pieces of texts of people for long.
    encoder.setMergeCacheSize(10_000);
    encoder.countTokens('Warm 紡ぎ', asText);
  }
}

function countTokens(encoder: Encoder, text: string): number {
  if (text.length <= MAX_RUN) return encoder.countTokens(text, asText);
  let count = 0;
  let start = 0;
  for (const cut of cutsInLongRuns(text)) {
    count += encoder.countTokens(text.slice(start, cut), asText);
    start = cut;
  }
  return count + encoder.countTokens(text.slice(start), asText);
}

/** Ascending positions inside of runs that are too long for one piece; none for texts of people. */
function* cutsInLongRuns(text: string): Generator<number> {
  for (const run of text.matchAll(LONG_RUN)) {
    const end = run.index + run[0].length;
    for (let cut = run.index + MAX_RUN; cut < end; cut += MAX_RUN) {
      // Never between the halves of a surrogate pair.
      yield isLowSurrogate(text.charCodeAt(cut)) ? cut - 1 : cut;
    }
  }
}

function isLowSurrogate(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff;
}
