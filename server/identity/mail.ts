/** Where a mail address is kept, and how it is shown to those who need not know it whole. */
import type { CellAddress } from '../../db/columns/encrypted.ts';

/** Purpose of the keyed hash that accounts are found by. */
export const MAIL_HASH = 'identity.users.email';

export function mailCell(userId: string): CellAddress {
  return { table: 'identity.users', column: 'email_enc', rowId: userId };
}

/** `a***@example.com` */
export function maskMail(mail: string): string {
  const at = mail.lastIndexOf('@');
  return `${[...mail][0] ?? ''}***${at < 0 ? '' : mail.slice(at)}`;
}
