/** Statements as spreadsheets and printers get them. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { minorDigits } from '../../protocol/currency.ts';
import { localTime, plainAmount, type Statement, type StatementLine, shownAmount } from './statement.ts';
import { cell, writeStatementCsv } from './write-statement-csv.ts';
import { writeStatementPdf } from './write-statement-pdf.ts';

const statement: Statement = {
  lang: 'ja',
  payoutId: '01920000-0000-7000-8000-000000000001',
  creatorId: '01920000-0000-7000-8000-000000000002',
  creatorName: '髙橋 紬 🙂 한',
  month: '2026-10',
  startMs: Date.parse('2026-09-30T15:00:00Z'),
  endMs: Date.parse('2026-10-31T15:00:00Z'),
  timeZone: 'Asia/Tokyo',
  currency: 'JPY',
  status: 'paid',
  lineCount: 3,
  createdAtMs: Date.parse('2026-11-05T00:00:00Z'),
  paidAtMs: Date.parse('2026-11-06T03:00:00Z'),
  sums: {
    openingMinor: 300,
    grossMinor: 1_234_567,
    refundsMinor: -1000,
    platformMinor: 370_071,
    shareMinor: 864_196,
    clawbackMinor: -700,
    returnedMinor: 0,
    feeMinor: 250,
    amountMinor: 863_546,
    closingMinor: 0,
  },
};
const line = (change: Partial<StatementLine> = {}): StatementLine => ({
  atMs: Date.parse('2026-10-03T15:30:00Z'),
  kind: 'sale',
  purchaseId: '01920000-0000-7000-8000-0000000000aa',
  productType: 'pack',
  productId: 'gin-no-mori',
  tokenAmount: null,
  grossMinor: 1000,
  shareBps: 7000,
  creatorMinor: 700,
  platformMinor: 300,
  ...change,
});
const fontAt = (path: string) =>
  new Uint8Array(readFileSync(createRequire(import.meta.url).resolve(`@expo-google-fonts/biz-udgothic/${path}`)));
const fonts = () => ({
  regular: fontAt('400Regular/BIZUDGothic_400Regular.ttf'),
  bold: fontAt('700Bold/BIZUDGothic_700Bold.ttf'),
});

describe('CSV', () => {
  test('has a mark for spreadsheets, one table, and adds up to what is paid', () => {
    const lines = [
      line({ grossMinor: 1_234_567, creatorMinor: 864_196, platformMinor: 370_371 }),
      line({ kind: 'refund', grossMinor: -1000, creatorMinor: -700, platformMinor: -300 }),
    ];
    const text = writeStatementCsv({ statement, lines, isFirst: true, isLast: true });
    expect(text.split('\r\n')).toEqual([
      '\ufeff日時,区分,購入番号,商品,トークン,通貨,売上・換算の総額,分配率 %,受取分,プラットフォームの取り分',
      ',前月からの繰越,,,,JPY,,,300,',
      '2026-10-04 00:30,売上,01920000-0000-7000-8000-0000000000aa,pack gin-no-mori,,JPY,1234567,70,864196,370371',
      '2026-10-04 00:30,返金,01920000-0000-7000-8000-0000000000aa,pack gin-no-mori,,JPY,-1000,70,-700,-300',
      ',送金手数料,,,,JPY,,,-250,',
      ',翌月への繰越,,,,JPY,,,0,',
      ',お支払額,,,,JPY,,,863546,',
      '',
    ]);
    expect(300 + 864_196 - 700 - 250 - 0).toBe(863_546);
  });

  test('in pieces is the same as in one', () => {
    const lines = Array.from({ length: 5 }, (_, i) => line({ grossMinor: i + 1 }));
    const piece = (from: number, to: number) =>
      writeStatementCsv({ statement, lines: lines.slice(from, to), isFirst: from === 0, isLast: to === 5 });
    expect(piece(0, 2) + piece(2, 4) + piece(4, 5)).toBe(
      writeStatementCsv({ statement, lines, isFirst: true, isLast: true }),
    );
  });

  test.each([
    ['=HYPERLINK("http://x","y")', `"'=HYPERLINK(""http://x"",""y"")"`],
    ['+1', "'+1"],
    ['-2+3', "'-2+3"],
    ['@SUM(A1)', "'@SUM(A1)"],
    ['\tx', "'\tx"],
    ['  =1', "'  =1"],
    ['＝1', "'＝1"],
    ['a,"b"\nc', '"a,""b""\nc"'],
    ['商品 A-1', '商品 A-1'],
  ])('the text %j is no formula: %j', (given, shown) => expect(cell(given)).toBe(shown));

  test('no text becomes a formula, and every text is one cell', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        const shown = cell(text);
        const inner = shown.startsWith('"') ? shown.slice(1, -1).replaceAll('""', '"') : shown;
        expect(inner === text || inner === `'${text}`).toBe(true);
        expect(inner.trimStart()).not.toMatch(/^[=+\-@]/);
        if (!shown.startsWith('"')) expect(shown).not.toMatch(/[",\r\n]/);
      }),
    );
  });
});

describe('numbers and dates', () => {
  test('have the digits of their currency', () => {
    expect(['JPY', 'usd', 'KWD', 'HUF', 'IDR', 'UGX'].map(minorDigits)).toEqual([0, 2, 3, 2, 2, 2]);
    expect([
      plainAmount(-5, 'USD'),
      plainAmount(1234567, 'USD'),
      plainAmount(0, 'JPY'),
      plainAmount(-1, 'JPY'),
    ]).toEqual(['-0.05', '12345.67', '0', '-1']);
    expect([shownAmount(-1234567, 'JPY'), shownAmount(123456789, 'USD'), shownAmount(999, 'JPY')]).toEqual([
      '-1,234,567',
      '1,234,567.89',
      '999',
    ]);
  });
  test('are of the clock of the zone', () => {
    expect(localTime(Date.parse('2026-10-31T14:59:59Z'), 'Asia/Tokyo')).toBe('2026-10-31 23:59');
    expect(localTime(Date.parse('2026-11-01T05:30:00Z'), 'America/New_York')).toBe('2026-11-01 01:30');
    expect(localTime(Date.parse('2026-01-01T00:00:00Z'), 'UTC')).toBe('2026-01-01 00:00');
  });
});

describe('PDF', () => {
  test('is one, small although its fonts are not, the same each time, with as many pages as it needs', async () => {
    const lines = Array.from({ length: 120 }, (_, i) => line({ grossMinor: i + 1 }));
    const long = { ...statement, lineCount: 5000 };
    const [one, again, many] = await Promise.all([
      writeStatementPdf({ statement, lines: [line()], fonts: fonts() }),
      writeStatementPdf({ statement, lines: [line()], fonts: fonts() }),
      writeStatementPdf({ statement: long, lines, fonts: fonts() }),
    ]);
    const text = Buffer.from(one).toString('latin1');
    expect(text.startsWith('%PDF-1.')).toBe(true);
    expect(one.length).toBeLessThan(120_000);
    expect(Buffer.compare(one, again)).toBe(0);
    const pages = (bytes: Uint8Array) =>
      Buffer.from(bytes)
        .toString('latin1')
        .match(/\/Type \/Page\b/g)?.length;
    expect([pages(one), pages(many)]).toEqual([1, 4]);
  });
});
