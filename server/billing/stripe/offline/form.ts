/** Stripe's form encoding: `a[b][0]=c` becomes nested objects and lists. Refuses what is too much or too deep. */
import { OfflineError } from './offline-error.ts';

export type Form = { [key: string]: FormValue };
export type FormValue = string | Form | FormValue[];

const MAX_PAIRS = 2_000;
const MAX_DEPTH = 10;

/** @throws OfflineError `parameter_invalid` */
export function parseForm(text: string): Form {
  const root: Form = Object.create(null) as Form;
  const pairs = [...new URLSearchParams(text)];
  if (pairs.length > MAX_PAIRS) throw new OfflineError(400, 'parameter_invalid', 'Too many parameters.');
  for (const [name, value] of pairs) put(root, partsOf(name), value);
  return listed(root) as Form;
}

function partsOf(name: string): string[] {
  const match = /^([^[\]]+)((?:\[[^[\]]*\])*)$/.exec(name);
  const [, head, rest = ''] = match ?? [];
  if (head === undefined) throw new OfflineError(400, 'parameter_invalid', 'Invalid name of a parameter.', name);
  const parts = [head, ...[...rest.matchAll(/\[([^[\]]*)\]/g)].map(([, part = '']) => part)];
  if (parts.length > MAX_DEPTH) throw new OfflineError(400, 'parameter_invalid', 'Nested too deeply.', name);
  return parts;
}

function put(into: Form, parts: readonly string[], value: string): void {
  const [head = '', ...rest] = parts;
  // `a[]=x` goes behind what is there.
  const key = head === '' ? String(Object.keys(into).length) : head;
  if (rest.length === 0) {
    into[key] = value;
    return;
  }
  const known = into[key];
  const next: Form = isForm(known) ? known : (Object.create(null) as Form);
  into[key] = next;
  put(next, rest, value);
}

/** Objects whose keys are 0, 1, 2 … are lists. */
function listed(value: FormValue): FormValue {
  if (!isForm(value)) return value;
  const keys = Object.keys(value);
  const isList = keys.length > 0 && keys.every((key, place) => key === String(place));
  if (isList) return keys.map((key) => listed(value[key] ?? ''));
  return Object.fromEntries(keys.map((key) => [key, listed(value[key] ?? '')]));
}

export function isForm(value: FormValue | undefined): value is Form {
  return typeof value === 'object' && !Array.isArray(value);
}

/** Reads the parameters of a request, with Stripe's complaints. */
export class Params {
  readonly #form: Form;
  readonly #path: string;

  constructor(form: Form, path = '') {
    this.#form = form;
    this.#path = path;
  }

  text(name: string): string | undefined {
    const value = this.#form[name];
    return typeof value === 'string' && value !== '' ? value : undefined;
  }

  getText(name: string): string {
    const value = this.text(name);
    if (value === undefined)
      throw new OfflineError(
        400,
        'parameter_missing',
        `Missing required param: ${this.#name(name)}.`,
        this.#name(name),
      );
    return value;
  }

  integer(name: string): number | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    if (!/^-?\d{1,15}$/.test(value))
      throw new OfflineError(400, 'parameter_invalid_integer', `Invalid integer: ${value}`, this.#name(name));
    return Number(value);
  }

  getInteger(name: string): number {
    this.getText(name);
    return this.integer(name) ?? 0;
  }

  flag(name: string): boolean | undefined {
    const value = this.text(name);
    return value === undefined ? undefined : value === 'true';
  }

  has(name: string): boolean {
    return this.#form[name] !== undefined;
  }

  /** Empty where there is none. */
  inner(name: string): Params {
    const value = this.#form[name];
    return new Params(isForm(value) ? value : {}, this.#name(name));
  }

  list(name: string): Params[] {
    const value = this.#form[name];
    const items = Array.isArray(value) ? value : [];
    return items.map((item, place) => new Params(isForm(item) ? item : {}, `${this.#name(name)}[${place}]`));
  }

  texts(name: string): string[] {
    const value = this.#form[name];
    return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
  }

  /** Texts by name: metadata. */
  map(name: string): Record<string, string> {
    const value = this.#form[name];
    if (!isForm(value)) return {};
    return Object.fromEntries(
      Object.entries(value).flatMap(([key, one]) => (typeof one === 'string' ? [[key, one]] : [])),
    );
  }

  #name(name: string): string {
    return this.#path === '' ? name : `${this.#path}[${name}]`;
  }
}
