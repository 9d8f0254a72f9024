/**
 * The texts of a run. Each question carries a tag, and the tag decides every letter of its answer: so everybody who sees a text,
 * or finds it stored, knows what it should have been, and a piece of somebody else's answer never goes unnoticed.
 */
import { Random } from './random.ts';

/** Characters of more than one unit, joined and combined ones: what a careless cut breaks. */
const words = [
  ' thread',
  ' river',
  ' 糸',
  'を紡ぐ',
  ' 🧵',
  ' 👨‍👩‍👧',
  ' e\u0301toile',
  ' が\u3099',
  ' lantern',
  ' 🪡🏽',
  '。',
  ' quiet',
  '\n',
  ' "quoted"',
  ' 𠮷野',
  ' slow',
] as const;

const minPieces = 20;
const maxPieces = 160;

/** The tag of a question whose answer has that many pieces. */
export const longTag = (pieces: number, name: string): string => `long${pieces}-${name}`;

export function question(tag: string): string {
  return `Tell me about #${tag}# at your own pace.`;
}

/** The tag of a question, the last one where several were joined; undefined when the text is none. */
export function findTag(text: string): string | undefined {
  return [...text.matchAll(/#([\w.-]+)#/g)].at(-1)?.[1];
}

/** The pieces of the answer, as the model streams them; some cut a character in two, as models do. */
export function answerPieces(tag: string): string[] {
  const random = randomOf(tag);
  const asked = /^long(\d+)-/.exec(tag)?.[1];
  const count = asked === undefined ? random.between(minPieces, maxPieces) : Number(asked);
  const pieces = [`«${tag}»`];
  for (let index = 1; index < count; index++) {
    const word = index % 9 === 0 ? ` ${tag}:${index}` : (random.pick(words) ?? ' ');
    const half = word.search(/[\ud800-\udbff]/);
    if (half !== -1 && index + 1 < count && random.chance(0.2)) {
      pieces.push(word.slice(0, half + 1), word.slice(half + 1));
      index += 1;
    } else pieces.push(word);
  }
  return pieces;
}

export function answerText(tag: string): string {
  return answerPieces(tag).join('');
}

function randomOf(tag: string): Random {
  return new Random(0x5f3759df).fork(tag);
}
