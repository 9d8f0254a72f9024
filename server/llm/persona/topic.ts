/** Finds something in a message that can be spoken of. Owns the heuristics for both languages. */
const words = {
  ja: new Intl.Segmenter('ja', { granularity: 'word' }),
  en: new Intl.Segmenter('en', { granularity: 'word' }),
};

const dullJa = new Set(
  (
    '今日 昨日 明日 今 最近 私 僕 俺 自分 何 何か 誰 時 時間 事 物 人 方 中 前 後 上 下 一番 一つ 二人 気 気分 感じ 本当 日 年 月 週 今週 今朝 今夜 昨夜 先週 ' +
    '来週 今年 名前 話 友だち 大変 少し 一緒 思 言 行 見 来 出 会 食 聞 教 覚 好 嬉 楽 悲 寂 疲 眠 忙 不安 心配 元気 最高 最悪 全部 全然 結局 毎日 毎朝 毎晩 質問 意味 普通 絶対 多分 一人 友達 平気 初めて 何時 全員 英語 日本語 得意 苦手 趣味'
  ).split(' '),
);
const dullEn = new Set(
  (
    'a an the i me my mine we us our you your it its he she they them his her their this that these those and or but so because if then than as at by for ' +
    'from in into of off on onto out over to up with about after before again just really very too also not no yes ok okay well am is are was were be been ' +
    'being have has had do does did done will would can could should may might must shall there here what why when where who which how some any all both each ' +
    'more most much many few lot lots thing things something anything nothing everything someone anyone people today yesterday tomorrow tonight morning evening ' +
    'night week month year day days time times now later soon still got get gets getting go goes going went come came make made take took say said says tell ' +
    'told think thought know knew feel felt feeling feels want wanted wants like liked likes need needed needs see saw seen look looked let lets thank thanks ' +
    'hello hi hey good bad great nice sure maybe please im ive dont didnt cant wont isnt its youre thats whats finally actually kind sort bit little big new old ' +
    'happy sad tired glad angry worried nervous excited lonely busy anxious remember should every long same other another way back better worse best ' +
    'yours myself yourself ever never always often name called'
  ).split(' '),
);

/** Words that say nothing about what a text is about. */
export const isDull = (word: string): boolean => dullEn.has(word);

/** What stands behind these is something done or felt, no thing. */
const beforeVerbs = new Set(
  'i you he she we they it to can could should would will may might must do does did dont doesnt didnt lets am is are was were be been feel feels felt'.split(
    ' ',
  ),
);
/** What stands before these, behind a name, is what it does. */
const behindVerbs = new Set('me him her us them you'.split(' '));

export function topicOf(text: string, lang: 'en' | 'ja'): string | undefined {
  return lang === 'ja' ? topicJa(text) : topicEn(text);
}

/** Nouns are written in kanji or katakana; neighbours and のs between them make one name. The longest wins, earlier first. */
function topicJa(text: string): string | undefined {
  const candidates: string[] = [];
  let run = '';
  const finish = () => {
    const name = run.replace(/^の|の$/g, '');
    if (name.length >= 2 && name.length <= 14 && !dullJa.has(name)) candidates.push(name);
    run = '';
  };
  for (const { segment, isWordLike } of words.ja.segment(text)) {
    const isNoun = /^[\u4e00-\u9fff々\u30a0-\u30ffA-Za-z0-9]+$/.test(segment) && isWordLike === true;
    if (isNoun && !dullJa.has(segment)) run += segment;
    else if (segment === 'の' && run !== '') run += segment;
    else finish();
  }
  finish();
  return longest(candidates);
}

const determiners: Readonly<Record<string, string>> = {
  my: 'your ',
  our: 'your ',
  your: 'my ',
  the: 'the ',
  this: 'this ',
  that: 'that ',
  a: 'the ',
  an: 'the ',
};

/** What stands behind "my" or "the" is surely a thing; a longer word on its own probably is. */
function topicEn(text: string): string | undefined {
  const surely: string[] = [];
  const perhaps: string[] = [];
  let run: string[] = [];
  let determiner: string | undefined;
  let isVerbNext = false;
  const finish = () => {
    const phrase = run.slice(0, 3).join(' ');
    if (phrase !== '' && determiner !== undefined) surely.push(determiner + phrase);
    else if (phrase.length >= 5) perhaps.push(phrase);
    run = [];
    determiner = undefined;
  };
  for (const { segment, isWordLike } of words.en.segment(text)) {
    const word = segment.toLowerCase().replace(/['’]/g, '');
    if (isWordLike !== true) {
      if (segment.trim() === '') continue;
      finish();
      isVerbNext = false;
    } else if (word.length < 3 || dullEn.has(word) || /(ed|ing|ly)$/.test(word)) {
      if (behindVerbs.has(word) && run.length > 1) run.pop();
      finish();
      determiner = determiners[word];
      isVerbNext = beforeVerbs.has(word);
    } else if (isVerbNext) {
      isVerbNext = false;
    } else {
      run.push(segment);
    }
  }
  finish();
  return longest(surely) ?? longest(perhaps);
}

/** A quote has a limit of its own, within this. */
const longestTopic = 60;

function longest(candidates: readonly string[]): string | undefined {
  let best: string | undefined;
  for (const one of candidates) {
    // What is longer than this is no name but a wall of letters, and nobody says it again.
    if (one.length > longestTopic) continue;
    if (best === undefined || one.length > best.length) best = one;
  }
  return best;
}

/** One short clause of the message as the person wrote it; never a question, which wants an answer and not an echo. */
export function quoteOf(text: string, lang: 'en' | 'ja'): string | undefined {
  const limit = lang === 'ja' ? 22 : 60;
  const least = lang === 'ja' ? 5 : 8;
  const clauses = (text.match(lang === 'ja' ? /[^。！？!?\n、，,]+[？?]?/g : /[^.!?\n;]+\??/g) ?? [])
    .map((clause) => clause.trim())
    .filter((clause) => clause.length >= least && clause.length <= limit && !/[？?「」『』"“”]/.test(clause));
  return longest(clauses);
}
