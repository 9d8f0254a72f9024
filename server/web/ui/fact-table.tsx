/** A table of facts that scrolls by itself where the screen is narrow. The first column names the row. */
import type { ComponentChildren } from 'preact';

/** @param kind `whole`: a number, an id, a moment, never broken; `text`: words, read from the start. Default: `whole`. */
export type Column<T> = { title: string; kind?: 'whole' | 'text'; cell: (row: T) => ComponentChildren };

type FactTableProps<T> = {
  caption: string;
  columns: readonly Column<T>[];
  rows: readonly T[];
  keyOf: (row: T) => string;
};

export function FactTable<T>({ caption, columns, rows, keyOf }: FactTableProps<T>) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <section class="table-scroll" tabIndex={0} aria-label={caption}>
      <table>
        <caption class="sr-only">{caption}</caption>
        <thead>
          <tr>
            {columns.map(({ title, kind }) => (
              <th key={title} scope="col" class={classOf(kind)}>
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={keyOf(row)}>
              {columns.map(({ title, kind, cell }, i) =>
                i === 0 ? (
                  <th key={title} scope="row" class={classOf(kind)}>
                    {cell(row)}
                  </th>
                ) : (
                  <td key={title} class={classOf(kind)}>
                    {cell(row)}
                  </td>
                ),
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

const classOf = (kind: 'whole' | 'text' = 'whole'): string => `cell-${kind}`;
