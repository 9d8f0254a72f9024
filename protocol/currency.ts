/**
 * How many digits of a currency the amounts of this contract have behind the point. The provider of payments decides: what is written
 * without a fraction in daily life (Hungarian forints, Ugandan shillings, Colombian pesos) is counted in hundredths there all the
 * same, so `Intl`, which knows daily life, must not be asked.
 */
const none = new Set('BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF'.split(' '));
const three = new Set('BHD JOD KWD OMR TND'.split(' '));

/** 0 for yen, 2 for dollars, 3 for Kuwaiti dinars. @param currency ISO 4217, in either case. */
export function minorDigits(currency: string): 0 | 2 | 3 {
  const code = currency.toUpperCase();
  if (none.has(code)) return 0;
  return three.has(code) ? 3 : 2;
}
