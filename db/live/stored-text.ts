/**
 * Any JavaScript string as one that a store keeps exactly. PostgreSQL's text holds no U+0000, and UTF-8 no lone half of a
 * surrogate pair, which the cut between two pieces of a stream leaves. Such strings, and those that begin with the mark,
 * become the mark and their JSON; all others stay as they are.
 */
const mark = '\u0001';

export function toStored(text: string): string {
  if (text.isWellFormed() && !text.includes('\0') && !text.startsWith(mark)) return text;
  return mark + JSON.stringify(text);
}

export function fromStored(stored: string): string {
  return stored.startsWith(mark) ? (JSON.parse(stored.slice(1)) as string) : stored;
}
