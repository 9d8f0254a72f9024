/** An answer as the pieces that are streamed: whole characters only, each with the number of tokens it stands for. */
export type Piece = { text: string; tokens: number };
export type Answer = { pieces: Piece[]; tokensOut: number; finishReason: 'stop' | 'length' | 'content_filter' };

export type Tokenizer = { encode(text: string): number[]; decode(tokens: number[]): string };

/** Loaded when the persona speaks: the vocabulary takes a tenth of a second and a hundred megabytes. */
export async function loadTokenizer(): Promise<Tokenizer> {
  const { encode, decode } = await import('gpt-tokenizer/encoding/o200k_base');
  const options = { allowedSpecial: new Set<string>(), disallowedSpecial: new Set<string>() };
  return { encode: (text) => encode(text, options), decode: (tokens) => decode(tokens) };
}

export function toAnswer(
  text: string,
  tokenizer: Tokenizer,
  limits: { maxTokens: number; stop: readonly string[] },
): Answer {
  const kept = cutAtStop(text, limits.stop);
  const pieces: Piece[] = [];
  let pending: number[] = [];
  let tokensOut = 0;
  for (const token of tokenizer.encode(kept)) {
    if (tokensOut >= limits.maxTokens) break;
    tokensOut++;
    pending.push(token);
    const piece = tokenizer.decode(pending);
    // Half a character decodes to U+FFFD: it is streamed with the token that completes it.
    if (piece.endsWith('\ufffd')) continue;
    pieces.push({ text: piece, tokens: pending.length });
    pending = [];
  }
  const isWhole = pieces.reduce((length, piece) => length + piece.text.length, 0) === kept.length;
  return { pieces, tokensOut, finishReason: isWhole ? 'stop' : 'length' };
}

function cutAtStop(text: string, stops: readonly string[]): string {
  const ends = stops.map((stop) => (stop === '' ? -1 : text.indexOf(stop))).filter((at) => at >= 0);
  return ends.length === 0 ? text : text.slice(0, Math.min(...ends));
}

const lorem =
  ' the river runs slow under the old bridge and somebody hums a tune that nobody quite remembers while lamps come on along the quay one after another'.match(
    / \w+/g,
  ) as readonly string[];

/** Fixed words for measuring: one token each. */
export function plainAnswer(tokens: number, maxTokens: number): Answer {
  const count = Math.min(tokens, maxTokens);
  const pieces = Array.from({ length: count }, (_, i) => ({ text: lorem[i % lorem.length] ?? ' a', tokens: 1 }));
  return { pieces, tokensOut: count, finishReason: count < tokens ? 'length' : 'stop' };
}
