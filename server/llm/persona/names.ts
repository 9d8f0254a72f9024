/** Names in a dialogue: what the avatar is called by, and what the person wants to be called. Reads; never guesses from nothing. */

const japanese = [
  /(?:私|わたし|僕|ぼく|俺)の名前は([^\s、。！!「」]{1,10}?)(?:です|だよ|といいます|って)/,
  /はじめまして[、。！!\s]*(?:私は|わたしは|僕は|ぼくは)?([^\s、。！!「」はがを]{1,10}?)(?:です|だよ|といいます|と申します)/,
  /(?:^|[、。！!\s])(?:私は|わたしは|僕は|ぼくは)?([^\s、。！!「」はがを]{1,10}?)(?:といいます|と申します|って呼んで)/,
];
const english = [
  /\b(?:my name is|my name['’]s|call me) (\p{Lu}[\p{L}'’-]{0,19})/iu,
  /(?:^|[,.!] ?)(?:hi|hello|hey)?[,.! ]*(?:i am|i['’]m|this is) (\p{L}[\p{L}'’-]{0,19})(?=[,.! ]|$)/iu,
];

/** How the person introduces themselves in this very text. */
export function introducedAs(text: string, lang: 'en' | 'ja'): string | undefined {
  for (const pattern of lang === 'ja' ? japanese : english) {
    const name = pattern.exec(text)?.[1];
    // "I am tired" is no introduction.
    if (name !== undefined && (lang === 'ja' || /^\p{Lu}/u.test(name))) return name;
  }
  return undefined;
}

/** The text without the avatar's name in front, with which people call to it. */
export function withoutCall(text: string, name: string | undefined): string {
  if (name === undefined || !text.startsWith(name)) return text;
  const rest = text.slice(name.length).replace(/^(ちゃん|さん|くん|君|様)?[、,!！。\s]+/u, '');
  return rest === '' || rest.length === text.length - name.length ? text : rest;
}
