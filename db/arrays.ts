/**
 * Array literals for long lists. The driver escapes every element of an array with regular expressions; where the elements are
 * known not to need it, joining them costs a tenth.
 */

/** Of ids, numbers, hexadecimal digits and the like: nothing that has a comma, a brace, a quote or a space. */
export function plainArray(values: readonly (string | number | null)[]): string {
  return `{${values.map((value) => value ?? 'NULL').join(',')}}`;
}

/** Of any texts. */
export function textArray(values: readonly (string | null)[]): string {
  return `{${values.map((value) => (value === null ? 'NULL' : quote(value))).join(',')}}`;
}

const SIMPLE = /^[\w:.-]+$/;
function quote(value: string): string {
  // A word that reads NULL is a text here.
  if (SIMPLE.test(value) && value.toLowerCase() !== 'null') return value;
  return `"${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}
