/** How texts are made alike before they are compared: width, case, kana, and what kind of letter stands where. */

export type Kind = 'word' | 'kanji' | 'hiragana' | 'katakana' | 'other';
/** A stretch of letters of one script; `text` is folded. A Japanese run keeps the kind of each letter. */
export type Run = { script: 'word'; text: string } | { script: 'japanese'; letters: readonly Letter[] };
export type Letter = { text: string; kind: 'kanji' | 'hiragana' | 'katakana' };

const KATAKANA_FIRST = 0x30a1;
const KATAKANA_LAST = 0x30f6;
const KATAKANA_TO_HIRAGANA = 0x60;

/** Compatibility forms resolved (ｶﾞ → ガ, Ａ → A), lower case. Kana stay as they are, since their kind matters later. */
export function normaliseText(text: string): string {
  return text.normalize('NFKC').toLowerCase();
}

/** Splits normalised text into runs; signs, spaces and emoji separate them. */
export function runsOf(text: string): Run[] {
  const runs: Run[] = [];
  let word = '';
  let letters: Letter[] = [];
  const flush = () => {
    if (word !== '') runs.push({ script: 'word', text: word });
    if (letters.length > 0) runs.push({ script: 'japanese', letters });
    word = '';
    letters = [];
  };
  for (const char of normaliseText(text)) {
    const kind = kindOf(char);
    if (kind === 'word') {
      if (letters.length > 0) flush();
      word += char;
    } else if (kind === 'other') {
      // An apostrophe inside a word disappears: don't → dont.
      if (word === '' || (char !== "'" && char !== '’')) flush();
    } else {
      if (word !== '') flush();
      letters.push({ text: foldKana(char), kind });
    }
  }
  flush();
  return runs;
}

function kindOf(char: string): Kind {
  const code = char.codePointAt(0) ?? 0;
  if (code < 0x80) return (code >= 0x61 && code <= 0x7a) || (code >= 0x30 && code <= 0x39) ? 'word' : 'other';
  if (code >= 0x3041 && code <= 0x309f) return 'hiragana';
  if ((code >= 0x30a1 && code <= 0x30fa) || (code >= 0x30fc && code <= 0x30ff)) return 'katakana';
  if (code === 0x3005 || /\p{Script=Han}/u.test(char)) return 'kanji';
  return /[\p{L}\p{N}\p{M}]/u.test(char) ? 'word' : 'other';
}

function foldKana(char: string): string {
  const code = char.charCodeAt(0);
  if (code < KATAKANA_FIRST || code > KATAKANA_LAST) return char;
  return String.fromCharCode(code - KATAKANA_TO_HIRAGANA);
}

const ENDINGS = ['ingly', 'edly', 'ing', 'ies', 'ied', 'ed', 'es', 'ly', 's'] as const;

/** A light stem: walks, walked and walking meet; short words stay whole. Not a linguist's stem, only a stable one. */
export function stemOf(word: string): string {
  for (const ending of ENDINGS) {
    if (!word.endsWith(ending) || word.length - ending.length < 3 || word.endsWith('ss')) continue;
    const stem = word.slice(0, -ending.length);
    if (ending === 'ies' || ending === 'ied') return `${stem}y`;
    if (ending === 's' || ending === 'ly') return stem.replace(/e$/, '');
    // running → run, but calling → call.
    return stem.replace(/([bdgmnprt])\1$/, '$1').replace(/e$/, '');
  }
  return word.length > 3 ? word.replace(/e$/, '') : word;
}
