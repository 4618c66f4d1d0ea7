/** Distinguished names (RFC 4514), brought into one form so that two spellings of one name compare equal. */

interface Attribute {
  readonly type: string
  readonly value: string
}

/**
 * Lower-cased, with spaces and escapes in one form and the parts of a multi-valued RDN in order; undefined for what is no DN. Directories differ in which
 * attributes tell upper from lower case; those that name people and groups do not.
 */
export function normalizeDn(text: string): string | undefined {
  const rdns = parseDn(text)
  if (rdns === undefined) return undefined
  return rdns.map((rdn) => rdn.map(writeAttribute).toSorted().join('+')).join(',')
}

/** The value of the first RDN, as people know the thing: `Devs` of `CN=Devs,OU=Groups,DC=example`; undefined for what is no DN. */
export function firstValueOf(dn: string): string | undefined {
  return parseDn(dn)?.[0]?.[0]?.value
}

/** Longer ones come from nobody. */
const dnMax = 8192

function parseDn(text: string): readonly (readonly Attribute[])[] | undefined {
  if (text.length > dnMax || text.includes('\0')) return undefined
  const rdns: Attribute[][] = []
  let rdn: Attribute[] = []
  let rest = text
  while (true) {
    const [whole = '', type] = /^\s*(?:oid\.)?([a-z][a-z0-9-]*|\d+(?:\.\d+)*)\s*=\s*/i.exec(rest) ?? []
    const found = type === undefined ? undefined : parseValue(rest.slice(whole.length))
    if (type === undefined || found === undefined) return undefined
    rdn.push({ type: type.toLowerCase(), value: found.value })
    const separator = found.rest[0]
    if (separator !== '+') {
      rdns.push(rdn)
      rdn = []
    }
    if (separator === undefined) return rdns
    rest = found.rest.slice(1)
  }
}

/** One value up to an unescaped `,`, `;` or `+`, in any of the three notations. */
function parseValue(text: string): { readonly value: string; readonly rest: string } | undefined {
  const quoted = /^"((?:[^"\\]|\\.)*)"\s*(?=[,;+]|$)/su.exec(text)
  const raw = quoted ?? /^(?:[^,;+"\\]|\\.)*/su.exec(text)
  const [whole = '', inner] = raw ?? []
  const rest = text.slice(whole.length)
  if (rest !== '' && !/^[,;+]/.test(rest)) return undefined
  // An escaped space at the end belongs to the value, others there do not.
  const written = inner ?? whole.replace(/((?:^|[^\\])(?:\\\\)*(?:\\ )?) *$/u, '$1')
  const value = unescapeValue(written)
  return value === undefined || value === '' ? undefined : { value, rest }
}

function unescapeValue(text: string): string | undefined {
  const bytes: Buffer[] = []
  for (const [piece] of text.matchAll(/\\[0-9a-f]{2}|\\.|[^\\]+|\\$/gisu)) {
    if (piece === '\\') return undefined
    if (/^\\[0-9a-f]{2}$/i.test(piece)) bytes.push(Buffer.from(piece.slice(1), 'hex'))
    else bytes.push(Buffer.from(piece.startsWith('\\') ? piece.slice(1) : piece))
  }
  return Buffer.concat(bytes).toString('utf8')
}

function writeAttribute({ type, value }: Attribute): string {
  const plain = value.normalize('NFKC').toLowerCase().replaceAll(/\s+/gu, ' ').trim()
  const escaped = plain.replaceAll(/[\\,+"<>;=]/g, String.raw`\$&`).replace(/^#/, String.raw`\#`)
  return `${type}=${escaped}`
}
