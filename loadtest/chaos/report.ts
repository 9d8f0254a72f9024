/** What a run found, as tables for people. */
import type { Violation } from './checks/violation.ts';

const shownOfEach = 5;

/** Two columns, aligned. */
export function table(title: string, rows: readonly (readonly [name: string, value: string | number])[]): string {
  const width = Math.max(0, ...rows.map(([name]) => name.length));
  return [title, ...rows.map(([name, value]) => `  ${name.padEnd(width)}  ${value}`)].join('\n');
}

/** Every promise with its verdict, and the first of what broke it. */
export function verdicts(invariants: readonly string[], violations: readonly Violation[]): string {
  const byInvariant = Map.groupBy(violations, ({ invariant }) => invariant);
  const names = [...new Set([...invariants, ...byInvariant.keys()])];
  const rows = names.map((name): [string, string] => {
    const count = byInvariant.get(name)?.length ?? 0;
    return [name, count === 0 ? 'holds' : `VIOLATED ${count} times`];
  });
  const details = [...byInvariant.values()].flatMap((found) => [
    ...found
      .slice(0, shownOfEach)
      .map(({ invariant, subject, detail }) => `violation: ${invariant}: ${subject}: ${detail}`),
    ...(found.length > shownOfEach ? [`  … and ${found.length - shownOfEach} more of these`] : []),
  ]);
  return [table('promises', rows), ...details].join('\n');
}
