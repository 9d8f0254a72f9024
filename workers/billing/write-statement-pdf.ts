/**
 * Task `billing/write-statement-pdf`: a statement to print, A4, in Japanese or English. The fonts come with the task, and only the
 * characters that are used go into the file. The same statement gives the same bytes.
 */
import { localTime, percent, type Statement, type StatementLine, shownAmount, wordsOf } from './statement.ts';

export type PdfInput = {
  statement: Statement;
  /** The first ones; `statement.lineCount` says how many there are. */
  lines: readonly StatementLine[];
  /** TrueType. */
  fonts: { regular: Uint8Array; bold: Uint8Array };
};
type Doc = PDFKit.PDFDocument;
type Column = { title: string; width: number; right?: boolean; of(line: StatementLine): string };

const MARGIN = 48;
const PAGE = { width: 595.28, height: 841.89 };
const WIDTH = PAGE.width - 2 * MARGIN;
const BOTTOM = PAGE.height - MARGIN - 18;
const ROW = 15;
const ink = { text: '#1c1b22', soft: '#6b6878', line: '#d9d6e0', band: '#f4f2f8' };

export async function writeStatementPdf(input: PdfInput): Promise<Uint8Array> {
  // Only the thread that is asked for one loads it.
  const { default: PDFDocument } = await import('pdfkit');
  const { statement, fonts } = input;
  const doc = new PDFDocument({
    size: 'A4',
    margin: MARGIN,
    bufferPages: true,
    lang: statement.lang,
    info: {
      Title: `${wordsOf(statement.lang).title} ${statement.month}`,
      Creator: 'Tsumugi',
      Producer: 'Tsumugi',
      CreationDate: new Date(statement.createdAtMs),
      ModDate: new Date(statement.createdAtMs),
    },
  });
  const bytes = collect(doc);
  doc.registerFont('regular', Buffer.from(fonts.regular));
  doc.registerFont('bold', Buffer.from(fonts.bold));
  drawHead(doc, statement);
  drawSummary(doc, statement);
  drawLines(doc, input);
  drawFeet(doc, statement);
  doc.end();
  return bytes;
}

function collect(doc: Doc): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  return new Promise((resolve, reject) => {
    doc.on('data', (chunk: Buffer) => chunks.push(chunk));
    doc.on('end', () => resolve(new Uint8Array(Buffer.concat(chunks))));
    doc.on('error', reject);
  });
}

function drawHead(doc: Doc, statement: Statement): void {
  const words = wordsOf(statement.lang);
  const { startMs, endMs, timeZone } = statement;
  doc.font('bold').fontSize(20).fillColor(ink.text).text(words.title, MARGIN, MARGIN);
  doc.moveDown(0.25);
  doc.font('regular').fontSize(10).fillColor(ink.soft).text(`Tsumugi 紡ぎ ・ ${statement.month}`);
  doc.moveDown(1);
  const facts: [string, string][] = [
    [words.creator, shown(doc, statement.creatorName || statement.creatorId)],
    // The end is the first instant that is no longer in it.
    [words.period, `${localTime(startMs, timeZone)} – ${localTime(endMs - 1, timeZone)} (${timeZone})`],
    [words.statement, statement.payoutId],
    [words.state, words.states[statement.status as keyof typeof words.states] ?? statement.status],
    ...(statement.paidAtMs === null
      ? []
      : [[words.paidAt, localTime(statement.paidAtMs, timeZone)] satisfies [string, string]]),
  ];
  for (const [label, text] of facts) {
    const y = doc.y;
    doc.font('regular').fontSize(9).fillColor(ink.soft).text(label, MARGIN, y, { width: 110 });
    // A name may be longer than a line: the next fact begins as far below it as below a short one.
    doc.fillColor(ink.text).text(text, MARGIN + 115, y, { width: WIDTH - 115, lineGap: 3 });
    doc.y = Math.max(doc.y + 3, y + ROW);
  }
  doc.moveDown(1);
}

function drawSummary(doc: Doc, { lang, sums, currency }: Statement): void {
  const words = wordsOf(lang);
  title(doc, words.summary);
  const rows: [string, number, boolean?][] = [
    [words.gross, sums.grossMinor],
    [words.refunds, sums.refundsMinor],
    [words.platform, -sums.platformMinor],
    [words.opening, sums.openingMinor],
    [words.share, sums.shareMinor],
    [words.clawback, sums.clawbackMinor],
    [words.returned, sums.returnedMinor],
    [words.fee, -sums.feeMinor],
    [words.closing, -sums.closingMinor],
    [words.amount, sums.amountMinor, true],
  ];
  for (const [place, [label, minor, isTotal = false]] of rows.entries()) {
    const y = doc.y;
    if (place === 3 || isTotal) rule(doc, y - 2);
    doc.font(isTotal ? 'bold' : 'regular').fontSize(isTotal ? 12 : 9.5);
    doc.fillColor(place < 3 ? ink.soft : ink.text).text(label, MARGIN, y + 1, { width: WIDTH - 170, lineBreak: false });
    const amount = `${shownAmount(minor + 0, currency)} ${currency}`;
    doc.text(amount, MARGIN + WIDTH - 170, y + 1, { width: 170, align: 'right', lineBreak: false });
    doc.y = y + (isTotal ? 22 : ROW);
  }
  doc.moveDown(1);
}

function drawLines(doc: Doc, { statement, lines }: PdfInput): void {
  const words = wordsOf(statement.lang);
  if (lines.length === 0) return;
  const columns = columnsOf(doc, statement);
  if (doc.y + 4 * ROW > BOTTOM) doc.addPage();
  title(doc, words.lines);
  drawRow(doc, columns, (column) => column.title, 'bold');
  for (const [place, line] of lines.entries()) {
    if (doc.y + ROW > BOTTOM) {
      doc.addPage();
      drawRow(doc, columns, (column) => column.title, 'bold');
    }
    if (place % 2 === 1) doc.rect(MARGIN, doc.y, WIDTH, ROW).fill(ink.band);
    drawRow(doc, columns, (column) => column.of(line), 'regular');
  }
  if (lines.length >= statement.lineCount) return;
  if (doc.y + 2 * ROW > BOTTOM) doc.addPage();
  const text = `${words.more} ${statement.lineCount - lines.length}`;
  doc
    .font('regular')
    .fontSize(8.5)
    .fillColor(ink.soft)
    .text(text, MARGIN, doc.y + 6);
}

function columnsOf(doc: Doc, { lang, timeZone, currency }: Statement): Column[] {
  const words = wordsOf(lang);
  return [
    { title: words.date, width: 92, of: ({ atMs }) => localTime(atMs, timeZone) },
    { title: words.kind, width: 88, of: ({ kind }) => words.kinds[kind] },
    { title: words.product, width: 133, of: (line) => shown(doc, productOf(line, words.tokens)) },
    {
      title: words.sharePercent,
      width: 50,
      right: true,
      of: (line) => (line.kind === 'payout_returned' ? '' : percent(line.shareBps)),
    },
    {
      title: lang === 'ja' ? '総額' : 'Gross',
      width: 68,
      right: true,
      of: ({ grossMinor }) => shownAmount(grossMinor, currency),
    },
    { title: words.yours, width: 68, right: true, of: ({ creatorMinor }) => shownAmount(creatorMinor, currency) },
  ];
}

/** What was sold; of the purchase the end of its number, enough to find it by. */
function productOf({ productType, productId, purchaseId, tokenAmount }: StatementLine, word: string): string {
  if (tokenAmount !== null) return `${plainCount(tokenAmount)} ${word}`;
  const product = [productType, productId].filter((part) => part !== null).join(' ');
  return product || (purchaseId === null ? '' : `…${purchaseId.slice(-12)}`);
}

const plainCount = (count: number): string => new Intl.NumberFormat('en').format(count);

function drawRow(
  doc: Doc,
  columns: readonly Column[],
  textOf: (column: Column) => string,
  font: 'regular' | 'bold',
): void {
  const y = doc.y;
  let x = MARGIN;
  doc.font(font).fontSize(8).fillColor(ink.text);
  for (const column of columns) {
    const text = narrow(doc, textOf(column), column.width - 6);
    doc.text(text, x + 3, y + 4, { width: column.width - 6, align: column.right ? 'right' : 'left', lineBreak: false });
    x += column.width;
  }
  doc.y = y + ROW;
  if (font === 'bold') rule(doc, doc.y - 1);
}

function title(doc: Doc, text: string): void {
  doc.font('bold').fontSize(11).fillColor(ink.text).text(text, MARGIN, doc.y);
  doc.moveDown(0.4);
}

function rule(doc: Doc, y: number): void {
  doc
    .moveTo(MARGIN, y)
    .lineTo(MARGIN + WIDTH, y)
    .lineWidth(0.6)
    .strokeColor(ink.line)
    .stroke();
}

function drawFeet(doc: Doc, { lang, payoutId }: Statement): void {
  const { start, count } = doc.bufferedPageRange();
  for (let page = 0; page < count; page++) {
    doc.switchToPage(start + page);
    // Below the margin, where text would otherwise begin a page of its own.
    doc.page.margins.bottom = 0;
    const text = `${payoutId}　 ${wordsOf(lang).page} ${page + 1} / ${count}`;
    doc.font('regular').fontSize(8).fillColor(ink.soft);
    doc.text(text, MARGIN, PAGE.height - MARGIN, { width: WIDTH, align: 'right', lineBreak: false });
  }
}

/** Cut to a width, so that it stays in its column. */
function narrow(doc: Doc, text: string, width: number): string {
  if (doc.widthOfString(text) <= width) return text;
  let cut = [...text];
  while (cut.length > 0 && doc.widthOfString(`${cut.join('')}…`) > width) cut = cut.slice(0, -1);
  return `${cut.join('')}…`;
}

/** What the font cannot show is shown as 〓, the mark of Japanese print for it; controls and directions are left out. */
function shown(doc: Doc, text: string): string {
  const { font } = (doc as unknown as { _font: { font: { hasGlyphForCodePoint(point: number): boolean } } })._font;
  const plain = text.replaceAll(/[\p{Cc}\p{Cf}\p{Variation_Selector}]/gu, '');
  return [...plain].map((sign) => (font.hasGlyphForCodePoint(sign.codePointAt(0) ?? 0) ? sign : '〓')).join('');
}
