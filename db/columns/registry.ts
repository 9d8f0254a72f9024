/** Every encrypted column, as data: what rotation walks over. A test compares it with the database. */

export type EncryptedColumn = Readonly<{
  table: string;
  column: string;
  /** Column with the row's id, part of what the ciphertext is bound to. */
  rowId: string;
  /** Column with the user under whose key the cell stands. */
  owner: string;
  /** False where rows never change: such cells keep the key that they were written under. */
  mutable: boolean;
}>;

const profile = (column: string): EncryptedColumn => ({
  table: 'identity.profiles',
  column,
  rowId: 'user_id',
  owner: 'user_id',
  mutable: true,
});

export const encryptedColumns: readonly EncryptedColumn[] = [
  { table: 'identity.users', column: 'email_enc', rowId: 'id', owner: 'id', mutable: true },
  profile('name_enc'),
  profile('occupation_enc'),
  profile('age_enc'),
  profile('residence_enc'),
  { table: 'billing.payout_accounts', column: 'bank_label_enc', rowId: 'id', owner: 'user_id', mutable: true },
  { table: 'ops.audit_logs', column: 'ip_enc', rowId: 'id', owner: 'user_id', mutable: false },
];
