/** A payout's statement as data, and the words, numbers and dates that both of its forms share. */
import { minorDigits } from '../../protocol/currency.ts';

export type StatementLine = {
  atMs: number;
  kind: 'sale' | 'refund' | 'refund_undone' | 'tokens' | 'payout_returned';
  purchaseId: string | null;
  productType: string | null;
  productId: string | null;
  tokenAmount: number | null;
  grossMinor: number;
  shareBps: number;
  creatorMinor: number;
  platformMinor: number;
};
export type StatementSums = {
  openingMinor: number;
  grossMinor: number;
  refundsMinor: number;
  platformMinor: number;
  shareMinor: number;
  clawbackMinor: number;
  returnedMinor: number;
  feeMinor: number;
  amountMinor: number;
  closingMinor: number;
};
export type Statement = {
  lang: 'en' | 'ja';
  payoutId: string;
  creatorId: string;
  creatorName: string;
  month: string;
  startMs: number;
  endMs: number;
  timeZone: string;
  currency: string;
  status: string;
  lineCount: number;
  createdAtMs: number;
  paidAtMs: number | null;
  sums: StatementSums;
};

const en = {
  title: 'Payout statement',
  creator: 'Creator',
  period: 'Period',
  statement: 'Statement no.',
  state: 'State',
  paidAt: 'Transferred',
  opening: 'Carried in from the month before',
  share: 'Your part of sales and conversions',
  clawback: 'Taken back after refunds',
  returned: 'Earlier payouts that came back',
  fee: 'Transfer fee',
  amount: 'Payout',
  closing: 'Carried to the next month',
  gross: 'Sales and conversions, gross',
  refunds: 'Refunds, gross',
  platform: 'Part of the platform',
  date: 'Date',
  kind: 'Kind',
  product: 'Product',
  purchase: 'Purchase',
  tokens: 'Tokens',
  sharePercent: 'Share %',
  yours: 'Yours',
  currency: 'Currency',
  month: 'Month',
  summary: 'Summary',
  lines: 'Lines',
  page: 'Page',
  more: 'Further lines are in the CSV form of this statement:',
  kinds: {
    sale: 'Sale',
    refund: 'Refund',
    refund_undone: 'Refund undone',
    tokens: 'Tokens converted',
    payout_returned: 'Payout came back',
  },
  states: {
    carried: 'Carried on',
    pending: 'Waiting for approval',
    held: 'On hold',
    approved: 'Approved',
    transferring: 'On its way',
    paid: 'Paid',
    failed: 'Failed, to be tried again',
    reversed: 'Came back',
    canceled: 'Cancelled',
  },
};
const ja: typeof en = {
  title: '支払明細書',
  creator: 'クリエイター',
  period: '対象期間',
  statement: '明細番号',
  state: '状態',
  paidAt: '送金日時',
  opening: '前月からの繰越',
  share: '売上・換算の受取分',
  clawback: '返金による控除',
  returned: '戻った支払い',
  fee: '送金手数料',
  amount: 'お支払額',
  closing: '翌月への繰越',
  gross: '売上・換算の総額',
  refunds: '返金の総額',
  platform: 'プラットフォームの取り分',
  date: '日時',
  kind: '区分',
  product: '商品',
  purchase: '購入番号',
  tokens: 'トークン',
  sharePercent: '分配率 %',
  yours: '受取分',
  currency: '通貨',
  month: '対象月',
  summary: '集計',
  lines: '明細',
  page: 'ページ',
  more: '続きの明細はこの明細書の CSV 形式にあります:',
  kinds: {
    sale: '売上',
    refund: '返金',
    refund_undone: '返金の取消',
    tokens: 'トークン換算',
    payout_returned: '支払いの戻り',
  },
  states: {
    carried: '繰越',
    pending: '承認待ち',
    held: '保留中',
    approved: '承認済み',
    transferring: '送金中',
    paid: '支払済み',
    failed: '失敗（再試行予定）',
    reversed: '戻り',
    canceled: '取消',
  },
};
export type Words = typeof en;
export const wordsOf = (lang: 'en' | 'ja'): Words => (lang === 'ja' ? ja : en);

/** `-1234567` of JPY → `-1234567`, of USD → `-12345.67`: what a spreadsheet reads as a number. */
export function plainAmount(minor: number, currency: string): string {
  const digits = minorDigits(currency);
  const text = String(Math.abs(minor)).padStart(digits + 1, '0');
  const whole = digits === 0 ? text : `${text.slice(0, -digits)}.${text.slice(-digits)}`;
  return minor < 0 ? `-${whole}` : whole;
}

/** For people: `-1,234,567`. */
export function shownAmount(minor: number, currency: string): string {
  return plainAmount(minor, currency).replace(/\d+/, (whole) => whole.replace(/\B(?=(\d{3})+$)/g, ','));
}

/** `2026-10-05 14:03` by the clock of the time zone. */
export function localTime(atMs: number, timeZone: string): string {
  const options = { year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit' } as const;
  const format = new Intl.DateTimeFormat('en-CA', { timeZone, hourCycle: 'h23', ...options });
  const part = new Map(format.formatToParts(atMs).map(({ type, value }) => [type, value]));
  return `${part.get('year')}-${part.get('month')}-${part.get('day')} ${part.get('hour')}:${part.get('minute')}`;
}

export const percent = (bps: number): string => String(bps / 100);
