/** Names and titles by people inside a text of the page: none of them may turn the words around it. */

/** Letters of scripts that run from right to left, and every character that only steers direction. */
const turning =
  /[\p{Script=Hebrew}\p{Script=Arabic}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/u;
const steering = /[\u202a-\u202e\u2066-\u2069]/g;

/** Between first-strong isolates where it needs them; what could close them is taken out. Any other text stays as it is. */
export const isolate = (text: string): string =>
  turning.test(text) ? `\u2068${text.replace(steering, '')}\u2069` : text;
