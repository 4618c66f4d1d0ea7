/**
 * The htpasswd file on the disk: made when it is missing, read again when it changes. It is looked at once a second at most, by whoever asks next.
 */
import { dirname } from 'node:path'
import type { Logger } from '#lib/logger.ts'
import type { Ports } from '#lib/ports.ts'
import { RegistryError } from '#oci/errors.ts'
import type { Bcrypt } from './bcrypt.ts'
import { parseHtpasswd, unmatchableHash } from './htpasswd.ts'
import { generatePassword } from './password.ts'

/** Checked this often at most. */
const checkIntervalMs = 1000
/** A file changed this lately may change again without a visible difference in time and size. */
const settledAfterMs = 2000
/** A larger one is refused. */
export const maxFileBytes = 16 * 1024 * 1024
const generatedCost = 10
const retryAfterSeconds = 5
/** Of a file that is no htpasswd file at all, every line is wrong. */
const maxLoggedFaults = 20

/** The users in force after one reading of the file: name → bcrypt hash. */
export interface HtpasswdUsers {
  readonly hashes: ReadonlyMap<string, string>
  /** Checked for a name that is not there. */
  readonly unmatchable: string
  /** Grows when the entries change. */
  readonly revision: number
}

/** Reads the file as it changes. One per process. */
export class HtpasswdFile {
  readonly #path: string
  readonly #ports: Ports
  readonly #log: Logger
  #users: HtpasswdUsers | undefined
  /** Those that were logged, in one string. */
  #faults = ''
  #revision = 0
  #stamp: string | undefined
  #checkedAt = Number.NEGATIVE_INFINITY
  #reading: Promise<void> | undefined

  constructor(path: string, parts: { readonly ports: Ports; readonly log: Logger }) {
    this.#path = path
    this.#ports = parts.ports
    this.#log = parts.log
  }

  /** The users in force. Throws UNAVAILABLE while the file cannot be read: then nobody's password can be judged. */
  async users(): Promise<HtpasswdUsers> {
    if (this.#ports.clock.monotonic() - this.#checkedAt >= checkIntervalMs) {
      this.#reading ??= this.#refresh().finally(() => (this.#reading = undefined))
    }
    await this.#reading
    if (this.#users === undefined) {
      throw new RegistryError('UNAVAILABLE', undefined, { message: 'the password file of this registry cannot be read', retryAfterSeconds })
    }
    return this.#users
  }

  /** As registry:2: a missing file is made with one user of a random password, which is logged this once. */
  async createIfMissing(bcrypt: Bcrypt): Promise<void> {
    const { files, random } = this.#ports
    const password = generatePassword(random)
    if (await this.#exists()) return
    await files.mkdir(dirname(this.#path), { recursive: true, mode: 0o700 })
    try {
      await using file = await files.open(this.#path, 'wx', 0o600)
      await file.writeFile(`docker:${await bcrypt.hash(password, generatedCost)}\n`)
      await file.sync()
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return
      throw error
    }
    // In the message, as the logger masks fields of that name.
    this.#log.warn(`the htpasswd file was missing and is made; sign in as docker with the password ${password} (shown once)`)
  }

  async #exists(): Promise<boolean> {
    try {
      await this.#ports.files.stat(this.#path)
      return true
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
      throw error
    }
  }

  async #refresh(): Promise<void> {
    this.#checkedAt = this.#ports.clock.monotonic()
    try {
      const { mtimeMs, size, ino } = await this.#ports.files.stat(this.#path)
      const stamp = `${mtimeMs} ${size} ${ino}`
      if (stamp === this.#stamp) return
      if (size > maxFileBytes) throw new Error(`larger than ${maxFileBytes} bytes`)
      this.#take(await this.#ports.files.readFile(this.#path, 'utf8'))
      this.#stamp = this.#ports.clock.now() - mtimeMs < settledAfterMs ? undefined : stamp
    } catch (error) {
      if (this.#users !== undefined || this.#stamp !== 'unreadable')
        this.#log.error({ err: error }, 'the htpasswd file cannot be read: nobody can sign in')
      this.#users = undefined
      this.#stamp = 'unreadable'
    }
  }

  #take(text: string): void {
    const { hashes, faults } = parseHtpasswd(text)
    const isChanged = this.#users === undefined || !sameEntries(this.#users.hashes, hashes)
    if (isChanged) this.#revision += 1
    this.#users = { hashes, unmatchable: unmatchableHash(hashes), revision: this.#revision }
    if (isChanged) this.#log.info({ users: hashes.size }, 'htpasswd file read')
    this.#tell(faults)
  }

  /** Lines that do not count, once: again when there are others. */
  #tell(faults: readonly string[]): void {
    const all = faults.join('\n')
    if (all === this.#faults) return
    this.#faults = all
    for (const fault of faults.slice(0, maxLoggedFaults)) this.#log.warn(`htpasswd: ${fault}`)
    if (faults.length > maxLoggedFaults) this.#log.warn(`htpasswd: ${faults.length - maxLoggedFaults} more lines do not count`)
  }
}

function sameEntries(left: ReadonlyMap<string, string>, right: ReadonlyMap<string, string>): boolean {
  return left.size === right.size && [...left].every(([name, hash]) => right.get(name) === hash)
}
