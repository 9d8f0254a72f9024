/**
 * The little Markdown that answers use: paragraphs, headings, lists, quotes, code, bold, italics, links. Parses to data;
 * refuses raw HTML (it stays text) and any link that is not http(s) or mailto.
 */
export type Inline =
  | { kind: 'text'; text: string }
  | { kind: 'code'; text: string }
  | { kind: 'strong' | 'em' | 'del'; children: Inline[] }
  | { kind: 'link'; href: string; children: Inline[] }
  | { kind: 'break' };

export type Block =
  | { kind: 'paragraph' | 'quote'; children: Inline[] }
  | { kind: 'heading'; level: number; children: Inline[] }
  | { kind: 'list'; ordered: boolean; start: number; items: Inline[][] }
  | { kind: 'code'; lang: string; text: string }
  | { kind: 'rule' };

const fence = /^ {0,3}(`{3,}|~{3,})\s*([\w+#.-]*)/;
const bullet = /^ {0,3}[-*+・•]\s+(.*)$/;
const numbered = /^ {0,3}(\d{1,9})[.)]\s+(.*)$/;
const heading = /^ {0,3}(#{1,6})\s+(.*?)\s*#*$/;
const quote = /^ {0,3}>\s?(.*)$/;
const rule = /^ {0,3}([-*_])(?:\s*\1){2,}\s*$/;

export function parseMarkdown(text: string): Block[] {
  const lines = text.replace(/\r\n?/g, '\n').split('\n');
  const blocks: Block[] = [];
  let at = 0;
  while (at < lines.length) {
    const line = lines[at] ?? '';
    if (line.trim() === '') at++;
    else at = readBlock(lines, at, blocks);
  }
  return blocks;
}

/** Adds the block that begins at `at`. @returns the line behind it */
function readBlock(lines: readonly string[], at: number, blocks: Block[]): number {
  const line = lines[at] ?? '';
  const opened = fence.exec(line);
  if (opened !== null) return readCode(lines, at, opened[1] ?? '```', opened[2] ?? '', blocks);
  if (rule.test(line)) {
    blocks.push({ kind: 'rule' });
    return at + 1;
  }
  const head = heading.exec(line);
  if (head !== null) {
    blocks.push({ kind: 'heading', level: (head[1] ?? '#').length, children: parseInline(head[2] ?? '') });
    return at + 1;
  }
  if (quote.test(line)) {
    const end = endOfRun(lines, at, (each) => quote.test(each));
    const inner = lines.slice(at, end).map((each) => quote.exec(each)?.[1] ?? '');
    blocks.push({ kind: 'quote', children: parseInline(inner.join('\n')) });
    return end;
  }
  if (bullet.test(line)) return readList(lines, at, bullet, blocks);
  if (numbered.test(line)) return readList(lines, at, numbered, blocks);
  const end = endOfRun(lines, at, (each) => each.trim() !== '' && !startsBlock(each));
  const last = Math.max(end, at + 1);
  blocks.push({ kind: 'paragraph', children: parseInline(lines.slice(at, last).join('\n')) });
  return last;
}

const startsBlock = (line: string): boolean =>
  [fence, rule, heading, quote, bullet, numbered].some((each) => each.test(line));

function endOfRun(lines: readonly string[], from: number, belongs: (line: string) => boolean): number {
  let end = from;
  while (end < lines.length && belongs(lines[end] ?? '')) end++;
  return end;
}

function readCode(lines: readonly string[], at: number, mark: string, lang: string, blocks: Block[]): number {
  const closing = new RegExp(`^ {0,3}${mark[0] === '~' ? '~' : '`'}{${mark.length},}\\s*$`);
  let end = at + 1;
  while (end < lines.length && !closing.test(lines[end] ?? '')) end++;
  blocks.push({ kind: 'code', lang, text: lines.slice(at + 1, end).join('\n') });
  return end + 1;
}

function readList(lines: readonly string[], at: number, item: RegExp, blocks: Block[]): number {
  const ordered = item === numbered;
  const items: string[] = [];
  let end = at;
  for (; end < lines.length; end++) {
    const line = lines[end] ?? '';
    const found = item.exec(line);
    if (found !== null) items.push((ordered ? found[2] : found[1]) ?? '');
    else if (line.trim() !== '' && /^\s{2,}/.test(line) && items.length > 0)
      items.push(`${items.pop() ?? ''}\n${line.trim()}`);
    else break;
  }
  const start = ordered ? Number(numbered.exec(lines[at] ?? '')?.[1] ?? 1) : 1;
  blocks.push({ kind: 'list', ordered, start, items: items.map((each) => parseInline(each)) });
  return end;
}

/** Code first: nothing inside it means anything. Emphasis needs a letter on its inside, so that `2 * 3 * 4` stays. Every length is
 * bounded, so that hostile text costs time in proportion to its length. */
const inlines =
  /(`+)([^`]|[^`][\s\S]*?[^`])\1(?!`)|\*\*(?=\S)([\s\S]{0,2000}?\S)\*\*|__(?=\S)([\s\S]{0,2000}?\S)__(?!\w)|~~(?=\S)([\s\S]{0,2000}?\S)~~|\*(?=[^\s*])([^*]{0,600}?[^\s*])\*(?!\*)|(?<!\w)_(?=[^\s_])([^_]{0,600}?[^\s_])_(?!\w)|\[([^[\]\n]{1,300})\]\(([^)\s]{1,2000})\)|(https?:\/\/[^\s<>"'`、。）」』】]+)|(?: {2,}|\\)?\n/g;

export function parseInline(text: string, depth = 0): Inline[] {
  // Deeper than any answer means: left as text, so that hostile nesting costs nothing.
  if (depth > 6) return [{ kind: 'text', text }];
  const found: Inline[] = [];
  let from = 0;
  const within = (inner: string): Inline[] => parseInline(inner, depth + 1);
  for (const match of text.matchAll(inlines)) {
    if (match.index > from) found.push({ kind: 'text', text: text.slice(from, match.index) });
    found.push(readInline(match, within));
    from = match.index + match[0].length;
  }
  if (from < text.length) found.push({ kind: 'text', text: text.slice(from) });
  return found;
}

function readInline(match: RegExpMatchArray, within: (inner: string) => Inline[]): Inline {
  const [whole, , code, bold, bold2, gone, italics, italics2, label, target, bare] = match;
  if (code !== undefined) return { kind: 'code', text: code.trim() === '' ? code : code.replace(/^ (.*) $/s, '$1') };
  const strong = bold ?? bold2;
  if (strong !== undefined) return { kind: 'strong', children: within(strong) };
  if (gone !== undefined) return { kind: 'del', children: within(gone) };
  const em = italics ?? italics2;
  if (em !== undefined) return { kind: 'em', children: within(em) };
  if (label !== undefined && target !== undefined) {
    const href = safeHref(target);
    return href === undefined
      ? { kind: 'text', text: whole }
      : { kind: 'link', href, children: [{ kind: 'text', text: label }] };
  }
  if (bare !== undefined) {
    const href = safeHref(bare);
    return href === undefined
      ? { kind: 'text', text: bare }
      : { kind: 'link', href, children: [{ kind: 'text', text: bare }] };
  }
  return { kind: 'break' };
}

/** @returns undefined for anything but http, https and mailto */
export function safeHref(target: string): string | undefined {
  if (!URL.canParse(target)) return undefined;
  const url = new URL(target);
  return ['http:', 'https:', 'mailto:'].includes(url.protocol) ? url.href : undefined;
}
