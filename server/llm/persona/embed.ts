/** Vectors for `/v1/embeddings`: hashed character trigrams, unit length. For trying the protocol, not for quality. */
import { hashText } from './random.ts';

export const PERSONA_DIMENSIONS = 256;

export function embedText(text: string): Float32Array {
  const vector = new Float32Array(PERSONA_DIMENSIONS);
  const padded = ` ${text.normalize('NFKC').toLowerCase()} `;
  for (let i = 0; i + 3 <= padded.length; i++) {
    const hash = hashText(padded.slice(i, i + 3));
    const at = hash % PERSONA_DIMENSIONS;
    vector[at] = (vector[at] ?? 0) + (hash & 0x10000 ? 1 : -1);
  }
  const length = Math.hypot(...vector) || 1;
  return vector.map((value) => value / length);
}
