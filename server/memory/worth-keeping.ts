/** What of a text is remembered: long ones in pieces that fit into a prompt, small talk not at all. Pure. */
import { runsOf } from '../../workers/memory/fold-text.ts';

/** UTF-16 units of a piece. */
const MAX_PIECE = 400;
/** A message has at most this many pieces; what comes behind is not remembered. */
const MAX_PIECES = 25;
/** Weight of content below which a text says nothing: a kanji weighs two letters. */
const MIN_CONTENT = 5;

/** Said often, worth nothing later. Folded as `runsOf` folds: lower case, hiragana. */
const SMALL_TALK = new Set(
  `ok okay yes yeah yep no nope sure thanks thank you please hi hello hey bye goodbye good morning evening night great nice cool wow lol
  haha hmm oh ah right really maybe sorry see later i understand got it go on continue tell me more and then what why how so well
  はい うん ううん いいえ ええ そう そうです そうですね そうだね そっか なるほど ありがとう ありがとうございます どうも おはよう おはようございます
  こんにちは こんばんは おやすみ おやすみなさい さようなら またね ごめん ごめんなさい すみません お願いします お願い 了解 了解です わかった
  わかりました 分かった 分かりました おっけい おけ すごい いいね いいですね へえ ふうん あはは 本当 ほんと まじ たしかに 確かに 続けて もっと それで`.split(
    /\s+/,
  ),
);

/** Why a text is not remembered; undefined when it is. */
export function findSkipReason(text: string): 'trivial' | undefined {
  const runs = runsOf(text).map((run) =>
    run.script === 'word' ? run : { script: run.script, text: run.letters.map((letter) => letter.text).join('') },
  );
  if (runs.every((run) => SMALL_TALK.has(run.text))) return 'trivial';
  let content = 0;
  for (const { script, text: part } of runs) {
    for (const letter of part) content += script === 'japanese' && /\p{Script=Han}/u.test(letter) ? 2 : 1;
  }
  return content < MIN_CONTENT ? 'trivial' : undefined;
}

/** The text in pieces of whole sentences where that is possible. White space is tidied; nothing else changes. */
export function piecesOf(text: string): string[] {
  const pieces: string[] = [];
  let piece = '';
  const flush = () => {
    if (piece.trim() !== '') pieces.push(piece.trim());
    piece = '';
  };
  for (const sentence of sentencesOf(text)) {
    if (piece.length + sentence.length > MAX_PIECE) flush();
    piece += sentence;
  }
  flush();
  return pieces.slice(0, MAX_PIECES);
}

/** Sentences with their ends, none longer than a piece. */
function* sentencesOf(text: string): Generator<string> {
  // PostgreSQL keeps neither U+0000 nor halves of surrogate pairs.
  const clean = text.toWellFormed().replaceAll('\0', '').replace(/\s+/gu, ' ').trim();
  for (const [sentence] of clean.matchAll(/[^。．！？.!?]*[。．！？.!?]*\s?/gu)) {
    let rest = sentence;
    while (rest.length > MAX_PIECE) {
      const space = rest.lastIndexOf(' ', MAX_PIECE);
      let cut = space > MAX_PIECE / 2 ? space : MAX_PIECE;
      if (/[\ud800-\udbff]/.test(rest.charAt(cut - 1))) cut -= 1;
      yield rest.slice(0, cut);
      rest = rest.slice(cut);
    }
    yield rest;
  }
}
