/** Keeps the objects of the local Stripe server, in memory and, if it is told where, in a file that outlives it. */
import { randomBytes } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import type { Clock } from '../../../clock.ts';
import type { Named, ObjectName, OfflineObject } from './objects.ts';
import { OfflineError } from './offline-error.ts';

const prefixes: Record<ObjectName, string> = {
  customer: 'cus',
  payment_method: 'pm',
  product: 'prod',
  price: 'price',
  'checkout.session': 'cs_test',
  payment_intent: 'pi',
  charge: 'ch',
  refund: 're',
  dispute: 'du',
  subscription: 'sub',
  invoice_payment: 'inpay',
  invoice: 'in',
  'billing_portal.configuration': 'bpc',
  'billing_portal.session': 'bps',
  account: 'acct',
  account_link: 'acctlnk',
  transfer: 'tr',
  transfer_reversal: 'trr',
  payout: 'po',
  event: 'evt',
  webhook_endpoint: 'we',
};

/** Events are kept as long as anybody may ask for them; the file must not grow for ever. */
const MAX_EVENTS = 5_000;
const SAVE_AFTER_MS = 100;

export class OfflineStore {
  readonly #clock: Clock;
  readonly #file: string | undefined;
  readonly #objects = new Map<string, OfflineObject>();
  #saving = false;

  constructor(clock: Clock, file?: string) {
    this.#clock = clock;
    this.#file = file;
    if (file !== undefined) for (const object of readObjects(file)) this.#objects.set(object.id, object);
  }

  /** Seconds, as Stripe counts. */
  now(): number {
    return Math.floor(this.#clock.now() / 1000);
  }

  newId(object: ObjectName): string {
    return `${prefixes[object]}_${randomBytes(12).toString('hex')}`;
  }

  base<Name extends ObjectName>(
    object: Name,
    id = this.newId(object),
  ): { id: string; object: Name; created: number; livemode: false } {
    return { id, object, created: this.now(), livemode: false };
  }

  add<T extends OfflineObject>(object: T): T {
    this.#objects.set(object.id, object);
    this.changed();
    return object;
  }

  find<Name extends ObjectName>(object: Name, id: string): Named<Name> | undefined {
    const found = this.#objects.get(id);
    return found?.object === object ? (found as Named<Name>) : undefined;
  }

  /** @throws OfflineError `resource_missing`, about `param` */
  get<Name extends ObjectName>(object: Name, id: string, param?: string): Named<Name> {
    const found = this.find(object, id);
    if (found === undefined) throw OfflineError.missing(object, id, param);
    return found;
  }

  /** Whatever it is; for expanding ids. */
  any(id: string): OfflineObject | undefined {
    return this.#objects.get(id);
  }

  /** Newest first, as Stripe lists. */
  list<Name extends ObjectName>(object: Name, fits: (one: Named<Name>) => boolean = () => true): Named<Name>[] {
    const all = [...this.#objects.values()].filter((one): one is Named<Name> => one.object === object);
    return all.filter(fits).reverse();
  }

  delete(id: string): void {
    this.#objects.delete(id);
    this.changed();
  }

  /** An object was changed in place. */
  changed(): void {
    if (this.#file === undefined || this.#saving) return;
    this.#saving = true;
    this.#clock.after(SAVE_AFTER_MS, () => this.save());
  }

  save(): void {
    this.#saving = false;
    if (this.#file === undefined) return;
    for (const { id } of this.list('event').slice(MAX_EVENTS)) this.#objects.delete(id);
    // Renamed over the old one: whoever reads finds the one or the other, never a half.
    writeFileSync(`${this.#file}.new`, JSON.stringify([...this.#objects.values()]), { mode: 0o600 });
    renameSync(`${this.#file}.new`, this.#file);
  }
}

function readObjects(file: string): OfflineObject[] {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as OfflineObject[];
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw new Error(`${file} of the offline payment server cannot be read; remove it to begin anew.`, { cause: error });
  }
}
