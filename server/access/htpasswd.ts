/** The text of an htpasswd file: bcrypt entries, and what is wrong with the others. */

/** A parsed file. Lines that do not count leave those of other names in force. */
export interface Htpasswd {
  /** Name → bcrypt hash. */
  readonly hashes: ReadonlyMap<string, string>
  /** One sentence for each line that does not count; no hash is quoted. */
  readonly faults: readonly string[]
  /** The same without names, for whoever may not know them. */
  readonly misfits: readonly { readonly line: number; readonly fault: string }[]
}

const bcryptHash = /^\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}$/

/** What is no such name is left out of the log: the file may be none of names at all. */
const loggable = /^[\p{L}\p{N}\p{P}\p{S} ]{1,64}$/u

/** Each step doubles the work: cost 16 is 5 s of a core for every login, and an open door to whoever wants the process busy. */
const maxCost = 15
const minCost = 4

/**
 * Lines are `name:hash`; empty ones and those that begin with `#` are left out. Of several lines for one name the last counts, as in registry:2: where that one
 * does not count, none of the name does.
 */
export function parseHtpasswd(text: string): Htpasswd {
  const hashes = new Map<string, string>()
  const lastLines = new Map<string, number>()
  const faults: string[] = []
  const misfits: { readonly line: number; readonly fault: string }[] = []
  const lines = text.replace(/^\uFEFF/, '').split('\n')
  for (const [index, raw] of lines.entries()) {
    const number = index + 1
    const line = raw.trim()
    if (line === '' || line.startsWith('#')) continue
    const colon = line.indexOf(':')
    const name = line.slice(0, Math.max(colon, 0))
    const hash = line.slice(colon + 1)
    const fault = colon < 1 ? 'is not name:hash' : faultOf(hash)
    if (fault === undefined) {
      hashes.set(name, hash)
      lastLines.set(name, number)
      continue
    }
    // An earlier line for the same name would let an old password in.
    const earlier = hashes.delete(name) ? `, and neither does line ${lastLines.get(name)} of the same name` : ''
    misfits.push({ line: number, fault })
    faults.push(`line ${number}${loggable.test(name) ? ` (${name})` : ''} ${fault}; it does not count${earlier}`)
  }
  return { hashes, faults, misfits }
}

function faultOf(hash: string): string | undefined {
  const match = bcryptHash.exec(hash)
  if (match === null) return `has ${kindOf(hash)}, only bcrypt is accepted (htpasswd -B)`
  const cost = Number(match[1])
  return cost < minCost || cost > maxCost ? `has bcrypt of cost ${cost}, accepted are ${minCost} to ${maxCost}` : undefined
}

function kindOf(hash: string): string {
  if (hash.startsWith('$apr1$')) return 'an Apache MD5 hash'
  if (hash.startsWith('$1$')) return 'an MD5 hash'
  if (hash.startsWith('{SHA}') || hash.startsWith('{SSHA}')) return 'a SHA-1 hash'
  if (hash.startsWith('$5$')) return 'a SHA-256 crypt hash'
  if (hash.startsWith('$6$')) return 'a SHA-512 crypt hash'
  if (hash.startsWith('$argon2')) return 'an argon2 hash'
  if (hash.startsWith('$2')) return 'a malformed bcrypt hash'
  return /^[./A-Za-z0-9]{13}$/.test(hash) ? 'a crypt hash' : 'no known hash'
}

/** A hash that no password fits and that costs as much to check as the dearest entry: for names that are not there. */
export function unmatchableHash(hashes: ReadonlyMap<string, string>): string {
  const costs = [...hashes.values()].map((hash) => Number(bcryptHash.exec(hash)?.[1]))
  const cost = String(Math.max(minCost, ...costs.slice(0, 1000))).padStart(2, '0')
  return `$2b$${cost}$${'.'.repeat(22)}${'.'.repeat(31)}`
}
