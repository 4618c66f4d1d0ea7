/** Passwords of Berth's own accounts: argon2id as PHC strings, computed in the threads of hash-passwords.ts by Node's own crypto. */
import { timingSafeEqual, type Argon2Parameters } from 'node:crypto'
import type { Random } from '#lib/ports.ts'
import { hashInThread } from './hash-passwords.ts'

/** OWASP's second choice for argon2id: 19 MiB, two passes; about 30 ms. */
const cost = { memory: 19_456, passes: 2, parallelism: 1, tagLength: 32 }
const saltBytes = 16

/** What a stored string may ask for; more would let one row take the memory or the threads of the process. */
const maxCost = { memory: 262_144, passes: 16, parallelism: 8 }

/** A PHC string (`$argon2id$v=19$m=…,t=…,p=…$salt$hash`) with a fresh salt. */
export async function hashPassword(password: string, random: Random): Promise<string> {
  const nonce = random.bytes(saltBytes)
  const tag = await argon2id(password, { nonce, ...cost })
  return `$argon2id$v=19$m=${cost.memory},t=${cost.passes},p=${cost.parallelism}$${toBase64(nonce)}$${toBase64(tag)}`
}

/** A string of the usual cost that no password fits, to be checked in place of an account that does not exist. */
export function unmatchablePasswordHash(random: Random): string {
  const { memory, passes, parallelism, tagLength } = cost
  return `$argon2id$v=19$m=${memory},t=${passes},p=${parallelism}$${toBase64(random.bytes(saltBytes))}$${toBase64(random.bytes(tagLength))}`
}

/** False for a wrong password and for a string that is not a PHC string of argon2id within {@link maxCost}. */
export async function verifyPassword(password: string, stored: string): Promise<boolean> {
  const parsed = parsePhc(stored)
  if (parsed === undefined || password === '') return false
  const tag = await argon2id(password, parsed.parameters)
  return timingSafeEqual(tag, parsed.tag)
}

function argon2id(message: string, parameters: Omit<Argon2Parameters, 'message'>): Promise<Uint8Array> {
  return hashInThread<Uint8Array>({ verb: 'argon2id', message, parameters })
}

const phc = /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,3}),p=(\d{1,3})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})$/

function parsePhc(stored: string): { parameters: Omit<Argon2Parameters, 'message'>; tag: Buffer } | undefined {
  const match = phc.exec(stored)
  if (match === null) return undefined
  const [memory, passes, parallelism] = [Number(match[1]), Number(match[2]), Number(match[3])]
  const isAffordable = memory <= maxCost.memory && passes <= maxCost.passes && parallelism <= maxCost.parallelism
  if (!isAffordable || passes < 1 || parallelism < 1 || memory < 8 * parallelism) return undefined
  const tag = Buffer.from(match[5] ?? '', 'base64')
  return { parameters: { memory, passes, parallelism, nonce: Buffer.from(match[4] ?? '', 'base64'), tagLength: tag.length }, tag }
}

function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64').replaceAll('=', '')
}

/** Letters and digits that cannot be mistaken for each other: 32 of them, so that a byte's low five bits choose evenly. */
const alphabet = 'abcdefghijkmnpqrstuvwxyz23456789'
const generatedLength = 24

/** 120 random bits as 24 characters that need no quoting anywhere. */
export function generatePassword(random: Random): string {
  return Array.from(random.bytes(generatedLength), (byte) => alphabet[byte & 31]).join('')
}
