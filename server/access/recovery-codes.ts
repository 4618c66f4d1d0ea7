/** Recovery codes: what is left when the phone is lost. Each opens the account once, with the password. */
import { createHash } from 'node:crypto'
import type { Random } from '#lib/ports.ts'

const count = 10
const length = 16
const group = 4
/** Letters and digits that cannot be mistaken for each other: 32 of them, so a code has 80 random bits and needs no slow hash. */
const alphabet = 'abcdefghijkmnpqrstuvwxyz23456789'

/** Ten codes as people write them: `k4mw-2hx9-…`. */
export function generateRecoveryCodes(random: Random): readonly string[] {
  return Array.from({ length: count }, () => {
    const letters = Array.from(random.bytes(length), (byte) => alphabet[byte & 31])
    return Array.from({ length: length / group }, (_, index) => letters.slice(index * group, (index + 1) * group).join('')).join('-')
  })
}

/** What is stored of a code, however it was typed; undefined for what is no code. */
export function recoveryCodeHash(code: string): Buffer | undefined {
  const plain = code.toLowerCase().replaceAll(/[^a-z0-9]/g, '')
  if (plain.length !== length) return undefined
  return createHash('sha256').update('berth recovery code\0').update(plain).digest()
}
