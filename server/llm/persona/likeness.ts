/** How much two short texts speak of the same: by words in English, by kanji and katakana in Japanese. Coarse, and only for ordering. */
import { isDull } from './topic.ts';

export function likeness(one: string, other: string): number {
  const known = featuresOf(other);
  let shared = 0;
  for (const feature of featuresOf(one)) if (known.has(feature)) shared += 1;
  return shared;
}

function featuresOf(text: string): Set<string> {
  const features = new Set<string>();
  for (const [word] of text.toLowerCase().matchAll(/[a-z]{3,}/g))
    if (!isDull(word)) features.add(word.replace(/(ing|ed|es|s|e)$/, ''));
  for (const [kanji] of text.matchAll(/\p{Script=Han}/gu)) if (!dullKanji.has(kanji)) features.add(kanji);
  for (const [word] of text.matchAll(/[\u30a1-\u30f6ー]{2,}/g)) features.add(word);
  return features;
}

const dullKanji = new Set('私僕俺自分何今日明昨時間事物人方中前後上下一二三気思言行見来出会食聞話覚名年月週大小少');
