/** Archives of any kind of entry, well formed or not, for tests of who reads them. */

/** An entry as a header says it. `size`: what the header claims, where that is a lie. */
export interface Entry {
  readonly path: string
  readonly type?: string
  readonly content?: string | Uint8Array
  readonly link?: string
  readonly mode?: number
  readonly uid?: number
  readonly gid?: number
  readonly modifiedAt?: number
  readonly size?: number
  /** Records of a pax header before it. */
  readonly pax?: Readonly<Record<string, string>>
}

const block = 512

/** The entries and the end of an archive. */
export function tarEntries(entries: readonly Entry[]): Buffer {
  return Buffer.concat([...entries.flatMap(entryBlocks), Buffer.alloc(2 * block)])
}

/** One entry without an end. */
export function entryBlocks(entry: Entry): Buffer[] {
  const content = Buffer.from(entry.content ?? '')
  const before = entry.pax === undefined ? [] : entryBlocks({ path: 'PaxHeader', type: 'x', content: paxOf(entry.pax) })
  return [...before, headerOf({ ...entry, size: entry.size ?? content.length }), content, Buffer.alloc(-content.length & (block - 1))]
}

/** The records of a pax header. */
export function paxOf(records: Readonly<Record<string, string>>): string {
  return Object.entries(records)
    .map(([key, value]) => {
      const rest = ` ${key}=${value}\n`
      const bytes = Buffer.byteLength(rest)
      let length = bytes
      while (String(length).length + bytes !== length) length = String(length).length + bytes
      return `${length}${rest}`
    })
    .join('')
}

function headerOf({ path, type = '0', link = '', mode = 0o644, uid = 0, gid = 0, modifiedAt = 1_700_000_000, size = 0 }: Entry): Buffer {
  const header = Buffer.alloc(block)
  header.write(path, 0, 100)
  header.write(`${octal(mode, 7)}\0${octal(uid, 7)}\0${octal(gid, 7)}\0`, 100)
  header.write(`${octal(size, 11)}\0${octal(modifiedAt, 11)}\0`, 124)
  header.write(type, 156)
  header.write(link, 157, 100)
  header.write('ustar\x0000', 257)
  return withChecksum(header)
}

/** The header with the checksum that it should have. */
export function withChecksum(header: Buffer): Buffer {
  header.write('        ', 148)
  const sum = header.reduce((total, byte) => total + byte, 0)
  header.write(`${octal(sum, 6)}\0 `, 148)
  return header
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, '0')
}
