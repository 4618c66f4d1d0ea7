/**
 * bcrypt, for entries of an htpasswd file: by the native addon where a prebuilt one loads, else in JavaScript; in the threads of hash-passwords.ts.
 * (Measured at cost 10: 81 ms native, 238 ms in JavaScript.)
 */
import type { BcryptEngine } from './hash-password-worker.ts'
import { hashInThread } from './hash-passwords.ts'

/** Checks and makes bcrypt hashes without holding the event loop. `cost` is the base-2 logarithm of the rounds. */
export interface Bcrypt {
  /** Also for `$2y$`; only the first 72 bytes of a password count, as everywhere with bcrypt. */
  verify(password: string, hash: string): Promise<boolean>
  hash(password: string, cost: number): Promise<string>
}

/** By the best engine that this machine has, or by a named one. Higher costs are refused before they come here: see htpasswd.ts. */
export function openBcrypt(engine: BcryptEngine = 'native'): Bcrypt {
  return {
    verify: (password, hash) => hashInThread<boolean>({ verb: 'bcrypt/verify', password, hash, engine }),
    hash: (password, cost) => hashInThread<string>({ verb: 'bcrypt/hash', password, cost, engine }),
  }
}
