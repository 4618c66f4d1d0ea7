/** Formats of numbers and instants, kept: making one takes longer than drawing a row of a table. */

type Format = Intl.RelativeTimeFormat | Intl.DateTimeFormat | Intl.NumberFormat

const formats = new Map<string, Format>()

/** The format of that name, made at its first use. */
export function keptFormat<Kept extends Format>(key: string, make: () => Kept): Kept {
  const format = (formats.get(key) as Kept | undefined) ?? make()
  formats.set(key, format)
  return format
}

/** Numbers with so many digits behind the point at most. */
export function numberFormat(language: string, digits: number): Intl.NumberFormat {
  return keptFormat(`number ${language} ${digits}`, () => new Intl.NumberFormat(language, { maximumFractionDigits: digits }))
}

export function percentFormat(language: string): Intl.NumberFormat {
  return keptFormat(`percent ${language}`, () => new Intl.NumberFormat(language, { style: 'percent' }))
}
