/**
 * Secrets that Berth makes: `berth_pat_…` (personal access tokens), `berth_rob_…` (secrets of robots), `berth_ref_…` (refresh tokens).
 *
 * 32 random bytes and their CRC-32, both in base62, so that a scanner of source code finds one by its prefix and knows a real one by its checksum, and a
 * double click selects it whole. Stored as SHA-256 alone: 256 bits of randomness need no slow hash. The checksum spares the database a look for
 * what was never made here; it is no secret.
 */
import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import type { Random } from '#lib/ports.ts'

/** As `tokens.kind`. */
export type TokenKind = 'personal' | 'robot' | 'refresh'

/** A secret in plain text, shown once, with what is stored of it. */
export interface NewToken {
  readonly kind: TokenKind
  readonly text: string
  readonly hash: Buffer
  /** The first characters, by which its owner tells it from others. */
  readonly hint: string
}

/** All are of one length. */
const prefixes: Readonly<Record<TokenKind, string>> = { personal: 'berth_pat_', robot: 'berth_rob_', refresh: 'berth_ref_' }
const secretBytes = 32
/** 62^43 > 2^256, 62^6 > 2^32. */
const bodyLength = 43
const checksumLength = 6
const hintedCharacters = 4
const pattern = /^berth_(?:pat|rob|ref)_[0-9A-Za-z]{49}$/

/** A secret that nobody has seen before. */
export function makeToken(kind: TokenKind, random: Pick<Random, 'bytes'>): NewToken {
  const prefix = prefixes[kind]
  const unchecked = prefix + base62(BigInt(`0x${random.bytes(secretBytes).toString('hex')}`), bodyLength)
  const text = unchecked + checksumOf(unchecked)
  return { kind, text, hash: hashOf(text), hint: hintOf(text) }
}

/** Kind and hash of what may be one of our secrets; undefined for anything else, a mistyped one included. */
export function parseToken(text: string): { readonly kind: TokenKind; readonly hash: Buffer } | undefined {
  if (!pattern.test(text) || checksumOf(text.slice(0, -checksumLength)) !== text.slice(-checksumLength)) return undefined
  const kind = (Object.keys(prefixes) as TokenKind[]).find((each) => text.startsWith(prefixes[each]))
  return kind && { kind, hash: hashOf(text) }
}

/** Whether a password claims to be one of our secrets, so that no other source is to be asked about it. */
export function looksLikeToken(text: string): boolean {
  return /^berth_(?:pat|rob|ref)_/.test(text)
}

/** The first characters of a secret, by which its owner tells it from others; lists and records show them. */
export function hintOf(text: string): string {
  return text.slice(0, prefixes.personal.length + hintedCharacters)
}

function hashOf(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

function checksumOf(unchecked: string): string {
  return base62(BigInt(crc32(unchecked)), checksumLength)
}

const digits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

function base62(value: bigint, length: number): string {
  let text = ''
  for (let rest = value; rest > 0n; rest /= 62n) text = (digits[Number(rest % 62n)] ?? '') + text
  return text.padStart(length, '0')
}
