/**
 * Task `billing/write-statement-csv`: RFC 4180 with a byte order mark, so that spreadsheets read Japanese. One table: the column of the
 * creator's amounts, the rows of the balance included, adds up to what is paid. Text that a spreadsheet would run is made text again.
 */
import { localTime, percent, plainAmount, type Statement, type StatementLine, wordsOf } from './statement.ts';

export type CsvPart = {
  statement: Statement;
  /** A piece of the lines, in order. */
  lines: readonly StatementLine[];
  isFirst: boolean;
  isLast: boolean;
};

const BOM = '\ufeff';
const EOL = '\r\n';

export function writeStatementCsv({ statement, lines, isFirst, isLast }: CsvPart): string {
  const words = wordsOf(statement.lang);
  const rows = [
    ...(isFirst ? [headOf(statement), balanceRow(statement, words.opening, statement.sums.openingMinor)] : []),
    ...lines.map((line) => lineRow(statement, line)),
    ...(isLast
      ? [
          balanceRow(statement, words.fee, -statement.sums.feeMinor),
          balanceRow(statement, words.closing, -statement.sums.closingMinor),
          balanceRow(statement, words.amount, statement.sums.amountMinor),
        ]
      : []),
  ];
  return (isFirst ? BOM : '') + rows.map((row) => row.join(',') + EOL).join('');
}

function headOf({ lang }: Statement): string[] {
  const { date, kind, purchase, product, tokens, currency, gross, sharePercent, yours, platform } = wordsOf(lang);
  return [date, kind, purchase, product, tokens, currency, gross, sharePercent, yours, platform].map(cell);
}

function lineRow({ lang, timeZone, currency }: Statement, line: StatementLine): string[] {
  const product = [line.productType, line.productId].filter((part) => part !== null).join(' ');
  const isShared = line.kind !== 'payout_returned';
  return [
    localTime(line.atMs, timeZone),
    cell(wordsOf(lang).kinds[line.kind]),
    cell(line.purchaseId ?? ''),
    cell(product),
    line.tokenAmount === null ? '' : String(line.tokenAmount),
    currency,
    plainAmount(line.grossMinor, currency),
    isShared ? percent(line.shareBps) : '',
    plainAmount(line.creatorMinor, currency),
    plainAmount(line.platformMinor, currency),
  ];
}

function balanceRow({ currency }: Statement, label: string, minor: number): string[] {
  // -0 would be shown with its sign.
  return ['', cell(label), '', '', '', currency, '', '', plainAmount(minor + 0, currency), ''];
}

/** A text cell: quoted where it must be, and never begun with what spreadsheets take for a formula. */
export function cell(text: string): string {
  const guarded = /^[\s]*[=+\-@\t\r\n＝＋－＠]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(guarded) ? `"${guarded.replaceAll('"', '""')}"` : guarded;
}
