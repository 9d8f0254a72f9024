/**
 * The records of a checkpoint file: a signed note each, and an empty line behind it. Pure. What stands between whole records is
 * either the beginning of one, as a crash or a full disk leaves it, or it is damage, which somebody or something did afterwards.
 */

export type Records = {
  notes: string[];
  /** Beginnings of records. */
  cutOff: number;
  /** What is neither a record nor the beginning of one. */
  damaged: number;
};

const DASH = '\u2014';
/** 4 + 64 bytes are 92 letters of Base64: of the signature of a record that was cut off some are missing. */
const BEGUN_BASE64 = /^[A-Za-z0-9+/]{0,91}$/;
/** Origin, size, root. */
const BEGUN_TEXT = /^[^ \n]{1,512}(?:\n(?:\d{1,16}(?:\n(?:[A-Za-z0-9+/]{1,43}=?)?)?)?)?$/;

type Kind = 'text' | 'signatures' | 'begun signatures' | 'damage';

export function parseRecords(content: string): Records {
  const blocks = content.split('\n\n');
  // Without the empty line behind it the last record may lack a part.
  const rest = trim(blocks.pop() ?? '').replace(/\n$/, '');
  const found: Records = { notes: [], cutOff: 0, damaged: 0 };
  /** Of a record whose signatures are still to come. */
  let text: string | undefined;
  for (const block of blocks.map(trim)) {
    if (block === '') continue;
    const kind = kindOf(block, text);
    if (kind === 'signatures') found.notes.push(`${text}\n\n${block}\n`);
    else if (text !== undefined) found.cutOff += 1;
    if (kind === 'damage') found.damaged += 1;
    text = kind === 'text' ? block : undefined;
  }
  const kind = rest === '' ? undefined : kindOf(rest, text);
  if (text !== undefined) found.cutOff += 1;
  if (kind === 'text') found.cutOff += 1;
  if (kind === 'damage') found.damaged += 1;
  return found;
}

/** Behind a record that was cut off at the end of a line there may be a line break more; a file system may have filled up with NUL. */
const trim = (block: string): string => block.replace(/^\n/, '').replace(/\0+$/, '');

/** @param text what stands before it and waits for its signatures. */
function kindOf(block: string, text: string | undefined): Kind {
  if (text !== undefined) {
    const lines = block.split('\n');
    const last = lines.pop() ?? '';
    const areSigned = lines.every((line) => line.startsWith(`${DASH} `));
    if (areSigned && isBegunSignature(last, text.split('\n')[0] ?? '')) return 'begun signatures';
    if (areSigned && last.startsWith(`${DASH} `)) return 'signatures';
  }
  return BEGUN_TEXT.test(block) ? 'text' : 'damage';
}

function isBegunSignature(line: string, origin: string): boolean {
  const whole = `${DASH} ${origin} `;
  // Of the dash itself there may be a part of its bytes.
  if (/^\ufffd{1,2}$/.test(line) || whole.startsWith(line)) return true;
  return line.startsWith(whole) && BEGUN_BASE64.test(line.slice(whole.length));
}
