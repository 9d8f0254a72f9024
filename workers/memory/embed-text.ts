/**
 * Task `memory/embed-text`: the offline embedding. Words and pieces of words are hashed into a fixed number of signed buckets,
 * weighted by how much they usually mean, and the vector is brought to unit length. It finds texts that share words, kanji or
 * stems, in Japanese and English; it does not know synonyms. Deterministic on every machine.
 */
import { type Letter, runsOf, stemOf } from './fold-text.ts';

/** Changes whenever vectors of the same text would: stored vectors of another version are another space. */
export const OFFLINE_MODEL = 'tsumugi-hash-1';
export const OFFLINE_DIMENSIONS = 256;
/** Longer texts are embedded by their beginning; a memory is a message, not a book. */
const MAX_UNITS = 8_000;

/** Words that carry grammar rather than content; they count a little, so that a text of only such words still has a vector. */
const FAINT_WORDS = new Set(
  `a an the and or but if of to in on at by for with from as is are was were be been am do does did have has had i you he she it
  we they me him her us them my your his its our their this that these those what which who whom when where why how not no so
  too very can could will would shall should may might must just about than then there here im dont isnt its ive id youre let
  please tell say said get got`.split(/\s+/),
);
const FAINT = 0.12;

/** One unit vector a text, in order; the zero vector for a text without a letter or digit. */
export function embedTexts(texts: readonly string[], dimensions: number): Float32Array[] {
  if (!Number.isInteger(dimensions) || dimensions < 16 || dimensions > 4_096) {
    throw new RangeError(`Expected 16 to 4096 dimensions, got ${dimensions}.`);
  }
  return texts.map((text) => embedText(text, dimensions));
}

function embedText(text: string, dimensions: number): Float32Array {
  const vector = new Float64Array(dimensions);
  for (const [feature, { weight, count }] of featuresOf(text.slice(0, MAX_UNITS))) {
    const hash = hashOf(feature);
    // The highest bit gives the sign, so that features which share a bucket cancel out on average.
    const bucket = (hash & 0x7fff_ffff) % dimensions;
    const value = weight * (1 + Math.log(count));
    vector[bucket] = (vector[bucket] ?? 0) + (hash < 0 ? -value : value);
  }
  let squares = 0;
  for (const value of vector) squares += value * value;
  const scale = squares > 0 ? 1 / Math.sqrt(squares) : 0;
  return Float32Array.from(vector, (value) => value * scale);
}

type Features = Map<string, { weight: number; count: number }>;

function featuresOf(text: string): Features {
  const features: Features = new Map();
  let previous = '';
  for (const run of runsOf(text)) {
    if (run.script === 'japanese') {
      addJapanese(features, run.letters);
      previous = '';
    } else {
      previous = addWord(features, run.text, previous);
    }
  }
  return features;
}

/** @returns the stem, for the pair with the next word. */
function addWord(features: Features, word: string, previous: string): string {
  if (FAINT_WORDS.has(word)) {
    add(features, `w:${word}`, FAINT);
    return previous;
  }
  const stem = stemOf(word);
  add(features, `w:${stem}`, 1);
  if (previous !== '') add(features, `p:${previous} ${stem}`, 0.3);
  // Pieces let misspelt and derived words meet; together they weigh less than the word.
  const padded = `^${stem}$`;
  const pieces = padded.length - 2;
  for (let at = 0; at < pieces; at++) add(features, `g:${padded.slice(at, at + 3)}`, 0.5 / Math.sqrt(pieces));
  return stem;
}

/** Kanji carry the content, katakana words nearly so, hiragana mostly grammar; what stands together carries more. */
function addJapanese(features: Features, letters: readonly Letter[]): void {
  for (const [at, letter] of letters.entries()) {
    if (letter.kind === 'kanji') add(features, `k:${letter.text}`, 0.8);
    const next = letters[at + 1];
    if (next === undefined) continue;
    add(features, `b:${letter.text}${next.text}`, pairWeight(letter, next));
    const third = letters[at + 2];
    if (third !== undefined)
      add(features, `t:${letter.text}${next.text}${third.text}`, tripleWeight(letter, next, third));
  }
  const [only] = letters;
  if (letters.length === 1 && only !== undefined && only.kind !== 'kanji') add(features, `b:${only.text}`, FAINT);
}

function pairWeight(first: Letter, second: Letter): number {
  if (first.kind === 'kanji' && second.kind === 'kanji') return 1;
  if (first.kind === 'katakana' && second.kind === 'katakana') return 0.5;
  return first.kind === 'kanji' ? 0.3 : 0.15;
}

function tripleWeight(first: Letter, second: Letter, third: Letter): number {
  const kana = [first, second, third].every((letter) => letter.kind !== 'kanji');
  // Katakana were folded to hiragana, so that コーヒー and こーひー share their pieces.
  return kana ? 0.35 : 0.2;
}

function add(features: Features, name: string, weight: number): void {
  const known = features.get(name);
  if (known === undefined) features.set(name, { weight, count: 1 });
  else known.count += 1;
}

/** FNV-1a over UTF-16 units, then mixed, so that the low bits are as good as the high ones. Signed 32 bits. */
function hashOf(feature: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < feature.length; at++) {
    hash = Math.imul(hash ^ feature.charCodeAt(at), 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
