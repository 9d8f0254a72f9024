/** Names of our metadata on the provider's objects. */
export const meta = {
  payment: 'tsumugi_payment',
  refund: 'tsumugi_refund',
  user: 'tsumugi_user',
  productType: 'tsumugi_product_type',
  productId: 'tsumugi_product_id',
} as const;
