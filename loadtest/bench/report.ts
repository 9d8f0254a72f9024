/** Results of a run: one row a number, a table for people, JSON for programs. Judges nothing without a target. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

export type Row = {
  /** What was measured. */
  measure: string;
  value: number;
  unit: string;
  /** What it is divided by, when it is a ratio. */
  against?: string;
  /** The row is a pass when the value is at most this, or at least with `atLeast`. */
  target?: number;
  atLeast?: boolean;
  /** A limit of the measurement that the reader must know. */
  note?: string;
};

export type Report = {
  startedAt: string;
  machine: Record<string, unknown>;
  rows: Row[];
  problems: string[];
  details: Record<string, unknown>;
};

export function verdict(row: Row): 'pass' | 'FAIL' | '' {
  if (row.target === undefined) return '';
  return (row.atLeast ? row.value >= row.target : row.value <= row.target) ? 'pass' : 'FAIL';
}

/** A fixed-width table. */
export function table(rows: readonly Row[]): string {
  const cells = rows.map((row) => [
    row.measure,
    `${format(row.value)} ${row.unit}`.trim(),
    row.against ?? '',
    row.target === undefined ? '' : `${row.atLeast ? '≥' : '≤'} ${format(row.target)}`,
    verdict(row),
    row.note ?? '',
  ]);
  const all = [['measure', 'value', 'against', 'target', '', 'note'], ...cells];
  const widths = all[0]?.map((_, column) => Math.max(...all.map((line) => (line[column] ?? '').length))) ?? [];
  return all
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

export function writeReport(report: Report, file: string): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(report, null, 2)}\n`);
}

function format(value: number): string {
  if (Number.isNaN(value)) return 'unknown';
  if (Math.abs(value) >= 1_000) return Math.round(value).toLocaleString('en-US');
  return value.toFixed(Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2);
}
