/** Context windows of models that are known by name; tokens of prompt and answer together. */
const known: readonly (readonly [prefix: string, tokens: number])[] = [
  ['gpt-5', 400_000],
  ['gpt-4.1', 1_047_576],
  ['gpt-4o', 128_000],
  ['gpt-4-turbo', 128_000],
  ['gpt-4-32k', 32_768],
  ['gpt-4', 8_192],
  ['gpt-3.5-turbo', 16_385],
  ['o1', 200_000],
  ['o3', 200_000],
  ['o4', 200_000],
  ['tsumugi-persona', 32_768],
];

/** Small enough for whatever a local server was started with. */
const UNKNOWN_MODEL_TOKENS = 8_192;

export function contextLimitOf(model: string): number {
  return known.find(([prefix]) => model.startsWith(prefix))?.[1] ?? UNKNOWN_MODEL_TOKENS;
}
