/** How much text a trace carries: a prompt may be as large as the model's context, a frame may not. */
import type { TracePart } from '../../protocol/chat.ts';
import { PAGE_CHARACTERS } from '../../protocol/primitives.ts';

/** Of all parts together; even escaped in JSON they fit into what may wait for one client. */
const TRACE_CHARACTERS = 2 * PAGE_CHARACTERS;
/** What is shown of a part behind that. */
const BEGINNING = 100;

/** Whole texts while there is room, first those that are no turns, then the newest turns; of the others their beginning. */
export function withinTrace(parts: readonly TracePart[]): TracePart[] {
  let room = TRACE_CHARACTERS;
  const cut = new Map<TracePart, TracePart>();
  for (const part of [...parts.filter(isSetting), ...parts.filter((each) => !isSetting(each)).reverse()]) {
    if (part.text.length <= Math.max(room, BEGINNING)) room -= part.text.length;
    else cut.set(part, { ...part, text: beginningOf(part.text) });
  }
  return parts.map((part) => cut.get(part) ?? part);
}

const isSetting = ({ part }: TracePart): boolean => part !== 'turn';

/** Never half a character. */
function beginningOf(text: string): string {
  const beginning = text.slice(0, BEGINNING);
  return beginning.isWellFormed() ? beginning : text.slice(0, BEGINNING - 1);
}
