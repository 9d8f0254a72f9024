/** How a text that still grows is shown and read out. Pure. */

/**
 * Where the part ends that will not change its shape any more: behind the last blank line outside of a code fence.
 * Everything before it can be drawn as Markdown once; only the rest is touched by further deltas.
 */
export function settledEnd(text: string): number {
  let fenceMark: string | undefined;
  let settled = 0;
  let lineStart = 0;
  for (;;) {
    const lineEnd = text.indexOf('\n', lineStart);
    if (lineEnd === -1) return settled;
    const line = text.slice(lineStart, lineEnd);
    const mark = /^ {0,3}(```|~~~)/.exec(line)?.[1];
    if (mark !== undefined) {
      if (fenceMark === undefined) fenceMark = mark;
      else if (fenceMark === mark) fenceMark = undefined;
    } else if (fenceMark === undefined && line.trim() === '') settled = lineEnd + 1;
    lineStart = lineEnd + 1;
  }
}

/** Where the last whole sentence behind `from` ends; `from` when there is none yet. */
export function sentenceEnd(text: string, from: number): number {
  let end = from;
  for (const match of text.slice(from).matchAll(/[。！？!?…]+[」』）"”)]*|\.(?=\s)|\n+/g))
    end = from + match.index + match[0].length;
  return end;
}

/** False only when drawing `text` as Markdown would give the text itself. */
export const mayHaveMarks = (text: string): boolean => /[*_`~[\n]|:\/\/|^ {0,3}(?:[-+#>・•]|\d+[.)])/.test(text);
